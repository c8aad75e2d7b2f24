//! Connections of all owners, as administrators see and change them: never with their secrets.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use mcp_gateway_core::auth::Principal;
use mcp_gateway_store::Attachment;

use super::lists::StoredConnection;
use super::members::member_of;
use super::{
    AccountCredentials, AccountId, ConnectionProbe, EndReason, InputServer, InputValues,
    InputViolation, Owner, ProbeError, SuppliedInputs,
};
use crate::AuthServerError;

/// Connection, without its tokens and values.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ConnectionRecord {
    /// Owner and server.
    pub id: AccountId,
    /// Kind.
    pub kind: ConnectionKind,
    /// Status.
    pub status: ConnectionStatus,
    /// Last error: the reason for its end, or the last rejection of values by the server.
    pub error: Option<String>,
    /// Time at which the owner has connected, in seconds since the Unix epoch.
    pub connected_at: u64,
}

/// Kind of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ConnectionKind {
    /// Account, connected with OAuth.
    Account,
    /// Supplied values.
    Inputs,
}

/// Status of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ConnectionStatus {
    /// Calls are made with it.
    Connected,
    /// The authorization server has ended it.
    Ended(EndReason),
    /// The server has another address, program or inputs since.
    Outdated,
    /// The server does not exist any more, or requires another kind of connection.
    Unused,
}

/// The reason for which values are not stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SupplyError {
    /// The server does not exist, or has no inputs.
    #[error("the server has no inputs")]
    NoInputs,
    /// Values violate the definitions of their inputs.
    #[error("invalid values")]
    Invalid(Vec<(Arc<str>, InputViolation)>),
    /// The test has failed.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// The store is unavailable.
    #[error(transparent)]
    Unavailable(#[from] AuthServerError),
}

impl AccountCredentials {
    /// Returns up to `limit` connections of all owners in a stable order, after the connection
    /// `after`.
    ///
    /// # Errors
    ///
    /// [`AuthServerError::Store`] if the store is unavailable.
    pub async fn connections(
        &self,
        after: Option<&AccountId>,
        limit: usize,
    ) -> Result<Vec<ConnectionRecord>, AuthServerError> {
        let after = after.map(AccountId::document);
        let stored = self.renewals().accounts();
        let found = stored.all(after.as_deref(), limit).await?.into_iter();
        Ok(found.map(|(id, found)| self.record(id, &found)).collect())
    }

    /// Returns the connection `id`.
    ///
    /// # Errors
    ///
    /// [`AuthServerError::Store`] if the store is unavailable.
    pub async fn connection(
        &self,
        id: &AccountId,
    ) -> Result<Option<ConnectionRecord>, AuthServerError> {
        let found = self.renewals().accounts().get(id).await?;
        Ok(found.map(|found| self.record(id.clone(), &found)))
    }

    /// Returns up to 1,000 connections of each kind of `owner`, ordered by identifier.
    ///
    /// # Errors
    ///
    /// [`AuthServerError::Store`] if the store is unavailable.
    pub async fn connections_of(
        &self,
        owner: &Owner,
    ) -> Result<Vec<ConnectionRecord>, AuthServerError> {
        let accounts = self.renewals().accounts();
        let (connected, supplied) = (
            accounts.list(owner).await?,
            accounts.list_inputs(owner).await?,
        );
        let connected = connected.into_iter();
        let connected = connected
            .map(|(server, account)| (server, StoredConnection::Account(Box::new(account))));
        let supplied = supplied.into_iter();
        let supplied = supplied.map(|(server, inputs)| (server, StoredConnection::Inputs(inputs)));
        let found = connected.chain(supplied);
        let found =
            found.map(|(server, found)| self.record(AccountId::new(owner.clone(), server), &found));
        let mut found: Vec<_> = found.collect();
        found.sort_by_cached_key(|record| record.id.key());
        Ok(found)
    }

    /// Returns `true` if members of `team` may use the server `name`, so that an administrator of the
    /// team may connect it.
    #[must_use]
    pub fn is_for_team(&self, team: &Arc<str>, name: &str) -> bool {
        let member = member_of(team);
        let (accounts, inputs) = (self.servers().get(name), self.inputs().servers().get(name));
        accounts.is_some_and(|server| server.allows(&member))
            || inputs.is_some_and(|server| server.allows(&member))
    }

    /// Stores `values` as the connection `id` on behalf of `principal`, after a test with `probe`;
    /// they replace an earlier connection.
    ///
    /// # Errors
    ///
    /// [`SupplyError`] if the values are invalid, or the server does not accept them.
    pub async fn supply(
        &self,
        principal: &Principal,
        id: &AccountId,
        values: &BTreeMap<String, String>,
        probe: Option<&dyn ConnectionProbe>,
    ) -> Result<(), SupplyError> {
        let server = self.inputs().servers().get(&id.server);
        let server = server.ok_or(SupplyError::NoInputs)?;
        let tested = self.tested(principal, (&server, id), values, probe);
        let (actor, supplied) = (principal.subject(), tested.await?);
        let stored = self.store(actor, id, &supplied, Attachment::default());
        Ok(stored.await?)
    }

    /// Returns `values` for the connection `id` at `server`, after a test with `probe` on behalf of
    /// `principal`.
    pub(super) async fn tested(
        &self,
        principal: &Principal,
        (server, id): (&InputServer, &AccountId),
        values: &BTreeMap<String, String>,
        probe: Option<&dyn ConnectionProbe>,
    ) -> Result<SuppliedInputs, SupplyError> {
        let given = |name: &str| values.get(name).cloned();
        let values = InputValues::read(server.inputs(), given).map_err(SupplyError::Invalid)?;
        let now = self.renewals().accounts().clock().now();
        let supplied = SuppliedInputs::new(server, values, now)?;
        if let Some(probe) = probe {
            let credential = server.credential(id, &supplied);
            let tried = probe.probe(principal.clone(), server, credential);
            tried.await?;
        }
        Ok(supplied)
    }

    /// Stores `supplied` as the connection `id` on behalf of `actor`, in one write with `attachment`.
    ///
    /// # Errors
    ///
    /// [`AuthServerError::Busy`] if a condition of `attachment` does not hold.
    pub(super) async fn store(
        &self,
        actor: &str,
        id: &AccountId,
        supplied: &SuppliedInputs,
        attachment: Attachment,
    ) -> Result<(), AuthServerError> {
        let accounts = self.renewals().accounts().clone().acting_as(actor);
        let accounts = accounts.with_attachment(attachment);
        accounts.supply(id, supplied).await?;
        self.inputs().invalidate(Some(&id.document()));
        Ok(())
    }

    /// Removes the connection `id` on behalf of `actor`. Returns `false` if it does not exist.
    ///
    /// Its tokens are revoked by [`PendingRevocations`](super::PendingRevocations).
    ///
    /// # Errors
    ///
    /// [`AuthServerError::Store`] if the store is unavailable.
    pub async fn disconnect(&self, actor: &str, id: &AccountId) -> Result<bool, AuthServerError> {
        let renewals = self.renewals();
        let accounts = renewals.accounts().clone().acting_as(actor);
        let removed = accounts.remove(id).await?;
        renewals.cache().invalidate(&id.document());
        self.inputs().invalidate(Some(&id.document()));
        Ok(removed)
    }

    /// Returns the record of a stored connection.
    fn record(&self, id: AccountId, found: &StoredConnection) -> ConnectionRecord {
        let (kind, connected_at, error) = match found {
            StoredConnection::Account(account) => {
                let error = account.end().map(|reason| reason.to_string());
                (ConnectionKind::Account, account.connected_at(), error)
            }
            StoredConnection::Inputs(supplied) => {
                let error = supplied.rejection().map(ToString::to_string);
                (ConnectionKind::Inputs, supplied.supplied_at(), error)
            }
        };
        ConnectionRecord {
            status: self.status(&id, found),
            id,
            kind,
            error,
            connected_at,
        }
    }

    fn status(&self, id: &AccountId, found: &StoredConnection) -> ConnectionStatus {
        let is_current = match found {
            StoredConnection::Account(account) => {
                if let Some(reason) = account.end() {
                    return ConnectionStatus::Ended(reason);
                }
                let server = self.servers().get(&id.server);
                server.map(|server| account.is_for(server.url()))
            }
            StoredConnection::Inputs(supplied) => {
                let server = self.inputs().servers().get(&id.server);
                server.map(|server| supplied.is_for(&server))
            }
        };
        match is_current {
            Some(true) => ConnectionStatus::Connected,
            Some(false) => ConnectionStatus::Outdated,
            None => ConnectionStatus::Unused,
        }
    }
}

impl fmt::Display for ConnectionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Account => "account",
            Self::Inputs => "inputs",
        })
    }
}

impl fmt::Display for ConnectionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connected => "connected",
            Self::Ended(_) => "ended",
            Self::Outdated => "outdated",
            Self::Unused => "unused",
        })
    }
}
