//! Keys of a response that the scanner evaluates.

/// A key of interest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Key {
    Code,
    Error,
    Id,
    IsError,
    Method,
    Other,
    Result,
}

impl Key {
    /// Reads a captured key, with or without its quotes, and resolves its escapes.
    pub(super) fn read(raw: &[u8]) -> Self {
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
