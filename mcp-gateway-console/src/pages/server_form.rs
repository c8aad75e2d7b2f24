//! Forms that add and change servers.

use axum::extract::Path;
use http::Method;
use serde_json::{Map, Value, json};

use super::{Answer, Selection, again, done, kept};
use crate::api::Found;
use crate::form::{Fields, Submission};
use crate::json::{Members as _, pretty};
use crate::path::{page as page_path, resource};
use crate::view::{Block, Field, Form, Kind, Page};
use crate::visit::Visit;

const NEW: &str = "/console/servers/new";

/// `GET /console/servers/new`: shows the form of a remote server, or of any entry.
pub(crate) async fn show_new(visit: Visit, selection: Selection) -> Answer {
    // Only those who may list servers see the form.
    visit.caller.get("/api/v1/servers?limit=1").await?;
    let form = match selection.text("kind") {
        "entry" => entry_form(NEW, EXAMPLE).hide("kind", "entry"),
        _ => remote_form(&Fields::default()),
    };
    Ok(visit.show(&new_page(form)))
}

/// `POST /console/servers/new`.
pub(crate) async fn create(sent: Submission) -> Answer {
    let Submission { visit, fields } = sent;
    let is_entry = fields.text("kind") == "entry";
    let form = match is_entry {
        true => entry_form(NEW, fields.raw("entry")).hide("kind", "entry"),
        false => remote_form(&fields),
    };
    let entry = match is_entry {
        true => match serde_json::from_str(fields.raw("entry")) {
            Ok(entry) => entry,
            Err(error) => return Ok(visit.show(&new_page(unreadable(form, &error)))),
        },
        false => remote_entry(&fields),
    };
    let sent = visit
        .caller
        .change(Method::POST, "/api/v1/servers", entry, "");
    match sent.await {
        Ok(Found { value, .. }) => {
            let name = value.text("/name");
            Ok(done(&page_path(&["servers", name]), "added"))
        }
        Err(failure) => again(&visit, failure, form, new_page),
    }
}

/// `GET /console/servers/{name}/edit`.
pub(crate) async fn show_edit(visit: Visit, Path(name): Path<String>) -> Answer {
    let found = visit.caller.get(&resource(&["servers", &name])).await?;
    let entry = found.value.get("entry").map(pretty);
    let action = page_path(&["servers", &name, "edit"]);
    let form = entry_form(&action, &entry.unwrap_or_default()).hide("version", found.version);
    Ok(visit.show(&edit_page(&name, form)))
}

/// `POST /console/servers/{name}/edit`.
pub(crate) async fn replace(Path(name): Path<String>, sent: Submission) -> Answer {
    let Submission { visit, fields } = sent;
    let action = page_path(&["servers", &name, "edit"]);
    let version = fields.text("version");
    let form = entry_form(&action, fields.raw("entry")).hide("version", version);
    let entry = match serde_json::from_str(fields.raw("entry")) {
        Ok(entry) => entry,
        Err(error) => return Ok(visit.show(&edit_page(&name, unreadable(form, &error)))),
    };
    let path = resource(&["servers", &name]);
    match visit
        .caller
        .change(Method::PUT, &path, entry, version)
        .await
    {
        Ok(_) => Ok(done(&page_path(&["servers", &name]), "saved")),
        Err(failure) => again(&visit, failure, form, |form| edit_page(&name, form)),
    }
}

/// Puts the error of a text that is not JSON at its field.
pub(super) fn unreadable(form: Form, error: &serde_json::Error) -> Form {
    form.violated(&[("entry".to_owned(), format!("not JSON: {error}"))])
}

fn new_page(form: Form) -> Page {
    let is_entry = form.hidden.iter().any(|(name, _)| name == "kind");
    let page = Page::new("Add a server")
        .below("/console/servers", "Servers")
        .lead("All gateways without a list of servers get it at once, on all replicas.");
    let page = match is_entry {
        true => page.link(NEW, "Remote server instead"),
        false => page.link(format!("{NEW}?kind=entry"), "Write the entry instead"),
    };
    page.with(Block::Form(form))
}

fn edit_page(name: &str, form: Form) -> Page {
    Page::new("Edit")
        .below("/console/servers", "Servers")
        .below(page_path(&["servers", name]), name)
        .lead(
            "A secret that is true stays as it is; a new one is { \"secret\": TEXT }. If the URL or \
             the program changes, all secrets must be written anew.",
        )
        .with(Block::Form(form.cancel(page_path(&["servers", name]))))
}

fn entry_form(action: &str, entry: &str) -> Form {
    let field = Field::new("entry", "Entry", Kind::Code)
        .value(entry)
        .hint("JSON with the keys of an entry of servers in the configuration.")
        .required();
    Form::new(action, "Save").with(field)
}

fn remote_form(fields: &Fields) -> Form {
    let field = |name, label, kind| kept(Field::new(name, label, kind), fields);
    Form::new(NEW, "Add server")
        .with(
            field("name", "Name", Kind::Text)
                .hint("Letters, digits, dots, hyphens and underscores. It is the prefix of its tools.")
                .required(),
        )
        .with(
            field("url", "URL", Kind::Text)
                .at("remote.url")
                .hint("Address of its MCP endpoint.")
                .required(),
        )
        .with(
            Field::new("bearer", "Bearer token", Kind::Secret)
                .at("remote.bearer")
                .hint("The same for all callers. It is sealed in the store, and never shown again."),
        )
        .with(
            field("prefix", "Prefix", Kind::Text)
                .hint("Prefix of the names of its tools, if it is not the name."),
        )
        .cancel("/console/servers")
}

fn remote_entry(fields: &Fields) -> Value {
    let mut remote = Map::new();
    remote.insert("url".to_owned(), fields.text("url").into());
    if let Some(token) = fields.some("bearer") {
        remote.insert("bearer".to_owned(), json!({ "secret": token }));
    }
    let mut entry = json!({ "name": fields.text("name"), "remote": remote });
    if let Some(prefix) = fields.some("prefix") {
        entry["prefix"] = prefix.into();
    }
    entry
}

/// Entry that is shown first.
const EXAMPLE: &str =
    "{\n  \"name\": \"notes\",\n  \"remote\": { \"url\": \"https://notes.example.com/mcp\" }\n}";
