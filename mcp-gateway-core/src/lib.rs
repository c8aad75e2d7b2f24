//! The data plane of an embeddable MCP gateway.
//!
//! A [`Gateway`] is one endpoint of the [Model Context Protocol][mcp] in front of many servers. It
//! authenticates callers, authorizes their calls, resolves the credential for each server, and
//! forwards every call to its server. It accepts all protocol versions on one path, in front of
//! servers of any protocol version: on the network, as child processes, or in the same process.
//!
//! A gateway is a tower service that answers every HTTP request. It can be mounted in axum, in
//! hyper, or in any tower stack.
//!
//! This crate reads no files, no environment variables and no signals, installs nothing globally,
//! binds no port, and depends on no identity provider. The program `mcp-gateway` does these things
//! and is built from it. Tokens, users and authorization servers are in the crate
//! `mcp-gateway-auth`.
//!
//! # Example
//!
//! A gateway in front of two servers. Neither is started or connected to before the first call.
//!
//! ```
//! use http::{Request, StatusCode};
//! use mcp_gateway_core::{Gateway, UpstreamServer};
//! use tower::ServiceExt;
//!
//! # #[cfg(not(all(feature = "client", feature = "process")))]
//! # fn main() {}
//! # #[cfg(all(feature = "client", feature = "process"))]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let files = UpstreamServer::process("files", "npx")
//!     .args(["-y", "@modelcontextprotocol/server-filesystem", "/srv/files"]);
//! let github = UpstreamServer::http("github", "https://api.githubcopilot.com/mcp/")?;
//! // Without authentication: for a gateway that only this machine can reach.
//! let gateway = Gateway::anonymous().server(files).server(github).build()?;
//!
//! // It is a service that answers requests; pages of somewhere else are turned away.
//! let request = Request::post("/mcp")
//!     .header("host", "localhost")
//!     .header("origin", "https://elsewhere.example")
//!     .body(String::new())?;
//! assert_eq!(gateway.clone().oneshot(request).await?.status(), StatusCode::FORBIDDEN);
//! gateway.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! Mount it at a path; in axum with `Router::new().nest_service("/mcp", gateway)`.
//!
//! The folder `examples` of the repository has this in full, a resolver of credentials, a layer and
//! a server in the same process.
//!
//! # Extension points
//!
//! | decision | trait | implementations in this crate |
//! |---|---|---|
//! | authentication of callers | [`AuthVerifier`] | [`AllowAnonymous`] |
//! | naming and routing | [`ToolRouter`] | [`PrefixRouter`] |
//! | authorization | [`Policy`] | [`AllowAll`] |
//! | credentials for servers | [`CredentialResolver`] | [`NoCredentials`] |
//! | runtime of servers | [`RuntimeBackend`] | [`Remote`], [`Process`], [`InProcess`] |
//! | HTTP to servers | [`HttpClient`] | [`PooledHttpClient`] |
//! | reports of calls | [`Observer`] | |
//!
//! Custom layers are placed between those of this crate: [`on_call`] receives every call of an
//! authenticated caller, [`on_routed`] every call with a known target, and a layer for raw HTTP is
//! wrapped around the gateway. The type of a call states what is established about it, so that a
//! layer in the wrong place does not compile; see [`call`].
//!
//! # Modules
//!
//! | module | contents |
//! |---|---|
//! | [`call`] | a request on its path, and its stages |
//! | [`auth`], [`host_policy`] | authentication; allowed hosts and origins |
//! | [`endpoint`], [`sse`], [`jsonrpc`], [`protocol`] | the protocol in all its versions |
//! | [`session`] | sessions of legacy clients |
//! | [`layer`] | the layers of a call, in their order |
//! | [`route`], [`catalog`] | routing, and the lists of servers |
//! | [`policy`], [`credential`] | authorization, and credentials for servers |
//! | [`upstream`], [`transport`], [`runtime`], [`limit`] | servers: connections, transports, runtimes and limits |
//! | [`era`] | translation between the eras |
//! | [`reply`], [`results`], [`observe`] | replies, budgets for results, and reports of calls |
//!
//! # Features
//!
//! Each exists to drop dependencies. All but `json-path` are enabled by default.
//!
//! | feature | adds |
//! |---|---|
//! | `client` | [`Remote`] and [`PooledHttpClient`]: servers over HTTP, with TLS |
//! | `json-path` | [`Projection`]: parts of results that JSON paths select |
//! | `process` | [`Process`]: servers as child processes, on Unix |
//! | `serve` | [`Serve`]: gateways on a listener, without a framework |
//!
//! # Cancel safety
//!
//! The future of a call is dropped at an `.await` after its client disconnects. The documentation
//! of each trait states the consequences for implementations; nothing in this crate is left
//! half-written. Dropping a [`Reply`] cancels the request at the server, if the transport supports
//! it.
//!
//! # Stability
//!
//! Texts of messages, `Debug` output, fields of events and default limits may change in any
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
//! [`Projection`]: results::Projection
//! [`Process`]: runtime::Process
//! [`Remote`]: runtime::Remote
//! [`RuntimeBackend`]: upstream::RuntimeBackend
//! [`ToolRouter`]: route::ToolRouter
//! [`PooledHttpClient`]: runtime::PooledHttpClient
//! [`on_call`]: GatewayBuilder::on_call
//! [`on_routed`]: GatewayBuilder::on_routed

#![cfg_attr(docsrs, feature(doc_cfg))]

#[macro_use]
mod opaque;

pub mod approval;
pub mod auth;
pub mod call;
mod caller;
mod cancellation;
pub mod catalog;
mod challenge;
mod clock;
pub mod credential;
mod drain;
pub mod endpoint;
pub mod era;
mod error;
mod gateway;
pub mod glob;
pub mod host_policy;
mod json;
pub mod jsonrpc;
#[doc(alias = "middleware")]
pub mod layer;
pub mod limit;
mod list_changes;
mod mask;
pub mod observe;
mod peer;
pub mod policy;
mod problem;
pub mod protocol;
mod replica;
pub mod reply;
pub mod results;
pub mod route;
pub mod runtime;
pub mod script;
mod seal;
mod semconv;
#[cfg(feature = "serve")]
mod serve;
pub mod session;
mod signal;
pub mod sse;
mod task;
pub mod trace;
pub mod transport;
pub mod upstream;

use std::future::Future;
use std::pin::Pin;

pub use self::call::Call;
pub use self::caller::{Caller, ClientInfo};
pub use self::cancellation::Cancellation;
pub use self::credential::Credential;
pub use self::drain::Drain;
pub use self::error::{BoxError, Error, error_chain};
pub use self::gateway::{BuildError, Gateway, GatewayBuilder};
pub use self::mask::Mask;
pub use self::peer::PeerAddr;
pub use self::problem::Problem;
pub use self::replica::Replica;
pub use self::reply::Reply;
pub use self::seal::{SealError, Sealer};
#[cfg(feature = "serve")]
pub use self::serve::{RequestBody, Serve, Workers};
pub use self::upstream::UpstreamServer;

/// A boxed future, as the services of this crate return where they wait for something.
pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
