//! Parsers of durations and moments.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use toml::value::Datetime;

use super::Parsed;

/// Reads a duration by lava's grammar, without sign and exponent: optional blanks, a decimal
/// number, optional blanks, an optional unit out of `w d h m s` (none = seconds), optional blanks.
/// At most 1,000,000,000 s, so that adding it to a time cannot overflow.
pub(crate) fn duration(text: &str) -> Parsed<Duration> {
    const EXPECTED: &str = "must be a duration, such as \"90s\", \"15m\", \"0.5h\" or a number of seconds";
    let text = text.trim_matches([' ', '\t']);
    let (number, unit_secs) = match text.as_bytes().last() {
        Some(b'w') => (text.strip_suffix('w'), 604_800),
        Some(b'd') => (text.strip_suffix('d'), 86_400),
        Some(b'h') => (text.strip_suffix('h'), 3_600),
        Some(b'm') => (text.strip_suffix('m'), 60),
        Some(b's') => (text.strip_suffix('s'), 1),
        _ => (Some(text), 1),
    };
    let number = number.unwrap_or(text).trim_end_matches([' ', '\t']);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
        return Err(EXPECTED.into());
    }
    let too_long = || Cow::Borrowed("must be at most 1000000000 seconds");
    let whole = if whole.is_empty() { 0 } else { whole.parse::<u64>().map_err(|_why| too_long())? };
    // Nine digits are nanoseconds; what is finer is cut.
    let nanos: u64 = format!("{:0<9}", fraction)
        .chars()
        .take(9)
        .collect::<String>()
        .parse()
        .unwrap_or(0);
    let total = (u128::from(whole) * 1_000_000_000 + u128::from(nanos)) * unit_secs;
    if total > 1_000_000_000_000_000_000 {
        return Err(too_long());
    }
    Ok(Duration::from_nanos(u64::try_from(total).unwrap_or(u64::MAX)))
}

/// Refuses a duration of zero.
pub(crate) fn positive(duration: Duration) -> Parsed<Duration> {
    if duration.is_zero() { Err("must be longer than 0".into()) } else { Ok(duration) }
}

/// Reads a moment, or the beginning of a day; in UTC where it does not say, whereas PostgreSQL
/// takes `VALID UNTIL` in its own zone.
pub(crate) fn moment(at: &Datetime) -> Parsed<SystemTime> {
    const EXPECTED: &str = "must be a date, such as 2027-01-31, or a date and time";
    let date = at.date.ok_or(EXPECTED)?;
    let month = time::Month::try_from(date.month).map_err(|_why| EXPECTED)?;
    let date = time::Date::from_calendar_date(i32::from(date.year), month, date.day).map_err(|_why| EXPECTED)?;
    let (hour, minute, second) = at
        .time
        .map_or((0, 0, 0), |time| (time.hour, time.minute, time.second.unwrap_or(0)));
    // A leap second is as good as the one before.
    let moment = date
        .with_hms(hour, minute, second.min(59))
        .map_err(|_why| EXPECTED)?;
    let offset_minutes = match at.offset {
        None | Some(toml::value::Offset::Z) => 0,
        Some(toml::value::Offset::Custom { minutes }) => minutes,
    };
    let utc = moment.assume_utc().unix_timestamp() - i64::from(offset_minutes) * 60;
    let since_epoch = u64::try_from(utc).map_err(|_why| "must not be before 1970")?;
    Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(since_epoch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        for (text, want) in [
            ("1970-01-02", Some(86_400)),
            ("2027-01-31", Some(1_801_353_600)),
            ("2027-01-31T00:00:00Z", Some(1_801_353_600)),
            ("2027-01-31T10:00:00+10:00", Some(1_801_353_600)),
            ("2027-01-31T00:00:01.5", Some(1_801_353_601)),
            ("1969-12-31", None),
            ("10:00:00", None),
        ] {
            let moment = moment(&text.parse().unwrap()).ok();
            assert_eq!(moment, want.map(|secs| SystemTime::UNIX_EPOCH + Duration::from_secs(secs)), "{text}");
        }
    }

    #[test]
    fn durations() {
        let ok = [
            ("0", 0.0),
            ("900", 900.0),
            ("90s", 90.0),
            ("15m", 900.0),
            ("1h", 3600.0),
            ("0.5h", 1800.0),
            (" 20 m ", 1200.0),
            ("\t1d", 86_400.0),
            ("2w", 1_209_600.0),
            ("1.s", 1.0),
            (".5", 0.5),
            ("0.25s", 0.25),
            ("0.1234567891", 0.123_456_789),
        ];
        for (text, secs) in ok {
            assert_eq!(duration(text), Ok(Duration::from_secs_f64(secs)), "{text:?}");
        }
        for text in ["", " ", ".", "s", "-1s", "+1s", "1e3s", "1S", "1H", "1ms", "1m30s", "1 0s", "1,5h", "inf", "٣s"]
        {
            assert!(duration(text).unwrap_err().contains("must be a duration"), "{text:?}");
        }
        for text in ["1000000001", "99999999999999999999999", "18446744073709551615w"] {
            assert!(duration(text).unwrap_err().contains("at most"), "{text:?}");
        }
    }
}
