//! Section `policy`: rules about calls.
//!
//! | Key | Type |
//! |---|---|
//! | `default` | `allow` or `deny`: calls that no rule concerns |
//! | `rules` | list of rules, of which the first that concerns a call decides |
//! | `taint` | map with `duration` |
//! | `results` | list of rules about results, all of which apply |
//!
//! Of a rule:
//!
//! | Key | Type |
//! |---|---|
//! | `name` | string, required |
//! | `effect` | `allow`, `deny` or `approve`, required |
//! | `reason` | string: shown to the client, and to the approver; with `effect: deny` or `approve` |
//! | `approvers` | map from `roles` and `teams` to lists of strings; with `effect: approve` |
//! | `timeout`, `validFor` | durations of up to seven days; with `effect: approve` |
//! | `dryRun` | boolean: the effect is logged instead |
//! | `gateways`, `servers`, `tools`, `clients` | lists of patterns |
//! | `teams`, `roles` | lists of strings |
//! | `annotations` | map from `readOnly`, `destructive`, `idempotent` and `openWorld` to booleans |
//! | `untrusted` | boolean: in an untrusted context, or in a trusted one |
//! | `when` | condition in CEL |
//!
//! The rules about results are in [`results`].

mod results;

use std::sync::Arc;
use std::time::Duration;

use mcp_gateway_core::approval::{ApprovalTerms, Approvers};
use mcp_gateway_core::glob;
use mcp_gateway_platform::spec::{PlatformSpec, PolicySpec, Storage};
use mcp_gateway_policy::condition::Condition;
use mcp_gateway_policy::result::ResultRule;
use mcp_gateway_policy::{Effect, Hint, Rule, Scope};

use crate::document::{Field, FromField, Table, nearest, suggestion};

impl FromField for PolicySpec {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let mut policy = Self::default();
        let default = table.get_with("default", |field| {
            field.choice(&[("allow", false), ("deny", true)])
        });
        policy.denies_by_default = default.unwrap_or_default();
        let rules = table.field("rules");
        policy.results = table
            .get_with("results", results::rules)
            .unwrap_or_default();
        policy.taint_duration = table.get_with("taint", |field| {
            let mut table = field.table()?;
            let duration = table.get("duration");
            table.finish();
            duration
        });
        table.finish();
        for field in rules.and_then(|field| field.items()).unwrap_or_default() {
            let Some(rule) = rule(&field) else { continue };
            if policy.rules.iter().any(|other| other.name() == rule.name()) {
                field.error(format!("duplicate rule {:?}", rule.name()));
            }
            policy.rules.push(rule);
        }
        Some(policy)
    }
}

/// Reads a rule, of a file or of a store.
pub(crate) fn rule(field: &Field<'_>) -> Option<Rule> {
    let mut table = field.table()?;
    let name: Option<String> = table.required("name", Field::read);
    let effect = effect(&mut table);
    let mut rule = Rule::new(name.unwrap_or_default(), effect.unwrap_or(Effect::Allow));
    if table.get("dryRun").unwrap_or_default() {
        rule = rule.dry_run();
    }
    rule = rule.with_scope(scope(&mut table));
    if let Some(untrusted) = table.get("untrusted") {
        rule = rule.with_untrusted(untrusted);
    }
    if let Some(condition) = table.get_with("when", condition) {
        rule = rule.with_condition(condition);
    }
    table.finish();
    Some(rule)
}

/// Reads the keys of the calls that a rule concerns.
pub(super) fn scope(table: &mut Table<'_>) -> Scope {
    let mut list = |key| -> Vec<String> { table.get(key).unwrap_or_default() };
    let scope = Scope::new()
        .with_gateways(texts(&list("gateways")))
        .with_servers(texts(&list("servers")))
        .with_tools(texts(&list("tools")))
        .with_clients(texts(&list("clients")))
        .with_teams(texts(&list("teams")))
        .with_roles(texts(&list("roles")));
    let hints = table.get_with("annotations", annotations);
    let hints = hints.unwrap_or_default().into_iter();
    hints.fold(scope, |scope, (hint, value)| scope.with_hint(hint, value))
}

fn texts(texts: &[String]) -> impl Iterator<Item = &str> {
    texts.iter().map(String::as_str)
}

/// Reads the effect, with the keys that depend on it.
fn effect(table: &mut Table<'_>) -> Option<Effect> {
    let choices = [
        ("allow", Effect::Allow),
        ("approve", Effect::approve()),
        ("deny", Effect::Deny { reason: None }),
    ];
    let effect = table.required("effect", |field| field.choice(&choices));
    let reason = table.field("reason");
    let approval = APPROVAL_KEYS.map(|key| table.field(key));
    let effect = effect?;
    if !matches!(effect, Effect::Approve(_)) {
        for (key, field) in APPROVAL_KEYS.iter().zip(&approval) {
            if let Some(field) = field {
                field.error(format!("only a rule with effect: approve has {key}"));
            }
        }
    }
    match effect {
        Effect::Approve(_) => Some(Effect::Approve(Arc::new(terms(reason, approval)))),
        Effect::Deny { .. } => {
            let reason = reason.and_then(|reason| reason.read::<String>());
            let reason = reason.map(Arc::from);
            Some(Effect::Deny { reason })
        }
        effect => {
            if let Some(reason) = reason {
                reason.error("only a rule with effect: deny or approve has a reason");
            }
            Some(effect)
        }
    }
}

/// Keys of a rule with `effect: approve`.
const APPROVAL_KEYS: [&str; 3] = ["approvers", "timeout", "validFor"];

/// Reads the terms of an approval.
fn terms(
    reason: Option<Field<'_>>,
    [approvers, timeout, valid_for]: [Option<Field<'_>>; 3],
) -> ApprovalTerms {
    let mut terms = ApprovalTerms::default();
    if let Some(reason) = reason.and_then(|reason| reason.read::<String>()) {
        terms = terms.with_reason(reason);
    }
    if let Some(approvers) = approvers.and_then(|field| others(&field)) {
        terms = terms.with_approvers(approvers);
    }
    if let Some(timeout) = timeout.and_then(|field| time(&field)) {
        terms = terms.with_timeout(timeout);
    }
    if let Some(time) = valid_for.and_then(|field| time(&field)) {
        terms = terms.with_valid_for(time);
    }
    terms
}

/// Reads approvers other than the caller.
fn others(field: &Field<'_>) -> Option<Approvers> {
    let mut table = field.table()?;
    let roles: Vec<String> = table.get("roles").unwrap_or_default();
    let teams: Vec<String> = table.get("teams").unwrap_or_default();
    table.finish();
    if roles.is_empty() && teams.is_empty() {
        field.error("name a role or a team; without approvers, the caller confirms the call");
    }
    Some(Approvers::others(texts(&roles), texts(&teams)))
}

/// Reads a time of an approval.
fn time(field: &Field<'_>) -> Option<Duration> {
    let time: Duration = field.read()?;
    if !(Duration::from_secs(1)..=ApprovalTerms::MAX_TIME).contains(&time) {
        field.error("must be between 1s and 7d");
    }
    Some(time)
}

/// Reads the annotations of tools that a rule concerns.
pub(crate) fn annotations(field: &Field<'_>) -> Option<Vec<(Hint, bool)>> {
    let mut table = field.table()?;
    let hints = [
        ("destructive", Hint::Destructive),
        ("idempotent", Hint::Idempotent),
        ("openWorld", Hint::OpenWorld),
        ("readOnly", Hint::ReadOnly),
    ];
    let read = hints.map(|(key, hint)| Some((hint, table.get(key)?)));
    table.finish();
    Some(read.into_iter().flatten().collect())
}

/// Reads a condition, with all of its mistakes that can be found before it decides.
fn condition(field: &Field<'_>) -> Option<Condition> {
    field.parse("a condition", |text| {
        Condition::parse(text).map_err(|error| error.to_string())
    })
}

/// Records a warning for each rule with a gateway or server that does not exist.
pub(super) fn check_rules(spec: &PlatformSpec, field: Option<&Field<'_>>) {
    let items = |key| field?.get(key)?.items();
    let PolicySpec { rules, results, .. } = &spec.dynamic.policy;
    let rules = rules.iter().map(Rule::scope);
    check_scopes(spec, rules.zip(items("rules").unwrap_or_default()));
    let results = results.iter().map(ResultRule::scope);
    check_scopes(spec, results.zip(items("results").unwrap_or_default()));
}

/// Records a warning for each scope with a gateway or server that does not exist.
///
/// Other servers may be in a store: a name is then a mistake if it is similar to one of the file.
pub(super) fn check_scopes<'a, 'b>(
    spec: &PlatformSpec,
    scopes: impl Iterator<Item = (&'a Scope, Field<'b>)>,
) {
    let PlatformSpec { fixed, dynamic, .. } = spec;
    let gateways: Vec<&str> = dynamic.gateways.iter().map(|one| &*one.name).collect();
    let servers: Vec<&str> = dynamic.servers.iter().map(|one| &*one.name).collect();
    let may_be_stored = !matches!(fixed.store, Storage::Memory);
    for (scope, field) in scopes {
        check_names(&field, ("gateway", scope.gateways()), (&gateways, false));
        check_names(
            &field,
            ("server", scope.servers()),
            (&servers, may_be_stored),
        );
    }
}

/// Records a warning for each of the `patterns` of a kind that none of the `names` matches. If there
/// may be others, only those are reported that are similar to a name.
fn check_names(
    field: &Field<'_>,
    (kind, patterns): (&str, &[Arc<str>]),
    (names, has_others): (&[&str], bool),
) {
    let is_known = |pattern: &str| {
        let is_one = names.iter().any(|name| glob::matches(pattern, name));
        is_one || (has_others && nearest(pattern, names).is_none())
    };
    for unknown in patterns.iter().filter(|pattern| !is_known(pattern)) {
        let place = field
            .get(&format!("{kind}s"))
            .unwrap_or_else(|| field.clone());
        place.warning(format!(
            "no {kind} of this file is named {unknown:?}; {}",
            suggestion(unknown, names)
        ));
    }
}
