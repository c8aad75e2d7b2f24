//! Times as people read them, in UTC.

use std::time::{SystemTime, UNIX_EPOCH};

use chrono::DateTime;

/// Returns the current time in seconds since the Unix epoch.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map(|since| since.as_secs()).unwrap_or_default()
}

/// Formats `seconds` since the Unix epoch for people.
pub(crate) fn shown(seconds: u64) -> String {
    format(seconds, "%Y-%m-%d %H:%M:%S")
}

/// Formats `seconds` since the Unix epoch as the attribute `datetime`.
pub(crate) fn machine(seconds: u64) -> String {
    format(seconds, "%Y-%m-%dT%H:%M:%SZ")
}

/// Parses a day as `2026-12-01`, and returns its first second since the Unix epoch.
pub(crate) fn parse_day(text: &str) -> Option<u64> {
    let day = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    let start = day.and_hms_opt(0, 0, 0)?.and_utc().timestamp();
    u64::try_from(start).ok()
}

fn format(seconds: u64, pattern: &str) -> String {
    let time = i64::try_from(seconds).ok();
    let time = time.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    match time {
        Some(time) => time.format(pattern).to_string(),
        None => seconds.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_utc() {
        assert_eq!(shown(1_800_000_000), "2027-01-15 08:00:00");
        assert_eq!(machine(0), "1970-01-01T00:00:00Z");
        assert_eq!(shown(u64::MAX), u64::MAX.to_string());
        assert_eq!(parse_day("1970-01-02"), Some(86_400));
        assert_eq!(parse_day("yesterday"), None);
    }
}
