//! Handlers of the pages, one module for each kind of object.

pub(crate) mod approvals;
pub(crate) mod asset;
pub(crate) mod audit;
pub(crate) mod audit_export;
pub(crate) mod clients;
pub(crate) mod connect;
pub(crate) mod connections;
pub(crate) mod entries;
pub(crate) mod entry_import;
pub(crate) mod entry_install;
pub(crate) mod explain;
pub(crate) mod gateway_form;
pub(crate) mod gateways;
mod input_field;
pub(crate) mod overview;
pub(crate) mod people;
pub(crate) mod person_form;
pub(crate) mod pins;
pub(crate) mod policy;
pub(crate) mod requests;
pub(crate) mod rule_form;
mod selection;
pub(crate) mod server_form;
pub(crate) mod servers;
pub(crate) mod sign_in;
pub(crate) mod tokens;
pub(crate) mod usage;

use axum::response::Response;
use http::StatusCode;
use serde_json::Value;

use self::selection::Selection;
use crate::failure::Failure;
use crate::json::Members as _;
use crate::path::with_query;
use crate::response::see_other;
use crate::view::{Field, Form, Page, Tone};
use crate::visit::Visit;

/// Response of a handler.
type Answer = Result<Response, Failure>;

/// Redirects to `path`, whose page then says what has been done.
fn done(path: &str, what: &str) -> Response {
    see_other(&with_query(path, &[("done", what)]))
}

/// Adds what has been done before the page.
fn with_done(page: Page, selection: &Selection) -> Page {
    let text = match selection.text("done") {
        "added" => "Added.",
        "approved" => "Approved.",
        "denied" => "Denied.",
        "deleted" => "Deleted.",
        "requested" => "Requested. An administrator decides.",
        "restarted" => "The pods are being replaced.",
        "revoked" => "Revoked.",
        "saved" => "Saved.",
        _ => return page,
    };
    page.note(text, Tone::Good)
}

/// Shows `page` with `form` again, with the errors of the API at its fields; or the failure, if the
/// API has hidden the object.
fn again(visit: &Visit, failure: Failure, form: Form, page: impl FnOnce(Form) -> Page) -> Answer {
    let problem = failure.into_problem()?;
    let mut form = form.violated(&problem.errors);
    if problem.errors.is_empty() {
        form.errors.push(problem.sentence());
    }
    let status = match problem.status.is_client_error() {
        true => problem.status,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    Ok(visit.show_with(status, &page(form)))
}

/// Shows `page` with the reason for which the API has rejected a change.
fn rejected(visit: &Visit, failure: Failure, page: Page) -> Answer {
    let problem = failure.into_problem()?;
    let mut text = problem.sentence();
    for (path, message) in &problem.errors {
        text.push_str(&format!(" {path}: {message}."));
    }
    let page = page.note(text, Tone::Bad);
    Ok(visit.show_with(problem.status, &page))
}

/// Returns the source of `document` for people.
fn source(document: &Value) -> &'static str {
    match document.text("/source") {
        "store" => "store",
        "object" => "object of the cluster",
        _ => "configuration file",
    }
}

/// Returns the value of `field` in `fields`, for a form that is shown again.
fn kept(field: Field, fields: &crate::form::Fields) -> Field {
    let value = fields.raw(&field.name).to_owned();
    field.value(value)
}
