//! Messages for all servers, whose answers are ignored.

use super::{RoutedService, Shared};
use crate::{Call, Error, Reply};

impl Shared {
    /// Sends the notification of `call` to all servers that have the client for themselves.
    pub(super) async fn notify_all<S: RoutedService>(&self, inner: S, call: Call) -> Reply {
        let call = call.broadcast();
        let params = call.request().param_text().unwrap_or("{}");
        let _ = self.call_all(&inner, &call, params).await;
        Reply::result(call.request().id(), "{}")
    }

    /// Sets the minimum level of log messages on all servers.
    pub(super) async fn set_level<S: RoutedService>(
        &self,
        inner: S,
        call: &Call,
    ) -> Result<Reply, Error> {
        let level = call.request().param("level").unwrap_or("null");
        let params = crate::json::object_json(&[("level", level.into())]);
        // Servers without the logging capability reject this; the client need not learn of it.
        let _ = self.call_all(&inner, call, &params).await;
        Ok(Reply::result(call.request().id(), "{}"))
    }
}
