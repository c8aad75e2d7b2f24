//! One unary call of gRPC, which is a request of HTTP/2 with a frame around its message.
//!
//! See [gRPC over HTTP2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).

use bytes::{BufMut as _, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, TE};
use http::{HeaderMap, HeaderValue};

use super::ExportError;

/// Returns the frame of an uncompressed message.
pub(super) fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(HEAD + message.len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.put_slice(message);
    frame.freeze()
}

/// Sets the headers of a call.
pub(super) fn set_headers(headers: &mut HeaderMap) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
}

/// Returns the message of a response. Its status is in the trailers, or in the headers of a response
/// without a message.
///
/// # Errors
///
/// [`ExportError`] if the status is not 0, or absent.
pub(super) fn message(
    headers: &HeaderMap,
    trailers: Option<&HeaderMap>,
    body: &Bytes,
) -> Result<Bytes, ExportError> {
    let status = |headers: &HeaderMap| {
        let status = headers.get("grpc-status")?;
        status.to_str().ok()?.parse::<u32>().ok()
    };
    match trailers.and_then(status).or_else(|| status(headers)) {
        Some(0) => Ok(body.slice(HEAD.min(body.len())..)),
        Some(status) => Err(ExportError::Grpc(status)),
        None => Err(ExportError::Response("no gRPC status".to_owned())),
    }
}

/// Returns `true` if the protocol allows to send a message again after `status`: cancelled, deadline
/// exceeded, resource exhausted, aborted, out of range, unavailable and data loss.
pub(super) fn may_pass(status: u32) -> bool {
    matches!(status, 1 | 4 | 8 | 10 | 11 | 14 | 15)
}

/// Length of the head of a frame.
const HEAD: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_in_the_trailers_or_in_the_headers() {
        let with = |status: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-status", HeaderValue::from_static(status));
            headers
        };
        let (none, body) = (HeaderMap::new(), framed(b"abc"));
        let read =
            |headers: &HeaderMap, trailers: Option<&HeaderMap>| message(headers, trailers, &body);
        assert_eq!(read(&none, Some(&with("0"))).unwrap(), "abc");
        assert!(matches!(
            read(&none, Some(&with("14"))),
            Err(ExportError::Grpc(14))
        ));
        assert!(matches!(read(&with("7"), None), Err(ExportError::Grpc(7))));
        assert!(matches!(read(&none, None), Err(ExportError::Response(_))));
        assert_eq!(message(&with("0"), None, &Bytes::new()).unwrap(), "");
    }
}
