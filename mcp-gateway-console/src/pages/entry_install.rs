//! Installation of an entry of the registry, with the values of its inputs.

use axum::extract::Path;
use http::Method;
use serde_json::{Value, json};

use super::{Answer, Selection, again, done, entries, input_field};
use crate::failure::Failure;
use crate::form::{Fields, Submission};
use crate::json::Members as _;
use crate::path::page as page_path;
use crate::role::Role;
use crate::view::{Block, Field, Form, Kind, Page};
use crate::visit::Visit;

/// `GET /console/registry/{name}/install`.
pub(crate) async fn show(visit: Visit, Path(name): Path<String>, selection: Selection) -> Answer {
    if visit.role != Role::Admin {
        return Err(Failure::NotFound);
    }
    let document = entries::find(&visit, &name, selection.text("version")).await?;
    let form = form(&document, &Fields::default())?;
    Ok(visit.show(&page(&document, form)))
}

/// `POST /console/registry/{name}/install`.
pub(crate) async fn submit(Path(name): Path<String>, sent: Submission) -> Answer {
    let Submission { visit, fields } = sent;
    let version = fields.text("version");
    let document = entries::find(&visit, &name, version).await?;
    let form = form(&document, &fields)?;
    let body = json!({
        "name": fields.text("name"),
        "entry": format!("{name}@{version}"),
        "values": input_field::values(&fields),
    });
    match visit
        .caller
        .change(Method::POST, "/api/v1/servers", body, "")
        .await
    {
        Ok(found) => {
            let server = found.value.text("/name");
            Ok(done(&page_path(&["servers", server]), "added"))
        }
        Err(failure) => again(&visit, failure, form, |form| page(&document, form)),
    }
}

fn page(document: &Value, form: Form) -> Page {
    let name = document.text("/entry/name");
    let own = page_path(&["registry", name]);
    Page::new("Install")
        .below("/console/registry", "Registry")
        .below(
            own.clone(),
            document.some_text("/entry/title").unwrap_or(name),
        )
        .lead("The server is used at once by all gateways without a list of servers.")
        .with(Block::Form(form.cancel(own)))
}

fn form(document: &Value, fields: &Fields) -> Result<Form, Failure> {
    let entry = document.get("entry").ok_or(Failure::NotFound)?;
    if entry.get("server").is_none() {
        return Err(Failure::NotFound);
    }
    let name = entry.text("/name");
    let suggested = suggestion(name);
    let server = fields.some("name").map_or(suggested, str::to_owned);
    let mut form = Form::new(page_path(&["registry", name, "install"]), "Install")
        .hide("version", entry.text("/version"))
        .with(
            Field::new("name", "Name of the server", Kind::Text)
                .value(server)
                .hint("It is also the prefix of its tools.")
                .required(),
        );
    for field in input_field::fields(entry.list("/inputs"), fields) {
        form = form.with(field);
    }
    Ok(form)
}

/// Returns a name for a server of the entry `name`: its last part, of permitted characters.
pub(super) fn suggestion(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    let permitted = |c: char| {
        if c.is_ascii_alphanumeric() || "._-".contains(c) {
            c
        } else {
            '-'
        }
    };
    last.chars().map(permitted).take(64).collect()
}
