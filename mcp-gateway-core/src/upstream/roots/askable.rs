//! Requests that a legacy server may send to clients.
//!
//! The upstream connections accept requests of their servers at any time. This module decides which
//! of them reach a client, and confines the responses to `roots/list` by the [`RootsPolicy`].

use std::sync::Arc;

use async_trait::async_trait;

use super::RootsPolicy;
use super::directories::Directories;
use crate::error::UpstreamError;
use crate::jsonrpc::{ErrorObject, Notification, Request, Response};
use crate::protocol::Method;
use crate::reply::{Responder, ServerRequest};
use crate::upstream::unanswered::Unanswered;

/// Rules for the requests of the server of one connection.
#[derive(Clone, Debug)]
pub(in crate::upstream) struct Askable {
    /// Policy for `roots/list`.
    roots: Arc<RootsPolicy>,
}

impl Askable {
    /// Creates the rules of a connection.
    pub(in crate::upstream) fn new(roots: Arc<RootsPolicy>) -> Self {
        Self { roots }
    }

    /// Accepts `request` for a client; its response is sent to `server`.
    ///
    /// It is rejected if it is dropped without a response.
    ///
    /// # Errors
    ///
    /// The JSON-RPC error response for a request that no client receives: `roots/list` under
    /// [`RootsPolicy::Off`], with "method not found", as a client without the capability answers
    /// it.
    pub(in crate::upstream) fn question(
        &self,
        request: Request,
        server: Arc<dyn Responder>,
    ) -> Result<ServerRequest, Response> {
        let id = request.id().clone();
        let answerable = || Arc::new(Unanswered::new(id, server));
        if request.method() != &Method::RootsList {
            return Ok(ServerRequest::new(request, answerable()));
        }
        match &*self.roots {
            RootsPolicy::Off => {
                let error = ErrorObject::method_not_found();
                Err(Response::from_error(request.id(), &error))
            }
            RootsPolicy::Inside(directories) => {
                let directories = Directories::new(directories);
                let server = Arc::new(Confined {
                    server: answerable(),
                    directories,
                });
                Ok(ServerRequest::new(request, server))
            }
            RootsPolicy::Unchecked => Ok(ServerRequest::new(request, answerable())),
        }
    }
}

/// Responder that confines the response to `roots/list` before the server receives it.
#[derive(Debug)]
struct Confined {
    server: Arc<dyn Responder>,
    directories: Directories,
}

#[async_trait]
impl Responder for Confined {
    async fn respond(&self, response: Response) -> Result<(), UpstreamError> {
        let (Ok(result), Some(id)) = (response.result(), response.id()) else {
            // Errors name no roots, so they are forwarded unchanged.
            return self.server.respond(response).await;
        };
        let result = self.directories.confine(result).await;
        self.server.respond(Response::new(id, &result)).await
    }

    async fn notify(&self, notification: Notification) -> Result<(), UpstreamError> {
        self.server.notify(notification).await
    }

    fn withdraw(&self) {
        self.server.withdraw();
    }
}
