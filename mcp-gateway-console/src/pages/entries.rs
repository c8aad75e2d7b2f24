//! Entries of the registry: list and detail.

use axum::extract::Path;
use serde_json::Value;

use super::{Answer, Selection, with_done};
use crate::failure::Failure;
use crate::json::{Members as _, pretty};
use crate::path::{page as page_path, resource, with_query};
use crate::role::Role;
use crate::view::{Block, Cell, Choice, Field, Form, Kind, Page, Table, Tone};
use crate::visit::Visit;

const LIST: &str = "/console/registry";

/// `GET /console/registry`.
pub(crate) async fn list(visit: Visit, selection: Selection) -> Answer {
    let query = [
        ("search", selection.text("search")),
        ("status", selection.text("status")),
        ("after", selection.after()),
    ];
    let page = page(&visit, &selection);
    let listed = match visit.caller.list("/api/v1/entries", &query).await {
        Ok(listed) => listed,
        Err(failure) => return super::rejected(&visit, failure, page),
    };
    let columns = ["Name", "Description", "Version", "For", "Status"];
    let empty = match (selection.text("search"), &listed.next) {
        ("", None) => "No entries yet.",
        (_, None) => "Nothing matches.",
        _ => "Nothing matches on this page of the search.",
    };
    let mut table =
        Table::new("Entries", &columns).or_empty(listed.absent.as_deref().unwrap_or(empty));
    for entry in &listed.items {
        let name = entry.text("/name");
        let title = entry.some_text("/title").unwrap_or(name);
        table.row(vec![
            Cell::link(page_path(&["registry", name]), title),
            Cell::text(entry.text("/description")),
            Cell::code(entry.text("/version")),
            Cell::text(audience(entry.get("teams"))),
            status(entry.text("/status"), entry.is("/installable")),
        ]);
    }
    table.pager = Some(selection.pager(LIST, &["search", "status"], &listed));
    Ok(visit.show(&page.with(Block::Table(table))))
}

fn page(visit: &Visit, selection: &Selection) -> Page {
    let statuses = vec![
        Choice::new("", "all but deleted"),
        Choice::new("active", "active"),
        Choice::new("deprecated", "deprecated"),
        Choice::new("deleted", "deleted"),
    ];
    let fields = vec![
        Field::new("search", "Text", Kind::Text),
        Field::new("status", "Status", Kind::Select(statuses)),
    ];
    let mut page = Page::new("Registry")
        .lead("Servers that can be installed.")
        .with(Block::Filter(selection.filter(LIST, fields)));
    if visit.role == Role::Admin {
        page = page.link("/console/registry/import", "Import");
    }
    with_done(page, selection)
}

/// `GET /console/registry/{name}`.
pub(crate) async fn show(visit: Visit, Path(name): Path<String>, selection: Selection) -> Answer {
    let page = detail(&visit, &name, selection.text("version")).await?;
    Ok(visit.show(&with_done(page, &selection)))
}

/// Returns the document of the entry `name` in `version`, or in its latest version.
pub(super) async fn find(visit: &Visit, name: &str, version: &str) -> Result<Value, Failure> {
    let path = with_query(&resource(&["entries", name]), &[("version", version)]);
    Ok(visit.caller.get(&path).await?.value)
}

/// Returns the page of the entry `name`.
pub(super) async fn detail(visit: &Visit, name: &str, version: &str) -> Result<Page, Failure> {
    let document = find(visit, name, version).await?;
    let Some(entry) = document.get("entry") else {
        return Err(Failure::NotFound);
    };
    let is_installable = entry.get("server").is_some();
    let own = page_path(&["registry", name]);
    let mut page = Page::new(entry.some_text("/title").unwrap_or(name))
        .below(LIST, "Registry")
        .lead(entry.text("/description"))
        .badge(status(entry.text("/status"), is_installable));
    if let Some(message) = entry.some_text("/statusMessage") {
        page = page.note(message, Tone::Warn);
    }
    if let Some(reason) = entry.some_text("/unsupported") {
        page = page.note(format!("It cannot be installed: {reason}"), Tone::Warn);
    }
    page = page.with(Block::Facts(facts(&document, entry)));
    if visit.role == Role::Admin && is_installable {
        let install = with_query(&format!("{own}/install"), &[("version", version)]);
        page = page.link(install, "Install");
    }
    let inputs = entry.list("/inputs");
    if !inputs.is_empty() {
        page = page
            .heading("Inputs")
            .with(Block::Table(input_table(inputs)));
    }
    if visit.role != Role::Admin && is_installable {
        let form = Form::new(format!("{own}/request"), "Request")
            .hide("version", entry.text("/version"))
            .with(
                Field::new("reason", "Reason", Kind::Area)
                    .hint("What you need it for. An administrator decides, and installs it.")
                    .required(),
            );
        page = page.heading("Request it").with(Block::Form(form));
    }
    if let Some(server) = entry.get("server") {
        let block = Block::Code("Server".to_owned(), pretty(server));
        page = page.with(Block::Details(
            "Template of the server".to_owned(),
            vec![block],
        ));
    }
    Ok(page)
}

fn facts(document: &Value, entry: &Value) -> Vec<(&'static str, Cell)> {
    vec![
        ("Name", Cell::code(entry.text("/name"))),
        ("Version", Cell::code(entry.text("/version"))),
        ("For", Cell::text(audience(entry.get("teams")))),
        // Not a link: whoever wrote the entry chose it.
        ("Website", Cell::code(entry.text("/websiteUrl"))),
        (
            "Imported from",
            Cell::code(document.text("/origin/registry")),
        ),
        ("Updated", Cell::time(document.number("/updated"))),
    ]
}

fn input_table(inputs: &[Value]) -> Table {
    let columns = ["Name", "Description", "Required", "Secret", "Supplied by"];
    let mut table = Table::new("Inputs", &columns);
    let word = |is: bool| Cell::text(if is { "yes" } else { "no" });
    for input in inputs {
        table.row(vec![
            Cell::code(input.text("/name")),
            Cell::text(input.text("/description")),
            word(input.is("/required")),
            word(input.is("/secret")),
            Cell::text(match input.text("/suppliedBy") {
                "connection" => "the owner of each connection",
                _ => "the administrator",
            }),
        ]);
    }
    table
}

fn audience(teams: Option<&Value>) -> String {
    match teams.and_then(Value::as_array) {
        Some(teams) => {
            let teams: Vec<_> = teams.iter().filter_map(Value::as_str).collect();
            format!("teams {}", teams.join(", "))
        }
        None => "everybody".to_owned(),
    }
}

fn status(status: &str, is_installable: bool) -> Cell {
    match (status, is_installable) {
        ("deprecated", _) => Cell::badge("deprecated", Tone::Warn),
        ("deleted", _) => Cell::badge("deleted", Tone::Bad),
        (_, false) => Cell::badge("not installable", Tone::Plain),
        _ => Cell::badge("active", Tone::Good),
    }
}
