//! What a server of the legacy era may ask clients.

use std::sync::Arc;

use async_trait::async_trait;

use super::RootsPolicy;
use super::directories::Directories;
use crate::error::UpstreamError;
use crate::jsonrpc::{ErrorObject, Notification, Request, Response, code};
use crate::protocol::Method;
use crate::reply::{Respond, ServerRequest};

/// What the server of a conversation may ask clients.
#[derive(Clone, Debug)]
pub(in crate::upstream) struct Askable {
    dedicated: bool,
    roots: Arc<RootsPolicy>,
}

impl Askable {
    /// What may be asked in a conversation that a client or a call has for itself, or that is shared.
    pub(in crate::upstream) fn new(dedicated: bool, roots: Arc<RootsPolicy>) -> Self {
        Self { dedicated, roots }
    }

    /// Returns `true` if the client can be asked outside of a call, because it has the conversation
    /// for itself.
    pub(in crate::upstream) fn dedicated(&self) -> bool {
        self.dedicated
    }

    /// Makes `request` a question whose answer goes to `server`; `Err` is the answer to what no
    /// client is asked.
    pub(in crate::upstream) fn question(
        &self,
        request: Request,
        server: Arc<dyn Respond>,
    ) -> Result<ServerRequest, Response> {
        if request.method() != &Method::RootsList {
            return Ok(ServerRequest::new(request, server));
        }
        match &*self.roots {
            RootsPolicy::Off => {
                let error = ErrorObject::new(code::METHOD_NOT_FOUND, "the client has no roots");
                Err(Response::from_error(request.id(), &error))
            }
            RootsPolicy::Inside(directories) => {
                let directories = Directories::new(directories);
                let server = Arc::new(Confined {
                    server,
                    directories,
                });
                Ok(ServerRequest::new(request, server))
            }
            RootsPolicy::Unchecked => Ok(ServerRequest::new(request, server)),
        }
    }
}

/// Takes the answer to `roots/list`, and hands on what of it is allowed.
#[derive(Debug)]
struct Confined {
    server: Arc<dyn Respond>,
    directories: Directories,
}

#[async_trait]
impl Respond for Confined {
    async fn respond(&self, response: Response) -> Result<(), UpstreamError> {
        let (Ok(result), Some(id)) = (response.result(), response.id()) else {
            // An error, which names no roots.
            return self.server.respond(response).await;
        };
        let result = self.directories.confine(result).await;
        self.server.respond(Response::new(id, &result)).await
    }

    async fn notify(&self, notification: Notification) -> Result<(), UpstreamError> {
        self.server.notify(notification).await
    }
}
