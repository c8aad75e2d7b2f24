//! Errors of starting a platform and of applying a spec.

use std::io;
use std::sync::Arc;

use mcp_gateway_core::BoxError;
use mcp_gateway_core::route::PrefixError;
use url::Url;

use crate::state::StateError;

/// Error of starting a platform, or of applying a spec to it.
///
/// # Example
///
/// ```
/// use mcp_gateway_platform::spec::{Anonymous, PlatformSpec};
/// use mcp_gateway_platform::{Platform, PlatformError};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut spec = PlatformSpec::default();
/// spec.dynamic.auth.anonymous = Anonymous::Local;
/// let error = Platform::start(spec, "0.0.0.0:8080".parse().unwrap()).await.unwrap_err();
/// assert!(matches!(error, PlatformError::Open { .. }));
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlatformError {
    /// The first account cannot be created.
    #[error("failed to create the first account")]
    Accounts(#[source] BoxError),
    /// The audit log cannot be opened.
    #[error("failed to open the audit log")]
    Audit(#[source] BoxError),
    /// The URL of the platform is invalid.
    #[error("invalid URL of the gateway")]
    BaseUrl(#[source] BoxError),
    /// The URL of the platform has no paths below it.
    #[error("{base} has no paths below it")]
    BasePath {
        /// The URL of the platform.
        base: Url,
    },
    /// The HTTP client for identity providers cannot be created.
    #[error("failed to create the HTTP client for identity providers")]
    Egress(#[source] BoxError),
    /// The key of the store is invalid.
    #[error("invalid encryption key")]
    Key(#[source] BoxError),
    /// Browsers would not keep the session cookie.
    #[error("login is not possible at {host}")]
    Login {
        /// Origin of the platform.
        host: String,
        /// The cause.
        source: BoxError,
    },
    /// A server is called with the accounts of callers, who cannot log in.
    #[error("server {server} requires accounts of users, and no login is configured")]
    NoLogin {
        /// Name of the server.
        server: Arc<str>,
    },
    /// Anonymous callers of this machine are accepted at an address that other machines reach.
    #[error("anonymous callers are for platforms that only this machine can reach, not {address}")]
    Open {
        /// The address at which other machines reach the platform.
        address: String,
    },
    /// The client or the URL for other replicas is unusable.
    #[error("failed to set up requests to replicas")]
    Replica(#[source] BoxError),
    /// Two resources have one URL.
    #[error("auth.forward: {url} is already the URL of another resource")]
    Resource {
        /// The URL.
        url: Url,
    },
    /// Prefixes of the servers of a gateway conflict.
    #[error(transparent)]
    Route(#[from] PrefixError),
    /// The key of sessions cannot be created.
    #[error("failed to create the key of sessions")]
    Sealer(#[source] BoxError),
    /// Servers cannot be set up.
    #[error("failed to set up servers")]
    Servers(#[source] io::Error),
    /// The store cannot be opened.
    #[error(transparent)]
    State(#[from] StateError),
}
