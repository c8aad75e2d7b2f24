//! Parsers of command-line values.

use std::time::Duration;

use serde_json::{Map, Value};

/// Units of durations, in seconds; longer names precede their suffixes.
const UNITS: [(&str, f64); 5] = [
    ("ms", 1e-3),
    ("us", 1e-6),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3600.0),
];

/// Parses a duration such as `250ms`, `10s` or `1.5m`; a bare number is in seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let unit = UNITS
        .iter()
        .find_map(|(unit, size)| Some((text.strip_suffix(unit)?, *size)));
    let (number, size) = unit.unwrap_or((text, 1.0));
    let number: f64 = number
        .trim()
        .parse()
        .map_err(|_| "expected such as 250ms, 10s or 2m")?;
    Duration::try_from_secs_f64(number * size).map_err(|error| error.to_string())
}

/// Parses any JSON.
pub(super) fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// Parses a JSON object.
pub(super) fn object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// Parses `PID` or `PID=NAME`.
pub(super) fn process(text: &str) -> Result<(u32, String), String> {
    let (pid, name) = text.split_once('=').unwrap_or((text, text));
    let pid = pid
        .parse()
        .map_err(|_| format!("{pid:?} is not a process id"))?;
    Ok((pid, name.to_owned()))
}

/// Parses `NAME=VALUE`.
pub(super) fn named(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        let cases = [
            ("250ms", 250),
            ("10s", 10_000),
            ("1.5m", 90_000),
            ("1h", 3_600_000),
            ("2", 2_000),
        ];
        for (text, millis) in cases {
            assert_eq!(
                duration(text).unwrap(),
                Duration::from_millis(millis),
                "{text}"
            );
        }
        for text in ["", "s", "-1s", "ten", "1d"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_are_split_at_the_first_equals_sign() {
        let command = ("a".to_owned(), "b --c=d".to_owned());
        assert_eq!(named("a=b --c=d").unwrap(), command);
        assert!(named("a").is_err() && named("=b").is_err());
        assert_eq!(process("12=x").unwrap(), (12, "x".to_owned()));
        assert_eq!(process("12").unwrap(), (12, "12".to_owned()));
        assert!(process("x=12").is_err());
    }
}
