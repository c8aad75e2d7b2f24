//! Requests to all servers of a gateway, and the evaluation of their answers.

use std::pin::pin;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time;

use super::{RoutedService, Shared, send};
use crate::call::Routed;
use crate::error::{RequestError, RouteError, UpstreamError};
use crate::jsonrpc::Request;
use crate::protocol::Method;
use crate::route::{Feature, Target};
use crate::{Call, Error, Reply};

/// Answers of the servers, in the order of the gateway.
pub(super) type FanOutResults<T> = Vec<(Arc<str>, Result<T, Error>)>;

impl Shared {
    /// Sends the method of `call` with `params` to all servers concurrently, and waits for their
    /// answers.
    ///
    /// Once a server has answered successfully, the others have only the rest of the short wait, and
    /// none if they are known to be slow: a slow server must not delay those that are ready. Its
    /// answer is announced as a change later. While no server has answered, slow ones are awaited.
    pub(super) async fn call_all<S: RoutedService>(
        &self,
        inner: &S,
        call: &Call,
        params: &str,
    ) -> FanOutResults<Reply> {
        let request = Request::new(call.request().id(), call.request().method(), params);
        let servers = self.router.servers();
        let ask = |at: usize, is_merged: bool| {
            let server: &Arc<str> = &servers[at];
            let stage = Routed::to_server(server, call.request().method());
            let call = call.for_request(request.clone(), stage);
            let reply = send(inner.clone(), call.with_merged(is_merged));
            async move { (at, is_merged, reply.await) }
        };
        let is_merged = servers.len() > 1;
        let mut pending: FuturesUnordered<_> =
            (0..servers.len()).map(|at| ask(at, is_merged)).collect();
        let mut answers: Vec<_> = servers.iter().map(|_| None).collect();
        let (short, long) = (time::sleep(self.wait), time::sleep(self.patience));
        let (mut short, mut long) = (pin!(short), pin!(long));
        let (mut may_end, mut awaited) = (false, servers.len());
        loop {
            tokio::select! {
                biased;
                answer = pending.next() => match answer {
                    Some((at, is_merged, answer)) => {
                        awaited -= usize::from(is_merged);
                        if is_merged && is_late(&answer) {
                            pending.push(ask(at, false));
                        }
                        answers[at] = Some(answer);
                    }
                    None => break,
                },
                () = &mut short, if !may_end => may_end = true,
                () = &mut long => break,
            }
            let may_end = may_end || is_merged && awaited == 0;
            if may_end && answers.iter().flatten().any(Result::is_ok) {
                break;
            }
        }
        let answers = servers.iter().zip(answers);
        answers
            .map(|(server, answer)| self.answered(server, request.method(), answer))
            .collect()
    }

    /// Sends `call` to its server, and waits for the answer for the configured time.
    pub(super) async fn call_one<S: RoutedService>(
        &self,
        inner: S,
        call: Call<Routed>,
    ) -> (Arc<str>, Result<Reply, Error>) {
        let server = Arc::clone(&call.target().server);
        let method = call.request().method().clone();
        let call = call.with_merged(self.router.servers().len() > 1);
        let answer = time::timeout(self.patience, send(inner, call)).await;
        self.answered(&server, &method, answer.ok())
    }

    /// Returns the answer of a server, which is a timeout if there is none. A change from success
    /// to failure, or back, is logged.
    fn answered(
        &self,
        server: &Arc<str>,
        method: &Method,
        answer: Option<Result<Reply, Error>>,
    ) -> (Arc<str>, Result<Reply, Error>) {
        let late = || Err(Error::of_server(server)(UpstreamError::Timeout));
        let answer = answer.unwrap_or_else(late);
        self.omissions.record(server, method, &answer);
        (Arc::clone(server), answer)
    }
}

impl Routed {
    /// Creates the stage of a call of `method` that names no feature of the server.
    pub(in crate::layer) fn to_server(server: &Arc<str>, method: &Method) -> Self {
        let target = Target::new(Arc::clone(server), Feature::of_method(method));
        Self::new(target)
    }
}

/// Returns `true` if the server is hidden from the caller, so that its absence is no failure.
pub(super) fn is_refusal(error: &Error) -> bool {
    matches!(error, Error::Route(_))
}

/// Returns `true` if a server that the caller may use did not answer.
pub(super) fn is_failure<T>(answer: &Result<T, Error>) -> bool {
    answer.as_ref().is_err_and(|error| !is_refusal(error))
}

/// Returns `true` if a server did not answer in time, so that it may do so later.
pub(super) fn is_late<T>(answer: &Result<T, Error>) -> bool {
    matches!(
        answer,
        Err(Error::Upstream {
            source: UpstreamError::Timeout,
            ..
        })
    )
}

/// Returns the successful answers, or the first failure if there are none.
pub(super) fn successes<T>(answers: FanOutResults<T>) -> Result<Vec<(Arc<str>, T)>, Error> {
    let mut failure = None;
    let mut answered = Vec::with_capacity(answers.len());
    for (server, answer) in answers {
        match answer {
            Ok(answer) => answered.push((server, answer)),
            Err(error) if is_refusal(&error) => {}
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    match failure {
        Some(error) if answered.is_empty() => Err(error),
        _ => Ok(answered),
    }
}

/// Returns the error for a method that no server supports.
pub(super) fn unknown_method(call: &Call) -> Error {
    RouteError::unknown_method(call.request().method().as_str()).into()
}

/// Returns the error for a request without a required name.
pub(super) fn missing_name(request: &Request) -> RequestError {
    let param = request.method().name_param().unwrap_or("name");
    RequestError::InvalidParams {
        detail: format!("params.{param} must be a string").into(),
    }
}
