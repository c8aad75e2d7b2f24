//! Streaming validation of responses.
//!
//! A response of an upstream may be larger than the gateway wants to hold. The scanner validates
//! the envelope while the pieces pass through, replaces the identifier, and records the outcome of
//! the call for observers. It does not validate the whole text against RFC 8259: the client parses
//! the response, and an upstream gains nothing by sending invalid JSON inside of it.

mod error;
mod key;
mod segment;

use std::mem;

use bytes::Bytes;

pub use self::error::ScanError;
use self::key::Key;
use self::segment::Segment;
use super::Id;

/// A filter for one response that is forwarded in pieces.
///
/// It validates that the text is one response, that it belongs to the expected request, and that
/// nothing follows. It replaces the identifier that the server received by the one of the caller,
/// and records the outcome. Memory is constant, regardless of the size of the response and of its
/// division into pieces.
#[derive(Debug)]
pub(crate) struct Scanner {
    /// Identifier that the server received.
    expected: Id,
    /// Identifier of the caller, as a JSON token.
    token: Bytes,
    /// State of the tokenizer between two bytes.
    state: State,
    /// Current nesting depth.
    depth: usize,
    /// One bit per level: set for an object, clear for an array.
    objects: [u64; MAX_DEPTH / 64],
    /// `true` if the next string is a key.
    expects_key: bool,
    /// Current member of the envelope.
    envelope: Key,
    /// Current member of the result or of the error.
    inner: Key,
    /// Key or value of interest that is being read.
    capture: Option<Value>,
    /// Its bytes in earlier pieces; empty if it began in this one.
    held: Vec<u8>,
    /// Match of the identifiers, as far as known.
    id: ExpectedId,
    /// Findings so far.
    seen: ScanResult,
}

/// Match of the identifier of the response with the expected one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum ExpectedId {
    /// The expected identifier.
    Expected,
    /// `null`: the server could not read the identifier of the request.
    Unknown,
    /// No `id` member so far.
    Unsaid,
}

/// A captured part of a response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Value {
    Code,
    EnvelopeKey,
    Id,
    InnerKey,
    IsError,
}

/// Outcome of a response.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct ScanResult {
    /// `true` if the response has a `result`.
    pub(crate) result: bool,
    /// `true` if the response has an `error`.
    pub(crate) error: bool,
    /// Value of `result.isError`: the call succeeded, the tool failed.
    pub(crate) tool_error: bool,
    /// Value of `error.code`, if it is an integer that fits.
    pub(crate) code: Option<i64>,
}

/// State of the tokenizer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Between,
    Done,
    Escape,
    Scalar,
    String,
}

impl Scanner {
    /// Creates a scanner for the response to a request that the server received as `expected` and
    /// that the caller sent as `id`.
    pub(crate) fn new(expected: Id, id: &Id) -> Self {
        Self {
            expected,
            token: id.to_token().into(),
            state: State::Between,
            depth: 0,
            objects: [0; MAX_DEPTH / 64],
            expects_key: false,
            envelope: Key::Other,
            inner: Key::Other,
            capture: None,
            held: Vec::new(),
            id: ExpectedId::Unsaid,
            seen: ScanResult::default(),
        }
    }

    /// Scans the next piece and appends the bytes to forward to `out`.
    ///
    /// Forwarded bytes are slices of `piece`; only identifiers are written anew. An identifier that
    /// is cut by the end of a piece is held back until it is complete. After an error the scanner
    /// must not be used again.
    pub(crate) fn feed(&mut self, piece: &Bytes, out: &mut Vec<Bytes>) -> Result<(), ScanError> {
        let mut cut = Segment {
            piece,
            from: 0,
            value_at: 0,
            out,
        };
        let mut at = 0;
        while at < piece.len() {
            at = match self.state {
                State::String => self.string(&piece[..], at, &mut cut)?,
                State::Escape => {
                    self.state = State::String;
                    at + 1
                }
                State::Scalar => self.scalar(&piece[..], at, &mut cut)?,
                State::Between => self.between_values(piece[at], at, &mut cut)?,
                State::Done if piece[at].is_ascii_whitespace() => at + 1,
                State::Done => return Err(ScanError::Trailing),
            };
        }
        let reading_id = self.capture == Some(Value::Id);
        if self.capture.is_some() {
            hold(&mut self.held, &piece[cut.value_at..]);
        }
        cut.pass_until(if reading_id {
            cut.value_at
        } else {
            piece.len()
        });
        Ok(())
    }

    /// Returns the outcome after the last piece, or [`ScanError::Truncated`] if the response is
    /// incomplete.
    pub(crate) fn finish(&self) -> Result<ScanResult, ScanError> {
        match self.state {
            State::Done => Ok(self.seen),
            State::Between | State::Escape | State::Scalar | State::String => {
                Err(ScanError::Truncated)
            }
        }
    }

    /// Scans the inside of a string; returns the offset after it.
    fn string(
        &mut self,
        piece: &[u8],
        at: usize,
        cut: &mut Segment<'_>,
    ) -> Result<usize, ScanError> {
        let rest = &piece[at..];
        let Some(end) = memchr::memchr2(b'"', b'\\', rest) else {
            return Ok(piece.len());
        };
        if rest[end] == b'\\' {
            self.state = State::Escape;
        } else {
            self.state = State::Between;
            self.end_value(at + end + 1, cut)?;
        }
        Ok(at + end + 1)
    }

    /// Scans a number or literal; returns the offset after it.
    fn scalar(
        &mut self,
        piece: &[u8],
        at: usize,
        cut: &mut Segment<'_>,
    ) -> Result<usize, ScanError> {
        let rest = &piece[at..];
        let ends = |byte: &u8| {
            matches!(
                byte,
                b',' | b':' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n'
            )
        };
        let end = rest.iter().position(ends);
        match end {
            None => Ok(piece.len()),
            Some(end) => {
                self.state = State::Between;
                self.end_value(at + end, cut)?;
                Ok(at + end)
            }
        }
    }

    /// Scans one byte outside of strings and scalars.
    fn between_values(
        &mut self,
        byte: u8,
        at: usize,
        cut: &mut Segment<'_>,
    ) -> Result<usize, ScanError> {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b':' => self.expects_key = false,
            b',' => self.expects_key = self.in_object(),
            b'{' | b'[' => self.open(byte == b'{')?,
            b'}' | b']' => self.close(byte == b'}', at, cut)?,
            // A byte order mark is not part of the document.
            0xef | 0xbb | 0xbf if self.depth == 0 => cut.from = at + 1,
            _ if self.depth == 0 || (self.expects_key && byte != b'"') => {
                return Err(ScanError::Malformed);
            }
            _ => {
                self.begin_value();
                cut.value_at = at;
                self.state = if byte == b'"' {
                    State::String
                } else {
                    State::Scalar
                };
            }
        }
        Ok(at + 1)
    }

    /// Returns `true` if the innermost container is an object.
    fn in_object(&self) -> bool {
        let level = self.depth.saturating_sub(1);
        self.depth > 0 && self.objects[level / 64] & (1 << (level % 64)) != 0
    }

    /// Enters an array or object.
    fn open(&mut self, object: bool) -> Result<(), ScanError> {
        let structured_id = self.depth == 1 && self.envelope == Key::Id;
        let not_an_envelope = self.depth == 0 && !object;
        if self.depth == MAX_DEPTH || structured_id || not_an_envelope || self.expects_key {
            return Err(ScanError::Malformed);
        }
        let bit = 1 << (self.depth % 64);
        match object {
            true => self.objects[self.depth / 64] |= bit,
            false => self.objects[self.depth / 64] &= !bit,
        }
        self.depth += 1;
        self.expects_key = object;
        self.inner = Key::Other;
        Ok(())
    }

    /// Leaves an array or object.
    fn close(&mut self, object: bool, at: usize, cut: &mut Segment<'_>) -> Result<(), ScanError> {
        if self.depth == 0 || self.in_object() != object {
            return Err(ScanError::Malformed);
        }
        self.depth -= 1;
        self.expects_key = false;
        if self.depth == 0 {
            self.end_envelope(at, cut)?;
        }
        Ok(())
    }

    /// Starts a capture if the value or key at hand is of interest.
    fn begin_value(&mut self) {
        let value = match self.depth {
            1 if self.expects_key => Some(Value::EnvelopeKey),
            1 => (self.envelope == Key::Id).then_some(Value::Id),
            2 if self.expects_key => Some(Value::InnerKey),
            2 => match (self.envelope, self.inner) {
                (Key::Error, Key::Code) => Some(Value::Code),
                (Key::Result, Key::IsError) => Some(Value::IsError),
                _ => None,
            },
            _ => None,
        };
        self.capture = value;
        self.held.clear();
    }

    /// Evaluates the captured key or value that ends at `end`.
    fn end_value(&mut self, end: usize, cut: &mut Segment<'_>) -> Result<(), ScanError> {
        let Some(value) = self.capture.take() else {
            return Ok(());
        };
        let piece = cut.piece;
        let here = &piece[cut.value_at..end];
        let mut held = mem::take(&mut self.held);
        let raw = match held.is_empty() {
            true => &here[..here.len().min(MAX_CAPTURE)],
            false => {
                hold(&mut held, here);
                &held
            }
        };
        match value {
            Value::Code => self.seen.code = parse(raw),
            Value::EnvelopeKey => self.envelope_key(Key::read(raw))?,
            Value::Id => self.end_id(raw, end, cut)?,
            Value::InnerKey => self.inner = Key::read(raw),
            Value::IsError => self.seen.tool_error = raw == b"true",
        }
        Ok(())
    }

    /// Validates a key of the envelope against those before it.
    fn envelope_key(&mut self, key: Key) -> Result<(), ScanError> {
        self.envelope = key;
        let outcome_known = self.seen.error || self.seen.result;
        match key {
            Key::Error | Key::Result if outcome_known => return Err(ScanError::NotAResponse),
            Key::Error => self.seen.error = true,
            Key::Id if self.id != ExpectedId::Unsaid => return Err(ScanError::WrongId),
            Key::Method => return Err(ScanError::NotAResponse),
            Key::Result => self.seen.result = true,
            Key::Code | Key::Id | Key::IsError | Key::Other => {}
        }
        Ok(())
    }

    /// Compares the identifier with the expected one and replaces it.
    fn end_id(&mut self, raw: &[u8], end: usize, cut: &mut Segment<'_>) -> Result<(), ScanError> {
        let id = std::str::from_utf8(raw).ok().and_then(Id::from_token);
        self.id = match id {
            Some(id) if id.answers(&self.expected) => ExpectedId::Expected,
            None if raw == b"null" => ExpectedId::Unknown,
            _ => return Err(ScanError::WrongId),
        };
        let whole_in_piece = raw.len() == end - cut.value_at;
        if !whole_in_piece || raw != self.token {
            cut.pass_until(cut.value_at);
            cut.out.push(self.token.clone());
            cut.from = end;
        }
        Ok(())
    }

    /// Validates the complete envelope; adds the identifier if the server omitted it.
    fn end_envelope(&mut self, at: usize, cut: &mut Segment<'_>) -> Result<(), ScanError> {
        let result_of_another = self.seen.result && self.id != ExpectedId::Expected;
        if self.seen.result == self.seen.error || result_of_another {
            return Err(ScanError::NotAResponse);
        }
        if self.id == ExpectedId::Unsaid {
            cut.pass_until(at);
            cut.out.push(Bytes::from_static(b",\"id\":"));
            cut.out.push(self.token.clone());
        }
        self.state = State::Done;
        Ok(())
    }
}

/// Appends `bytes` to the held part of a key or value of interest.
///
/// No key or value of interest is longer than [`MAX_CAPTURE`], so a truncated one equals none of them.
fn hold(held: &mut Vec<u8>, bytes: &[u8]) {
    let room = MAX_CAPTURE.saturating_sub(held.len());
    held.extend_from_slice(&bytes[..bytes.len().min(room)]);
}

/// Parses a captured integer.
fn parse(raw: &[u8]) -> Option<i64> {
    std::str::from_utf8(raw).ok()?.parse().ok()
}

/// Maximum number of captured bytes; no key or identifier of interest is longer.
const MAX_CAPTURE: usize = 1024;

/// Maximum nesting depth of a response. Deeper than that of requests, because only bits are kept.
const MAX_DEPTH: usize = 512;

#[cfg(test)]
mod tests;
