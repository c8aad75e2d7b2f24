//! Filters of replies that apply rules about results.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use async_trait::async_trait;
use mcp_gateway_core::call::Permitted;
use mcp_gateway_core::catalog::CatalogEntry;
use mcp_gateway_core::jsonrpc::{Request, Response};
use mcp_gateway_core::policy::PolicyRequest;
use mcp_gateway_core::reply::{FilteredBy, ReplyFilter, Withheld};
use mcp_gateway_core::results::capped;
use mcp_gateway_core::route::{Feature, Target};
use mcp_gateway_core::{Call, Caller};

use super::facts::ResultFacts;
use super::masker::{MaskFailure, mask};
use super::{MAX_BYTES, ResultEffect, ResultMask, ResultRule, ResultRules, Taint, TaintRecorder};
use crate::attributes::Attributes;

/// Filter of the reply to one call.
#[derive(Debug)]
pub(super) struct RuleFilter {
    rules: Arc<ResultRules>,
    /// Positions of the rules that concern the call.
    concerned: Vec<usize>,
    gateway: Arc<str>,
    caller: Arc<Caller>,
    target: Target,
    request: Request,
    entry: Option<CatalogEntry>,
    recorder: Arc<dyn TaintRecorder>,
    /// Set once the taint is recorded.
    is_recorded: AtomicBool,
}

/// Filter of a list of tools whose results may be changed.
#[derive(Debug)]
pub(super) struct SchemaFilter {
    rules: Arc<ResultRules>,
    gateway: Arc<str>,
    server: Arc<str>,
}

/// Decision of the rules about a result.
#[derive(Default)]
struct Verdict<'a> {
    masks: Vec<&'a ResultMask>,
    max_bytes: Option<usize>,
    /// Trust, and the rule that decides about it.
    trust: Option<(bool, &'a ResultRule)>,
}

impl RuleFilter {
    /// Creates the filter of a call by those of the rules that concern it.
    pub(super) fn new(
        (rules, concerned): (Arc<ResultRules>, Vec<usize>),
        (gateway, call, target): (Arc<str>, &Call<Permitted>, &Target),
        entry: Option<CatalogEntry>,
        recorder: &Arc<dyn TaintRecorder>,
    ) -> Self {
        Self {
            rules,
            concerned,
            gateway,
            caller: Arc::clone(call.caller()),
            target: target.clone(),
            request: call.request().clone(),
            entry,
            recorder: Arc::clone(recorder),
            is_recorded: AtomicBool::new(false),
        }
    }

    fn concerned(&self) -> impl Iterator<Item = &ResultRule> {
        let rules = self.rules.rules();
        self.concerned.iter().map(move |index| &rules[*index])
    }

    /// Decides about the result or error `outcome`.
    fn decide(&self, outcome: Result<&str, &str>) -> Result<Verdict<'_>, Withheld> {
        let mut request = PolicyRequest::listing(&self.caller, &self.target);
        if let Some(arguments) = self.request.param("arguments") {
            request = request.with_arguments(arguments);
        }
        if let Some(entry) = &self.entry {
            request = request.with_entry(entry);
        }
        let is_untrusted = || self.recorder.is_untrusted(&self.caller);
        let attributes = Attributes::new((&self.gateway, &request), SystemTime::now());
        let attributes = attributes.in_context(Some(&is_untrusted));
        let facts = ResultFacts::new(&attributes, outcome);
        let mut verdict = Verdict::default();
        for rule in self.concerned() {
            let holds = rule.condition().map(|condition| condition.evaluate(&facts));
            match holds.unwrap_or(Ok(true)) {
                Ok(false) => {}
                Ok(true) if rule.is_dry_run() => self.log(rule, "rule applies (dry run)"),
                Err(error) if rule.is_dry_run() => {
                    tracing::warn!(rule = &**rule.name(), %error, "rule failed to evaluate");
                }
                Ok(true) => self.apply(rule, &mut verdict)?,
                Err(error) => {
                    let principal = self.caller.principal().subject();
                    tracing::warn!(rule = &**rule.name(), principal, %error, "rule failed to evaluate");
                    return Err(Withheld::new(format!(
                        "a rule could not be evaluated because {error}"
                    )));
                }
            }
        }
        Ok(verdict)
    }

    /// Adds the effect of a rule that concerns the result.
    fn apply<'a>(&self, rule: &'a ResultRule, verdict: &mut Verdict<'a>) -> Result<(), Withheld> {
        match rule.effect() {
            ResultEffect::Block { reason } => {
                self.log(rule, "result blocked");
                let reason = reason.as_deref().unwrap_or("a rule does not permit it");
                return Err(Withheld::new(reason));
            }
            ResultEffect::Cap { max_bytes } => {
                let before = verdict.max_bytes.unwrap_or(usize::MAX);
                verdict.max_bytes = Some(before.min(*max_bytes));
            }
            ResultEffect::Distrust => {
                verdict.trust.get_or_insert((false, rule));
            }
            ResultEffect::Mask(mask) => verdict.masks.push(mask),
            ResultEffect::Trust => {
                verdict.trust.get_or_insert((true, rule));
            }
        }
        Ok(())
    }

    /// Records that the context is untrusted because of `rule`, once.
    async fn taint(&self, rule: &ResultRule) -> Result<(), Withheld> {
        if self.is_recorded.load(Ordering::Acquire) {
            return Ok(());
        }
        let taint = Taint {
            caller: &self.caller,
            target: &self.target,
            rule: rule.name(),
        };
        match self.recorder.record(taint).await {
            Ok(()) => {
                self.is_recorded.store(true, Ordering::Release);
                self.log(rule, "context untrusted");
                Ok(())
            }
            Err(error) => {
                let error = mcp_gateway_core::error_chain(&*error);
                tracing::error!(rule = &**rule.name(), error, "taint not recorded");
                let reason = "that it is untrusted could not be recorded; try again later";
                Err(Withheld::new(reason))
            }
        }
    }

    /// Lets the next untrusted message be recorded again.
    pub(super) fn forget_taint(&self) {
        self.is_recorded.store(false, Ordering::Release);
    }

    fn log(&self, rule: &ResultRule, message: &'static str) {
        let principal = self.caller.principal().subject();
        let (server, feature) = (&self.target.server, &self.target.feature);
        tracing::info!(rule = &**rule.name(), principal, %server, ?feature, "{message}");
    }

    /// Returns the JSON text that takes the place of the result or error `outcome`; `None` if it stays as
    /// it is.
    ///
    /// # Errors
    ///
    /// [`Withheld`] if the client must not receive it.
    pub(super) async fn outcome(
        &self,
        outcome: Result<&str, &str>,
    ) -> Result<Option<String>, Withheld> {
        let verdict = self.decide(outcome)?;
        let mut text = None;
        if !verdict.masks.is_empty() {
            let original = outcome.unwrap_or_else(|error| error);
            text = Some(self.masked(original, &verdict.masks)?);
        }
        if let Some(max) = verdict.max_bytes {
            let whole = text.as_deref();
            let whole = whole.unwrap_or_else(|| outcome.unwrap_or_else(|error| error));
            if whole.len() > max {
                let too_large = || Withheld::new(format!("it exceeds {max} bytes"));
                text = Some(capped(whole, max).ok_or_else(too_large)?);
            }
        }
        if let Some((false, rule)) = verdict.trust {
            self.taint(rule).await?;
        }
        Ok(text)
    }

    /// Returns `text` with its masked parts replaced.
    fn masked(&self, text: &str, masks: &[&ResultMask]) -> Result<String, Withheld> {
        mask(text, masks).map_err(|failure: MaskFailure| {
            let server = &self.target.server;
            tracing::warn!(%server, reason = %failure, "result cannot be masked");
            Withheld::new(format!("it cannot be masked because {failure}"))
        })
    }
}

#[async_trait]
impl ReplyFilter for RuleFilter {
    fn max_bytes(&self) -> usize {
        MAX_BYTES
    }

    /// Conditions on the result cannot be evaluated yet: every mask applies.
    async fn message(&self, params: &str) -> Result<Option<String>, Withheld> {
        let mut masks = Vec::new();
        let mut trust = None;
        for rule in self.concerned().filter(|rule| !rule.is_dry_run()) {
            match rule.effect() {
                ResultEffect::Block { .. } if rule.condition().is_none() => {
                    return Err(Withheld::new("a rule does not permit it"));
                }
                ResultEffect::Mask(mask) => masks.push(mask),
                ResultEffect::Distrust | ResultEffect::Trust => {
                    trust.get_or_insert(rule);
                }
                ResultEffect::Block { .. } | ResultEffect::Cap { .. } => {}
            }
        }
        // A condition on the result is not known yet.
        if let Some(rule) = trust
            && *rule.effect() == ResultEffect::Distrust
            && rule.condition().is_none()
        {
            self.taint(rule).await?;
        }
        match masks.is_empty() {
            true => Ok(None),
            false => self.masked(params, &masks).map(Some),
        }
    }

    async fn response(&self, response: Response) -> Result<Response, Withheld> {
        match self.outcome(response.result()).await? {
            Some(text) => {
                let changed = response.with_outcome(&text);
                changed.ok_or_else(|| Withheld::new("it cannot be changed as a rule requires"))
            }
            None => Ok(response),
        }
    }
}

impl SchemaFilter {
    /// Creates the filter of the list of `server`, by the rules at a gateway.
    pub(super) fn new((rules, gateway): (Arc<ResultRules>, Arc<str>), server: &Arc<str>) -> Self {
        Self {
            rules,
            gateway,
            server: Arc::clone(server),
        }
    }
}

#[async_trait]
impl ReplyFilter for SchemaFilter {
    fn max_bytes(&self) -> usize {
        MAX_BYTES
    }

    async fn message(&self, _: &str) -> Result<Option<String>, Withheld> {
        Ok(None)
    }

    async fn response(&self, response: Response) -> Result<Response, Withheld> {
        Ok(response)
    }

    fn hides_output_schema(&self, tool: &str) -> bool {
        let tool = Target::new(Arc::clone(&self.server), Feature::Tool(tool.into()));
        let mut rules = self.rules.rules().iter();
        rules.any(|rule| rule.may_contradict_schema(&self.gateway, &tool))
    }
}

impl From<RuleFilter> for FilteredBy {
    fn from(filter: RuleFilter) -> Self {
        Self(Arc::new(filter))
    }
}

impl From<SchemaFilter> for FilteredBy {
    fn from(filter: SchemaFilter) -> Self {
        Self(Arc::new(filter))
    }
}
