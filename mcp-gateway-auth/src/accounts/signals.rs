//! Signals of changed connections, for calls that wait for one.

use std::sync::Arc;

use futures_util::stream::{self, BoxStream, StreamExt as _};
use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::credential::ConnectionSignals;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::{AccountCredentials, AccountId, Owner};

/// Sender of the changes of connections. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct ConnectionChanges(broadcast::Sender<Option<AccountId>>);

impl ConnectionChanges {
    pub(super) fn new() -> Self {
        Self(broadcast::Sender::new(CAPACITY))
    }

    /// Reports that the connection `id` has changed; `None` for any.
    pub(super) fn report(&self, id: Option<AccountId>) {
        // Without receivers, nobody waits.
        let _ = self.0.send(id);
    }

    /// Returns the changes of connections of `owners` to `server`.
    fn of(&self, owners: Vec<Owner>, server: Arc<str>) -> BoxStream<'static, ()> {
        let changes = self.0.subscribe();
        let state = (changes, owners, server);
        let changes = stream::unfold(state, |(mut changes, owners, server)| async {
            loop {
                let is_relevant = match changes.recv().await {
                    Ok(Some(id)) => id.server == server && owners.contains(&id.owner),
                    Ok(None) | Err(RecvError::Lagged(_)) => true,
                    Err(RecvError::Closed) => return None,
                };
                if is_relevant {
                    return Some(((), (changes, owners, server)));
                }
            }
        });
        changes.boxed()
    }
}

impl ConnectionSignals for AccountCredentials {
    fn changes(&self, principal: &Principal, server: &str) -> BoxStream<'static, ()> {
        let owners = Owner::of(principal).collect();
        self.connection_changes().of(owners, server.into())
    }
}

/// Number of changes after which a slow receiver tries its call again, whatever has changed.
const CAPACITY: usize = 256;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_call_is_notified_of_connections_that_it_may_use() {
        let changes = ConnectionChanges::new();
        let ada = Principal::new("ada").with_team("platform");
        let owners: Vec<_> = Owner::of(&ada).collect();
        for (owner, server, expected) in [
            ("user/ada", "notes", true),
            ("team/platform", "notes", true),
            ("organization", "notes", true),
            ("user/bob", "notes", false),
            ("team/sales", "notes", false),
            ("user/ada", "files", false),
        ] {
            let mut received = changes.of(owners.clone(), "notes".into());
            changes.report(Some(AccountId::new(owner.parse().unwrap(), server)));
            let next = timeout(Duration::ZERO, received.next()).await;
            assert_eq!(next.is_ok(), expected, "{owner} {server}");
        }
    }

    #[tokio::test]
    async fn no_change_is_lost() {
        let changes = ConnectionChanges::new();
        let mut received = changes.of(Vec::new(), "notes".into());
        changes.report(None);
        assert_eq!(received.next().await, Some(()));
        let other = AccountId::new(Owner::Organization, "files");
        for _ in 0..=CAPACITY {
            changes.report(Some(other.clone()));
        }
        assert_eq!(received.next().await, Some(()));
    }
}
