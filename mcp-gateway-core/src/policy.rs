//! Authorization: decisions about calls and list entries.
//!
//! The layer [`AuthorizeLayer`] calls a [`Policy`] for every call whose target is known, and
//! forwards those that it permits.
//!
//! To the client, a denied call is indistinguishable from a call of something unknown: same status,
//! same code, same text. The same policy filters lists, so that a list never contains what a call
//! would be denied.
//!
//! # Targets
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
//! A policy that denies by default must therefore allow `List`, `Discovery` and `Subscriptions`
//! explicitly at the servers that its callers may use. Otherwise those servers are omitted from
//! lists, and do not exist for the caller.
//!
//! # Example
//!
//! ```
//! use mcp_gateway_core::auth::Principal;
//! use mcp_gateway_core::policy::{Decision, Policy};
//! use mcp_gateway_core::protocol::{Capabilities, Version};
//! use mcp_gateway_core::route::{Feature, Target};
//! use mcp_gateway_core::{Caller, Client};
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
//!
//! let caller = |subject: &str| {
//!     let client = Client::new(Version::LATEST, Capabilities::default());
//!     Caller::new(Principal::new(subject), "main", client)
//! };
//! let delete = Target::new("files", Feature::Tool("delete_file".into()));
//! assert_eq!(Careful.permits(&caller("alice"), &delete), Decision::Allow);
//! assert_ne!(Careful.permits(&caller("bob"), &delete), Decision::Allow);
//! ```
//!
//! [`AuthorizeLayer`]: crate::layer::authorize::AuthorizeLayer

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::call::Routed;
use crate::route::Target;
use crate::{Call, Caller};

/// Authorizes calls and list entries.
///
/// Called once per call and once per entry of a list. It must answer from memory without blocking;
/// data that requires I/O must be fetched in the background.
pub trait Policy: fmt::Debug + Send + Sync + 'static {
    /// Decides if `caller` may see and use `target`.
    fn permits(&self, caller: &Caller, target: &Target) -> Decision;

    /// Returns `true` if the decision is the same for all callers, so that a list may be shared
    /// between them. `false` by default.
    fn is_uniform(&self) -> bool {
        false
    }

    /// Decides if `call` may be made with its arguments; called only for targets that the caller
    /// may see. Permits every call by default.
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

/// Decision of a [`Policy`].
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a third answer would need every caller's attention"
)]
pub enum Decision {
    /// The call is permitted.
    Allow,
    /// The call is denied.
    Deny {
        /// Rule that denied the call, for the log; the client does not receive it.
        rule: Cow<'static, str>,
    },
}

impl Decision {
    /// Denies because of `rule`.
    pub fn deny(rule: impl Into<Cow<'static, str>>) -> Self {
        Self::Deny { rule: rule.into() }
    }
}

/// A policy that permits everything.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::auth::Principal;
/// use mcp_gateway_core::policy::{AllowAll, Decision, Policy};
/// use mcp_gateway_core::protocol::{Capabilities, Version};
/// use mcp_gateway_core::route::{Feature, Target};
/// use mcp_gateway_core::{Caller, Client};
///
/// let client = Client::new(Version::LATEST, Capabilities::default());
/// let caller = Caller::new(Principal::new("alice"), "main", client);
/// let target = Target::new("files", Feature::Tool("delete".into()));
/// assert_eq!(AllowAll::new().permits(&caller, &target), Decision::Allow);
/// assert!(AllowAll::new().is_uniform());
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct AllowAll;

impl AllowAll {
    /// Creates the policy.
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
