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
//! use mcp_gateway_core::policy::{Decision, Policy, PolicyRequest};
//! use mcp_gateway_core::protocol::{Capabilities, ProtocolVersion};
//! use mcp_gateway_core::route::{Feature, Target};
//! use mcp_gateway_core::{Caller, ClientInfo};
//!
//! /// Tools that delete are for `alice`, after approval unless they declare to be read-only.
//! #[derive(Debug)]
//! struct Careful;
//!
//! impl Policy for Careful {
//!     fn decide(&self, request: &PolicyRequest<'_>) -> Decision {
//!         match &request.target().feature {
//!             Feature::Tool(name) if name.starts_with("delete") => {}
//!             _ => return Decision::Allow,
//!         }
//!         let read_only = request.entry().and_then(|entry| entry.hint("readOnlyHint"));
//!         match request.caller().principal().subject() {
//!             "alice" if read_only == Some(true) => Decision::Allow,
//!             "alice" => Decision::ask("deleting requires approval"),
//!             _ => Decision::deny("deleting is for alice"),
//!         }
//!     }
//! }
//!
//! let decide = |subject: &str, tool: &str| {
//!     let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
//!     let caller = Caller::new(Principal::new(subject), "main", client);
//!     let target = Target::new("files", Feature::Tool(tool.into()));
//!     Careful.decide(&PolicyRequest::listing(&caller, &target))
//! };
//! assert_eq!(decide("bob", "read"), Decision::Allow);
//! assert!(matches!(decide("alice", "delete_all"), Decision::Ask { .. }));
//! assert!(!decide("bob", "delete_all").is_listed());
//! ```
//!
//! [`AuthorizeLayer`]: crate::layer::authorize::AuthorizeLayer

mod decision;
mod request;

use std::fmt;
use std::sync::Arc;

pub use self::decision::Decision;
pub use self::request::{Action, PolicyRequest};
use crate::protocol::ListKind;

/// Authorizes calls and list entries.
///
/// Called once per call and once per entry of a list. It must answer from memory without blocking;
/// data that requires I/O must be fetched in the background.
#[doc(alias("PDP", "RBAC", "ABAC"))]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot authorize calls",
    label = "not a `Policy`",
    note = "implement `Policy`, or use `AllowAll`"
)]
pub trait Policy: fmt::Debug + Send + Sync + 'static {
    /// Decides if the caller of `request` may see or use its target.
    ///
    /// A target that is denied in a list must be denied in a call, too: lists are not consulted
    /// when a call arrives.
    fn decide(&self, request: &PolicyRequest<'_>) -> Decision;

    /// Returns `true` if a call is denied because the catalog entry of its target is unknown. `false`
    /// by default.
    ///
    /// The gateway then lists the tools of the server, and asks for the decision once more.
    fn lacks_entry(&self, request: &PolicyRequest<'_>) -> bool {
        let _ = request;
        false
    }

    /// Returns `true` if the decision is the same for all callers, so that a list may be shared
    /// between them. `false` by default.
    fn is_uniform(&self) -> bool {
        false
    }

    /// Returns `true` if no entry of the list `kind` of `server` is hidden from any caller. `false`
    /// by default.
    ///
    /// Only then can a list have the cursors of its server: a cursor may name a hidden entry.
    fn permits_all(&self, server: &str, kind: ListKind) -> bool {
        let _ = (server, kind);
        false
    }

    /// Returns the revision of the decisions, or `None` while they are being replaced together with
    /// servers. By default, they are never replaced.
    ///
    /// A list during which it changes is requested again: an entry of one server could otherwise be
    /// decided about by the rules for its successor.
    fn revision(&self) -> Option<u64> {
        Some(0)
    }
}

impl<P: Policy + ?Sized> Policy for Arc<P> {
    fn decide(&self, request: &PolicyRequest<'_>) -> Decision {
        (**self).decide(request)
    }

    fn lacks_entry(&self, request: &PolicyRequest<'_>) -> bool {
        (**self).lacks_entry(request)
    }

    fn is_uniform(&self) -> bool {
        (**self).is_uniform()
    }

    fn permits_all(&self, server: &str, kind: ListKind) -> bool {
        (**self).permits_all(server, kind)
    }

    fn revision(&self) -> Option<u64> {
        (**self).revision()
    }
}

/// A policy that permits everything.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::auth::Principal;
/// use mcp_gateway_core::policy::{AllowAll, Decision, Policy, PolicyRequest};
/// use mcp_gateway_core::protocol::{Capabilities, ProtocolVersion};
/// use mcp_gateway_core::route::{Feature, Target};
/// use mcp_gateway_core::{Caller, ClientInfo};
///
/// let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
/// let caller = Caller::new(Principal::new("alice"), "main", client);
/// let target = Target::new("files", Feature::Tool("delete".into()));
/// let request = PolicyRequest::listing(&caller, &target);
/// assert_eq!(AllowAll::new().decide(&request), Decision::Allow);
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
    fn decide(&self, _: &PolicyRequest<'_>) -> Decision {
        Decision::Allow
    }

    fn is_uniform(&self) -> bool {
        true
    }

    fn permits_all(&self, _: &str, _: ListKind) -> bool {
        true
    }
}
