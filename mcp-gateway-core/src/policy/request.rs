//! Requests for a decision of a policy.

use std::borrow::Cow;

use crate::Caller;
use crate::call::{Call, HasTarget};
use crate::catalog::CatalogEntry;
use crate::jsonrpc::Request;
use crate::protocol::Method;
use crate::route::Target;
use crate::upstream::ServerPool;

/// Attributes from which a [`Policy`](super::Policy) decides: who, what, and in which way.
///
/// Creating one costs no allocation. Attributes that need work, such as
/// [`arguments`](Self::arguments), are read when the policy asks for them.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::auth::Principal;
/// use mcp_gateway_core::policy::{Action, PolicyRequest};
/// use mcp_gateway_core::protocol::{Capabilities, ProtocolVersion};
/// use mcp_gateway_core::route::{Feature, Target};
/// use mcp_gateway_core::{Caller, ClientInfo};
///
/// let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
/// let caller = Caller::new(Principal::new("alice"), "main", client);
/// let target = Target::new("files", Feature::Tool("delete".into()));
/// let request = PolicyRequest::listing(&caller, &target);
/// assert_eq!(request.action(), Action::List);
/// assert_eq!(request.caller().principal().subject(), "alice");
/// assert_eq!(request.arguments(), None);
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct PolicyRequest<'a> {
    caller: &'a Caller,
    target: &'a Target,
    entry: Option<&'a CatalogEntry>,
    request: Option<&'a Request>,
    arguments: Option<&'a str>,
    pool: Option<&'a ServerPool>,
    is_placeholder: bool,
}

/// Way in which a caller accesses a target.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Action {
    /// A request to the target.
    Call,
    /// The sight of the target in a list.
    List,
}

impl<'a> PolicyRequest<'a> {
    /// Creates a request to see `target` in a list.
    pub fn listing(caller: &'a Caller, target: &'a Target) -> Self {
        Self {
            caller,
            target,
            entry: None,
            request: None,
            arguments: None,
            pool: None,
            is_placeholder: false,
        }
    }

    /// Creates a request to make `call`.
    pub fn call<S: HasTarget>(call: &'a Call<S>) -> Self {
        Self {
            request: Some(call.request()),
            ..Self::listing(call.caller(), call.target())
        }
    }

    /// Makes this a request to call the target with `arguments`, a JSON text, without a message.
    ///
    /// For tests of policies: such a request has no method.
    pub fn with_arguments(self, arguments: &'a str) -> Self {
        let arguments = Some(arguments);
        Self { arguments, ..self }
    }

    /// Sets the catalog entry of the target.
    pub fn with_entry(self, entry: &'a CatalogEntry) -> Self {
        let entry = Some(entry);
        Self { entry, ..self }
    }

    /// Sets the servers in whose cached lists the catalog entry of the target is looked up.
    pub fn with_pool(self, pool: &'a ServerPool) -> Self {
        let pool = Some(pool);
        Self { pool, ..self }
    }

    /// Makes this a request to see the placeholder of a server whose tools cannot be listed.
    pub(crate) fn for_placeholder(self) -> Self {
        Self {
            is_placeholder: true,
            ..self
        }
    }

    /// Returns `true` if the target is no tool of the server, but the one in their place while an
    /// account is missing. A filter of tools does not concern it.
    #[must_use]
    pub fn is_placeholder(&self) -> bool {
        self.is_placeholder
    }

    /// Returns the way in which the target is accessed.
    #[must_use]
    pub fn action(&self) -> Action {
        match self.request.is_some() || self.arguments.is_some() {
            true => Action::Call,
            false => Action::List,
        }
    }

    /// Returns the caller: principal, client and gateway.
    #[must_use]
    pub fn caller(&self) -> &'a Caller {
        self.caller
    }

    /// Returns the target: a feature of a server.
    #[must_use]
    pub fn target(&self) -> &'a Target {
        self.target
    }

    /// Returns the method of a call; `None` for a listing, and without a message.
    #[must_use]
    pub fn method(&self) -> Option<&'a Method> {
        Some(self.request?.method())
    }

    /// Returns the JSON text of the arguments of a call, or `None` for a listing or without
    /// arguments.
    #[must_use]
    pub fn arguments(&self) -> Option<&'a str> {
        match self.request {
            Some(request) => request.param("arguments"),
            None => self.arguments,
        }
    }

    /// Returns the catalog entry of the target, with its annotations.
    ///
    /// Always `Some` for an entry of a list. For a call it is looked up in the cached lists of the
    /// server, and is `None` unless one of them contains the target and all that do agree. A policy
    /// that depends on the entry must therefore decide about `None`, preferably by a denial that
    /// [`lacks_entry`](super::Policy::lacks_entry) tells from others.
    #[must_use]
    pub fn entry(&self) -> Option<Cow<'a, CatalogEntry>> {
        match self.entry {
            Some(entry) => Some(Cow::Borrowed(entry)),
            None => {
                let Target { server, feature } = self.target;
                self.pool?.entry(server, feature).map(Cow::Owned)
            }
        }
    }
}
