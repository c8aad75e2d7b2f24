//! Audit records of administrative changes.

use std::fmt;

use mcp_gateway_audit::{Actor, AuditEvent, AuditLog, AuditRecord, Change};
use mcp_gateway_store::Attachment;

/// Audit log of administrative changes, if there is one. Cheap to clone.
#[derive(Clone, Default)]
pub struct AuditTrail(Option<AuditLog>);

impl AuditTrail {
    /// Records changes in `log`, or nowhere.
    #[must_use]
    pub fn new(log: Option<AuditLog>) -> Self {
        Self(log)
    }

    /// Returns the record of a change by `actor`, to be added to the batch of the change: the store has
    /// both or neither.
    ///
    /// `change` describes the change of the object with an identifier.
    #[must_use]
    pub fn attachment(
        &self,
        actor: &Actor,
        change: impl Fn(&str) -> Change + Send + Sync + 'static,
    ) -> Attachment {
        let Some(log) = self.0.clone() else {
            return Attachment::default();
        };
        let actor = actor.clone();
        Attachment::new(move |batch, id| {
            let event = AuditEvent::Change(change(id));
            log.attach(batch, &AuditRecord::new(actor.clone(), event))
        })
    }
}

impl AuditTrail {
    /// Records a `change` by `actor` that is not a change of the store.
    pub(crate) fn record(&self, actor: &Actor, change: Change) {
        if let Some(log) = &self.0 {
            let event = AuditEvent::Change(change);
            log.append(&AuditRecord::new(actor.clone(), event));
        }
    }
}

impl fmt::Debug for AuditTrail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AuditTrail")
            .field(&self.0.is_some())
            .finish()
    }
}
