//! Read what the inner service has left unread of the body of a request.
//!
//! A server that responds early, for example because a token is missing, must read the rest of
//! the request or close the connection ([RFC 9112 section 9.3]). hyper closes it without notice,
//! and the next request of the client there fails. [`DrainBodyLayer`] reads a rest that is small, and
//! responds with `Connection: close` where it is not, or where the client waits for `100 Continue`.
//!
//! # Example
//!
//! ```
//! use std::convert::Infallible;
//!
//! use http::{Request, Response, StatusCode};
//! use mcp_gateway_core::layer::drain_body::DrainBodyLayer;
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let reject = service_fn(async |_| {
//!     let mut response = Response::new(String::new());
//!     *response.status_mut() = StatusCode::UNAUTHORIZED;
//!     Ok::<_, Infallible>(response)
//! });
//! let service = DrainBodyLayer::new().layer(reject);
//! let large = Request::post("/").body("x".repeat(1024 * 1024))?;
//! let response = service.clone().oneshot(large).await?;
//! assert_eq!(response.headers()["connection"], "close");
//! let small = Request::post("/").body("x".repeat(1024))?;
//! let response = service.oneshot(small).await?;
//! assert!(!response.headers().contains_key("connection"));
//! # Ok(())
//! # }
//! ```
//!
//! [RFC 9112 section 9.3]: https://www.rfc-editor.org/rfc/rfc9112#section-9.3

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
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

/// A [`Layer`] that applies [`DrainBody`].
///
/// See the [module documentation](self) for an example.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct DrainBodyLayer;

impl DrainBodyLayer {
    /// Creates the layer, which reads at most 256 KiB for at most one second.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl<S> Layer<S> for DrainBodyLayer {
    type Service = DrainBody<S>;

    fn layer(&self, inner: S) -> Self::Service {
        DrainBody { inner }
    }
}

/// A service that reads what its inner service has left unread of the body of a request.
///
/// See the [module documentation](self) for an example.
#[derive(Clone, Debug)]
pub struct DrainBody<S> {
    inner: S,
}

impl<S, B, R> Service<Request<B>> for DrainBody<S>
where
    S: Service<Request<DrainableBody<B>>, Response = Response<R>, Error = Infallible>,
    B: http_body::Body<Data: Send> + Send + 'static,
    R: Send + 'static,
{
    type Response = Response<R>;
    type Error = Infallible;
    type Future = DrainBodyFuture<S::Future, B, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let unread = DrainAction::for_request(&request);
        let (parts, body) = request.into_parts();
        let (lent, returned) = DrainableBody::new(body, unread);
        DrainBodyFuture {
            inner: self.inner.call(Request::from_parts(parts, lent)),
            unread,
            returned,
            draining: None,
        }
    }
}

pin_project! {
    /// The response future of [`DrainBody`].
    #[must_use = "futures do nothing unless polled"]
    pub struct DrainBodyFuture<F, B, R> {
        #[pin]
        inner: F,
        unread: DrainAction,
        returned: Option<oneshot::Receiver<Owned<B>>>,
        draining: Option<BoxFuture<'static, Response<R>>>,
    }
}

impl<F, B, R> Future for DrainBodyFuture<F, B, R>
where
    F: Future<Output = Result<Response<R>, Infallible>>,
    B: http_body::Body<Data: Send> + Send + 'static,
    R: Send + 'static,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if this.draining.is_none() {
            let Ok(mut response) = ready!(this.inner.poll(cx));
            // A body that is not returned has been read, or a task may still read it.
            let returned = this.returned.take();
            let Some(mut body) = returned.and_then(|mut returned| returned.try_recv().ok()) else {
                return Poll::Ready(Ok(response));
            };
            let unread = *this.unread;
            *this.draining = Some(Box::pin(async move {
                unread.drain(body.as_mut(), &mut response).await;
                response
            }));
        }
        match this.draining {
            Some(draining) => draining.as_mut().poll(cx).map(Ok),
            None => Poll::Pending,
        }
    }
}

impl<F, B, R> fmt::Debug for DrainBodyFuture<F, B, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrainBodyFuture").finish_non_exhaustive()
    }
}

/// A body that can be handed back.
type Owned<B> = Pin<Box<Tracked<B>>>;

/// The body of a request, which goes back to its owner when it is dropped before its end.
#[derive(Debug)]
pub struct DrainableBody<B: http_body::Body> {
    body: Option<Owned<B>>,
    owner: Option<oneshot::Sender<Owned<B>>>,
}

impl<B: http_body::Body> DrainableBody<B> {
    /// Lends `body`, and returns where it comes back if its end matters.
    fn new(body: B, unread: DrainAction) -> (Self, Option<oneshot::Receiver<Owned<B>>>) {
        let (body, is_done) = match body.is_end_stream() {
            true => (None, true),
            false => (Some(Box::pin(Tracked::new(body))), false),
        };
        let (owner, returned) = match unread {
            DrainAction::Read | DrainAction::Unsent if !is_done => {
                let (owner, returned) = oneshot::channel();
                (Some(owner), Some(returned))
            }
            DrainAction::Ignore | DrainAction::Read | DrainAction::Unsent => (None, None),
        };
        (Self { body, owner }, returned)
    }
}

impl<B: http_body::Body> http_body::Body for DrainableBody<B> {
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
        match &self.body {
            Some(body) => body.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

impl<B: http_body::Body> Drop for DrainableBody<B> {
    fn drop(&mut self) {
        let unread = self.body.take().filter(|body| !body.is_end_stream());
        if let (Some(body), Some(owner)) = (unread, self.owner.take()) {
            // The owner is dropped when the client disconnects.
            let _ = owner.send(body);
        }
    }
}

pin_project! {
    /// A body that records if it has been read completely.
    #[derive(Debug)]
    pub(crate) struct Tracked<B> {
        #[pin]
        body: B,
        ended: bool,
    }
}

impl<B> Tracked<B> {
    fn new(body: B) -> Self {
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

/// Treatment of the unread rest of a request.
#[derive(Clone, Copy, Debug)]
enum DrainAction {
    /// Not read: over HTTP/2 it does not affect the next request.
    Ignore,
    /// Read, because it precedes the next request.
    Read,
    /// Not sent: the client waits for `100 Continue`.
    Unsent,
}

impl DrainAction {
    /// Decides the treatment of the body of `request`.
    fn for_request<B>(request: &Request<B>) -> Self {
        match request.version() {
            Version::HTTP_2 | Version::HTTP_3 => Self::Ignore,
            _ if request.headers().contains_key(header::EXPECT) => Self::Unsent,
            _ => Self::Read,
        }
    }

    /// Reads the rest of `body`, or announces in `response` that the connection will be closed.
    async fn drain<B, R>(self, body: Pin<&mut Tracked<B>>, response: &mut Response<R>)
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

/// Returns `true` if `body` ends soon.
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

/// Maximum size of the rest in bytes. Most requests are smaller, and a new connection costs less
/// than to read more.
const LIMIT: usize = 256 * 1024;

/// Maximum delay of the response for the part of the body that the client has not sent.
const TIMEOUT: Duration = Duration::from_secs(1);
