//! Ordered rules, and their decision.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use mcp_gateway_core::approval::ApprovalTerms;
use mcp_gateway_core::policy::{Action, Decision, Policy, PolicyRequest};
use mcp_gateway_core::protocol::ListKind;
use mcp_gateway_core::route::{Feature, Target};

use crate::attributes::Attributes;
use crate::candidates::Candidates;
use crate::condition::EvaluationError;
use crate::explanation::{Explanation, Finding, Step};
use crate::rule::{Effect, Rule};

/// A [`Policy`] of ordered rules: the first one that concerns a call decides.
///
/// - A call that no rule concerns is permitted, or rejected after [`denying_by_default`]. Lists,
///   discovery, subscriptions and tasks are rejected by rules only, because entries of lists are
///   decided about one by one.
/// - A rule whose condition fails to evaluate rejects the call, whatever its effect. The log has the
///   rule and the failure, and never a value.
/// - Lists have no arguments. An entry is listed unless it would be rejected for all arguments.
/// - A rule on annotations rejects calls of tools that their server does not list. A gateway lists
///   the tools of the server first, if it has not yet ([`lacks_entry`](Policy::lacks_entry)).
///
/// Arguments are parsed only if a rule that concerns the tool reads them.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::auth::Principal;
/// use mcp_gateway_core::policy::{Decision, Policy, PolicyRequest};
/// use mcp_gateway_core::protocol::{Capabilities, ProtocolVersion};
/// use mcp_gateway_core::route::{Feature, Target};
/// use mcp_gateway_core::{Caller, ClientInfo};
/// use mcp_gateway_policy::{Effect, Rule, Rules};
///
/// let rules = Rules::new([
///     Rule::new("admins", Effect::Allow).with_roles(["admin"]),
///     Rule::new("no deletion", Effect::Deny { reason: None }).with_tools(["delete_*"]),
/// ]);
/// let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
/// let caller = Caller::new(Principal::new("bob"), "main", client);
/// let target = Target::new("files", Feature::Tool("delete_file".into()));
/// let decision = rules.decide(&PolicyRequest::listing(&caller, &target));
/// assert_eq!(decision, Decision::deny("no deletion"));
/// ```
///
/// [`denying_by_default`]: Self::denying_by_default
#[derive(Default)]
#[must_use]
pub struct Rules {
    rules: Arc<[Rule]>,
    /// Terms of the rules that require approval, by their positions, with the version of all rules.
    terms: Vec<Option<Arc<ApprovalTerms>>>,
    denies_by_default: bool,
    /// Set if a rule depends on the trust in the context.
    reads_trust: bool,
    candidates: Candidates,
}

/// Rule of a denial by default, for the log.
const DEFAULT: &str = "default";

/// Result of one rule.
enum Outcome {
    /// The rule does not concern the call.
    Passed(Finding),
    /// The rule concerns the call for some arguments, and there are none yet.
    Undecided,
    /// The rule concerns the call.
    Concerns,
    /// The rule cannot be evaluated.
    Failed(EvaluationError),
}

impl Rules {
    /// Creates a policy of `rules`, in their order.
    pub fn new(rules: impl IntoIterator<Item = Rule>) -> Self {
        let rules: Arc<[Rule]> = rules.into_iter().collect();
        Self {
            terms: terms(&rules),
            reads_trust: rules.iter().any(Rule::reads_trust),
            rules,
            denies_by_default: false,
            candidates: Candidates::default(),
        }
    }

    /// Rejects the calls that no rule concerns.
    pub fn denying_by_default(mut self) -> Self {
        self.denies_by_default = true;
        self
    }

    /// Returns `true` if a rule depends on the trust in the context.
    #[must_use]
    pub fn reads_any_trust(&self) -> bool {
        self.reads_trust
    }

    /// Returns `true` if decisions about `target` at `gateway` may depend on the trust in the context.
    #[must_use]
    pub fn reads_trust(&self, gateway: &str, target: &Target) -> bool {
        let reads = |index: &usize| self.rules[*index].reads_trust();
        self.reads_trust
            && self
                .candidates
                .of(&self.rules, gateway, target)
                .iter()
                .any(reads)
    }

    /// Returns the rules in their order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Decides about `request` at the gateway `gateway`, the name by which rules refer to it.
    ///
    /// For gateways whose identifier differs from the name, such as those of a store. Otherwise
    /// [`decide`](Policy::decide) is the same.
    #[must_use]
    pub fn decide_at(&self, gateway: &str, request: &PolicyRequest<'_>) -> Decision {
        self.decide_in((gateway, None), request)
    }

    /// Decides about `request` at a gateway, as [`decide_at`](Self::decide_at), in a context that is
    /// untrusted if a function returns `true`.
    ///
    /// The function is called only if the decision depends on it. Without one, the context is trusted.
    #[must_use]
    pub fn decide_in(
        &self,
        (gateway, is_untrusted): (&str, Option<&dyn Fn() -> bool>),
        request: &PolicyRequest<'_>,
    ) -> Decision {
        let principal = request.caller().principal().subject();
        let attributes = Attributes::new((gateway, request), SystemTime::now());
        let attributes = attributes.in_context(is_untrusted);
        self.evaluate((gateway, request), &attributes, |rule, finding| {
            let rule = &**rule.name();
            match finding {
                Finding::Failed(error) => {
                    tracing::warn!(rule, principal, %error, "rule failed to evaluate");
                }
                Finding::DryRun if request.action() == Action::Call => {
                    tracing::info!(rule, principal, "rule applies (dry run)");
                }
                _ => {}
            }
        })
    }

    /// Returns `true` if [`decide_in`](Self::decide_in) denies a call because the annotations of its
    /// tool are unknown.
    #[must_use]
    pub fn lacks_entry_in(
        &self,
        (gateway, is_untrusted): (&str, Option<&dyn Fn() -> bool>),
        request: &PolicyRequest<'_>,
    ) -> bool {
        let attributes = Attributes::new((gateway, request), SystemTime::now());
        let attributes = attributes.in_context(is_untrusted);
        let mut lacks = false;
        self.evaluate((gateway, request), &attributes, |rule, finding| {
            let is_unlisted = matches!(finding, Finding::Failed(EvaluationError::Unlisted));
            lacks |= is_unlisted && !rule.is_dry_run();
        });
        lacks
    }

    /// Returns the decision about `request` with the result of each rule that names its target.
    pub fn explain(&self, request: &PolicyRequest<'_>, now: SystemTime) -> Explanation {
        self.explain_at(request.caller().gateway(), request, now)
    }

    /// Explains the decision of [`decide_at`](Self::decide_at).
    pub fn explain_at(
        &self,
        gateway: &str,
        request: &PolicyRequest<'_>,
        now: SystemTime,
    ) -> Explanation {
        self.explain_in((gateway, false), request, now)
    }

    /// Explains the decision of [`decide_in`](Self::decide_in) in a context that is untrusted if
    /// `is_untrusted`.
    pub fn explain_in(
        &self,
        (gateway, is_untrusted): (&str, bool),
        request: &PolicyRequest<'_>,
        now: SystemTime,
    ) -> Explanation {
        let mut steps = Vec::new();
        let is_untrusted = || is_untrusted;
        let attributes = Attributes::new((gateway, request), now).in_context(Some(&is_untrusted));
        let decision = self.evaluate((gateway, request), &attributes, |rule, finding| {
            let rule = Arc::clone(rule.name());
            steps.push(Step { rule, finding });
        });
        Explanation { decision, steps }
    }

    /// Decides about `request` at a gateway, and reports the result of each rule to `report`.
    fn evaluate(
        &self,
        (gateway, request): (&str, &PolicyRequest<'_>),
        attributes: &Attributes<'_>,
        mut report: impl FnMut(&Rule, Finding),
    ) -> Decision {
        let target = request.target();
        for index in &*self.candidates.of(&self.rules, gateway, target) {
            let rule = &self.rules[*index];
            let finding = match outcome(rule, request, attributes) {
                Outcome::Passed(finding) => finding,
                Outcome::Undecided => {
                    report(rule, Finding::DependsOnArguments);
                    match rule.effect() {
                        Effect::Deny { .. } => continue,
                        _ if rule.is_dry_run() => continue,
                        _ => return Decision::Allow,
                    }
                }
                Outcome::Failed(error) => {
                    report(rule, Finding::Failed(error));
                    if rule.is_dry_run() || self.permits_tools(*index, (gateway, request)) {
                        continue;
                    }
                    return failed(rule, error);
                }
                Outcome::Concerns if rule.is_dry_run() => Finding::DryRun,
                Outcome::Concerns
                    if rule.denies() && self.permits_tools(*index, (gateway, request)) =>
                {
                    continue;
                }
                Outcome::Concerns => {
                    report(rule, Finding::Decided);
                    return self.decision(*index, rule);
                }
            };
            report(rule, finding);
        }
        self.default_decision(&target.feature)
    }

    /// Returns `true` if the target is the list of a server, and a rule before `index` permits some of
    /// its tools: the entries of the list are decided about one by one.
    fn permits_tools(&self, index: usize, (gateway, request): (&str, &PolicyRequest<'_>)) -> bool {
        let (target, caller) = (request.target(), request.caller());
        let permits =
            |rule: &Rule| rule.permits_tools(gateway, target) && rule.scope().has_caller(caller);
        is_decided_apart(&target.feature) && self.rules[..index].iter().any(permits)
    }

    /// Returns the decision of the rule at `index`, which concerns a call.
    fn decision(&self, index: usize, rule: &Rule) -> Decision {
        let name = rule.name().to_string();
        match rule.effect() {
            Effect::Allow => Decision::Allow,
            Effect::Approve(terms) => {
                let versioned = self.terms.get(index).and_then(Option::as_ref);
                Decision::ask_under(name, Arc::clone(versioned.unwrap_or(terms)))
            }
            Effect::Deny { reason: None } => Decision::deny(name),
            Effect::Deny {
                reason: Some(reason),
            } => Decision::deny_with_reason(name, Arc::clone(reason)),
        }
    }

    fn default_decision(&self, feature: &Feature) -> Decision {
        match self.denies_by_default && !is_decided_apart(feature) {
            true => Decision::deny(DEFAULT),
            false => Decision::Allow,
        }
    }
}

/// Returns `true` if `feature` stands for entries that are decided about one by one.
fn is_decided_apart(feature: &Feature) -> bool {
    matches!(
        feature,
        Feature::Discovery | Feature::List(_) | Feature::Subscriptions | Feature::Task(_)
    )
}

/// Returns the result of `rule`, which names the target of `request`.
fn outcome(rule: &Rule, request: &PolicyRequest<'_>, attributes: &Attributes<'_>) -> Outcome {
    if !rule.scope().has_caller(request.caller()) {
        return Outcome::Passed(Finding::OtherCallers);
    }
    for (hint, wanted) in rule.scope().hints() {
        match attributes.hint(*hint) {
            Ok(value) if value == *wanted => {}
            Ok(_) => return Outcome::Passed(Finding::OtherAnnotations),
            Err(error) => return Outcome::Failed(error),
        }
    }
    if let Some(untrusted) = rule.untrusted()
        && attributes.is_untrusted() != untrusted
    {
        return Outcome::Passed(Finding::OtherTrust);
    }
    let Some(condition) = rule.condition() else {
        return Outcome::Concerns;
    };
    if condition.reads_arguments() && request.action() == Action::List {
        return Outcome::Undecided;
    }
    match condition.evaluate(attributes) {
        Ok(true) => Outcome::Concerns,
        Ok(false) => Outcome::Passed(Finding::ConditionFalse),
        Err(error) => Outcome::Failed(error),
    }
}

/// Returns the decision of a rule that fails to evaluate.
fn failed(rule: &Rule, error: EvaluationError) -> Decision {
    let log = format!("{} ({})", rule.name(), error.as_str());
    match rule.effect() {
        // A rule that hides its targets hides them in any case.
        Effect::Deny { reason: None } => Decision::deny(log),
        _ => {
            let reason = format!("a rule could not be evaluated because {error}");
            Decision::deny_with_reason(log, reason)
        }
    }
}

/// Returns the terms of the rules that require approval, with the version of all rules: an approval
/// is void once one of them has changed.
fn terms(rules: &[Rule]) -> Vec<Option<Arc<ApprovalTerms>>> {
    let asks = |rule: &Rule| matches!(rule.effect(), Effect::Approve(_));
    if !rules.iter().any(asks) {
        return Vec::new();
    }
    let text = format!("{rules:?}");
    let terms = rules.iter().map(|rule| match rule.effect() {
        Effect::Approve(terms) => {
            let terms = ApprovalTerms::clone(terms);
            Some(Arc::new(terms.with_version_of(&text)))
        }
        Effect::Allow | Effect::Deny { .. } => None,
    });
    terms.collect()
}

impl Policy for Rules {
    fn decide(&self, request: &PolicyRequest<'_>) -> Decision {
        self.decide_at(request.caller().gateway(), request)
    }

    fn lacks_entry(&self, request: &PolicyRequest<'_>) -> bool {
        self.lacks_entry_in((request.caller().gateway(), None), request)
    }

    fn is_uniform(&self) -> bool {
        self.rules.iter().all(Rule::is_uniform)
    }

    fn permits_all(&self, server: &str, _: ListKind) -> bool {
        // A condition may fail, which rejects.
        let hides = |rule: &Rule| {
            let rejects = *rule.effect() != Effect::Allow || rule.condition().is_some();
            rejects && rule.scope().names_server(server)
        };
        !self.denies_by_default && !self.rules.iter().any(hides)
    }
}

impl PartialEq for Rules {
    /// Compares the rules, and not what has been remembered of tools.
    fn eq(&self, other: &Self) -> bool {
        self.denies_by_default == other.denies_by_default && self.rules == other.rules
    }
}

impl Eq for Rules {}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("rules", &self.rules)
            .field("denies_by_default", &self.denies_by_default)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
