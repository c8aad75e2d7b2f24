use std::sync::Arc;

use futures_util::future::join_all;
use tokio::time;

use super::{Inner, Shared, send};
use crate::call::Routed;
use crate::error::{RequestError, RouteError, UpstreamError};
use crate::jsonrpc::Request;
use crate::protocol::Method;
use crate::route::{Feature, Target};
use crate::{Call, Error, Reply};

/// What each server said, in the order of the gateway.
pub(super) type Answers<T> = Vec<(Arc<str>, Result<T, Error>)>;

impl Shared {
    /// Sends the method of `call` to all servers at the same time, and waits for those that answer
    /// in time.
    pub(super) async fn ask_all<S: Inner>(
        &self,
        inner: &S,
        call: &Call,
        params: &str,
    ) -> Answers<Reply> {
        let request = Request::new(call.request().id(), call.request().method(), params);
        let asked = self.router.servers();
        let asked = asked.iter().map(|server| {
            let call = call.derive(
                request.clone(),
                Routed::to_server(server, call.request().method()),
            );
            self.ask(inner.clone(), call)
        });
        join_all(asked).await
    }

    /// Sends `call` to its server, and waits for the answer if it comes in time.
    pub(super) async fn ask<S: Inner>(
        &self,
        inner: S,
        call: Call<Routed>,
    ) -> (Arc<str>, Result<Reply, Error>) {
        let server = Arc::clone(&call.target().server);
        let answer = match time::timeout(self.patience, send(inner, call)).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::Upstream {
                server: Arc::clone(&server),
                source: UpstreamError::Timeout,
            }),
        };
        if let Err(error) = &answer
            && !is_refusal(error)
        {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::warn!(%server, %error, cause, "a server has no part in an answer");
        }
        (server, answer)
    }
}

impl Routed {
    /// The stage of a request of `method` that is for the server as such, or for one of its lists.
    pub(super) fn to_server(server: &Arc<str>, method: &Method) -> Self {
        let target = Target::new(Arc::clone(server), Feature::of_method(method));
        Self { target }
    }
}

/// Whether the caller may not know of the server, so that its absence is no failure.
fn is_refusal(error: &Error) -> bool {
    matches!(error, Error::Route(_))
}

/// Whether a server did not answer that should have.
pub(super) fn failed<T>(answer: &Result<T, Error>) -> bool {
    answer.as_ref().is_err_and(|error| !is_refusal(error))
}

/// What the servers answered of those that did; the first failure where all of them failed.
pub(super) fn answered<T>(answers: Answers<T>) -> Result<Vec<(Arc<str>, T)>, Error> {
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

/// The error of a method that none of the servers has.
pub(super) fn unknown_method(call: &Call) -> Error {
    let method = call.request().method().as_str().into();
    RouteError::UnknownMethod { method }.into()
}

/// Why a request that has to name something cannot be answered.
pub(super) fn nameless(request: &Request) -> RequestError {
    let param = request.method().name_param().unwrap_or("name");
    RequestError::InvalidParams {
        detail: format!("params.{param} must be a string").into(),
    }
}
