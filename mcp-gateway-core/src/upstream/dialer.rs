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

/// Begins conversations with a server, and remembers how it is to be talked to.
#[derive(Debug)]
pub(super) struct Dialer {
    backend: Arc<dyn RuntimeBackend>,
    /// What the configuration says; nothing is found out then.
    fixed: Option<Protocol>,
    limit: usize,
    timeout: Duration,
    roots: Arc<RootsPolicy>,
    memory: Mutex<Memory>,
    /// Held while it is not known whether the conversation can be shared.
    finding_out: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Memory {
    found: Option<Found>,
    /// The last failure, so that those who waited for it need not fail one after the other.
    failure: Option<(Instant, UpstreamError)>,
    /// Conversations in the modern era over pipes: they can be shared by all views of an instance.
    running: HashMap<Instance, Weak<dyn Conversation>>,
}

/// What has been found out about a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Found {
    protocol: Protocol,
    pipe: bool,
}

impl Dialer {
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

    pub(super) fn with_limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    pub(super) fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    pub(super) fn with_roots(mut self, roots: RootsPolicy) -> Self {
        self.roots = Arc::new(roots);
        self
    }

    /// Which roots of callers reach the server.
    pub(super) fn roots(&self) -> &RootsPolicy {
        &self.roots
    }

    /// The era of the server, as far as it has been found out.
    pub(super) fn found(&self) -> Option<Era> {
        self.memory().found.map(|found| match found.protocol {
            Protocol::Legacy | Protocol::Sse => Era::Legacy,
            Protocol::Modern => Era::Modern,
        })
    }

    /// Why no conversation could be begun lately, if none could.
    pub(super) fn failure(&self) -> Option<UpstreamError> {
        let memory = self.memory();
        memory.failure.as_ref().map(|(_, error)| error.clone())
    }

    /// Begins a conversation for those whom `key` describes.
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

    /// Begins a conversation with a server of the legacy era that one call has for itself.
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

    /// Whether the server is reached through a pair of byte streams, as far as that is known.
    pub(super) fn is_pipe(&self) -> bool {
        self.memory().found.is_some_and(|found| found.pipe)
    }

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
            tracing::debug!(?protocol, "found out how the server is to be talked to");
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

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    /// What another caller has achieved while this one, who asked at `asked`, waited.
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

    fn failed(&mut self, error: UpstreamError) -> UpstreamError {
        // "... re-probing if the cached assumption later fails."
        self.found = None;
        self.failure = Some((Instant::now(), error.clone()));
        error
    }
}

/// The largest message that is taken from a server: a result with a large image or document.
const DEFAULT_LIMIT: usize = 64 * 1024 * 1024;

/// How long it may take until a server has started and answers: `npx` and `uvx` load packages first.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
