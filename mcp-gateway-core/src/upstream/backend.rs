use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::error::UpstreamError;
use crate::transport::Link;

/// Where one server runs: it makes the server reachable, starting it if need be.
///
/// It knows nothing of MCP. Whether a server speaks HTTP or lines, and which revision, is found
/// out from the [`Link`] that it hands out.
///
/// [`connect`](Self::connect) is called when the first caller needs the server, and again after the
/// link broke or was given up because nobody used it.
///
/// # Cancel safety
///
/// The future is dropped when the time for connecting is over. It must not leave a started server
/// behind that nobody ends.
#[async_trait]
pub trait RuntimeBackend: fmt::Debug + Send + Sync + 'static {
    /// Makes `instance` of the server reachable.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Connect`] when it does not start or cannot be reached.
    async fn connect(&self, instance: &Instance) -> Result<Link, UpstreamError>;

    /// Returns `true` if the server runs elsewhere, and is reached over HTTP.
    ///
    /// The roots of callers are forwarded to such a server unless its [`RootsPolicy`] is another
    /// one; they name directories of the callers' machines, and a program on this machine would
    /// take them for its own.
    ///
    /// [`RootsPolicy`]: super::RootsPolicy
    fn is_remote(&self) -> bool {
        false
    }
}

#[async_trait]
impl<B: RuntimeBackend + ?Sized> RuntimeBackend for Arc<B> {
    async fn connect(&self, instance: &Instance) -> Result<Link, UpstreamError> {
        (**self).connect(instance).await
    }

    fn is_remote(&self) -> bool {
        (**self).is_remote()
    }
}

/// Who shares a running copy of a server.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Instance {
    /// One principal, in all their sessions.
    Principal(Arc<str>),
    /// One session of a client.
    Session(Arc<str>),
    /// Everybody.
    Shared,
}
