//! Builder of an upstream server.

use std::sync::{Arc, OnceLock, RwLock};
use std::time::Duration;

use super::{SessionPolicy, UpstreamServer};
use crate::catalog::lint::LintPolicy;
use crate::era::ParkedCalls;
use crate::trace::SpanObserver;
use crate::upstream::connector::Connector;
use crate::upstream::handshake::UpstreamProtocol;
use crate::upstream::{ProtocolStore, RootsPolicy, RuntimeBackend};

/// Builder of an [`UpstreamServer`], from [`UpstreamServer::builder`].
#[derive(Debug)]
#[must_use]
pub struct UpstreamServerBuilder<B = Arc<dyn RuntimeBackend>> {
    name: Arc<str>,
    backend: B,
    protocol: Option<UpstreamProtocol>,
    sessions: SessionPolicy,
    idle: Duration,
    connect_timeout: Option<Duration>,
    max_message: Option<usize>,
    parked_calls: Option<ParkedCalls>,
    roots: Option<RootsPolicy>,
    lint: LintPolicy,
    protocols: Option<Arc<dyn ProtocolStore>>,
    observer: Option<Arc<dyn SpanObserver>>,
}

impl<B: RuntimeBackend> UpstreamServerBuilder<B> {
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
            parked_calls: None,
            roots: None,
            lint: LintPolicy::default(),
            protocols: None,
            observer: None,
        }
    }

    /// Replaces the backend by what `change` makes of it.
    pub fn map_backend<T>(self, change: impl FnOnce(B) -> T) -> UpstreamServerBuilder<T> {
        UpstreamServerBuilder {
            name: self.name,
            backend: change(self.backend),
            protocol: self.protocol,
            sessions: self.sessions,
            idle: self.idle,
            connect_timeout: self.connect_timeout,
            max_message: self.max_message,
            parked_calls: self.parked_calls,
            roots: self.roots,
            lint: self.lint,
            protocols: self.protocols,
            observer: self.observer,
        }
    }

    /// Sets the protocol of the server and disables the detection.
    ///
    /// Saves the failed attempts of the first connection. For a stdio server that ignores unknown
    /// requests, such an attempt lasts 10 seconds.
    pub fn with_protocol(mut self, protocol: UpstreamProtocol) -> Self {
        self.protocol = Some(protocol);
        self
    }

    /// Sets the sharing of sessions and processes. Default: [`SessionPolicy::Shared`].
    pub fn with_session_policy(mut self, sessions: SessionPolicy) -> Self {
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
    /// from [`ParkedCalls::with_replica`] is required for retries that reach another one.
    pub fn with_parked_calls(mut self, parked_calls: ParkedCalls) -> Self {
        self.parked_calls = Some(parked_calls);
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

    /// Sets the treatment of tools that the interfaces of models reject. Default:
    /// [`LintPolicy::Report`].
    pub fn with_lint(mut self, policy: LintPolicy) -> Self {
        self.lint = policy;
        self
    }

    /// Sets the store of the detected protocol. By default, each process detects it anew.
    pub fn with_protocol_store(mut self, store: Arc<dyn ProtocolStore>) -> Self {
        self.protocols = Some(store);
        self
    }

    /// Sets the observer of the ends of sessions with the server. Default: none. The spans of calls are
    /// those of the gateway.
    pub fn with_span_observer(mut self, observer: Arc<dyn SpanObserver>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Builds the server. Nothing is connected or started.
    ///
    /// It is shared, because its background tasks refer to it. Methods that take a server accept
    /// the builder as well.
    #[must_use]
    pub fn build(self) -> Arc<UpstreamServer> {
        let is_remote = self.backend.is_remote();
        let roots = match (self.roots, is_remote) {
            (Some(roots), _) => roots,
            (None, true) => RootsPolicy::Unchecked,
            (None, false) => RootsPolicy::Off,
        };
        let mut connector = {
            let name = Arc::clone(&self.name);
            Connector::new(name, Arc::new(self.backend), self.protocol)
                .with_roots(roots)
                .with_lint(self.lint)
                .with_observer(self.observer)
        };
        if let Some(store) = self.protocols {
            connector = connector.with_store(store);
        }
        if let Some(timeout) = self.connect_timeout {
            connector = connector.with_timeout(timeout);
        }
        if let Some(limit) = self.max_message {
            connector = connector.with_limit(limit);
        }
        Arc::new_cyclic(|this| UpstreamServer {
            name: self.name,
            connector: Arc::new(connector),
            is_remote,
            sessions: self.sessions,
            idle: self.idle,
            parked_calls: self.parked_calls.or_else(|| ParkedCalls::ephemeral().ok()),
            views: RwLock::default(),
            sweeper: OnceLock::new(),
            this: this.clone(),
        })
    }
}

impl<B: RuntimeBackend> From<UpstreamServerBuilder<B>> for Arc<UpstreamServer> {
    fn from(builder: UpstreamServerBuilder<B>) -> Self {
        builder.build()
    }
}

/// Default idle time.
const DEFAULT_IDLE: Duration = Duration::from_secs(600);
