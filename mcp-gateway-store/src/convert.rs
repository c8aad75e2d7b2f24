//! Conversions between documents and rows that all databases share.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::{Batch, Condition, Document, DocumentVersion, ListedDocument, StoreError, WriteOp};
use bytes::Bytes;

/// A row: key, value, version and expiration time in nanoseconds since the Unix epoch.
pub(crate) type Row = (Vec<u8>, Vec<u8>, i64, Option<i64>);

/// Rejects a batch that a database could not store.
///
/// Otherwise such a batch would look like a failure of the database, and fail the batches that are
/// written together with it.
pub(crate) fn validate(batch: &Batch) -> Result<(), StoreError> {
    let keys = batch.conditions().iter().map(Condition::key);
    let mut keys = keys.chain(batch.writes().iter().map(|write| &**write.key()));
    if keys.any(|key| key.len() > MAX_KEY_BYTES) {
        return Err(StoreError::new("key longer than 2,048 bytes"));
    }
    let is_large = |write: &WriteOp| match write {
        WriteOp::Delete(_) => false,
        WriteOp::Put { value, .. } => value.len() > MAX_VALUE_BYTES,
    };
    if batch.writes().iter().any(is_large) {
        return Err(StoreError::new("value larger than 64 MiB"));
    }
    Ok(())
}

/// Converts an error without its fields, which may contain parts of rows. The message contains
/// none.
#[expect(clippy::needless_pass_by_value, reason = "it is for `map_err`")]
pub(crate) fn store_error(error: sqlx::Error) -> StoreError {
    StoreError::new(error.to_string())
}

/// Returns the half-open range of the keys that begin with `prefix` and are greater than `after`.
pub(crate) fn key_range(prefix: &str, after: Option<&str>) -> (Vec<u8>, Vec<u8>) {
    let start = match after {
        // The successor of a key is the key with a zero byte appended.
        Some(after) if after >= prefix => [after.as_bytes(), &[0]].concat(),
        _ => prefix.into(),
    };
    let mut end = Vec::from(prefix);
    match end.last_mut() {
        // Bytes of UTF-8 are less than 255, so this cannot overflow.
        Some(last) => *last += 1,
        None => end.push(u8::MAX),
    }
    (start, end)
}

/// Converts the limit of a list.
pub(crate) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Returns the version that `condition` requires, or `None` for absence.
pub(crate) fn required_version(condition: &Condition) -> Option<i64> {
    match condition {
        Condition::Absent(_) => None,
        // No document has a negative version.
        Condition::Version(_, version) => Some(i64::try_from(version.0).unwrap_or(-1)),
    }
}

/// Converts the columns of a document.
pub(crate) fn document(value: Vec<u8>, version: i64, expires: Option<i64>) -> Document {
    Document {
        value: Bytes::from(value),
        version: DocumentVersion(version.unsigned_abs()),
        expires: expires.map(from_nanos),
    }
}

/// Converts a row.
pub(crate) fn entry((key, value, version, expires): Row) -> Result<ListedDocument, StoreError> {
    let key = String::from_utf8(key).map_err(|_| StoreError::new("key is not UTF-8"))?;
    Ok(ListedDocument {
        key: key.into(),
        document: document(value, version, expires),
    })
}

/// Converts a time to nanoseconds since the Unix epoch. Times that do not fit, centuries away, are
/// clamped.
pub(crate) fn to_nanos(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
        Err(error) => i64::try_from(error.duration().as_nanos()).map_or(i64::MIN, |before| -before),
    }
}

/// Converts nanoseconds since the Unix epoch to a time.
fn from_nanos(nanos: i64) -> SystemTime {
    let distance = Duration::from_nanos(nanos.unsigned_abs());
    if nanos < 0 {
        UNIX_EPOCH - distance
    } else {
        UNIX_EPOCH + distance
    }
}

/// Maximum length of a key. An index entry of PostgreSQL has some hundred bytes more.
const MAX_KEY_BYTES: usize = 2048;

/// Maximum size of a value, far below the limits of both databases.
const MAX_VALUE_BYTES: usize = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_what_begins_with_the_prefix() {
        assert_eq!(key_range("a/", None), (b"a/".into(), b"a0".into()));
        assert_eq!(
            key_range("a/", Some("a/b")),
            (b"a/b\0".into(), b"a0".into())
        );
        assert_eq!(key_range("b/", Some("a")), (b"b/".into(), b"b0".into()));
        assert_eq!(key_range("", None), (b"".into(), b"\xff".into()));
        let (start, end) = key_range("\u{10ffff}", None);
        assert!(
            *start < *"\u{10ffff}\u{10ffff}".as_bytes()
                && *"\u{10ffff}\u{10ffff}".as_bytes() < *end
        );
    }

    #[test]
    fn times_stay_what_they_are() {
        let times = [
            UNIX_EPOCH,
            UNIX_EPOCH - Duration::from_nanos(1),
            UNIX_EPOCH + Duration::new(1_800_000_000, 123_456_789),
        ];
        for time in times {
            assert_eq!(from_nanos(to_nanos(time)), time);
        }
        let far = UNIX_EPOCH + Duration::from_secs(1 << 40);
        assert_eq!(to_nanos(far), i64::MAX);
    }
}
