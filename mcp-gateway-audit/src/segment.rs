//! Segments: consecutive records of one chain, in one document.
//!
//! A document is text: a header in one line of JSON, then one line for each record.

use std::fmt;

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::error::AuditError;
use crate::record::AuditRecord;

/// Key of the seals of an audit log. All replicas use the same.
#[derive(Clone)]
pub struct AuditKey(hmac::Key);

/// Header of a segment.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Header {
    /// Identifier of the chain.
    pub(crate) chain: String,
    /// Number of the segment in its chain, from 1.
    pub(crate) number: u64,
    /// Hash of the segment before it; empty for the first.
    pub(crate) previous: String,
    /// Number of records.
    pub(crate) records: usize,
    /// Time of the first record in milliseconds.
    pub(crate) first: u64,
    /// Time of the last record in milliseconds.
    pub(crate) last: u64,
    /// Hash of the fields above and of the records.
    #[serde(default)]
    pub(crate) hash: String,
    /// Seal of the hash.
    #[serde(default)]
    pub(crate) seal: String,
}

/// A segment: its header, and its records as lines of JSON.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Segment {
    pub(crate) header: Header,
    pub(crate) lines: String,
}

/// Defect of a segment in itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SegmentDefect {
    /// The records do not match the hash.
    Hash,
    /// The hash was not sealed with the key.
    Seal,
}

impl AuditKey {
    /// Creates a key of 256 random bits.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// Returns the seal of `text`.
    pub(crate) fn seal(&self, text: &str) -> String {
        encode(hmac::sign(&self.0, text.as_bytes()).as_ref())
    }

    /// Returns `true` if `seal` is that of `text`.
    pub(crate) fn verify(&self, text: &str, seal: &str) -> bool {
        let seal = URL_SAFE_NO_PAD.decode(seal);
        seal.is_ok_and(|seal| hmac::verify(&self.0, text.as_bytes(), &seal).is_ok())
    }
}

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditKey").finish_non_exhaustive()
    }
}

impl Segment {
    /// Creates the segment `number` of `chain`, which follows the hash `previous`.
    pub(crate) fn new(
        (chain, number): (&str, u64),
        previous: &str,
        lines: String,
        key: &AuditKey,
    ) -> Self {
        let times = |line: Option<&str>| line.and_then(read_time).unwrap_or_default();
        let header = Header {
            chain: chain.to_owned(),
            number,
            previous: previous.to_owned(),
            records: lines.lines().count(),
            first: times(lines.lines().next()),
            last: times(lines.lines().next_back()),
            hash: String::new(),
            seal: String::new(),
        };
        let mut segment = Self { header, lines };
        segment.header.hash = segment.hash();
        segment.header.seal = key.seal(&segment.header.hash);
        segment
    }

    /// Reads a document.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (header, lines) = text.split_once('\n')?;
        Some(Self {
            header: serde_json::from_str(header).ok()?,
            lines: lines.to_owned(),
        })
    }

    /// Reads the document under `key`.
    ///
    /// # Errors
    ///
    /// [`AuditError::Malformed`] if it is not a segment.
    pub(crate) fn read(key: &str, value: &[u8]) -> Result<Self, AuditError> {
        let segment = std::str::from_utf8(value).ok().and_then(Self::parse);
        segment.ok_or_else(|| AuditError::Malformed {
            key: key.to_owned(),
        })
    }

    /// Returns the text of the document.
    pub(crate) fn text(&self) -> String {
        let mut text = json(&self.header);
        text.push('\n');
        text.push_str(&self.lines);
        text
    }

    /// Returns the key of the document. Keys are in the order of the first records.
    pub(crate) fn key(&self) -> String {
        let Header {
            chain,
            number,
            first,
            ..
        } = &self.header;
        format!("{SEGMENTS}{first:013}/{chain}/{number:010}")
    }

    /// Returns the records. A malformed line is omitted; [`defect`](Self::defect) reports it.
    pub(crate) fn records(&self) -> impl DoubleEndedIterator<Item = AuditRecord> {
        let lines = self.lines.lines();
        lines.filter_map(|line| serde_json::from_str(line).ok())
    }

    /// Returns the defect of the segment in itself, if it has one.
    pub(crate) fn defect(&self, key: &AuditKey) -> Option<SegmentDefect> {
        let Header { hash, seal, .. } = &self.header;
        if *hash != self.hash() {
            return Some(SegmentDefect::Hash);
        }
        (!key.verify(hash, seal)).then_some(SegmentDefect::Seal)
    }

    /// Computes the hash.
    fn hash(&self) -> String {
        let header = Header {
            hash: String::new(),
            seal: String::new(),
            ..self.header.clone()
        };
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(json(&header).as_bytes());
        context.update(b"\n");
        context.update(self.lines.as_bytes());
        encode(context.finish().as_ref())
    }
}

/// Returns the time of a record.
pub(crate) fn read_time(line: &str) -> Option<u64> {
    /// The member that is read.
    #[derive(Deserialize)]
    struct Timed {
        time: u64,
    }
    let timed: Timed = serde_json::from_str(line).ok()?;
    Some(timed.time)
}

/// Serializes a value whose type has a JSON form.
pub(crate) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Prefix of the keys of segments.
pub(crate) const SEGMENTS: &str = "audit/segment/";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Actor, AuditEvent, Change};

    fn lines() -> String {
        let event = AuditEvent::Change(Change::new("user.create", "user/ada"));
        let record = AuditRecord::new(Actor::new("ada"), event);
        format!("{0}\n{0}\n", json(&record))
    }

    #[test]
    fn a_segment_survives_its_document() {
        let key = AuditKey::new(&[7; 32]);
        let segment = Segment::new(("c", 1), "", lines(), &key);
        assert_eq!(segment.header.records, 2);
        let read = Segment::read(&segment.key(), segment.text().as_bytes()).unwrap();
        assert_eq!(read, segment);
        assert_eq!(read.defect(&key), None);
        assert_eq!(read.records().count(), 2);
    }

    #[test]
    fn every_modified_byte_is_detected() {
        let key = AuditKey::new(&[7; 32]);
        let text = Segment::new(("c", 1), "p", lines(), &key).text();
        for position in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[position] ^= 1;
            let Ok(modified) = Segment::read("k", &bytes) else {
                continue;
            };
            assert!(modified.defect(&key).is_some(), "{position}");
        }
    }

    #[test]
    fn a_recomputed_hash_lacks_the_seal() {
        let segment = Segment::new(("c", 1), "", lines(), &AuditKey::new(&[8; 32]));
        let defect = segment.defect(&AuditKey::new(&[7; 32]));
        assert_eq!(defect, Some(SegmentDefect::Seal));
    }
}
