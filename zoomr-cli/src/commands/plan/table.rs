//! The plan for people.

use zoomr_core::{forecast::Forecast, stats::TierBytes};

use super::{
    MOST_TOKENS, Report,
    need::{Memory, Need},
};
use crate::output::{
    account::{ratio, times_less},
    bytes,
    table::{aligned, columns_within},
};

/// The table for people, within `width`.
pub(super) fn table(report: &Report, width: Option<usize>) -> String {
    let r = report;
    let summaries = match r.summary_tokens {
        0 => "no summaries".to_owned(),
        tokens => format!("summaries of {tokens}"),
    };
    let thoughts = match (r.thought_tokens, r.longest_thought_tokens) {
        // With blocks no thought is zoomed into whole.
        (usual, longest) if usual == longest || r.blocks.is_some() => format!("thoughts of {usual}"),
        (usual, longest) => format!("thoughts of {usual}, at most {longest}"),
    };
    let assumed = format!("{} tokens, {} of them prompt; {thoughts}, {summaries}", r.tokens, r.prompt_tokens);
    let device = format!(
        "{} at the end, {} at the peak, against a full cache there",
        times_less(r.reduction_of_device),
        times_less(ratio(r.kv_bytes_full as f64, r.kv_bytes_resident_peak as f64))
    );
    let in_all = times_less(r.reduction_of_total);
    let offloaded = TierBytes { cold: r.kv_bytes_full, ..TierBytes::default() };
    let tiers = columns_within(
        &["KV memory", "full on device", "full offloaded", r.policy],
        &tier_rows(&r.full, &offloaded, r),
        &["full offloaded", "full on device"],
        width,
    );
    let mut rows = vec![
        ("assumed", assumed),
        ("reduction on the device", device),
        ("reduction in all", format!("{in_all}, against a full cache offloaded to the host")),
    ];
    if let Some(size) = r.blocks {
        let held = match r.at_hand {
            Some(tokens) => format!("of {size} tokens, chosen from {tokens} tokens at hand"),
            None => format!("of {size} tokens: they save what is read, not what is held"),
        };
        rows.push(("blocks", held));
        rows.push(("attended tokens", "known when it runs; see generate --stats".to_owned()));
    }
    if let Some(memory) = away(r) {
        rows.push(("memory", memory.to_owned()));
    }
    format!("{}\n{tiers}\n{}", memory_table(&r.memory, width), aligned(&rows, width))
}

/// What becomes of what rows do not see, where that is not to be put away from the device.
fn away(report: &Report) -> Option<&'static str> {
    match (report.memory.host_is_device, report.blocks.filter(|_| report.at_hand.is_none())) {
        (true, Some(_)) => {
            Some("the device is the host, so there is nowhere to put KV away: all of it stays")
        }
        (true, None) => Some("the device is the host: KV above counts what is put away to the host too"),
        (false, Some(_)) => Some("all KV stays on the device"),
        (false, None) => None,
    }
}

/// What the runs need, one in a row.
fn memory_table(memory: &Memory, width: Option<usize>) -> String {
    let Memory { weight_dtype: weights, kv_dtype: kv, activation_dtype: activations, .. } = memory;
    let names = [format!("weights, {weights}"), format!("KV, {kv}"), format!("activations, {activations}")];
    let fits = memory.available_bytes.map_or(String::new(), |available| format!("in {}", bytes(available)));
    let mut headings = vec!["memory", &names[0], &names[1], &names[2], "in all"];
    if memory.available_bytes.is_some() {
        headings.extend([&*fits, "longest text"]);
    }
    let rows: Vec<Vec<String>> = memory.runs.iter().map(memory_row).collect();
    columns_within(&headings, &rows, &[&names[2], &names[0], &names[1]], width)
}

fn memory_row(need: &Need) -> Vec<String> {
    let parts = [need.weight_bytes, need.kv_bytes, need.activation_bytes, need.bytes].map(bytes);
    let mut row: Vec<String> = std::iter::once(need.policy.to_owned()).chain(parts).collect();
    row.extend(need.fits.map(|fits| if fits { "fits" } else { "too much" }.to_owned()));
    row.extend(need.longest_text.map(|tokens| match tokens {
        0 => "none".to_owned(),
        MOST_TOKENS => format!("over {tokens} tokens"),
        tokens => format!("{tokens} tokens"),
    }));
    row
}

/// A row per tier.
fn tier_rows(full: &Forecast, offloaded: &TierBytes, report: &Report) -> Vec<Vec<String>> {
    let ends = [full.end, *offloaded, report.kv_bytes];
    let row = |name: &str, of: &dyn Fn(&TierBytes) -> u64| {
        std::iter::once(name.to_owned()).chain(ends.iter().map(|end| bytes(of(end)))).collect()
    };
    let peaks = [full.peak, 0, report.kv_bytes_resident_peak];
    vec![
        row("prompt", &|t| t.prompt),
        row("window", &|t| t.window),
        row("index", &|t| t.index),
        row("summaries", &|t| t.summaries),
        // Whole thoughts that are zoomed into, or those that blocks may be chosen from.
        row(if report.blocks.is_some() { "at hand" } else { "zoomed" }, &|t| t.zoomed),
        row("free", &|t| t.free),
        row("resident", &TierBytes::resident),
        std::iter::once("resident at most".to_owned()).chain(peaks.map(bytes)).collect(),
        row("host", &|t| t.cold),
        row("device and host", &TierBytes::total),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(policy: &'static str, kv_bytes: u64, fits: bool) -> Need {
        Need {
            policy,
            weight_bytes: 257 << 20,
            kv_bytes,
            activation_bytes: 10 << 20,
            bytes: (267 << 20) + kv_bytes,
            fits: Some(fits),
            longest_text: Some(if fits { MOST_TOKENS } else { 24_000 }),
        }
    }

    fn zoomr() -> TierBytes {
        TierBytes {
            prompt: 5 << 20,
            window: 6 << 20,
            index: 1 << 20,
            zoomed: 8 << 20,
            cold: 1 << 30,
            ..TierBytes::default()
        }
    }

    fn report() -> Report {
        let zoomr = zoomr();
        let full = TierBytes { prompt: 5 << 20, window: 1 << 30, ..TierBytes::default() };
        Report {
            policy: "zoomr",
            blocks: None,
            at_hand: None,
            tokens: 32_768,
            prompt_tokens: 128,
            thought_tokens: 56,
            longest_thought_tokens: 96,
            summary_tokens: 0,
            kv_bytes_full: 1 << 30,
            kv_bytes_resident: zoomr.resident(),
            kv_bytes_resident_peak: 21 << 20,
            kv_bytes_cold: zoomr.cold,
            kv_bytes: zoomr,
            full: Forecast { end: full, peak: full.resident(), full: 1 << 30 },
            reduction_of_device: 51.2,
            reduction_of_total: 0.98,
            memory: Memory {
                weight_dtype: "BF16".to_owned(),
                kv_dtype: "F16".to_owned(),
                activation_dtype: "F32".to_owned(),
                host_is_device: false,
                available_bytes: Some(1 << 30),
                runs: vec![need("zoomr", 21 << 20, true), need("full", 1 << 30, false)],
            },
        }
    }

    #[test]
    fn reads_like_this() {
        let report = report();
        insta::assert_snapshot!(table(&report, None));
        insta::assert_snapshot!("in_few_columns", table(&report, Some(60)));
    }

    #[test]
    fn with_blocks_it_says_that_everything_stays() {
        let all = TierBytes { zoomed: (1 << 30) - (11 << 20), cold: 0, index: 33 << 20, ..zoomr() };
        let resident = all.resident();
        let mut report = Report {
            blocks: Some(4),
            kv_bytes_resident: resident,
            kv_bytes_resident_peak: resident,
            kv_bytes_cold: 0,
            kv_bytes: all,
            reduction_of_device: 0.969,
            reduction_of_total: 0.969,
            ..report()
        };
        report.memory.runs[0] = need("zoomr", resident, false);
        report.memory.host_is_device = true;
        insta::assert_snapshot!(table(&report, None));
        insta::assert_snapshot!("with_blocks_in_few_columns", table(&report, Some(80)));
    }
}
