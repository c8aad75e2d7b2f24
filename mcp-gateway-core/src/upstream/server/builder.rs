//! Builder of an upstream server.

use std::sync::{Arc, OnceLock, RwLock};
use std::time::Duration;

use super::{Server, SessionPolicy};
use crate::bridge::Parking;
use crate::upstream::dialer::Dialer;
use crate::upstream::probe::Protocol;
use crate::upstream::{RootsPolicy, RuntimeBackend};

/// Builder of a [`Server`], from [`Server::builder`].
#[derive(Debug)]
#[must_use]
pub struct ServerBuilder<B = Arc<dyn RuntimeBackend>> {
    name: Arc<str>,
    backend: B,
    protocol: Option<Protocol>,
    sessions: SessionPolicy,
    idle: Duration,
    connect_timeout: Option<Duration>,
    max_message: Option<usize>,
    parking: Option<Parking>,
    roots: Option<RootsPolicy>,
}

impl<B: RuntimeBackend> ServerBuilder<B> {
    /// Creates a builder with the default of each option.
    pub(super) fn new(name: Arc<str>, backend: B) -> Self {
        Self {
            name,
            backend,
            protocol: None,
            sessions: SessionPolicy::default(),
            idle: DEFAULT_IDLE,
            connect_timeout: None,
            max_message: None,
            parking: None,
            roots: None,
        }
    }

    /// Replaces the backend by what `change` makes of it.
    pub fn map_backend<T>(self, change: impl FnOnce(B) -> T) -> ServerBuilder<T> {
        ServerBuilder {
            name: self.name,
            backend: change(self.backend),
            protocol: self.protocol,
            sessions: self.sessions,
            idle: self.idle,
            connect_timeout: self.connect_timeout,
            max_message: self.max_message,
            parking: self.parking,
            roots: self.roots,
        }
    }

    /// Sets the protocol of the server and disables the detection.
    ///
    /// Saves the failed attempts of the first connection. For a stdio server that ignores unknown
    /// requests, such an attempt lasts 10 seconds.
    pub fn with_protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = Some(protocol);
        self
    }

    /// Sets the sharing of sessions and processes. Default: [`SessionPolicy::Shared`].
    pub fn with_sessions(mut self, sessions: SessionPolicy) -> Self {
        self.sessions = sessions;
        self
    }

    /// Sets the idle time after which sessions and processes are closed. Default: 10 minutes.
    ///
    /// It is checked at a quarter of that interval, at least every 30 seconds.
    pub fn with_idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// Sets the maximum time for the server to start and complete the handshake. Default: 1 minute.
    ///
    /// It includes the installation of a package by `npx` or `uvx`. After it, the call fails with
    /// [`UpstreamError::Timeout`](crate::upstream::UpstreamError::Timeout).
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = Some(timeout);
        self
    }

    /// Sets the maximum size of a message from the server in bytes. Default: 64 MiB.
    ///
    /// A larger message fails its call with
    /// [`UpstreamError::TooLarge`](crate::upstream::UpstreamError::TooLarge); over stdio it closes
    /// the connection. JSON documents over HTTP are streamed and have no limit.
    pub fn with_max_message(mut self, bytes: usize) -> Self {
        self.max_message = Some(bytes);
        self
    }

    /// Sets the store of parked calls, which wait for the input of their clients.
    ///
    /// By default each server has one of its own, without a replica. With several replicas, a store
    /// from [`Parking::with_replica`] is required for retries that reach another one.
    pub fn with_parking(mut self, parking: Parking) -> Self {
        self.parking = Some(parking);
        self
    }

    /// Sets the policy for the roots of callers.
    ///
    /// By default they all reach a [remote](RuntimeBackend::is_remote) server, and none reaches any
    /// other server.
    pub fn with_roots(mut self, roots: RootsPolicy) -> Self {
        self.roots = Some(roots);
        self
    }

    /// Builds the server. Nothing is connected or started.
    #[must_use]
    pub fn build(self) -> Arc<Server> {
        let roots = match (self.roots, self.backend.is_remote()) {
            (Some(roots), _) => roots,
            (None, true) => RootsPolicy::Unchecked,
            (None, false) => RootsPolicy::Off,
        };
        let mut dialer = Dialer::new(Arc::new(self.backend), self.protocol).with_roots(roots);
        if let Some(timeout) = self.connect_timeout {
            dialer = dialer.with_timeout(timeout);
        }
        if let Some(limit) = self.max_message {
            dialer = dialer.with_limit(limit);
        }
        Arc::new_cyclic(|this| Server {
            name: self.name,
            dialer: Arc::new(dialer),
            sessions: self.sessions,
            idle: self.idle,
            parking: self.parking.or_else(|| Parking::ephemeral().ok()),
            views: RwLock::default(),
            sweeper: OnceLock::new(),
            this: this.clone(),
        })
    }
}

impl<B: RuntimeBackend> From<ServerBuilder<B>> for Arc<Server> {
    fn from(builder: ServerBuilder<B>) -> Self {
        builder.build()
    }
}

/// Default idle time.
const DEFAULT_IDLE: Duration = Duration::from_secs(600);
