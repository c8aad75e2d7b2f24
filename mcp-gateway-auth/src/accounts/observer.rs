//! Observation of connected accounts.

use std::fmt;

use mcp_gateway_store::Attachment;

use super::{AccountId, EndReason};

/// Receives the changes of connected accounts, for example for an audit log.
///
/// The methods are called synchronously and must not block.
pub trait AccountObserver: fmt::Debug + Send + Sync + 'static {
    /// Receives a change after it was stored, once over all replicas. `actor` is the subject of whoever has made it;
    /// `None` for the gateway.
    fn on_change(&self, account: &AccountId, change: AccountChange, actor: Option<&str>);

    /// Returns what is added to the batch of a change, such as its audit record. The default adds
    /// nothing.
    fn attachment(
        &self,
        account: &AccountId,
        change: AccountChange,
        actor: Option<&str>,
    ) -> Attachment {
        let _ = (account, change, actor);
        Attachment::default()
    }

    /// Called in each replica after somebody has connected the account `account` again, or disconnected
    /// it: what runs with the credentials of an earlier connection must end. `current` is the account of
    /// the [`Credential`](mcp_gateway_core::Credential::account)s of the present connection. The default
    /// does nothing.
    fn on_connection_end(&self, account: &AccountId, current: Option<&str>) {
        let _ = (account, current);
    }

    /// Called in each replica after somebody has connected or disconnected an account of `server`,
    /// so that other features are listed. The default does nothing.
    fn on_connections_change(&self, server: &str) {
        let _ = server;
    }
}

/// Change of a connected account.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum AccountChange {
    /// The owner has connected it.
    Connected,
    /// The owner has disconnected it.
    Disconnected,
    /// The authorization server has ended it.
    Ended(EndReason),
    /// Its tokens have been refreshed.
    Refreshed,
}
