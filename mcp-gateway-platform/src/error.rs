//! The errors of starting a platform, and of applying a spec.

use std::io;

use mcp_gateway_core::BoxError;
use mcp_gateway_core::route::PrefixError;
use url::Url;

use crate::state::StateError;

/// An error of starting a platform, or of applying a spec to it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlatformError {
    /// The first account cannot be created.
    #[error("the first account cannot be created")]
    Accounts(#[source] BoxError),
    /// The URL of the platform is invalid.
    #[error("invalid URL of the gateway")]
    BaseUrl(#[source] BoxError),
    /// The URL of the platform has no paths below it.
    #[error("{base} has no paths below it")]
    BasePath {
        /// The URL of the platform.
        base: Url,
    },
    /// Identity providers cannot be reached, because the system lacks something.
    #[error("authority providers cannot be reached")]
    Egress(#[source] BoxError),
    /// The key of the store is invalid.
    #[error("invalid encryption key")]
    Key(#[source] BoxError),
    /// Browsers would not keep anybody logged in.
    #[error("nobody can log in at {host}")]
    Login {
        /// The host of the platform.
        host: String,
        /// The cause.
        source: BoxError,
    },
    /// Everybody could call by accident.
    #[error("anonymous callers are for platforms that only this machine can reach, not {address}")]
    Open {
        /// The address at which other machines reach the platform.
        address: String,
    },
    /// Other replicas cannot be reached.
    #[error("replicas cannot be reached")]
    Replica(#[source] BoxError),
    /// Two resources have one URL.
    #[error("auth.forward: {url} is the URL of something else already")]
    Resource {
        /// The URL.
        url: Url,
    },
    /// Clients could mistake one server of a gateway for another.
    #[error(transparent)]
    Route(#[from] PrefixError),
    /// Sessions cannot be sealed.
    #[error("sessions cannot be sealed")]
    Sealer(#[source] BoxError),
    /// Servers cannot be reached, because the system lacks something.
    #[error("servers cannot be reached")]
    Servers(#[source] io::Error),
    /// The store cannot be opened.
    #[error(transparent)]
    State(#[from] StateError),
}
