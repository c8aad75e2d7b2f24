//! Connector of a server: start or look-up by the backend, handshake, and detected protocol.
//!
//! The detected protocol is remembered for later connections, which try it first. It also
//! decides if connections can be shared: a modern server over stdio needs one process per instance,
//! whatever the class of callers, because each request carries the context of its caller.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::time;

use super::backoff::Backoff;
use super::connection::UpstreamConnection;
use super::detection::Memory;
use super::handshake::{Handshake, HandshakeDetails, HandshakeError, UpstreamProtocol};
use super::view_key::ViewKey;
use super::{InstanceKey, RootsPolicy, RuntimeBackend};
use crate::credential::Credential;
use crate::error::{UpstreamError, error_chain};
use crate::protocol::Era;

/// Connector of one server, which remembers the detected protocol.
///
/// All views of a server share it.
#[derive(Debug)]
pub(super) struct Connector {
    /// Name of the server, for the log.
    name: Arc<str>,
    /// Backend that starts or reaches the server.
    backend: Arc<dyn RuntimeBackend>,
    /// Protocol from the configuration, which disables the detection.
    configured: Option<UpstreamProtocol>,
    /// Maximum size of a message from the server in bytes.
    limit: usize,
    /// Maximum time for connecting, start of the server included.
    timeout: Duration,
    /// Policy for the roots of callers.
    roots: Arc<RootsPolicy>,
    /// Results of earlier attempts.
    state: Mutex<ConnectorState>,
    /// Held while it is unknown if the connection can be shared, so that only one is opened.
    detection: tokio::sync::Mutex<()>,
}

/// Results of earlier attempts, over all views.
#[derive(Debug, Default)]
struct ConnectorState {
    /// Result of earlier handshakes.
    memory: Memory,
    /// `true` if the server is reached over byte streams; `None` if it was never reached.
    is_stdio: Option<bool>,
    /// Last failure, so that concurrent callers that waited for it do not fail one after the other.
    failure: Option<ConnectFailure>,
    /// Delay after failed starts of a program.
    backoff: Backoff,
    /// Connections of the modern era over stdio, which all views of an instance share.
    shared_connections: HashMap<InstanceKey, Weak<dyn UpstreamConnection>>,
}

/// A failed attempt to connect.
#[derive(Clone, Debug)]
pub(super) struct ConnectFailure {
    /// Time of the failure.
    at: Instant,
    /// Error that callers receive.
    pub(super) error: UpstreamError,
    /// Answers of the server and last output of a program.
    pub(super) details: HandshakeDetails,
}

impl Connector {
    /// Creates a connector with the default limits.
    pub(super) fn new(
        name: Arc<str>,
        backend: Arc<dyn RuntimeBackend>,
        configured: Option<UpstreamProtocol>,
    ) -> Self {
        Self {
            name,
            backend,
            configured,
            limit: DEFAULT_LIMIT,
            timeout: DEFAULT_TIMEOUT,
            roots: Arc::default(),
            state: Mutex::default(),
            detection: tokio::sync::Mutex::new(()),
        }
    }

    /// Sets the maximum size of a message in bytes.
    pub(super) fn with_limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Sets the maximum time for connecting.
    pub(super) fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the policy for the roots of callers. Default: none reaches the server.
    pub(super) fn with_roots(mut self, roots: RootsPolicy) -> Self {
        self.roots = Arc::new(roots);
        self
    }

    /// Returns the policy for the roots of callers.
    pub(super) fn roots(&self) -> &RootsPolicy {
        &self.roots
    }

    /// Returns the era of the server if it has been detected.
    pub(super) fn detected_era(&self) -> Option<Era> {
        self.state().memory.protocol.map(UpstreamProtocol::era)
    }

    /// Returns the last attempt, if it failed.
    pub(super) fn last_failure(&self) -> Option<ConnectFailure> {
        self.state().failure.clone()
    }

    /// Connects on behalf of the callers that `key` describes, or returns a connection to share.
    ///
    /// A caller that waited for the attempt of another one gets its result, also if it is an error,
    /// instead of repeating it. After failed starts of a program, attempts fail without another
    /// start until the delay has passed.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Timeout`] after the connect timeout, otherwise those of the backend and the
    /// handshake.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the attempt; a caller that waits for it makes one of its own.
    pub(super) async fn connect(
        &self,
        key: &ViewKey,
        credential: &Credential,
    ) -> Result<Arc<dyn UpstreamConnection>, UpstreamError> {
        let asked = Instant::now();
        let may_share = self.state().may_share();
        let _detection = match may_share {
            true => Some(self.detection.lock().await),
            false => None,
        };
        if let Some(known) = self.state().reuse(&key.instance, asked) {
            return known;
        }
        let dedicated = matches!(key.instance, InstanceKey::Session(_));
        let connected = self.connect_once(key, credential, dedicated).await;
        connected.map_err(|failed| self.record_failure(failed))
    }

    /// Opens a connection of the legacy era for the exclusive use of one call.
    ///
    /// Its failure is not remembered: it is little evidence for the shared connection.
    pub(super) async fn connect_exclusive(
        &self,
        key: &ViewKey,
        credential: &Credential,
    ) -> Result<Arc<dyn UpstreamConnection>, UpstreamError> {
        let connected = self.connect_once(key, credential, true).await;
        connected.map_err(|failed| failed.error)
    }

    /// Returns `true` if the server is known to be connected by byte streams.
    pub(super) fn is_stdio(&self) -> bool {
        self.state().is_stdio == Some(true)
    }

    /// Connects to the backend, performs the handshake and records its result.
    async fn connect_once(
        &self,
        key: &ViewKey,
        credential: &Credential,
        dedicated: bool,
    ) -> Result<Arc<dyn UpstreamConnection>, HandshakeError> {
        let memory = self.state().memory;
        let handshake = Handshake {
            configured: self.configured,
            memory,
            era: Era::Modern,
            version: key.version,
            capabilities: key.capabilities.clone(),
            credential: credential.clone(),
            dedicated,
            limit: self.limit,
            roots: Arc::clone(&self.roots),
            deadline: time::Instant::now() + self.timeout,
        };
        let negotiated = handshake.perform(&*self.backend, &key.instance).await?;
        let (protocol, is_stdio) = (negotiated.protocol, negotiated.is_stdio);
        if memory.protocol != Some(protocol) {
            let answers = tracing::field::display(&negotiated.answers);
            tracing::info!(server = %self.name, ?protocol, %answers, "protocol version detected");
        }
        let connection = negotiated.connection;
        let mut state = self.state();
        state.memory = Memory::of(protocol);
        state.is_stdio = Some(is_stdio);
        state.failure = None;
        state.backoff.reset();
        if is_stdio && protocol == UpstreamProtocol::Modern {
            state
                .shared_connections
                .retain(|_, connection| connection.strong_count() > 0);
            state
                .shared_connections
                .insert(key.instance.clone(), Arc::downgrade(&connection));
        }
        Ok(connection)
    }

    /// Records a failed attempt, and returns its error.
    fn record_failure(&self, failed: HandshakeError) -> UpstreamError {
        let cause = error_chain(&failed.error);
        let details = tracing::field::display(&failed.details);
        tracing::warn!(server = %self.name, error = cause, %details, "handshake failed");
        let mut state = self.state();
        state.memory = failed.memory.unwrap_or(state.memory);
        state.is_stdio = failed.is_stdio.or(state.is_stdio);
        // A program that could not be started costs nothing; one that crashes does.
        if failed.is_stdio == Some(true) {
            state.backoff.fail(Instant::now());
        }
        state.failure = Some(ConnectFailure {
            at: Instant::now(),
            error: failed.error.clone(),
            details: failed.details,
        });
        failed.error
    }

    /// Locks the results of earlier attempts.
    fn state(&self) -> MutexGuard<'_, ConnectorState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectorState {
    /// Returns `true` if a connection may be shared by several views, as far as is known.
    fn may_share(&self) -> bool {
        match self.memory.protocol {
            Some(UpstreamProtocol::Modern) => self.is_stdio == Some(true),
            Some(UpstreamProtocol::Legacy | UpstreamProtocol::Sse) => false,
            None => true,
        }
    }

    /// Returns the result of another caller that connected while this one waited since `asked`: a
    /// shared connection to `instance`, or a failure. A failure also lasts for its delay.
    fn reuse(
        &self,
        instance: &InstanceKey,
        asked: Instant,
    ) -> Option<Result<Arc<dyn UpstreamConnection>, UpstreamError>> {
        let running = self
            .shared_connections
            .get(instance)
            .and_then(Weak::upgrade);
        if let Some(connection) = running.filter(|connection| connection.is_open()) {
            return Some(Ok(connection));
        }
        let failure = self.failure.as_ref()?;
        let lasts = failure.at >= asked || self.backoff.is_pending(asked);
        lasts.then(|| Err(failure.error.clone()))
    }
}

/// Default maximum size of a message from a server, 64 MiB: a result with a large image or
/// document.
const DEFAULT_LIMIT: usize = 64 * 1024 * 1024;

/// Default time for a server to start and respond: `npx` and `uvx` download packages first.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
