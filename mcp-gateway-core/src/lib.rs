//! The data plane of an embeddable MCP gateway.
//!
//! A [`Gateway`] is one endpoint of the [Model Context Protocol][mcp] in front of many servers. It
//! knows who calls, decides what they see, finds the credential that each server wants, and brings
//! every call to the server that it means. It serves all revisions of the protocol on one path, over
//! servers of any revision: on the network, as child processes, or in the same process.
//!
//! A gateway is a tower service that answers every HTTP request, and is mounted wherever such a
//! service can be: in axum, in hyper, in a stack of your own.
//!
//! This crate reads no files and no signals, installs nothing globally, binds no port and depends on
//! no identity provider. It reads the environment for one thing: a program that a [`Process`] starts
//! inherits it, or `PATH` and `HOME` of it. The program `mcp-gateway` does, and is made of it; tokens
//! and their like are the business of the crate `mcp-gateway-auth`.
//!
//! # Example
//!
//! A gateway over two servers. Neither is started or reached before somebody calls it.
//!
//! ```
//! use std::sync::Arc;
//!
//! use http::{Request, StatusCode};
//! use mcp_gateway_core::Gateway;
//! use mcp_gateway_core::auth::AllowAnonymous;
//! use mcp_gateway_core::credential::NoCredentials;
//! use mcp_gateway_core::route::PrefixRouter;
//! # #[cfg(all(feature = "client", feature = "process"))]
//! use mcp_gateway_core::runtime::{Process, Remote, WebClient};
//! use mcp_gateway_core::session::Sessions;
//! use mcp_gateway_core::upstream::{Server, ServerPool};
//! use tower::ServiceExt;
//!
//! # #[cfg(not(all(feature = "client", feature = "process")))]
//! # fn main() {}
//! # #[cfg(all(feature = "client", feature = "process"))]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let files = Process::new("files", "npx")
//!     .with_args(["-y", "@modelcontextprotocol/server-filesystem", "/srv/files"])
//!     .build();
//! let github = Remote::new("https://api.githubcopilot.com/mcp/".parse()?, WebClient::new()?);
//! let servers = ServerPool::new()
//!     .with_server(Server::builder("files", files).build())
//!     .with_server(Server::builder("github", github).build());
//!
//! let gateway = Gateway::builder(
//!     // Who is calling? Everybody: for a gateway that only this machine can reach.
//!     Arc::new(AllowAnonymous::new()),
//!     // What do names mean? The tool `search` of `github` is `github__search`.
//!     Arc::new(PrefixRouter::by_name(servers.names())?),
//!     // With which credential? None.
//!     Arc::new(NoCredentials::new()),
//!     servers,
//!     // For how long do sessions last? At most as long as this process.
//!     Sessions::ephemeral()?,
//! )
//! .build();
//!
//! // It is a service that answers requests; pages of somewhere else are turned away.
//! let request = Request::post("/mcp")
//!     .header("host", "localhost")
//!     .header("origin", "https://elsewhere.example")
//!     .body(String::new())?;
//! assert_eq!(gateway.oneshot(request).await?.status(), StatusCode::FORBIDDEN);
//! # Ok(())
//! # }
//! ```
//!
//! Mount it at a path and at what is below; in axum:
//!
//! ```text
//! Router::new()
//!     .route_service("/mcp", gateway.clone())
//!     .route_service("/mcp/{*below}", gateway)
//! ```
//!
//! The folder `examples` of the repository has this in full, a resolver of credentials, a layer and
//! a server in the same process.
//!
//! # What can be replaced
//!
//! | question | trait | of this crate |
//! |---|---|---|
//! | Who is calling? | [`AuthVerifier`] | [`AllowAnonymous`] |
//! | Which server does a name mean? | [`ToolRouter`] | [`PrefixRouter`] |
//! | What may they see and do? | [`Policy`] | [`AllowAll`] |
//! | With which credential? | [`CredentialResolver`] | [`NoCredentials`] |
//! | Where does the server run? | [`RuntimeBackend`] | [`Remote`], [`Process`], [`InProcess`] |
//! | How is HTTP spoken to it? | [`HttpClient`] | [`WebClient`] |
//! | Who hears what became of calls? | [`Observer`] | |
//!
//! Layers of your own go between those of this crate: [`on_call`] sees every call of a known caller,
//! [`on_routed`] those whose server is known, and what is to see raw HTTP goes around the gateway.
//! What is known about a call is in its type, so that a layer in the wrong place does not compile;
//! see [`call`].
//!
//! # Map
//!
//! | module | what it has |
//! |---|---|
//! | [`call`] | a request on its way, and the stages that it passes |
//! | [`auth`], [`guard`] | who may call, and from which web pages |
//! | [`endpoint`], [`sse`], [`jsonrpc`], [`protocol`] | the protocol, in all its revisions |
//! | [`session`] | sessions of clients, where their revision has them |
//! | [`layer`] | the layers that a call passes, in their order |
//! | [`route`], [`catalog`] | which server is meant, and what servers list |
//! | [`policy`], [`credential`] | what callers may do, and with which credential |
//! | [`upstream`], [`transport`], [`runtime`], [`limit`] | the servers, where they run, and what they may cost |
//! | [`reply`], [`observe`] | what comes back, and who hears of it |
//!
//! # Features
//!
//! All are on by default, and each exists to leave dependencies out.
//!
//! | feature | adds |
//! |---|---|
//! | `client` | [`Remote`] and [`WebClient`]: servers over HTTP, with TLS |
//! | `process` | [`Process`]: servers as child processes, on Unix |
//! | `serve` | [`Serve`]: gateways on a listener, without a framework |
//!
//! # Cancel safety
//!
//! A client that goes away drops the future of its call, at any `.await`. Traits say what this means
//! for their implementations; nothing in this crate is left half-written. A dropped [`Reply`] tells
//! the server that nobody waits any more, where its transport can.
//!
//! # Stability
//!
//! Texts of messages, `Debug` output, fields of events and defaults of limits may change with any
//! release.
//!
//! [mcp]: https://modelcontextprotocol.io/specification/2026-07-28
//! [`AllowAll`]: policy::AllowAll
//! [`AllowAnonymous`]: auth::AllowAnonymous
//! [`AuthVerifier`]: auth::AuthVerifier
//! [`CredentialResolver`]: credential::CredentialResolver
//! [`HttpClient`]: transport::HttpClient
//! [`InProcess`]: runtime::InProcess
//! [`NoCredentials`]: credential::NoCredentials
//! [`Observer`]: observe::Observer
//! [`Policy`]: policy::Policy
//! [`PrefixRouter`]: route::PrefixRouter
//! [`Process`]: runtime::Process
//! [`Remote`]: runtime::Remote
//! [`RuntimeBackend`]: upstream::RuntimeBackend
//! [`ToolRouter`]: route::ToolRouter
//! [`WebClient`]: runtime::WebClient
//! [`on_call`]: GatewayBuilder::on_call
//! [`on_routed`]: GatewayBuilder::on_routed

#![cfg_attr(docsrs, feature(doc_cfg))]

#[macro_use]
mod opaque;

pub mod auth;
pub mod bridge;
pub mod call;
mod caller;
mod cancellation;
pub mod catalog;
mod clock;
pub mod credential;
mod drain;
pub mod endpoint;
mod error;
mod gateway;
pub mod guard;
mod json;
pub mod jsonrpc;
pub mod layer;
pub mod limit;
pub mod observe;
mod peer;
pub mod policy;
mod problem;
pub mod protocol;
mod replica;
pub mod reply;
pub mod route;
pub mod runtime;
mod seal;
mod semconv;
#[cfg(feature = "serve")]
mod serve;
pub mod session;
mod signal;
pub mod sse;
mod task;
pub mod transport;
pub mod upstream;

use std::future::Future;
use std::pin::Pin;

pub use self::call::Call;
pub use self::caller::{Caller, Client};
pub use self::cancellation::Cancellation;
pub use self::credential::Credential;
pub use self::drain::Drain;
pub use self::error::{BoxError, Error, error_chain};
pub use self::gateway::{Gateway, GatewayBuilder};
pub use self::peer::PeerAddr;
pub use self::problem::Problem;
pub use self::replica::Replica;
pub use self::reply::Reply;
pub use self::seal::{SealError, Sealer};
#[cfg(feature = "serve")]
pub use self::serve::{Serve, Workers};

/// A boxed future, as the services of this crate return where they wait for something.
pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
