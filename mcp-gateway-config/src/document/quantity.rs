//! Durations, sizes and counts.

use std::time::Duration;

use super::{Field, FromField};

/// Size in bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Bytes(pub(crate) usize);

/// Positive number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Count(pub(crate) usize);

impl FromField for Duration {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        field.parse("a duration", duration)
    }
}

impl FromField for Bytes {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        field.parse("a size", bytes).map(Self)
    }
}

impl FromField for Count {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        field.parse("a number", |text| match text.parse() {
            Ok(0) => Err("must be at least 1".to_owned()),
            Ok(number) => Ok(Self(number)),
            Err(_) => Err("expected digits, such as 1000".to_owned()),
        })
    }
}

impl FromField for usize {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        field.parse("a number", |text| {
            let number = text.parse();
            number.map_err(|_| "expected digits, such as 1000".to_owned())
        })
    }
}

/// Parses a duration such as `500ms`, `30s`, `2m`, `1h30m` or `1d`.
///
/// # Errors
///
/// The expected form of a duration. Zero and more than a year are invalid.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use mcp_gateway_config::document::duration;
///
/// assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
/// assert!(duration("10").unwrap_err().starts_with("expected a form such as"));
/// assert_eq!(duration("0s").unwrap_err(), "must be positive");
/// ```
pub fn duration(text: &str) -> Result<Duration, String> {
    let hint = || "expected a form such as 500ms, 30s, 2m, 1h30m or 1d".to_owned();
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, unit) = digits(rest).ok_or_else(hint)?;
        let end = unit
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(unit.len());
        let (unit, next) = unit.split_at(end);
        let (_, millis) = TIMES
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(hint)?;
        let part = number.checked_mul(*millis).ok_or_else(hint)?;
        total += Duration::from_millis(part);
        rest = next;
        if total > MAX_DURATION {
            return Err("must be at most a year".to_owned());
        }
    }
    match total.is_zero() {
        true if text.is_empty() => Err(hint()),
        true => Err("must be positive".to_owned()),
        false => Ok(total),
    }
}

/// Parses a size such as `64KiB`, `16MiB` or `1000`.
///
/// # Errors
///
/// The expected form of a size. Zero and more than 1024 GiB are invalid.
pub(crate) fn bytes(text: &str) -> Result<usize, String> {
    let hint = || "expected a form such as 64KiB, 16MiB or 1GiB, or a number of bytes".to_owned();
    let (number, unit) = digits(text).ok_or_else(hint)?;
    let (_, size) = SIZES
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(hint)?;
    let size = number
        .checked_mul(*size)
        .and_then(|size| usize::try_from(size).ok());
    match size {
        Some(0) => Err("must be at least one byte".to_owned()),
        Some(size) if size <= MAX_BYTES => Ok(size),
        Some(_) | None => Err("must be at most 1024GiB".to_owned()),
    }
}

/// Splits `text` into its leading number and the rest.
fn digits(text: &str) -> Option<(u64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    Some((number.parse().ok()?, rest))
}

/// Units of durations, in milliseconds.
const TIMES: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// Units of sizes, in bytes.
const SIZES: [(&str, u64); 5] = [
    ("", 1),
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Longest duration, so that deadlines do not overflow.
const MAX_DURATION: Duration = Duration::from_secs(366 * 86_400);
/// Maximum size in bytes.
const MAX_BYTES: usize = 1 << 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        let table = [
            ("500ms", 500),
            ("30s", 30_000),
            ("2m", 120_000),
            ("1h30m", 5_400_000),
            ("1d", 86_400_000),
        ];
        for (text, millis) in table {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "30",
            "s",
            "-1s",
            "1.5s",
            "1 s",
            "1s ",
            "0s",
            "2y",
            "9999999999999d",
            "400d",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_have_units() {
        for (text, size) in [
            ("1000", 1000),
            ("64KiB", 65_536),
            ("16MiB", 16 << 20),
            ("1GiB", 1 << 30),
        ] {
            assert_eq!(bytes(text), Ok(size), "{text}");
        }
        for text in [
            "",
            "KiB",
            "1KB",
            "1 MiB",
            "-1",
            "0",
            "1.5MiB",
            "99999999999999999999",
            "9999999GiB",
        ] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
