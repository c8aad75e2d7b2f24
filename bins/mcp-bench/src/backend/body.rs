//! Response bodies.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

/// Future that ends a stream.
type End = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Body of a response.
pub(super) enum Body {
    /// Body of known length.
    Full(Bytes),
    /// Stream of one piece, unless it was sent already, which ends with a future.
    Stream(Option<Bytes>, Option<End>),
}

impl Body {
    /// Creates an empty body.
    pub(super) fn empty() -> Self {
        Self::Full(Bytes::new())
    }

    /// Creates a stream that ends after `piece`.
    pub(super) fn stream(piece: String) -> Self {
        Self::Stream(Some(piece.into()), None)
    }

    /// Creates a stream that remains open after `piece` until `end`.
    pub(super) fn held(piece: String, end: impl Future<Output = ()> + Send + 'static) -> Self {
        Self::Stream(Some(piece.into()), Some(Box::pin(end)))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = match &mut *self {
            Self::Full(bytes) => Some(std::mem::take(bytes)).filter(|bytes| !bytes.is_empty()),
            Self::Stream(piece, end) => {
                let piece = piece.take();
                if let (None, Some(end)) = (&piece, end) {
                    ready!(end.as_mut().poll(cx));
                }
                piece
            }
        };
        Poll::Ready(piece.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.is_empty(),
            Self::Stream(piece, end) => piece.is_none() && end.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(..) => SizeHint::default(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(bytes) => f.debug_tuple("Full").field(&bytes.len()).finish(),
            Self::Stream(..) => f.debug_tuple("Stream").finish_non_exhaustive(),
        }
    }
}
