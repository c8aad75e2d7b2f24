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

/// Carries the reply of a server of the modern era to a client of the legacy era.
///
/// Where the server requires input, its client is asked, and the call is repeated with the answers.
pub(crate) struct Asking {
    server: Arc<dyn Resend>,
    call: Arc<Call<Prepared>>,
    crossing: Crossing,
    ready: VecDeque<Event>,
    rounds: u32,
}

/// A server to which a call can be sent again.
#[async_trait]
pub(crate) trait Resend: Send + Sync + 'static {
    /// Sends `call`, and returns the reply when its beginning is known.
    async fn resend(&self, call: &Call<Prepared>) -> Result<Reply, UpstreamError>;
}

/// How far the call is.
enum Stage {
    Receiving(Events),
    Received(Response),
    Waiting(Answers),
}

/// What the client has been asked.
struct Answers {
    requests: HashMap<Id, Request>,
    state: Option<String>,
    responses: mpsc::UnboundedReceiver<Response>,
}

impl Asking {
    pub(crate) fn new(server: Arc<dyn Resend>, call: Arc<Call<Prepared>>) -> Self {
        Self {
            server,
            crossing: Crossing::of(&call),
            call,
            ready: VecDeque::new(),
            rounds: 0,
        }
    }

    /// The reply as the client is to see it.
    pub(crate) async fn carry(self, reply: Reply) -> Result<Reply, UpstreamError> {
        match received(reply).await? {
            Stage::Received(response) if !asks(&response)? => {
                let response = self.crossing.response(&response)?;
                Ok(reply::single(self.crossing.status(&response), &response))
            }
            stage => Ok(Reply::Events(self.into_events(stage))),
        }
    }

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

    /// The next event, and what comes after it.
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
                            let error = "in this revision a server cannot send requests";
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

    fn end(&self, response: &Response) -> Result<(Event, Option<Stage>), UpstreamError> {
        let response = self.crossing.response(response)?;
        let response = response.with_id(self.call.request().id());
        Ok((Event::Response(response), None))
    }

    /// Asks the client what the server wants to know.
    fn ask(&mut self, wanted: InputRequired) -> Result<Answers, UpstreamError> {
        self.rounds += 1;
        if self.rounds > MAX_ROUNDS {
            return Err(UpstreamError::invalid("it wants input again and again"));
        }
        let capabilities = self.call.client().capabilities();
        let (answered, responses) = mpsc::unbounded_channel();
        let mut requests = HashMap::new();
        for request in wanted.requests {
            if !input::is_permitted(&request, capabilities) {
                return Err(UpstreamError::invalid(format_args!(
                    "it asks for {}, which the client cannot answer",
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

    /// Repeats the call, with what the client has answered.
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
    /// The JSON text of all answers, and the state that goes with them.
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

/// Takes the answers to what a server of the modern era wants to know.
#[derive(Debug)]
struct Answered(mpsc::UnboundedSender<Response>);

#[async_trait]
impl Respond for Answered {
    async fn respond(&self, response: Response) -> Result<(), UpstreamError> {
        self.0.send(response).map_err(|_| UpstreamError::Closed)
    }
}

async fn received(reply: Reply) -> Result<Stage, UpstreamError> {
    match reply {
        Reply::Events(events) => Ok(Stage::Receiving(events)),
        json @ Reply::Json { .. } => super::response(json).await.map(Stage::Received),
    }
}

/// Whether the server wants to know something before it goes on.
fn asks(response: &Response) -> Result<bool, UpstreamError> {
    match response.result() {
        Ok(result) => Ok(InputRequired::read(result)?.is_some()),
        Err(_) => Ok(false),
    }
}

/// The pause before a call is repeated for which nobody was asked.
const MIN_PAUSE: Duration = Duration::from_millis(50);

/// How often a server may want input for one call.
const MAX_ROUNDS: u32 = 100;
