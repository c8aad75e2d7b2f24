//! What is the same in every database.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::{Batch, Condition, Document, Entry, StoreError, Version, Write};
use bytes::Bytes;

/// A document as it is in a row: key, value, version, end.
pub(crate) type Row = (Vec<u8>, Vec<u8>, i64, Option<i64>);

/// Fails if a database could not take what is in `batch`, whose fault it would not be.
pub(crate) fn check(batch: &Batch) -> Result<(), StoreError> {
    let keys = batch.conditions().iter().map(Condition::key);
    let mut keys = keys.chain(batch.writes().iter().map(|write| &**write.key()));
    if keys.any(|key| key.len() > MAX_KEY_BYTES) {
        return Err(StoreError::new("a key has more than 2,048 bytes"));
    }
    let is_large = |write: &Write| match write {
        Write::Delete(_) => false,
        Write::Put { value, .. } => value.len() > MAX_VALUE_BYTES,
    };
    if batch.writes().iter().any(is_large) {
        return Err(StoreError::new("a value has more than 64 MiB"));
    }
    Ok(())
}

/// The error as others may see it: its fields have parts of rows, its message has not.
#[expect(clippy::needless_pass_by_value, reason = "it is for `map_err`")]
pub(crate) fn failed(error: sqlx::Error) -> StoreError {
    StoreError::new(error.to_string())
}

/// Where a list of the keys that begin with `prefix` and come after `after` begins, and before what
/// it ends.
pub(crate) fn range(prefix: &str, after: Option<&str>) -> (Vec<u8>, Vec<u8>) {
    let start = match after {
        // Nothing is between a key and the one that has a zero more.
        Some(after) if after >= prefix => [after.as_bytes(), &[0]].concat(),
        _ => prefix.into(),
    };
    let mut end = Vec::from(prefix);
    match end.last_mut() {
        // Bytes of UTF-8 are less than 255.
        Some(last) => *last += 1,
        None => end.push(u8::MAX),
    }
    (start, end)
}

/// What a database takes as the limit of a list.
pub(crate) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Which version `condition` asks for, where none is none.
pub(crate) fn wanted(condition: &Condition) -> Option<i64> {
    match condition {
        Condition::Absent(_) => None,
        // No document has a negative one.
        Condition::Version(_, version) => Some(i64::try_from(version.0).unwrap_or(-1)),
    }
}

pub(crate) fn document(value: Vec<u8>, version: i64, expires: Option<i64>) -> Document {
    Document {
        value: Bytes::from(value),
        version: Version(version.unsigned_abs()),
        expires: expires.map(from_nanos),
    }
}

pub(crate) fn entry((key, value, version, expires): Row) -> Result<Entry, StoreError> {
    let key = String::from_utf8(key).map_err(|_| StoreError::new("a key is not UTF-8"))?;
    Ok(Entry {
        key: key.into(),
        document: document(value, version, expires),
    })
}

/// Nanoseconds since 1970. What is centuries away is as far away as can be.
pub(crate) fn to_nanos(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
        Err(error) => i64::try_from(error.duration().as_nanos()).map_or(i64::MIN, |before| -before),
    }
}

fn from_nanos(nanos: i64) -> SystemTime {
    let distance = Duration::from_nanos(nanos.unsigned_abs());
    if nanos < 0 {
        UNIX_EPOCH - distance
    } else {
        UNIX_EPOCH + distance
    }
}

/// What fits into an index of PostgreSQL has some hundred bytes more.
const MAX_KEY_BYTES: usize = 2048;

/// Far from what either database can take.
const MAX_VALUE_BYTES: usize = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_what_begins_with_the_prefix() {
        assert_eq!(range("a/", None), (b"a/".into(), b"a0".into()));
        assert_eq!(range("a/", Some("a/b")), (b"a/b\0".into(), b"a0".into()));
        assert_eq!(range("b/", Some("a")), (b"b/".into(), b"b0".into()));
        assert_eq!(range("", None), (b"".into(), b"\xff".into()));
        let (start, end) = range("\u{10ffff}", None);
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
