//! Requests for entries of the registry, and their decisions.

use axum::extract::Path;
use http::Method;
use serde_json::{Value, json};

use super::{
    Answer, Selection, again, done, entries, entry_install, input_field, rejected, with_done,
};
use crate::failure::Failure;
use crate::form::{Fields, Submission};
use crate::json::Members as _;
use crate::path::{page as page_path, resource};
use crate::role::Role;
use crate::view::{Block, Cell, Field, Form, Kind, Page, Table, Tone};
use crate::visit::Visit;

const LIST: &str = "/console/requests";

/// `GET /console/requests`.
pub(crate) async fn list(visit: Visit, selection: Selection) -> Answer {
    let query = [("after", selection.after())];
    let listed = visit.caller.list("/api/v1/requests", &query).await?;
    let columns = ["Entry", "Requester", "Reason", "Requested", "State"];
    let mut table = Table::new("Requests", &columns)
        .live()
        .or_empty(listed.absent.as_deref().unwrap_or("No requests."));
    for request in &listed.items {
        table.row(vec![
            Cell::link(
                page_path(&["requests", request.text("/id")]),
                request.text("/entry"),
            ),
            Cell::text(request.text("/requester")),
            Cell::text(request.text("/reason")),
            Cell::time(request.number("/created")),
            state(request),
        ]);
    }
    table.pager = Some(selection.pager(LIST, &[], &listed));
    let page = Page::new("Requests")
        .lead("Entries of the registry that people want to have installed.")
        .link("/console/registry", "Registry");
    Ok(visit.show(&with_done(page, &selection).with(Block::Table(table))))
}

/// `POST /console/registry/{name}/request`.
pub(crate) async fn create(Path(name): Path<String>, sent: Submission) -> Answer {
    let Submission { visit, fields } = sent;
    let version = fields.text("version");
    let body = json!({
        "entry": format!("{name}@{version}"),
        "reason": fields.text("reason"),
    });
    match visit
        .caller
        .change(Method::POST, "/api/v1/requests", body, "")
        .await
    {
        Ok(_) => Ok(done(LIST, "requested")),
        Err(failure) => {
            let page = entries::detail(&visit, &name, version).await?;
            rejected(&visit, failure, page)
        }
    }
}

/// `GET /console/requests/{id}`.
pub(crate) async fn show(visit: Visit, Path(id): Path<String>, selection: Selection) -> Answer {
    let request = find(&visit, &id).await?;
    let forms = forms(&visit, &request, &Fields::default()).await?;
    let page = page(&request, forms);
    Ok(visit.show(&with_done(page, &selection)))
}

/// `POST /console/requests/{id}/approve`.
pub(crate) async fn approve(Path(id): Path<String>, sent: Submission) -> Answer {
    let Submission { visit, fields } = sent;
    let mut body = json!({
        "server": fields.text("server"),
        "values": input_field::values(&fields),
    });
    if let Some(message) = fields.some("message") {
        body["message"] = message.into();
    }
    let path = resource(&["requests", &id, "approve"]);
    match visit.caller.change(Method::POST, &path, body, "").await {
        Ok(_) => Ok(done(&page_path(&["requests", &id]), "approved")),
        Err(failure) => {
            let request = find(&visit, &id).await?;
            let Some([approve, deny]) = forms(&visit, &request, &fields).await? else {
                return rejected(&visit, failure, page(&request, None));
            };
            again(&visit, failure, approve, |approve| {
                page(&request, Some([approve, deny]))
            })
        }
    }
}

/// `POST /console/requests/{id}/deny`.
pub(crate) async fn deny(Path(id): Path<String>, sent: Submission) -> Answer {
    let Submission { visit, fields } = sent;
    let mut body = json!({});
    if let Some(message) = fields.some("message") {
        body["message"] = message.into();
    }
    let path = resource(&["requests", &id, "deny"]);
    match visit.caller.change(Method::POST, &path, body, "").await {
        Ok(_) => Ok(done(&page_path(&["requests", &id]), "denied")),
        Err(failure) => {
            let request = find(&visit, &id).await?;
            let forms = forms(&visit, &request, &Fields::default()).await?;
            rejected(&visit, failure, page(&request, forms))
        }
    }
}

async fn find(visit: &Visit, id: &str) -> Result<Value, Failure> {
    Ok(visit.caller.get(&resource(&["requests", id])).await?.value)
}

/// Returns the page of `request`, with the forms by which it is approved or denied.
fn page(request: &Value, forms: Option<[Form; 2]>) -> Page {
    let entry = request.text("/entry");
    let name = entry.split('@').next().unwrap_or(entry);
    let mut facts = vec![
        ("Entry", Cell::link(page_path(&["registry", name]), entry)),
        ("Requester", Cell::text(request.text("/requester"))),
        ("Reason", Cell::text(request.text("/reason"))),
        ("Requested", Cell::time(request.number("/created"))),
    ];
    if request["decision"].is_object() {
        facts.push(("Decision by", Cell::text(request.text("/decision/by"))));
        facts.push(("Decided", Cell::time(request.number("/decision/at"))));
        facts.push(("Message", Cell::text(request.text("/decision/message"))));
        facts.push(("Server", Cell::text(request.text("/decision/server"))));
    }
    let mut page = Page::new(entry)
        .below(LIST, "Requests")
        .badge(state(request))
        .with(Block::Facts(facts));
    if let Some([approve, deny]) = forms {
        page = page
            .heading("Approve and install")
            .with(Block::Form(approve));
        page = page.heading("Deny").with(Block::Form(deny));
    }
    page
}

/// Returns the forms of an open request, for an administrator.
async fn forms(
    visit: &Visit,
    request: &Value,
    fields: &Fields,
) -> Result<Option<[Form; 2]>, Failure> {
    if visit.role != Role::Admin || !request["decision"].is_null() {
        return Ok(None);
    }
    let id = request.text("/id");
    let reference = request.text("/entry");
    let (name, version) = reference.split_once('@').unwrap_or((reference, ""));
    let inputs = match entries::find(visit, name, version).await {
        Ok(document) => document.list("/entry/inputs").to_vec(),
        // It has been removed since.
        Err(Failure::Problem(_)) => Vec::new(),
        Err(failure) => return Err(failure),
    };
    let suggested = entry_install::suggestion(name);
    let server = fields.some("server").map_or(suggested, str::to_owned);
    let message = Field::new("message", "Message", Kind::Text).hint("For the requester.");
    let mut approve = Form::new(
        page_path(&["requests", id, "approve"]),
        "Approve and install",
    )
    .with(
        Field::new("server", "Name of the server", Kind::Text)
            .value(server)
            .required(),
    );
    for field in input_field::fields(&inputs, fields) {
        approve = approve.with(field);
    }
    let approve = approve.with(message.clone());
    // Both forms are on the same page, where identifiers are unique.
    let mut deny =
        Form::new(page_path(&["requests", id, "deny"]), "Deny").with(message.marked("deny"));
    deny.is_danger = true;
    Ok(Some([approve, deny]))
}

fn state(request: &Value) -> Cell {
    match (&request["decision"], request.is("/decision/approved")) {
        (Value::Null, _) => Cell::badge("open", Tone::Warn),
        (_, true) => Cell::badge("approved", Tone::Good),
        (_, false) => Cell::badge("denied", Tone::Bad),
    }
}
