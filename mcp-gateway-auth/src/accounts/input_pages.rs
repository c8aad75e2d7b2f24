//! Pages on which values for a server are supplied.

use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::response::Response;
use http::request::Parts;

use super::error::ConnectError;
use super::inputs::{InputForm, InputServer, Submission};
use super::pages::{AccountPages, Pages, Visitor, connected};
use super::{AccountId, Owner, SupplyError};
use crate::login::see_other;
use crate::pages::CONNECT;

/// `GET /connect/{server}` without a link: shows the form of a server with inputs.
///
/// Another site can send a browser there, but nothing happens before the form is submitted. Other
/// servers have the list alone: their page would begin a login.
pub(super) async fn open(
    pages: &AccountPages,
    name: &str,
    request: &Parts,
) -> Result<Response, ConnectError> {
    let visitor = match pages.visitor(request).await? {
        Ok(visitor) => visitor,
        Err(login) => return Ok(login),
    };
    let owner = visitor.as_owner();
    Ok(match pages.input_server(name, &visitor, &owner) {
        Some(server) => form(pages, &visitor, (&server, &owner)),
        None => see_other(CONNECT),
    })
}

/// Returns the empty form of `server` for the connection of `owner`.
pub(super) fn form(
    pages: &AccountPages,
    visitor: &Visitor,
    (server, owner): (&InputServer, &Owner),
) -> Response {
    show(pages, visitor, (server, owner), &InputForm::default())
}

/// Returns the page with the form of a server.
fn show(
    pages: &AccountPages,
    visitor: &Visitor,
    (server, owner): (&InputServer, &Owner),
    form: &InputForm,
) -> Response {
    let shown = form.page(server, owner, &pages.csrf(visitor));
    pages.remember(visitor, shown)
}

/// `POST /connect/{server}/inputs`: tests and stores values.
pub(super) async fn supply(
    State(pages): Pages,
    Path(name): Path<String>,
    request: Parts,
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Result<Response, ConnectError> {
    let Form(fields) = form?;
    let submission = Submission::new(fields);
    let csrf = submission.get("csrf").ok_or(ConnectError::BadRequest)?;
    let visitor = pages.checked(&request, csrf).await?;
    let owner = visitor.owner(submission.get("owner"))?;
    let server = pages.input_server(&name, &visitor, &owner);
    let server = server.ok_or(ConnectError::NotFound)?;
    let id = AccountId::new(owner, Arc::clone(server.name()));
    let probe = pages.probe().filter(|_| !submission.is_untested());
    let (principal, values) = (visitor.user.principal(), submission.values());
    let credentials = pages.credentials();
    let supplied = credentials.supply(&principal, &id, &values, probe.map(Arc::as_ref));
    let form = match supplied.await {
        Ok(()) => return Ok(connected(&id)),
        Err(SupplyError::NoInputs) => return Err(ConnectError::NotFound),
        Err(SupplyError::Unavailable(error)) => return Err(error.into()),
        Err(SupplyError::Invalid(violations)) => InputForm::invalid(submission, violations),
        Err(SupplyError::Probe(failure)) => {
            tracing::info!(account = %id, %failure, "supplied values not stored");
            InputForm::failed(submission, failure)
        }
    };
    Ok(show(&pages, &visitor, (&server, &id.owner), &form))
}
