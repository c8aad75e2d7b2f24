//! Work beside the requests.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::running::Running;

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
