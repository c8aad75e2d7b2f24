//! Running state of a platform: its controller, the last spec, and the servers of the store.
//!
//! Two sources change the state: a spec that is applied, and the documents in the store. Each
//! change is merged with the last version of the other source, and applied under one lock. The lock
//! is not held across an `await`. Calls of clients do not acquire it: they use the route table of
//! the controller.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use mcp_gateway_audit::AuditLog;

use crate::audit;
use crate::controller::Controller;
use crate::error::PlatformError;
use crate::registry::{Merged, Registry};
use crate::rollout::Rollout;
use crate::spec::{DynamicSpec, PlatformSpec};

/// Running state of a platform.
#[derive(Debug)]
pub(crate) struct Running {
    /// State, locked for the whole of an apply, so that applies are serialized.
    state: Mutex<State>,
    /// Servers in the store, if they are supported.
    pub(crate) registry: Option<Registry>,
    /// Log of the applies; `None` if it is disabled.
    audit: Option<AuditLog>,
}

/// State that each apply replaces.
#[derive(Debug)]
pub(crate) struct State {
    /// Owner of the running servers and gateways.
    pub(crate) controller: Controller,
    /// Last applied spec, without the servers of the store.
    spec: PlatformSpec,
    /// Last applied spec with the servers of the store.
    pub(crate) merged: Arc<Merged>,
}

impl Running {
    /// Creates the state of `controller`, to which `merged` has been applied.
    pub(crate) fn new(
        controller: Controller,
        spec: PlatformSpec,
        (merged, registry): (Merged, Option<Registry>),
        audit: Option<AuditLog>,
    ) -> Self {
        if let Some(registry) = &registry {
            // All documents that it has read are applied.
            registry.take_changes();
        }
        let merged = Arc::new(merged);
        let state = State {
            controller,
            spec,
            merged,
        };
        Self {
            state: Mutex::new(state),
            registry,
            audit,
        }
    }

    /// Makes the state match `spec` and the servers of the store.
    ///
    /// Changes of the static half of `spec` are only reported, in [`Rollout::restart`]. Each
    /// successful apply is recorded in the audit log, even without changes.
    ///
    /// # Errors
    ///
    /// [`PlatformError`] if the spec cannot be applied; then nothing has changed.
    pub(crate) fn apply(&self, spec: &PlatformSpec) -> Result<Rollout, PlatformError> {
        let mut state = self.state();
        let merged = merge(&spec.dynamic, self.registry.as_ref());
        let mut rollout = state.controller.apply(&merged.spec)?;
        rollout.restart = state.spec.restart_keys(spec);
        state.spec.clone_from(spec);
        state.merged = Arc::new(merged);
        self.record(&rollout);
        Ok(rollout)
    }

    /// Makes the state match the servers of the store, as the registry has them.
    ///
    /// After an error, which is logged, the state is as before. An apply without changes of servers
    /// is not recorded.
    pub(crate) fn refresh(&self) {
        let mut state = self.state();
        if let Some(registry) = &self.registry {
            registry.take_changes();
        }
        let merged = merge(&state.spec.dynamic, self.registry.as_ref());
        match state.controller.apply(&merged.spec) {
            Ok(rollout) => {
                state.merged = Arc::new(merged);
                if rollout.has_servers() {
                    tracing::info!(servers = %rollout, "servers of the store applied");
                    self.record(&rollout);
                }
            }
            Err(error) => {
                let error = mcp_gateway_core::error_chain(&error);
                tracing::error!(error, "servers of the store not applied");
                if let Some(registry) = &self.registry {
                    registry.mark_changed();
                }
            }
        }
    }

    /// Follows the changes of the servers of the store. Never completes while there is a store.
    ///
    /// An event whose documents cannot be read is retried until the store is available; events
    /// after it wait meanwhile.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub(crate) async fn follow(&self) {
        let Some(registry) = &self.registry else {
            return;
        };
        let mut events = registry.watch();
        while let Some(first) = events.next().await {
            let mut next = Some(first);
            // Changes that have arrived together are applied together.
            while let Some(event) = next {
                while let Err(error) = registry.follow(&event).await {
                    let error = mcp_gateway_core::error_chain(&error);
                    tracing::warn!(error, "servers of the store unavailable");
                    tokio::time::sleep(RETRY).await;
                }
                next = events.next().now_or_never().flatten();
            }
            // The writes of this replica, and the documents of its start, are applied already.
            if registry.take_changes() {
                self.refresh();
            }
        }
    }

    /// Locks the state.
    ///
    /// The lock is not reentrant, and an apply holds it: the guard must be dropped before
    /// [`apply`](Self::apply), [`refresh`](Self::refresh) or an `await`. The lock is also acquired
    /// if it is poisoned.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records an applied spec.
    fn record(&self, rollout: &Rollout) {
        if let Some(audit) = &self.audit {
            audit.append(&audit::applied(rollout));
        }
    }
}

/// Adds the servers of `registry` to those of `spec`.
pub(crate) fn merge(spec: &DynamicSpec, registry: Option<&Registry>) -> Merged {
    match registry {
        Some(registry) => registry.merge(spec),
        None => Merged::without_store(spec),
    }
}

/// Pause before documents that could not be read are read again.
const RETRY: Duration = Duration::from_secs(1);
