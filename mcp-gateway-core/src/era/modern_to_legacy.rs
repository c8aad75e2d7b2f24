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

use super::input::{self, InputRequiredResult};
use super::request_state::{INPUT_RESPONSES, REQUEST_STATE};
use super::translator::EraTranslator;
use crate::call::Prepared;
use crate::error::UpstreamError;
use crate::json::object_json;
use crate::jsonrpc::{ErrorObject, Id, Request, Response, code};
use crate::reply::{self, ReplyEvent, ReplyStream, Responder, ServerRequest};
use crate::{Call, Reply};

/// Translation of a modern server's reply for a legacy client.
///
/// If the server requires input, requests are sent to the client, and the call is retried with the
/// answers.
pub(crate) struct ModernToLegacy {
    /// Server to which the retry is sent.
    server: Arc<dyn RetryTarget>,
    /// Original call.
    call: Arc<Call<Prepared>>,
    /// Translation of messages.
    translator: EraTranslator,
    /// Translated messages that have not been returned.
    ready: VecDeque<ReplyEvent>,
    /// Number of times that the server has required input.
    rounds: u32,
}

/// A server to which a call can be sent again.
///
/// Implemented by the view, so that this module does not depend on connections.
#[async_trait]
pub(crate) trait RetryTarget: Send + Sync + 'static {
    /// Sends `call` and returns the reply as soon as its first message has arrived.
    async fn retry(&self, call: &Call<Prepared>) -> Result<Reply, UpstreamError>;
}

/// Stage of the translation.
enum TranslationStage {
    /// Messages of the reply are arriving.
    Receiving(ReplyStream),
    /// The response has arrived; it may require input.
    Received(Response),
    /// The client has unanswered requests.
    AwaitingInput(InputRound),
}

/// One round of input: the unanswered requests to the client.
struct InputRound {
    /// Unanswered requests by their identifier.
    requests: HashMap<Id, Request>,
    /// JSON text of the `requestState` that the retry must repeat.
    state: Option<String>,
    /// Answers of the client.
    responses: mpsc::UnboundedReceiver<Response>,
}

impl ModernToLegacy {
    /// Creates the translation for `call`, whose retries are sent to `server`.
    pub(crate) fn new(server: Arc<dyn RetryTarget>, call: Arc<Call<Prepared>>) -> Self {
        Self {
            server,
            translator: EraTranslator::for_call(&call),
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
    pub(crate) async fn translate(self, reply: Reply) -> Result<Reply, UpstreamError> {
        match first_stage(reply).await? {
            TranslationStage::Received(response) if !is_input_required(&response)? => {
                let response = self.translator.translate_response(&response)?;
                Ok(reply::single_response(
                    self.translator.status(&response),
                    &response,
                ))
            }
            stage => Ok(Reply::Events(self.into_events(stage))),
        }
    }

    /// Converts the translation into a stream of messages.
    fn into_events(self, stage: TranslationStage) -> ReplyStream {
        ReplyStream::new(stream::unfold(Some((self, stage)), |state| async move {
            let (mut translation, stage) = state?;
            match translation.next(stage).await {
                Ok((event, Some(stage))) => Some((Ok(event), Some((translation, stage)))),
                Ok((event, None)) => Some((Ok(event), None)),
                Err(error) => Some((Err(error), None)),
            }
        }))
    }

    /// Returns the next message and the stage after it.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Closed`] if the server or the client is gone, [`UpstreamError::InputDeclined`]
    /// if the client rejects a request, [`UpstreamError::Invalid`] if the server breaks the
    /// protocol.
    async fn next(
        &mut self,
        mut stage: TranslationStage,
    ) -> Result<(ReplyEvent, Option<TranslationStage>), UpstreamError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok((event, Some(stage)));
            }
            stage = match stage {
                TranslationStage::Receiving(mut events) => {
                    match events.next().await.unwrap_or(Err(UpstreamError::Closed))? {
                        ReplyEvent::Notification(notification) => {
                            let notification = self.translator.translate_notification(notification);
                            self.ready
                                .extend(notification.map(ReplyEvent::Notification));
                            TranslationStage::Receiving(events)
                        }
                        ReplyEvent::Request(request) => {
                            let error = "server requests are not allowed in this revision";
                            let error = ErrorObject::new(code::INVALID_REQUEST, error);
                            let _ = request.reject(&error).await;
                            TranslationStage::Receiving(events)
                        }
                        ReplyEvent::Response(response) => TranslationStage::Received(response),
                    }
                }
                TranslationStage::Received(response) => {
                    match response.result().map(InputRequiredResult::parse) {
                        Ok(wanted) => match wanted? {
                            Some(wanted) => {
                                TranslationStage::AwaitingInput(self.request_input(wanted)?)
                            }
                            None => return self.finish(&response),
                        },
                        Err(_) => return self.finish(&response),
                    }
                }
                TranslationStage::AwaitingInput(answers) => {
                    let (responses, state) = answers.collect(self.rounds).await?;
                    self.retry(&responses, state.as_deref()).await?
                }
            };
        }
    }

    /// Translates the final response, which gets the identifier of the original request.
    fn finish(
        &self,
        response: &Response,
    ) -> Result<(ReplyEvent, Option<TranslationStage>), UpstreamError> {
        let response = self.translator.translate_response(response)?;
        let response = response.with_id(self.call.request().id());
        Ok((ReplyEvent::Response(response), None))
    }

    /// Queues the requests of `wanted` for the client, and returns them as unanswered.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Invalid`] if the client does not support one of them, or after
    /// [`MAX_ROUNDS`] rounds.
    fn request_input(&mut self, wanted: InputRequiredResult) -> Result<InputRound, UpstreamError> {
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
            let server = Arc::new(InputResponder(answered.clone()));
            let question = ServerRequest::new(request, server);
            self.ready.push_back(ReplyEvent::Request(question));
        }
        Ok(InputRound {
            requests,
            state: wanted.state,
            responses,
        })
    }

    /// Retries the call with the answers of the client: `responses` is the JSON text of
    /// `inputResponses`.
    async fn retry(
        &self,
        responses: &str,
        state: Option<&str>,
    ) -> Result<TranslationStage, UpstreamError> {
        let request = self.call.request();
        // "The JSON-RPC id MUST be different between the initial request and the retry."
        let id = Id::from(&*format!("{}~{}", request.id(), self.rounds));
        let members = [(INPUT_RESPONSES, Some(responses)), (REQUEST_STATE, state)];
        let call = self.call.with_request(request.with_params(&id, &members));
        first_stage(self.server.retry(&call).await?).await
    }
}

impl InputRound {
    /// Waits for all answers; returns the JSON text of `inputResponses`, and the `requestState`.
    ///
    /// A server that requires no input, only a retry, gets it after a delay that grows with
    /// `rounds`. The time is limited by the deadlines of the call.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::InputDeclined`] if the client responds with an error, except to an
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
                let answer = input::response_json(&request, &response)?;
                responses.push((input::request_key(&request), answer.to_owned()));
            }
        }
        let members: Vec<_> = responses
            .iter()
            .map(|(key, answer)| (&**key, answer.into()))
            .collect();
        Ok((object_json(&members), self.state))
    }
}

/// Responder that collects the client's answers.
#[derive(Debug)]
pub(super) struct InputResponder(pub(super) mpsc::UnboundedSender<Response>);

#[async_trait]
impl Responder for InputResponder {
    async fn respond(&self, response: Response) -> Result<(), UpstreamError> {
        self.0.send(response).map_err(|_| UpstreamError::Closed)
    }
}

/// Returns the stage after the start of `reply`.
async fn first_stage(reply: Reply) -> Result<TranslationStage, UpstreamError> {
    match reply {
        Reply::Events(events) => Ok(TranslationStage::Receiving(events)),
        json @ Reply::Json { .. } => reply::response(json).await.map(TranslationStage::Received),
    }
}

/// Returns `true` if the response requires input.
fn is_input_required(response: &Response) -> Result<bool, UpstreamError> {
    match response.result() {
        Ok(result) => Ok(InputRequiredResult::parse(result)?.is_some()),
        Err(_) => Ok(false),
    }
}

/// Minimum delay before a retry for which no input was required. It doubles with each round, up to
/// 64 times.
const MIN_PAUSE: Duration = Duration::from_millis(50);

/// Maximum number of times that a server may require input during one call.
const MAX_ROUNDS: u32 = 100;
