//! Scripts instead of single calls: `run_code`.

mod calls;
mod value;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{StreamExt, future, stream};
use serde_json::{Value, json};
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::time;
use tracing::Instrument as _;

use super::super::{RoutedService, Shared};
use super::functions::Functions;
use super::{failure, result_text};
use crate::auth::Principal;
use crate::error::UpstreamError;
use crate::jsonrpc::{Notification, Response};
use crate::protocol::Method;
use crate::reply::{self, ReplyEvent, ReplyStream};
use crate::script::{Script, ScriptCall, ScriptOutcome, ScriptRunner};
use crate::{Call, Error, Reply};

/// Scripts of a gateway.
#[derive(Debug)]
pub(in crate::layer::dispatch) struct Scripts {
    runner: Arc<dyn ScriptRunner>,
    /// Number of scripts that run for each principal; without entries of 0.
    running: Mutex<HashMap<Principal, usize>>,
}

/// Place of a script among those of its principal.
struct Place {
    scripts: Arc<Scripts>,
    principal: Principal,
}

impl Scripts {
    pub(super) fn new(runner: Arc<dyn ScriptRunner>) -> Self {
        let running = Mutex::default();
        Self { runner, running }
    }

    /// Returns a place for a script; `None` if too many of the principal run.
    fn place(self: &Arc<Self>, principal: &Principal) -> Option<Place> {
        let principal = principal.clone().without_assertion();
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let count = running.entry(principal.clone()).or_default();
        if *count >= MOST_SCRIPTS {
            return None;
        }
        *count += 1;
        drop(running);
        let scripts = Arc::clone(self);
        Some(Place { scripts, principal })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let running = self.scripts.running.lock();
        let mut running = running.unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = running.get_mut(&self.principal) {
            *count -= 1;
            if *count == 0 {
                running.remove(&self.principal);
            }
        }
    }
}

impl Shared {
    /// Serves a call of `run_code`.
    pub(super) async fn run_code<S: RoutedService>(
        self: Arc<Self>,
        scripts: Arc<Scripts>,
        inner: S,
        call: Call,
    ) -> Result<Reply, Error> {
        let Some(source) = source(call.request().param("arguments")) else {
            let message = "Invalid arguments: send an object with \"code\", a script as text.";
            return Ok(failure(&call, message, None));
        };
        let Some(place) = scripts.place(call.principal()) else {
            let message =
                format!("{MOST_SCRIPTS} of your scripts are running. Wait until one has ended.");
            return Ok(failure(&call, &message, None));
        };
        let functions = self.functions(&inner, &call).await?;
        let script = Script::new(source, functions.names());
        let is_followed = call.request().meta("progressToken").is_some();
        let (events, messages) = mpsc::unbounded_channel();
        let run = Run {
            shared: self,
            inner,
            call,
            functions,
            events,
            place,
        };
        into_reply(run.execute(script), messages, is_followed).await
    }
}

/// Returns the reply to a call whose `work` sends `messages`: a document if the response is the
/// first one and comes soon.
async fn into_reply(
    work: impl Future<Output = ()> + Send + 'static,
    mut messages: mpsc::UnboundedReceiver<ReplyEvent>,
    is_followed: bool,
) -> Result<Reply, Error> {
    let work = stream::once(work.in_current_span()).filter_map(|()| future::ready(None));
    let messages = stream::poll_fn(move |cx| messages.poll_recv(cx));
    let mut events = ReplyStream::new(stream::select(messages, work).map(Ok));
    if is_followed {
        return Ok(Reply::Events(events));
    }
    let Ok(first) = time::timeout(STREAM_THRESHOLD, events.next()).await else {
        return Ok(Reply::Events(events));
    };
    match first.unwrap_or(Err(UpstreamError::Closed)) {
        Ok(ReplyEvent::Response(response)) => {
            Ok(reply::single_response(http::StatusCode::OK, &response))
        }
        first => {
            let first = stream::iter([first]);
            Ok(Reply::Events(ReplyStream::new(first.chain(events))))
        }
    }
}

/// A script that runs, and the call that it belongs to.
struct Run<S> {
    shared: Arc<Shared>,
    inner: S,
    call: Call,
    functions: Functions,
    /// Messages to the client.
    events: UnboundedSender<ReplyEvent>,
    place: Place,
}

/// A call of a script.
struct MadeCall {
    number: usize,
    /// Function, as the script names it.
    path: String,
    /// `None` if the script ended before the call.
    is_success: Option<bool>,
}

impl<S: RoutedService> Run<S> {
    /// Runs a script, and sends the response.
    async fn execute(self, script: Script) {
        let (calls, mut requested) = mpsc::unbounded_channel();
        let mut running = self.place.scripts.runner.run(script, calls);
        let (mut waiting, mut made) = (VecDeque::new(), Vec::new());
        let mut in_flight = FuturesUnordered::new();
        // Effects of calls in flight remain, too.
        let (mut number, mut sent) = (0, BTreeMap::new());
        let outcome = loop {
            tokio::select! {
                outcome = &mut running => break outcome,
                Some(call) = requested.recv() => waiting.push_back(call),
                Some(call) = in_flight.next(), if !in_flight.is_empty() => {
                    self.report_progress(&call, made.len() + 1);
                    sent.remove(&call.number);
                    made.push(call);
                }
            }
            while in_flight.len() < MOST_AT_ONCE
                && let Some(call) = waiting.pop_front()
            {
                number += 1;
                sent.insert(number, function_name(&call));
                in_flight.push(self.serve(number, call));
            }
        };
        made.extend(sent.into_iter().map(|(number, path)| MadeCall {
            number,
            path,
            is_success: None,
        }));
        let text = result_text(&self.call, result(outcome, &made));
        let response = Response::new(self.call.request().id(), &text);
        // A client that has gone needs no response.
        let _ = self.events.send(ReplyEvent::Response(response));
    }

    /// Answers a call of the script.
    async fn serve(&self, number: usize, call: ScriptCall) -> MadeCall {
        let path = function_name(&call);
        let answer = match self.functions.tool(&call.namespace, &call.function) {
            Some(tool) => self.call_tool(number, tool, &call.arguments).await,
            None => Err("there is no such function".to_owned()),
        };
        let is_success = Some(answer.is_ok());
        call.answer(answer);
        MadeCall {
            number,
            path,
            is_success,
        }
    }

    /// Notifies a client that follows the progress of the script.
    fn report_progress(&self, call: &MadeCall, count: usize) {
        let Some(token) = self.call.request().meta("progressToken") else {
            return;
        };
        let message = Value::from(&*call.path);
        let params =
            format!("{{\"progressToken\":{token},\"progress\":{count},\"message\":{message}}}");
        let method = Method::from("notifications/progress");
        let notification = Notification::new(&method, Some(&params));
        let _ = self.events.send(ReplyEvent::Notification(notification));
    }
}

/// Returns the function that a script calls, as the script names it.
fn function_name(call: &ScriptCall) -> String {
    format!("{}.{}", call.namespace, call.function)
}

/// Returns the source in the arguments of `run_code`.
fn source(arguments: Option<&str>) -> Option<String> {
    let arguments: Value = serde_json::from_str(arguments?).ok()?;
    Some(arguments.get("code")?.as_str()?.to_owned())
}

/// Returns the result of `run_code`.
fn result(outcome: ScriptOutcome, made: &[MadeCall]) -> Value {
    let mut texts = Vec::new();
    let is_error = outcome.result.is_err();
    match outcome.result {
        // A text needs no quotes.
        Ok(json) => texts.push(match serde_json::from_str(&json) {
            Ok(Value::String(text)) => text,
            _ => json,
        }),
        Err(error) => {
            let mut text = format!("The script has failed: {error}");
            if !made.is_empty() {
                text.push_str("\nIt had made these calls: ");
                text.push_str(&summary(made));
            }
            texts.push(text);
        }
    }
    if !outcome.console.is_empty() {
        texts.push(format!("Console:\n{}", outcome.console.trim_end()));
    }
    let content: Vec<_> = texts
        .into_iter()
        .map(|text| json!({ "type": "text", "text": text }))
        .collect();
    match is_error {
        true => json!({ "content": content, "isError": true }),
        false => json!({ "content": content }),
    }
}

fn summary(made: &[MadeCall]) -> String {
    let one = |call: &MadeCall| match call.is_success {
        Some(true) => call.path.clone(),
        Some(false) => format!("{} (failed)", call.path),
        None => format!("{} (not completed)", call.path),
    };
    let mut names: Vec<_> = made.iter().take(MOST_NAMES).map(one).collect();
    if made.len() > MOST_NAMES {
        names.push(format!("{} more", made.len() - MOST_NAMES));
    }
    names.join(", ")
}

/// Most scripts of a principal at the same time.
const MOST_SCRIPTS: usize = 4;

/// Most calls of a script at the same time. Further ones wait.
const MOST_AT_ONCE: usize = 8;

/// Most calls that an error names.
const MOST_NAMES: usize = 20;

/// Time to wait for the response before the reply becomes a stream.
const STREAM_THRESHOLD: Duration = Duration::from_secs(5);
