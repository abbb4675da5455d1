//! Dates for chat templates: the directives of C's `strftime` that templates use, in UTC and English.
//!
//! Not a calendar library: no time zones, no locales.

use std::time::{SystemTime, UNIX_EPOCH};

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Seconds since 1970, now.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

/// Writes a time, given in seconds since 1970, in a format.
///
/// `%-d` leaves out the padding of a number, as glibc has it.
///
/// # Errors
/// The directive that is not known.
pub(super) fn strftime(format: &str, seconds: u64) -> Result<String, String> {
    let mut text = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            text.push(c);
            continue;
        }
        let mut directive = chars.next();
        let bare = directive == Some('-');
        if bare {
            directive = chars.next();
        }
        let unknown =
            || format!("%{}{}", if bare { "-" } else { "" }, directive.map_or(String::new(), String::from));
        let shown = directive.and_then(|directive| shown(directive, seconds)).ok_or_else(unknown)?;
        let is_number = shown.trim_start().chars().all(|c| c.is_ascii_digit());
        text += match bare && is_number {
            true if shown.trim_start_matches(['0', ' ']).is_empty() => "0",
            true => shown.trim_start_matches(['0', ' ']),
            false => &shown,
        };
    }
    Ok(text)
}

/// What a directive stands for; `None` where it is not known.
fn shown(directive: char, seconds: u64) -> Option<String> {
    let date = Date::of(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let hour_of_twelve = (hour + 11) % 12 + 1;
    let (day, month) = (DAYS[date.weekday], MONTHS[date.month - 1]);
    let whole = |format: &str| strftime(format, seconds).ok();
    Some(match directive {
        'Y' => format!("{:04}", date.year),
        'y' => format!("{:02}", date.year % 100),
        'C' => format!("{:02}", date.year / 100),
        'm' => format!("{:02}", date.month),
        'B' => month.to_owned(),
        'b' | 'h' => month[..3].to_owned(),
        'd' => format!("{:02}", date.day),
        'e' => format!("{:2}", date.day),
        'j' => format!("{:03}", date.day_of_year()),
        'A' => day.to_owned(),
        'a' => day[..3].to_owned(),
        'w' => date.weekday.to_string(),
        'u' => ((date.weekday + 6) % 7 + 1).to_string(),
        'H' => format!("{hour:02}"),
        'I' => format!("{hour_of_twelve:02}"),
        'k' => format!("{hour:2}"),
        'l' => format!("{hour_of_twelve:2}"),
        'p' => if hour < 12 { "AM" } else { "PM" }.to_owned(),
        'M' => format!("{minute:02}"),
        'S' => format!("{second:02}"),
        'f' => "000000".to_owned(),
        's' => seconds.to_string(),
        // The time is in UTC, but has no zone, as Python's `datetime.now()` has none.
        'z' | 'Z' => String::new(),
        'c' => return whole("%a %b %e %H:%M:%S %Y"),
        'D' | 'x' => return whole("%m/%d/%y"),
        'F' => return whole("%Y-%m-%d"),
        'R' => return whole("%H:%M"),
        'T' | 'X' => return whole("%H:%M:%S"),
        'n' => "\n".to_owned(),
        't' => "\t".to_owned(),
        '%' => "%".to_owned(),
        _ => return None,
    })
}

/// A day of the Gregorian calendar.
struct Date {
    year: u64,
    /// From 1.
    month: usize,
    /// From 1.
    day: u64,
    /// From 0, Sunday.
    weekday: usize,
}

impl Date {
    /// The day that is `days` after the first of January 1970.
    ///
    /// Counts in years that begin in March, so that a leap day ends one: then months up to any month have
    /// `(153 m + 2) / 5` days, and 400 years have 146,097.
    fn of(days: u64) -> Self {
        let weekday = ((days + 4) % 7) as usize;
        let since_march_of_year_0 = days + 719_468;
        let era = since_march_of_year_0 / 146_097;
        let day_of_era = since_march_of_year_0 % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = (month_from_march + 2) % 12 + 1;
        let year = 400 * era + year_of_era + u64::from(month <= 2);
        Self { year, month: month as usize, day, weekday }
    }

    /// Its number in its year, from 1.
    fn day_of_year(&self) -> u64 {
        let is_leap =
            self.year.is_multiple_of(4) && (!self.year.is_multiple_of(100) || self.year.is_multiple_of(400));
        let lengths = [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        lengths[..self.month - 1].iter().sum::<u64>() + self.day
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days() {
        let full = "%A %Y-%m-%d %H:%M:%S";
        assert_eq!(strftime(full, 0).unwrap(), "Thursday 1970-01-01 00:00:00");
        assert_eq!(strftime(full, 951_827_696).unwrap(), "Tuesday 2000-02-29 12:34:56");
        assert_eq!(strftime(full, 4_107_542_399).unwrap(), "Sunday 2100-02-28 23:59:59");
        assert_eq!(strftime(full, 4_107_542_400).unwrap(), "Monday 2100-03-01 00:00:00");
        assert_eq!(strftime("%d %b %y, 100%%", 1_735_603_200).unwrap(), "31 Dec 24, 100%");
        let few = "%-d|%e|%-m|%-H|%-I %p|%j|%-j|%u|%F %T|%D|%C|%-y|%-S";
        assert_eq!(
            strftime(few, 951_827_696).unwrap(),
            "29|29|2|12|12 PM|060|60|2|2000-02-29 12:34:56|02/29/00|20|0|56"
        );
        assert_eq!(strftime("%-d %B %Y, %-M, %I%p, %-B", 0).unwrap(), "1 January 1970, 0, 12AM, January");
    }

    #[test]
    fn days_follow_one_another() {
        let mut last = Date::of(0);
        for days in 1..200_000 {
            let next = Date::of(days);
            let same_month = next.day == last.day + 1 && next.month == last.month;
            let next_month = next.day == 1 && last.day >= 28 && next.month == last.month % 12 + 1;
            assert!(same_month || next_month, "{days}");
            assert_eq!(next.year - last.year, u64::from(next_month && next.month == 1), "{days}");
            last = next;
        }
    }

    #[test]
    fn an_unknown_directive_is_named() {
        assert_eq!(strftime("%Y %Q", 0).unwrap_err(), "%Q");
        assert_eq!(strftime("100%", 0).unwrap_err(), "%");
        assert_eq!(strftime("%-", 0).unwrap_err(), "%-");
    }
}
