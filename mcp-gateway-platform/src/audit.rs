//! The audit log of a platform.

use std::sync::Arc;

use mcp_gateway_admin::CallFeed;
use mcp_gateway_audit::{Actor, AuditEvent, AuditKey, AuditLog, AuditRecord, Change};
use mcp_gateway_auth::Keyring;
use mcp_gateway_auth::accounts::{AccountChange, AccountId};
use mcp_gateway_core::observe::{CallReport, Observer};
use mcp_gateway_core::trace::SpanObserver;

use crate::error::PlatformError;
use crate::rollout::Rollout;
use crate::spec::Audit;
use crate::state::StateStore;
use crate::telemetry::{CallSpans, Metrics};

/// Opens the audit log in `state`.
///
/// The journal is in a folder beside the store, unless the store is in memory.
///
/// # Errors
///
/// [`PlatformError`] if the key is invalid, or the journal cannot be created.
///
/// # Example
///
/// ```
/// use mcp_gateway_audit::{Actor, AuditEvent, AuditQuery, AuditRecord, Change};
/// use mcp_gateway_platform::audit;
/// use mcp_gateway_platform::spec::{Audit, Storage};
/// use mcp_gateway_platform::state::StateStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let state = StateStore::open(&Storage::Memory, None).await?;
/// let log = audit::open(&Audit::new(), &state).await?;
/// let change = AuditEvent::Change(Change::new("user.create", "user/ada"));
/// log.append(&AuditRecord::new(Actor::new("admin"), change));
/// log.close().await?;
/// assert_eq!(AuditQuery::new().run(&*state.store).await?.records.len(), 1);
/// # Ok(())
/// # }
/// ```
pub async fn open(spec: &Audit, state: &StateStore) -> Result<AuditLog, PlatformError> {
    let mut builder = AuditLog::builder(Arc::clone(&state.store), key(state)?);
    if let Some(folder) = &state.folder {
        builder = builder.with_folder(folder.join(JOURNAL));
    }
    if let Some(age) = spec.retention {
        builder = builder.with_retention(age);
    }
    let opened = builder.open().await;
    opened.map_err(|error| PlatformError::Audit(error.into()))
}

/// Returns the key of the seals of the audit log in `state`.
///
/// # Errors
///
/// [`PlatformError::Key`] if the key of the store is invalid.
pub fn key(state: &StateStore) -> Result<AuditKey, PlatformError> {
    let keyring = Keyring::new(state.key.bytes());
    let keyring = keyring.map_err(|error| PlatformError::Key(error.into()))?;
    let newest = keyring.derive("audit", AuditKey::new).into_iter().next();
    newest.ok_or_else(|| PlatformError::Key("no key".into()))
}

/// Observer of the calls of all gateways.
#[derive(Clone, Debug)]
pub(crate) struct CallObserver {
    /// Metrics of all calls.
    metrics: Arc<Metrics>,
    /// Audit log, if the spec has one.
    audit: Option<AuditLog>,
    /// Calls for those who watch them.
    feed: CallFeed,
    /// Spans of all calls.
    spans: Arc<CallSpans>,
}

impl CallObserver {
    /// Creates the observer of a platform with these parts.
    pub(crate) fn new(
        metrics: &Arc<Metrics>,
        audit: Option<AuditLog>,
        recorder: Option<Arc<dyn SpanObserver>>,
    ) -> Self {
        Self {
            metrics: Arc::clone(metrics),
            audit,
            feed: CallFeed::new(),
            spans: CallSpans::new(Arc::clone(metrics), recorder),
        }
    }

    /// Returns the calls for those who watch them.
    pub(crate) fn feed(&self) -> &CallFeed {
        &self.feed
    }

    /// Returns the observer of spans.
    pub(crate) fn spans(&self) -> &Arc<CallSpans> {
        &self.spans
    }
}

impl Observer for CallObserver {
    fn on_call_end(&self, call: &CallReport<'_>) {
        self.metrics.on_call_end(call);
        if let Some(audit) = &self.audit {
            audit.on_call_end(call);
        }
        self.feed.on_call_end(call);
    }
}

/// Returns the record of the start of a platform.
pub(crate) fn started() -> AuditRecord {
    change(Change::new("platform.start", "platform"))
}

/// Returns the record of an applied spec.
pub(crate) fn applied(rollout: &Rollout) -> AuditRecord {
    let changes = [
        ("added", &rollout.added),
        ("changed", &rollout.changed),
        ("removed", &rollout.removed),
    ];
    let fields = changes.into_iter().flat_map(|(change, names)| {
        let named = names.iter();
        named.map(move |name| format!("server/{name}: {change}"))
    });
    let applied = fields.fold(Change::new("spec.apply", "platform"), Change::with_field);
    change(applied)
}

/// Returns the record of a changed account of a server. A user connects and disconnects an account;
/// the gateway refreshes it, and notices its end.
pub(crate) fn account_changed(
    account: &AccountId,
    changed: AccountChange,
    actor: Option<&str>,
) -> AuditRecord {
    let object = format!("account/{account}");
    let (action, field) = match changed {
        AccountChange::Connected => ("account.connect", None),
        AccountChange::Disconnected => ("account.disconnect", None),
        AccountChange::Ended(reason) => ("account.end", Some(reason.to_string())),
        AccountChange::Refreshed => ("account.refresh", None),
        _ => ("account.change", None),
    };
    let actor = actor.map_or_else(Actor::gateway, Actor::new);
    let event = field
        .into_iter()
        .fold(Change::new(action, object), Change::with_field);
    AuditRecord::new(actor, AuditEvent::Change(event))
}

/// Returns the record of a change by the gateway itself.
pub(crate) fn change(change: Change) -> AuditRecord {
    AuditRecord::new(Actor::gateway(), AuditEvent::Change(change))
}

/// Name of the folder of the journal.
const JOURNAL: &str = "audit-journal";

#[cfg(test)]
mod tests {
    use mcp_gateway_auth::accounts::{EndReason, Owner};

    use super::*;

    #[test]
    fn changes_of_accounts_have_an_actor_and_a_reason() {
        let alice = AccountId::new(Owner::User("alice".into()), "notes");
        let table = [
            (
                AccountChange::Connected,
                Some("alice"),
                "alice account.connect",
            ),
            (
                AccountChange::Disconnected,
                Some("alice"),
                "alice account.disconnect",
            ),
            (
                AccountChange::Refreshed,
                None,
                "mcp-gateway account.refresh",
            ),
            (
                AccountChange::Ended(EndReason::ResponseLost),
                None,
                "mcp-gateway account.end refresh token rejected after a lost response",
            ),
        ];
        for (change, actor, expected) in table {
            let record = account_changed(&alice, change, actor);
            let AuditEvent::Change(change) = record.event else {
                panic!("{record:?}");
            };
            assert_eq!(change.object, "account/user/alice@notes");
            let words = [record.actor.subject, change.action];
            let words: Vec<_> = words.into_iter().chain(change.fields).collect();
            assert_eq!(words.join(" "), expected);
        }
    }
}
