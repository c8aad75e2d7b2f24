//! `resources/subscribe` and `resources/unsubscribe` of legacy clients.
//!
//! The session of the client has told the notification hub of its interest before, and the hub the
//! server, once for all subscribers of a resource. Here the client gets the answer of the server.

use std::sync::Arc;

use http::StatusCode;
use tokio::time;

use super::notification_hub::TELL_TIMEOUT;
use super::{View, lock};
use crate::call::Prepared;
use crate::error::UpstreamError;
use crate::jsonrpc::{ErrorObject, Response};
use crate::protocol::{Era, Method};
use crate::reply::single_response;
use crate::{Call, Reply};

impl View {
    /// Answers a request that subscribes to a resource, or unsubscribes from it.
    ///
    /// | state | answer |
    /// |---|---|
    /// | the hub has sent the request | that of the server |
    /// | other subscribers need the subscription that a client ends | an empty result |
    /// | a modern server, which has no such request | an empty result if it supports subscriptions |
    /// | any other | that of the server, to which the request is forwarded |
    pub(super) async fn change_subscription(
        self: &Arc<Self>,
        call: Call<Prepared>,
    ) -> Result<Reply, UpstreamError> {
        let subscribes = call.request().method() == &Method::ResourcesSubscribe;
        let id = call.request().id().clone();
        let info = self.server_info(&call).await?;
        if info.version.era() == Era::Modern {
            return Ok(match info.declares("resources", "subscribe") {
                true => Reply::result(&id, "{}"),
                false => {
                    let error = ErrorObject::method_not_found();
                    single_response(StatusCode::OK, &Response::from_error(&id, &error))
                }
            });
        }
        let uri = call.target().feature.name().unwrap_or_default().to_owned();
        self.wait_for_hub().await;
        let shared = &self.notifications.shared;
        let answer = lock(&shared.outcomes).answer(&uri, subscribes);
        if let Some(answer) = answer {
            return Ok(single_response(StatusCode::OK, &answer.with_id(&id)));
        }
        if !subscribes && lock(&shared.subscriptions).contains(&uri) {
            return Ok(Reply::result(&id, "{}"));
        }
        self.forward(call).await
    }

    /// Waits until the hub has told the server of the interest of its subscribers.
    async fn wait_for_hub(&self) {
        if !self.notifications.is_running() {
            return;
        }
        let shared = &self.notifications.shared;
        let generation = lock(&shared.subscriptions).generation();
        let mut told = shared.told.subscribe();
        let told = told.wait_for(|told| *told >= generation);
        let _ = time::timeout(TELL_TIMEOUT, told).await;
    }
}
