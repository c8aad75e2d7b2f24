//! Tests of rules: order, lists, failures, and what is denied by default.

mod trust;

use futures_util::FutureExt;
use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::call::Permitted;
use mcp_gateway_core::jsonrpc::{Id, Request};
use mcp_gateway_core::layer::authorize::AuthorizeLayer;
use mcp_gateway_core::layer::dispatch::DispatchLayer;
use mcp_gateway_core::protocol::{Capabilities, Method, ProtocolVersion};
use mcp_gateway_core::route::{PrefixRouter, Target};
use mcp_gateway_core::{Call, Caller, ClientInfo, Error, Reply};
use proptest::prelude::*;
use tower::{ServiceBuilder, ServiceExt, service_fn};

use super::*;
use crate::condition::Condition;
use crate::hint::Hint;

const HIDDEN: Effect = Effect::Deny { reason: None };

fn caller(subject: &str, teams: &[&str]) -> Arc<Caller> {
    let principal = teams
        .iter()
        .fold(Principal::new(subject), |principal, team| {
            principal.with_team(*team)
        });
    let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
    Arc::new(Caller::new(principal, "main", client))
}

fn condition(source: &str) -> Condition {
    Condition::parse(source).unwrap()
}

fn target(tool: &str) -> Target {
    Target::new("files", Feature::Tool(tool.into()))
}

fn list(rules: &Rules, caller: &Caller, tool: &str) -> Decision {
    rules.decide(&PolicyRequest::listing(caller, &target(tool)))
}

/// Result of a call that has passed the layers.
#[derive(Debug, Eq, PartialEq)]
enum Called {
    Permitted,
    NeedsApproval,
    Denied(Arc<str>),
    Unknown,
}

/// Calls a tool through the layers that apply `rules`.
fn call(rules: &Arc<Rules>, caller: &Arc<Caller>, tool: &str, arguments: &str) -> Called {
    let router = Arc::new(PrefixRouter::by_name(["files"]).unwrap());
    let stack = ServiceBuilder::new()
        .layer(DispatchLayer::new(router, rules.clone()))
        .layer(AuthorizeLayer::new(rules.clone()))
        .service(service_fn(async |call: Call<Permitted>| {
            Ok::<_, Error>(Reply::result(call.request().id(), "{}"))
        }));
    let params = format!(r#"{{"name":"files__{tool}","arguments":{arguments}}}"#);
    let request = Request::new(&Id::from(1), &Method::ToolsCall, &params);
    let call = Call::trusted(request, Arc::clone(caller));
    match stack.oneshot(call).now_or_never().unwrap() {
        Ok(_) => Called::Permitted,
        Err(Error::Unapproved(_)) => Called::NeedsApproval,
        Err(Error::Denied { reason }) => Called::Denied(reason),
        Err(Error::Route(_)) => Called::Unknown,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn the_first_rule_that_concerns_a_call_decides() {
    let rules = Rules::new([
        Rule::new("logged", HIDDEN).dry_run(),
        Rule::new("admins", Effect::Allow).with_teams(["admins"]),
        Rule::new("purge", Effect::approve()).with_tools(["purge"]),
        Rule::new("deletion", HIDDEN).with_tools(["delete_*"]),
        Rule::new("other gateway", HIDDEN).with_gateways(["other"]),
        Rule::new("other server", HIDDEN).with_servers(["mail"]),
        Rule::new("other client", HIDDEN).with_clients(["*"]),
        Rule::new("other role", HIDDEN).with_roles(["guest"]),
    ]);
    let (admin, user) = (
        caller("alice", &["sales", "admins"]),
        caller("bob", &["sales"]),
    );
    assert_eq!(list(&rules, &admin, "delete_all"), Decision::Allow);
    assert_eq!(
        list(&rules, &user, "delete_all"),
        Decision::deny("deletion")
    );
    let purge = list(&rules, &user, "purge");
    assert!(matches!(purge, Decision::Ask { rule, .. } if rule == "purge"));
    assert_eq!(list(&rules, &user, "read"), Decision::Allow);
    let strict = Rules::new([Rule::new("reading", Effect::Allow).with_tools(["read"])]);
    let strict = strict.denying_by_default();
    assert_eq!(list(&strict, &user, "read"), Decision::Allow);
    assert_eq!(list(&strict, &user, "write"), Decision::deny("default"));
    // The target is remembered, and so are its rules.
    assert_eq!(list(&strict, &user, "write"), Decision::deny("default"));
}

#[test]
fn arguments_decide_about_calls_and_not_about_lists() {
    let large = Effect::Deny {
        reason: Some("more than 100".into()),
    };
    let rules = Arc::new(Rules::new([
        Rule::new("small", Effect::Allow)
            .with_tools(["refund"])
            .with_condition(condition("arguments.amount <= 100")),
        Rule::new("large", large).with_tools(["refund"]),
        Rule::new("nobody", HIDDEN).with_tools(["drop"]),
        Rule::new("rest", Effect::approve()),
    ]));
    let user = caller("bob", &[]);
    let refund = |arguments| call(&rules, &user, "refund", arguments);
    assert_eq!(list(&rules, &user, "refund"), Decision::Allow);
    assert_eq!(refund(r#"{"amount":5}"#), Called::Permitted);
    assert_eq!(
        refund(r#"{"amount":500}"#),
        Called::Denied("more than 100".into())
    );
    for arguments in ["{}", r#"{"amount":"5"}"#, r#"{"amount":5,"amount":500}"#] {
        let Called::Denied(reason) = refund(arguments) else {
            panic!("{arguments}");
        };
        assert!(
            reason.starts_with("a rule could not be evaluated"),
            "{reason}"
        );
    }
    assert_eq!(call(&rules, &user, "drop", "{}"), Called::Unknown);
    assert_eq!(call(&rules, &user, "read", "{}"), Called::NeedsApproval);
    let hidden = Rules::new([
        Rule::new("nobody", HIDDEN).with_tools(["drop"]),
        Rule::new("large", HIDDEN).with_condition(condition("arguments.amount > 100")),
    ]);
    let hidden = Arc::new(hidden);
    assert_eq!(list(&hidden, &user, "drop"), Decision::deny("nobody"));
    assert_eq!(list(&hidden, &user, "refund"), Decision::Allow);
    // A rule that hides a tool hides it from calls without the argument, too.
    assert_eq!(call(&hidden, &user, "refund", "{}"), Called::Unknown);
}

#[test]
fn arguments_that_no_rule_reads_are_not_parsed() {
    let rules = Arc::new(Rules::new([
        Rule::new("teams", HIDDEN)
            .with_tools(["read"])
            .with_condition(condition("'guests' in caller.teams")),
        Rule::new("amount", Effect::Allow)
            .with_tools(["write"])
            .with_condition(condition("arguments.amount > 1")),
        Rule::new("other caller", HIDDEN)
            .with_tools(["read"])
            .with_teams(["guests"])
            .with_condition(condition("arguments.amount > 1")),
    ]));
    let bob = caller("bob", &["admins"]);
    // Whoever reads these arguments fails.
    let ambiguous = r#"{"amount":2,"amount":3}"#;
    assert_eq!(call(&rules, &bob, "read", ambiguous), Called::Permitted);
    let denied = "a rule could not be evaluated because an object has a member twice";
    let expected = Called::Denied(denied.into());
    assert_eq!(call(&rules, &bob, "write", ambiguous), expected);
}

#[test]
fn a_rule_on_annotations_denies_tools_that_are_not_listed() {
    let rules = Arc::new(Rules::new([
        Rule::new("reading", Effect::Allow).with_hint(Hint::ReadOnly, true),
        Rule::new("rest", Effect::approve()),
    ]));
    let user = caller("bob", &[]);
    assert_eq!(call(&rules, &user, "read", "{}"), Called::Unknown);
    let dry = Arc::new(Rules::new([Rule::new("reading", HIDDEN)
        .with_hint(Hint::ReadOnly, true)
        .dry_run()]));
    assert_eq!(call(&dry, &user, "read", "{}"), Called::Permitted);
}

#[test]
fn other_features_are_left_to_rules_without_tools() {
    let user = caller("bob", &[]);
    let decide = |rules: &Rules, feature| {
        let target = Target::new("files", feature);
        rules.decide(&PolicyRequest::listing(&user, &target))
    };
    let tools = Rules::new([
        Rule::new("tools", HIDDEN).with_tools(["*"]),
        Rule::new("approval", Effect::approve()),
    ]);
    let whole = Rules::new([Rule::new("server", HIDDEN).with_servers(["files"])]);
    let strict = Rules::new([]).denying_by_default();
    for feature in [
        Feature::Discovery,
        Feature::List(ListKind::Tools),
        Feature::Subscriptions,
        Feature::Task("t".into()),
    ] {
        assert_eq!(
            decide(&tools, feature.clone()),
            Decision::Allow,
            "{feature:?}"
        );
        assert_eq!(
            decide(&strict, feature.clone()),
            Decision::Allow,
            "{feature:?}"
        );
        assert_eq!(
            decide(&whole, feature.clone()),
            Decision::deny("server"),
            "{feature:?}"
        );
    }
    for feature in [Feature::Prompt("p".into()), Feature::Resource("r".into())] {
        assert_eq!(
            decide(&tools, feature.clone()),
            Decision::Allow,
            "{feature:?}"
        );
        assert_eq!(
            decide(&strict, feature.clone()),
            Decision::deny("default"),
            "{feature:?}"
        );
    }
    assert!(!whole.permits_all("files", ListKind::Tools));
    assert!(whole.permits_all("mail", ListKind::Tools));
    assert!(!strict.permits_all("mail", ListKind::Prompts));
    assert!(whole.is_uniform());
    assert!(!Rules::new([Rule::new("a", HIDDEN).with_teams(["a"])]).is_uniform());
}

#[test]
fn a_server_of_which_some_tools_are_permitted_has_lists() {
    let rules = Rules::new([
        Rule::new("dry", Effect::Allow).with_tools(["*"]).dry_run(),
        Rule::new("reading", Effect::Allow)
            .with_tools(["read"])
            .with_teams(["readers"]),
        Rule::new("rest", HIDDEN).with_servers(["files"]),
    ]);
    let decide = |teams, feature| {
        let target = Target::new("files", feature);
        rules.decide(&PolicyRequest::listing(&caller("bob", teams), &target))
    };
    for feature in [
        Feature::Discovery,
        Feature::List(ListKind::Tools),
        Feature::Subscriptions,
        Feature::Task("t".into()),
    ] {
        let decision = decide(&["readers"], feature.clone());
        assert_eq!(decision, Decision::Allow, "{feature:?}");
        let decision = decide(&[], feature.clone());
        assert_eq!(decision, Decision::deny("rest"), "{feature:?}");
    }
    let tool = |name: &str| decide(&["readers"], Feature::Tool(name.into()));
    assert_eq!(tool("read"), Decision::Allow);
    assert_eq!(tool("write"), Decision::deny("rest"));
    let prompt = decide(&["readers"], Feature::Prompt("p".into()));
    assert_eq!(prompt, Decision::deny("rest"));
}

#[test]
fn a_condition_that_may_fail_may_hide() {
    let named = Rule::new("named", Effect::Allow).with_condition(condition("caller.name == 'Bob'"));
    let rules = Rules::new([named]);
    assert!(!rules.permits_all("files", ListKind::Tools));
    let decision = list(&rules, &caller("bob", &[]), "read");
    assert!(!decision.is_listed(), "{decision:?}");
}

#[test]
fn an_explanation_names_the_rules_and_their_results() {
    let rules = Rules::new([
        Rule::new("sales", Effect::Allow).with_teams(["sales"]),
        Rule::new("alice", Effect::Allow).with_condition(condition("caller.subject == 'alice'")),
        Rule::new("mail", HIDDEN).with_servers(["mail"]),
        Rule::new("rest", Effect::approve()),
    ]);
    let (user, target) = (caller("bob", &[]), target("read"));
    let request = PolicyRequest::listing(&user, &target);
    let explanation = rules.explain(&request, SystemTime::now());
    assert!(matches!(explanation.decision, Decision::Ask { rule, .. } if rule == "rest"));
    let steps = explanation.steps.iter();
    let steps: Vec<_> = steps.map(|step| (&*step.rule, step.finding)).collect();
    let expected = [
        ("sales", Finding::OtherCallers),
        ("alice", Finding::ConditionFalse),
        ("rest", Finding::Decided),
    ];
    assert_eq!(steps, expected);
}

/// A rule of random parts.
fn rule() -> impl Strategy<Value = Rule> {
    let effect = prop_oneof![
        Just(Effect::Allow),
        Just(Effect::approve()),
        Just(HIDDEN),
        Just(Effect::Deny {
            reason: Some("no".into())
        }),
    ];
    let tools = prop_oneof![
        Just(vec![]),
        Just(vec!["a"]),
        Just(vec!["a*"]),
        Just(vec!["b"])
    ];
    let teams = prop_oneof![Just(vec![]), Just(vec!["x"]), Just(vec!["x", "y"])];
    let condition = prop_oneof![
        Just(None),
        Just(Some("arguments.n > 1")),
        Just(Some("!has(arguments.n)")),
        Just(Some("'x' in caller.teams")),
        Just(Some("tool.name == 'a'")),
    ];
    (effect, tools, teams, condition, any::<bool>()).prop_map(
        |(effect, tools, teams, source, is_dry_run)| {
            let rule = Rule::new("rule", effect)
                .with_tools(tools)
                .with_teams(teams);
            let rule = if is_dry_run { rule.dry_run() } else { rule };
            match source {
                Some(source) => rule.with_condition(condition_of(source)),
                None => rule,
            }
        },
    )
}

fn condition_of(source: &str) -> Condition {
    Condition::parse(source).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Whatever the rules: a call that is permitted is of a listed tool, and whatever a list hides
    /// is rejected with any arguments.
    #[test]
    fn permitted_calls_are_listed(
        rules in proptest::collection::vec(rule(), 0..6),
        strict in any::<bool>(),
        tool in "a|ab|b",
        team in "x|y|z",
        arguments in prop_oneof![Just("{}"), Just(r#"{"n":1}"#), Just(r#"{"n":2}"#), Just(r#"{"n":""}"#)],
    ) {
        let rules = Rules::new(rules);
        let rules = Arc::new(if strict { rules.denying_by_default() } else { rules });
        let user = caller("bob", &[&team]);
        let listed = list(&rules, &user, &tool);
        let called = call(&rules, &user, &tool, arguments);
        let is_rejected = matches!(called, Called::Unknown | Called::Denied(_));
        prop_assert!(listed.is_listed() || is_rejected, "{listed:?} {called:?} {rules:?}");
    }
}

#[test]
fn an_approval_is_of_one_version_of_the_rules() {
    let version = |rules: &[Rule]| {
        let rules = Rules::new(rules.iter().cloned());
        match list(&rules, &caller("ada", &[]), "purge") {
            Decision::Ask { terms, .. } => terms.version().cloned().unwrap(),
            other => panic!("{other:?}"),
        }
    };
    let purge = Rule::new("purge", Effect::approve()).with_tools(["purge"]);
    let read = Rule::new("read", Effect::Allow).with_tools(["read"]);
    let both = [purge.clone(), read.clone()];
    assert_eq!(version(&both), version(&both));
    assert_ne!(version(&both), version(&both[..1]));
    assert_ne!(version(&both), version(&[read, purge]));
}
