//! API tokens: list, creation, rotation and revocation.

use axum::extract::Path;
use http::Method;
use serde_json::{Value, json};

use super::{Answer, Selection, again, done, rejected, with_done};
use crate::api::Found;
use crate::failure::Failure;
use crate::form::{Fields, Submission};
use crate::json::Members as _;
use crate::path::{page as page_path, resource};
use crate::role::Role;
use crate::view::{Block, Button, Cell, Choice, Field, Form, Kind, Page, Table, Tone};
use crate::visit::Visit;

const LIST: &str = "/console/tokens";

/// `GET /console/tokens`.
pub(crate) async fn list(visit: Visit, selection: Selection) -> Answer {
    let page = page(&visit, &selection).await?;
    Ok(visit.show(&with_done(page, &selection)))
}

/// `GET /console/tokens/new`.
pub(crate) async fn show_new(visit: Visit, selection: Selection) -> Answer {
    if visit.role != Role::Admin {
        return Err(Failure::NotFound);
    }
    let form = form(&Fields::default(), selection.text("user"));
    Ok(visit.show(&new_page(form)))
}

/// `POST /console/tokens/new`: the secret is shown once.
pub(crate) async fn create(sent: Submission) -> Answer {
    let Submission { visit, fields } = sent;
    let mut body = json!({ "name": fields.text("name") });
    for name in ["user", "team"] {
        if let Some(owner) = fields.some(name) {
            body[name] = owner.into();
        }
    }
    if let Some(days) = fields.some("days") {
        body["expiresIn"] = match days.parse::<u64>() {
            Ok(days) => days.saturating_mul(24 * 60 * 60).into(),
            Err(_) => days.into(),
        };
    }
    match visit
        .caller
        .change(Method::POST, "/api/v1/tokens", body, "")
        .await
    {
        Ok(found) => Ok(visit.show(&created(&found))),
        Err(failure) => again(&visit, failure, form(&fields, fields.raw("user")), new_page),
    }
}

/// `POST /console/tokens/{id}/rotate`: the new secret is shown once.
pub(crate) async fn rotate(Path(id): Path<String>, sent: Submission) -> Answer {
    let visit = sent.visit;
    let path = resource(&["tokens", &id, "rotate"]);
    match visit.caller.act(Method::POST, &path, "").await {
        Ok(found) => Ok(visit.show(&created(&found))),
        Err(failure) => {
            let page = page(&visit, &Selection::default()).await?;
            rejected(&visit, failure, page)
        }
    }
}

/// `POST /console/tokens/{id}/revoke`.
pub(crate) async fn revoke(Path(id): Path<String>, sent: Submission) -> Answer {
    let visit = sent.visit;
    match visit
        .caller
        .act(Method::DELETE, &resource(&["tokens", &id]), "")
        .await
    {
        Ok(_) => Ok(done(LIST, "revoked")),
        Err(failure) => {
            let page = page(&visit, &Selection::default()).await?;
            rejected(&visit, failure, page)
        }
    }
}

async fn page(visit: &Visit, selection: &Selection) -> Result<Page, Failure> {
    let query = [("after", selection.after())];
    let listed = visit.caller.list("/api/v1/tokens", &query).await?;
    let columns = [
        "Name",
        "Owner",
        "Created",
        "Expires",
        "Last used",
        "Actions",
    ];
    let mut table = Table::new("Tokens", &columns)
        .or_empty(listed.absent.as_deref().unwrap_or("No API tokens yet."));
    for token in &listed.items {
        table.row(cells(token));
    }
    table.pager = Some(selection.pager(LIST, &[], &listed));
    Ok(Page::new("Tokens")
        .lead("API tokens for clients that cannot log in, and for scripts.")
        .link("/console/tokens/new", "New token")
        .with(Block::Table(table)))
}

fn cells(token: &Value) -> Vec<Cell> {
    let (id, name) = (token.text("/id"), token.text("/name"));
    let owner = match (token.some_text("/user"), token.some_text("/team")) {
        (Some(user), _) => Cell::link(page_path(&["people", user]), user),
        (None, Some(team)) => Cell::text(format!("team {team}")),
        (None, None) => Cell::text("organization"),
    };
    let question = "Programs that use it are rejected at once.";
    vec![
        Cell::text(name),
        owner,
        Cell::time(token.number("/created")),
        match token.number("/expires") {
            0 => Cell::text("never"),
            at => Cell::time(at),
        },
        Cell::time(token.number("/lastUsed")),
        Cell::Buttons(vec![
            Button::new(page_path(&["tokens", id, "rotate"]), "Rotate")
                .of(name)
                .danger("The old token is revoked, and the new one is shown once."),
            Button::new(page_path(&["tokens", id, "revoke"]), "Revoke")
                .of(name)
                .danger(question),
        ]),
    ]
}

fn created(found: &Found) -> Page {
    let secret = found.value.text("/secret").to_owned();
    Page::new(found.value.text("/token/name"))
        .below(LIST, "Tokens")
        .note("The token has been created.", Tone::Good)
        .with(Block::Secret("Token".to_owned(), secret))
        .link("/console/connect", "Connect a client")
}

fn new_page(form: Form) -> Page {
    Page::new("New token")
        .below(LIST, "Tokens")
        .lead("It has the access of its owner. The secret is shown once.")
        .with(Block::Form(form.cancel(LIST)))
}

fn form(fields: &Fields, user: &str) -> Form {
    let lifetimes = vec![
        Choice::new("30", "30 days"),
        Choice::new("90", "90 days"),
        Choice::new("365", "a year"),
        Choice::new("", "unlimited"),
    ];
    let days = match fields.some("name") {
        Some(_) => fields.raw("days"),
        None => "90",
    };
    Form::new("/console/tokens/new", "Create token")
        .with(
            Field::new("name", "Name", Kind::Text)
                .value(fields.raw("name"))
                .hint("What it is for.")
                .required(),
        )
        .with(
            Field::new("user", "Person", Kind::Text)
                .value(user)
                .hint("Identifier of the person whose access it has."),
        )
        .with(
            Field::new("team", "Team", Kind::Text)
                .value(fields.raw("team"))
                .hint("In place of a person. Without either, it is of the organization."),
        )
        .with(
            Field::new("days", "Lifetime", Kind::Select(lifetimes))
                .value(days)
                .at("expiresIn"),
        )
}
