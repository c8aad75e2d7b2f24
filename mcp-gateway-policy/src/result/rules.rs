//! Rules about results, and the filters that apply them.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use mcp_gateway_core::Call;
use mcp_gateway_core::call::Permitted;
use mcp_gateway_core::policy::PolicyRequest;
use mcp_gateway_core::protocol::{ListKind, Method};
use mcp_gateway_core::reply::FilteredBy;
use mcp_gateway_core::route::{Feature, Target};
use mcp_gateway_core::upstream::ServerPool;

use super::filter::{RuleFilter, SchemaFilter};
use super::masker::mask;
use super::subscription::SubscriptionFilter;
use super::{ResultEffect, ResultRule, TaintRecorder};
use crate::attributes::Attributes;
use crate::candidates::Candidates;

/// Maximum size of a response that rules about results read, in bytes: 8 MiB. A larger one is
/// withheld.
pub const MAX_BYTES: usize = 8 << 20;

/// Ordered rules about results.
///
/// Finding out that no rule concerns a tool takes no lock and no allocation.
///
/// # Example
///
/// ```
/// use mcp_gateway_policy::result::{ResultEffect, ResultRule, ResultRules};
///
/// let reason = Some("too much".into());
/// let rules = ResultRules::new([ResultRule::new("all", ResultEffect::Block { reason })]);
/// assert_eq!(rules.rules().len(), 1);
/// ```
#[derive(Default)]
#[must_use]
pub struct ResultRules {
    rules: Arc<[ResultRule]>,
    candidates: Candidates,
}

impl ResultRules {
    /// Creates rules in their order.
    pub fn new(rules: impl IntoIterator<Item = ResultRule>) -> Self {
        Self {
            rules: rules.into_iter().collect(),
            candidates: Candidates::default(),
        }
    }

    /// Returns the rules in their order.
    pub fn rules(&self) -> &[ResultRule] {
        &self.rules
    }

    /// Returns `arguments`, a JSON text, as the masks of all rules leave them; `None` if they cannot be
    /// masked.
    ///
    /// For copies of arguments, which rules do not change otherwise. Scopes and conditions have no
    /// influence, because they concern results.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_policy::result::{ResultEffect, ResultMask, ResultRule, ResultRules};
    ///
    /// let mask = ResultMask::new(&["$.card"], &["[0-9]{4}"])?;
    /// let rules = ResultRules::new([ResultRule::new("cards", ResultEffect::Mask(mask))]);
    /// let masked = rules.mask_arguments(r#"{"card":"x","pin":1234,"a":1}"#);
    /// assert_eq!(masked.as_deref(), Some(r#"{"card":"***","pin":"***","a":1}"#));
    /// # Ok::<_, mcp_gateway_policy::result::MaskError>(())
    /// ```
    #[must_use]
    pub fn mask_arguments(&self, arguments: &str) -> Option<String> {
        let masks = self.rules.iter().filter_map(|rule| match rule.effect() {
            ResultEffect::Mask(mask) => Some(mask),
            _ => None,
        });
        let masks: Vec<_> = masks.collect();
        if masks.is_empty() {
            return Some(arguments.to_owned());
        }
        const HEAD: &str = "{\"structuredContent\":";
        let masked = mask(&format!("{HEAD}{arguments}}}"), &masks).ok()?;
        let inner = masked.strip_prefix(HEAD)?.strip_suffix('}')?;
        Some(inner.to_owned())
    }

    /// Returns the filter of the reply to `call` at the gateway `gateway`, the name by which rules
    /// refer to it; `None` if no rule concerns the reply.
    ///
    /// Annotations of tools are found in the lists of the servers in `pool`. A rule on annotations
    /// concerns the results of tools that are in no list. Taints are recorded by `recorder`.
    #[must_use]
    pub fn filter(
        self: &Arc<Self>,
        gateway: &Arc<str>,
        call: &Call<Permitted>,
        (pool, recorder): (&ServerPool, &Arc<dyn TaintRecorder>),
    ) -> Option<FilteredBy> {
        let method = call.request().method();
        if matches!(
            method,
            Method::LoggingSetLevel | Method::Ping | Method::SkillsList
        ) {
            // Settings and lists are no results.
            return None;
        }
        let is_subscription = method == &Method::SubscriptionsListen;
        let target = match is_subscription {
            // Its messages have results of tasks, which do not tell their tools.
            true => &Target::new(
                Arc::clone(&call.target().server),
                Feature::Task("notifications/tasks".into()),
            ),
            false => call.target(),
        };
        if target.feature == Feature::List(ListKind::Tools) {
            let rules = || (Arc::clone(self), Arc::clone(gateway));
            let names = |rule: &ResultRule| rule.changes_results_of(gateway, &target.server);
            let changes = self.rules.iter().any(names);
            return changes.then(|| SchemaFilter::new(rules(), &target.server).into());
        }
        let found = self.candidates.of(&self.rules, gateway, target);
        if found.is_empty() {
            return None;
        }
        let request = PolicyRequest::call(call).with_pool(pool);
        let attributes = Attributes::new((gateway, &request), SystemTime::now());
        let concerns = |index: &&usize| {
            let scope = self.rules[**index].scope();
            let agrees = |(hint, wanted)| attributes.hint(hint).is_ok_and(|value| value != wanted);
            scope.has_caller(call.caller()) && !scope.hints().iter().copied().any(agrees)
        };
        let rules: Vec<usize> = found.iter().filter(concerns).copied().collect();
        if rules.is_empty() {
            return None;
        }
        let has_condition = |index: &usize| self.rules[*index].condition().is_some();
        let entry = match rules.iter().any(has_condition) {
            true => request.entry().map(std::borrow::Cow::into_owned),
            false => None,
        };
        let gateway = Arc::clone(gateway);
        let rules = (Arc::clone(self), rules);
        let filter = RuleFilter::new(rules, (gateway, call, target), entry, recorder);
        Some(match is_subscription {
            true => SubscriptionFilter::new(filter).into(),
            false => filter.into(),
        })
    }
}

impl PartialEq for ResultRules {
    fn eq(&self, other: &Self) -> bool {
        self.rules == other.rules
    }
}

impl Eq for ResultRules {}

impl fmt::Debug for ResultRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&*self.rules).finish()
    }
}
