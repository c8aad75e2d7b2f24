//! The layers of a gateway.
//!
//! A call passes them from the top to the bottom, and its reply from the bottom to the top:
//!
//! | layer | takes | passes on | rejects or adds |
//! |---|---|---|---|
//! | [`cors`] | `Request` | `Request` | answers preflight requests of web pages |
//! | [`drain_body`] | `Request` | `Request` | reads what the others leave unread of a body |
//! | [`respond_errors`] | `Request` | `Request` | turns errors into responses, with challenges |
//! | [`host_guard`] | `Request` | `Request` | rejects foreign hosts and origins: `403` |
//! | [`authenticate`] | `Request` | [`Authenticated<Request>`] | rejects callers without a valid token: `401` |
//! | [`endpoint`] | [`Authenticated<Request>`] | [`Call`] | rejects what is no message; keeps sessions |
//! | [`trace`] | [`Call`] | [`Call`] | records a span |
//! | [`approve`] | [`Call`] | [`Call`] | obtains approvals of calls, if configured |
//! | [`elicit_connections`] | [`Call`] | [`Call`] | asks users to connect accounts, if configured |
//! | [`on_call`] | [`Call`] | [`Call`] | layers of the embedder |
//! | [`dispatch`] | [`Call`] | [`Call<Routed>`] | rejects unknown names; merges lists |
//! | [`observe`] | [`Call<Routed>`] | [`Call<Routed>`] | reports the outcome |
//! | [`on_routed`] | [`Call<Routed>`] | [`Call<Routed>`] | layers of the embedder |
//! | [`authorize`] | [`Call<Routed>`] | [`Call<Permitted>`] | denies what the policy denies, as unknown |
//! | [`on_permitted`] | [`Call<Permitted>`] | [`Call<Permitted>`] | layers of the embedder |
//! | [`attach_credentials`] | [`Call<Permitted>`] | [`Call<Prepared>`] | rejects calls without a credential |
//! | [`forward`] | [`Call<Prepared>`] | | sends the call to its server |
//!
//! The types make the compiler check the order; see [`call`](crate::call) for the inner layers. Of the
//! outer ones, what drains bodies needs an answer to every request, so errors have to be responses
//! before. Without [`respond_errors`] it does not compile:
//!
//! ```compile_fail,E0271
//! # use std::convert::Infallible;
//! # use http::{Request, Response};
//! # use mcp_gateway_core::Error;
//! # use mcp_gateway_core::endpoint::Body;
//! # use mcp_gateway_core::layer::drain_body::{DrainBodyLayer, DrainableBody};
//! # use tower::{Layer, Service};
//! fn drained<S>(inner: S) -> impl Service<Request<String>, Error = Infallible>
//! where
//!     S: Service<Request<DrainableBody<String>>, Response = Response<Body>, Error = Error>,
//! {
//!     DrainBodyLayer::new().layer(inner)
//! }
//! ```
//!
//! With it, it does:
//!
//! ```
//! # use std::convert::Infallible;
//! # use http::{Request, Response};
//! # use mcp_gateway_core::Error;
//! # use mcp_gateway_core::endpoint::Body;
//! # use mcp_gateway_core::layer::drain_body::{DrainBodyLayer, DrainableBody};
//! # use mcp_gateway_core::layer::respond_errors::RespondErrorsLayer;
//! # use tower::{Layer, Service};
//! fn drained<S>(inner: S) -> impl Service<Request<String>, Error = Infallible>
//! where
//!     S: Service<Request<DrainableBody<String>>, Response = Response<Body>, Error = Error>,
//! {
//!     DrainBodyLayer::new().layer(RespondErrorsLayer::new().layer(inner))
//! }
//! ```
//!
//! [`Gateway`] is this stack, and its documentation shows how to build it by hand. [`gate`] is the
//! future of the layers that decide without waiting.
//!
//! [`Authenticated<Request>`]: crate::auth::Authenticated
//! [`Call`]: crate::Call
//! [`Call<Permitted>`]: crate::call::Permitted
//! [`Call<Prepared>`]: crate::call::Prepared
//! [`Call<Routed>`]: crate::call::Routed
//! [`Gateway`]: crate::Gateway
//! [`endpoint`]: crate::endpoint
//! [`on_call`]: crate::GatewayBuilder::on_call
//! [`on_permitted`]: crate::GatewayBuilder::on_permitted
//! [`on_routed`]: crate::GatewayBuilder::on_routed

pub mod approve;
pub mod attach_credentials;
pub mod authenticate;
pub mod authorize;
mod call_service;
pub mod cors;
pub mod deferred;
pub mod dispatch;
pub mod drain_body;
pub mod elicit_connections;
pub mod forward;
pub mod gate;
pub mod host_guard;
mod messages;
pub mod observe;
pub mod respond_errors;
pub mod trace;
