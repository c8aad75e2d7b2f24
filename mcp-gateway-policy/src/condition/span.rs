//! Ranges and texts of times and durations.

use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime, UtcOffset};

use super::error::EvaluationError;

/// Seconds of the longest duration: 10,000 years, as in protocol buffers.
const MAX_SECONDS: i64 = 315_576_000_000;
/// Nanoseconds of a second.
const SECOND: i128 = 1_000_000_000;

/// Units of durations, longer names first, and their nanoseconds.
const UNITS: [(&str, i128); 6] = [
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
    ("h", 3_600 * SECOND),
    ("m", 60 * SECOND),
    ("s", SECOND),
];

/// Returns a time, which must be in the years 1 to 9999.
pub(super) fn time(time: Option<OffsetDateTime>) -> Result<OffsetDateTime, EvaluationError> {
    let in_range = time.filter(|time| time.to_offset(UtcOffset::UTC).year() >= 1);
    in_range.ok_or(EvaluationError::OutOfRange)
}

/// Returns a duration, which must be in the range.
pub(super) fn duration(duration: Option<Duration>) -> Result<Duration, EvaluationError> {
    let is_in_range = |duration: &Duration| duration.abs() <= Duration::seconds(MAX_SECONDS);
    duration
        .filter(is_in_range)
        .ok_or(EvaluationError::OutOfRange)
}

/// Returns the time of a number of seconds since 1970.
pub(super) fn from_seconds(seconds: i128) -> Result<OffsetDateTime, EvaluationError> {
    let seconds = i64::try_from(seconds).map_err(|_| EvaluationError::OutOfRange)?;
    time(OffsetDateTime::from_unix_timestamp(seconds).ok())
}

/// Reads a time as in RFC 3339.
pub(super) fn parse_time(text: &str) -> Result<OffsetDateTime, EvaluationError> {
    let parsed = OffsetDateTime::parse(text, &Rfc3339);
    time(Some(parsed.map_err(|_| EvaluationError::InvalidText)?))
}

/// Reads a duration such as `1h30m` or `-1.5s`.
pub(super) fn parse_duration(text: &str) -> Result<Duration, EvaluationError> {
    let (is_negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if rest.is_empty() {
        return Err(EvaluationError::InvalidText);
    }
    let mut sum: i128 = 0;
    while !rest.is_empty() {
        let (part, after) = parse_part(rest)?;
        sum = sum.checked_add(part).ok_or(EvaluationError::OutOfRange)?;
        rest = after;
    }
    if is_negative {
        sum = -sum;
    }
    let seconds = i64::try_from(sum / SECOND).ok();
    let nanoseconds = i32::try_from(sum % SECOND).ok();
    let parts = seconds.zip(nanoseconds);
    duration(parts.map(|(seconds, nanoseconds)| Duration::new(seconds, nanoseconds)))
}

/// Reads one number with its unit. Returns its nanoseconds, rounded down, and the rest of the text.
fn parse_part(text: &str) -> Result<(i128, &str), EvaluationError> {
    let is_of_unit = |c: char| c != '.' && !c.is_ascii_digit();
    let end = text.find(is_of_unit).ok_or(EvaluationError::InvalidText)?;
    let (number, after) = text.split_at(end);
    let mut units = UNITS.iter();
    let unit = units.find(|(unit, _)| after.starts_with(unit));
    let (unit, nanoseconds) = unit.ok_or(EvaluationError::InvalidText)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let part = digits(whole, fraction, *nanoseconds)?;
    Ok((part, &after[unit.len()..]))
}

/// Returns `unit` times a decimal number.
fn digits(whole: &str, fraction: &str, unit: i128) -> Result<i128, EvaluationError> {
    /// Digits beyond which a fraction of an hour is less than a nanosecond.
    const DIGITS: usize = 15;
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !is_number(whole) || !is_number(fraction) {
        return Err(EvaluationError::InvalidText);
    }
    let value = |text: &str| match text {
        "" => Ok(0),
        _ => text.parse::<i64>().map_err(|_| EvaluationError::OutOfRange),
    };
    let fraction = &fraction[..fraction.len().min(DIGITS)];
    let scale = fraction.bytes().fold(1, |scale: i128, _| scale * 10);
    Ok(i128::from(value(whole)?) * unit + i128::from(value(fraction)?) * unit / scale)
}

/// Returns the text of a time, in UTC.
pub(super) fn time_text(time: OffsetDateTime) -> String {
    let time = time.to_offset(UtcOffset::UTC);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}Z",
        time.year(),
        u8::from(time.month()),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
        fraction_text(time.nanosecond())
    )
}

/// Returns the text of a duration, in seconds.
pub(super) fn duration_text(duration: Duration) -> String {
    let sign = if duration.is_negative() { "-" } else { "" };
    let seconds = duration.whole_seconds().unsigned_abs();
    let fraction = fraction_text(duration.subsec_nanoseconds().unsigned_abs());
    format!("{sign}{seconds}{fraction}s")
}

/// Returns a fraction of a second with its point; nothing if there is none.
fn fraction_text(nanoseconds: u32) -> String {
    if nanoseconds == 0 {
        return String::new();
    }
    let digits = format!(".{nanoseconds:09}");
    digits.trim_end_matches('0').to_owned()
}
