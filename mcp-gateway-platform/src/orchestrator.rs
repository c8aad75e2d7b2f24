//! Orchestrators: programs that run servers elsewhere, such as on Kubernetes.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::{BoxStream, StreamExt as _};
use mcp_gateway_core::upstream::{RuntimeBackend, UpstreamError};

use crate::spec::KubernetesServer;

/// Runs servers of the kind [`KubernetesServer`] and keeps them running.
///
/// A platform declares all of its servers whenever its spec changes. The orchestrator makes the
/// cluster match them in the background, and adopts what runs already.
#[async_trait]
pub trait Orchestrator: fmt::Debug + Send + Sync + 'static {
    /// Replaces the declared servers. Those that are not declared any more are deleted, with
    /// everything that belongs to them.
    ///
    /// Returns at once. The first declaration is complete: all sources have been read.
    fn declare(&self, declaration: Declaration);

    /// Returns the backend of the server `name`. It wakes the server if it sleeps, and waits until
    /// it is ready.
    ///
    /// It uses the declared definition at the time of each connection, and fails with
    /// [`DeploymentStatus::error`] as soon as the deployment has failed.
    fn backend(&self, name: &Arc<str>) -> Arc<dyn RuntimeBackend>;

    /// Returns the observed state of the server `name`; `None` if it is not declared.
    fn deployment(&self, name: &str) -> Option<DeploymentStatus>;

    /// Replaces the pods of the server `name`.
    ///
    /// # Errors
    ///
    /// [`OrchestratorError`] if it is not declared or the cluster refuses.
    async fn restart(&self, name: &str) -> Result<(), OrchestratorError>;

    /// Returns the log of the server `name`.
    ///
    /// # Errors
    ///
    /// [`OrchestratorError`] if it is not declared, has no pod, or the cluster refuses.
    async fn logs(&self, name: &str, query: LogQuery) -> Result<LogStream, OrchestratorError>;
}

/// All servers that an orchestrator runs.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Declaration {
    /// Servers to run.
    pub servers: Vec<DeclaredServer>,
    /// Names of servers whose definitions cannot be read now. They keep running as they are.
    pub unreadable: Vec<Arc<str>>,
}

impl Declaration {
    /// Creates a declaration of `servers`, all of whose definitions have been read.
    #[must_use]
    pub fn new(servers: Vec<DeclaredServer>) -> Self {
        Self {
            servers,
            unreadable: Vec::new(),
        }
    }
}

/// Server that an orchestrator runs.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct DeclaredServer {
    /// Name.
    pub name: Arc<str>,
    /// Definition.
    pub definition: Arc<KubernetesServer>,
}

impl DeclaredServer {
    /// Creates a server with a name and a definition.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, definition: Arc<KubernetesServer>) -> Self {
        Self {
            name: name.into(),
            definition,
        }
    }
}

/// Observed state of the deployment of a server.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct DeploymentStatus {
    /// State.
    pub state: DeploymentState,
    /// Cause in one word, such as `ImagePullBackOff`, if the state has one.
    pub reason: Option<Arc<str>>,
    /// Cause for people: what happened and what to do.
    pub message: Option<Arc<str>>,
    /// Number of pods that are ready.
    pub ready: u32,
    /// Number of pods that shall run.
    pub desired: u32,
    /// Number of restarts of containers of the current pods.
    pub restarts: u32,
    /// Time of the last change of the state.
    pub since: SystemTime,
}

impl DeploymentStatus {
    /// Creates a status without a cause and without pods.
    #[must_use]
    pub fn new(state: DeploymentState, since: SystemTime) -> Self {
        Self {
            state,
            reason: None,
            message: None,
            ready: 0,
            desired: 0,
            restarts: 0,
            since,
        }
    }
}

impl DeploymentStatus {
    /// Returns the reason and the message in one text, as far as there are any.
    #[must_use]
    pub fn cause(&self) -> Option<String> {
        match (&self.reason, &self.message) {
            (Some(reason), Some(message)) => Some(format!("{reason}: {message}")),
            (Some(text), None) | (None, Some(text)) => Some(text.to_string()),
            (None, None) => None,
        }
    }

    /// Returns the error for callers of the server: they see the reason, operators see the message
    /// as well.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::SystemTime;
    ///
    /// use mcp_gateway_platform::orchestrator::{DeploymentState, DeploymentStatus};
    ///
    /// let mut status = DeploymentStatus::new(DeploymentState::Failed, SystemTime::now());
    /// status.reason = Some("ImagePullBackOff".into());
    /// status.message = Some("registry.internal does not have the image".into());
    /// assert_eq!(status.error().to_string(), "the server is not running: ImagePullBackOff");
    /// ```
    #[must_use]
    pub fn error(&self) -> UpstreamError {
        let state = self.state.as_str();
        let reason = self.reason.clone().unwrap_or_else(|| state.into());
        let cause = self.message.as_deref().unwrap_or(state);
        UpstreamError::not_running(reason, cause.to_owned())
    }
}

/// State of the deployment of a server.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum DeploymentState {
    /// There is no object in the cluster yet.
    NotCreated,
    /// The pods are being started.
    Pending,
    /// At least one pod is ready.
    Running,
    /// The pods cannot start, or end again and again.
    Failed,
    /// Scaled to zero.
    Asleep,
    /// Scaled up by a call, and not ready yet.
    Waking,
    /// The objects are being deleted.
    Deleting,
}

impl DeploymentState {
    /// All states.
    pub const ALL: [Self; 7] = [
        Self::NotCreated,
        Self::Pending,
        Self::Running,
        Self::Failed,
        Self::Asleep,
        Self::Waking,
        Self::Deleting,
    ];

    /// Returns the state as one word, as in the API and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotCreated => "not_created",
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Failed => "failed",
            Self::Asleep => "asleep",
            Self::Waking => "waking",
            Self::Deleting => "deleting",
        }
    }
}

/// Part of a log.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct LogQuery {
    /// Maximum number of lines from the end; all if `None`.
    pub tail: Option<u32>,
    /// Set to continue with lines that are written later.
    pub follow: bool,
    /// Set for the container before the last restart.
    pub previous: bool,
}

/// Log of a server, in pieces.
///
/// Dropping it ends the transfer.
#[must_use = "streams do nothing unless polled"]
pub struct LogStream(BoxStream<'static, Result<Bytes, OrchestratorError>>);

impl LogStream {
    /// Wraps the pieces of a log.
    pub fn new(
        pieces: impl Stream<Item = Result<Bytes, OrchestratorError>> + Send + 'static,
    ) -> Self {
        Self(pieces.boxed())
    }
}

impl Stream for LogStream {
    type Item = Result<Bytes, OrchestratorError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(cx)
    }
}

impl fmt::Debug for LogStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogStream").finish_non_exhaustive()
    }
}

/// Failure of an orchestrator.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OrchestratorError {
    /// The server is not declared.
    #[error("no server {name:?} runs on the cluster")]
    Unknown {
        /// Name of the server.
        name: Arc<str>,
    },
    /// The server has no pod, or its container has not started.
    #[error("{name} has no container that has started: {message}")]
    NotStarted {
        /// Name of the server.
        name: Arc<str>,
        /// State of the server.
        message: Arc<str>,
    },
    /// The role of the gateway does not permit it.
    #[error("the cluster refuses: {message}")]
    Forbidden {
        /// Message of the API server.
        message: Arc<str>,
    },
    /// The API server cannot be reached, or failed.
    #[error("the cluster cannot be reached: {message}")]
    Unavailable {
        /// Cause.
        message: Arc<str>,
    },
}

#[cfg(test)]
mod tests;
