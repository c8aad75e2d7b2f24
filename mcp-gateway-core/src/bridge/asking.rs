//! Replies of modern servers for legacy clients: `input_required` becomes requests to the client.
//!
//! The client sees one call. Behind it, the call is sent as often as the server requires input:
//!
//! 1. The server responds with `input_required`.
//! 2. Each of its requests is sent to the client within the reply; the stream stays open.
//! 3. Once the client has answered all of them, the call is retried with the `inputResponses` and
//!    the `requestState` of the server.
//! 4. The next response is handled in the same way, until one is final.
//!
//! See [MCP 2026-07-28, multi round-trip
//! requests](https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/mrtr).

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;
use tokio::time;

use super::crossing::Crossing;
use super::input::{self, InputRequired};
use super::ticket::{INPUT_RESPONSES, REQUEST_STATE};
use crate::call::Prepared;
use crate::error::UpstreamError;
use crate::json::object;
use crate::jsonrpc::{ErrorObject, Id, Request, Response, code};
use crate::reply::{self, Event, Events, Respond, ServerRequest};
use crate::{Call, Reply};

/// Translation of a modern server's reply for a legacy client.
///
/// If the server requires input, requests are sent to the client, and the call is retried with the
/// answers.
pub(crate) struct Asking {
    /// Server to which the retry is sent.
    server: Arc<dyn Resend>,
    /// Original call.
    call: Arc<Call<Prepared>>,
    /// Translation of messages.
    crossing: Crossing,
    /// Translated messages that have not been returned.
    ready: VecDeque<Event>,
    /// Number of times that the server has required input.
    rounds: u32,
}

/// A server to which a call can be sent again.
///
/// Implemented by the view, so that this module does not depend on connections.
#[async_trait]
pub(crate) trait Resend: Send + Sync + 'static {
    /// Sends `call` and returns the reply as soon as its first message has arrived.
    async fn resend(&self, call: &Call<Prepared>) -> Result<Reply, UpstreamError>;
}

/// Stage of the translation.
enum Stage {
    /// Messages of the reply are arriving.
    Receiving(Events),
    /// The response has arrived; it may require input.
    Received(Response),
    /// The client has unanswered requests.
    Waiting(Answers),
}

/// One round of input: the unanswered requests to the client.
struct Answers {
    /// Unanswered requests by their identifier.
    requests: HashMap<Id, Request>,
    /// JSON text of the `requestState` that the retry must repeat.
    state: Option<String>,
    /// Answers of the client.
    responses: mpsc::UnboundedReceiver<Response>,
}

impl Asking {
    /// Creates the translation for `call`, whose retries are sent to `server`.
    pub(crate) fn new(server: Arc<dyn Resend>, call: Arc<Call<Prepared>>) -> Self {
        Self {
            server,
            crossing: Crossing::of(&call),
            call,
            ready: VecDeque::new(),
            rounds: 0,
        }
    }

    /// Translates the reply.
    ///
    /// A final response stays a document; any other reply becomes a stream, because requests to the
    /// client may follow.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] if the reply cannot be read, or its result cannot be represented in the
    /// legacy era. Later errors are items of the stream.
    pub(crate) async fn carry(self, reply: Reply) -> Result<Reply, UpstreamError> {
        match received(reply).await? {
            Stage::Received(response) if !asks(&response)? => {
                let response = self.crossing.response(&response)?;
                Ok(reply::single(self.crossing.status(&response), &response))
            }
            stage => Ok(Reply::Events(self.into_events(stage))),
        }
    }

    /// Converts the translation into a stream of messages.
    fn into_events(self, stage: Stage) -> Events {
        Events::new(stream::unfold(Some((self, stage)), |state| async move {
            let (mut asking, stage) = state?;
            match asking.next(stage).await {
                Ok((event, Some(stage))) => Some((Ok(event), Some((asking, stage)))),
                Ok((event, None)) => Some((Ok(event), None)),
                Err(error) => Some((Err(error), None)),
            }
        }))
    }

    /// Returns the next message and the stage after it.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Closed`] if the server or the client is gone, [`UpstreamError::Unanswered`]
    /// if the client rejects a request, [`UpstreamError::Invalid`] if the server breaks the
    /// protocol.
    async fn next(&mut self, mut stage: Stage) -> Result<(Event, Option<Stage>), UpstreamError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok((event, Some(stage)));
            }
            stage = match stage {
                Stage::Receiving(mut events) => {
                    match events.next().await.unwrap_or(Err(UpstreamError::Closed))? {
                        Event::Notification(notification) => {
                            let notification = self.crossing.notification(notification);
                            self.ready.extend(notification.map(Event::Notification));
                            Stage::Receiving(events)
                        }
                        Event::Request(request) => {
                            let error = "server requests are not allowed in this revision";
                            let error = ErrorObject::new(code::INVALID_REQUEST, error);
                            let _ = request.refuse(&error).await;
                            Stage::Receiving(events)
                        }
                        Event::Response(response) => Stage::Received(response),
                    }
                }
                Stage::Received(response) => match response.result().map(InputRequired::read) {
                    Ok(wanted) => match wanted? {
                        Some(wanted) => Stage::Waiting(self.ask(wanted)?),
                        None => return self.end(&response),
                    },
                    Err(_) => return self.end(&response),
                },
                Stage::Waiting(answers) => {
                    let (responses, state) = answers.collect(self.rounds).await?;
                    self.repeat(&responses, state.as_deref()).await?
                }
            };
        }
    }

    /// Translates the final response, which gets the identifier of the original request.
    fn end(&self, response: &Response) -> Result<(Event, Option<Stage>), UpstreamError> {
        let response = self.crossing.response(response)?;
        let response = response.with_id(self.call.request().id());
        Ok((Event::Response(response), None))
    }

    /// Queues the requests of `wanted` for the client, and returns them as unanswered.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Invalid`] if the client does not support one of them, or after
    /// [`MAX_ROUNDS`] rounds.
    fn ask(&mut self, wanted: InputRequired) -> Result<Answers, UpstreamError> {
        self.rounds += 1;
        if self.rounds > MAX_ROUNDS {
            return Err(UpstreamError::invalid("too many rounds of input_required"));
        }
        let capabilities = self.call.client().capabilities();
        let (answered, responses) = mpsc::unbounded_channel();
        let mut requests = HashMap::new();
        for request in wanted.requests {
            if !input::is_permitted(&request, capabilities) {
                return Err(UpstreamError::invalid(format_args!(
                    "server requested {}, which the client does not support",
                    request.method()
                )));
            }
            let request = input::for_legacy(request);
            requests.insert(request.id().clone(), request.clone());
            let server = Arc::new(Answered(answered.clone()));
            let question = ServerRequest::new(request, server);
            self.ready.push_back(Event::Request(question));
        }
        Ok(Answers {
            requests,
            state: wanted.state,
            responses,
        })
    }

    /// Retries the call with the answers of the client: `responses` is the JSON text of
    /// `inputResponses`.
    async fn repeat(&self, responses: &str, state: Option<&str>) -> Result<Stage, UpstreamError> {
        let request = self.call.request();
        // "The JSON-RPC id MUST be different between the initial request and the retry."
        let id = Id::from(&*format!("{}~{}", request.id(), self.rounds));
        let members = [(INPUT_RESPONSES, Some(responses)), (REQUEST_STATE, state)];
        let call = self.call.repeat(request.with_params(&id, &members));
        received(self.server.resend(&call).await?).await
    }
}

impl Answers {
    /// Waits for all answers; returns the JSON text of `inputResponses`, and the `requestState`.
    ///
    /// A server that requires no input, only a retry, gets it after a delay that grows with
    /// `rounds`. The time is limited by the deadlines of the call.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Unanswered`] if the client responds with an error, except to an
    /// elicitation, which counts as cancelled then.
    async fn collect(mut self, rounds: u32) -> Result<(String, Option<String>), UpstreamError> {
        if self.requests.is_empty() {
            // "... the client MAY retry the original request immediately."
            let pause = MIN_PAUSE * 2_u32.pow(rounds.min(6));
            time::sleep(pause).await;
        }
        let mut responses = Vec::new();
        while !self.requests.is_empty() {
            let response = self.responses.recv().await.ok_or(UpstreamError::Closed)?;
            let asked = response.id().and_then(|id| self.requests.remove(id));
            if let Some(request) = asked {
                let answer = input::answer(&request, &response)?;
                responses.push((input::key(&request), answer.to_owned()));
            }
        }
        let members: Vec<_> = responses
            .iter()
            .map(|(key, answer)| (&**key, answer.into()))
            .collect();
        Ok((object(&members), self.state))
    }
}

/// Responder that collects the client's answers.
#[derive(Debug)]
struct Answered(mpsc::UnboundedSender<Response>);

#[async_trait]
impl Respond for Answered {
    async fn respond(&self, response: Response) -> Result<(), UpstreamError> {
        self.0.send(response).map_err(|_| UpstreamError::Closed)
    }
}

/// Returns the stage after the start of `reply`.
async fn received(reply: Reply) -> Result<Stage, UpstreamError> {
    match reply {
        Reply::Events(events) => Ok(Stage::Receiving(events)),
        json @ Reply::Json { .. } => super::response(json).await.map(Stage::Received),
    }
}

/// Returns `true` if the response requires input.
fn asks(response: &Response) -> Result<bool, UpstreamError> {
    match response.result() {
        Ok(result) => Ok(InputRequired::read(result)?.is_some()),
        Err(_) => Ok(false),
    }
}

/// Minimum delay before a retry for which no input was required. It doubles with each round, up to
/// 64 times.
const MIN_PAUSE: Duration = Duration::from_millis(50);

/// Maximum number of times that a server may require input during one call.
const MAX_ROUNDS: u32 = 100;
