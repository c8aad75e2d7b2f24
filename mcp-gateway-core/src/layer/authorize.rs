//! Pass on the calls that a policy allows.
//!
//! [`AuthorizeLayer`] asks a [`Policy`] about every call whose target is known. What comes out is a
//! [`Call<Permitted>`](Permitted), which is the only kind that gets a credential. A denied call gets
//! the error of a call of something unknown.

use std::sync::Arc;
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use super::gate::Gate;
use crate::call::{Permitted, Routed};
use crate::error::{NameKind, RouteError};
use crate::policy::{Decision, Policy};
use crate::route::{Feature, Target};
use crate::{Call, Error};

/// A [`Layer`] that applies [`Authorize`].
///
/// See the [module documentation](self) for an example.
#[derive(Clone, Debug)]
pub struct AuthorizeLayer {
    policy: Arc<dyn Policy>,
}

impl AuthorizeLayer {
    /// Asks `policy` about every call.
    #[must_use]
    pub fn new(policy: Arc<dyn Policy>) -> Self {
        Self { policy }
    }
}

impl<S> Layer<S> for AuthorizeLayer {
    type Service = Authorize<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Authorize {
            inner,
            policy: Arc::clone(&self.policy),
        }
    }
}

/// Passes on the calls that a [`Policy`] allows.
///
/// See the [module documentation](self) for an example.
#[derive(Clone, Debug)]
pub struct Authorize<S> {
    inner: S,
    policy: Arc<dyn Policy>,
}

impl<S> Service<Call<Routed>> for Authorize<S>
where
    S: Service<Call<Permitted>, Error = Error>,
{
    type Response = S::Response;
    type Error = Error;
    type Future = Gate<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call<Routed>) -> Self::Future {
        let decision = match self.policy.permits(call.caller(), call.target()) {
            Decision::Allow => self.policy.permits_call(&call),
            deny @ Decision::Deny { .. } => deny,
        };
        match decision {
            Decision::Allow => {
                let call = call.advance(|Routed { target }| Permitted { target });
                Gate::forward(self.inner.call(call))
            }
            Decision::Deny { rule } => {
                let principal = call.principal().subject();
                let Target { server, feature } = call.target();
                tracing::info!(principal, %server, ?feature, %rule, "call denied");
                Gate::reject(refusal(&call))
            }
        }
    }
}

/// The error of a call that is refused, which is that of a call of something unknown.
fn refusal(call: &Call<Routed>) -> RouteError {
    let kind = match call.target().feature {
        Feature::Prompt(_) => NameKind::Prompt,
        Feature::Resource(_) => NameKind::Resource,
        Feature::Task(_) => NameKind::Task,
        Feature::Tool(_) => NameKind::Tool,
        Feature::Discovery | Feature::List(_) | Feature::Server | Feature::Subscriptions => {
            let method = call.request().method().as_str().into();
            return RouteError::UnknownMethod { method };
        }
    };
    let name = call.request().name().unwrap_or_default().into();
    RouteError::UnknownName { kind, name }
}
