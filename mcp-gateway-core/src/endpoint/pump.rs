//! Forwarding of the messages of a reply to the client of a session.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::mpsc;

use super::answer;
use super::in_flight::InFlight;
use crate::error::UpstreamError;
use crate::jsonrpc::Id;
use crate::protocol::Method;
use crate::reply::{Event, Events};
use crate::session::{EventLog, Session};

/// A reply on its way to the client of a session.
pub(super) struct Pump {
    /// Session of the client.
    session: Arc<Session>,
    /// ID of the answered request.
    id: Id,
    /// Destination of the messages.
    sink: Sink,
}

/// Destination of messages for a client.
#[derive(Clone, Debug)]
pub(super) enum Sink {
    /// Channel for all messages of the client.
    Channel(mpsc::Sender<Bytes>),
    /// Resumable stream.
    Log(Arc<EventLog>),
}

impl Sink {
    /// Sends the text of a message; returns `false` if the destination is closed.
    pub(super) async fn put(&self, text: Bytes) -> bool {
        match self {
            Self::Channel(channel) => channel.send(text).await.is_ok(),
            Self::Log(log) => {
                log.push(text);
                true
            }
        }
    }
}

impl Pump {
    /// Creates a pump for the request `id`.
    pub(super) fn new(session: Arc<Session>, id: Id, sink: Sink) -> Self {
        Self { session, id, sink }
    }

    /// Forwards all messages up to the response, or until the client cancels the request.
    pub(super) async fn run(self, mut events: Events, in_flight: InFlight) {
        loop {
            let event = tokio::select! {
                event = events.next() => event.unwrap_or(Err(UpstreamError::Closed)),
                () = in_flight.cancellation.cancelled() => {
                    // Otherwise a client that resumes streams would retry forever.
                    if let Sink::Log(log) = &self.sink {
                        log.push(answer::cancelled(&self.id));
                    }
                    break;
                }
            };
            match event {
                Ok(response @ Event::Response(_)) => {
                    // A client that has the response may use the identifier again.
                    drop(in_flight);
                    self.pass(response).await;
                    break;
                }
                Ok(event) => {
                    if !self.pass(event).await {
                        break;
                    }
                }
                Err(error) => {
                    drop(in_flight);
                    let failed = answer::failed(&events, error, &self.id);
                    self.sink.put(failed).await;
                    break;
                }
            }
        }
        if let Sink::Log(log) = &self.sink {
            log.close();
        }
    }

    /// Forwards one message; returns `false` if the destination is closed.
    pub(super) async fn pass(&self, event: Event) -> bool {
        let text = match event {
            Event::Notification(notification) => match notification.method() {
                // The server cancels its own request.
                Method::Cancelled => match self.session.state().taken_back(&notification) {
                    Some(notification) => notification.bytes(),
                    None => return true,
                },
                _ => notification.bytes(),
            },
            Event::Request(request) => {
                let asked = self.session.ask(request.clone());
                match asked {
                    Some(request) => request.bytes(),
                    None => {
                        answer::refuse(&request).await;
                        return true;
                    }
                }
            }
            Event::Response(response) => response.bytes(),
        };
        self.sink.put(text).await
    }
}
