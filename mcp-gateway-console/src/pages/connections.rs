//! Connections of owners to servers.

use axum::extract::Path;
use http::Method;
use serde_json::{Map, Value, json};

use super::{Answer, Selection, again, done, rejected, with_done};
use crate::failure::Failure;
use crate::form::{Fields, Submission};
use crate::json::Members as _;
use crate::path::{page as page_path, resource};
use crate::role::Role;
use crate::view::{Block, Button, Cell, Field, Form, Kind, Page, Table, Tone};
use crate::visit::Visit;

const LIST: &str = "/console/connections";

/// `GET /console/connections`.
pub(crate) async fn list(visit: Visit, selection: Selection) -> Answer {
    let page = page(&visit, &selection).await?;
    Ok(visit.show(&with_done(page, &selection)))
}

/// `GET /console/connections/new`.
pub(crate) async fn show_new(visit: Visit) -> Answer {
    if visit.role < Role::TeamAdmin {
        return Err(Failure::NotFound);
    }
    Ok(visit.show(&new_page(form(&Fields::default()))))
}

/// `POST /console/connections/new`.
pub(crate) async fn create(sent: Submission) -> Answer {
    let Submission { visit, fields } = sent;
    let mut values = Map::new();
    for index in 1..=MAX_VALUES {
        if let Some(name) = fields.some(&format!("name{index}")) {
            let value = fields.raw(&format!("value{index}"));
            values.insert(name.to_owned(), value.into());
        }
    }
    let body = json!({
        "owner": fields.text("owner"),
        "server": fields.text("server"),
        "values": values,
        "untested": fields.is_checked("untested"),
    });
    match visit
        .caller
        .change(Method::POST, "/api/v1/connections", body, "")
        .await
    {
        Ok(_) => Ok(done(LIST, "added")),
        Err(failure) => again(&visit, failure, form(&fields), new_page),
    }
}

/// `POST /console/connections/{id}/delete`.
pub(crate) async fn delete(Path(id): Path<String>, sent: Submission) -> Answer {
    let visit = sent.visit;
    match visit
        .caller
        .act(Method::DELETE, &resource(&["connections", &id]), "")
        .await
    {
        Ok(_) => Ok(done(LIST, "deleted")),
        Err(failure) => {
            let page = page(&visit, &Selection::default()).await?;
            rejected(&visit, failure, page)
        }
    }
}

async fn page(visit: &Visit, selection: &Selection) -> Result<Page, Failure> {
    let query = [("after", selection.after())];
    let listed = visit.caller.list("/api/v1/connections", &query).await?;
    let columns = [
        "Server", "Owner", "Kind", "Status", "Since", "Error", "Actions",
    ];
    let empty = "No connections yet. People connect servers on their page of accounts.";
    let mut table = Table::new("Connections", &columns)
        .live()
        .or_empty(listed.absent.as_deref().unwrap_or(empty));
    for connection in &listed.items {
        table.row(cells(connection));
    }
    table.pager = Some(selection.pager(LIST, &[], &listed));
    Ok(Page::new("Connections")
        .lead("Accounts and values with which servers are called. Their tokens and values are never shown.")
        .link("/console/connections/new", "Supply values")
        .link("/connect?owner=organization", "Connect an account")
        .with(Block::Table(table)))
}

fn cells(connection: &Value) -> Vec<Cell> {
    let status = connection.text("/status");
    let tone = match (status, connection.some_text("/error")) {
        ("connected", None) => Tone::Good,
        ("ended", _) => Tone::Bad,
        _ => Tone::Warn,
    };
    let (server, owner) = (connection.text("/server"), connection.text("/owner"));
    let action = page_path(&["connections", connection.text("/id"), "delete"]);
    let question = "Calls with it end. Its tokens are revoked at the authorization server.";
    vec![
        Cell::text(server),
        Cell::text(owner),
        Cell::text(connection.text("/kind")),
        Cell::badge(status, tone),
        Cell::time(connection.number("/connected")),
        Cell::text(connection.text("/error")),
        Cell::Buttons(vec![
            Button::new(action, "End")
                .of(format!("the connection of {owner} to {server}"))
                .danger(question),
        ]),
    ]
}

fn new_page(form: Form) -> Page {
    Page::new("Supply values")
        .below(LIST, "Connections")
        .lead(
            "For a server that needs values of a team or of the organization, such as a token. They \
             are tested at the server, sealed in the store, and never shown again.",
        )
        .with(Block::Form(form.cancel(LIST)))
}

fn form(fields: &Fields) -> Form {
    let mut form = Form::new("/console/connections/new", "Connect")
        .with(
            Field::new("owner", "Owner", Kind::Text)
                .value(fields.raw("owner"))
                .hint("organization, or team/NAME.")
                .required(),
        )
        .with(
            Field::new("server", "Server", Kind::Text)
                .value(fields.raw("server"))
                .required(),
        );
    for index in 1..=MAX_VALUES {
        let (name, value) = (format!("name{index}"), format!("value{index}"));
        let mut field =
            Field::new(&name, format!("Input {index}"), Kind::Text).value(fields.raw(&name));
        if index == 1 {
            field = field.at("values").hint("Name of the input.");
        }
        form = form
            .with(field)
            .with(Field::new(&value, format!("Value {index}"), Kind::Secret));
    }
    let untested = Field::new("untested", "Store them without a test", Kind::Check);
    form.with(untested.value(fields.raw("untested")))
}

/// Number of values of the form.
const MAX_VALUES: usize = 3;
