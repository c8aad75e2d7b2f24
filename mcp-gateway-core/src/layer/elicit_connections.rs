//! Ask the users of calls that lack an account to connect one.
//!
//! A call of a tool, a prompt or a resource may fail with [`CredentialError::NotConnected`] or
//! [`CredentialError::InsufficientScope`], and a URL at which its user can help. A client that has
//! declared `elicitation` with the mode `url` is asked to open it. Once the user has connected, the
//! call is sent again, with the new credential. Any other client receives the error at once; so does
//! the client of a user who declines, or does not connect in time.
//!
//! - A modern client receives `input_required`. Its retry waits for the user; after fifty
//!   seconds, it is answered by `input_required` without a request, upon which clients retry
//!   again, because many of them limit the time of a request.
//! - A legacy client of 2025-11-25 receives `elicitation/create` within the reply, and
//!   `notifications/elicitation/complete` before the result. If it cannot be asked within the reply,
//!   it receives the error -32042, and the notification on its standalone stream.
//!
//! Nothing has been sent to the server before, and a call that waits counts as a
//! [parked one](ParkedCalls). The wait ends with the credential of the caller, and with a shutdown.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//!
//! use futures_core::stream::BoxStream;
//! use futures_util::StreamExt as _;
//! use mcp_gateway_core::auth::Principal;
//! use mcp_gateway_core::credential::{ConnectionSignals, CredentialError};
//! use mcp_gateway_core::era::ParkedCalls;
//! use mcp_gateway_core::jsonrpc::{Id, Request};
//! use mcp_gateway_core::layer::elicit_connections::ElicitConnectionsLayer;
//! use mcp_gateway_core::protocol::{Capabilities, Method, ProtocolVersion};
//! use mcp_gateway_core::{Call, Caller, ClientInfo, Error, Reply};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! /// Nobody ever connects.
//! #[derive(Debug)]
//! struct Never;
//!
//! impl ConnectionSignals for Never {
//!     fn changes(&self, _: &Principal, _: &str) -> BoxStream<'static, ()> {
//!         futures_util::stream::pending().boxed()
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let stack = ServiceBuilder::new()
//!     .layer(ElicitConnectionsLayer::new(Arc::new(Never), ParkedCalls::ephemeral()?))
//!     .service(service_fn(async |_: Call| {
//!         let url = Some("https://gw.example.com/connect/github".into());
//!         let source = CredentialError::NotConnected { url };
//!         Err::<Reply, _>(Error::Credential { server: "github".into(), source })
//!     }));
//! let call = |capabilities: &str| {
//!     let capabilities = Capabilities::parse(capabilities).unwrap_or_default();
//!     let client = ClientInfo::new(ProtocolVersion::LATEST, capabilities);
//!     let caller = Arc::new(Caller::new(Principal::new("alice"), "main", client));
//!     Call::trusted(Request::new(&Id::from(1), &Method::ToolsCall, r#"{"name":"a"}"#), caller)
//! };
//! assert!(stack.clone().oneshot(call("{}")).await.is_err());
//! let asked = stack.oneshot(call(r#"{"elicitation":{"url":{}}}"#)).await;
//! assert!(matches!(asked, Ok(Reply::Json { .. })));
//! # Ok(())
//! # }
//! ```

mod future;
mod missing;
mod placeholder;
mod waiting;

use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tower::ServiceExt;
use tower_layer::Layer;
use tower_service::Service;

pub use self::future::ElicitConnectionsFuture;
use self::missing::MissingConnection;
use self::waiting::Waiting;
use crate::credential::ConnectionSignals;
#[cfg(doc)]
use crate::credential::CredentialError;
use crate::era::{self, ConnectionRequest, ConnectionState, ParkedCalls, UserAnswer};
use crate::error::BoxError;
use crate::layer::call_service::CallService;
use crate::protocol::Era;
use crate::seal::SealError;
use crate::{Call, Drain, Error, Reply};

/// A [`Layer`] that applies [`ElicitConnections`].
///
/// See the [module documentation](self) for an example.
#[derive(Clone, Debug)]
pub struct ElicitConnectionsLayer(Arc<Shared>);

/// Parts of the layer, shared by its services.
#[derive(Debug)]
struct Shared {
    signals: Arc<dyn ConnectionSignals>,
    parked_calls: ParkedCalls,
    drain: Drain,
}

impl ElicitConnectionsLayer {
    /// Creates a layer whose calls wait for `signals`, within the limits of `parked_calls`.
    #[must_use]
    pub fn new(signals: Arc<dyn ConnectionSignals>, parked_calls: ParkedCalls) -> Self {
        Self(Arc::new(Shared {
            signals,
            parked_calls,
            drain: Drain::new(),
        }))
    }

    /// Sets the signal of the shutdown, upon which no call waits any more.
    #[must_use]
    pub fn with_drain(self, drain: Drain) -> Self {
        let signals = Arc::clone(&self.0.signals);
        let parked_calls = self.0.parked_calls.clone();
        Self(Arc::new(Shared {
            signals,
            parked_calls,
            drain,
        }))
    }
}

impl<S> Layer<S> for ElicitConnectionsLayer {
    type Service = ElicitConnections<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ElicitConnections {
            inner,
            shared: Arc::clone(&self.0),
        }
    }
}

/// A service that asks the users of calls that lack an account to connect one.
#[derive(Clone, Debug)]
pub struct ElicitConnections<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> Service<Call> for ElicitConnections<S>
where
    S: Service<Call, Response = Reply, Error = Error> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    type Response = Reply;
    type Error = Error;
    type Future = ElicitConnectionsFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        if !era::supports_url_elicitation(&call) {
            return ElicitConnectionsFuture::direct(self.inner.call(call));
        }
        // Take the service that was polled ready, and leave its clone behind.
        let clone = self.inner.clone();
        let elicited = ElicitedCall {
            inner: mem::replace(&mut self.inner, clone),
            shared: Arc::clone(&self.shared),
            call,
        };
        ElicitConnectionsFuture::pending(elicited.answer())
    }
}

/// Call whose client can be asked to open a URL.
struct ElicitedCall<S> {
    inner: S,
    shared: Arc<Shared>,
    call: Call,
}

impl<S: CallService> ElicitedCall<S> {
    /// Answers the call.
    async fn answer(self) -> Result<Reply, Error> {
        match self.call.client().era() {
            Era::Legacy => self.answer_in_session().await,
            Era::Modern => self.answer_request().await,
        }
    }

    /// Answers a call of a modern client, which may be a retry.
    async fn answer_request(mut self) -> Result<Reply, Error> {
        let sealer = self.shared.parked_calls.sealer();
        let state = ConnectionState::open(&self.call, sealer)?;
        let Some(state) = state else {
            return self.send_or_ask().await;
        };
        let answer = ConnectionRequest::answer_of_retry(self.call.request());
        self.call = era::without_retry(&self.call);
        match answer {
            UserAnswer::Missing if state.is_first() => self.send_or_ask().await,
            UserAnswer::Accepted | UserAnswer::Missing => self.resume(state).await,
            UserAnswer::Declined | UserAnswer::Failed => self.send().await,
        }
    }

    /// Sends the call, and returns `input_required` if an account is missing.
    async fn send_or_ask(self) -> Result<Reply, Error> {
        let error = match self.send().await {
            Err(error) => error,
            reply => return reply,
        };
        let Some(missing) = MissingConnection::of(&error) else {
            return Err(error);
        };
        let parked_calls = &self.shared.parked_calls;
        let state = ConnectionState::new(&self.call, &missing.server, parked_calls.lifetime());
        let state = state.seal(parked_calls.sealer()).map_err(no_randomness)?;
        let request = missing.into_request().map_err(no_randomness)?;
        tracing::debug!("user asked to connect an account");
        let result = request.to_input_required(&state);
        Ok(Reply::result(self.call.request().id(), &result))
    }

    /// Sends the call, and waits for the user if an account is still missing.
    async fn resume(self, state: ConnectionState) -> Result<Reply, Error> {
        let deadline = HOLD.min(state.remaining());
        let Some(waiting) = Waiting::new(&self, state.server(), deadline) else {
            return self.send().await;
        };
        match self.send().await {
            Err(error) if MissingConnection::of(&error).is_some() => {
                Ok(Reply::Events(waiting.in_request(self, state, error)))
            }
            reply => reply,
        }
    }

    /// Answers a call of a legacy client, which is asked within the reply.
    async fn answer_in_session(self) -> Result<Reply, Error> {
        let error = match self.send().await {
            Err(error) => error,
            reply => return reply,
        };
        let Some(missing) = MissingConnection::of(&error) else {
            return Err(error);
        };
        let lifetime = self.shared.parked_calls.lifetime();
        let Some(waiting) = Waiting::new(&self, &missing.server, lifetime) else {
            return Err(error);
        };
        let request = missing.into_request().map_err(no_randomness)?;
        tracing::debug!("user asked to connect an account");
        Ok(Reply::Events(waiting.in_session(self, request, error)))
    }

    /// Sends the call.
    ///
    /// A call without an account has not run, and is sent again with the same approval.
    async fn send(&self) -> Result<Reply, Error> {
        self.inner.clone().oneshot(self.call.share()).await
    }
}

/// Returns the error of a system without randomness.
fn no_randomness(error: SealError) -> Error {
    Error::Other(BoxError::from(error))
}

/// Maximum time for which a retry waits. Clients commonly end requests after a minute.
pub(crate) const HOLD: Duration = Duration::from_secs(50);

#[cfg(test)]
mod tests;
