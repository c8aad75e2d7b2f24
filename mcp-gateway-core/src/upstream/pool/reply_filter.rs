//! Filters and budgets of replies, applied to what the server of a pool has answered.

use std::sync::Arc;

use super::PooledServer;
use crate::call::Prepared;
use crate::error::UpstreamError;
use crate::reply::{FilteredBy, Filtering};
use crate::results;
use crate::{Call, Reply};

impl PooledServer {
    /// Returns the reply to the call of a resource of the gateway: a kept result of this server.
    pub(super) async fn read_kept(&self, call: &Call<Prepared>) -> Result<Reply, UpstreamError> {
        let results = self.results.as_ref();
        let reply = match results.and_then(|results| results.read(call)) {
            Some(read) => read.reply().await?,
            None => results::unknown_result(call),
        };
        filtered(filtering(call), reply).await
    }

    /// Subscribes to the server. The filter applies to each of its messages.
    pub(super) async fn subscribe(&self, call: Call<Prepared>) -> Result<Reply, UpstreamError> {
        let filtering = filtering(&call);
        filtered(filtering, self.upstream.send(call).await?).await
    }

    /// Sends `call` to a server with budgets, which apply to what the filter of the reply has left.
    pub(super) async fn send_budgeted(
        self: Arc<Self>,
        call: Call<Prepared>,
    ) -> Result<Reply, UpstreamError> {
        let results = self.results.as_ref();
        let shaping = results.and_then(|results| results.shaping(&call));
        let filtering = filtering(&call);
        let reply = filtered(filtering, self.send_limited(call).await?).await?;
        match shaping {
            Some(shaping) => shaping.apply(reply).await,
            None => Ok(reply),
        }
    }
}

/// Returns the filter of the reply to `call`, if it has one.
fn filtering(call: &Call<Prepared>) -> Option<Filtering> {
    let filter = call.extensions().get::<FilteredBy>()?;
    let request = call.request();
    let request = (request.id(), request.method());
    Some(Filtering::new(filter, request, call.client().era()))
}

/// Returns what the filter of `reply` leaves of it.
async fn filtered(filtering: Option<Filtering>, reply: Reply) -> Result<Reply, UpstreamError> {
    match filtering {
        Some(filtering) => filtering.apply(reply).await,
        None => Ok(reply),
    }
}
