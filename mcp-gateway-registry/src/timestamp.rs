//! Times as texts (RFC 3339).

use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Returns the time, in seconds since the Unix epoch.
pub(crate) fn now() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH);
    elapsed.map(|elapsed| elapsed.as_secs()).unwrap_or_default()
}

/// Formats `seconds` since the Unix epoch.
pub(crate) fn format(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    let moment = OffsetDateTime::from_unix_timestamp(seconds);
    let moment = moment.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    moment.format(&Rfc3339).unwrap_or_default()
}

/// Parses a time; returns seconds since the Unix epoch.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let moment = OffsetDateTime::parse(text.trim(), &Rfc3339).ok()?;
    u64::try_from(moment.unix_timestamp()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_texts_and_back() {
        assert_eq!(format(1_764_676_794), "2025-12-02T11:59:54Z");
        assert_eq!(parse("2025-12-02T11:59:54.123456Z"), Some(1_764_676_794));
        assert_eq!(parse("2025-12-02T12:59:54+01:00"), Some(1_764_676_794));
        assert_eq!(parse("yesterday"), None);
        assert_eq!(format(u64::MAX), "1970-01-01T00:00:00Z");
    }
}
