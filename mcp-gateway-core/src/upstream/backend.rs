//! Backends: the interface by which servers are started or reached.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::embedded_server::EmbeddedServer;
use crate::credential::Credential;
use crate::error::UpstreamError;
use crate::transport::Transport;

/// Backend of one server: it makes the server reachable and starts it if necessary.
///
/// It is independent of MCP. The transport and the protocol version of the server are detected from
/// the [`Transport`] that it returns.
///
/// [`connect`](Self::connect) is called when the first caller needs the server, and again after the
/// transport broke or was closed because it was idle. Calls may be concurrent.
///
/// # Cancel safety
///
/// The future is dropped when the connect timeout expires. It must not leave a started server
/// behind that has no owner.
///
/// # Example
///
/// A backend that adds nothing to another one but a count:
///
/// ```
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// use async_trait::async_trait;
/// use mcp_gateway_core::runtime::InProcess;
/// use mcp_gateway_core::transport::Transport;
/// use mcp_gateway_core::upstream::{Instance, RuntimeBackend, UpstreamError};
///
/// #[derive(Debug)]
/// struct Counted(InProcess, AtomicUsize);
///
/// #[async_trait]
/// impl RuntimeBackend for Counted {
///     async fn connect(&self, instance: &Instance) -> Result<Transport, UpstreamError> {
///         self.1.fetch_add(1, Ordering::Relaxed);
///         self.0.connect(instance).await
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), UpstreamError> {
/// let backend = Counted(InProcess::new(|_| async { Ok(()) }), AtomicUsize::new(0));
/// let transport = backend.connect(&Instance::shared()).await?;
/// assert!(matches!(transport, Transport::Stdio(_)));
/// assert_eq!(backend.1.into_inner(), 1);
/// # Ok(())
/// # }
/// ```
#[doc(alias("launcher", "driver"))]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot connect to a server",
    label = "not a `RuntimeBackend`",
    note = "implement `RuntimeBackend`, or use `Process`, `Remote`, `InProcess` or `Embedded`"
)]
#[async_trait]
pub trait RuntimeBackend: fmt::Debug + Send + Sync + 'static {
    /// Returns a transport to `instance` of the server, starting it if necessary.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Connect`] if the server does not start or cannot be reached.
    async fn connect(&self, instance: &Instance) -> Result<Transport, UpstreamError>;

    /// Returns `true` if the server runs on another machine, and is reached over HTTP. `false` by
    /// default.
    ///
    /// The roots of callers are forwarded to such a server unless its [`RootsPolicy`] is another
    /// one. They name directories of the callers' machines; a program on this machine would
    /// interpret them as directories of its own.
    ///
    /// [`RootsPolicy`]: super::RootsPolicy
    fn is_remote(&self) -> bool {
        false
    }

    /// Returns the server if it is code of this process that receives calls with their callers; it
    /// is called instead of [`connect`](Self::connect). `None` by default.
    fn embedded(&self) -> Option<Arc<dyn EmbeddedServer>> {
        None
    }
}

#[async_trait]
impl<B: RuntimeBackend + ?Sized> RuntimeBackend for Arc<B> {
    async fn connect(&self, instance: &Instance) -> Result<Transport, UpstreamError> {
        (**self).connect(instance).await
    }

    fn is_remote(&self) -> bool {
        (**self).is_remote()
    }

    fn embedded(&self) -> Option<Arc<dyn EmbeddedServer>> {
        (**self).embedded()
    }
}

/// Running copy of a server that a caller needs: its key, the owner of its state, and the credential
/// with which it is called.
///
/// Instances of different [accounts](Credential::account) are different instances.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::upstream::{Instance, InstanceKey, InstanceOwner};
///
/// let alice = InstanceOwner::Principal("alice".into());
/// let instance = Instance::new(InstanceKey::Session("1".into()), alice);
/// assert_eq!(instance.owner().subject(), Some("alice"));
/// assert_eq!(Instance::shared().owner().subject(), None);
/// ```
#[derive(Clone, Debug)]
pub struct Instance {
    key: InstanceKey,
    owner: InstanceOwner,
    credential: Credential,
}

impl Instance {
    /// Creates an instance without a credential.
    #[must_use]
    pub fn new(key: InstanceKey, owner: InstanceOwner) -> Self {
        Self {
            key,
            owner,
            credential: Credential::none(),
        }
    }

    /// Sets the credential with which it is called.
    #[must_use]
    pub fn with_credential(mut self, credential: Credential) -> Self {
        self.credential = credential;
        self
    }

    /// Creates the instance of all callers.
    #[must_use]
    pub fn shared() -> Self {
        Self::new(InstanceKey::Shared, InstanceOwner::AllCallers)
    }

    /// Returns the key, which tells instances of one owner apart.
    #[must_use]
    pub fn key(&self) -> &InstanceKey {
        &self.key
    }

    /// Returns the owner of the state.
    #[must_use]
    pub fn owner(&self) -> &InstanceOwner {
        &self.owner
    }

    /// Returns the credential of the first call, with the values that the program is started with.
    #[must_use]
    pub fn credential(&self) -> &Credential {
        &self.credential
    }
}

/// Owner of what an instance keeps.
///
/// An instance of one session belongs to the principal of the session, and keeps state for its
/// other instances.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum InstanceOwner {
    /// All callers, by [`SessionPolicy::Shared`](super::SessionPolicy::Shared).
    AllCallers,
    /// One principal; its subject.
    Principal(Arc<str>),
}

impl InstanceOwner {
    /// Returns the subject of the principal; `None` for all callers.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        match self {
            Self::AllCallers => None,
            Self::Principal(subject) => Some(subject),
        }
    }
}

/// Key of an [`Instance`]: the callers that share it.
///
/// A backend can start a process for each value, or ignore it if the server separates callers by
/// itself.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum InstanceKey {
    /// One principal, in all of its sessions; its subject.
    Principal(Arc<str>),
    /// One session of a client; an opaque key that identifies the session.
    Session(Arc<str>),
    /// All callers.
    Shared,
}
