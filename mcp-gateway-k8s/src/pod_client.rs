//! HTTP client of the pods of a server.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body::{Body, Frame, SizeHint};
use mcp_gateway_core::BoxError;
use mcp_gateway_core::transport::{HttpBody, HttpClient, StandaloneStream};
use mcp_gateway_core::upstream::{Instance, UpstreamError};

use crate::route::{Route, Router};
use crate::slot::InUse;

/// Client of one pod at a time, which records the use of its server.
///
/// A connection of the data plane outlives pods: a request after the end of a pod goes to its
/// successor, and wakes the server if it sleeps. A session that has ended with a pod is rejected by
/// its successor, and the data plane begins another.
pub(crate) struct PodClient {
    router: Router,
    instance: Instance,
    route: Mutex<Arc<Route>>,
}

impl PodClient {
    /// Creates a client of the pod of `route`, and of its successors.
    pub(crate) fn new(router: Router, instance: Instance, route: Arc<Route>) -> Self {
        Self {
            router,
            instance,
            route: Mutex::new(route),
        }
    }

    /// Returns the way to the pod, or to its successor.
    async fn route(&self) -> Result<Arc<Route>, UpstreamError> {
        let known = self.known();
        if self.router.is_current(&known) {
            return Ok(known);
        }
        let route = self.router.route(&self.instance).await?;
        self.replace(&route);
        Ok(route)
    }

    /// Returns the way to the pod.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::NotRunning`] if it is gone.
    fn running(&self) -> Result<Arc<Route>, UpstreamError> {
        let known = self.known();
        match self.router.is_current(&known) {
            true => Ok(known),
            false => Err(UpstreamError::not_running("PodGone", "its pod is gone")),
        }
    }

    fn known(&self) -> Arc<Route> {
        Arc::clone(&self.route.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, route: &Arc<Route>) {
        *self.route.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(route);
    }

    /// Reads the credential anew, after the pod has rejected it.
    async fn renew(&self, rejected: &Route) -> Result<(), UpstreamError> {
        if let Some(token) = &rejected.token {
            self.router.network.forget(token);
        }
        self.replace(&self.router.route(&self.instance).await?);
        Ok(())
    }
}

#[async_trait]
impl HttpClient for PodClient {
    async fn request(
        &self,
        mut request: Request<Bytes>,
    ) -> Result<Response<HttpBody>, UpstreamError> {
        let is_call = is_call(&request);
        let guard = is_call.then(|| self.router.slot.activity.begin());
        let route = match is_call {
            true => self.route().await?,
            false => self.running()?,
        };
        if request.uri().authority() != Some(&route.authority) {
            *request.uri_mut() = moved(request.uri(), &route)?;
        }
        if let Some(token) = &route.token {
            request.headers_mut().insert(AUTHORIZATION, token.clone());
        }
        let response = route.http.request(request).await?;
        if response.status() == StatusCode::UNAUTHORIZED && route.token.is_some() {
            self.renew(&route).await?;
            return Err(UpstreamError::connect(
                "the bridge has rejected the token of its Secret",
            ));
        }
        Ok(response.map(|body| {
            HttpBody::new(UsedBody {
                body,
                _guard: guard,
            })
        }))
    }
}

/// Returns `true` if a call may wait for the response: then the server is in use, and is woken. Nothing
/// waits for what a server sends by itself, nor for the end of a session.
fn is_call(request: &Request<Bytes>) -> bool {
    let is_standalone = request.extensions().get::<StandaloneStream>().is_some();
    !is_standalone && request.method() != Method::DELETE
}

/// Returns `uri` at the pod of `route`.
fn moved(uri: &Uri, route: &Route) -> Result<Uri, UpstreamError> {
    let mut parts = uri.clone().into_parts();
    parts.authority = Some(route.authority.clone());
    Uri::from_parts(parts).map_err(UpstreamError::connect)
}

impl fmt::Debug for PodClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PodClient")
            .field("server", &self.router.slot.name)
            .finish_non_exhaustive()
    }
}

/// Body of a response, during which its server is in use unless nothing waits for it.
struct UsedBody {
    body: HttpBody,
    _guard: Option<InUse>,
}

impl Body for UsedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_call_waits_for_is_a_use() {
        let request = |method: Method| {
            let mut request = Request::new(Bytes::new());
            *request.method_mut() = method;
            request
        };
        let mut standalone = request(Method::GET);
        standalone.extensions_mut().insert(StandaloneStream);
        assert!(!is_call(&standalone));
        assert!(!is_call(&request(Method::DELETE)));
        // The results of a server with HTTP+SSE, and the rest of a result after a break.
        assert!(is_call(&request(Method::GET)));
        assert!(is_call(&request(Method::POST)));
    }
}
