//! Send calls to their servers.
//!
//! [`Forward`] is the innermost service of the stack. A call goes to the server for which it was
//! prepared, even if a reload has replaced it in the meantime. A target that is not in the pool
//! fails with [`UpstreamError::UnknownServer`].
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//!
//! use async_trait::async_trait;
//! use mcp_gateway_core::auth::Principal;
//! use mcp_gateway_core::call::Prepared;
//! use mcp_gateway_core::jsonrpc::{Id, Request};
//! use mcp_gateway_core::layer::forward::Forward;
//! use mcp_gateway_core::protocol::{Capabilities, Method, ProtocolVersion};
//! use mcp_gateway_core::route::{Feature, Target};
//! use mcp_gateway_core::upstream::{ServerPool, Upstream, UpstreamError};
//! use mcp_gateway_core::{Call, Caller, ClientInfo, Credential, Error, Reply};
//! use tower::ServiceExt;
//!
//! #[derive(Debug)]
//! struct Empty;
//!
//! #[async_trait]
//! impl Upstream for Empty {
//!     async fn send(&self, call: Call<Prepared>) -> Result<Reply, UpstreamError> {
//!         Ok(Reply::result(call.request().id(), r#"{"content":[]}"#))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
//! let caller = Arc::new(Caller::new(Principal::new("alice"), "main", client));
//! let call = |server: &str| {
//!     let request = Request::new(&Id::from(1), &Method::ToolsCall, r#"{"name":"read"}"#);
//!     let target = Target::new(server, Feature::Tool("read".into()));
//!     Call::trusted(request, Arc::clone(&caller))
//!         .prepared(Prepared::trusted(target, Credential::none()))
//! };
//!
//! let forward = Forward::new(ServerPool::new().with("files", Arc::new(Empty)));
//! assert!(forward.clone().oneshot(call("files")).await.is_ok());
//! let error = forward.oneshot(call("removed")).await.unwrap_err();
//! assert!(matches!(error, Error::Upstream { source: UpstreamError::UnknownServer, .. }));
//! # }
//! ```

use std::sync::Arc;
use std::task::{Context, Poll};

use tower_service::Service;

use crate::call::{Prepared, ServerHandle};
use crate::error::UpstreamError;
use crate::upstream::{PooledServer, ServerPool};
use crate::{BoxFuture, Call, Error, Reply};

/// The innermost service: forwards each call to its server.
#[derive(Clone, Debug)]
pub struct Forward {
    pool: ServerPool,
}

impl Forward {
    /// Creates a service over the servers of `pool`.
    #[must_use]
    pub fn new(pool: ServerPool) -> Self {
        Self { pool }
    }
}

impl Service<Call<Prepared>> for Forward {
    type Response = Reply;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Reply, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<Prepared>) -> Self::Future {
        let server = Arc::clone(&call.target().server);
        let mut prepared = None;
        let call = call.advance(|mut stage: Prepared| {
            prepared = stage.server.take();
            stage
        });
        let found = match prepared.and_then(ServerHandle::into_server::<PooledServer>) {
            Some(found) => Some(found),
            None => self.pool.get(&server),
        };
        let account = call.credential().account();
        let account = (!account.is_empty()).then(|| Arc::clone(account));
        Box::pin(async move {
            let sent = match found {
                Some(found) => found.send(call).await,
                None => Err(UpstreamError::UnknownServer),
            };
            let mut reply = match sent {
                Ok(Reply::Events(events)) => Reply::Events(events.of_server(server)),
                Ok(reply) => reply,
                Err(UpstreamError::HeldBack(unknown)) => return Err(unknown.into()),
                Err(source) => return Err(Error::Upstream { server, source }),
            };
            if let Some(account) = account {
                reply.set_account(account);
            }
            Ok(reply)
        })
    }
}
