//! Import of entries: of a `server.json`, or of a page of another registry.

use http::Method;
use serde_json::{Value, json};

use super::{Answer, again, kept};
use crate::form::{Fields, Submission};
use crate::json::Members as _;
use crate::path::page as page_path;
use crate::role::Role;
use crate::view::{Block, Cell, Field, Form, Kind, Page, Table, Tone};
use crate::visit::Visit;

const PATH: &str = "/console/registry/import";

/// `GET /console/registry/import`.
pub(crate) async fn show(visit: Visit) -> Answer {
    if visit.role != Role::Admin {
        return Err(crate::failure::Failure::NotFound);
    }
    Ok(visit.show(&page(form(&Fields::default()))))
}

/// `POST /console/registry/import`.
pub(crate) async fn submit(sent: Submission) -> Answer {
    let Submission { visit, fields } = sent;
    let form = form(&fields);
    let mut body = json!({});
    if let Some(text) = fields.some("document") {
        match serde_json::from_str::<Value>(text) {
            Ok(Value::Array(documents)) => body["documents"] = documents.into(),
            Ok(document) => body["documents"] = json!([document]),
            Err(error) => {
                let message = format!("not JSON: {error}");
                let form = form.violated(&[("document".to_owned(), message)]);
                return Ok(visit.show(&page(form)));
            }
        }
    }
    for name in ["registry", "search", "cursor"] {
        if let Some(value) = fields.some(name) {
            body[name] = value.into();
        }
    }
    let teams = fields.items("teams");
    if !teams.is_empty() {
        body["teams"] = teams.into();
    }
    match visit
        .caller
        .change(Method::POST, "/api/v1/imports", body, "")
        .await
    {
        Ok(found) => Ok(visit.show(&report(&found.value, &fields))),
        Err(failure) => again(&visit, failure, form, page),
    }
}

fn page(form: Form) -> Page {
    Page::new("Import")
        .below("/console/registry", "Registry")
        .lead("An entry that is invalid is left out and reported.")
        .with(Block::Form(form.cancel("/console/registry")))
}

fn form(fields: &Fields) -> Form {
    let field = |name, label, kind| kept(Field::new(name, label, kind), fields);
    Form::new(PATH, "Import")
        .with(
            field("document", "server.json", Kind::Code)
                .at("documents")
                .hint("One file, or an array of them."),
        )
        .with(Field::heading("Or from another registry", ""))
        .with(field("registry", "URL", Kind::Text).hint(
            "Of a registry with the API v0.1, such as https://registry.modelcontextprotocol.io",
        ))
        .with(field("search", "Text in the names", Kind::Text))
        .with(Field::heading("Visibility", ""))
        .with(
            field("teams", "Teams", Kind::Text)
                .hint("Teams that see the new entries; everybody if empty."),
        )
}

/// Returns the page with the result of an import.
fn report(import: &Value, fields: &Fields) -> Page {
    let report = &import["report"];
    let mut page = Page::new("Imported").below("/console/registry", "Registry");
    let mut table = Table::new("Entries", &["Entry", "Result"]).or_empty("Nothing was imported.");
    if let Some(members) = report.as_object() {
        for (result, entries) in members {
            for entry in entries.as_array().into_iter().flatten() {
                let id = entry.as_str().or_else(|| entry.some_text("/entry"));
                let id = id.or_else(|| entry.some_text("/name")).unwrap_or("entry");
                let name = id.split('@').next().unwrap_or(id);
                let detail = match entry {
                    Value::String(_) => result.clone(),
                    other => format!("{result}: {}", other.text("/reason")),
                };
                let is_there = entry.is_string();
                table.row(vec![
                    match is_there {
                        true => Cell::link(page_path(&["registry", name]), id),
                        false => Cell::text(id),
                    },
                    Cell::text(detail),
                ]);
            }
            if let Some(number) = entries.as_u64().filter(|number| *number > 0) {
                page = page.note(format!("{result}: {number}"), Tone::Plain);
            }
        }
    }
    page = page.with(Block::Table(table));
    if let Some(next) = import.some_text("/next") {
        let mut form = Form::new(PATH, "Import the next page");
        for name in ["registry", "search", "teams"] {
            form = form.hide(name, fields.raw(name));
        }
        page = page.with(Block::Form(form.hide("cursor", next)));
    }
    page
}
