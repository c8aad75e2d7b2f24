//! Requests of the legacy era over Streamable HTTP whose response is pending.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time;

use super::HttpSession;
use crate::Call;
use crate::call::Prepared;
use crate::error::UpstreamError;
use crate::jsonrpc::{Id, Message, Notification};
use crate::list_changes::ChangedList;
use crate::protocol::{Method, meta};
use crate::reply::ReplyEvent;
use crate::task::BackgroundTask;
use crate::upstream::cancel_policy::CancelPolicy;
use crate::upstream::modern_http::parse_event;

/// A sent request whose response is pending.
///
/// If it is dropped before the response, the server is notified of the cancellation in the
/// background, unless the policy forbids it.
pub(super) struct InFlightRequest {
    /// Identifier that the server received, and its progress token.
    number: i64,
    /// Identifier of the caller, which the response gets again.
    pub(super) id: Id,
    /// JSON text of the caller's progress token.
    progress_token: Option<Arc<str>>,
    /// Session of the request.
    pub(super) session: Arc<HttpSession>,
    /// Policy for the cancellation at the server; `None` once it has responded.
    cancel: Option<CancelPolicy>,
}

impl InFlightRequest {
    /// Registers the request `number` of `call`, before it is sent.
    pub(super) fn new(number: i64, call: &Call<Prepared>, session: &Arc<HttpSession>) -> Self {
        let progress_token = call.request().meta(meta::PROGRESS_TOKEN).map(Into::into);
        if let Some(token) = &progress_token {
            session.progress.insert(number, token);
        }
        Self {
            number,
            id: call.request().id().clone(),
            progress_token,
            session: Arc::clone(session),
            cancel: Some(CancelPolicy::for_call(call)),
        }
    }

    /// Marks the request as answered, so that it is not cancelled when it is dropped.
    pub(super) fn complete(mut self) {
        self.cancel = None;
    }

    /// Translates a message of the server for the caller; `None` if it is not meant for the caller.
    ///
    /// Any message in the stream of the request belongs to it, requests of the server included.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] for a malformed response to this request.
    pub(super) async fn filter(
        &mut self,
        text: Bytes,
    ) -> Result<Option<ReplyEvent>, UpstreamError> {
        let number = Id::from(self.number);
        let Some(message) = parse_event(text, &number)? else {
            return Ok(None);
        };
        Ok(match message {
            Message::Notification(notification) => self
                .on_notification(notification)
                .map(ReplyEvent::Notification),
            Message::Request(request) => self
                .session
                .on_request(request)
                .await
                .map(ReplyEvent::Request),
            Message::Response(response) => {
                self.cancel = None;
                Some(ReplyEvent::Response(response.with_id(&self.id)))
            }
        })
    }

    /// Translates a notification: restores the progress token of the caller.
    ///
    /// Progress is dropped if the caller has not requested any. A change of a list concerns all
    /// subscribers.
    fn on_notification(&self, notification: Notification) -> Option<Notification> {
        match (notification.method(), &self.progress_token) {
            (Method::Progress, Some(token)) => notification.with_param("progressToken", token),
            (Method::Progress, None) => None,
            (method, _) => {
                if ChangedList::of(method).is_some() {
                    let changed = ReplyEvent::Notification(notification.clone());
                    self.session.events.send(changed);
                }
                Some(notification)
            }
        }
    }
}

impl Drop for InFlightRequest {
    fn drop(&mut self) {
        if self.progress_token.is_some() {
            self.session.progress.remove(self.number);
        }
        let cancel = self.cancel.take();
        if let Some(cancelled) =
            cancel.and_then(|cancel| cancel.notification(&Id::from(self.number)))
        {
            let session = Arc::clone(&self.session);
            BackgroundTask::detach(async move {
                let post = session.post(cancelled.bytes());
                let _ = time::timeout(CANCEL_TIMEOUT, post).await;
            });
        }
    }
}

/// Maximum time for sending a cancellation.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);
