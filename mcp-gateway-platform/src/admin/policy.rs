//! Rules of the admin API.
//!
//! The rules of the configuration file come first and cannot be changed here: they are listed with
//! their position, so that the order in force is visible. Those of the store follow. Each change is
//! one batch with its audit record, and is applied before it is acknowledged, so that the caller who
//! made it finds it in force at this replica. Other replicas follow by the watch of the store.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use mcp_gateway_admin::{
    CatalogError, PolicyCall, PolicyCatalog, PolicyExplanation, PolicyStep, RuleDocument,
    RuleOrder, ServerSource, Violation,
};
use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::policy::Decision;
use mcp_gateway_core::protocol::{Capabilities, ProtocolVersion};
use mcp_gateway_core::route::{Feature, Target};
use mcp_gateway_core::{Caller, ClientInfo};
use mcp_gateway_policy::{Effect, Explanation, Finding, Hint, Rule, SampleCall};
use mcp_gateway_store::{Attachment, DocumentVersion};
use serde_json::{Map, Value};

use crate::registry::{MAX_RULES, Registry, StoredRule};
use crate::running::{Running, State};

#[async_trait]
impl PolicyCatalog for Running {
    /// Returns the rules in the order in which they decide.
    fn rules(&self) -> Vec<RuleDocument> {
        self.state().rule_documents()
    }

    /// Returns the rule of the store if the file has one of the same name, too.
    fn rule(&self, name: &str) -> Option<(RuleDocument, Option<u64>)> {
        let state = self.state();
        let documents = state.rule_documents().into_iter();
        let document = documents.rev().find(|document| document.name == name)?;
        let mut stored = state.merged.rules.iter();
        let stored = stored.find(|stored| *stored.name == *name);
        Some((document, stored.map(|stored| stored.version.0)))
    }

    /// Creates the rule. Concurrent changes of the order are tried again.
    async fn create_rule(
        &self,
        entry: Value,
        before: Option<&str>,
        attachment: &Attachment,
    ) -> Result<(RuleDocument, u64), CatalogError> {
        let registry = self.writable()?;
        let name = entry["name"].as_str().unwrap_or_default();
        check(registry, name, &entry)?;
        for _ in 0..ATTEMPTS {
            if self.rule(name).is_some() || registry.rule(name).is_some() {
                return Err(CatalogError::Exists);
            }
            if registry.rules().len() >= MAX_RULES {
                let message = format!("the store has {MAX_RULES} rules already");
                return Err(CatalogError::Invalid(vec![Violation::new("", message)]));
            }
            if let Some(before) = before
                && registry.rule(before).is_none()
            {
                let message = format!("the store has no rule {before:?}");
                return Err(CatalogError::Invalid(vec![Violation::new(
                    "before", message,
                )]));
            }
            let added = registry.add_rule((name, &entry), before, attachment).await;
            if let Some(added) = added? {
                return self.applied_rule(&added);
            }
        }
        Err(CatalogError::Changed)
    }

    /// Replaces the entry of the rule, whose place stays. The name is that of the path.
    async fn replace_rule(
        &self,
        name: &str,
        mut entry: Value,
        version: Option<u64>,
        attachment: &Attachment,
    ) -> Result<(RuleDocument, u64), CatalogError> {
        let registry = self.writable()?;
        let before = self.stored_rule(registry, name, version)?;
        if let Some(members) = entry.as_object_mut() {
            members.entry("name").or_insert_with(|| name.into());
        }
        check(registry, name, &entry)?;
        let replaced = registry.replace_rule(&before, &entry, attachment).await?;
        self.applied_rule(&*replaced.ok_or(CatalogError::Changed)?)
    }

    /// Deletes the rule. One that cannot be read can be deleted, too.
    async fn delete_rule(
        &self,
        name: &str,
        version: Option<u64>,
        attachment: &Attachment,
    ) -> Result<(), CatalogError> {
        let registry = self.writable()?;
        let stored = self.stored_rule(registry, name, version)?;
        let is_deleted = registry.delete_rule(&stored, attachment).await?;
        self.refresh();
        match is_deleted {
            true => Ok(()),
            false => Err(CatalogError::Changed),
        }
    }

    /// Returns the names of the rules of the store in their order.
    fn rule_order(&self) -> RuleOrder {
        order(&self.state().merged.rules)
    }

    /// Orders the rules of the store, all of which must be named.
    ///
    /// The version is that of the order: another request may have added a rule in the meantime.
    async fn order_rules(
        &self,
        order: &RuleOrder,
        version: Option<u64>,
        attachment: &Attachment,
    ) -> Result<RuleOrder, CatalogError> {
        let registry = self.writable()?;
        let rules = registry.rules();
        let current = self::order(&rules).version();
        if version.is_some_and(|version| version != current) {
            return Err(CatalogError::Changed);
        }
        let rules = arranged(rules, &order.names)?;
        let is_ordered = registry.order_rules(&rules, attachment).await?;
        self.refresh();
        match is_ordered {
            true => Ok(order.clone()),
            false => Err(CatalogError::Changed),
        }
    }

    /// Explains the decision about a call that is not made, with the annotations in the cached list of
    /// its server unless the request has some.
    ///
    /// A tool that the gateway does not offer is explained as such, not as unknown: administrators may
    /// see all of them.
    fn explain(&self, call: &PolicyCall) -> Result<PolicyExplanation, CatalogError> {
        let state = self.state();
        let spec = &state.merged.spec;
        let mut gateways = spec.gateways.iter();
        let gateway = match call.gateway.as_deref() {
            Some(key) => gateways.find(|one| one.segments().any(|segment| **segment == *key)),
            None => gateways.nth(spec.default_gateway),
        };
        let gateway = gateway.ok_or_else(|| invalid("gateway", "no such gateway"))?;
        let sample = sample(call, gateway.id())?;
        let server = &sample.target().server;
        let controller = &state.controller;
        let policy = controller.policy_of(gateway.id());
        let policy = policy.filter(|_| gateway.servers.contains(server));
        let explanation = policy.and_then(|policy| policy.explain(&sample, controller.pool()));
        Ok(explanation.map_or_else(not_offered, explained))
    }
}

impl State {
    /// Returns the documents of all rules: those of the spec, then those of the store.
    fn rule_documents(&self) -> Vec<RuleDocument> {
        let (rules, stored) = (&self.merged.spec.policy.rules, &self.merged.rules);
        let configured = rules.len().saturating_sub(stored.len());
        let configured = rules.iter().take(configured).map(|rule| (rule, None));
        let stored = stored.iter().map(|stored| (&stored.rule, Some(stored)));
        let all = configured.chain(stored).enumerate();
        all.map(|(at, (rule, stored))| described(at + 1, rule, stored))
            .collect()
    }
}

impl Running {
    /// Returns the rule `name` of the store, which must have `version` if there is one.
    ///
    /// # Errors
    ///
    /// [`CatalogError`] if the rule is that of the file, unknown or of another version.
    fn stored_rule(
        &self,
        registry: &Registry,
        name: &str,
        version: Option<u64>,
    ) -> Result<Arc<StoredRule>, CatalogError> {
        let Some(stored) = registry.rule(name) else {
            return Err(match self.rule(name) {
                Some((document, _)) if document.source == ServerSource::File => {
                    CatalogError::ReadOnly
                }
                _ => CatalogError::Unknown,
            });
        };
        let is_current = |version: u64| DocumentVersion(version) == stored.version;
        match version.is_none_or(is_current) {
            true => Ok(stored),
            false => Err(CatalogError::Changed),
        }
    }

    /// Applies the written rule, and returns it with its version.
    ///
    /// # Errors
    ///
    /// [`CatalogError::Changed`] if another request has deleted it in the meantime.
    fn applied_rule(&self, written: &StoredRule) -> Result<(RuleDocument, u64), CatalogError> {
        self.refresh();
        let (document, _) = self.rule(&written.name).ok_or(CatalogError::Changed)?;
        Ok((document, written.version.0))
    }
}

/// Validates `entry` as that of the rule `name`.
///
/// # Errors
///
/// [`CatalogError::Invalid`] with all violations, in the words of the configuration file.
fn check(registry: &Registry, name: &str, entry: &Value) -> Result<(), CatalogError> {
    let violations = registry.check_rule(name, entry);
    match violations.is_empty() {
        true => Ok(()),
        false => Err(CatalogError::Invalid(violations)),
    }
}

/// Returns the document of `rule`, which is that of the spec unless it is `stored`.
///
/// Rules of the file have no entry: it may refer to the environment.
fn described(position: usize, rule: &Rule, stored: Option<&Arc<StoredRule>>) -> RuleDocument {
    RuleDocument {
        name: rule.name().to_string(),
        position,
        source: match stored {
            Some(_) => ServerSource::Store,
            None => ServerSource::File,
        },
        effect: match rule.effect() {
            Effect::Allow => "allow",
            Effect::Approve(_) => "approve",
            _ => "deny",
        },
        dry_run: rule.is_dry_run(),
        entry: stored.map(|stored| stored.entry.clone()),
        violations: stored.map_or_else(Vec::new, |stored| stored.violations.clone()),
    }
}

/// Returns the order of `rules`, whose version follows from the names alone.
///
/// A replaced rule leaves it as it is: a reorder need not be repeated for it.
fn order(rules: &[Arc<StoredRule>]) -> RuleOrder {
    let names = rules.iter().map(|rule| rule.name.to_string());
    RuleOrder {
        names: names.collect(),
    }
}

/// Returns `rules` in the order of `names`.
///
/// # Errors
///
/// [`CatalogError::Invalid`] with each name that is unknown, repeated or missing.
fn arranged(
    rules: Vec<Arc<StoredRule>>,
    names: &[String],
) -> Result<Vec<Arc<StoredRule>>, CatalogError> {
    let rules = rules.into_iter().map(|rule| (Arc::clone(&rule.name), rule));
    let mut left: HashMap<_, _> = rules.collect();
    let mut violations = Vec::new();
    let mut arranged = Vec::new();
    for (at, name) in names.iter().enumerate() {
        match left.remove(&**name) {
            Some(rule) => arranged.push(rule),
            None => {
                let path = format!("names[{at}]");
                violations.push(Violation::new(&path, "unknown or repeated rule"));
            }
        }
    }
    let missing = left.keys();
    let missing =
        missing.map(|name| Violation::new("names", format!("the rule {name:?} is missing")));
    violations.extend(missing);
    match violations.is_empty() {
        true => Ok(arranged),
        false => Err(CatalogError::Invalid(violations)),
    }
}

/// Returns the call that `call` describes, at the gateway with the identifier `gateway`.
///
/// # Errors
///
/// [`CatalogError::Invalid`] for an invalid tool or arguments that are no object.
fn sample(call: &PolicyCall, gateway: &Arc<str>) -> Result<SampleCall, CatalogError> {
    let (server, tool) = call.tool.split_once('/').unwrap_or_default();
    if server.is_empty() || tool.is_empty() {
        return Err(invalid("tool", "expected SERVER/TOOL"));
    }
    let arguments = call.arguments.as_ref().map_or("{}", |text| text.get());
    if serde_json::from_str::<Map<String, Value>>(arguments).is_err() {
        return Err(invalid("arguments", "expected an object"));
    }
    let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
    let caller = Caller::new(principal(call), Arc::clone(gateway), client);
    let target = Target::new(server, Feature::Tool(tool.into()));
    let sample = SampleCall::new(caller, target, arguments);
    Ok(match call.annotations {
        Some(annotations) => {
            let hints = [
                (Hint::Destructive, annotations.destructive),
                (Hint::Idempotent, annotations.idempotent),
                (Hint::OpenWorld, annotations.open_world),
                (Hint::ReadOnly, annotations.read_only),
            ];
            let hints = hints.into_iter();
            let hints = hints.filter_map(|(hint, value)| Some((hint, value?)));
            sample.with_hints(&hints.collect::<Vec<_>>())
        }
        None => sample,
    })
}

/// Returns the caller of `call`, who has nothing but what the request names.
fn principal(call: &PolicyCall) -> Principal {
    let caller = &call.caller;
    let subject = caller.subject.as_deref().unwrap_or("somebody");
    let mut principal = Principal::new(subject);
    if let Some(name) = &caller.name {
        principal = principal.with_name(name.as_str());
    }
    if let Some(client) = &caller.client {
        principal = principal.with_client(client.as_str());
    }
    let teams = caller.teams.iter().map(String::as_str);
    principal = teams.fold(principal, Principal::with_team);
    let roles = caller.roles.iter().map(String::as_str);
    principal = roles.fold(principal, Principal::with_role);
    let scopes = caller.scopes.iter().map(String::as_str);
    scopes.fold(principal, Principal::with_scope)
}

/// Returns the document of an explanation.
///
/// A rule that fails to evaluate decides like one that concerns the call. Without either, the default
/// of the policy decides.
fn explained(explanation: Explanation) -> PolicyExplanation {
    let last = explanation.steps.last();
    let decisive =
        last.filter(|step| matches!(step.finding, Finding::Decided | Finding::Failed(_)));
    let rule = decisive.map(|step| step.rule.to_string());
    let (effect, reason) = match explanation.decision {
        Decision::Allow => ("allow", None),
        Decision::Ask { .. } => ("approve", None),
        Decision::Deny { reason, .. } => ("deny", reason.map(|reason| reason.to_string())),
        _ => ("deny", None),
    };
    let steps = explanation.steps.into_iter().map(|step| PolicyStep {
        rule: step.rule.to_string(),
        finding: step.finding.to_string(),
    });
    PolicyExplanation {
        effect,
        decided_by: if rule.is_some() { "rule" } else { "default" },
        rule,
        reason,
        steps: steps.collect(),
    }
}

/// Returns the explanation for a tool that the gateway does not offer.
fn not_offered() -> PolicyExplanation {
    PolicyExplanation {
        effect: "deny",
        decided_by: "gateway",
        rule: None,
        reason: None,
        steps: Vec::new(),
    }
}

/// Returns the error of one invalid field.
fn invalid(path: &str, message: &str) -> CatalogError {
    CatalogError::Invalid(vec![Violation::new(path, message)])
}

/// Attempts to add a rule while others change the order.
const ATTEMPTS: usize = 3;
