//! Replies of legacy servers for modern clients: requests of the server become `input_required`.
//!
//! A legacy server sends a request in the middle of a call and waits for its response, while a
//! modern client expects a result and calls again. So the call is parked: the stream of the server
//! stays open, and the client gets a sealed `requestState`. Its retry resumes the call:
//!
//! 1. The server sends one or several requests; those that follow each other within 20
//!    milliseconds are combined.
//! 2. The call is parked, and the client receives `input_required` with them.
//! 3. The retry brings the answers, which are sent to the server. If some are missing, the call is
//!    parked again with the rest.
//! 4. The following messages of the server become the reply to the retry.
//!
//! An error -32042 of the server, which names URLs that the user must visit, becomes
//! `input_required` as well; the server is then called again instead of being resumed.
//!
//! See [MCP 2026-07-28, multi round-trip
//! requests](https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/mrtr).

mod translated_stream;

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use http::StatusCode;
use serde_json::json;
use tokio::time;

use self::translated_stream::TranslatedStream;
use super::ParkedCalls;
use super::input::{self, InputRequiredResult};
use super::parked_calls::{ParkedCall, ParkedLookup};
use super::request_state::{self, INPUT_RESPONSES, REQUEST_STATE};
use super::translator::EraTranslator;
use crate::call::Prepared;
use crate::error::UpstreamError;
use crate::json::Fields;
use crate::jsonrpc::{ErrorObject, Id, Request, Response, code};
use crate::protocol::Method;
use crate::reply::{self, ReplyEvent, ReplyStream, ServerRequest};
use crate::{Call, Reply};

/// Translation of a legacy server's reply for a modern client.
///
/// If the server sends a request, the call is parked, and the client receives `input_required`.
/// Requests that the client does not support are rejected; the server may be able to complete the
/// call without them.
pub(crate) struct LegacyToModern {
    /// Call of the client.
    call: Arc<Call<Prepared>>,
    /// Translation of messages.
    translator: EraTranslator,
    /// Store of parked calls.
    parked_calls: ParkedCalls,
    /// Capabilities that the client would have needed for a rejected request of the server, as JSON
    /// text.
    missing_capability: Option<&'static str>,
}

/// Result of the retry of a parked call.
pub(crate) enum Resumption {
    /// The call has been resumed; its reply.
    Resumed(Reply),
    /// The server must be called again; the call without the parameters of the retry.
    Retry(Call<Prepared>),
}

impl LegacyToModern {
    /// Creates the translation for `call`, which is parked in `parked_calls` if the server requires
    /// input.
    pub(crate) fn new(call: Arc<Call<Prepared>>, parked_calls: ParkedCalls) -> Self {
        Self {
            translator: EraTranslator::for_call(&call),
            call,
            parked_calls,
            missing_capability: None,
        }
    }

    /// Translates the reply.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] if the reply cannot be read. Later errors are items of the stream.
    pub(crate) async fn translate(self, reply: Reply) -> Result<Reply, UpstreamError> {
        match reply {
            Reply::Events(events) => self.translate_stream(events).await,
            json @ Reply::Json { .. } => {
                let response = reply::response(json).await?;
                Ok(self.single_response(&self.finish(&response).await?))
            }
        }
    }

    /// Resumes the call that the client retries, at this replica or the one that holds it.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::InvalidRequestState`] if the `requestState` is invalid, has expired or was used
    /// before; [`UpstreamError::ReplicaUnavailable`] if its replica is unreachable;
    /// [`UpstreamError::InputDeclined`] if the user has not visited a URL.
    pub(crate) async fn resume(self) -> Result<Resumption, UpstreamError> {
        match self.parked_calls.lookup(&self.call)? {
            ParkedLookup::Local(waiting) => self
                .continue_with_input(waiting)
                .await
                .map(Resumption::Resumed),
            ParkedLookup::Remote { replica, at, key } => {
                let request = self.call.request().text();
                let events = replica.resume_call(&at, key, request).await?;
                Ok(Resumption::Resumed(Reply::Events(events)))
            }
            ParkedLookup::Retry => self.without_input().map(Resumption::Retry),
        }
    }

    /// Resumes the call that is parked under `key` with the client's retry `request`, on behalf of
    /// another replica, which has validated the `requestState`.
    pub(crate) async fn resume_parked(
        parked_calls: ParkedCalls,
        key: &str,
        request: Request,
    ) -> Result<Reply, UpstreamError> {
        let (call, waiting) = parked_calls.remove(key)?;
        let call = Arc::new(call.with_request(request));
        Self::new(call, parked_calls)
            .continue_with_input(waiting)
            .await
    }

    /// Resumes a call with the answers of the client.
    ///
    /// Answers without a request are ignored.
    async fn continue_with_input(self, mut waiting: ParkedCall) -> Result<Reply, UpstreamError> {
        let text = self.call.request().param(INPUT_RESPONSES).unwrap_or("{}");
        let Ok(answers) = Fields::parse(text, 0..text.len()) else {
            waiting.abandon().await;
            return Err(UpstreamError::InvalidRequestState);
        };
        let mut missing = Vec::new();
        for question in waiting.requests {
            match answers.raw(text, &input::request_key(question.request())) {
                // The messages of a server that is gone end with an error.
                Some(answer) => drop(question.answer(answer).await),
                None => missing.push(question),
            }
        }
        waiting.requests = missing;
        if !waiting.requests.is_empty() {
            // "... the server SHOULD respond with a new InputRequiredResult."
            let response = self.park(waiting).await?;
            return Ok(self.single_response(&response));
        }
        self.into_reply(waiting.events).await
    }

    /// Returns the call without the answers, for a server that must be called again after the user
    /// has visited a URL.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::InputDeclined`] unless the user has accepted every request.
    fn without_input(&self) -> Result<Call<Prepared>, UpstreamError> {
        let text = self.call.request().param(INPUT_RESPONSES).unwrap_or("{}");
        let answers = Fields::parse(text, 0..text.len()).unwrap_or_default();
        for (_, span) in answers.iter(text) {
            let answer = &text[span];
            let fields = Fields::parse(answer, 0..answer.len()).unwrap_or_default();
            if fields.string(answer, "action").as_deref() != Some("accept") {
                let detail = "the user did not visit the URL".into();
                return Err(UpstreamError::InputDeclined { detail });
            }
        }
        let request = self.call.request();
        let members = [(INPUT_RESPONSES, None), (REQUEST_STATE, None)];
        Ok(self
            .call
            .with_request(request.with_params(request.id(), &members)))
    }

    /// Converts `events` into a reply: one response if it is the first message and arrives within
    /// [`STREAM_THRESHOLD`], otherwise a stream.
    pub(crate) async fn into_reply(self, events: ReplyStream) -> Result<Reply, UpstreamError> {
        self.into_reply_if(events, |_| true).await
    }

    /// Converts `events` of a server that has chosen a stream into a reply.
    ///
    /// Only an error becomes a document, because its HTTP status informs intermediaries and clients
    /// of it; a stream has status 200.
    async fn translate_stream(self, events: ReplyStream) -> Result<Reply, UpstreamError> {
        self.into_reply_if(events, |response| response.result().is_err())
            .await
    }

    /// Waits for the first message; returns a document if `is_document` accepts it, and otherwise a
    /// stream.
    async fn into_reply_if(
        self,
        events: ReplyStream,
        is_document: impl Fn(&Response) -> bool,
    ) -> Result<Reply, UpstreamError> {
        let mut events = self.events(events);
        let first = match time::timeout(STREAM_THRESHOLD, events.next()).await {
            Ok(first) => first.unwrap_or(Err(UpstreamError::Closed))?,
            Err(_) => return Ok(Reply::Events(events)),
        };
        match first {
            ReplyEvent::Response(response) if is_document(&response) => {
                let status = crate::problem::status_of(&response);
                Ok(reply::single_response(status, &response))
            }
            first => {
                let first = stream::iter([Ok(first)]);
                Ok(Reply::Events(ReplyStream::new(first.chain(events))))
            }
        }
    }

    /// Translates the stream of messages.
    fn events(self, events: ReplyStream) -> ReplyStream {
        TranslatedStream::new(self, events).into_events()
    }

    /// Converts a translated response into a reply with the HTTP status that belongs to it.
    fn single_response(&self, response: &Response) -> Reply {
        let status = match response.result() {
            Ok(_) => StatusCode::OK,
            Err(_) => self.translator.status(response),
        };
        reply::single_response(status, response)
    }

    /// Returns a request of the server that the client supports; rejects others with "method not
    /// found".
    ///
    /// The capability for the first rejected one is kept, for the error that the call may end with.
    async fn accept_request(&mut self, question: ServerRequest) -> Option<ServerRequest> {
        let request = question.request();
        let permitted = request_state::supports_input_required(self.call.request().method())
            && input::is_permitted(request, self.call.client().capabilities());
        if permitted {
            return Some(question);
        }
        self.missing_capability = self
            .missing_capability
            .or_else(|| input::required_capabilities(request));
        let error = input::rejection(request, self.call.client().capabilities());
        // A server that is gone needs no answer.
        let _ = question.reject(&error).await;
        None
    }

    /// Parks the call and returns the `input_required` response for the requests in `waiting`.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Overloaded`] if the store is full. The requests of the server are rejected
    /// then.
    async fn park(&self, waiting: ParkedCall) -> Result<Response, UpstreamError> {
        let asked: Vec<_> = waiting
            .requests
            .iter()
            .map(|question| question.request().clone())
            .collect();
        let state = self.parked_calls.park(&self.call, waiting).await?;
        let result = InputRequiredResult::to_json(asked.iter(), &state);
        Ok(Response::new(self.call.request().id(), &result))
    }

    /// Translates the final response.
    ///
    /// An error after a rejected request becomes -32021, which names the capabilities that the
    /// client lacks.
    async fn finish(&self, response: &Response) -> Result<Response, UpstreamError> {
        let id = self.call.request().id();
        if let Some(addresses) = self.elicitation_urls(response) {
            let state = self.parked_calls.retry_state(&self.call)?;
            let result = InputRequiredResult::to_json(addresses.iter(), &state);
            return Ok(Response::new(id, &result));
        }
        if let (Some(missing), Err(_)) = (self.missing_capability, response.result()) {
            let missing: serde_json::Value = serde_json::from_str(missing).unwrap_or_default();
            let message = "The call requires capabilities that the client has not declared";
            let error = ErrorObject::new(code::MISSING_CAPABILITY, message)
                .with_data(json!({ "requiredCapabilities": missing }));
            return Ok(Response::from_error(id, &error));
        }
        Ok(self.translator.translate_response(response)?.with_id(id))
    }

    /// Returns requests for the URLs that the user must visit before the server can be called;
    /// `None` if the response names none, or the client cannot open URLs.
    fn elicitation_urls(&self, response: &Response) -> Option<Vec<Request>> {
        let error = response.result().err()?;
        if ErrorObject::code_of(error) != code::URL_ELICITATION_REQUIRED
            || !request_state::supports_input_required(self.call.request().method())
            || !self.call.client().capabilities().elicitation_url()
        {
            return None;
        }
        let error: serde_json::Value = serde_json::from_str(error).ok()?;
        let elicitations = error["data"]["elicitations"].as_array()?;
        let question = |(at, params): (usize, &serde_json::Value)| {
            let id = Id::from(&*format!("address-{at}"));
            Request::new(&id, &Method::ElicitationCreate, &params.to_string())
        };
        let questions: Vec<_> = elicitations.iter().enumerate().map(question).collect();
        (!questions.is_empty()).then_some(questions)
    }
}

/// Maximum time to wait for a response before the reply becomes a stream, which can be kept alive.
const STREAM_THRESHOLD: Duration = Duration::from_secs(5);
