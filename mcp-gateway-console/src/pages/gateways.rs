//! Gateways: list, detail and removal.

use axum::extract::Path;
use http::Method;
use serde_json::Value;

use super::{Answer, Selection, done, rejected, source, with_done};
use crate::failure::Failure;
use crate::form::Submission;
use crate::json::{Members as _, pretty};
use crate::path::{page as page_path, resource};
use crate::role::Role;
use crate::view::{Block, Button, Cell, Link, Page, Table, Tone};
use crate::visit::Visit;

const LIST: &str = "/console/gateways";

/// `GET /console/gateways`.
pub(crate) async fn list(visit: Visit, selection: Selection) -> Answer {
    let query = [("after", selection.after())];
    let listed = visit.caller.list("/api/v1/gateways", &query).await?;
    let columns = ["Name", "For", "Servers", "Exposure", "Source", "State"];
    let mut table = Table::new("Gateways", &columns)
        .live()
        .or_empty("No gateways yet.");
    for gateway in &listed.items {
        table.row(vec![
            Cell::link(own_path(gateway), title(gateway)),
            Cell::text(audience(gateway)),
            Cell::text(servers(gateway)),
            Cell::text(gateway.text("/exposure")),
            Cell::text(source(gateway)),
            state(gateway),
        ]);
    }
    table.pager = Some(selection.pager(LIST, &[], &listed));
    let page = Page::new("Gateways")
        .lead("Each gateway is one MCP endpoint with its own tools and callers.")
        .link("/console/gateways/new", "New gateway");
    let page = with_done(page, &selection).with(Block::Table(table));
    Ok(visit.show(&page))
}

/// `GET /console/gateways/{id}`.
pub(crate) async fn show(visit: Visit, Path(id): Path<String>, selection: Selection) -> Answer {
    let page = detail(&visit, &id).await?;
    Ok(visit.show(&with_done(page, &selection)))
}

/// `POST /console/gateways/{id}/delete`.
pub(crate) async fn delete(Path(id): Path<String>, sent: Submission) -> Answer {
    let Submission { visit, fields } = sent;
    let path = resource(&["gateways", &id]);
    let version = fields.text("version");
    match visit.caller.act(Method::DELETE, &path, version).await {
        Ok(_) => Ok(done(LIST, "deleted")),
        Err(failure) => rejected(&visit, failure, detail(&visit, &id).await?),
    }
}

/// Returns the page of the gateway `id`.
async fn detail(visit: &Visit, id: &str) -> Result<Page, Failure> {
    let found = visit.caller.get(&resource(&["gateways", id])).await?;
    let gateway = &found.value;
    let own = own_path(gateway);
    let name = gateway.text("/name");
    let mut page = Page::new(title(gateway))
        .below(LIST, "Gateways")
        .lead(gateway.text("/description"))
        .badge(state(gateway));
    for violation in gateway.list("/violations") {
        let (path, message) = (violation.text("/path"), violation.text("/message"));
        page = page.note(format!("Not used. {path}: {message}"), Tone::Bad);
    }
    for dangling in gateway.list("/dangling") {
        let (server, reason) = (dangling.text("/server"), dangling.text("/reason"));
        page = page.note(format!("Cannot call {server}: {reason}"), Tone::Warn);
    }
    page = page.with(Block::Facts(facts(gateway)));
    if gateway.text("/user").is_empty() {
        page = page.link(page_path(&["connect", name]), "Connect a client");
    }
    if gateway.text("/source") == "store" {
        page = page.link(format!("{own}/edit"), "Edit");
        let question = "Its endpoint ends. Calls that are under way finish.";
        let button = Button::new(format!("{own}/delete"), "Delete")
            .danger(question)
            .with_field("version", &found.version);
        page = page.with(Block::Buttons(Cell::Buttons(vec![button])));
    }
    page = page
        .heading("Servers")
        .with(Block::Table(assignments(visit, gateway)));
    if let Some(entry) = gateway.get("entry") {
        page = page.with(Block::Code("Entry".to_owned(), pretty(entry)));
    }
    Ok(page)
}

fn facts(gateway: &Value) -> Vec<(&'static str, Cell)> {
    let name = gateway.text("/name");
    let mut paths = vec![format!("/v1/mcp/{name}")];
    if gateway.is("/default") {
        paths.push("/mcp".to_owned());
    }
    vec![
        ("Path", Cell::code(paths.join(", "))),
        ("Identifier", Cell::code(gateway.text("/id"))),
        ("For", Cell::text(audience(gateway))),
        ("Exposure", Cell::text(gateway.text("/exposure"))),
        ("Visible tools", Cell::code(gateway.joined("/visibleTools"))),
        ("Source", Cell::text(source(gateway))),
    ]
}

/// Returns the servers of `gateway` with their tools and connections.
fn assignments(visit: &Visit, gateway: &Value) -> Table {
    let mut table = Table::new("Servers of the gateway", &["Server", "Tools", "Connection"]);
    if gateway.is("/allServers") {
        table.label = "All servers, also those that are added later".to_owned();
    }
    for server in gateway.texts("/servers").iter().take(MAX_SERVERS) {
        let found = gateway.list("/assignments").iter();
        let assigned = found.clone().find(|other| other.text("/server") == server);
        let tools = assigned.and_then(|found| found.get("tools"));
        let has_none = tools.and_then(Value::as_array).is_some_and(Vec::is_empty);
        let tools = assigned.map(|found| found.joined("/tools"));
        let tools = tools.filter(|tools| !tools.is_empty());
        let connection = assigned.map_or("caller", |found| found.text("/connection"));
        let link = match visit.role {
            Role::Admin => Cell::Link(Link::new(page_path(&["servers", server]), server)),
            _ => Cell::text(server),
        };
        table.row(vec![
            link,
            match (tools, has_none) {
                (Some(tools), _) => Cell::code(tools),
                (None, true) => Cell::text("none"),
                (None, false) => Cell::text("all"),
            },
            Cell::text(connection),
        ]);
    }
    table.or_empty("No servers: clients see no tools.")
}

/// Returns the path of the page of `gateway`.
pub(super) fn own_path(gateway: &Value) -> String {
    page_path(&["gateways", gateway.text("/id")])
}

fn title(gateway: &Value) -> &str {
    let title = gateway.some_text("/title");
    title.unwrap_or_else(|| gateway.text("/name"))
}

/// Returns the callers for whom `gateway` exists.
fn audience(gateway: &Value) -> String {
    if let Some(user) = gateway.some_text("/user") {
        return format!("the caller {user}");
    }
    match gateway.get("teams") {
        Some(Value::Array(_)) => format!("teams {}", gateway.joined("/teams")),
        _ => "everybody".to_owned(),
    }
}

fn servers(gateway: &Value) -> String {
    let names = gateway.texts("/servers");
    match (gateway.is("/allServers"), names.len()) {
        (true, count) => format!("all ({count})"),
        (false, 0) => "none".to_owned(),
        (false, 1..=5) => names.join(", "),
        (false, count) => format!("{} and {} more", names[..4].join(", "), count - 4),
    }
}

fn state(gateway: &Value) -> Cell {
    if !gateway.list("/violations").is_empty() {
        Cell::badge("not used", Tone::Bad)
    } else if !gateway.list("/dangling").is_empty() {
        Cell::badge("incomplete", Tone::Warn)
    } else if gateway.is("/default") {
        Cell::badge("default", Tone::Good)
    } else {
        Cell::badge("served", Tone::Good)
    }
}

/// Maximum number of servers on the page of a gateway.
const MAX_SERVERS: usize = 300;
