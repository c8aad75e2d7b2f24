//! Signals that the credentials of callers have changed.

use std::fmt;

use futures_core::stream::BoxStream;

use crate::auth::Principal;

/// Signals of new connections, by which a call whose credential is missing is resumed.
///
/// See [`ElicitConnectionsLayer`](crate::layer::elicit_connections::ElicitConnectionsLayer).
///
/// # Example
///
/// ```
/// use futures_core::stream::BoxStream;
/// use futures_util::StreamExt as _;
/// use mcp_gateway_core::auth::Principal;
/// use mcp_gateway_core::credential::ConnectionSignals;
/// use tokio::sync::watch;
///
/// /// One signal for all connections.
/// #[derive(Debug)]
/// struct Signal(watch::Sender<()>);
///
/// impl ConnectionSignals for Signal {
///     fn changes(&self, _: &Principal, _: &str) -> BoxStream<'static, ()> {
///         let changes = self.0.subscribe();
///         futures_util::stream::unfold(changes, async |mut changes| {
///             changes.changed().await.ok()?;
///             Some(((), changes))
///         })
///         .boxed()
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let signal = Signal(watch::Sender::new(()));
/// let mut changes = signal.changes(&Principal::new("alice"), "github");
/// signal.0.send_replace(());
/// assert_eq!(changes.next().await, Some(()));
/// # }
/// ```
pub trait ConnectionSignals: fmt::Debug + Send + Sync + 'static {
    /// Returns a stream with an item after each change, from now on, of a connection with which
    /// calls of `principal` at `server` may be made.
    ///
    /// An item may be spurious: the call is tried again. It must not get lost, and several may be
    /// merged.
    fn changes(&self, principal: &Principal, server: &str) -> BoxStream<'static, ()>;
}
