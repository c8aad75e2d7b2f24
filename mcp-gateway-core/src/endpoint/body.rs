//! Bodies of the endpoint's responses.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;

use crate::BoxError;
use crate::reply::JsonBody;

/// Body of a response of the endpoint.
///
/// # Example
///
/// ```
/// use http_body::Body as _;
/// use mcp_gateway_core::endpoint::Body;
///
/// assert!(Body::empty().is_end_stream());
/// assert_eq!(Body::full("four").size_hint().exact(), Some(4));
/// ```
pub struct Body(Kind);

/// Kind of the body.
enum Kind {
    Empty,
    Full(Bytes),
    Json(JsonBody),
    Stream(Pin<Box<dyn Stream<Item = Bytes> + Send>>),
    Other(Pin<Box<dyn http_body::Body<Data = Bytes, Error = BoxError> + Send>>),
}

impl Body {
    /// Creates an empty body.
    #[must_use]
    pub fn empty() -> Self {
        Self(Kind::Empty)
    }

    /// Creates a body with complete content.
    #[must_use]
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Self(Kind::Full(bytes.into()))
    }

    /// Creates a body with the frames of another one, as they arrive.
    pub fn wrap(
        body: impl http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    ) -> Self {
        Self(Kind::Other(Box::pin(body.map_err(Into::into))))
    }

    /// Creates a body that streams a JSON document.
    pub(super) fn json(body: JsonBody) -> Self {
        Self(Kind::Json(body))
    }

    /// Creates a body that streams pieces.
    pub(super) fn stream(stream: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        Self(Kind::Stream(Box::pin(stream)))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            Kind::Empty => Poll::Ready(None),
            Kind::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Kind::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Kind::Json(body) => Pin::new(body).poll_frame(cx),
            Kind::Stream(stream) => {
                let next = ready!(stream.as_mut().poll_next(cx));
                Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
            }
            Kind::Other(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Empty => true,
            Kind::Full(_) | Kind::Stream(_) => false,
            Kind::Json(body) => body.is_end_stream(),
            Kind::Other(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Json(body) => body.size_hint(),
            Kind::Stream(_) => SizeHint::default(),
            Kind::Other(body) => body.size_hint(),
        }
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}
