//! Decisions about calls that are not made: one that is described, and those of the last day.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use serde_json::{Value, json};

use super::{Answer, Selection, again, policy};
use crate::failure::Failure;
use crate::form::{Fields, Submission};
use crate::json::Members as _;
use crate::path::{resource, with_query};
use crate::role::Role;
use crate::time;
use crate::view::{Block, Cell, Field, Form, Kind, Page, Table, Tone};
use crate::visit::Visit;

const LIST: &str = "/console/policy";
const PATH: &str = "/console/policy/explain";

/// `GET /console/policy/explain`: `tool`, `gateway` and `subject` may be in the query.
pub(crate) async fn show(visit: Visit, selection: Selection) -> Answer {
    if visit.role != Role::Admin {
        return Err(Failure::NotFound);
    }
    let value = |name: &str| selection.text(name).to_owned();
    Ok(visit.show(&page(form(value))))
}

/// `POST /console/policy/explain`: arguments are in the body, so that they are in no log.
pub(crate) async fn submit(sent: Submission) -> Answer {
    let Submission { visit, fields } = sent;
    let value = |name: &str| fields.raw(name).to_owned();
    let form = form(value);
    let call = match call(&fields) {
        Ok(call) => call,
        Err(error) => {
            let message = format!("not JSON: {error}");
            let form = form.violated(&[("arguments".to_owned(), message)]);
            return Ok(visit.show(&page(form)));
        }
    };
    let sent = visit
        .caller
        .change(Method::POST, "/api/v1/policy/explain", call, "");
    match sent.await {
        Ok(found) => Ok(visit.show(&decided(&found.value, form))),
        Err(failure) => again(&visit, failure, form, page),
    }
}

fn call(fields: &Fields) -> Result<Value, serde_json::Error> {
    let mut caller = json!({
        "teams": fields.items("teams"),
        "roles": fields.items("roles"),
        "scopes": fields.words("scopes"),
    });
    for name in ["subject", "client"] {
        if let Some(value) = fields.some(name) {
            caller[name] = value.into();
        }
    }
    let mut call = json!({ "tool": fields.text("tool"), "caller": caller });
    if let Some(gateway) = fields.some("gateway") {
        call["gateway"] = gateway.into();
    }
    if let Some(arguments) = fields.some("arguments") {
        call["arguments"] = serde_json::from_str(arguments)?;
    }
    Ok(call)
}

fn page(form: Form) -> Page {
    Page::new("Explain a call")
        .below(LIST, "Policy")
        .lead("The call is not made, and its arguments are not logged.")
        .with(Block::Form(form))
}

fn form(value: impl Fn(&str) -> String) -> Form {
    let field = |name: &str, label: &str, kind| Field::new(name, label, kind).value(value(name));
    Form::new(PATH, "Explain")
        .with(
            field("tool", "Tool", Kind::Text)
                .hint("SERVER/TOOL, by the name that the server uses.")
                .required(),
        )
        .with(field("gateway", "Gateway", Kind::Text).hint("The default gateway if empty."))
        .with(field("arguments", "Arguments", Kind::Area).hint("JSON."))
        .with(Field::heading("Caller", ""))
        .with(field("subject", "Identifier", Kind::Text).at("caller.subject"))
        .with(field("teams", "Teams", Kind::Text).at("caller.teams"))
        .with(field("roles", "Roles", Kind::Text).at("caller.roles"))
        .with(field("client", "OAuth client", Kind::Text).at("caller.client"))
        .with(field("scopes", "Scopes", Kind::Text).at("caller.scopes"))
}

/// Returns the page with a decision, and the form for another call.
fn decided(explanation: &Value, form: Form) -> Page {
    let facts = vec![
        (
            "Decision",
            policy::effect_badge(explanation.text("/effect")),
        ),
        ("Decided by", Cell::text(explanation.text("/decidedBy"))),
        ("Rule", Cell::text(explanation.text("/rule"))),
        ("Reason", Cell::text(explanation.text("/reason"))),
    ];
    let mut table = Table::new("Rules that were asked", &["Rule", "Finding"])
        .or_empty("No rule names the tool.");
    for step in explanation.list("/steps") {
        table.row(vec![
            Cell::text(step.text("/rule")),
            Cell::text(step.text("/finding")),
        ]);
    }
    Page::new("Explain a call")
        .below(LIST, "Policy")
        .with(Block::Facts(facts))
        .with(Block::Table(table))
        .heading("Another call")
        .with(Block::Form(form))
}

/// `GET /console/policy/recent`: decides the calls of the last day with the current rules.
pub(crate) async fn recent(visit: Visit) -> Answer {
    if visit.role != Role::Admin {
        return Err(Failure::NotFound);
    }
    let since = (time::now().saturating_sub(24 * 60 * 60) * 1000).to_string();
    let query = [
        ("since", &*since),
        ("action", "tools/call"),
        ("limit", "500"),
    ];
    let listed = visit.caller.list("/api/v1/audit", &query).await?;
    let columns = ["Tool", "Caller", "Gateway", "Calls", "Now", "Rule"];
    let mut table = Table::new("Calls of the last day", &columns).or_empty(
        listed
            .absent
            .as_deref()
            .unwrap_or("No calls in the last day."),
    );
    let mut callers = BTreeMap::new();
    let calls = distinct(&listed.items);
    for (key, count) in calls.iter().take(MAX_CALLS) {
        let explanation = explained(&visit, key, &mut callers).await?;
        let query = [
            ("tool", &*key.tool),
            ("gateway", &key.gateway),
            ("subject", &key.subject),
        ];
        table.row(vec![
            Cell::link(with_query(PATH, &query), &key.tool),
            Cell::text(&key.subject),
            Cell::text(&key.gateway),
            Cell::number(*count),
            policy::effect_badge(explanation.text("/effect")),
            Cell::text(explanation.text("/rule")),
        ]);
    }
    let mut page = Page::new("Last calls under these rules")
        .below(LIST, "Policy")
        .lead(
            "The first 500 calls of the last day, decided by the current rules. Arguments are not \
             recorded: rules with conditions about them decide as without arguments.",
        );
    if calls.len() > MAX_CALLS || listed.next.is_some() {
        page = page.note("There were more calls than are shown.", Tone::Warn);
    }
    Ok(visit.show(&page.with(Block::Table(table))))
}

/// Call without its arguments.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct CallKey {
    tool: String,
    subject: String,
    client: String,
    gateway: String,
}

/// Returns the distinct calls of `records`, with their numbers.
fn distinct(records: &[Value]) -> BTreeMap<CallKey, u64> {
    let mut calls = BTreeMap::new();
    for record in records {
        let tool = record.text("/target");
        if tool.is_empty() {
            continue;
        }
        let key = CallKey {
            tool: format!("{}/{tool}", record.text("/server")),
            subject: record.text("/actor/subject").to_owned(),
            client: record.text("/actor/client").to_owned(),
            gateway: record.text("/gateway").to_owned(),
        };
        *calls.entry(key).or_default() += 1;
    }
    calls
}

/// Returns the decision about a call. Teams and roles of `callers` are those that they have now.
async fn explained(
    visit: &Visit,
    key: &CallKey,
    callers: &mut BTreeMap<String, (BTreeSet<String>, String)>,
) -> Result<Value, Failure> {
    if !callers.contains_key(&key.subject) {
        let path = resource(&["users", &key.subject]);
        let known = match visit.caller.get(&path).await {
            Ok(found) => {
                let teams = found.value.texts("/teams").into_iter().collect();
                (teams, found.value.text("/role").to_owned())
            }
            Err(_) => Default::default(),
        };
        callers.insert(key.subject.clone(), known);
    }
    let (teams, role) = callers.get(&key.subject).cloned().unwrap_or_default();
    let roles: Vec<_> = Some(role)
        .filter(|role| !role.is_empty())
        .into_iter()
        .collect();
    let mut caller = json!({ "subject": key.subject, "teams": teams, "roles": roles });
    if !key.client.is_empty() {
        caller["client"] = key.client.as_str().into();
    }
    let call = json!({ "tool": key.tool, "gateway": key.gateway, "caller": caller });
    let path = "/api/v1/policy/explain";
    match visit.caller.change(Method::POST, path, call, "").await {
        Ok(found) => Ok(found.value),
        // The gateway or the server does not exist any more.
        Err(Failure::Problem(problem)) => Ok(json!({ "effect": "–", "rule": problem.sentence() })),
        Err(failure) => Err(failure),
    }
}

/// Maximum number of distinct calls that are decided for a page.
const MAX_CALLS: usize = 100;
