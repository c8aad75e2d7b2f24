//! Notifications and responses of the client of a session.

use std::sync::Arc;
use std::time::Duration;

use tokio::time;
use tower::ServiceExt;

use super::CallService;
use super::legacy::LegacyHandler;
use crate::jsonrpc::{Id, Notification, Response};
use crate::protocol::Method;
use crate::replica::ForwardedResponse;
use crate::session::{RequestOrigin, Session};
use crate::{Call, Caller};

impl<S: CallService> LegacyHandler<S> {
    /// Handles a notification of the client.
    ///
    /// Progress of a server's request reaches that server. Anything else that the gateway does not
    /// handle itself is a call without a response: routed, authorized and limited like a request.
    pub(super) async fn on_notification(&self, session: &Arc<Session>, message: Notification) {
        #[expect(clippy::wildcard_enum_match_arm, reason = "all others are forwarded")]
        match message.method() {
            Method::Cancelled => {
                if let Some((id, reason)) = cancellation(&message) {
                    session.state().cancel_call(&id, reason);
                }
            }
            Method::Initialized => {}
            // A request without an ID must not be executed, by whatever server.
            method if !is_notification(method) => {}
            Method::Progress => {
                let token = message.param("progressToken").unwrap_or_default();
                let asked = session.state().asked_progress(token);
                match asked {
                    // A server that is gone needs no progress.
                    Some(asked) => drop(asked.server.notify(message).await),
                    None => self.forward_notification(session, message).await,
                }
            }
            _ => self.forward_notification(session, message).await,
        }
    }

    /// Forwards a notification of the client of `session`.
    async fn forward_notification(&self, session: &Arc<Session>, message: Notification) {
        forward_notification(&self.inner, message, self.caller(session)).await;
    }
}

/// Forwards a notification of `caller`, at most for [`NOTIFY_TIMEOUT`].
///
/// Errors are logged only: a notification has no response that could report them.
pub(super) async fn forward_notification(
    inner: &impl CallService,
    message: Notification,
    caller: Arc<Caller>,
) {
    let method = message.method().clone();
    let call = Call::of_notification(message, caller);
    let sent = time::timeout(NOTIFY_TIMEOUT, inner.clone().oneshot(call));
    match Box::pin(sent).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::debug!(%method, %error, "notification not forwarded"),
        Err(_) => tracing::debug!(%method, "notification not forwarded in time"),
    }
}

/// Returns `true` unless the protocol defines `method` as that of a request.
fn is_notification(method: &Method) -> bool {
    matches!(method, Method::Other(_)) || method.as_str().starts_with("notifications/")
}

/// Returns the request that a notification cancels, and the JSON text of the reason.
///
/// A reason of more than [`MAX_REASON`] bytes, or that is no string, is left out.
pub(super) fn cancellation(message: &Notification) -> Option<(Id, Option<&str>)> {
    let id = message.param("requestId").and_then(Id::from_token)?;
    let reason = message.param("reason");
    let reason = reason.filter(|it| it.starts_with('"') && it.len() <= MAX_REASON);
    Some((id, reason))
}

/// Delivers a response of the client, in the session with the ID `session_id`, to the server that
/// waits for it.
pub(super) async fn handle_response(session: &Session, session_id: &str, response: &Response) {
    match response.id().and_then(|id| session.request_origin(id)) {
        Some(RequestOrigin::Here(asked)) => {
            // A server that is gone needs no answer.
            let _ = asked.server.respond(response.with_id(&asked.id)).await;
        }
        Some(RequestOrigin::There {
            replica,
            at,
            number,
        }) => {
            let record = session.record();
            let answer = ForwardedResponse {
                session: session_id,
                principal: record.principal.subject(),
                gateway: &record.gateway,
                response: response.text(),
            };
            if let Err(error) = replica.forward_response(&at, number, &answer).await {
                tracing::warn!(%error, "failed to deliver the response of a client");
            }
        }
        None => tracing::debug!(id = ?response.id(), "unsolicited response from client"),
    }
}

/// Maximum time for forwarding a notification, during which its sender waits.
const NOTIFY_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum size of the reason of a cancellation, in bytes.
const MAX_REASON: usize = 4096;
