use bytes::Bytes;

use super::Id;

/// Looks over a response while it passes through, without holding it.
///
/// It checks that the response is one, answers the request that it should, and is alone; it puts
/// the caller's identifier in the place of the one that the server saw; and it notes how the call
/// ended. Memory is constant, however large the response and however it is cut.
#[derive(Debug)]
pub(crate) struct Scanner {
    /// The identifier that the server saw.
    expected: Id,
    /// The identifier that the caller gave, as JSON.
    token: Bytes,
    state: State,
    depth: usize,
    /// One bit for each level: whether it is an object.
    objects: [u64; MAX_DEPTH / 64],
    expects_key: bool,
    /// The member of the envelope, and of its result or error, that is being read.
    envelope: Key,
    inner: Key,
    /// The raw bytes of the key or value that matters, while one is being read.
    capture: Option<(Value, Vec<u8>)>,
    id: Answers,
    seen: Seen,
}

/// Which request the response says that it answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Answers {
    Expected,
    /// `null`: the server could not read the request.
    Unknown,
    Unsaid,
}

/// A part of a response that matters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Value {
    Code,
    EnvelopeKey,
    Id,
    InnerKey,
    IsError,
}

/// A key that matters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Key {
    Code,
    Error,
    Id,
    IsError,
    Method,
    Other,
    Result,
}

/// What a response was found to be.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Seen {
    pub(crate) result: bool,
    pub(crate) error: bool,
    /// `result.isError`
    pub(crate) tool_error: bool,
    /// `error.code`
    pub(crate) code: Option<i64>,
}

/// Why what a server sent is not the response to the request.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// Brackets do not match, or are nested too deep.
    #[error("the response is not valid JSON")]
    Malformed,
    /// It has not exactly one of `result` and `error`.
    #[error("the response has not exactly one of result and error")]
    NotAResponse,
    /// Something follows the response.
    #[error("something follows the response")]
    Trailing,
    /// It ends before it is complete.
    #[error("the response ends before it is complete")]
    Truncated,
    /// It answers another request.
    #[error("the response has the id of another request")]
    WrongId,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Between,
    Done,
    Escape,
    Scalar,
    String,
}

impl Scanner {
    /// Looks over the response to the request that the server saw as `expected` and that the
    /// caller knows as `id`.
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
            id: Answers::Unsaid,
            seen: Seen::default(),
        }
    }

    /// Takes the next piece, and adds what is to be passed on to `out`.
    pub(crate) fn feed(&mut self, piece: &Bytes, out: &mut Vec<Bytes>) -> Result<(), ScanError> {
        let mut cut = Cut {
            piece,
            from: 0,
            id_at: 0,
            out,
        };
        let mut at = 0;
        while at < piece.len() {
            at = match self.state {
                State::String => self.string(&piece[..], at, &mut cut)?,
                State::Escape => {
                    self.keep(&piece[at..=at]);
                    self.state = State::String;
                    at + 1
                }
                State::Scalar => self.scalar(&piece[..], at, &mut cut)?,
                State::Between => self.between(piece[at], at, &mut cut)?,
                State::Done if piece[at].is_ascii_whitespace() => at + 1,
                State::Done => return Err(ScanError::Trailing),
            };
        }
        let reading_id = matches!(self.capture, Some((Value::Id, _)));
        cut.pass_until(if reading_id { cut.id_at } else { piece.len() });
        Ok(())
    }

    /// What the response was, once it has ended.
    pub(crate) fn finish(&self) -> Result<Seen, ScanError> {
        match self.state {
            State::Done => Ok(self.seen),
            State::Between | State::Escape | State::Scalar | State::String => {
                Err(ScanError::Truncated)
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if let Some((_, kept)) = &mut self.capture {
            // No key or value that matters is longer, so what is cut off equals none of them.
            let room = MAX_CAPTURE.saturating_sub(kept.len());
            kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
    }

    fn string(&mut self, piece: &[u8], at: usize, cut: &mut Cut<'_>) -> Result<usize, ScanError> {
        let rest = &piece[at..];
        let Some(end) = memchr::memchr2(b'"', b'\\', rest) else {
            self.keep(rest);
            return Ok(piece.len());
        };
        self.keep(&rest[..=end]);
        if rest[end] == b'\\' {
            self.state = State::Escape;
        } else {
            self.state = State::Between;
            self.end_value(at + end + 1, cut)?;
        }
        Ok(at + end + 1)
    }

    fn scalar(&mut self, piece: &[u8], at: usize, cut: &mut Cut<'_>) -> Result<usize, ScanError> {
        let rest = &piece[at..];
        let ends = |byte: &u8| {
            matches!(
                byte,
                b',' | b':' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n'
            )
        };
        let end = rest.iter().position(ends);
        self.keep(&rest[..end.unwrap_or(rest.len())]);
        match end {
            None => Ok(piece.len()),
            Some(end) => {
                self.state = State::Between;
                self.end_value(at + end, cut)?;
                Ok(at + end)
            }
        }
    }

    fn between(&mut self, byte: u8, at: usize, cut: &mut Cut<'_>) -> Result<usize, ScanError> {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b':' => self.expects_key = false,
            b',' => self.expects_key = self.in_object(),
            b'{' | b'[' => self.open(byte == b'{')?,
            b'}' | b']' => self.close(byte == b'}', at, cut)?,
            _ if self.depth == 0 || (self.expects_key && byte != b'"') => {
                return Err(ScanError::Malformed);
            }
            _ => {
                self.begin_value();
                cut.id_at = at;
                self.keep(&[byte]);
                self.state = if byte == b'"' {
                    State::String
                } else {
                    State::Scalar
                };
            }
        }
        Ok(at + 1)
    }

    fn in_object(&self) -> bool {
        let level = self.depth.saturating_sub(1);
        self.depth > 0 && self.objects[level / 64] & (1 << (level % 64)) != 0
    }

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

    fn close(&mut self, object: bool, at: usize, cut: &mut Cut<'_>) -> Result<(), ScanError> {
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
        self.capture = value.map(|value| (value, Vec::new()));
    }

    fn end_value(&mut self, end: usize, cut: &mut Cut<'_>) -> Result<(), ScanError> {
        let Some((value, raw)) = self.capture.take() else {
            return Ok(());
        };
        match value {
            Value::Code => self.seen.code = parse(&raw),
            Value::EnvelopeKey => self.envelope_key(Key::read(&raw))?,
            Value::Id => self.end_id(&raw, end, cut)?,
            Value::InnerKey => self.inner = Key::read(&raw),
            Value::IsError => self.seen.tool_error = raw == b"true",
        }
        Ok(())
    }

    fn envelope_key(&mut self, key: Key) -> Result<(), ScanError> {
        self.envelope = key;
        let outcome_known = self.seen.error || self.seen.result;
        match key {
            Key::Error | Key::Result if outcome_known => return Err(ScanError::NotAResponse),
            Key::Error => self.seen.error = true,
            Key::Id if self.id != Answers::Unsaid => return Err(ScanError::WrongId),
            Key::Method => return Err(ScanError::NotAResponse),
            Key::Result => self.seen.result = true,
            Key::Code | Key::Id | Key::IsError | Key::Other => {}
        }
        Ok(())
    }

    fn end_id(&mut self, raw: &[u8], end: usize, cut: &mut Cut<'_>) -> Result<(), ScanError> {
        let id = std::str::from_utf8(raw).ok().and_then(Id::from_token);
        self.id = match id {
            Some(id) if id == self.expected => Answers::Expected,
            None if raw == b"null" => Answers::Unknown,
            _ => return Err(ScanError::WrongId),
        };
        let whole_in_piece = raw.len() == end - cut.id_at;
        if !whole_in_piece || raw != self.token {
            cut.pass_until(cut.id_at);
            cut.out.push(self.token.clone());
            cut.from = end;
        }
        Ok(())
    }

    fn end_envelope(&mut self, at: usize, cut: &mut Cut<'_>) -> Result<(), ScanError> {
        let result_of_another = self.seen.result && self.id != Answers::Expected;
        if self.seen.result == self.seen.error || result_of_another {
            return Err(ScanError::NotAResponse);
        }
        if self.id == Answers::Unsaid {
            cut.pass_until(at);
            cut.out.push(Bytes::from_static(b",\"id\":"));
            cut.out.push(self.token.clone());
        }
        self.state = State::Done;
        Ok(())
    }
}

impl Key {
    fn read(raw: &[u8]) -> Self {
        let escaped = raw.contains(&b'\\');
        let decoded: Option<String> = escaped.then(|| serde_json::from_slice(raw).ok()).flatten();
        let written = raw.trim_ascii();
        match decoded.as_ref().map_or(written, |key| key.as_bytes()) {
            b"\"code\"" | b"code" => Self::Code,
            b"\"error\"" | b"error" => Self::Error,
            b"\"id\"" | b"id" => Self::Id,
            b"\"isError\"" | b"isError" => Self::IsError,
            b"\"method\"" | b"method" => Self::Method,
            b"\"result\"" | b"result" => Self::Result,
            _ => Self::Other,
        }
    }
}

fn parse(raw: &[u8]) -> Option<i64> {
    std::str::from_utf8(raw).ok()?.parse().ok()
}

/// A piece of which a part has been passed on.
struct Cut<'a> {
    piece: &'a Bytes,
    from: usize,
    /// Where the value begins that is being read; 0 if it began in an earlier piece.
    id_at: usize,
    out: &'a mut Vec<Bytes>,
}

impl Cut<'_> {
    fn pass_until(&mut self, end: usize) {
        if self.from < end {
            self.out.push(self.piece.slice(self.from..end));
            self.from = end;
        }
    }
}

/// No key or identifier that matters is longer.
const MAX_CAPTURE: usize = 1024;

const MAX_DEPTH: usize = 512;

#[cfg(test)]
mod tests;
