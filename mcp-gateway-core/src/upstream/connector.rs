//! Connector of a server: start or look-up by the backend, handshake, and detected protocol.
//!
//! The detected protocol is remembered for later connections until an attempt fails. It also
//! decides if connections can be shared: a modern server over stdio needs one process per instance,
//! whatever the class of callers, because each request carries the context of its caller.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::time;

use super::connection::UpstreamConnection;
use super::handshake::{Handshake, UpstreamProtocol};
use super::view_key::ViewKey;
use super::{InstanceKey, RootsPolicy, RuntimeBackend};
use crate::credential::Credential;
use crate::error::UpstreamError;
use crate::protocol::Era;
use crate::transport::Transport;

/// Connector of one server, which remembers the detected protocol.
///
/// All views of a server share it.
#[derive(Debug)]
pub(super) struct Connector {
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
    /// Detected protocol; `None` before the first success and after a failure.
    detected: Option<DetectedProtocol>,
    /// Last failure, so that concurrent callers that waited for it do not fail one after the other.
    failure: Option<(Instant, UpstreamError)>,
    /// Connections of the modern era over stdio, which all views of an instance share.
    shared_connections: HashMap<InstanceKey, Weak<dyn UpstreamConnection>>,
}

/// Detected protocol and transport of a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct DetectedProtocol {
    /// Protocol that the handshake found.
    protocol: UpstreamProtocol,
    /// `true` for stdio.
    is_stdio: bool,
}

impl Connector {
    /// Creates a connector with the default limits.
    pub(super) fn new(
        backend: Arc<dyn RuntimeBackend>,
        configured: Option<UpstreamProtocol>,
    ) -> Self {
        Self {
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
        self.memory().detected.map(|found| match found.protocol {
            UpstreamProtocol::Legacy | UpstreamProtocol::Sse => Era::Legacy,
            UpstreamProtocol::Modern => Era::Modern,
        })
    }

    /// Returns the error of the last attempt, if it failed.
    pub(super) fn last_failure(&self) -> Option<UpstreamError> {
        let memory = self.memory();
        memory.failure.as_ref().map(|(_, error)| error.clone())
    }

    /// Connects on behalf of the callers that `key` describes, or returns a connection to share.
    ///
    /// A caller that waited for the attempt of another one gets its result, also if it is an error,
    /// instead of repeating it.
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
        let shareable = self
            .memory()
            .detected
            .is_none_or(|found| found.is_stdio && found.protocol == UpstreamProtocol::Modern);
        let _finding_out = match shareable {
            true => Some(self.detection.lock().await),
            false => None,
        };
        if let Some(known) = self.memory().reuse(&key.instance, asked) {
            return known;
        }
        let dedicated = matches!(key.instance, InstanceKey::Session(_));
        match time::timeout(self.timeout, self.connect_once(key, credential, dedicated)).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(self.memory().record_failure(error)),
            Err(_) => Err(self.memory().record_failure(UpstreamError::Timeout)),
        }
    }

    /// Opens a connection of the legacy era for the exclusive use of one call.
    ///
    /// Its failure is not remembered: it is little evidence for the shared connection.
    pub(super) async fn connect_exclusive(
        &self,
        key: &ViewKey,
        credential: &Credential,
    ) -> Result<Arc<dyn UpstreamConnection>, UpstreamError> {
        match time::timeout(self.timeout, self.connect_once(key, credential, true)).await {
            Ok(dialed) => dialed,
            Err(_) => Err(UpstreamError::Timeout),
        }
    }

    /// Returns `true` if the server is known to be connected by byte streams.
    pub(super) fn is_stdio(&self) -> bool {
        self.memory().detected.is_some_and(|found| found.is_stdio)
    }

    /// Connects to the backend, performs the handshake and records its result.
    ///
    /// The time is limited by the caller.
    async fn connect_once(
        &self,
        key: &ViewKey,
        credential: &Credential,
        dedicated: bool,
    ) -> Result<Arc<dyn UpstreamConnection>, UpstreamError> {
        let known = self
            .configured
            .or_else(|| self.memory().detected.map(|found| found.protocol));
        let opener = Handshake {
            detected: known,
            version: key.version,
            capabilities: key.capabilities.clone(),
            credential: credential.clone(),
            dedicated,
            limit: self.limit,
            roots: Arc::clone(&self.roots),
        };
        let transport = self.backend.connect(&key.instance).await?;
        self.roots.permits(&transport)?;
        let stdio = matches!(transport, Transport::Stdio(_));
        let (protocol, connection) = opener.perform(transport).await?;
        if known != Some(protocol) {
            tracing::debug!(?protocol, "protocol version detected");
        }
        let mut memory = self.memory();
        memory.detected = Some(DetectedProtocol {
            protocol,
            is_stdio: stdio,
        });
        memory.failure = None;
        if stdio && protocol == UpstreamProtocol::Modern {
            memory
                .shared_connections
                .retain(|_, connection| connection.strong_count() > 0);
            memory
                .shared_connections
                .insert(key.instance.clone(), Arc::downgrade(&connection));
        }
        Ok(connection)
    }

    /// Locks the memory.
    fn memory(&self) -> MutexGuard<'_, ConnectorState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectorState {
    /// Returns the result of another caller that connected while this one waited since `asked`: a
    /// shared connection to `instance`, or a failure.
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
        match &self.failure {
            Some((failed, error)) if *failed >= asked => Some(Err(error.clone())),
            _ => None,
        }
    }

    /// Records a failure, which also discards the detected protocol, and returns it.
    fn record_failure(&mut self, error: UpstreamError) -> UpstreamError {
        // The specification asks for "re-probing if the cached assumption later fails".
        self.detected = None;
        self.failure = Some((Instant::now(), error.clone()));
        error
    }
}

/// Default maximum size of a message from a server, 64 MiB: a result with a large image or
/// document.
const DEFAULT_LIMIT: usize = 64 * 1024 * 1024;

/// Default time for a server to start and respond: `npx` and `uvx` download packages first.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
