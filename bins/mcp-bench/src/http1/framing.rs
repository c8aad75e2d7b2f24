//! Message body framing.

use bytes::{Buf as _, BytesMut};
use httparse::Status;

use crate::failure::Failure;

/// Maximum length of a line between chunks.
const LINE_LIMIT: usize = 4096;

/// Framing of a body, and the current position.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Framing {
    /// Chunked transfer coding.
    Chunked(Chunk),
    /// Remaining bytes of a body of known length.
    Length(u64),
    /// Body that ends with the connection.
    UntilClose,
}

/// Next part of a chunked body.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Chunk {
    /// Remaining bytes of the current chunk.
    Data(u64),
    /// Line break after a chunk.
    End,
    /// Size of the next chunk.
    Size,
    /// Trailer fields and the empty line after them.
    Trailer,
}

impl Framing {
    /// Framing of an empty body.
    pub(crate) const EMPTY: Self = Self::Length(0);

    /// Framing of an unread chunked body.
    pub(crate) const CHUNKED: Self = Self::Chunked(Chunk::Size);

    /// Returns `true` if the end of the connection is a valid end of the body.
    pub(crate) fn ends_with_connection(&self) -> bool {
        *self == Self::UntilClose
    }

    /// Moves body data from `input` to `output`; returns `true` at the end of the body.
    ///
    /// # Errors
    ///
    /// Fails when the chunks are not well-formed.
    pub(crate) fn decode(
        &mut self,
        input: &mut BytesMut,
        output: &mut Vec<u8>,
    ) -> Result<bool, Failure> {
        loop {
            match self {
                Self::Length(left) => {
                    take(left, input, output);
                    return Ok(*left == 0);
                }
                Self::UntilClose => {
                    output.extend_from_slice(input);
                    input.clear();
                    return Ok(false);
                }
                Self::Chunked(chunk) => {
                    let Some(next) = chunk.advance(input, output)? else {
                        return Ok(false);
                    };
                    *self = next;
                }
            }
        }
    }
}

impl Chunk {
    /// Reads one part and returns the next state; `None` if `input` is incomplete.
    fn advance(
        &mut self,
        input: &mut BytesMut,
        output: &mut Vec<u8>,
    ) -> Result<Option<Framing>, Failure> {
        let next = match self {
            Self::Size => match httparse::parse_chunk_size(input) {
                Ok(Status::Complete((end, size))) => {
                    input.advance(end);
                    if size == 0 {
                        Self::Trailer
                    } else {
                        Self::Data(size)
                    }
                }
                Ok(Status::Partial) if input.len() < LINE_LIMIT => return Ok(None),
                Ok(Status::Partial) | Err(_) => {
                    return Err(Failure::Malformed("invalid chunk size"));
                }
            },
            Self::Data(left) => {
                take(left, input, output);
                if *left > 0 {
                    return Ok(None);
                }
                Self::End
            }
            Self::End => match input.get(..2) {
                Some(b"\r\n") => {
                    input.advance(2);
                    Self::Size
                }
                Some(_) => return Err(Failure::Malformed("no line break after a chunk")),
                None => return Ok(None),
            },
            Self::Trailer => {
                let Some(end) = memchr::memchr(b'\n', input) else {
                    return if input.len() < LINE_LIMIT {
                        Ok(None)
                    } else {
                        Err(Failure::Malformed("endless trailer"))
                    };
                };
                let line = input.split_to(end + 1);
                if line.trim_ascii().is_empty() {
                    return Ok(Some(Framing::EMPTY));
                }
                Self::Trailer
            }
        };
        Ok(Some(Framing::Chunked(next)))
    }
}

/// Moves up to `left` bytes.
fn take(left: &mut u64, input: &mut BytesMut, output: &mut Vec<u8>) {
    let count = usize::try_from(*left)
        .unwrap_or(usize::MAX)
        .min(input.len());
    output.extend_from_slice(&input[..count]);
    input.advance(count);
    *left -= count as u64;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes input in pieces of `size` bytes, and returns the output and the remaining input.
    fn decode(mut framing: Framing, text: &[u8], size: usize) -> Result<(Vec<u8>, bool), Failure> {
        let mut input = BytesMut::new();
        let mut output = Vec::new();
        let mut end = false;
        for piece in text.chunks(size) {
            input.extend_from_slice(piece);
            if !end {
                end = framing.decode(&mut input, &mut output)?;
            }
        }
        output.extend_from_slice(&input);
        Ok((output, end))
    }

    #[test]
    fn bodies_end_where_their_framing_says() {
        let chunked = b"3;x=y\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nTrailer: 1\r\n\r\n";
        for size in 1..=chunked.len() {
            let decoded = decode(Framing::CHUNKED, chunked, size).unwrap();
            assert_eq!(
                decoded,
                (b"abc0123456789abcdef".to_vec(), true),
                "pieces of {size}"
            );
        }
        assert_eq!(
            decode(Framing::Length(3), b"abc", 2).unwrap(),
            (b"abc".to_vec(), true)
        );
        assert_eq!(
            decode(Framing::Length(4), b"abc", 2).unwrap(),
            (b"abc".to_vec(), false)
        );
        assert_eq!(
            decode(Framing::UntilClose, b"abc", 2).unwrap(),
            (b"abc".to_vec(), false)
        );
    }

    #[test]
    fn malformed_chunks_are_failures() {
        assert!(decode(Framing::CHUNKED, b"x\r\n", 9).is_err());
        assert!(decode(Framing::CHUNKED, b"1\r\nabc\r\n", 9).is_err());
    }
}
