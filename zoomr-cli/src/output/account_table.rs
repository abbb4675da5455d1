//! The account as a table for people: a name, a value, and what it is compared with.

use super::{
    account::{Account, times_less},
    bytes,
    table::aligned,
};

/// The account as a table for people, with a newline at its end, within `width`.
pub(crate) fn table(account: &Account, width: Option<usize>) -> String {
    let a = account;
    let per_token =
        format!("{:.1} ms median, {:.1} ms p95", a.milliseconds_per_token_p50, a.milliseconds_per_token_p95);
    let new = match a.summary_tokens {
        0 => a.new_tokens.to_string(),
        summaries => format!("{} ({summaries} of them summaries)", a.new_tokens),
    };
    let resident = match a.kv_bytes.index {
        0 => bytes(a.kv_bytes_resident),
        index => format!("{}, {} of it index", bytes(a.kv_bytes_resident), bytes(index)),
    };
    let mut rows = vec![
        ("policy", a.policy.to_owned()),
        ("prompt tokens", format!("{} in {:.2} s", a.prompt_tokens, a.prompt_seconds)),
        ("new tokens", new),
        ("tokens per second", format!("{:.2}", a.tokens_per_second)),
        ("time per token", per_token),
        ("thoughts", a.thoughts.to_string()),
        (
            "attended tokens",
            format!("{:.0} on average, {:.1}x fewer than full", a.attended_tokens, a.attended_times_fewer),
        ),
        ("KV, full cache", bytes(a.kv_bytes_full)),
        ("KV, resident", resident),
        ("KV, resident at most", bytes(a.kv_bytes_resident_peak)),
        ("KV, on the host", bytes(a.kv_bytes_cold)),
        (
            "reduction on the device",
            format!("{}, against a full cache there", times_less(a.reduction_of_device)),
        ),
        (
            "reduction in all",
            format!("{}, against a full cache offloaded to the host", times_less(a.reduction_of_total)),
        ),
        ("moved to the device", bytes(a.bytes_fetched)),
        ("moved to the host", bytes(a.bytes_stored)),
    ];
    let zoomed = a.hits + a.misses;
    if zoomed > 0 {
        let hits = format!("{:.1}% of {zoomed}", 100.0 * a.hit_rate);
        rows.push(("zoomed and resident", hits));
    }
    if let Some(peak) = a.process_bytes_peak {
        rows.push(("process memory, peak", bytes(peak)));
    }
    aligned(&rows, width)
}

#[cfg(test)]
mod tests {
    use zoomr_core::stats::TierBytes;

    use super::*;

    #[test]
    fn reads_like_this() {
        let account = Account {
            policy: "zoomr",
            prompt_tokens: 32,
            new_tokens: 2000,
            summary_tokens: 410,
            thoughts: 17,
            steps: 2001,
            prompt_seconds: 0.25,
            tokens_per_second: 31.5,
            milliseconds_per_token_p50: 31.04,
            milliseconds_per_token_p95: 40.06,
            attended_tokens: 301.4,
            attended_times_fewer: 3.46,
            kv_bytes_full: 93_634_560,
            kv_bytes_resident: 16_000_000,
            kv_bytes_resident_peak: 17_000_000,
            kv_bytes_cold: 80_000_000,
            kv_bytes: TierBytes { index: 300_000, ..TierBytes::default() },
            kv_byte_steps_resident: 1,
            kv_byte_steps_full: 4,
            reduction_of_device: 5.852,
            reduction_of_total: 0.975,
            hits: 900,
            misses: 100,
            hit_rate: 0.9,
            bytes_fetched: 1 << 20,
            bytes_stored: 1 << 30,
            process_bytes_peak: Some(700_000_000),
        };
        insta::assert_snapshot!(table(&account, None));
    }
}
