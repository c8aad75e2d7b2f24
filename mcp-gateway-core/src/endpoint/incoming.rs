//! Notifications and responses of the client of a session.

use crate::jsonrpc::{Id, Notification, Response};
use crate::protocol::Method;
use crate::replica::ForwardedResponse;
use crate::session::{RequestOrigin, Session};

/// Handles a notification of the client.
pub(super) async fn handle_notification(session: &Session, notification: &Notification) {
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are forwarded")]
    match notification.method() {
        Method::Cancelled => {
            if let Some(id) = notification.param("requestId").and_then(Id::from_token) {
                session.state().cancel_call(&id);
            }
        }
        Method::Initialized => {}
        Method::Progress => {
            let token = notification.param("progressToken").unwrap_or_default();
            let asked = session.state().asked_progress(token);
            if let Some(asked) = asked {
                // A server that is gone needs no progress.
                let _ = asked.server.notify(notification.clone()).await;
            }
        }
        _ => {
            for attached in session.listeners() {
                attached.on_notification(notification).await;
            }
        }
    }
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
