//! Forwarding of the messages of a reply to the client of a session.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::mpsc;

use super::in_flight::InFlightRequest;
use super::response;
use crate::era;
use crate::error::UpstreamError;
use crate::jsonrpc::{Id, Notification};
use crate::list_changes::ChangedList;
use crate::protocol::Method;
use crate::reply::{ReplyEvent, ReplyStream};
use crate::session::{EventLog, Session};

/// A reply on its way to the client of a session.
pub(super) struct ReplyWriter {
    /// Session of the client.
    session: Arc<Session>,
    /// ID of the answered request.
    id: Id,
    /// Destination of the messages.
    sink: MessageSink,
}

/// Destination of messages for a client.
#[derive(Clone, Debug)]
pub(super) enum MessageSink {
    /// Channel for all messages of the client.
    Channel(mpsc::Sender<Bytes>),
    /// Resumable stream.
    Log(Arc<EventLog>),
}

impl MessageSink {
    /// Sends the text of a message; returns `false` if the destination is closed.
    pub(super) async fn send(&self, text: Bytes) -> bool {
        match self {
            Self::Channel(channel) => channel.send(text).await.is_ok(),
            Self::Log(log) => {
                log.push(text);
                true
            }
        }
    }
}

impl ReplyWriter {
    /// Creates a writer for the request `id`.
    pub(super) fn new(session: Arc<Session>, id: Id, sink: MessageSink) -> Self {
        Self { session, id, sink }
    }

    /// Forwards all messages up to the response, or until the client cancels the request.
    pub(super) async fn run(self, mut events: ReplyStream, in_flight: InFlightRequest) {
        loop {
            let event = tokio::select! {
                event = events.next() => event.unwrap_or(Err(UpstreamError::Closed)),
                () = in_flight.cancellation.cancelled() => {
                    // Otherwise a client that resumes streams would retry forever.
                    if let MessageSink::Log(log) = &self.sink {
                        log.push(response::cancelled_message(&self.id));
                    }
                    break;
                }
            };
            match event {
                Ok(response @ ReplyEvent::Response(_)) => {
                    // A client that has the response may use the identifier again.
                    drop(in_flight);
                    self.write(response).await;
                    break;
                }
                Ok(event) => {
                    if !self.write(event).await {
                        break;
                    }
                }
                Err(error) => {
                    drop(in_flight);
                    let failed = response::failure_message(&events, error, &self.id);
                    self.sink.send(failed).await;
                    break;
                }
            }
        }
        if let MessageSink::Log(log) = &self.sink {
            log.close();
        }
    }

    /// Forwards one message; returns `false` if the destination is closed.
    pub(super) async fn write(&self, event: ReplyEvent) -> bool {
        let text = match event {
            ReplyEvent::Notification(notification) => match self.for_client(notification) {
                Some(notification) => notification.bytes(),
                None => return true,
            },
            ReplyEvent::Request(request) => {
                // A server may ask whatever the capabilities of the client are.
                let capabilities = self.session.capabilities();
                let asked = match era::is_acceptable(request.request(), capabilities) {
                    true => self.session.add_server_request(request.clone()),
                    false => None,
                };
                match asked {
                    Some(request) => request.bytes(),
                    None => {
                        let error = era::rejection(request.request(), capabilities);
                        // A server that is gone needs no answer.
                        let _ = request.reject(&error).await;
                        return true;
                    }
                }
            }
            ReplyEvent::Response(response) => response.bytes(),
        };
        self.sink.send(text).await
    }

    /// Translates a notification for the client; `None` if it is not sent now.
    fn for_client(&self, notification: Notification) -> Option<Notification> {
        // The server cancels its own request.
        if notification.method() == &Method::Cancelled {
            return self.session.state().withdraw_server_request(&notification);
        }
        match ChangedList::of(notification.method()) {
            Some(list) => self.session.list_changes().admit(list, notification),
            None => Some(notification),
        }
    }
}
