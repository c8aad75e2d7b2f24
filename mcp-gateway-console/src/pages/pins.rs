//! Pinned servers, and the differences of definitions that are held back.

use axum::extract::Path;
use http::Method;
use serde_json::{Value, json};

use super::{Answer, Selection, done, rejected, with_done};
use crate::api::Listed;
use crate::failure::Failure;
use crate::form::Submission;
use crate::json::Members as _;
use crate::path::page as page_path;
use crate::path::resource;
use crate::view::{Block, Button, Cell, Page, Table, Tone};
use crate::visit::Visit;

const LIST: &str = "/console/pins";

/// `GET /console/pins`.
pub(crate) async fn list(visit: Visit, selection: Selection) -> Answer {
    let query = [("after", selection.after())];
    let listed = visit.caller.list("/api/v1/pins", &query).await?;
    let columns = ["Server", "Approved", "Held back", "Approved in"];
    let empty = "No server is pinned. With pinned: store, only approved definitions reach clients.";
    let mut table = Table::new("Pinned servers", &columns)
        .live()
        .or_empty(listed.absent.as_deref().unwrap_or(empty));
    for server in &listed.items {
        let name = server.text("/server");
        let pending = server.list("/pending").len();
        table.row(vec![
            Cell::link(page_path(&["pins", name]), name),
            Cell::number(server.number("/approved")),
            match pending {
                0 => Cell::text("none"),
                pending => Cell::badge(pending.to_string(), Tone::Warn),
            },
            Cell::text(place(server)),
        ]);
    }
    table.pager = Some(selection.pager(LIST, &[], &listed));
    let page = Page::new("Pins")
        .lead("Definitions of tools, prompts and instructions that are held back until somebody approves them.")
        .with(Block::Table(table));
    Ok(visit.show(&page))
}

/// `GET /console/pins/{server}`.
pub(crate) async fn show(visit: Visit, Path(server): Path<String>, selection: Selection) -> Answer {
    let page = detail(&visit, &server).await?;
    Ok(visit.show(&with_done(page, &selection)))
}

/// `POST /console/pins/{server}/approve`.
pub(crate) async fn approve(Path(server): Path<String>, sent: Submission) -> Answer {
    let Submission { visit, fields } = sent;
    let body = json!({
        "kind": fields.raw("kind"),
        "name": fields.raw("name"),
        "definition": fields.raw("definition"),
    });
    let path = resource(&["pins", &server, "approvals"]);
    match visit.caller.change(Method::POST, &path, body, "").await {
        Ok(_) => Ok(done(&page_path(&["pins", &server]), "approved")),
        Err(failure) => rejected(&visit, failure, detail(&visit, &server).await?),
    }
}

/// Returns the page of the pinned server `name`.
async fn detail(visit: &Visit, name: &str) -> Result<Page, Failure> {
    let server = find(visit, name).await?;
    let mut page = Page::new(name).below(LIST, "Pins").with(Block::Facts(vec![
        ("Approved", Cell::number(server.number("/approved"))),
        ("Approved in", Cell::text(place(&server))),
    ]));
    let pending = server.list("/pending");
    if pending.is_empty() {
        page = page.note("Nothing is held back.", Tone::Good);
    }
    let is_stored = server.text("/source") == "store";
    for held in pending.iter().take(MAX_PENDING) {
        let (kind, name) = (held.text("/kind"), held.text("/name"));
        page = page.heading(format!("{kind} {name}: {}", held.text("/status")));
        let difference = held.texts("/difference");
        if !difference.is_empty() {
            page = page.with(Block::Difference(difference));
        }
        let definition = held.text("/definition");
        let block = Block::Code("Definition".to_owned(), definition.to_owned());
        page = page.with(Block::Details("Whole definition".to_owned(), vec![block]));
        if is_stored && !held["digest"].is_null() {
            let button = Button::new(
                page_path(&["pins", server.text("/server"), "approve"]),
                "Approve",
            )
            .of(format!("{kind} {name}"))
            .with_field("kind", kind)
            .with_field("name", name)
            .with_field("definition", definition);
            page = page.with(Block::Buttons(Cell::Buttons(vec![button])));
        }
    }
    if pending.len() > MAX_PENDING {
        let more = pending.len() - MAX_PENDING;
        page = page.note(
            format!("{more} more are shown when these are decided."),
            Tone::Plain,
        );
    }
    Ok(page)
}

/// Returns the pinned server `name`: the list of the API has no single servers.
async fn find(visit: &Visit, name: &str) -> Result<Value, Failure> {
    let after = super::servers::seek(name);
    let query = [("after", &*after), ("limit", "1")];
    let Listed { items, .. } = visit.caller.list("/api/v1/pins", &query).await?;
    let mut items = items.into_iter();
    let found = items.find(|server| server.text("/server") == name);
    found.ok_or(Failure::NotFound)
}

fn place(server: &Value) -> &'static str {
    match server.text("/source") {
        "store" => "store",
        _ => "lock file",
    }
}

/// Maximum number of definitions on a page.
const MAX_PENDING: usize = 20;
