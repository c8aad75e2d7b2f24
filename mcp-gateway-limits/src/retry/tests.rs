use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures_util::StreamExt as _;
use http::StatusCode;
use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::call::Prepared;
use mcp_gateway_core::catalog::{CatalogEntry, Listing};
use mcp_gateway_core::jsonrpc::{Id, Request};
use mcp_gateway_core::layer::authorize::AuthorizeLayer;
use mcp_gateway_core::layer::dispatch::DispatchLayer;
use mcp_gateway_core::layer::observe::ObserveLayer;
use mcp_gateway_core::limit::Limits;
use mcp_gateway_core::observe::{CallReport, Observer};
use mcp_gateway_core::policy::AllowAll;
use mcp_gateway_core::protocol::{Capabilities, ListKind, ProtocolVersion};
use mcp_gateway_core::reply::{CallOutcome, ReplyStream};
use mcp_gateway_core::route::{Feature, PrefixRouter};
use mcp_gateway_core::upstream::{PooledServer, Upstream};
use mcp_gateway_core::{Caller, Cancellation, ClientInfo};
use tower::{ServiceBuilder, ServiceExt, service_fn};

use super::*;
use crate::{ActiveLimits, Bound, Limit, LimitLayer, Limiter, Rate};

/// A server that lists two tools.
#[derive(Debug)]
struct Listed(Listing);

impl Listed {
    fn new() -> Self {
        let tools = r#"{"tools":[
            {"name":"read","inputSchema":{},"annotations":{"readOnlyHint":true}},
            {"name":"write","inputSchema":{}}]}"#;
        Self(Listing::from_result("files", ListKind::Tools, &tools.into()).unwrap())
    }
}

#[async_trait]
impl Upstream for Listed {
    async fn send(&self, call: Call<Prepared>) -> Result<Reply, UpstreamError> {
        Ok(Reply::result(call.request().id(), "{}"))
    }

    fn entry(&self, feature: &Feature) -> Option<CatalogEntry> {
        self.0.get(feature.name()?).cloned()
    }
}

/// A stack whose server fails with `errors` first, and the number of attempts.
struct Server {
    pool: ServerPool,
    state: Arc<Mutex<(usize, VecDeque<UpstreamError>)>>,
    /// Reports of the observer: outcome and number of retries.
    reports: Arc<Reports>,
    limits: ActiveLimits,
}

#[derive(Debug, Default)]
struct Reports(Mutex<Vec<(CallOutcome, u32)>>);

impl Observer for Reports {
    fn on_call_end(&self, call: &CallReport<'_>) {
        self.0.lock().unwrap().push((call.outcome, call.retries));
    }
}

impl Server {
    fn new(errors: Vec<UpstreamError>) -> Self {
        let listed = Arc::new(Listed::new());
        let limits = Limits::default().with_timeout(Duration::from_secs(5));
        let pool = ServerPool::new();
        pool.insert("files", PooledServer::new(listed, limits));
        Self {
            pool,
            state: Arc::new(Mutex::new((0, errors.into()))),
            reports: Arc::default(),
            limits: ActiveLimits::default(),
        }
    }

    /// Sends the call. An attempt whose error is a timeout never ends.
    async fn send(&self, params: &str, cancellation: Cancellation) -> Result<Reply, Error> {
        let active = ActiveRetries::default();
        active.replace("main", RetrySet::new(&[Retry::new("all", 3)]));
        let policy = Arc::new(AllowAll::new());
        let router = Arc::new(PrefixRouter::by_name(["files"]).unwrap());
        let observe = ObserveLayer::new(self.pool.clone());
        let state = Arc::clone(&self.state);
        let stack = ServiceBuilder::new()
            .layer(DispatchLayer::new(router, policy.clone()))
            .layer(observe.with_observer(self.reports.clone()))
            .layer(AuthorizeLayer::new(policy))
            .layer(LimitLayer::new(self.limits.clone()))
            .layer(RetryLayer::new(active, self.pool.clone()))
            .service(service_fn(move |call: Call<Permitted>| {
                let state = Arc::clone(&state);
                async move {
                    let error = {
                        let mut state = state.lock().unwrap();
                        state.0 += 1;
                        state.1.pop_front()
                    };
                    let server = "files".into();
                    match error {
                        Some(UpstreamError::Timeout) => std::future::pending().await,
                        Some(source) => Err(Error::Upstream { server, source }),
                        None => Ok(Reply::result(call.request().id(), "{}")),
                    }
                }
            }));
        let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
        let caller = Arc::new(Caller::new(Principal::new("alice"), "main", client));
        let request = Request::new(&Id::from(1), &Method::ToolsCall, params);
        let call = Call::trusted(request, caller).with_cancellation(cancellation);
        stack.oneshot(call).await
    }

    async fn call(&self, tool: &str) -> Result<Reply, Error> {
        let params = format!(r#"{{"name":"files__{tool}"}}"#);
        self.send(&params, Cancellation::new()).await
    }

    fn attempts(&self) -> usize {
        self.state.lock().unwrap().0
    }
}

/// Calls `tool` of a server that fails with `errors` first; returns the number of attempts, and
/// whether there is a reply.
async fn attempts(tool: &str, errors: Vec<UpstreamError>) -> (usize, bool) {
    let server = Server::new(errors);
    let is_ok = server.call(tool).await.is_ok();
    (server.attempts(), is_ok)
}

fn overloaded(seconds: u64) -> UpstreamError {
    let retry_after = Duration::from_secs(seconds);
    UpstreamError::Overloaded { retry_after }
}

fn status(status: StatusCode) -> UpstreamError {
    UpstreamError::Status(status)
}

#[tokio::test(start_paused = true)]
async fn only_harmless_calls_are_sent_again() {
    let failed = || vec![UpstreamError::Closed, overloaded(1)];
    assert_eq!(attempts("read", failed()).await, (3, true));
    assert_eq!(attempts("write", failed()).await, (1, false));
    assert_eq!(attempts("unlisted", failed()).await, (1, false));
}

#[tokio::test(start_paused = true)]
async fn only_failures_that_pass_are_followed_by_another_attempt() {
    for passing in [502, 503, 504] {
        let passing = status(StatusCode::from_u16(passing).unwrap());
        assert_eq!(attempts("read", vec![passing]).await, (2, true));
    }
    for lasting in [
        status(StatusCode::INTERNAL_SERVER_ERROR),
        status(StatusCode::NOT_FOUND),
        UpstreamError::invalid("no message"),
        overloaded(60),
        overloaded(5),
    ] {
        assert_eq!(attempts("read", vec![lasting]).await, (1, false));
    }
    let always = (0..5).map(|_| UpstreamError::Closed).collect();
    assert_eq!(attempts("read", always).await, (3, false));
}

#[tokio::test(start_paused = true)]
async fn calls_of_a_dialogue_are_sent_once() {
    for member in [
        r#""requestState":"x""#,
        r#""inputResponses":{}"#,
        r#""task":{}"#,
    ] {
        let server = Server::new(vec![UpstreamError::Closed]);
        let params = format!(r#"{{"name":"files__read",{member}}}"#);
        let reply = server.send(&params, Cancellation::new()).await;
        assert!(reply.is_err() && server.attempts() == 1, "{member}");
    }
}

#[tokio::test(start_paused = true)]
async fn all_attempts_end_with_the_timeout_of_the_server() {
    let server = Server::new(vec![UpstreamError::Closed, UpstreamError::Timeout]);
    let started = Instant::now();
    let error = server.call("read").await.unwrap_err();
    assert_eq!(started.elapsed(), Duration::from_secs(5));
    assert_eq!(server.attempts(), 2);
    let Error::Upstream { source, .. } = error else {
        panic!("{error}");
    };
    assert!(matches!(source, UpstreamError::Timeout));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_is_not_sent_again() {
    let server = Server::new(vec![overloaded(3)]);
    let cancellation = Cancellation::new();
    let params = r#"{"name":"files__read"}"#;
    let sent = server.send(params, cancellation.clone());
    let cancelled = async {
        sleep(Duration::from_secs(1)).await;
        cancellation.cancel();
    };
    let (reply, ()) = tokio::join!(sent, cancelled);
    assert!(reply.is_err() && server.attempts() == 1);
    // A modern client closes its connection instead.
    let server = Server::new(vec![overloaded(3)]);
    let sent = timeout(Duration::from_secs(1), server.call("read")).await;
    sleep(Duration::from_secs(10)).await;
    assert!(sent.is_err() && server.attempts() == 1);
}

#[tokio::test(start_paused = true)]
async fn attempts_are_one_call_of_limits_and_reports() {
    let server = Server::new(vec![UpstreamError::Closed, overloaded(1)]);
    let amount = NonZeroU32::new(1).unwrap();
    let rate = Bound::Rate(Rate::new(amount, Duration::from_secs(3_600)));
    let limits = Limiter::new(None).limits([Limit::new("one", rate)]);
    server.limits.replace("main", limits);
    assert!(server.call("read").await.is_ok());
    assert_eq!(server.attempts(), 3);
    let rejected = server.call("read").await.unwrap_err();
    assert!(matches!(rejected, Error::LimitReached { .. }));
    assert_eq!(server.attempts(), 3);
    let reports = server.reports.0.lock().unwrap();
    assert_eq!(
        *reports,
        [(CallOutcome::Success, 2), (CallOutcome::Failed, 0)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_that_may_have_run_is_not_reported_as_unsent() {
    let refused = || UpstreamError::connect("refused");
    for (errors, is_counted) in [
        (vec![UpstreamError::Closed, refused(), refused()], true),
        (vec![refused(), refused(), refused()], false),
    ] {
        let server = Server::new(errors);
        let amount = NonZeroU32::new(1).unwrap();
        let rate = Bound::Rate(Rate::new(amount, Duration::from_secs(3_600)));
        let limits = Limiter::new(None).limits([Limit::new("one", rate)]);
        server.limits.replace("main", limits);
        let error = server.call("read").await.unwrap_err();
        assert_eq!(is_unsent(&error), !is_counted);
        assert_eq!(server.call("read").await.is_err(), is_counted);
    }
}

#[tokio::test]
async fn a_reply_that_has_begun_is_final() {
    let policy = Arc::new(AllowAll::new());
    let router = Arc::new(PrefixRouter::by_name(["files"]).unwrap());
    let active = ActiveRetries::default();
    active.replace("main", RetrySet::new(&[Retry::new("all", 3)]));
    let attempts = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&attempts);
    let stack = ServiceBuilder::new()
        .layer(DispatchLayer::new(router, policy.clone()))
        .layer(AuthorizeLayer::new(policy))
        .layer(RetryLayer::new(active, Server::new(Vec::new()).pool))
        .service(service_fn(move |_: Call<Permitted>| {
            count.fetch_add(1, Ordering::SeqCst);
            let failed = futures_util::stream::iter([Err(UpstreamError::Closed)]);
            std::future::ready(Ok::<_, Error>(Reply::Events(ReplyStream::new(failed))))
        }));
    let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
    let caller = Arc::new(Caller::new(Principal::new("alice"), "main", client));
    let request = r#"{"name":"files__read"}"#;
    let request = Request::new(&Id::from(1), &Method::ToolsCall, request);
    let reply = stack.oneshot(Call::trusted(request, caller)).await.unwrap();
    let Reply::Events(mut events) = reply else {
        panic!("{reply:?}");
    };
    assert!(matches!(events.next().await, Some(Err(_))));
    assert_eq!(attempts.load(Ordering::SeqCst), 1);
}
