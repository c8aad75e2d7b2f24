//! Approvals of calls, in the state store or in memory.
//!
//! Replicas share those in the store: a decision at one of them resumes a call that waits at another.
//! Those in memory end with the process, and so do the calls that wait for them.

use std::sync::Arc;

use mcp_gateway_approval::StoreApprovals;
use mcp_gateway_auth::{Clock, Keyring};
use mcp_gateway_core::approval::{Approvals, MemoryApprovals};
use mcp_gateway_store::Store;

use crate::error::PlatformError;
use crate::spec::Storage;
use crate::state::StateStore;
use crate::telemetry::Metrics;

/// Opens the approvals in `store`. Without a store, they end with the process.
///
/// # Errors
///
/// [`PlatformError`] if a key is invalid, or the system has no random numbers.
pub(crate) async fn open(
    store: Option<(&Arc<dyn Store>, &Keyring)>,
) -> Result<StoreApprovals, PlatformError> {
    let approvals = match store {
        Some((store, keyring)) => StoreApprovals::new(Arc::clone(store), keyring, Clock::system()),
        None => {
            let memory = StateStore::open(&Storage::Memory, None).await?;
            let keyring = Keyring::new(memory.key.bytes());
            keyring.and_then(|keyring| StoreApprovals::new(memory.store, &keyring, Clock::system()))
        }
    };
    approvals.map_err(|error| PlatformError::Key(error.into()))
}

/// Returns the metrics of the platform, in which `approvals` are counted.
pub(crate) fn counted(approvals: Option<&StoreApprovals>) -> Arc<Metrics> {
    let metrics = Metrics::new();
    if let Some(approvals) = approvals {
        approvals.report_to(metrics.approvals());
    }
    metrics
}

/// Follows the changes of `approvals` by all replicas.
pub(crate) async fn follow(approvals: Option<StoreApprovals>) {
    if let Some(approvals) = approvals {
        approvals.follow().await;
    }
}

/// Returns the approvals of the gateways: `stored`, or otherwise ones in memory.
pub(crate) fn of_calls(stored: Option<&StoreApprovals>) -> Arc<dyn Approvals> {
    match stored {
        Some(stored) => Arc::new(stored.clone()),
        None => Arc::new(MemoryApprovals::new()),
    }
}
