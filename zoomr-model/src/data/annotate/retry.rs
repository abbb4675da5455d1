//! How long to wait before asking again.

use std::{
    hash::{BuildHasher, RandomState},
    ops::RangeInclusive,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// The longest wait that is not asked for.
const MOST: Duration = Duration::from_secs(60);
/// How often a sleeper looks whether it should stop.
const LOOK: Duration = Duration::from_millis(20);

/// The wait before try number `retry` (counted from 0) of one request: doubles each time, and is anything from half
/// of that to all of it, so that those who failed together do not come back together.
pub(super) fn back_off(first: Duration, retry: u32) -> Duration {
    let full = first.saturating_mul(2u32.saturating_pow(retry)).min(MOST);
    full.mul_f64(0.5 + 0.5 * random())
}

/// A pause that the server asked for, which all workers keep to.
#[derive(Debug)]
pub(super) struct Pause {
    until: Mutex<Instant>,
}

impl Pause {
    /// No pause.
    pub(super) fn over() -> Self {
        Self { until: Mutex::new(Instant::now()) }
    }

    /// Nobody asks before this time is over.
    pub(super) fn hold(&self, time: Duration) {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = (*until).max(Instant::now() + time);
    }

    /// Sleeps until the pause and `own` are over; `false` where `stop` came first. A little more after a pause:
    /// up to `spread`, as all others wait for the same moment.
    pub(super) fn wait(&self, own: Instant, spread: Duration, stop: &AtomicBool) -> bool {
        let (begun, spread) = (Instant::now(), spread.mul_f64(random()));
        loop {
            if stop.load(Ordering::Relaxed) {
                return false;
            }
            let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
            let until = if until > begun { own.max(until + spread) } else { own };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(LOOK));
        }
    }
}

/// The wait that a `Retry-After` header asks for: seconds, or a date. `None` where it is neither.
pub(super) fn retry_after(value: &str) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(Duration::from_secs(http_date(value)?).saturating_sub(now))
}

/// Seconds from 1970 to a date as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(text: &str) -> Option<u64> {
    let fields: Vec<&str> = text.split([' ', ':']).collect();
    let [_, day, month, year, hour, minute, second, "GMT"] = fields[..] else { return None };
    let within = |field: &str, range: RangeInclusive<u64>| field.parse().ok().filter(|n| range.contains(n));
    let month = "JanFebMarAprMayJunJulAugSepOctNovDec".find(month)? as u64 / 3;
    let (day, year) = (within(day, 1..=31)?, within(year, 1970..=9999)?);
    let (hour, minute, second) = (within(hour, 0..=23)?, within(minute, 0..=59)?, within(second, 0..=60)?);
    // Years begin in March, so that a leap day ends one; 719,468 days lie between March of year 0 and 1970.
    let (years, months) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    let days =
        years * 365 + years / 4 - years / 100 + years / 400 + (153 * months + 2) / 5 + day - 1 - 719_468;
    Some((days * 24 + hour) * 3600 + minute * 60 + second)
}

/// A number from 0 to 1, another one each time.
fn random() -> f64 {
    // Every state hashes differently, by keys of its own.
    RandomState::new().hash_one(()) as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_differ() {
        for retry in 0..80 {
            let wait = back_off(Duration::from_secs(1), retry).as_secs_f64();
            let full = 2f64.powi(retry.min(10) as i32).min(60.0);
            assert!((0.5 * full..=full).contains(&wait), "{retry}: {wait}");
        }
        let waits: Vec<Duration> = (0..9).map(|_| back_off(Duration::from_secs(1), 3)).collect();
        assert!(waits.iter().any(|wait| *wait != waits[0]));
    }

    #[test]
    fn servers_ask_in_seconds_or_by_date() {
        assert_eq!(retry_after(" 7"), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("0.25"), Some(Duration::from_millis(250)));
        for bad in ["", "soon", "-1", "NaN", "inf", "Sun, 06 Nov 1994", "Sun, 06 Abc 1994 08:49:37 GMT"] {
            assert_eq!(retry_after(bad), None, "{bad}");
        }
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(http_date("Tue, 29 Feb 2000 12:34:56 GMT"), Some(951_827_696));
        assert_eq!(http_date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(http_date("Mon, 01 Mar 2100 00:00:00 GMT"), Some(4_107_542_400));
        for bad in ["Mon, 01 Jan 0000 00:00:00 GMT", "Mon, 00 Jan 1970 00:00:00 GMT"] {
            assert_eq!(http_date(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_pause_holds_everybody_up_until_stopped() {
        let pause = Pause::over();
        let (go_on, stop) = (AtomicBool::new(false), AtomicBool::new(true));
        assert!(pause.wait(Instant::now(), Duration::ZERO, &go_on));
        pause.hold(Duration::from_millis(60));
        pause.hold(Duration::from_millis(10));
        let begun = Instant::now();
        assert!(pause.wait(begun, Duration::ZERO, &go_on));
        assert!(begun.elapsed() >= Duration::from_millis(55));
        pause.hold(Duration::from_secs(600));
        assert!(!pause.wait(begun, Duration::ZERO, &stop));
    }
}
