//! Connector of a server: start or look-up by the backend, handshake, and detected protocol.
//!
//! The detected protocol is remembered for later connections until an attempt fails. It also
//! decides if connections can be shared: a modern server over stdio needs one process per instance,
//! whatever the class of callers, because each request carries the context of its caller.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::time;

use super::conversation::Conversation;
use super::probe::{Opener, Protocol};
use super::view_key::ViewKey;
use super::{Instance, RootsPolicy, RuntimeBackend};
use crate::credential::Credential;
use crate::error::UpstreamError;
use crate::protocol::Era;
use crate::transport::Link;

/// Connector of one server, which remembers the detected protocol.
///
/// All views of a server share it.
#[derive(Debug)]
pub(super) struct Dialer {
    /// Backend that starts or reaches the server.
    backend: Arc<dyn RuntimeBackend>,
    /// Protocol from the configuration, which disables the detection.
    fixed: Option<Protocol>,
    /// Maximum size of a message from the server in bytes.
    limit: usize,
    /// Maximum time for connecting, start of the server included.
    timeout: Duration,
    /// Policy for the roots of callers.
    roots: Arc<RootsPolicy>,
    /// Results of earlier attempts.
    memory: Mutex<Memory>,
    /// Held while it is unknown if the connection can be shared, so that only one is opened.
    finding_out: tokio::sync::Mutex<()>,
}

/// Results of earlier attempts, over all views.
#[derive(Debug, Default)]
struct Memory {
    /// Detected protocol; `None` before the first success and after a failure.
    found: Option<Found>,
    /// Last failure, so that concurrent callers that waited for it do not fail one after the other.
    failure: Option<(Instant, UpstreamError)>,
    /// Connections of the modern era over stdio, which all views of an instance share.
    running: HashMap<Instance, Weak<dyn Conversation>>,
}

/// Detected protocol and transport of a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Found {
    /// Protocol that the handshake found.
    protocol: Protocol,
    /// `true` for stdio.
    pipe: bool,
}

impl Dialer {
    /// Creates a connector with the default limits.
    pub(super) fn new(backend: Arc<dyn RuntimeBackend>, fixed: Option<Protocol>) -> Self {
        Self {
            backend,
            fixed,
            limit: DEFAULT_LIMIT,
            timeout: DEFAULT_TIMEOUT,
            roots: Arc::default(),
            memory: Mutex::default(),
            finding_out: tokio::sync::Mutex::new(()),
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
    pub(super) fn found(&self) -> Option<Era> {
        self.memory().found.map(|found| match found.protocol {
            Protocol::Legacy | Protocol::Sse => Era::Legacy,
            Protocol::Modern => Era::Modern,
        })
    }

    /// Returns the error of the last attempt, if it failed.
    pub(super) fn failure(&self) -> Option<UpstreamError> {
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
    pub(super) async fn open(
        &self,
        key: &ViewKey,
        credential: &Credential,
    ) -> Result<Arc<dyn Conversation>, UpstreamError> {
        let asked = Instant::now();
        let shareable = self
            .memory()
            .found
            .is_none_or(|found| found.pipe && found.protocol == Protocol::Modern);
        let _finding_out = match shareable {
            true => Some(self.finding_out.lock().await),
            false => None,
        };
        if let Some(known) = self.memory().recall(&key.instance, asked) {
            return known;
        }
        let dedicated = matches!(key.instance, Instance::Session(_));
        match time::timeout(self.timeout, self.dial(key, credential, dedicated)).await {
            Ok(Ok(conversation)) => Ok(conversation),
            Ok(Err(error)) => Err(self.memory().failed(error)),
            Err(_) => Err(self.memory().failed(UpstreamError::Timeout)),
        }
    }

    /// Opens a connection of the legacy era for the exclusive use of one call.
    ///
    /// Its failure is not remembered: it is little evidence for the shared connection.
    pub(super) async fn open_own(
        &self,
        key: &ViewKey,
        credential: &Credential,
    ) -> Result<Arc<dyn Conversation>, UpstreamError> {
        match time::timeout(self.timeout, self.dial(key, credential, true)).await {
            Ok(dialed) => dialed,
            Err(_) => Err(UpstreamError::Timeout),
        }
    }

    /// Returns `true` if the server is known to be connected by byte streams.
    pub(super) fn is_pipe(&self) -> bool {
        self.memory().found.is_some_and(|found| found.pipe)
    }

    /// Connects to the backend, performs the handshake and records its result.
    ///
    /// The time is limited by the caller.
    async fn dial(
        &self,
        key: &ViewKey,
        credential: &Credential,
        dedicated: bool,
    ) -> Result<Arc<dyn Conversation>, UpstreamError> {
        let known = self
            .fixed
            .or_else(|| self.memory().found.map(|found| found.protocol));
        let opener = Opener {
            known,
            version: key.version,
            capabilities: key.capabilities.clone(),
            credential: credential.clone(),
            dedicated,
            limit: self.limit,
            roots: Arc::clone(&self.roots),
        };
        let link = self.backend.connect(&key.instance).await?;
        self.roots.permits(&link)?;
        let pipe = matches!(link, Link::Pipe(_));
        let (protocol, conversation) = opener.converse(link).await?;
        if known != Some(protocol) {
            tracing::debug!(?protocol, "protocol version detected");
        }
        let mut memory = self.memory();
        memory.found = Some(Found { protocol, pipe });
        memory.failure = None;
        if pipe && protocol == Protocol::Modern {
            memory
                .running
                .retain(|_, conversation| conversation.strong_count() > 0);
            memory
                .running
                .insert(key.instance.clone(), Arc::downgrade(&conversation));
        }
        Ok(conversation)
    }

    /// Locks the memory.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    /// Returns the result of another caller that connected while this one waited since `asked`: a
    /// shared connection to `instance`, or a failure.
    fn recall(
        &self,
        instance: &Instance,
        asked: Instant,
    ) -> Option<Result<Arc<dyn Conversation>, UpstreamError>> {
        let running = self.running.get(instance).and_then(Weak::upgrade);
        if let Some(conversation) = running.filter(|conversation| conversation.is_open()) {
            return Some(Ok(conversation));
        }
        match &self.failure {
            Some((failed, error)) if *failed >= asked => Some(Err(error.clone())),
            _ => None,
        }
    }

    /// Records a failure, which also discards the detected protocol, and returns it.
    fn failed(&mut self, error: UpstreamError) -> UpstreamError {
        // The specification asks for "re-probing if the cached assumption later fails".
        self.found = None;
        self.failure = Some((Instant::now(), error.clone()));
        error
    }
}

/// Default maximum size of a message from a server, 64 MiB: a result with a large image or
/// document.
const DEFAULT_LIMIT: usize = 64 * 1024 * 1024;

/// Default time for a server to start and respond: `npx` and `uvx` download packages first.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
