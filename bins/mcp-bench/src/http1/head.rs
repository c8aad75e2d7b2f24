//! Response head.

use bytes::{Buf as _, BytesMut};
use httparse::{EMPTY_HEADER, Header, Response, Status};

use super::Framing;
use crate::failure::Failure;

/// Maximum number of header fields.
const FIELD_LIMIT: usize = 64;

/// Maximum length of a head.
const HEAD_LIMIT: usize = 64 * 1024;

/// Parsed response head.
#[derive(Debug)]
pub(crate) struct Head {
    /// Status code.
    pub(crate) status: u16,
    /// Framing of the body.
    pub(crate) framing: Framing,
    /// Set if the connection can be reused after the body.
    pub(crate) keep_alive: bool,
    /// Set if the body is an event stream.
    pub(crate) event_stream: bool,
    /// ID of the session that the server opened.
    pub(crate) session: Option<String>,
}

impl Head {
    /// Parses a head at the start of `input`; `None` while it is incomplete.
    ///
    /// # Errors
    ///
    /// Fails when `input` is not HTTP/1.x.
    pub(super) fn take(input: &mut BytesMut) -> Result<Option<Self>, Failure> {
        loop {
            let mut fields = [EMPTY_HEADER; FIELD_LIMIT];
            let mut response = Response::new(&mut fields);
            let parsed = response.parse(input);
            let Ok(status) = parsed else {
                return Err(Failure::Malformed("invalid head"));
            };
            let Status::Complete(length) = status else {
                return if input.len() < HEAD_LIMIT {
                    Ok(None)
                } else {
                    Err(Failure::Malformed("endless head"))
                };
            };
            let head = Self::read(&response)?;
            input.advance(length);
            // An interim answer announces the final one, which follows it.
            if head.status >= 200 {
                return Ok(Some(head));
            }
        }
    }

    fn read(response: &Response<'_, '_>) -> Result<Self, Failure> {
        let status = response.code.unwrap_or_default();
        let mut head = Self {
            status,
            framing: Framing::UntilClose,
            keep_alive: response.version == Some(1),
            event_stream: false,
            session: None,
        };
        for field in response.headers.iter() {
            head.field(field)?;
        }
        if matches!(status, 204 | 304) {
            head.framing = Framing::EMPTY;
        }
        head.keep_alive &= !head.framing.ends_with_connection();
        Ok(head)
    }

    /// Records a header field.
    fn field(&mut self, field: &Header<'_>) -> Result<(), Failure> {
        // The length tells most names apart without looking at them.
        match field.name.len() {
            10 if field.name.eq_ignore_ascii_case("connection") => {
                self.keep_alive &= !has_token(field.value, b"close");
            }
            12 if field.name.eq_ignore_ascii_case("content-type") => {
                self.event_stream = starts_with(field.value, b"text/event-stream");
            }
            14 if field.name.eq_ignore_ascii_case("content-length") => {
                let length = std::str::from_utf8(field.value)
                    .ok()
                    .and_then(|v| v.parse().ok());
                let length = length.ok_or(Failure::Malformed("invalid content length"))?;
                if self.framing == Framing::UntilClose {
                    self.framing = Framing::Length(length);
                }
            }
            14 if field.name.eq_ignore_ascii_case("mcp-session-id") => {
                self.session = Some(String::from_utf8_lossy(field.value).into_owned());
            }
            17 if field.name.eq_ignore_ascii_case("transfer-encoding")
                && has_token(field.value, b"chunked") =>
            {
                self.framing = Framing::CHUNKED;
            }
            _ => {}
        }
        Ok(())
    }
}

/// Returns `true` if the comma-separated `list` contains `token`.
fn has_token(list: &[u8], token: &[u8]) -> bool {
    list.split(|byte| *byte == b',')
        .any(|item| item.trim_ascii().eq_ignore_ascii_case(token))
}

fn starts_with(value: &[u8], prefix: &[u8]) -> bool {
    value
        .get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Head {
        Head::take(&mut BytesMut::from(text)).unwrap().unwrap()
    }

    #[test]
    fn the_framing_follows_the_fields() {
        let chunked = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(head(chunked).framing, Framing::CHUNKED);
        let length = head("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n");
        assert_eq!(length.framing, Framing::Length(3));
        assert!(length.keep_alive);
        let close = head("HTTP/1.1 200 OK\r\n\r\n");
        assert_eq!(close.framing, Framing::UntilClose);
        assert!(!close.keep_alive);
        assert_eq!(
            head("HTTP/1.1 204 No Content\r\n\r\n").framing,
            Framing::EMPTY
        );
    }

    #[test]
    fn the_fields_of_mcp_are_noted() {
        let text = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\
                    Mcp-Session-Id: abc\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n";
        let head = head(text);
        assert!(head.event_stream);
        assert_eq!(head.session.as_deref(), Some("abc"));
        assert!(!head.keep_alive);
    }

    #[test]
    fn an_interim_answer_is_skipped() {
        let text =
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(head(text).status, 202);
        assert!(
            Head::take(&mut BytesMut::from("HTTP/1.1 200 OK\r\n"))
                .unwrap()
                .is_none()
        );
        assert!(Head::take(&mut BytesMut::from("SSH-2.0\r\n\r\n")).is_err());
    }
}
