//! Objects of a cluster on a platform.

use std::sync::Arc;

use super::Platform;
use crate::status::ObjectReport;

impl Platform {
    /// Returns the outcome of the last apply for the servers and gateways that objects define.
    #[must_use]
    pub fn objects(&self) -> Arc<ObjectReport> {
        Arc::clone(&self.running.state().merged.objects)
    }
}
