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

/// Brings the messages of a reply to the client of a session.
pub(super) struct Pump {
    session: Arc<Session>,
    /// The request that is answered.
    id: Id,
    sink: Sink,
}

/// Where messages for a client go.
#[derive(Clone, Debug)]
pub(super) enum Sink {
    /// To a channel that carries everything.
    Channel(mpsc::Sender<Bytes>),
    /// To a stream that can be resumed.
    Log(Arc<EventLog>),
}

impl Sink {
    /// Hands over the text of a message; `false` when nobody takes any.
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
    pub(super) fn new(session: Arc<Session>, id: Id, sink: Sink) -> Self {
        Self { session, id, sink }
    }

    /// Brings all messages, until the response, or until the client cancels the request.
    pub(super) async fn run(self, mut events: Events, in_flight: InFlight) {
        loop {
            let event = tokio::select! {
                event = events.next() => event.unwrap_or(Err(UpstreamError::Closed)),
                () = in_flight.cancellation.cancelled() => {
                    // A client that resumes streams would come back for the answer again and again.
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

    /// Brings one message; `false` when nobody takes any.
    pub(super) async fn pass(&self, event: Event) -> bool {
        let text = match event {
            Event::Notification(notification) => match notification.method() {
                // A server takes back what it asked.
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
