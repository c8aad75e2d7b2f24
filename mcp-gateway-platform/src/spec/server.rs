//! The servers behind the gateways.

use std::sync::Arc;
use std::time::Duration;

use mcp_gateway_core::upstream::{RootsPolicy, SessionPolicy};

use super::{Process, Remote, ServerLimits};

/// A server behind the gateway.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Server {
    /// The name.
    pub name: Arc<str>,
    /// What the names of its tools begin with for clients.
    pub prefix: Arc<str>,
    /// Where it runs, and how it is reached.
    pub transport: Transport,
    /// Who shares a session with it.
    pub sessions: SessionPolicy,
    /// Roots of callers that reach it; `None` for the default.
    pub roots: Option<RootsPolicy>,
    /// Its bounds.
    pub limits: ServerLimits,
    /// Idle timeout of its sessions.
    pub idle: Option<Duration>,
    /// Timeout for connecting to it.
    pub connect_timeout: Option<Duration>,
}

/// Where a server runs, and how it is reached.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Transport {
    /// Inside the gateway, as the built-in server of that name.
    Builtin(Arc<str>),
    /// As a program that the gateway starts.
    Process(Process),
    /// Elsewhere.
    Remote(Remote),
}

impl Server {
    /// A server of which nothing more is said.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, transport: Transport) -> Self {
        let name = name.into();
        Self {
            prefix: Arc::clone(&name),
            name,
            sessions: transport.default_sessions(),
            transport,
            roots: None,
            limits: ServerLimits::default(),
            idle: None,
            connect_timeout: None,
        }
    }
}

impl Transport {
    /// Who shares a session with a server of which that is not said.
    #[must_use]
    pub fn default_sessions(&self) -> SessionPolicy {
        match self {
            // A program often remembers things between calls, which different people must not
            // share by accident.
            Self::Process(_) => SessionPolicy::PerPrincipal,
            Self::Builtin(_) | Self::Remote(_) => SessionPolicy::Shared,
        }
    }
}
