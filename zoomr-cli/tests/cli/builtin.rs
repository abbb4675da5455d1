//! The model inside of the binary: it poses a problem or is given one, and its answer is checked.

use std::process::{Command, Stdio};

use crate::support::Ran;

fn zoomr(args: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zoomr"));
    command.args(args).stdin(Stdio::null()).output().unwrap().into()
}

#[test]
fn it_poses_short_problems_and_solves_most_of_them() {
    for kind in ["lagged-sums", "ledger", "program-trace"] {
        let right = (0..10).filter(|seed| {
            let seed = seed.to_string();
            let flags = ["generate", "--json", "--pose", kind, "--pose-tokens", "200", "--seed", &seed];
            let posed = zoomr(&flags).report();
            assert!(posed["stats"]["thoughts"].as_u64() > Some(0), "{}", posed["stats"]);
            posed["problem"]["right"] == true
        });
        let right = right.count();
        assert!(right > 8, "{kind}: {right} of 10 are right");
    }
}

#[test]
fn long_ones_too_in_a_fraction_of_the_memory() {
    for kind in ["lagged-sums", "ledger", "program-trace"] {
        let flags = ["generate", "--json", "--pose", kind, "--pose-tokens", "2000", "--seed", "1"];
        let posed = zoomr(&flags).report();
        assert_eq!(posed["problem"]["right"], true, "{kind}");
        let [full, peak] = ["kv_bytes_full", "kv_bytes_resident_peak"].map(|n| posed["stats"][n].as_f64());
        assert!(full > peak.map(|peak| 4.0 * peak), "{kind}: {}", posed["stats"]);
    }
}

#[test]
fn it_keeps_keys_and_values_as_it_was_taught() {
    let posed = |more: &[&str]| {
        zoomr(&[&["generate", "--json", "--pose-tokens", "400", "--seed", "3"], more].concat()).report()
    };
    let (usual, f32s, f16s) = (posed(&[]), posed(&["--kv", "f32"]), posed(&["--kv", "f16"]));
    assert_eq!(usual["tokens"], f32s["tokens"]);
    assert_eq!(usual["stats"]["kv_bytes"], f32s["stats"]["kv_bytes"]);
    let per_token = |report: &serde_json::Value| {
        let stats = &report["stats"];
        let tokens = ["prompt_tokens", "new_tokens"].map(|name| stats[name].as_u64().unwrap());
        stats["kv_bytes_full"].as_u64().unwrap() as f64 / tokens.iter().sum::<u64>() as f64
    };
    let ratio = per_token(&usual) / per_token(&f16s);
    assert!((ratio - 2.0).abs() < 0.1, "{ratio}");
}

#[test]
fn people_see_thoughts_what_they_reopened_and_the_memory() {
    let seen = zoomr(&["generate", "--pose-tokens", "400", "--seed", "3"]).succeeded();
    for part in
        ["problem      lagged sums mod 10", "\nthought 2    ", "\nin short ", "\nreopened ", "a full cache"]
    {
        assert!(seen.contains(part), "{seen}");
    }
    assert!(seen.contains("right: ") || seen.contains("wrong: "), "{seen}");
    assert!(seen.lines().last().unwrap().starts_with("memory "), "{seen}");
}

#[test]
fn a_few_thoughts_are_shown_and_the_others_where_they_are_asked_for() {
    let posed = ["generate", "--pose-tokens", "600", "--seed", "3"];
    let seen = zoomr(&posed).succeeded();
    let all = zoomr(&[&posed[..], &["--verbose"]].concat()).succeeded();
    let count = |text: &str| text.lines().filter(|line| line.starts_with("thought ")).count();
    assert!(count(&seen) == 3 && count(&all) > 5, "{seen}");
    let rest = format!("...          {} more thoughts; --verbose shows all", count(&all) - 3);
    assert!(seen.contains(&rest) && !all.contains("--verbose"), "{seen}");
    // What is shown is the same, and so is how it ends.
    let third =
        |text: &str| text.split("thought 4").next().unwrap().split("...").next().unwrap().trim().to_owned();
    assert_eq!(third(&seen), third(&all));
    let answer = |text: &str| text.lines().rev().nth(3).unwrap().to_owned();
    assert_eq!(answer(&seen), answer(&all));
}

#[test]
fn a_cache_that_is_no_smaller_is_said_to_be_so() {
    let posed = ["generate", "--pose-tokens", "200", "--seed", "3"];
    let short = zoomr(&[&posed[..], &["--window", "4000"]].concat()).succeeded();
    assert!(short.lines().last().unwrap().contains("the cache came out no smaller"), "{short}");
    let long = zoomr(&["generate", "--pose-tokens", "1500", "--seed", "3"]).succeeded();
    assert!(long.lines().last().unwrap().contains("x less"), "{long}");
}

#[test]
fn it_takes_problems_and_says_what_is_wrong_with_others() {
    let question = "lagged sums mod 10 : t7 5 t8 6 rule t9 = t8 + t7 until t14 ; find t14 ?";
    let given = zoomr(&["generate", "--json", question]).report();
    assert_eq!(
        (&given["problem"]["question"], &given["problem"]["answer"]),
        (&question.into(), &"t14 8".into())
    );
    zoomr(&["generate", "what is 2 + 2 ?"]).refused(&["`what`", "`ledger`", "--model"]);
    zoomr(&["generate", "lagged sums mod 10 : t7 5 t9"]).refused(&["word 8 is `t9`", "t8"]);
    zoomr(&["generate", "--pose", "ledger", "--pose-tokens", "20"]).refused(&[
        "--pose-tokens",
        "ledger",
        "20",
    ]);
    zoomr(&["generate", "--tokens", "1,2"]).refused(&["--tokens", "as text"]);
    zoomr(&["generate", "--pose", "ledger", "--model", "x"]).refused(&["--pose", "--model"]);
    assert!(zoomr(&["inspect"]).succeeded().contains("smollm3"));
}
