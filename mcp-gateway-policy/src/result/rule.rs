//! Rules about results, and their effects.

use std::sync::Arc;

use mcp_gateway_core::results::is_reserved;
use mcp_gateway_core::route::{Feature, Target};

use super::ResultMask;
use crate::candidates::Named;
use crate::condition::Condition;
use crate::scope::Scope;

/// A rule about the results of calls.
///
/// It concerns the results of the calls in its [`Scope`], if its condition holds for them.
///
/// # Example
///
/// ```
/// use mcp_gateway_policy::Scope;
/// use mcp_gateway_policy::condition::Condition;
/// use mcp_gateway_policy::result::{ResultEffect, ResultMask, ResultRule};
///
/// let emails = ResultMask::new(&["$..email"], &[r"\b\S+@\S+\b"])?;
/// let rule = ResultRule::new("no addresses", ResultEffect::Mask(emails))
///     .with_scope(Scope::new().with_servers(["crm"]));
/// assert_eq!(&**rule.name(), "no addresses");
///
/// let reason = Some("the list is confidential".into());
/// let rule = ResultRule::new("no salaries", ResultEffect::Block { reason })
///     .with_condition(Condition::of_result("result.text.contains('salary')")?);
/// assert!(rule.condition().is_some());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub struct ResultRule {
    name: Arc<str>,
    effect: ResultEffect,
    is_dry_run: bool,
    scope: Scope,
    condition: Option<Condition>,
}

/// Effect of a rule on the results that it concerns.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ResultEffect {
    /// The client receives an error instead of the result.
    Block {
        /// Reason that the client receives.
        reason: Option<Arc<str>>,
    },
    /// The result is cut to a maximum size.
    Cap {
        /// Maximum size of its JSON text, in bytes.
        max_bytes: usize,
    },
    /// The context of the caller is untrusted from the result on, unless an earlier rule trusts it.
    Distrust,
    /// Parts of the result are replaced.
    Mask(ResultMask),
    /// The result is trusted, whatever later rules say.
    Trust,
}

impl ResultRule {
    /// Creates a rule that concerns all results.
    pub fn new(name: impl Into<Arc<str>>, effect: ResultEffect) -> Self {
        Self {
            name: name.into(),
            effect,
            is_dry_run: false,
            scope: Scope::new(),
            condition: None,
        }
    }

    /// Logs the effect instead of applying it.
    pub fn dry_run(mut self) -> Self {
        self.is_dry_run = true;
        self
    }

    /// Restricts the rule to the results of the calls in `scope`.
    pub fn with_scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// Restricts the rule to results for which `condition` holds.
    pub fn with_condition(mut self, condition: Condition) -> Self {
        self.condition = Some(condition);
        self
    }

    /// Returns the name of the rule.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Returns the effect.
    #[must_use]
    pub fn effect(&self) -> &ResultEffect {
        &self.effect
    }

    /// Returns `true` if the effect is only logged.
    #[must_use]
    pub fn is_dry_run(&self) -> bool {
        self.is_dry_run
    }

    /// Returns the scope: gateways, servers, tools, callers and annotations.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Returns the condition.
    #[must_use]
    pub fn condition(&self) -> Option<&Condition> {
        self.condition.as_ref()
    }

    /// Returns `true` if the rule depends on names of tools.
    #[must_use]
    pub fn names_tools(&self) -> bool {
        let condition = self.condition.as_ref();
        self.scope.names_tools() || condition.is_some_and(Condition::reads_tool_name)
    }

    /// Returns `true` if the rule may change results of tools of `server` at `gateway`.
    pub(super) fn changes_results_of(&self, gateway: &str, server: &str) -> bool {
        self.changes() && self.scope.names_gateway(gateway) && self.scope.names_server(server)
    }

    /// Returns `true` if results may contradict the output schema of `tool`.
    pub(super) fn may_contradict_schema(&self, gateway: &str, tool: &Target) -> bool {
        self.changes() && self.scope.names(gateway, tool)
    }

    fn changes(&self) -> bool {
        let effect = &self.effect;
        let changes = matches!(effect, ResultEffect::Cap { .. } | ResultEffect::Mask(_));
        changes && !self.is_dry_run
    }
}

impl Named for ResultRule {
    /// Returns `true` if the rule may concern results of `target` at `gateway`, whoever calls.
    ///
    /// A task and a kept result do not tell which tool they are of. So they are concerned by the rules
    /// for any tool of their server.
    fn names(&self, gateway: &str, target: &Target) -> bool {
        match &target.feature {
            Feature::Prompt(_) | Feature::Server | Feature::Tool(_) => {
                self.scope.names(gateway, target)
            }
            Feature::Resource(uri) if !is_reserved(uri) => self.scope.names(gateway, target),
            // Trust must be certain.
            Feature::Resource(_) | Feature::Task(_)
                if self.effect == ResultEffect::Trust && self.scope.is_of_tools() =>
            {
                false
            }
            Feature::Resource(_) | Feature::Task(_) => {
                self.scope.names_gateway(gateway) && self.scope.names_server(&target.server)
            }
            _ => false,
        }
    }
}
