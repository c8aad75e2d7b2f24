//! Decide what a caller may see and do.
//!
//! [`AuthorizeLayer`] asks a [`Policy`] about every call whose target is known, and passes on those
//! that it allows. What comes out is a [`Call<Permitted>`](Permitted), which is the only kind that
//! gets a credential.
//!
//! A call that is refused looks to the client like a call of something that does not exist: same
//! status, same code, same text. The same policy decides what lists show, so that they never show
//! what a call would be refused.
//!
//! # Example
//!
//! ```
//! use mcp_gateway_core::Caller;
//! use mcp_gateway_core::policy::{Decision, Policy};
//! use mcp_gateway_core::route::{Feature, Target};
//!
//! /// Only `alice` may use tools that delete.
//! #[derive(Debug)]
//! struct Careful;
//!
//! impl Policy for Careful {
//!     fn permits(&self, caller: &Caller, target: &Target) -> Decision {
//!         match &target.feature {
//!             Feature::Tool(name) if name.starts_with("delete") => {
//!                 match caller.principal().subject() {
//!                     "alice" => Decision::Allow,
//!                     _ => Decision::deny("deleting is for alice"),
//!                 }
//!             }
//!             _ => Decision::Allow,
//!         }
//!     }
//! }
//! ```

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use crate::call::{Permitted, Routed};
use crate::error::RouteError;
use crate::gate::Gate;
use crate::route::{Feature, Target};
use crate::{Call, Caller, Error};

/// Decides what callers may see and do.
///
/// Called once per call, and once per entry of a list. It answers from memory and does not wait;
/// what needs I/O to decide is fetched in the background.
pub trait Policy: fmt::Debug + Send + Sync + 'static {
    /// Whether `caller` may see and use `target`.
    fn permits(&self, caller: &Caller, target: &Target) -> Decision;

    /// Whether all callers see the same, so that one may be shown what was listed for another.
    fn is_uniform(&self) -> bool {
        false
    }

    /// Whether `call`, whose target the caller may see, may be made with the arguments that it has.
    fn permits_call(&self, call: &Call<Routed>) -> Decision {
        let _ = call;
        Decision::Allow
    }
}

impl<P: Policy + ?Sized> Policy for Arc<P> {
    fn permits(&self, caller: &Caller, target: &Target) -> Decision {
        (**self).permits(caller, target)
    }

    fn is_uniform(&self) -> bool {
        (**self).is_uniform()
    }

    fn permits_call(&self, call: &Call<Routed>) -> Decision {
        (**self).permits_call(call)
    }
}

/// What a [`Policy`] says.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a third answer would need every caller's attention"
)]
pub enum Decision {
    /// Yes.
    Allow,
    /// No.
    Deny {
        /// The rule that says so, for the log of the gateway; the client does not see it.
        rule: Cow<'static, str>,
    },
}

impl Decision {
    /// No, because of `rule`.
    pub fn deny(rule: impl Into<Cow<'static, str>>) -> Self {
        Self::Deny { rule: rule.into() }
    }
}

/// Allows every caller everything that the gateway has.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct AllowAll;

impl AllowAll {
    /// Allows everything.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl Policy for AllowAll {
    fn permits(&self, _: &Caller, _: &Target) -> Decision {
        Decision::Allow
    }

    fn is_uniform(&self) -> bool {
        true
    }
}

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
        Feature::Prompt(_) => "prompt",
        Feature::Resource(_) => "resource",
        Feature::Task(_) => "task",
        Feature::Tool(_) => "tool",
        Feature::Server => {
            let method = call.request().method().as_str().into();
            return RouteError::UnknownMethod { method };
        }
    };
    let name = call.request().name().unwrap_or_default().into();
    RouteError::UnknownName { kind, name }
}
