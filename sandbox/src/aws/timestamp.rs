//! Points in time as AWS writes them: ISO 8601 in its basic form in signatures, extended in XML;
//! seconds in JSON; and the date of HTTP.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY_SECS: u64 = 86_400;

/// `20150830T123600Z`, as in `X-Amz-Date`.
pub(super) fn basic(time: SystemTime) -> String {
    let (year, month, day, hour, minute, second) = civil(time);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// `2015-08-30T12:36:00Z`, as in the XML answers.
pub(super) fn extended(time: SystemTime) -> String {
    let (year, month, day, hour, minute, second) = civil(time);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// `Sun, 30 Aug 2015 12:36:00 GMT`, as in HTTP's `Date` (RFC 9110, IMF-fixdate).
pub(super) fn http_date(time: SystemTime) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (year, month, day, hour, minute, second) = civil(time);
    // 1970 began on a Thursday.
    let days = time
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
        / DAY_SECS;
    let named = |names: &[&'static str], at: u64| {
        usize::try_from(at)
            .ok()
            .and_then(|at| names.get(at).copied())
    };
    let weekday = named(&DAYS, days % 7).unwrap_or_default();
    let month = named(&MONTHS, month - 1).unwrap_or_default();
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

/// Seconds since 1970 with milliseconds as the fraction, as in the JSON answers.
pub(super) fn epoch_seconds(time: SystemTime) -> f64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs_f64() * 1000.0).round() / 1000.0
}

/// Reads the basic form. `None` for anything else, and for years before 1970.
pub(super) fn parse_basic(text: &str) -> Option<SystemTime> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let number = |part: &str, digits: usize, at: usize| -> Option<u64> {
        let digits = part.get(at..at + digits)?;
        digits
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| digits.parse().ok())?
    };
    if date.len() != 8 || time.len() != 6 {
        return None;
    }
    let (year, month, day) = (number(date, 4, 0)?, number(date, 2, 4)?, number(date, 2, 6)?);
    let (hour, minute, second) = (number(time, 2, 0)?, number(time, 2, 2)?, number(time, 2, 4)?);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60
    {
        return None;
    }
    let secs = days_since_epoch(year, month, day) * DAY_SECS + hour * 3600 + minute * 60 + second;
    Some(UNIX_EPOCH + Duration::from_secs(secs))
}

/// Years start in March here, so that the leap day is the last of a year (Howard Hinnant,
/// "chrono-Compatible Low-Level Date Algorithms"). Times before 1970 are taken for 1970.
fn civil(time: SystemTime) -> (u64, u64, u64, u64, u64, u64) {
    let secs = time
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let days = secs / DAY_SECS + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day, secs / 3600 % 24, secs / 60 % 60, secs % 60)
}

/// The inverse of [`civil`] for the date.
fn days_since_epoch(year: u64, month: u64, day: u64) -> u64 {
    let year = year - u64::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_show_the_same_second() {
        for (secs, text, long) in [
            (0, "19700101T000000Z", "1970-01-01T00:00:00Z"),
            (951_782_399, "20000228T235959Z", "2000-02-28T23:59:59Z"),
            (951_782_400, "20000229T000000Z", "2000-02-29T00:00:00Z"),
            (1_440_938_160, "20150830T123600Z", "2015-08-30T12:36:00Z"),
            (4_107_542_400, "21000301T000000Z", "2100-03-01T00:00:00Z"),
        ] {
            let time = UNIX_EPOCH + Duration::from_secs(secs);
            assert_eq!(basic(time), text);
            assert_eq!(extended(time), long);
            assert_eq!(parse_basic(text), Some(time));
        }
    }

    #[test]
    fn a_date_of_http_has_its_day_of_the_week() {
        let time = UNIX_EPOCH + Duration::from_secs(1_440_938_160);
        assert_eq!(http_date(time), "Sun, 30 Aug 2015 12:36:00 GMT");
        assert_eq!(http_date(UNIX_EPOCH), "Thu, 01 Jan 1970 00:00:00 GMT");
    }

    #[test]
    fn other_forms_are_not_read() {
        for text in
            ["", "2015-08-30T12:36:00Z", "20150830T123600", "20151330T123600Z", "2015083öT12360Z", "+0150830T123600Z"]
        {
            assert_eq!(parse_basic(text), None, "{text}");
        }
    }
}
