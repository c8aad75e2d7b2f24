//! Forward the calls that a policy permits.
//!
//! [`AuthorizeLayer`] calls a [`Policy`] for each call whose target is known. The result is a
//! [`Call<Permitted>`](Permitted), the only type that receives a credential. A denied call fails
//! with the error of an unknown target, or [`Error::Denied`] if the policy has a reason for the
//! client. The rule is logged. If the policy [lacks the entry](Policy::lacks_entry) of a tool, its
//! server is listed, and the policy decides again. A call that requires approval fails with [`Error::ApprovalRequired`] if
//! the layer [`approve`](super::approve) is there to obtain one, and passes once with it.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//!
//! use mcp_gateway_core::auth::Principal;
//! use mcp_gateway_core::call::Permitted;
//! use mcp_gateway_core::jsonrpc::{Id, Request};
//! use mcp_gateway_core::layer::authorize::AuthorizeLayer;
//! use mcp_gateway_core::layer::dispatch::DispatchLayer;
//! use mcp_gateway_core::policy::{Decision, Policy, PolicyRequest};
//! use mcp_gateway_core::protocol::{Capabilities, Method, ProtocolVersion};
//! use mcp_gateway_core::route::PrefixRouter;
//! use mcp_gateway_core::{Call, Caller, ClientInfo, Error, Reply};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! #[derive(Debug)]
//! struct ReadOnly;
//!
//! impl Policy for ReadOnly {
//!     fn decide(&self, request: &PolicyRequest<'_>) -> Decision {
//!         match request.target().feature.name() {
//!             Some("delete") => Decision::deny("read-only"),
//!             _ => Decision::Allow,
//!         }
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let policy = Arc::new(ReadOnly);
//! let router = Arc::new(PrefixRouter::by_name(["files"])?);
//! let stack = ServiceBuilder::new()
//!     .layer(DispatchLayer::new(router, policy.clone()))
//!     .layer(AuthorizeLayer::new(policy))
//!     .service(service_fn(async |call: Call<Permitted>| {
//!         Ok::<_, Error>(Reply::result(call.request().id(), "{}"))
//!     }));
//!
//! let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
//! let caller = Arc::new(Caller::new(Principal::new("alice"), "main", client));
//! let call = |name: &str| {
//!     let params = format!(r#"{{"name":"{name}"}}"#);
//!     let request = Request::new(&Id::from(1), &Method::ToolsCall, &params);
//!     Call::trusted(request, Arc::clone(&caller))
//! };
//! assert!(stack.clone().oneshot(call("files__read")).await.is_ok());
//! let denied = stack.oneshot(call("files__delete")).await.unwrap_err();
//! assert!(matches!(denied, Error::Route(_)));
//! # Ok(())
//! # }
//! ```

mod unlisted;

use std::sync::Arc;
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use super::deferred::Deferred;
use super::gate::Gate;
use crate::approval::{ApprovalRequest, ApprovalSubject, ApprovalTerms, Unapproved, Verdict};
use crate::call::{Permitted, Routed};
use crate::error::{NameKind, RouteError};
use crate::policy::{Decision, Policy, PolicyRequest};
use crate::route::{Feature, Target};
use crate::upstream::ServerPool;
use crate::{Call, Error, Reply};

/// A [`Layer`] that applies [`Authorize`].
///
/// See the [module documentation](self) for an example.
#[derive(Clone, Debug)]
#[doc(alias("RBAC", "filter"))]
pub struct AuthorizeLayer(Arc<Shared>);

/// Parts of the layer, shared by its services: they are cloned for every call.
#[derive(Clone, Debug)]
struct Shared {
    policy: Arc<dyn Policy>,
    pool: ServerPool,
    has_approvals: bool,
}

impl AuthorizeLayer {
    /// Creates a layer that authorizes calls with `policy`.
    #[must_use]
    pub fn new(policy: Arc<dyn Policy>) -> Self {
        Self(Arc::new(Shared {
            policy,
            pool: ServerPool::new(),
            has_approvals: false,
        }))
    }

    /// Sets the servers in whose cached lists the policy finds the catalog entry of a call.
    #[must_use]
    pub fn with_pool(self, pool: ServerPool) -> Self {
        let shared = Shared::clone(&self.0);
        Self(Arc::new(Shared { pool, ..shared }))
    }

    /// States that the layer [`approve`](super::approve) is part of the stack. Otherwise nobody can
    /// approve a call that requires it.
    #[must_use]
    pub fn with_approvals(self) -> Self {
        let shared = Shared::clone(&self.0);
        Self(Arc::new(Shared {
            has_approvals: true,
            ..shared
        }))
    }
}

impl<S> Layer<S> for AuthorizeLayer {
    type Service = Authorize<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Authorize {
            inner,
            shared: Arc::clone(&self.0),
        }
    }
}

/// A service that forwards the calls that a [`Policy`] permits.
#[derive(Clone, Debug)]
pub struct Authorize<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> Service<Call<Routed>> for Authorize<S>
where
    S: Service<Call<Permitted>, Response = Reply, Error = Error> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Reply;
    type Error = Error;
    type Future = Deferred<Gate<S::Future>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call<Routed>) -> Self::Future {
        let decision = self.shared.decide(&call);
        if matches!(decision, Decision::Deny { .. }) && self.shared.lacks_entry(&call) {
            // The service that is ready is used, and its clone waits for the next call.
            let next = self.inner.clone();
            let inner = std::mem::replace(&mut self.inner, next);
            let shared = Arc::clone(&self.shared);
            let work = async move { shared.list_and_decide(inner, call).await };
            return Deferred::pending(work);
        }
        Deferred::direct(match self.shared.permit(&call, decision) {
            Ok(()) => Gate::forward(self.inner.call(permitted(call))),
            Err(error) => Gate::reject(error),
        })
    }
}

/// Advances a call that the policy permits.
fn permitted(call: Call<Routed>) -> Call<Permitted> {
    call.advance(|Routed { target, attempts }| Permitted { target, attempts })
}

impl Shared {
    fn decide(&self, call: &Call<Routed>) -> Decision {
        let request = PolicyRequest::call(call).with_pool(&self.pool);
        self.policy.decide(&request)
    }

    /// Checks that `decision` permits `call`, or that somebody has approved it.
    fn permit(&self, call: &Call<Routed>, decision: Decision) -> Result<(), Error> {
        match decision {
            Decision::Allow if self.has_approvals => rejection(call).map_or(Ok(()), Err),
            Decision::Allow => Ok(()),
            Decision::Ask { rule, terms } => self.approved(call, &rule, terms),
            Decision::Deny { rule, reason } => {
                log("call denied", call, &rule);
                match reason {
                    Some(reason) => Err(Error::Denied { reason }),
                    None => Err(denied_error(call).into()),
                }
            }
        }
    }

    /// Checks that `call`, which requires approval because of `rule`, has one, and uses it.
    fn approved(
        &self,
        call: &Call<Routed>,
        rule: &str,
        terms: Arc<ApprovalTerms>,
    ) -> Result<(), Error> {
        if let Some(error) = rejection(call) {
            return Err(error);
        }
        let (Feature::Tool(tool), true) = (&call.target().feature, self.has_approvals) else {
            log("call requires approval, which nobody can give", call, rule);
            return Err(Unapproved::Impossible.into());
        };
        let principal = call.principal();
        let server = Arc::clone(&call.target().server);
        let subject = ApprovalSubject::new(principal.subject(), call.caller().gateway())
            .with_name(principal.name())
            .with_client(principal.client())
            .with_tool(server, Arc::clone(tool));
        let arguments = call.request().param("arguments").unwrap_or("{}");
        let request = ApprovalRequest::new(subject, arguments, rule, terms);
        let request = request.map_err(Unapproved::from)?;
        match call.extensions().get::<Verdict>() {
            Some(Verdict::Approved(pass)) if pass.take(request.key()) => Ok(()),
            Some(Verdict::Unaskable) => {
                log("part of a call requires approval", call, rule);
                Err(Unapproved::Impossible.into())
            }
            _ => Err(Error::ApprovalRequired(Box::new(request))),
        }
    }
}

/// Returns the error of a call of a tool about which has been decided that it does not run.
fn rejection(call: &Call<Routed>) -> Option<Error> {
    match (call.extensions().get::<Verdict>()?, &call.target().feature) {
        (Verdict::Rejected(cause), Feature::Tool(_)) => Some(cause.clone().into()),
        _ => None,
    }
}

/// Logs that `call` is rejected because of `rule`.
fn log(message: &'static str, call: &Call<Routed>, rule: &str) {
    let principal = call.principal().subject();
    let Target { server, feature } = call.target();
    tracing::info!(principal, %server, ?feature, %rule, "{message}");
}

/// Returns the error of a denied call, which is that of an unknown target.
fn denied_error(call: &Call<Routed>) -> RouteError {
    let kind = match call.target().feature {
        Feature::Prompt(_) => NameKind::Prompt,
        Feature::Resource(_) => NameKind::Resource,
        Feature::Task(_) => NameKind::Task,
        Feature::Tool(_) => NameKind::Tool,
        Feature::Discovery | Feature::List(_) | Feature::Server | Feature::Subscriptions => {
            return RouteError::unknown_method(call.request().method().as_str());
        }
    };
    RouteError::unknown_name(kind, &call.request().name().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tower::{ServiceBuilder, ServiceExt, service_fn};

    use super::*;
    use crate::auth::Principal;
    use crate::jsonrpc::{Id, Request};
    use crate::layer::dispatch::DispatchLayer;
    use crate::protocol::{Capabilities, ListKind, Method, ProtocolVersion};
    use crate::route::PrefixRouter;
    use crate::{Caller, ClientInfo};

    /// Allows everything, and notes what it is asked about.
    #[derive(Debug, Default)]
    struct Recorder(Mutex<Vec<Feature>>);

    impl Policy for Recorder {
        fn decide(&self, request: &PolicyRequest<'_>) -> Decision {
            self.0
                .lock()
                .unwrap()
                .push(request.target().feature.clone());
            Decision::Allow
        }
    }

    #[tokio::test]
    async fn a_call_that_requires_approval_is_rejected() {
        /// Requires approval of everything.
        #[derive(Debug)]
        struct Asking;

        impl Policy for Asking {
            fn decide(&self, request: &PolicyRequest<'_>) -> Decision {
                assert_eq!(request.arguments(), Some(r#"{"a":1}"#));
                assert_eq!(request.method(), Some(&Method::ToolsCall));
                assert!(request.entry().is_none());
                Decision::ask("everything")
            }
        }

        let service = AuthorizeLayer::new(Arc::new(Asking)).layer(service_fn(
            async |call: Call<Permitted>| Ok::<_, Error>(Reply::result(call.request().id(), "{}")),
        ));
        let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
        let caller = Arc::new(Caller::new(Principal::new("alice"), "default", client));
        let params = r#"{"name":"a","arguments":{"a":1}}"#;
        let request = Request::new(&Id::from(1), &Method::ToolsCall, params);
        let target = Target::new("s", Feature::Tool("a".into()));
        let call = Call::trusted(request, caller).advance(|()| Routed::new(target));
        let error = service.oneshot(call).await.unwrap_err();
        assert!(matches!(error, Error::Unapproved(Unapproved::Impossible)));
    }

    async fn asked(method: Method, params: &str) -> Vec<Feature> {
        let recorder = Arc::new(Recorder::default());
        let router = Arc::new(PrefixRouter::new([("s", "s")]).unwrap());
        let result = r#"{"prompts":[{"name":"a"}]}"#;
        let service = ServiceBuilder::new()
            .layer(DispatchLayer::new(router, recorder.clone()))
            .layer(AuthorizeLayer::new(recorder.clone()))
            .service(service_fn(async move |call: Call<Permitted>| {
                Ok::<_, Error>(Reply::result(call.request().id(), result))
            }));
        let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
        let caller = Arc::new(Caller::new(Principal::new("alice"), "default", client));
        let request = Request::new(&Id::from(1), &method, params);
        let _ = service.oneshot(Call::trusted(request, caller)).await;
        let asked = recorder.0.lock().unwrap();
        asked.clone()
    }

    #[tokio::test]
    async fn what_names_nothing_is_authorized_by_its_kind() {
        let list = [
            Feature::List(ListKind::Prompts),
            Feature::Prompt("a".into()),
        ];
        assert_eq!(asked(Method::PromptsList, "{}").await, list);
        let discovery = [Feature::Discovery];
        assert_eq!(asked(Method::ServerDiscover, "{}").await, discovery);
        let subscriptions = [Feature::Subscriptions];
        let filter = r#"{"notifications":{"toolsListChanged":true}}"#;
        assert_eq!(
            asked(Method::SubscriptionsListen, filter).await,
            subscriptions
        );
        assert_eq!(
            asked(Method::LoggingSetLevel, r#"{"level":"info"}"#).await,
            [Feature::Server]
        );
    }
}
