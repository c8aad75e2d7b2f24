//! Connector of a server: start or look-up by the backend, handshake, and detected protocol.
//!
//! The detected protocol is remembered for later connections, which try it first. It also
//! decides if connections can be shared: a modern server over stdio needs one process per instance,
//! whatever the class of callers, because each request carries the context of its caller.

mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::time;

pub(super) use self::state::ConnectFailure;
use self::state::ConnectorState;
use super::connection::UpstreamConnection;
use super::embedded::EmbeddedConnection;
use super::embedded_server::EmbeddedServer;
use super::handshake::{Handshake, HandshakeError, UpstreamProtocol};
use super::legacy_http::Attendance;
use super::lint_report::LintReport;
use super::protocol_store::{ProtocolStore, StoredProtocols};
use super::view_key::ViewKey;
use super::{Instance, InstanceOwner, RootsPolicy, RuntimeBackend};
use crate::catalog::lint::LintPolicy;
use crate::credential::Credential;
use crate::error::{UpstreamError, error_chain};
use crate::protocol::Era;
use crate::task::BackgroundTask;
use crate::trace::{SessionTimer, SpanKind, SpanObserver, SpanTransport};
use crate::transport::{ExitReport, ProgramOutput};

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
    /// Defects of listed definitions.
    lint: LintReport,
    /// Time that the server takes to open a standalone stream.
    attendance: Arc<Attendance>,
    /// Observer of the ends of sessions.
    observer: Option<Arc<dyn SpanObserver>>,
    /// Results of earlier processes and of other replicas.
    stored: Option<StoredProtocols>,
    /// Results of earlier attempts.
    state: Mutex<ConnectorState>,
    /// Held while it is unknown if the connection can be shared, so that only one is opened.
    detection: tokio::sync::Mutex<()>,
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
            lint: LintReport::default(),
            attendance: Arc::default(),
            observer: None,
            stored: None,
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

    /// Sets the treatment of tools that model interfaces reject. Default: they are reported.
    pub(super) fn with_lint(mut self, policy: LintPolicy) -> Self {
        self.lint = LintReport::new(policy);
        self
    }

    /// Sets the observer of the ends of sessions.
    pub(super) fn with_observer(mut self, observer: Option<Arc<dyn SpanObserver>>) -> Self {
        self.observer = observer;
        self
    }

    /// Returns the defects of listed definitions.
    pub(super) fn lint(&self) -> &LintReport {
        &self.lint
    }

    /// Sets the store of detected protocols. It is not used if the protocol is configured.
    pub(super) fn with_store(mut self, store: Arc<dyn ProtocolStore>) -> Self {
        self.stored = self
            .configured
            .is_none()
            .then(|| StoredProtocols::new(store));
        self
    }

    /// Returns the policy for the roots of callers.
    pub(super) fn roots(&self) -> &RootsPolicy {
        &self.roots
    }

    /// Returns the era of connections for clients of the era `client`, if it has been detected.
    ///
    /// It is that of the client if the server supports both.
    pub(super) fn detected_era(&self, client: Era) -> Option<Era> {
        let memory = *self.state().memory(client);
        memory.protocol.map(UpstreamProtocol::era)
    }

    /// Returns the last attempt, if it failed.
    pub(super) fn last_failure(&self) -> Option<ConnectFailure> {
        self.state().failure.clone()
    }

    /// Returns the last program that exited during a call, unless another one has started.
    pub(super) fn last_exit(&self) -> Option<ExitReport> {
        self.state().exit.clone()
    }

    /// Records that `program` closed its output during a call. Its exit is awaited for a moment.
    pub(super) async fn record_exit(&self, program: &ProgramOutput) {
        let report = program.exit_report().await;
        if report.is_empty() {
            return;
        }
        // Each of its calls records the same exit.
        if self.state().exit.replace(report.clone()).is_none() {
            tracing::warn!(server = %self.name, %report, "program exited during a call");
        }
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
        owner: &InstanceOwner,
        credential: &Credential,
    ) -> Result<Arc<dyn UpstreamConnection>, UpstreamError> {
        self.recall().await;
        let asked = Instant::now();
        let may_share = self.state().may_share(key.era);
        let _detection = match may_share {
            true => {
                let guard = self.detection.lock().await;
                // The attempt of another caller may have shown that nothing is shared. The callers
                // that waited for it must not connect one after the other then.
                self.state().may_share(key.era).then_some(guard)
            }
            false => None,
        };
        if let Some(known) = self.state().reuse(key, asked) {
            return known;
        }
        let connected = self.connect_once(key, owner, credential).await;
        connected.map_err(|failed| self.record_failure(key, failed))
    }

    /// Opens a connection of the legacy era for the exclusive use of one call.
    ///
    /// Its failure is not remembered: it is little evidence for the shared connection.
    pub(super) async fn connect_exclusive(
        &self,
        key: &ViewKey,
        owner: &InstanceOwner,
        credential: &Credential,
    ) -> Result<Arc<dyn UpstreamConnection>, UpstreamError> {
        self.recall().await;
        let connected = self.connect_once(key, owner, credential).await;
        connected.map_err(|failed| failed.error)
    }

    /// Loads the stored protocols before the first attempt.
    async fn recall(&self) {
        if let Some(stored) = &self.stored {
            stored.load(|detected| self.state().recall(detected)).await;
        }
    }

    /// Returns `true` if the server is known to be connected by byte streams.
    pub(super) fn is_stdio(&self) -> bool {
        self.state().is_stdio == Some(true)
    }

    /// Connects to the backend, performs the handshake and records its result.
    async fn connect_once(
        &self,
        key: &ViewKey,
        owner: &InstanceOwner,
        credential: &Credential,
    ) -> Result<Arc<dyn UpstreamConnection>, HandshakeError> {
        if let Some(server) = self.backend.embedded() {
            return Ok(self.embed(key, server));
        }
        let memory = *self.state().memory(key.era);
        let handshake = Handshake {
            configured: self.configured,
            memory,
            era: key.era,
            version: key.version,
            capabilities: key.capabilities.clone(),
            client_info: key.client_info.clone(),
            credential: credential.clone(),
            limit: self.limit,
            roots: Arc::clone(&self.roots),
            attendance: Arc::clone(&self.attendance),
            deadline: time::Instant::now() + self.timeout,
        };
        let instance = Instance::new(key.instance.clone(), owner.clone());
        let instance = instance.with_credential(credential.clone());
        let negotiated = handshake.perform(&*self.backend, &instance).await?;
        let (protocol, is_stdio) = (negotiated.protocol, negotiated.is_stdio);
        if memory.protocol != Some(protocol) {
            let answers = tracing::field::display(&negotiated.answers);
            tracing::info!(server = %self.name, ?protocol, %answers, "protocol version detected");
        }
        let connection = negotiated.connection;
        if let Some(observer) = &self.observer {
            time_session(&*connection, observer);
        }
        let mut state = self.state();
        state.remember(key.era, protocol);
        state.is_stdio = Some(is_stdio);
        state.exit = None;
        state.record_success(&key.account);
        if let Some(stored) = &self.stored {
            stored.save(state.detected());
        }
        if !is_stdio || protocol != UpstreamProtocol::Modern {
            return Ok(connection);
        }
        // Clients of the other era may have a process already.
        if let Some(shared) = state.shared_connection(key) {
            BackgroundTask::detach(async move { connection.close().await });
            return Ok(shared);
        }
        state.share(key, &connection);
        Ok(connection)
    }

    /// Returns a connection to `server`, which is code of this process.
    fn embed(&self, key: &ViewKey, server: Arc<dyn EmbeddedServer>) -> Arc<dyn UpstreamConnection> {
        let mut state = self.state();
        state.remember(key.era, UpstreamProtocol::Modern);
        state.is_stdio = Some(false);
        state.record_success(&key.account);
        Arc::new(EmbeddedConnection::new(server))
    }

    /// Records a failed attempt, and returns its error.
    fn record_failure(&self, key: &ViewKey, failed: HandshakeError) -> UpstreamError {
        let cause = error_chain(&failed.error);
        let details = tracing::field::display(&failed.details);
        let last = self.last_failure();
        match last.is_some_and(|last| error_chain(&last.error) == cause) {
            // A server that is down fails each attempt alike.
            true => {
                tracing::debug!(server = %self.name, error = cause, %details, "handshake failed");
            }
            false => {
                tracing::warn!(server = %self.name, error = cause, %details, "handshake failed");
            }
        }
        let mut state = self.state();
        if let Some(memory) = failed.memory {
            *state.memory(key.era) = memory;
        }
        state.is_stdio = failed.is_stdio.or(state.is_stdio);
        let failure = ConnectFailure {
            at: Instant::now(),
            error: failed.error.clone(),
            details: failed.details,
        };
        // A program that could not be started costs nothing; one that crashes does.
        let is_costly = failed.is_stdio == Some(true);
        state.record_failure(&key.account, failure, is_costly);
        failed.error
    }

    /// Locks the results of earlier attempts.
    fn state(&self) -> MutexGuard<'_, ConnectorState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reports the end of the session that `connection` is, if it is one.
fn time_session(connection: &dyn UpstreamConnection, observer: &Arc<dyn SpanObserver>) {
    let version = connection.server_info().version;
    if version.era() == Era::Legacy {
        let transport = match connection.peer() {
            Some(_) => SpanTransport::Tcp,
            None => SpanTransport::Pipe,
        };
        let kind = SpanKind::Client;
        connection.set_timer(SessionTimer::start(observer, kind, version, transport));
    }
}

/// Default maximum size of a message from a server, 64 MiB: a result with a large image or
/// document.
const DEFAULT_LIMIT: usize = 64 * 1024 * 1024;

/// Default time for a server to start and respond: `npx` and `uvx` download packages first.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
