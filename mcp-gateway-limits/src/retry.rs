//! Retries of calls that can be repeated without harm.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::Either;
use mcp_gateway_core::call::{Call, Permitted};
use mcp_gateway_core::jsonrpc::Request;
use mcp_gateway_core::protocol::Method;
use mcp_gateway_core::upstream::{ServerPool, UpstreamError};
use mcp_gateway_core::{Error, Reply};
use mcp_gateway_policy::{Candidates, Hint, Scope};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tower_layer::Layer;
use tower_service::Service;

use crate::active::Active;
use crate::charges::is_unsent;

/// Permission to retry the calls that a scope matches.
///
/// A call is retried only if the list of its server marks the tool as read-only or idempotent, and
/// if no reply has begun: the connection failed, or the server answered with 429, 502, 503 or 504.
///
/// # Example
///
/// ```
/// use mcp_gateway_limits::Retry;
/// use mcp_gateway_policy::Scope;
///
/// let retry = Retry::new("reading", 3).with_scope(Scope::new().with_servers(["search"]));
/// assert_eq!(retry.attempts(), 3);
/// assert_eq!(Retry::new("many", 100).attempts(), Retry::MAX_ATTEMPTS);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub struct Retry {
    name: Arc<str>,
    scope: Scope,
    attempts: u32,
}

/// Permissions to retry, of which the first that concerns a call decides.
#[derive(Debug)]
pub struct RetrySet {
    scopes: Box<[Scope]>,
    attempts: Box<[u32]>,
    candidates: Candidates,
}

/// Permissions to retry at a gateway, replaceable while calls are in flight.
pub type ActiveRetries = Active<RetrySet>;

impl Retry {
    /// Maximum number of attempts of a call.
    pub const MAX_ATTEMPTS: u32 = 3;

    /// Creates the permission to send each call up to `attempts` times, at most
    /// [`MAX_ATTEMPTS`](Self::MAX_ATTEMPTS).
    pub fn new(name: impl Into<Arc<str>>, attempts: u32) -> Self {
        Self {
            name: name.into(),
            scope: Scope::new(),
            attempts: attempts.clamp(1, Self::MAX_ATTEMPTS),
        }
    }

    /// Restricts the retries to the calls in `scope`.
    pub fn with_scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Returns the maximum number of attempts.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Returns the calls that may be retried.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }
}

impl RetrySet {
    /// Creates a set of `retries`; `None` if there are none.
    #[must_use]
    pub fn new(retries: &[Retry]) -> Option<Arc<Self>> {
        if retries.is_empty() {
            return None;
        }
        Some(Arc::new(Self {
            scopes: retries.iter().map(|retry| retry.scope.clone()).collect(),
            attempts: retries.iter().map(Retry::attempts).collect(),
            candidates: Candidates::default(),
        }))
    }

    /// Returns the number of attempts of `call` at `gateway`.
    fn attempts(&self, gateway: &str, call: &Call<Permitted>, pool: &ServerPool) -> u32 {
        let target = call.target();
        let request = call.request();
        if request.method() != &Method::ToolsCall || is_single(request) {
            return 1;
        }
        let candidates = self.candidates.of(&self.scopes, gateway, target);
        let mut candidates = candidates.iter();
        let found = candidates.find(|at| self.scopes[**at].has_caller(call.caller()));
        let Some(at) = found else {
            return 1;
        };
        let Some(entry) = pool.entry(&target.server, &target.feature) else {
            return 1;
        };
        let declares = |hint: Hint| entry.hint(hint.as_str()) == Some(true);
        match declares(Hint::Idempotent) || declares(Hint::ReadOnly) {
            true => self.attempts[*at],
            false => 1,
        }
    }
}

/// A [`Layer`] that applies [`RetryCalls`].
#[derive(Clone, Debug)]
pub struct RetryLayer {
    active: ActiveRetries,
    pool: ServerPool,
}

impl RetryLayer {
    /// Creates a layer that retries calls as `retries` permit it, for tools that the servers of
    /// `pool` have listed.
    #[must_use]
    pub fn new(retries: ActiveRetries, pool: ServerPool) -> Self {
        let active = retries;
        Self { active, pool }
    }
}

impl<S> Layer<S> for RetryLayer {
    type Service = RetryCalls<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RetryCalls {
            inner,
            layer: self.clone(),
        }
    }
}

/// A service that sends calls again that have failed before a reply began.
#[derive(Clone, Debug)]
pub struct RetryCalls<S> {
    inner: S,
    layer: RetryLayer,
}

impl<S> Service<Call<Permitted>> for RetryCalls<S>
where
    S: Service<Call<Permitted>, Response = Reply, Error = Error> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Reply;
    type Error = Error;
    type Future = RetryFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call<Permitted>) -> Self::Future {
        let active = self.layer.active.load();
        let attempts = active.as_ref().map_or(1, |active| {
            active
                .set
                .attempts(&active.gateway, &call, &self.layer.pool)
        });
        if attempts < 2 {
            return Either::Left(self.inner.call(call));
        }
        // Take the service that was polled ready, and leave its clone behind.
        let clone = self.inner.clone();
        let inner = mem::replace(&mut self.inner, clone);
        let timeout = self.layer.pool.timeout(&call.target().server);
        let repeated = Repeated {
            attempts,
            started: Instant::now(),
            timeout: timeout.unwrap_or(PATIENCE),
        };
        Either::Right(Box::pin(repeated.send(inner, call)))
    }
}

/// The response future of [`RetryCalls`].
pub type RetryFuture<F> = Either<F, Sent>;

/// A call that may be sent several times.
pub type Sent = Pin<Box<dyn Future<Output = Result<Reply, Error>> + Send>>;

/// A call that may be sent several times.
struct Repeated {
    attempts: u32,
    started: Instant,
    /// Time in which the server must respond, for all attempts together.
    timeout: Duration,
}

impl Repeated {
    /// Sends `call` until it has a reply, or a failure that is final.
    async fn send<S>(self, mut inner: S, call: Call<Permitted>) -> Result<Reply, Error>
    where
        S: Service<Call<Permitted>, Response = Reply, Error = Error>,
    {
        // The first attempt has the timeout of the server itself.
        let mut failure = match inner.call(call.share()).await {
            Ok(reply) => return Ok(reply),
            Err(error) => error,
        };
        let mut pause = FIRST_PAUSE;
        for _ in 1..self.attempts {
            let Some(wait) = self.wait_after(&failure, pause) else {
                break;
            };
            if !has_waited(&call, wait).await {
                break;
            }
            std::future::poll_fn(|cx| inner.poll_ready(cx)).await?;
            if !is_unsent(&failure) {
                call.spend_approval();
            }
            call.attempts().record_retry();
            tracing::debug!(server = %call.target().server, "call is sent again");
            match self.attempt(inner.call(call.share()), &call).await {
                Ok(reply) => return Ok(reply),
                Err(error) => failure = weightier(failure, error),
            }
            pause *= 4;
        }
        Err(failure)
    }

    /// Waits for another attempt, until the time of the whole call has passed.
    async fn attempt<F>(&self, sent: F, call: &Call<Permitted>) -> Result<Reply, Error>
    where
        F: Future<Output = Result<Reply, Error>>,
    {
        let replied = timeout_at(self.started + self.timeout, sent).await;
        replied.unwrap_or_else(|_| {
            let server = Arc::clone(&call.target().server);
            let source = UpstreamError::Timeout;
            Err(Error::Upstream { server, source })
        })
    }

    /// Returns the time to wait after `error`; `None` if the call must not be sent again.
    fn wait_after(&self, error: &Error, pause: Duration) -> Option<Duration> {
        let wait = wait_after(error, pause)?;
        let last = self.started + self.timeout.min(PATIENCE);
        (Instant::now() + wait < last).then_some(wait)
    }
}

/// Returns the failure to report after `first` and `last`.
///
/// A call that reached the server once must not be reported, nor counted, as one that did not.
fn weightier(first: Error, last: Error) -> Error {
    match is_unsent(&last) && !is_unsent(&first) {
        true => first,
        false => last,
    }
}

/// Returns `true` if the request belongs to a dialogue, or begins a task: the server may have
/// received the answers, and each attempt would begin a task.
fn is_single(request: &Request) -> bool {
    let members = ["inputResponses", "requestState", "task"];
    members
        .into_iter()
        .any(|member| request.param(member).is_some())
}

/// Waits for `wait`; returns `false` if the client cancels the call meanwhile.
async fn has_waited(call: &Call<Permitted>, wait: Duration) -> bool {
    match call.cancellation() {
        Some(cancellation) => timeout(wait, cancellation.cancelled()).await.is_err(),
        None => {
            sleep(wait).await;
            true
        }
    }
}

/// Returns the time to wait after `error`; `None` if the call must not be sent again.
fn wait_after(error: &Error, pause: Duration) -> Option<Duration> {
    let Error::Upstream { source, .. } = error else {
        return None;
    };
    match source {
        UpstreamError::Closed | UpstreamError::Connect(_) => Some(pause),
        UpstreamError::Overloaded { retry_after } => Some(*retry_after),
        UpstreamError::Status(status) if matches!(status.as_u16(), 502..=504) => Some(pause),
        _ => None,
    }
}

/// Pause before the second attempt; four times as long before the third.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Time after which no attempt begins.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
