//! Deployments of servers on a cluster.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;
use mcp_gateway_core::BoxError;
use serde::Serialize;
use utoipa::ToSchema;

/// Deployments of the servers of a platform.
#[async_trait]
pub trait Deployments: fmt::Debug + Send + Sync + 'static {
    /// Replaces the pods of the server `name`.
    ///
    /// # Errors
    ///
    /// [`DeploymentError`] if the server is not on a cluster, or the cluster refuses.
    ///
    /// # Cancel safety
    ///
    /// The pods may be replaced or not.
    async fn restart(&self, name: &str) -> Result<(), DeploymentError>;

    /// Returns the log of the server `name`.
    ///
    /// # Errors
    ///
    /// [`DeploymentError`] if the server is not on a cluster, has no pod, or the cluster refuses.
    async fn log(&self, name: &str, query: LogSelection) -> Result<ServerLog, DeploymentError>;
}

/// Part of a log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the API has these parameters")]
pub struct LogSelection {
    /// Maximum number of lines from the end.
    pub tail: u32,
    /// Set to continue with lines that are written later.
    pub follow: bool,
    /// Set for the container before the last restart.
    pub previous: bool,
}

/// Log of a server, in pieces. Dropping it ends the transfer.
#[must_use = "streams do nothing unless polled"]
pub struct ServerLog(Pin<Box<dyn Stream<Item = Result<Bytes, BoxError>> + Send>>);

impl ServerLog {
    /// Wraps the pieces of a log.
    pub fn new(pieces: impl Stream<Item = Result<Bytes, BoxError>> + Send + 'static) -> Self {
        Self(Box::pin(pieces))
    }
}

impl Stream for ServerLog {
    type Item = Result<Bytes, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl fmt::Debug for ServerLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerLog").finish_non_exhaustive()
    }
}

/// Deployment of a server on a cluster.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[schema(as = Deployment)]
#[expect(
    clippy::exhaustive_structs,
    reason = "implementations of `Catalog` make them"
)]
pub struct DeploymentDocument {
    /// `not_created`, `pending`, `running`, `failed`, `asleep`, `waking` or `deleting`.
    pub state: &'static str,
    /// Cause in one word, such as `ImagePullBackOff`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Cause for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Number of pods that are ready.
    pub ready: u32,
    /// Number of pods that shall run.
    pub desired: u32,
    /// Number of restarts of the containers of the current pods.
    pub restarts: u32,
    /// Time of the last change of the state.
    pub since: u64,
}

/// Failure of an operation of a deployment.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeploymentError {
    /// The cluster cannot be reached or refuses, as described.
    #[error("{0}")]
    Cluster(String),
    /// The server has no pod, or does not run on a cluster, as described.
    #[error("{0}")]
    NotRunning(String),
    /// The server does not exist.
    #[error("no such server")]
    Unknown,
}
