//! What is left of a request's body when its answer is there.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Buf;
use http::{HeaderValue, Request, Response, Version, header};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use pin_project_lite::pin_project;
use tokio::sync::oneshot;
use tokio::time;
use tower_layer::Layer;
use tower_service::Service;

use crate::BoxFuture;

/// A [`Layer`] that applies [`DiscardUnread`].
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct DiscardUnreadLayer;

impl DiscardUnreadLayer {
    /// Reads up to 256 KiB, for up to a second.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl<S> Layer<S> for DiscardUnreadLayer {
    type Service = DiscardUnread<S>;

    fn layer(&self, inner: S) -> Self::Service {
        DiscardUnread { inner }
    }
}

/// Reads what its service has left unread of the body of a request, before it answers.
///
/// A server that answers early, because a token is missing for instance, has to read the rest of the
/// request or to close the connection ([RFC 9112 section 9.3]). hyper closes it and does not say so:
/// a client that sends its next request there sees it fail. This reads a rest that is small, and
/// answers with `Connection: close` where it is not, or where the client waits to be told to send it.
///
/// A [`Gateway`](crate::Gateway) does this by itself; this is for what is served beside it.
///
/// # Example
///
/// ```
/// use std::convert::Infallible;
///
/// use http::{Request, Response, StatusCode};
/// use mcp_gateway_core::endpoint::DiscardUnreadLayer;
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let refuse = service_fn(async |_| {
///     let mut response = Response::new(String::new());
///     *response.status_mut() = StatusCode::UNAUTHORIZED;
///     Ok::<_, Infallible>(response)
/// });
/// let service = DiscardUnreadLayer::new().layer(refuse);
/// let large = Request::post("/").body("x".repeat(1024 * 1024))?;
/// let response = service.oneshot(large).await?;
/// assert_eq!(response.headers()["connection"], "close");
/// # Ok(())
/// # }
/// ```
///
/// [RFC 9112 section 9.3]: https://www.rfc-editor.org/rfc/rfc9112#section-9.3
#[derive(Clone, Debug)]
pub struct DiscardUnread<S> {
    inner: S,
}

impl<S, B, R> Service<Request<B>> for DiscardUnread<S>
where
    S: Service<Request<Lent<B>>, Response = Response<R>, Error = Infallible>,
    S::Future: Send + 'static,
    B: http_body::Body<Data: Send> + Send + 'static,
    R: Send,
{
    type Response = Response<R>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<R>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let unread = Unread::of(&request);
        let (owner, mut returned) = oneshot::channel();
        let answer = self.inner.call(request.map(|body| Lent {
            body: Some(Box::pin(Tracked::new(body))),
            owner: Some(owner),
        }));
        Box::pin(async move {
            let Ok(mut response) = answer.await;
            // Whoever still has it may go on to read it.
            if let Ok(mut body) = returned.try_recv() {
                unread.discard(body.as_mut(), &mut response).await;
            }
            Ok(response)
        })
    }
}

/// The body of a request, which goes back to its owner when it is dropped.
#[derive(Debug)]
pub struct Lent<B> {
    body: Option<Pin<Box<Tracked<B>>>>,
    owner: Option<oneshot::Sender<Pin<Box<Tracked<B>>>>>,
}

impl<B: http_body::Body> http_body::Body for Lent<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match &mut self.body {
            Some(body) => body.as_mut().poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let hint = self.body.as_ref().map(|body| body.size_hint());
        hint.unwrap_or_default()
    }
}

impl<B> Drop for Lent<B> {
    fn drop(&mut self) {
        if let (Some(body), Some(owner)) = (self.body.take(), self.owner.take()) {
            // Its owner is gone if the client is.
            let _ = owner.send(body);
        }
    }
}

pin_project! {
    /// A body that knows whether it has been read to its end.
    #[derive(Debug)]
    pub(crate) struct Tracked<B> {
        #[pin]
        body: B,
        ended: bool,
    }
}

impl<B> Tracked<B> {
    pub(crate) fn new(body: B) -> Self {
        Self { body, ended: false }
    }
}

impl<B: http_body::Body> http_body::Body for Tracked<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let polled = this.body.poll_frame(cx);
        *this.ended = matches!(polled, Poll::Ready(None | Some(Err(_))));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What is to be done about the rest of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unread {
    /// It does not matter to the next request.
    Ignore,
    /// It has to be read before the next request.
    Read,
    /// The client sends it only when it is told to.
    Unsent,
}

impl Unread {
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        match request.version() {
            Version::HTTP_2 | Version::HTTP_3 => Self::Ignore,
            _ if request.headers().contains_key(header::EXPECT) => Self::Unsent,
            _ => Self::Read,
        }
    }

    /// Reads the rest of `body`, or says in `response` that the connection ends with it.
    pub(crate) async fn discard<B, R>(self, body: Pin<&mut Tracked<B>>, response: &mut Response<R>)
    where
        B: http_body::Body,
    {
        let is_done = match self {
            Self::Ignore => true,
            Self::Read | Self::Unsent if body.is_end_stream() => true,
            Self::Read => time::timeout(TIMEOUT, read(body)).await.unwrap_or(false),
            Self::Unsent => false,
        };
        if !is_done {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
    }
}

/// Whether `body` ends soon.
async fn read<B: http_body::Body>(mut body: Pin<&mut Tracked<B>>) -> bool {
    let mut length = 0;
    while length <= LIMIT {
        match body.frame().await {
            None => return true,
            Some(Err(_)) => return false,
            Some(Ok(frame)) => length += frame.data_ref().map_or(0, Buf::remaining),
        }
    }
    false
}

/// Most requests are smaller, and a new connection costs less than to read more.
const LIMIT: usize = 256 * 1024;

/// How long the answer waits for what the client has not sent yet.
const TIMEOUT: Duration = Duration::from_secs(1);
