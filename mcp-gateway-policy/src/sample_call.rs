//! Calls that a policy is asked about.

use std::fmt;
use std::time::SystemTime;

use mcp_gateway_core::Caller;
use mcp_gateway_core::catalog::{CatalogEntry, ListKind, Listing};
use mcp_gateway_core::policy::PolicyRequest;
use mcp_gateway_core::route::Target;
use serde_json::{Map, json};

use crate::explanation::Explanation;
use crate::hint::Hint;
use crate::rules::Rules;

/// A call that is not made: of a test, or of somebody who asks for an explanation.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::auth::Principal;
/// use mcp_gateway_core::policy::Decision;
/// use mcp_gateway_core::protocol::{Capabilities, ProtocolVersion};
/// use mcp_gateway_core::route::{Feature, Target};
/// use mcp_gateway_core::{Caller, ClientInfo};
/// use mcp_gateway_policy::{Effect, Hint, Rule, Rules, SampleCall};
///
/// let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
/// let caller = Caller::new(Principal::new("bob"), "main", client);
/// let target = Target::new("files", Feature::Tool("read_file".into()));
/// let call = SampleCall::new(caller, target, "{}").with_hints(&[(Hint::ReadOnly, true)]);
/// let reading = Rule::new("reading", Effect::Allow).with_hint(Hint::ReadOnly, true);
/// let rules = Rules::new([reading]).denying_by_default();
/// assert_eq!(call.explain(&rules, "main").decision, Decision::Allow);
/// ```
#[derive(Clone)]
#[must_use]
pub struct SampleCall {
    caller: Caller,
    target: Target,
    arguments: String,
    entry: Option<CatalogEntry>,
    is_untrusted: bool,
}

impl SampleCall {
    /// Creates a call of a tool that the gateway has not seen in a list, with the JSON text
    /// `arguments`.
    pub fn new(caller: Caller, target: Target, arguments: impl Into<String>) -> Self {
        Self {
            caller,
            target,
            arguments: arguments.into(),
            entry: None,
            is_untrusted: false,
        }
    }

    /// Lists the tool with the annotations `hints`.
    pub fn with_hints(mut self, hints: &[(Hint, bool)]) -> Self {
        self.entry = listed(&self.target, hints);
        self
    }

    /// Sets whether the context is untrusted.
    pub fn with_untrusted(mut self, is_untrusted: bool) -> Self {
        self.is_untrusted = is_untrusted;
        self
    }

    /// Returns the target.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Returns the request for a decision.
    pub fn request(&self) -> PolicyRequest<'_> {
        let request = PolicyRequest::listing(&self.caller, &self.target);
        let request = request.with_arguments(&self.arguments);
        match &self.entry {
            Some(entry) => request.with_entry(entry),
            None => request,
        }
    }

    /// Returns the decision of `rules` at the gateway that they name `gateway`, and how they come to
    /// it.
    pub fn explain(&self, rules: &Rules, gateway: &str) -> Explanation {
        rules.explain_in(
            (gateway, self.is_untrusted),
            &self.request(),
            SystemTime::now(),
        )
    }
}

/// Returns the tool `target` as a server lists it with annotations.
fn listed(target: &Target, hints: &[(Hint, bool)]) -> Option<CatalogEntry> {
    let name = target.feature.name()?;
    let hints = hints
        .iter()
        .map(|(hint, value)| (hint.as_str().to_owned(), json!(value)));
    let annotations: Map<_, _> = hints.collect();
    let tool = json!({ "name": name, "inputSchema": {}, "annotations": annotations });
    let list = json!({ "tools": [tool] }).to_string();
    let listing = Listing::from_result(&target.server, ListKind::Tools, &list.into()).ok()?;
    listing.get(name).cloned()
}

impl fmt::Debug for SampleCall {
    /// Does not show the arguments, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SampleCall")
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}
