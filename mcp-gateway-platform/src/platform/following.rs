//! Work beside the requests.

use std::sync::Arc;

use mcp_gateway_audit::AuditLog;
use tokio::task::JoinSet;

use crate::audit;
use crate::auth::AuthorizationServices;
use crate::running::Running;

/// Starts the work of the authorization server and of the audit log.
pub(super) fn background(
    authority: Option<Arc<AuthorizationServices>>,
    audit: Option<AuditLog>,
) -> JoinSet<()> {
    let mut background = JoinSet::new();
    if let Some(authority) = authority {
        let accounts = Arc::clone(&authority.accounts.credentials);
        background.spawn(async move { accounts.follow().await });
        let revocations = authority.accounts.revocations.clone();
        background.spawn(async move { revocations.run().await });
        background.spawn(async move { authority.server.maintain().await });
    }
    if let Some(audit) = audit {
        audit.append(&audit::started());
        background.spawn(async move { audit.run().await });
    }
    background
}

/// Starts the work of what runs: it follows the changes that replicas make in the store, and gives
/// unused shares of quotas back.
pub(super) fn follow(running: &Arc<Running>, background: &mut JoinSet<()>) {
    let (taints, limiter) = {
        let state = running.state();
        let controller = &state.controller;
        (
            Arc::clone(controller.taints()),
            Arc::clone(controller.limiter()),
        )
    };
    background.spawn(async move { taints.follow().await });
    background.spawn(async move { limiter.run().await });
    let running = Arc::clone(running);
    background.spawn(async move { running.follow().await });
}
