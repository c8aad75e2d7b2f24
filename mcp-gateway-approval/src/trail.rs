//! Audit records of approvals.

use std::fmt;

use mcp_gateway_audit::{Actor, AuditEvent, AuditLog, AuditRecord, Change};
use mcp_gateway_store::Batch;

use crate::ApprovalRecord;

/// Audit log of approvals, if there is one.
#[derive(Clone, Default)]
pub(crate) struct Trail(pub(crate) Option<AuditLog>);

/// Change of an approval that is recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action<'a> {
    /// The caller has confirmed or rejected the own call.
    Confirm,
    /// The caller has requested an approval.
    Request,
    /// An approver has decided.
    Decide(&'a Actor),
    /// The gateway makes the call, or its next step.
    Redeem,
    /// The gateway has not sent the call.
    Restore,
    /// The gateway has ended the approval.
    Expire,
}

impl Trail {
    /// Adds the record of `action` on `record` to `batch`, so that the store has both or neither.
    pub(crate) fn add_to(
        &self,
        batch: Batch,
        record: &ApprovalRecord,
        action: Action<'_>,
    ) -> Batch {
        let Some(log) = &self.0 else {
            return batch;
        };
        let (actor, verb) = match action {
            Action::Request => (caller(record), "request"),
            Action::Confirm => (caller(record), answer(record)),
            Action::Decide(actor) => (actor.clone(), answer(record)),
            Action::Redeem if record.state.steps() > 1 => (caller(record), "continue"),
            Action::Redeem => (caller(record), "redeem"),
            Action::Restore => (Actor::gateway(), "restore"),
            Action::Expire => (Actor::gateway(), "expire"),
        };
        let call = &record.call;
        let change = Change::new(
            format!("approval.{verb}"),
            format!("approval/{}", record.id),
        );
        // Names alone: arguments are not recorded.
        let change = change
            .with_field(format!("gateway/{}", call.gateway))
            .with_field(format!("server/{}", call.server))
            .with_field(format!("tool/{}", call.tool))
            .with_field(format!("caller/{}", call.subject));
        log.attach(batch, &AuditRecord::new(actor, AuditEvent::Change(change)))
    }
}

/// Returns the verb of the decision.
fn answer(record: &ApprovalRecord) -> &'static str {
    match record.state.decision() {
        Some(decision) if decision.approved => "approve",
        _ => "deny",
    }
}

/// Returns the caller of the call.
fn caller(record: &ApprovalRecord) -> Actor {
    let mut actor = Actor::new(record.call.subject.as_str());
    actor.client.clone_from(&record.call.client);
    actor
}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trail").field(&self.0.is_some()).finish()
    }
}
