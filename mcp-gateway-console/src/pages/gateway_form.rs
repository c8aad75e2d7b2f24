//! Form of a gateway, in four steps on one page: name and visibility, servers and tools,
//! authentication, exposure.

mod assignments;
mod entry;

use axum::extract::Path;
use http::Method;
use serde_json::{Value, json};

use self::assignments::Offer;
use super::{Answer, again, done};
use crate::failure::Failure;
use crate::form::{Fields, Submission};
use crate::json::Members as _;
use crate::path::{page as page_path, resource};
use crate::view::{Block, Choice, Field, Form, Kind, Page};
use crate::visit::Visit;

const NEW: &str = "/console/gateways/new";

/// `GET /console/gateways/new`.
pub(crate) async fn show_new(visit: Visit) -> Answer {
    let offer = Offer::load(&visit).await?;
    let form = form(NEW, &json!({}), &offer);
    Ok(visit.show(&new_page(form)))
}

/// `POST /console/gateways/new`.
pub(crate) async fn create(sent: Submission) -> Answer {
    let Submission { visit, fields } = sent;
    let entry = entry::changed(json!({}), &fields);
    let sent = visit
        .caller
        .change(Method::POST, "/api/v1/gateways", entry.clone(), "");
    match sent.await {
        Ok(found) => Ok(done(&super::gateways::own_path(&found.value), "added")),
        Err(failure) => {
            let form = form(NEW, &entry, &Offer::load(&visit).await?);
            again(&visit, failure, form, new_page)
        }
    }
}

/// `GET /console/gateways/{id}/edit`.
pub(crate) async fn show_edit(visit: Visit, Path(id): Path<String>) -> Answer {
    let (entry, version) = stored(&visit, &id).await?;
    let offer = Offer::load(&visit).await?;
    let form = edit_form(&id, &entry, &offer).hide("version", version);
    Ok(visit.show(&edit_page(&id, &entry, form)))
}

/// `POST /console/gateways/{id}/edit`.
pub(crate) async fn replace(Path(id): Path<String>, sent: Submission) -> Answer {
    let Submission { visit, fields } = sent;
    let (before, _) = stored(&visit, &id).await?;
    let entry = entry::changed(before, &fields);
    let version = fields.text("version");
    let path = resource(&["gateways", &id]);
    let sent = visit
        .caller
        .change(Method::PUT, &path, entry.clone(), version);
    match sent.await {
        Ok(_) => Ok(done(&page_path(&["gateways", &id]), "saved")),
        Err(failure) => {
            let form = edit_form(&id, &entry, &Offer::load(&visit).await?);
            let form = form.hide("version", version);
            again(&visit, failure, form, |form| edit_page(&id, &entry, form))
        }
    }
}

/// Returns the entry of the gateway `id` in the store, and its version.
async fn stored(visit: &Visit, id: &str) -> Result<(Value, String), Failure> {
    let mut found = visit.caller.get(&resource(&["gateways", id])).await?;
    let entry = found.value["entry"].take();
    match entry.is_object() {
        true => Ok((entry, found.version)),
        false => Err(Failure::NotFound),
    }
}

fn new_page(form: Form) -> Page {
    Page::new("New gateway")
        .below("/console/gateways", "Gateways")
        .lead("It is served at once, on all replicas.")
        .with(Block::Form(form.cancel("/console/gateways")))
}

fn edit_page(id: &str, entry: &Value, form: Form) -> Page {
    let own = page_path(&["gateways", id]);
    Page::new("Edit")
        .below("/console/gateways", "Gateways")
        .below(own.clone(), entry.text("/name"))
        .lead("Clients are notified of changed lists. The identifier stays when the name changes.")
        .with(Block::Form(form.cancel(own)))
}

fn edit_form(id: &str, entry: &Value, offer: &Offer) -> Form {
    form(&page_path(&["gateways", id, "edit"]), entry, offer)
}

/// Returns the form with the values of `entry`.
fn form(action: &str, entry: &Value, offer: &Offer) -> Form {
    let form = visibility_step(Form::new(action, "Save gateway"), entry);
    let form = offer.step(form, entry);
    exposure_step(authentication_step(form, entry), entry)
}

fn visibility_step(form: Form, entry: &Value) -> Form {
    let teams = [entry.joined("/visibility/teams"), entry.joined("/teams")].concat();
    let user = entry.text("/visibility/user");
    let visibility = match (teams.is_empty(), user.is_empty()) {
        (false, _) => "teams",
        (true, false) => "user",
        (true, true) => "organization",
    };
    let choices = vec![
        Choice::new("organization", "Everybody"),
        Choice::new("teams", "Members of teams"),
        Choice::new("user", "One caller"),
    ];
    form.with(Field::heading("1. Name and visibility", ""))
        .with(
            Field::new("name", "Name", Kind::Text)
                .value(entry.text("/name"))
                .hint("Lower-case letters, digits and hyphens. It is part of the URL.")
                .required(),
        )
        .with(Field::new("title", "Title", Kind::Text).value(entry.text("/title")))
        .with(
            Field::new("description", "Description", Kind::Area).value(entry.text("/description")),
        )
        .with(
            Field::new("visibility", "For whom it exists", Kind::Radio(choices))
                .value(visibility)
                .hint("For all others, it is as if there were no such gateway."),
        )
        .with(
            Field::new("teams", "Teams", Kind::Text)
                .value(teams)
                .at("visibility.teams")
                .hint("Names with commas, if it is for teams."),
        )
        .with(
            Field::new("user", "Caller", Kind::Text)
                .value(user)
                .at("visibility.user")
                .hint("Identifier of a person or token, if it is for one caller."),
        )
}

fn authentication_step(form: Form, entry: &Value) -> Form {
    let text = "Clients log in with OAuth, or use an API token. Tokens of identity providers are \
                accepted as the configuration says.";
    let dpop = entry.some_text("/dpop").unwrap_or("optional");
    let choices = vec![
        Choice::new("optional", "Any token"),
        Choice::new("required", "Only tokens that are bound to a key (DPoP)"),
    ];
    form.with(Field::heading("3. Authentication", text))
        .with(Field::new("dpop", "Tokens", Kind::Select(choices)).value(dpop))
        .with(
            Field::new("forwardHeaders", "Headers to forward", Kind::Text)
                .value(entry.joined("/forwardHeaders"))
                .hint("Names of headers of clients that servers receive. All others are dropped."),
        )
}

fn exposure_step(form: Form, entry: &Value) -> Form {
    let choices = vec![
        Choice::new("list", "List: all tools"),
        Choice::new("search", "Search: tools that search and run them"),
        Choice::new("code", "Code: tools that search them and run scripts"),
    ];
    let exposure = entry.some_text("/exposure").unwrap_or("list");
    form.with(Field::heading("4. Exposure", ""))
        .with(
            Field::new("exposure", "What clients see", Kind::Radio(choices))
                .value(exposure)
                .hint(
                    "Search and code keep the context of a model small when there are many tools.",
                ),
        )
        .with(
            Field::new("visibleTools", "Tools that are always listed", Kind::Text)
                .value(entry.joined("/visibleTools"))
                .hint("With search and code. Names with commas; * stands for any characters."),
        )
        .with(
            Field::new("instructions", "Instructions", Kind::Area)
                .value(entry.text("/instructions"))
                .hint("For models, in place of those of the servers."),
        )
}

/// Returns the trimmed value of `name` as JSON; `None` if it is empty.
fn some(fields: &Fields, name: &str) -> Option<Value> {
    fields.some(name).map(Value::from)
}
