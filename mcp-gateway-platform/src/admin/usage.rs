//! Use of quotas in the admin API.
//!
//! The counts are those of the store, and so of all replicas. Shares that this replica has reserved and
//! not used are subtracted; those of others count as used.

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use mcp_gateway_admin::{Quotas, UsageDocument};
use mcp_gateway_core::BoxError;
use mcp_gateway_limits::QuotaUsage;

use crate::running::Running;

#[async_trait]
impl Quotas for Running {
    /// Returns the use of the quotas of the last applied configuration.
    ///
    /// The lock of the state is not held while the store is read.
    async fn usage(
        &self,
        name: Option<&str>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<UsageDocument>, BoxError> {
        let limiter = Arc::clone(self.state().controller.limiter());
        let found = limiter.usage(name, after, limit).await?;
        Ok(found.into_iter().map(document).collect())
    }
}

/// Returns `usage` as the API shows it, with the end of the window in seconds.
fn document(usage: QuotaUsage) -> UsageDocument {
    let key = usage.key.into_iter();
    let ends = usage.ends.duration_since(SystemTime::UNIX_EPOCH);
    UsageDocument {
        id: usage.id,
        quota: usage.name.to_string(),
        key: key
            .map(|(attribute, value)| (attribute.as_str().to_owned(), value))
            .collect(),
        amount: usage.amount,
        used: usage.used,
        window: usage.window.to_string(),
        ends: ends.unwrap_or_default().as_secs(),
    }
}
