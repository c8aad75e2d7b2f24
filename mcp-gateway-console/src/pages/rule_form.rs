//! Form of a rule.

use axum::extract::Path;
use http::Method;
use serde_json::{Value, json};

use super::{Answer, again, done};
use crate::failure::Failure;
use crate::form::{Fields, Submission};
use crate::json::Members as _;
use crate::path::{page as page_path, resource};
use crate::role::Role;
use crate::view::{Block, Button, Cell, Choice, Field, Form, Kind, Page};
use crate::visit::Visit;

const LIST: &str = "/console/policy";
const NEW: &str = "/console/policy/new";

/// Members with lists of texts, and their labels and hints.
const LISTS: [(&str, &str, &str); 6] = [
    (
        "gateways",
        "Gateways",
        "Patterns of names; * stands for any characters.",
    ),
    ("servers", "Servers", "Patterns of names."),
    (
        "tools",
        "Tools",
        "Patterns of the names that the servers use.",
    ),
    ("teams", "Teams", "A caller must have one of them."),
    ("roles", "Roles", "A caller must have one of them."),
    ("clients", "OAuth clients", "Patterns of identifiers."),
];

/// Annotations of tools, and their labels.
const ANNOTATIONS: [(&str, &str); 4] = [
    ("readOnly", "Read-only"),
    ("destructive", "Destructive"),
    ("idempotent", "Idempotent"),
    ("openWorld", "Open world"),
];

/// `GET /console/policy/new`.
pub(crate) async fn show_new(visit: Visit) -> Answer {
    match visit.role {
        Role::Admin => Ok(visit.show(&new_page(form(NEW, &json!({ "effect": "deny" }))))),
        _ => Err(Failure::NotFound),
    }
}

/// `POST /console/policy/new`.
pub(crate) async fn create(sent: Submission) -> Answer {
    let Submission { visit, fields } = sent;
    let entry = changed(json!({}), &fields);
    let sent = visit
        .caller
        .change(Method::POST, "/api/v1/policy/rules", entry.clone(), "");
    match sent.await {
        Ok(_) => Ok(done(LIST, "added")),
        Err(failure) => again(&visit, failure, form(NEW, &entry), new_page),
    }
}

/// `GET /console/policy/rules/{name}`.
pub(crate) async fn show_edit(visit: Visit, Path(name): Path<String>) -> Answer {
    let (entry, version) = stored(&visit, &name).await?;
    let form = form(&own(&name), &entry).hide("version", &version);
    Ok(visit.show(&edit_page(&name, &version, form)))
}

/// `POST /console/policy/rules/{name}`.
pub(crate) async fn replace(Path(name): Path<String>, sent: Submission) -> Answer {
    let Submission { visit, fields } = sent;
    let (before, _) = stored(&visit, &name).await?;
    let entry = changed(before, &fields);
    let version = fields.text("version");
    let path = resource(&["policy", "rules", &name]);
    let sent = visit
        .caller
        .change(Method::PUT, &path, entry.clone(), version);
    match sent.await {
        Ok(_) => Ok(done(LIST, "saved")),
        Err(failure) => {
            let form = form(&own(&name), &entry).hide("version", version);
            again(&visit, failure, form, |form| {
                edit_page(&name, version, form)
            })
        }
    }
}

fn own(name: &str) -> String {
    page_path(&["policy", "rules", name])
}

/// Returns the entry of the rule `name` in the store, and its version.
async fn stored(visit: &Visit, name: &str) -> Result<(Value, String), Failure> {
    let mut found = visit
        .caller
        .get(&resource(&["policy", "rules", name]))
        .await?;
    let entry = found.value["entry"].take();
    match entry.is_object() {
        true => Ok((entry, found.version)),
        false => Err(Failure::NotFound),
    }
}

fn new_page(form: Form) -> Page {
    Page::new("New rule")
        .below(LIST, "Policy")
        .lead("It is the last one of the order, and in force at once on all replicas.")
        .with(Block::Form(form.cancel(LIST)))
}

fn edit_page(name: &str, version: &str, form: Form) -> Page {
    let question = "Calls that it concerned are decided by the rules after it.";
    let button = Button::new(format!("{}/delete", own(name)), "Delete")
        .danger(question)
        .with_field("version", version);
    Page::new(name)
        .below(LIST, "Policy")
        .lead("Name and place stay.")
        .with(Block::Form(form.cancel(LIST)))
        .with(Block::Buttons(Cell::Buttons(vec![button])))
}

/// Returns the form with the values of `entry`.
fn form(action: &str, entry: &Value) -> Form {
    let effects = vec![
        Choice::new("allow", "Permit the call"),
        Choice::new("approve", "Let it wait until somebody approves it"),
        Choice::new("deny", "Reject it"),
    ];
    let dry_run = if entry.is("/dryRun") { "on" } else { "" };
    let mut form = Form::new(action, "Save rule")
        .with(
            Field::new("name", "Name", Kind::Text)
                .value(entry.text("/name"))
                .required(),
        )
        .with(Field::new("effect", "Effect", Kind::Radio(effects)).value(entry.text("/effect")))
        .with(
            Field::new("reason", "Reason", Kind::Text)
                .value(entry.text("/reason"))
                .hint("The client receives it."),
        )
        .with(
            Field::new("dryRun", "Only log the effect", Kind::Check)
                .value(dry_run)
                .hint("A dry run: calls are decided by the rules after it."),
        )
        .with(Field::heading(
            "Calls that it concerns",
            "All that is filled in must hold.",
        ));
    for (name, label, hint) in LISTS {
        let value = entry.joined(&format!("/{name}"));
        form = form.with(Field::new(name, label, Kind::Text).value(value).hint(hint));
    }
    for (name, label) in ANNOTATIONS {
        form = form.with(annotation(name, label, entry));
    }
    form = form.with(
        Field::new("when", "Condition", Kind::Area)
            .value(entry.text("/when"))
            .hint("In CEL, such as args.amount > 1000."),
    );
    approval_step(form, entry)
}

fn annotation(name: &str, label: &str, entry: &Value) -> Field {
    let value = match entry.pointer(&format!("/annotations/{name}")) {
        Some(Value::Bool(true)) => "true",
        Some(Value::Bool(false)) => "false",
        _ => "",
    };
    let choices = vec![
        Choice::new("", "does not matter"),
        Choice::new("true", "yes"),
        Choice::new("false", "no"),
    ];
    let key = format!("annotations.{name}");
    Field::new(key, format!("{label} tools"), Kind::Select(choices)).value(value)
}

fn approval_step(form: Form, entry: &Value) -> Form {
    let text = "With the second effect. Without approvers, the caller confirms.";
    form.with(Field::heading("Approval", text))
        .with(
            Field::new("approvers.roles", "Roles that approve", Kind::Text)
                .value(entry.joined("/approvers/roles")),
        )
        .with(
            Field::new("approvers.teams", "Teams that approve", Kind::Text)
                .value(entry.joined("/approvers/teams")),
        )
        .with(
            Field::new("timeout", "Time to decide", Kind::Text)
                .value(entry.text("/timeout"))
                .hint("Such as 10m."),
        )
        .with(
            Field::new("validFor", "Valid for", Kind::Text)
                .value(entry.text("/validFor"))
                .hint("Such as 1h. Without it, an approval is for one call."),
        )
}

/// Returns `entry` with the values of `fields`. Keys that the form does not have stay.
fn changed(mut entry: Value, fields: &Fields) -> Value {
    let mut members: Vec<(&str, Option<Value>)> = Vec::new();
    for name in ["name", "effect", "reason", "when", "timeout", "validFor"] {
        members.push((name, fields.some(name).map(Value::from)));
    }
    let dry_run = fields.is_checked("dryRun").then_some(Value::Bool(true));
    members.push(("dryRun", dry_run));
    for (name, _, _) in LISTS {
        members.push((name, list(fields.items(name))));
    }
    let annotations: serde_json::Map<_, _> = ANNOTATIONS
        .iter()
        .filter_map(|(name, _)| {
            let value = fields.text(&format!("annotations.{name}"));
            Some(((*name).to_owned(), Value::Bool(value.parse().ok()?)))
        })
        .collect();
    members.push(("annotations", object(annotations)));
    let approvers: serde_json::Map<_, _> = ["roles", "teams"]
        .into_iter()
        .filter_map(|name| {
            let list = list(fields.items(&format!("approvers.{name}")))?;
            Some((name.to_owned(), list))
        })
        .collect();
    members.push(("approvers", object(approvers)));
    if let Some(entry) = entry.as_object_mut() {
        for (name, value) in members {
            match value {
                Some(value) => entry.insert(name.to_owned(), value),
                None => entry.remove(name),
            };
        }
    }
    entry
}

fn list(items: Vec<String>) -> Option<Value> {
    (!items.is_empty()).then(|| items.into())
}

fn object(members: serde_json::Map<String, Value>) -> Option<Value> {
    (!members.is_empty()).then_some(Value::Object(members))
}
