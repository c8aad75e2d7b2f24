//! Address of the peer of a request.

use std::net::SocketAddr;
use std::task::{Context, Poll};

use http::Request;
use hyper::body::Incoming;
use tower_service::Service;

use super::RequestBody;
use crate::PeerAddr;

/// Service that inserts the peer of its connection into requests.
#[derive(Clone, Debug)]
pub(super) struct WithPeer<S> {
    inner: S,
    peer: SocketAddr,
}

impl<S> WithPeer<S> {
    /// Wraps `inner` for a connection from `peer`.
    pub(super) fn new(inner: S, peer: SocketAddr) -> Self {
        Self { inner, peer }
    }
}

impl<S: Service<Request<RequestBody>>> Service<Request<Incoming>> for WithPeer<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(PeerAddr(self.peer));
        self.inner.call(request.map(RequestBody::new))
    }
}
