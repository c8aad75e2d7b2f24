//! Calls that require approval, in both eras.

mod bounds;
mod callers;
mod others;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use futures_util::StreamExt;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tower::{ServiceBuilder, ServiceExt, service_fn};

use super::*;
use crate::approval::{
    Approval, ApprovalError, ApprovalKey, ApprovalRequest, ApprovalTerms, Approvers,
    MemoryApprovals, Unapproved,
};
use crate::auth::Principal;
use crate::call::Permitted;
use crate::credential::ConnectionSignals;
use crate::era::{ApprovalState, ParkedCallLimits};
use crate::error::CredentialError;
use crate::jsonrpc::{ErrorObject, Id, Request};
use crate::layer::authorize::AuthorizeLayer;
use crate::layer::dispatch::DispatchLayer;
use crate::layer::elicit_connections::ElicitConnectionsLayer;
use crate::layer::observe::ObserveLayer;
use crate::observe::{CallReport, Observer};
use crate::policy::{Decision, Policy, PolicyRequest};
use crate::protocol::{Capabilities, ProtocolVersion};
use crate::reply::{ReplyEvent, ReplyStream, ServerRequest};
use crate::route::PrefixRouter;
use crate::upstream::ServerPool;
use crate::{Caller, ClientInfo, Sealer, reply};

/// Requires approval of what deletes.
#[derive(Debug)]
struct Careful(Mutex<Arc<ApprovalTerms>>);

impl Policy for Careful {
    fn decide(&self, request: &PolicyRequest<'_>) -> Decision {
        match request.target().feature.name() {
            Some("delete") => Decision::ask_under("deletion", self.0.lock().unwrap().clone()),
            _ => Decision::Allow,
        }
    }
}

/// Reasons of the reports, empty for a success.
#[derive(Debug, Default)]
struct Reports(Mutex<Vec<String>>);

impl Observer for Reports {
    fn on_call_end(&self, call: &CallReport<'_>) {
        let mut reports = self.0.lock().unwrap();
        reports.push(call.reason.unwrap_or_default().to_owned());
    }
}

/// Nobody is ever reached.
#[derive(Debug)]
struct Unreachable;

#[async_trait]
impl Approvals for Unreachable {
    async fn open(&self, _: &ApprovalRequest) -> Result<Approval, ApprovalError> {
        Err(ApprovalError::Unavailable("down".into()))
    }

    async fn find(&self, _: &str) -> Result<Approval, ApprovalError> {
        Err(ApprovalError::Unavailable("down".into()))
    }

    async fn confirm(&self, _: &str, _: &ApprovalKey, _: bool) -> Result<(), ApprovalError> {
        Err(ApprovalError::Unavailable("down".into()))
    }

    async fn redeem(&self, _: &str, _: &ApprovalKey, _: u32) -> Result<(), ApprovalError> {
        Err(ApprovalError::Unavailable("down".into()))
    }

    async fn restore(&self, _: &str, _: &ApprovalKey, _: u32) -> Result<(), ApprovalError> {
        Err(ApprovalError::Unavailable("down".into()))
    }

    fn changes(&self, _: &str) -> BoxStream<'static, ()> {
        futures_util::stream::pending().boxed()
    }
}

/// Users connect their account at once.
#[derive(Debug)]
struct Connected;

impl ConnectionSignals for Connected {
    fn changes(&self, _: &Principal, _: &str) -> BoxStream<'static, ()> {
        futures_util::stream::once(std::future::ready(())).boxed()
    }
}

/// Answer of the server to its `n`th call.
type Script = fn(u32) -> Result<Value, Error>;

/// Gateway with one server.
struct Gateway {
    approvals: Arc<MemoryApprovals>,
    policy: Arc<Careful>,
    reports: Arc<Reports>,
    parked_calls: ParkedCalls,
    drain: Drain,
    script: Script,
    calls: Arc<AtomicU32>,
    /// Parameters of the calls that have reached the server.
    received: Arc<Mutex<Vec<Value>>>,
}

impl Gateway {
    fn new(terms: ApprovalTerms) -> Self {
        let sealer = Arc::new(Sealer::random().unwrap());
        Self {
            approvals: Arc::new(MemoryApprovals::new()),
            policy: Arc::new(Careful(Mutex::new(Arc::new(terms)))),
            reports: Arc::default(),
            parked_calls: ParkedCalls::with_limits(sealer, ParkedCallLimits::default()),
            drain: Drain::new(),
            script: |_| Ok(json!({ "content": [] })),
            calls: Arc::default(),
            received: Arc::default(),
        }
    }

    /// Gateway whose callers confirm.
    fn of_callers() -> Self {
        Self::new(ApprovalTerms::default().with_reason("deletes for good"))
    }

    /// Gateway whose administrators decide.
    fn of_others() -> Self {
        Self::new(others())
    }

    fn with_script(self, script: Script) -> Self {
        Self { script, ..self }
    }

    async fn send(&self, call: Call) -> Result<Reply, Error> {
        self.send_with(self.approvals.clone(), call).await
    }

    async fn send_with(&self, approvals: Arc<dyn Approvals>, call: Call) -> Result<Reply, Error> {
        let (script, calls, received) = (self.script, self.calls.clone(), self.received.clone());
        let server = service_fn(move |call: Call<Permitted>| {
            let request = call.request();
            let params = serde_json::from_str(request.param_text().unwrap()).unwrap();
            let reply = script(calls.fetch_add(1, Ordering::Relaxed));
            if let Err(Error::LimitReached { .. } | Error::Credential { .. }) = &reply {
                call.restore_approval();
            }
            if reply.is_ok() {
                received.lock().unwrap().push(params);
            }
            let reply = reply.map(|result| Reply::result(request.id(), &result.to_string()));
            async move { reply }
        });
        let router = Arc::new(PrefixRouter::by_name(["files"]).unwrap());
        let policy: Arc<dyn Policy> = self.policy.clone();
        let parked_calls = self.parked_calls.clone();
        let approve = ApproveLayer::new(approvals, parked_calls.clone());
        let observe = ObserveLayer::new(ServerPool::new()).with_observer(self.reports.clone());
        ServiceBuilder::new()
            .layer(approve.with_drain(self.drain.clone()))
            .layer(ElicitConnectionsLayer::new(
                Arc::new(Connected),
                parked_calls,
            ))
            .layer(DispatchLayer::new(router, policy.clone()))
            .layer(observe)
            .layer(AuthorizeLayer::new(policy).with_approvals())
            .service(server)
            .oneshot(call)
            .await
    }

    /// Sends a call of a modern client with `more` parameters; returns the reply.
    async fn request(&self, more: Value) -> Result<Reply, Error> {
        self.send(call("ada", ProtocolVersion::LATEST, more)).await
    }

    /// Sends a call of a modern client; returns the result.
    async fn result(&self, more: Value) -> Value {
        result(self.request(more).await.unwrap()).await
    }

    /// Sends a call of a modern client, and returns the reason of its failure.
    async fn failure(&self, more: Value) -> Unapproved {
        match self.request(more).await {
            Err(Error::Unapproved(cause)) => cause,
            other => panic!("{other:?}"),
        }
    }

    /// Sends a call in a session; returns the messages.
    async fn session(&self, more: Value) -> ReplyStream {
        let call = call("ada", ProtocolVersion::V2025_11_25, more);
        match self.send(call).await {
            Ok(Reply::Events(events)) => events,
            other => panic!("{other:?}"),
        }
    }

    /// Sends a call in a session whose client is asked; returns the question, and what follows.
    async fn asked_session(&self) -> (ServerRequest, ReplyStream) {
        let mut events = self.session(json!({})).await;
        match events.next().await {
            Some(Ok(ReplyEvent::Request(request))) => (request, events),
            other => panic!("{other:?}"),
        }
    }

    /// Decides about the only pending call.
    fn decide(&self, accept: bool) {
        let pending = self.approvals.pending();
        assert_eq!(pending.len(), 1, "{pending:?}");
        let reason = Some("not today").filter(|_| !accept);
        self.approvals
            .decide(&pending[0].0, accept, reason)
            .unwrap();
    }

    fn runs(&self) -> usize {
        self.received.lock().unwrap().len()
    }

    fn reports(&self) -> Vec<String> {
        self.reports.0.lock().unwrap().clone()
    }
}

fn others() -> ApprovalTerms {
    ApprovalTerms::default().with_approvers(Approvers::others(["admin"], []))
}

fn call(user: &str, version: ProtocolVersion, more: Value) -> Call {
    let capabilities = Capabilities::parse(r#"{"elicitation":{"form":{},"url":{}}}"#).unwrap();
    call_with(user, ClientInfo::new(version, capabilities), more)
}

fn call_with(user: &str, client: ClientInfo, more: Value) -> Call {
    let mut params = json!({ "name": "files__delete", "arguments": { "path": "a", "key": 1 } });
    let Value::Object(more) = more else {
        panic!("{more}");
    };
    for (key, value) in more {
        params[key] = value;
    }
    let caller = Caller::new(Principal::new(user), "main", client);
    let request = Request::new(&Id::from(7), &Method::ToolsCall, &params.to_string());
    Call::trusted(request, Arc::new(caller))
}

async fn result(reply: Reply) -> Value {
    let response = reply::response(reply).await.unwrap();
    assert_eq!(response.id(), Some(&Id::from(7)));
    serde_json::from_str(response.result().unwrap()).unwrap()
}

/// Returns the retry of the call that was answered by `asked`, with the answer of its user.
fn retry(asked: &Value, action: &str) -> Value {
    let answer = json!({ "action": action, "content": { "approve": true } });
    json!({ "requestState": asked["requestState"], "inputResponses": { "approve": answer } })
}

/// Returns the retry of a call that waits.
fn waiting(asked: &Value) -> Value {
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    assert_eq!(asked.get("inputRequests"), None);
    json!({ "requestState": asked["requestState"] })
}

/// Returns the methods of the notifications before the response, and the response.
async fn rest(mut events: ReplyStream) -> (Vec<String>, Value) {
    let mut notified = Vec::new();
    loop {
        match events.next().await {
            Some(Ok(ReplyEvent::Notification(notification))) => {
                notified.push(notification.method().as_str().to_owned());
            }
            Some(Ok(ReplyEvent::Response(response))) => {
                return (notified, serde_json::from_str(response.text()).unwrap());
            }
            other => panic!("{other:?}"),
        }
    }
}

fn reason(response: &Value) -> &Value {
    &response["result"]["_meta"]["mcp-gateway/problem"]["reason"]
}
