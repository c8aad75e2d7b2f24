//! Pages on which values for a server are supplied.

use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::response::Response;
use http::request::Parts;

use super::error::ConnectError;
use super::inputs::{InputForm, InputServer, Submission};
use super::pages::{AccountPages, Pages, Visitor, connected};
use super::{AccountId, Owner, SuppliedInputs, SupplyError};
use crate::AuthServerError;
use crate::login::see_other;
use crate::pages::CONNECT;
use crate::users::UserError;

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
    let (links, user) = (pages.links(), &visitor.user.id);
    let recipient = links.recipient_field(server.recipient(), user);
    let shown = form.page(server, owner, (&pages.csrf(visitor), &recipient));
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
    if !is_for(&pages, &visitor, &submission, &server) {
        tracing::info!(account = %id, "supplied values not stored: the server has changed");
        let form = InputForm::outdated(submission);
        return Ok(show(&pages, &visitor, (&server, &id.owner), &form));
    }
    let probe = pages.probe().filter(|_| !submission.is_untested());
    let (principal, values) = (visitor.user.principal(), submission.values());
    let credentials = pages.credentials();
    let tested = credentials.tested(&principal, (&server, &id), &values, probe.map(Arc::as_ref));
    let form = match tested.await {
        Ok(supplied) => {
            store(&pages, &visitor, &id, &supplied).await?;
            return Ok(connected(&id));
        }
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

/// Returns `true` if the form of `submission` was shown to `visitor` for the present address or
/// program of `server`.
fn is_for(
    pages: &AccountPages,
    visitor: &Visitor,
    submission: &Submission,
    server: &InputServer,
) -> bool {
    let field = submission.get("recipient").unwrap_or_default();
    let (links, user) = (pages.links(), &visitor.user.id);
    links.is_recipient_field(field, server.recipient(), user)
}

/// Stores values on behalf of `visitor`, unless the user has been disabled or deleted during the test.
///
/// A deletion of the user has removed the connections that it has found, and must not miss this one.
async fn store(
    pages: &AccountPages,
    visitor: &Visitor,
    id: &AccountId,
    supplied: &SuppliedInputs,
) -> Result<(), ConnectError> {
    let user = &visitor.user.id;
    for _ in 0..ATTEMPTS {
        let unchanged = match pages.users().unchanged(user).await {
            Ok(unchanged) => unchanged,
            Err(UserError::Authority(error)) => return Err(error.into()),
            Err(_) => return Err(ConnectError::Forged),
        };
        match pages
            .credentials()
            .store(user, id, supplied, unchanged)
            .await
        {
            // The user was changed in the meantime.
            Err(AuthServerError::Busy) => {}
            stored => return Ok(stored?),
        }
    }
    Err(AuthServerError::Busy.into())
}

/// Maximum number of attempts for a write that conflicts with changes of the user.
const ATTEMPTS: usize = 16;
