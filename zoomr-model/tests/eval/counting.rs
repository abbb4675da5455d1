//! Rows of a table against numbers worked out by hand, and intervals against published ones.

use zoomr_core::stats::{RunStats, TierBytes};
use zoomr_model::{
    engine::Stop,
    eval::{Outcome, clustered, interval, plot, rows},
};

use crate::support::settings;

fn outcome(problem: usize, kind: &str, setting: &str, correct: bool) -> Outcome {
    Outcome {
        problem,
        sample: 0,
        kind: kind.into(),
        setting: setting.into(),
        answer: None,
        correct,
        stop: Stop::EndOfText,
        prompt_tokens: 10,
        output_tokens: 100,
        prompt_seconds: 9.0,
        output_seconds: 2.0,
        full_bytes: 4000,
        bytes: TierBytes { window: 600, cold: 3400, ..TierBytes::default() },
        run: RunStats { resident_peak: 1000, resident_area: 50_000, ..RunStats::default() },
        missed_mass: None,
    }
}

#[test]
fn rows_are_means_and_rates() {
    let settings = settings(&["full", "zoomr:zoom=1", "window"]);
    let mut second = outcome(2, "ledger", "zoomr:zoom=1", false);
    second.output_tokens = 300;
    second.output_seconds = 3.0;
    second.stop = Stop::MaxTokens;
    second.full_bytes = 8000;
    second.run.resident_peak = 2000;
    second.run.resident_area = 150_000;
    (second.run.hits, second.run.misses) = (9, 3);
    second.missed_mass = Some(0.25);
    let outcomes = [
        outcome(0, "ledger", "zoomr:zoom=1", true),
        outcome(0, "ledger", "full", true),
        outcome(1, "lagged-sums", "zoomr:zoom=1", false),
        second,
    ];
    let rows = rows(&settings, &outcomes);
    let names: Vec<_> = rows.iter().map(|row| (row.kind.as_deref(), &*row.setting, row.policy)).collect();
    let (full, zoomr) = (("full", "full"), ("zoomr:zoom=1", "zoomr"));
    assert_eq!(
        names,
        [
            (Some("ledger"), full.0, full.1),
            (Some("ledger"), zoomr.0, zoomr.1),
            (Some("lagged-sums"), zoomr.0, zoomr.1),
            (None, full.0, full.1),
            (None, zoomr.0, zoomr.1),
        ]
    );
    let ledger = &rows[1];
    assert_eq!((ledger.problems, ledger.correct, ledger.accuracy, ledger.unfinished), (2, 1, 0.5, 1));
    assert_eq!(ledger.accuracy_95, interval(1, 2));
    assert_eq!((ledger.output_tokens, ledger.tokens_per_second), (200.0, 80.0));
    assert_eq!((ledger.resident_peak, ledger.resident_peak_max), (1500.0, 2000));
    assert_eq!((ledger.resident_area, ledger.full_bytes), (100_000.0, 6000.0));
    assert_eq!((ledger.reduction_of_device, ledger.reduction_of_total), (4.0, 1.5));
    assert_eq!(ledger.hit_rate, Some(0.75));
    assert_eq!((ledger.missed_mass, ledger.missed_mass_problems), (Some(0.25), 1));
    assert_eq!((rows[0].hit_rate, rows[0].missed_mass, rows[0].unfinished), (None, None, 0));
    assert_eq!((rows[4].problems, rows[4].correct), (3, 1));
    assert_eq!((ledger.samples, ledger.majority, ledger.majority_95), (1, None, None));
}

/// Four texts to each of three problems: what they answered, and whether that is right.
fn sampled() -> Vec<Outcome> {
    let texts = [
        // The right one has most votes, in two spellings.
        [(Some("3"), false), (Some("0.5"), true), (Some("1/2"), true), (None, false)],
        // As many votes: the first one counts, which is wrong.
        [(Some("7"), false), (Some("8"), true), (Some("8.0"), true), (Some("7"), false)],
        // Most have no answer.
        [(None, false), (Some("1"), true), (Some(""), false), (Some("2"), false)],
    ];
    let text = |(problem, sample, (answer, correct)): (usize, usize, (Option<&str>, bool))| Outcome {
        sample,
        answer: answer.map(str::to_owned),
        ..outcome(problem, "ponds", "full", correct)
    };
    let each = texts.into_iter().enumerate().flat_map(|(problem, texts)| {
        texts.into_iter().enumerate().map(move |(sample, said)| (problem, sample, said))
    });
    each.map(text).collect()
}

#[test]
fn of_several_texts_a_vote_is_taken_and_a_mean() {
    let settings = settings(&["full"]);
    let mut outcomes = sampled();
    outcomes[0].stop = Stop::StopString;
    outcomes[1].stop = Stop::MaxTokens;
    let row = rows(&settings, &outcomes).remove(0);
    assert_eq!((row.problems, row.samples, row.correct, row.unfinished), (3, 4, 5, 1));
    assert_eq!((row.accuracy, row.majority), (5.0 / 12.0, Some(1.0 / 3.0)));
    assert_eq!(row.accuracy_95, clustered(&[(2, 4), (2, 4), (1, 4)]));
    assert_eq!(row.majority_95, Some(interval(1, 3)));
    // However they come in, the first text is the first.
    outcomes.reverse();
    assert_eq!(rows(&settings, &outcomes), [row]);
}

#[test]
fn texts_to_one_problem_tell_less_than_texts_to_many() {
    let width = |(low, high): (f64, f64)| high - low;
    // One text for each: as without clusters.
    for hits in [0, 1, 7, 20] {
        let ones: Vec<_> = (0..20).map(|i| (usize::from(i < hits), 1)).collect();
        let ((low, high), (l, h)) = (clustered(&ones), interval(hits, 20));
        assert!((low - l).abs() < 1e-12 && (high - h).abs() < 1e-12, "{hits}: {low}..{high}, {l}..{h}");
    }
    // Texts that all say the same are worth one.
    let same: Vec<_> = (0..20).map(|i| (if i < 7 { 10 } else { 0 }, 10)).collect();
    assert!((width(clustered(&same)) - width(interval(7, 20))).abs() < 1e-9);
    // Texts of problems that do not differ are worth as many.
    let alike = [(5, 10); 20];
    assert!((width(clustered(&alike)) - width(interval(100, 200))).abs() < 1e-12);
    // Worked out by hand: 4 problems of 4 texts; rate 1/2, variance 4/3 * 8 / 256 = 1/24, as of 6 texts.
    let (low, high) = clustered(&[(4, 4), (2, 4), (2, 4), (0, 4)]);
    let (l, h) = interval(3, 6);
    assert!((low - l).abs() < 1e-12 && (high - h).abs() < 1e-12, "{low}..{high}, {l}..{h}");
    // Where nothing differs, nobody knows how much it might.
    assert_eq!(clustered(&[(4, 4); 3]), interval(3, 3));
    assert_eq!(clustered(&[(0, 4); 3]), interval(0, 3));
    assert!(width(clustered(&[(3, 5)])) > width(interval(3, 5)));
    assert_eq!(clustered(&[]), (0.0, 1.0));
}

/// R. G. Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17 (1998),
/// table I, method 3.
#[test]
fn intervals_are_those_in_print() {
    for (hits, count, low, high) in
        [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)]
    {
        let found = interval(hits, count);
        assert!(
            (found.0 - low).abs() < 5e-5 && (found.1 - high).abs() < 5e-5,
            "{hits} of {count}: {found:?}"
        );
        let (low, high) = interval(count - hits, count);
        assert!((low + found.1 - 1.0).abs() < 1e-12 && (high + found.0 - 1.0).abs() < 1e-12);
    }
    assert_eq!(interval(0, 0), (0.0, 1.0));
}

#[test]
fn every_policy_of_a_table_is_drawn() {
    let settings = settings(&["full", "zoomr:zoom=1", "zoomr:zoom=2"]);
    let outcomes = ["full", "zoomr:zoom=1", "zoomr:zoom=2"].map(|name| outcome(0, "ledger", name, true));
    let rows = rows(&settings, &outcomes);
    let svg = plot(&rows.iter().collect::<Vec<_>>()).unwrap().unwrap();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{svg}");
    // A mark for each row at least, and a name for each policy.
    assert!(svg.matches("<circle").count() >= 3, "{svg}");
    assert!(svg.contains("full") && svg.contains("zoomr") && !svg.contains("quest"), "{svg}");
    assert_eq!(plot(&[]), Ok(None));
}
