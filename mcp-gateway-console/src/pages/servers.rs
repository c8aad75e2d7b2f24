//! Servers: list, state, log, restart and removal.

use axum::extract::Path;
use axum::response::IntoResponse as _;
use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use serde_json::Value;

use super::{Answer, Selection, done, rejected, source, with_done};
use crate::failure::Failure;
use crate::form::Submission;
use crate::json::{Members as _, pretty};
use crate::path::{page as page_path, resource};
use crate::response as responses;
use crate::view::{Block, Button, Cell, Field, Kind, Link, Page, Table, Tone};
use crate::visit::Visit;

const LIST: &str = "/console/servers";

/// `GET /console/servers`.
pub(crate) async fn list(visit: Visit, selection: Selection) -> Answer {
    let prefix = selection.text("name");
    let seek = seek(prefix);
    let after = match selection.after() {
        "" => &*seek,
        after => after,
    };
    let mut listed = visit
        .caller
        .list("/api/v1/servers", &[("after", after)])
        .await?;
    let found = listed.items.len();
    listed
        .items
        .retain(|server| server.text("/name").starts_with(prefix));
    if listed.items.len() < found {
        listed.next = None;
    }
    let columns = ["Name", "State", "Kind", "Source", "Problem"];
    let mut table = Table::new("Servers", &columns)
        .live()
        .or_empty(match prefix {
            "" => "No servers yet. Add one, or install one from the registry.",
            _ => "No server has a name that begins like this.",
        });
    for server in &listed.items {
        table.row(vec![
            link(server.text("/name")),
            state(server),
            kind(server),
            Cell::text(source(server)),
            Cell::text(problem(server)),
        ]);
    }
    table.pager = Some(selection.pager(LIST, &["name"], &listed));
    let name = Field::new("name", "Name begins with", Kind::Text);
    let page = Page::new("Servers")
        .lead("What the gateways call. Servers of the configuration file are read-only.")
        .link("/console/registry", "Install from registry")
        .link("/console/servers/new", "Add a server");
    let page = with_done(page, &selection)
        .with(Block::Filter(selection.filter(LIST, vec![name])))
        .with(Block::Table(table));
    Ok(visit.show(&page))
}

/// `GET /console/servers/{name}`.
pub(crate) async fn show(visit: Visit, Path(name): Path<String>, selection: Selection) -> Answer {
    let page = detail(&visit, &name).await?;
    Ok(visit.show(&with_done(page, &selection)))
}

/// `POST /console/servers/{name}/delete`.
pub(crate) async fn delete(Path(name): Path<String>, sent: Submission) -> Answer {
    let Submission { visit, fields } = sent;
    let path = resource(&["servers", &name]);
    let version = fields.text("version");
    match visit.caller.act(Method::DELETE, &path, version).await {
        Ok(_) => Ok(done(LIST, "deleted")),
        Err(failure) => rejected(&visit, failure, detail(&visit, &name).await?),
    }
}

/// `POST /console/servers/{name}/restart`.
pub(crate) async fn restart(Path(name): Path<String>, sent: Submission) -> Answer {
    let visit = sent.visit;
    let path = resource(&["servers", &name, "restart"]);
    match visit.caller.act(Method::POST, &path, "").await {
        Ok(_) => Ok(done(&page_path(&["servers", &name]), "restarted")),
        Err(failure) => rejected(&visit, failure, detail(&visit, &name).await?),
    }
}

/// `GET /console/servers/{name}/log`: shows the last lines of the log.
pub(crate) async fn log(visit: Visit, Path(name): Path<String>, selection: Selection) -> Answer {
    let query = match selection.text("previous") {
        "on" => "?tail=500&previous=true",
        _ => "?tail=500",
    };
    let path = resource(&["servers", &name, "logs"]);
    let response = visit.caller.open(&format!("{path}{query}")).await?;
    let status = response.status();
    if status == StatusCode::FORBIDDEN {
        return Err(Failure::NotFound);
    }
    let body = Limited::new(response.into_body(), MAX_LOG).collect().await;
    let text = body.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned());
    let text = text.unwrap_or_else(|_| "The log is too large to be shown.".to_owned());
    if selection.text("form") == "text" && status.is_success() {
        return Ok((responses::headers("text/plain; charset=utf-8"), text).into_response());
    }
    let own = page_path(&["servers", &name]);
    let log_path = page_path(&["servers", &name, "log"]);
    let page = Page::new("Log")
        .below(LIST, "Servers")
        .below(own, &name)
        .link(format!("{log_path}?previous=on"), "Before the last restart")
        .link(format!("{log_path}?form=text"), "As text");
    let page = match status.is_success() {
        true if text.is_empty() => page.note("The log is empty.", Tone::Plain),
        true => page.with(Block::Code("Last 500 lines".to_owned(), text)),
        false => {
            let problem = serde_json::from_str(&text).unwrap_or(Value::Null);
            let detail = problem.some_text("/detail").ok_or(Failure::NotFound)?;
            page.note(format!("There is no log: {detail}."), Tone::Warn)
        }
    };
    Ok(visit.show(&page))
}

/// Returns the page of the server `name`.
pub(super) async fn detail(visit: &Visit, name: &str) -> Result<Page, Failure> {
    let found = visit.caller.get(&resource(&["servers", name])).await?;
    let server = &found.value;
    let own = page_path(&["servers", name]);
    let mut page = Page::new(name).below(LIST, "Servers").badge(state(server));
    if let Some(error) = server.some_text("/error") {
        page = page.note(format!("Last failure: {error}"), Tone::Bad);
    }
    for violation in server.list("/violations") {
        let (path, message) = (violation.text("/path"), violation.text("/message"));
        page = page.note(format!("Not used. {path}: {message}"), Tone::Bad);
    }
    if server.is("/shadows") {
        let text = "The store has an entry of the same name, which has no effect.";
        page = page.note(text, Tone::Warn);
    }
    let mut facts = vec![
        ("Source", Cell::text(source(server))),
        ("Kind", kind(server)),
    ];
    if let Some(entry) = server.some_text("/installed/entry") {
        facts.push(("Registry entry", entry_link(entry)));
    }
    if server.get("deployment").is_some() {
        let (ready, desired) = (
            server.number("/deployment/ready"),
            server.number("/deployment/desired"),
        );
        facts.push(("Pods ready", Cell::text(format!("{ready} of {desired}"))));
        facts.push((
            "Restarts",
            Cell::number(server.number("/deployment/restarts")),
        ));
        facts.push(("Since", Cell::time(server.number("/deployment/since"))));
        facts.push(("Cause", Cell::text(server.text("/deployment/message"))));
    }
    page = page.with(Block::Facts(facts));
    let mut buttons = Vec::new();
    if server.get("deployment").is_some() {
        page = page.link(format!("{own}/log"), "Log");
        buttons.push(Button::new(format!("{own}/restart"), "Restart"));
    }
    if server.text("/source") == "store" {
        page = page.link(format!("{own}/edit"), "Edit");
        let question = "Clients lose its tools. Calls that are under way finish.";
        let button = Button::new(format!("{own}/delete"), "Delete").danger(question);
        buttons.push(button.with_field("version", &found.version));
    }
    if !buttons.is_empty() {
        page = page.with(Block::Buttons(Cell::Buttons(buttons)));
    }
    if let Some(entry) = server.get("entry") {
        page = page.with(Block::Code("Entry".to_owned(), pretty(entry)));
    }
    let calls = crate::path::with_query("/console/audit", &[("server", name)]);
    Ok(page.link(calls, "Calls"))
}

/// Returns the state of `server`.
pub(super) fn state(server: &Value) -> Cell {
    let state = server.text("/state");
    let tone = match state {
        "up" => Tone::Good,
        "failing" | "unused" => Tone::Bad,
        "pending" | "waking" | "deleting" => Tone::Warn,
        _ => Tone::Plain,
    };
    Cell::badge(state, tone)
}

/// Returns the reason for which `server` does not work; empty if it does.
pub(super) fn problem(server: &Value) -> String {
    if let Some(error) = server.some_text("/error") {
        return error.to_owned();
    }
    let violation = server.list("/violations").first();
    violation.map_or_else(String::new, |violation| {
        format!(
            "{}: {}",
            violation.text("/path"),
            violation.text("/message")
        )
    })
}

fn link(name: &str) -> Cell {
    Cell::link(page_path(&["servers", name]), name)
}

/// Returns the link to the registry entry `reference`, which is `NAME@VERSION`.
fn entry_link(reference: &str) -> Cell {
    let name = reference.split('@').next().unwrap_or(reference);
    Cell::Link(Link::new(page_path(&["registry", name]), reference))
}

fn kind(server: &Value) -> Cell {
    let kinds = [
        ("remote", "remote"),
        ("process", "program"),
        ("kubernetes", "Kubernetes"),
        ("builtin", "built in"),
        ("entry", "registry entry"),
    ];
    let entry = server.get("entry");
    let found = kinds
        .iter()
        .find(|(key, _)| entry.is_some_and(|entry| entry.get(key).is_some()));
    match found {
        Some((_, label)) => Cell::text(*label),
        None if server.get("deployment").is_some() => Cell::text("Kubernetes"),
        None => Cell::Empty,
    }
}

/// Returns a cursor before all names that begin with `prefix`, and after all lesser ones.
pub(super) fn seek(prefix: &str) -> String {
    let Some(last) = prefix.chars().next_back() else {
        return String::new();
    };
    let before = u32::from(last).checked_sub(1).and_then(char::from_u32);
    let head = prefix.strip_suffix(last).unwrap_or_default();
    match before.filter(|c| !c.is_control()) {
        Some(c) => format!("{head}{c}{}", char::MAX),
        None => head.to_owned(),
    }
}

/// Maximum size of a log on a page in bytes: with its surroundings, a page has less than 150 KiB.
const MAX_LOG: usize = 120 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_before_the_names_with_a_prefix() {
        assert_eq!(seek(""), "");
        for (prefix, lesser) in [("notes", "noter"), ("b", "azz"), ("n-", "n,")] {
            let cursor = seek(prefix);
            assert!(*cursor < *prefix, "{prefix}");
            assert!(*lesser < *cursor, "{prefix}");
        }
    }
}
