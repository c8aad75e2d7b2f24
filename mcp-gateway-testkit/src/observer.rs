//! Contract of [`Observer`].

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use http::StatusCode;
use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::call::{Prepared, Routed};
use mcp_gateway_core::jsonrpc::{ErrorObject, Id, Request, Response, code};
use mcp_gateway_core::layer::dispatch::DispatchLayer;
use mcp_gateway_core::layer::observe::ObserveLayer;
use mcp_gateway_core::observe::{CallReport, Observer};
use mcp_gateway_core::policy::AllowAll;
use mcp_gateway_core::protocol::{Capabilities, Method, ProtocolVersion};
use mcp_gateway_core::reply::{CallOutcome, JsonBody, ReplyStream};
use mcp_gateway_core::route::{Feature, PrefixRouter};
use mcp_gateway_core::upstream::{ServerPool, Upstream, UpstreamError};
use mcp_gateway_core::{Call, Caller, ClientInfo, Error, Reply};
use tokio::runtime::Handle;
use tower::{Layer, ServiceExt, service_fn};

/// Threads that report at the same time.
const THREADS: usize = 4;

/// Reports of each thread for each method and outcome, with a feature, and without one.
const ROUNDS: usize = 10;

/// Time limit for all reports, far above what counting takes.
const LIMIT: Duration = Duration::from_secs(5);

/// Prompt or tool of the server, which is named after the outcome of its calls.
const NAMES: [&str; 6] = [
    "cancelled",
    "error",
    "failed",
    "rejected",
    "success",
    "tool_error",
];

/// Checks that `observer` receives reports of calls with every outcome, and returns the method and
/// the outcome of each report.
///
/// 1. No report makes it panic, with or without a feature.
/// 2. It receives reports from several threads at the same time.
/// 3. It does not block: 960 reports take less than five seconds.
///
/// A test compares the returned reports with what the observer has counted. Call it in a Tokio
/// runtime, whose thread it blocks.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// use mcp_gateway_core::observe::{CallReport, Observer};
/// use mcp_gateway_core::reply::CallOutcome;
/// use mcp_gateway_testkit::observer;
///
/// #[derive(Debug, Default)]
/// struct Successes(AtomicUsize);
///
/// impl Observer for Successes {
///     fn on_call_end(&self, call: &CallReport<'_>) {
///         if call.outcome == CallOutcome::Success {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let successes = Arc::new(Successes::default());
/// let reports = observer::contract(successes.clone());
/// let expected = reports.iter().filter(|(_, outcome)| *outcome == CallOutcome::Success).count();
/// assert_eq!(successes.0.load(Ordering::Relaxed), expected);
/// # }
/// ```
pub fn contract(observer: Arc<dyn Observer>) -> Vec<(Method, CallOutcome)> {
    let tee = Arc::new(Tee {
        observer,
        reports: Mutex::default(),
    });
    let (runtime, start) = (Handle::current(), Instant::now());
    thread::scope(|scope| {
        let report = || runtime.block_on(report_all(&tee));
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(report)).collect();
        for thread in threads {
            assert!(thread.join().is_ok(), "an observer does not panic");
        }
    });
    let elapsed = start.elapsed();
    assert!(elapsed < LIMIT, "an observer does not block: {elapsed:?}");
    let reports = tee.reports.lock();
    reports.unwrap_or_else(PoisonError::into_inner).clone()
}

/// Observer that forwards reports to another one and records them.
#[derive(Debug)]
struct Tee {
    observer: Arc<dyn Observer>,
    reports: Mutex<Vec<(Method, CallOutcome)>>,
}

impl Observer for Tee {
    fn on_call_end(&self, call: &CallReport<'_>) {
        self.observer.on_call_end(call);
        let reports = self.reports.lock();
        let mut reports = reports.unwrap_or_else(PoisonError::into_inner);
        reports.push((call.method.clone(), call.outcome));
    }
}

/// Server that is known to list everything.
#[derive(Debug)]
struct Listed;

#[async_trait]
impl Upstream for Listed {
    async fn send(&self, call: Call<Prepared>) -> Result<Reply, UpstreamError> {
        Ok(Reply::result(call.request().id(), "{}"))
    }

    fn is_known_to_list(&self, _: &Feature) -> bool {
        true
    }
}

/// Reports calls of all methods with all outcomes.
async fn report_all(observer: &Arc<Tee>) {
    let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
    let caller = Arc::new(Caller::new(Principal::new("ada"), "main", client));
    let router = match PrefixRouter::by_name(["docs"]) {
        Ok(router) => Arc::new(router),
        Err(error) => panic!("{error}"),
    };
    let dispatch = DispatchLayer::new(router, Arc::new(AllowAll::new()));
    for pool in [
        ServerPool::new(),
        ServerPool::new().with("docs", Arc::new(Listed)),
    ] {
        let observe = ObserveLayer::new(pool).with_observer(Arc::clone(observer) as _);
        let stack = dispatch.layer(observe.layer(service_fn(respond)));
        for method in [Method::ToolsCall, Method::PromptsGet] {
            for name in NAMES.iter().cycle().take(NAMES.len() * ROUNDS) {
                let params = format!(r#"{{"name":"docs__{name}"}}"#);
                let request = Request::new(&Id::from(1), &method, &params);
                let call = Call::trusted(request, Arc::clone(&caller));
                match stack.clone().oneshot(call).await {
                    Ok(Reply::Events(mut events)) if *name == "failed" => {
                        while events.next().await.is_some() {}
                    }
                    // The end of other replies is known, or is their drop.
                    Ok(_) | Err(_) => {}
                }
            }
        }
    }
}

/// Responds to `call` with the outcome that its target is named after.
async fn respond(call: Call<Routed>) -> Result<Reply, Error> {
    let id = call.request().id();
    Ok(match call.target().feature.name().unwrap_or_default() {
        "cancelled" => Reply::Events(ReplyStream::new(stream::pending())),
        "error" => {
            let error = ErrorObject::new(code::INVALID_PARAMS, "wrong arguments");
            Reply::error(id, StatusCode::OK, &error)
        }
        "failed" => {
            let messages = stream::iter([Err(UpstreamError::Closed)]);
            Reply::Events(ReplyStream::new(messages))
        }
        "rejected" => {
            return Err(Error::Upstream {
                server: Arc::clone(&call.target().server),
                source: UpstreamError::UnknownServer,
            });
        }
        "tool_error" => Reply::Json {
            status: StatusCode::OK,
            body: JsonBody::full(
                Response::new(id, r#"{"content":[],"isError":true}"#).bytes(),
                CallOutcome::ToolError,
            ),
        },
        _ => Reply::result(id, r#"{"content":[]}"#),
    })
}
