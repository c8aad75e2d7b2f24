use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;

use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::call::Routed;
use mcp_gateway_core::credential::CredentialError;
use mcp_gateway_core::jsonrpc::{Id, Request};
use mcp_gateway_core::layer::authorize::AuthorizeLayer;
use mcp_gateway_core::layer::dispatch::DispatchLayer;
use mcp_gateway_core::policy::AllowAll;
use mcp_gateway_core::protocol::{Capabilities, Method, ProtocolVersion};
use mcp_gateway_core::route::PrefixRouter;
use mcp_gateway_core::{Caller, ClientInfo};
use mcp_gateway_policy::Scope;
use tower::{ServiceBuilder, ServiceExt, service_fn};

use super::*;
use crate::{Bound, Dimension, Limit, Limiter, Quota, Rate, Window};

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

fn rate(amount: u32) -> Bound {
    Bound::Rate(Rate::new(number(amount), Duration::from_secs(3600)))
}

/// Calls a server through the stages of a gateway with `limits`.
struct Gateway {
    active: ActiveLimits,
    sent: Arc<AtomicU32>,
    /// Error of the server for the next calls.
    fails: Arc<Mutex<Option<Error>>>,
}

impl Gateway {
    fn new(limits: impl IntoIterator<Item = Limit>) -> Self {
        let active = ActiveLimits::default();
        active.replace("main", Limiter::new(None).limits(limits));
        Self {
            active,
            sent: Arc::default(),
            fails: Arc::default(),
        }
    }

    async fn send(&self, principal: Principal, method: Method, name: &str) -> Result<Reply, Error> {
        let (sent, fails) = (Arc::clone(&self.sent), Arc::clone(&self.fails));
        let router = Arc::new(PrefixRouter::by_name(["files", "web"]).unwrap());
        let policy = Arc::new(AllowAll::new());
        let stack = ServiceBuilder::new()
            .layer(DispatchLayer::new(router, policy.clone()))
            .layer(AuthorizeLayer::new(policy))
            .layer(LimitLayer::new(self.active.clone()))
            .service(service_fn(move |call: Call<Permitted>| {
                sent.fetch_add(1, Ordering::SeqCst);
                let failure = fails.lock().unwrap().take();
                let reply = Reply::result(call.request().id(), "{}");
                std::future::ready(failure.map_or(Ok(reply), Err))
            }));
        let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
        let caller = Arc::new(Caller::new(principal, "main", client));
        let params = format!(r#"{{"name":"{name}"}}"#);
        let request = Request::new(&Id::from(1), &method, &params);
        stack.oneshot(Call::trusted(request, caller)).await
    }

    async fn call(&self, subject: &str, tool: &str) -> Result<Reply, Error> {
        self.send(Principal::new(subject), Method::ToolsCall, tool)
            .await
    }

    async fn limit_of(&self, principal: Principal, tool: &str) -> Option<String> {
        match self.send(principal, Method::ToolsCall, tool).await {
            Ok(_) => None,
            Err(Error::LimitReached { limit, .. }) => Some(limit.to_string()),
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn users_are_counted_apart_and_rejected_before_any_work() {
    let gateway = Gateway::new([Limit::new("two", rate(2)).per([Dimension::User])]);
    for _ in 0..2 {
        assert!(gateway.call("alice", "files__read").await.is_ok());
    }
    let error = gateway.call("alice", "web__get").await.unwrap_err();
    let Error::LimitReached { limit, retry_after } = error else {
        panic!("{error}");
    };
    assert_eq!((&*limit, retry_after.as_secs()), ("two", 1799));
    assert!(gateway.call("bob", "files__read").await.is_ok());
    assert_eq!(gateway.sent.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn only_calls_in_the_scope_count() {
    let one = Limit::new("one", rate(1)).with_scope(
        Scope::new()
            .with_servers(["files"])
            .with_tools(["read_*"])
            .with_teams(["a"]),
    );
    let gateway = Gateway::new([one]);
    let alice = || Principal::new("alice").with_team("a");
    for _ in 0..3 {
        for (principal, tool) in [
            (alice(), "web__read_all"),
            (alice(), "files__write"),
            (Principal::new("bob"), "files__read_all"),
        ] {
            assert_eq!(gateway.limit_of(principal, tool).await, None, "{tool}");
        }
    }
    assert_eq!(gateway.limit_of(alice(), "files__read_all").await, None);
    let limited = gateway.limit_of(alice(), "files__read_all").await;
    assert_eq!(limited.as_deref(), Some("one"));
}

#[tokio::test]
async fn requests_that_are_not_calls_count_if_the_limit_says_so() {
    for (counts_all, limited) in [(false, false), (true, true)] {
        let mut limit = Limit::new("one", rate(1));
        if counts_all {
            limit = limit.counting_all_requests();
        }
        let gateway = Gateway::new([limit]);
        let prompt = || gateway.send(Principal::new("a"), Method::PromptsGet, "files__p");
        assert!(prompt().await.is_ok());
        assert_eq!(prompt().await.is_err(), limited);
    }
}

#[tokio::test]
async fn every_team_of_a_caller_counts() {
    let gateway = Gateway::new([Limit::new("one", rate(1)).per([Dimension::Team])]);
    let both = || {
        Principal::new("alice")
            .with_team("a")
            .with_team("b")
            .with_team("a")
    };
    assert_eq!(gateway.limit_of(both(), "files__read").await, None);
    for team in ["a", "b"] {
        let member = Principal::new("bob").with_team(team);
        assert!(
            gateway.limit_of(member, "files__read").await.is_some(),
            "{team}"
        );
    }
    assert_eq!(
        gateway
            .limit_of(Principal::new("carl"), "files__read")
            .await,
        None
    );
    assert!(
        gateway
            .limit_of(Principal::new("dora"), "files__read")
            .await
            .is_some()
    );
}

#[tokio::test]
async fn category_evasion_invented_tools_count_together() {
    let gateway = Gateway::new([Limit::new("five", rate(5)).per([Dimension::Tool])]);
    for number in 0..5 {
        let tool = format!("files__invented_{number}");
        assert_eq!(gateway.limit_of(Principal::new("alice"), &tool).await, None);
    }
    let limited = gateway
        .limit_of(Principal::new("alice"), "files__another")
        .await;
    assert_eq!(limited.as_deref(), Some("five"));
}

#[tokio::test]
async fn a_rejected_call_counts_nowhere() {
    let small = Limit::new("small", rate(1)).with_scope(Scope::new().with_tools(["read"]));
    let gateway = Gateway::new([Limit::new("large", rate(3)), small]);
    assert!(gateway.call("alice", "files__read").await.is_ok());
    for _ in 0..5 {
        let limited = gateway
            .limit_of(Principal::new("alice"), "files__read")
            .await;
        assert_eq!(limited.as_deref(), Some("small"));
    }
    for _ in 0..2 {
        assert!(gateway.call("alice", "files__write").await.is_ok());
    }
    assert!(gateway.call("alice", "files__write").await.is_err());
}

#[tokio::test]
async fn a_call_that_reaches_no_server_does_not_count() {
    let quota = Bound::Quota(Quota::new(2, Window::months(1).unwrap()));
    let gateway = Gateway::new([Limit::new("rate", rate(2)), Limit::new("quota", quota)]);
    for _ in 0..4 {
        let source = CredentialError::NotConnected { url: None };
        let server = "files".into();
        *gateway.fails.lock().unwrap() = Some(Error::Credential { server, source });
        let error = gateway.call("alice", "files__read").await.unwrap_err();
        assert!(matches!(error, Error::Credential { .. }));
    }
    for limited in [false, false, true] {
        assert_eq!(gateway.call("alice", "files__read").await.is_err(), limited);
    }
}

#[tokio::test]
async fn a_quota_rejects_until_its_window_ends() {
    let quota = Bound::Quota(Quota::new(3, Window::months(1).unwrap()));
    let gateway = Gateway::new([Limit::new("monthly", quota).per([Dimension::User])]);
    for _ in 0..3 {
        assert!(gateway.call("alice", "files__read").await.is_ok());
    }
    let error = gateway.call("alice", "files__read").await.unwrap_err();
    let Error::LimitReached { retry_after, .. } = error else {
        panic!("{error}");
    };
    assert!(retry_after.as_secs() > 1 && retry_after < Duration::from_secs(31 * 86_400));
    assert!(gateway.call("bob", "files__read").await.is_ok());
}

/// Polls `future` once; returns `true` if it is not complete.
fn is_pending<F: Future + Unpin>(future: &mut F) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    Pin::new(future).poll(&mut context).is_pending()
}

#[tokio::test]
async fn a_call_is_in_flight_until_its_reply_ends() {
    let limiter = Limiter::new(None);
    let active = ActiveLimits::default();
    let one = Limit::new("one", Bound::InFlight(number(1)));
    active.replace("main", limiter.limits([one.clone()]));
    let (finish, finished) = tokio::sync::watch::channel(false);
    let inner = service_fn(move |call: Call<Permitted>| {
        let mut finished = finished.clone();
        async move {
            finished.wait_for(|finished| *finished).await.unwrap();
            Ok::<_, Error>(Reply::result(call.request().id(), "{}"))
        }
    });
    let policy = Arc::new(AllowAll::new());
    let service = AuthorizeLayer::new(policy).layer(LimitLayer::new(active.clone()).layer(inner));
    let router = Arc::new(PrefixRouter::by_name(["files"]).unwrap());
    let dispatch = DispatchLayer::new(router, Arc::new(AllowAll::new()));
    let service =
        dispatch.layer(tower::util::MapRequestLayer::new(|call: Call<Routed>| call).layer(service));
    let call = || {
        let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
        let caller = Arc::new(Caller::new(Principal::new("alice"), "main", client));
        let request = Request::new(&Id::from(1), &Method::ToolsCall, r#"{"name":"files__a"}"#);
        Box::pin(service.clone().oneshot(Call::trusted(request, caller)))
    };
    let mut first = call();
    assert!(is_pending(&mut first));
    assert!(call().await.is_err());
    // A cancelled call is not in flight.
    drop(first);
    let mut second = call();
    assert!(is_pending(&mut second));
    // A reload keeps the counts, whatever the numbers.
    let two = Limit::new("one", Bound::InFlight(number(2)));
    active.replace("main", limiter.limits([two]));
    let mut third = call();
    assert!(is_pending(&mut third));
    assert!(call().await.is_err());
    finish.send(true).unwrap();
    assert!(second.await.is_ok() && third.await.is_ok());
    assert!(call().await.is_ok());
}
