//! OAuth clients: list, creation and removal.

use axum::extract::Path;
use http::Method;
use serde_json::{Value, json};

use super::{Answer, Selection, again, done, rejected, with_done};
use crate::failure::Failure;
use crate::form::{Fields, Submission};
use crate::json::Members as _;
use crate::path::{page as page_path, resource, with_query};
use crate::role::Role;
use crate::view::{Block, Button, Cell, Choice, Field, Form, Kind, Page, Table, Tone};
use crate::visit::Visit;

const LIST: &str = "/console/clients";

/// `GET /console/clients`.
pub(crate) async fn list(visit: Visit, selection: Selection) -> Answer {
    let query = [("after", selection.after())];
    let listed = visit.caller.list("/api/v1/clients", &query).await?;
    let columns = ["Name", "Identifier", "From", "Grants", "Created"];
    let empty = "No clients yet. Clients register when they log in for the first time.";
    let mut table =
        Table::new("OAuth clients", &columns).or_empty(listed.absent.as_deref().unwrap_or(empty));
    for client in &listed.items {
        let id = client.text("/id");
        let name = client.some_text("/name").unwrap_or(id);
        table.row(vec![
            Cell::link(page_path(&["clients", id]), name),
            Cell::code(id),
            Cell::text(client.text("/from")),
            Cell::text(client.joined("/grantTypes")),
            Cell::time(client.number("/created")),
        ]);
    }
    table.pager = Some(selection.pager(LIST, &[], &listed));
    let page = Page::new("OAuth clients")
        .lead("Programs that people authorize, and machines. A registered client has chosen its name itself.")
        .link("/console/clients/new", "New client");
    Ok(visit.show(&with_done(page, &selection).with(Block::Table(table))))
}

/// `GET /console/clients/{id}`.
pub(crate) async fn show(visit: Visit, Path(id): Path<String>) -> Answer {
    Ok(visit.show(&detail(&visit, &id).await?))
}

/// `POST /console/clients/{id}/delete`.
pub(crate) async fn delete(Path(id): Path<String>, sent: Submission) -> Answer {
    let visit = sent.visit;
    match visit
        .caller
        .act(Method::DELETE, &resource(&["clients", &id]), "")
        .await
    {
        Ok(_) => Ok(done(LIST, "deleted")),
        Err(failure) => rejected(&visit, failure, detail(&visit, &id).await?),
    }
}

/// `GET /console/clients/new`.
pub(crate) async fn show_new(visit: Visit) -> Answer {
    match visit.role {
        Role::Admin => Ok(visit.show(&new_page(form(&Fields::default())))),
        _ => Err(Failure::NotFound),
    }
}

/// `POST /console/clients/new`: the secret is shown once.
pub(crate) async fn create(sent: Submission) -> Answer {
    let Submission { visit, fields } = sent;
    let mut body = json!({
        "redirectUris": fields.words("redirectUris"),
        "scopes": fields.words("scopes"),
        "secret": fields.text("kind") != "public",
    });
    for name in ["id", "name"] {
        if let Some(value) = fields.some(name) {
            body[name] = value.into();
        }
    }
    match visit
        .caller
        .change(Method::POST, "/api/v1/clients", body, "")
        .await
    {
        Ok(found) => {
            let id = found.value.text("/client/id");
            let mut page = Page::new(found.value.some_text("/client/name").unwrap_or(id))
                .below(LIST, "OAuth clients")
                .note("The client has been created.", Tone::Good)
                .with(Block::Code("Client ID".to_owned(), id.to_owned()))
                .link(page_path(&["clients", id]), "Client");
            if let Some(secret) = found.value.some_text("/secret") {
                let name = "Client secret".to_owned();
                page = page.with(Block::Secret(name, secret.to_owned()));
            }
            Ok(visit.show(&page))
        }
        Err(failure) => again(&visit, failure, form(&fields), new_page),
    }
}

/// Returns the page of the client `id`.
async fn detail(visit: &Visit, id: &str) -> Result<Page, Failure> {
    let client = visit.caller.get(&resource(&["clients", id])).await?.value;
    let mut page = Page::new(client.some_text("/name").unwrap_or(id))
        .below(LIST, "OAuth clients")
        .link(
            with_query("/console/audit", &[("target", &*format!("client/{id}"))]),
            "Changes",
        )
        .with(Block::Facts(facts(&client)));
    if client.text("/from") != "configuration" {
        let question = "Its tokens are revoked. People have to authorize it again.";
        let button = Button::new(page_path(&["clients", id, "delete"]), "Delete");
        let buttons = Cell::Buttons(vec![button.danger(question)]);
        page = page.with(Block::Buttons(buttons));
    }
    Ok(page)
}

fn facts(client: &Value) -> Vec<(&'static str, Cell)> {
    let word = |is: bool| Cell::text(if is { "yes" } else { "no" });
    vec![
        ("Client ID", Cell::code(client.text("/id"))),
        ("From", Cell::text(client.text("/from"))),
        (
            "Redirect URIs",
            Cell::code(client.texts("/redirectUris").join("\n")),
        ),
        ("Grants", Cell::text(client.joined("/grantTypes"))),
        (
            "Scopes",
            Cell::text(client.some_text("/scopes").unwrap_or("all")),
        ),
        ("Public", word(client.is("/public"))),
        ("Introspection", word(client.is("/introspection"))),
        ("Created", Cell::time(client.number("/created"))),
    ]
}

fn new_page(form: Form) -> Page {
    Page::new("New client")
        .below(LIST, "OAuth clients")
        .lead("For programs that do not register themselves, and for machines.")
        .with(Block::Form(form.cancel(LIST)))
}

fn form(fields: &Fields) -> Form {
    let kinds = vec![
        Choice::new("confidential", "Has a secret: a server or a machine"),
        Choice::new("public", "Public: a program on the machines of people"),
    ];
    let field = |name, label, kind| super::kept(Field::new(name, label, kind), fields);
    let kind = fields.some("kind").unwrap_or("confidential");
    Form::new("/console/clients/new", "Create client")
        .with(
            field("name", "Name", Kind::Text).hint("People see it when they authorize the client."),
        )
        .with(field("id", "Client ID", Kind::Text).hint("Generated if empty."))
        .with(
            Field::new("kind", "Kind", Kind::Radio(kinds))
                .value(kind)
                .at("secret"),
        )
        .with(
            field("redirectUris", "Redirect URIs", Kind::Area)
                .hint("One per line. Without them, the client is a machine (client credentials)."),
        )
        .with(field("scopes", "Scopes", Kind::Text).hint("All if empty."))
}
