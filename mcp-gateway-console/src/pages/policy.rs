//! Rules about calls: list, order and removal.

use axum::extract::Path;
use http::Method;
use serde_json::{Value, json};

use super::{Answer, Selection, done, rejected, with_done};
use crate::failure::Failure;
use crate::form::Submission;
use crate::json::Members as _;
use crate::path::{page as page_path, resource};
use crate::view::{Block, Button, Cell, Page, Table, Tone};
use crate::visit::Visit;

const LIST: &str = "/console/policy";

/// `GET /console/policy`.
pub(crate) async fn list(visit: Visit, selection: Selection) -> Answer {
    let page = page(&visit, &selection).await?;
    Ok(visit.show(&with_done(page, &selection)))
}

/// `POST /console/policy/rules/{name}/delete`.
pub(crate) async fn delete(Path(name): Path<String>, sent: Submission) -> Answer {
    let Submission { visit, fields } = sent;
    let path = resource(&["policy", "rules", &name]);
    let version = fields.text("version");
    match visit.caller.act(Method::DELETE, &path, version).await {
        Ok(_) => Ok(done(LIST, "deleted")),
        Err(failure) => failed(&visit, failure).await,
    }
}

/// `POST /console/policy/rules/{name}/move`: moves a rule of the store by one place.
pub(crate) async fn shift(Path(name): Path<String>, sent: Submission) -> Answer {
    let Submission { visit, fields } = sent;
    let path = "/api/v1/policy/order";
    let order = visit.caller.get(path).await?;
    let mut names = order.value.texts("/names");
    let from = names.iter().position(|other| *other == name);
    let from = from.ok_or(Failure::NotFound)?;
    let to = match fields.text("to") {
        "up" => from.saturating_sub(1),
        _ => (from + 1).min(names.len() - 1),
    };
    names.swap(from, to);
    let body = json!({ "names": names });
    match visit
        .caller
        .change(Method::PUT, path, body, &order.version)
        .await
    {
        Ok(_) => Ok(done(LIST, "saved")),
        Err(failure) => failed(&visit, failure).await,
    }
}

async fn failed(visit: &Visit, failure: Failure) -> Answer {
    let page = page(visit, &Selection::default()).await?;
    rejected(visit, failure, page)
}

async fn page(visit: &Visit, selection: &Selection) -> Result<Page, Failure> {
    let query = [("after", selection.after())];
    let listed = visit.caller.list("/api/v1/policy/rules", &query).await?;
    let columns = ["Rule", "Effect", "Concerns", "Source", "Problem", "Order"];
    let empty = "No rules: every call that a gateway offers is permitted.";
    let mut table = Table::new("Rules in their order", &columns)
        .or_empty(listed.absent.as_deref().unwrap_or(empty));
    for rule in &listed.items {
        table.row(cells(rule));
    }
    table.pager = Some(selection.pager(LIST, &[], &listed));
    Ok(Page::new("Policy")
        .lead("The first rule that concerns a call decides. Rules of the configuration file come first.")
        .link("/console/policy/explain", "Explain a call")
        .link("/console/policy/recent", "Last calls under these rules")
        .link("/console/policy/new", "New rule")
        .with(Block::Table(table)))
}

fn cells(rule: &Value) -> Vec<Cell> {
    let name = rule.text("/name");
    let is_stored = rule.text("/source") == "store";
    let violation = rule.list("/violations").first();
    let violation = violation.map(|violation| {
        format!(
            "{}: {}",
            violation.text("/path"),
            violation.text("/message")
        )
    });
    let own = page_path(&["policy", "rules", name]);
    let shift = |label: &str, to: &str| {
        let button = Button::new(format!("{own}/move"), label);
        button.of(name).with_field("to", to)
    };
    vec![
        match is_stored {
            true => Cell::link(own.clone(), name),
            false => Cell::text(name),
        },
        effect(rule),
        Cell::code(concerns(rule.get("entry"))),
        Cell::text(if is_stored {
            "store"
        } else {
            "configuration file"
        }),
        Cell::text(violation.unwrap_or_default()),
        match is_stored {
            true => Cell::Buttons(vec![shift("Up", "up"), shift("Down", "down")]),
            false => Cell::Empty,
        },
    ]
}

/// Returns what `entry` concerns, in one line.
fn concerns(entry: Option<&Value>) -> String {
    let Some(entry) = entry else {
        return String::new();
    };
    let keys = ["gateways", "servers", "tools", "teams", "roles", "clients"];
    let lists = keys.iter().filter_map(|key| {
        let list = entry.joined(&format!("/{key}"));
        (!list.is_empty()).then(|| format!("{key}: {list}"))
    });
    let condition = entry.some_text("/when").map(|when| format!("when {when}"));
    let parts: Vec<_> = lists.chain(condition).collect();
    match parts.is_empty() {
        true => "all calls".to_owned(),
        false => parts.join("; "),
    }
}

/// Returns the effect of `rule`.
fn effect(rule: &Value) -> Cell {
    let effect = rule.text("/effect");
    match rule.is("/dryRun") {
        true => Cell::badge(format!("{effect} (only logged)"), Tone::Plain),
        false => effect_badge(effect),
    }
}

pub(super) fn effect_badge(effect: &str) -> Cell {
    let tone = match effect {
        "allow" => Tone::Good,
        "approve" => Tone::Warn,
        "deny" => Tone::Bad,
        _ => Tone::Plain,
    };
    Cell::badge(effect, tone)
}
