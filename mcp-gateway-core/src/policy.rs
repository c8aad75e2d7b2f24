//! Decide what a caller may see and do.
//!
//! [`AuthorizeLayer`] asks a [`Policy`] about every call whose target is known, and passes on those
//! that it allows.
//!
//! A call that is refused looks to the client like a call of something that does not exist: same
//! status, same code, same text. The same policy decides what lists show, so that they never show
//! what a call would be refused.
//!
//! # What is asked
//!
//! | request | [`Feature`](crate::route::Feature) of the target, at each server |
//! |---|---|
//! | `tools/call`, `prompts/get`, `resources/read`, methods of tasks | `Tool`, `Prompt`, `Resource`, `Task` |
//! | an entry of a list | the `Tool`, `Prompt` or `Resource` that it is |
//! | a list | `List`, before the server is asked |
//! | `server/discover`, and `initialize` of the legacy era | `Discovery` |
//! | `subscriptions/listen`, and what the legacy era has for it | `Subscriptions` |
//! | any other method, such as `logging/setLevel` | `Server` |
//!
//! So a policy that denies by default has to allow `List`, `Discovery` and `Subscriptions` explicitly
//! at the servers of which its callers may use something: otherwise those servers have no part in
//! lists, and do not exist to the caller.
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
//!
//! [`AuthorizeLayer`]: crate::layer::authorize::AuthorizeLayer

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::call::Routed;
use crate::route::Target;
use crate::{Call, Caller};

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
