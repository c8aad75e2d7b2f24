//! Use of quotas, as the API shows it.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use mcp_gateway_core::BoxError;
use serde::Serialize;
use utoipa::ToSchema;

/// Quotas of a platform.
#[async_trait]
pub trait Quotas: fmt::Debug + Send + Sync + 'static {
    /// Returns up to `limit` uses of the quota `name`, or of all, after the one with the identifier
    /// `after`, ordered by identifier.
    ///
    /// # Errors
    ///
    /// Fails if the counts cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    async fn usage(
        &self,
        name: Option<&str>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<UsageDocument>, BoxError>;
}

/// Use of a quota in its current window, by one of the keys that it counts apart.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Usage)]
#[serde(rename_all = "camelCase")]
#[expect(
    clippy::exhaustive_structs,
    reason = "implementations of `Quotas` make them"
)]
pub struct UsageDocument {
    /// Identifier.
    pub id: String,
    /// Name of the quota.
    pub quota: String,
    /// Attributes by which the quota counts apart, such as `user` or `team`, with their values.
    ///
    /// The value of `tool` is `server/tool`. It is empty after the slash for all tools together that
    /// the server has not listed. Other values are empty for callers without a team or client.
    pub key: BTreeMap<String, String>,
    /// Maximum number of calls in the window.
    pub amount: u64,
    /// Calls that were made, or that other replicas have reserved.
    pub used: u64,
    /// Kind of the window, such as `month`.
    pub window: String,
    /// End of the window.
    pub ends: u64,
}
