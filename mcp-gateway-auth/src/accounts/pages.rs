//! Pages on which users connect accounts.

use std::fmt;
use std::sync::Arc;

use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Form, Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use http::header::SET_COOKIE;
use http::request::Parts;
use mcp_gateway_store::Attachment;
use serde::Deserialize;

use super::error::ConnectError;
use super::flow::{ConnectFlow, Finished};
use super::input_pages;
use super::inputs::{ConnectionProbe, InputServer};
use super::members::member_of;
use super::server::AccountServer;
use super::step_up::RequiredScopes;
use super::{
    AccountCredentials, AccountId, CALLBACK, CLIENT_DOCUMENT, ConnectLinks, Owner, list_page,
};
use crate::client::ResponseParameters;
use crate::egress::{Egress, EgressPolicy};
use crate::login::{BrowserId, LoginSessions, see_other};
use crate::pages::{CONNECT, MessagePage, page};
use crate::users::Users;
use crate::{LoginProvider as _, UserInfo};

/// Pages on which users connect and disconnect their accounts of servers.
///
/// | request | purpose |
/// |---|---|
/// | `GET /connect` | lists the servers and the connected accounts of the user |
/// | `GET /connect/{server}?for=…` | link of a tool result: redirects to the authorization server, with the further scopes in `scope`, or shows the form of the inputs |
/// | `POST /connect/{server}` | the same, from the list |
/// | `POST /connect/{server}/inputs` | tests and stores the values of the form |
/// | `POST /connect/{server}/disconnect` | removes the account or the values, and revokes tokens |
/// | `GET /connect/callback` | redirection endpoint for authorization servers |
/// | `GET /connect/client.json` | client ID metadata document of the gateway |
///
/// A user without a session logs in first. Links for another user, and forms and responses from
/// another browser, are rejected with 403. A server that the user may not use does not exist.
#[derive(Clone)]
pub struct AccountPages {
    credentials: AccountCredentials,
    flow: ConnectFlow,
    links: ConnectLinks,
    probe: Option<Arc<dyn ConnectionProbe>>,
    sessions: LoginSessions,
}

/// Browser of a logged-in user.
pub(super) struct Visitor {
    pub(super) browser: BrowserId,
    /// Set if the browser has no cookie yet.
    is_new: bool,
    pub(super) user: UserInfo,
}

#[derive(Deserialize)]
struct LinkQuery {
    r#for: Option<String>,
    #[serde(default)]
    scope: String,
}

/// Form of the list.
#[derive(Deserialize)]
struct ListForm {
    csrf: String,
    owner: Option<String>,
}

impl Visitor {
    /// Returns the visitor as an owner.
    pub(super) fn as_owner(&self) -> Owner {
        Owner::User(Arc::clone(&self.user.id))
    }

    /// Returns `true` if the visitor manages the connections of all teams and of the organization.
    pub(super) fn is_admin(&self) -> bool {
        Owner::Organization.is_managed_by(&self.user.principal())
    }

    /// Returns the owner whose connections the visitor manages: `named`, or the visitor.
    ///
    /// # Errors
    ///
    /// [`ConnectError::NotFound`] for another user, and for other owners unless the visitor is an
    /// administrator of them.
    pub(super) fn owner(&self, named: Option<&str>) -> Result<Owner, ConnectError> {
        let own = self.as_owner();
        let Some(named) = named else {
            return Ok(own);
        };
        let owner: Owner = named.parse().map_err(|_| ConnectError::BadRequest)?;
        let is_managed = owner.is_managed_by(&self.user.principal());
        is_managed.then_some(owner).ok_or(ConnectError::NotFound)
    }

    /// Returns `true` if the visitor may connect a server for `owner`, where `is_allowed` tells
    /// which users may use it. An administrator of a team connects what its members may use.
    pub(super) fn may_connect(
        &self,
        owner: &Owner,
        is_allowed: impl FnOnce(&UserInfo) -> bool,
    ) -> bool {
        match owner {
            Owner::User(_) => is_allowed(&self.user),
            Owner::Organization | Owner::Team(_) if self.is_admin() => true,
            Owner::Organization => false,
            Owner::Team(team) => {
                owner.is_managed_by(&self.user.principal()) && is_allowed(&member_of(team))
            }
        }
    }
}

impl AccountPages {
    /// Creates the pages for the servers and the accounts of `credentials`, whose links are
    /// `links`. Users log in with `sessions`.
    ///
    /// # Errors
    ///
    /// [`std::io::Error`] if an HTTP client cannot be created.
    pub fn new(
        credentials: &AccountCredentials,
        links: ConnectLinks,
        sessions: LoginSessions,
    ) -> std::io::Result<Self> {
        let internet = Egress::new(EgressPolicy::new())?;
        let renewals = Arc::clone(credentials.renewals());
        let flow = ConnectFlow::new(renewals, links.origin().clone(), internet);
        Ok(Self {
            credentials: credentials.clone(),
            flow: flow.map_err(std::io::Error::other)?,
            links,
            probe: None,
            sessions,
        })
    }

    /// Tests supplied values with `probe` before they are stored. Default: they are not tested.
    #[must_use]
    pub fn with_probe(mut self, probe: Arc<dyn ConnectionProbe>) -> Self {
        self.probe = Some(probe);
        self
    }

    /// Returns the endpoints with their full paths, to be merged into the router of the service.
    pub fn router(self) -> Router {
        let server = format!("{CONNECT}/{{server}}");
        Router::new()
            .route(CONNECT, get(list_page::list))
            .route(&server, get(follow_link).post(connect))
            .route(&format!("{server}/disconnect"), post(disconnect))
            .route(&format!("{server}/inputs"), post(input_pages::supply))
            .route(&format!("{CONNECT}/{CALLBACK}"), get(finish))
            .route(&format!("{CONNECT}/{CLIENT_DOCUMENT}"), get(document))
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .with_state(Arc::new(self))
    }

    /// Returns the user of the browser that sent `request`, or a redirect to the login.
    pub(super) async fn visitor(
        &self,
        request: &Parts,
    ) -> Result<Result<Visitor, Response>, ConnectError> {
        let Some(session) = self.sessions.session(request).await? else {
            let target = request.uri.path_and_query();
            let target = target.map_or(CONNECT, |target| target.as_str());
            return Ok(Err(see_other(&self.sessions.login_url(target))));
        };
        let known = self.sessions.cookies().browser(&request.headers);
        let is_new = known.is_none();
        Ok(Ok(Visitor {
            browser: known.map_or_else(BrowserId::new, Ok)?,
            is_new,
            user: session.user,
        }))
    }

    /// Returns the server `name`, if `visitor` may connect it for `owner`.
    fn server(&self, name: &str, visitor: &Visitor, owner: &Owner) -> Option<Arc<AccountServer>> {
        let server = self.credentials.servers().get(name);
        server.filter(|server| visitor.may_connect(owner, |user| server.allows(user)))
    }

    /// Returns the server with inputs `name`, if `visitor` may connect it for `owner`.
    pub(super) fn input_server(
        &self,
        name: &str,
        visitor: &Visitor,
        owner: &Owner,
    ) -> Option<Arc<InputServer>> {
        let server = self.credentials.inputs().servers().get(name);
        server.filter(|server| visitor.may_connect(owner, |user| server.allows(user)))
    }

    /// Returns the user of a form that was shown to the browser.
    pub(super) async fn checked(
        &self,
        request: &Parts,
        csrf: &str,
    ) -> Result<Visitor, ConnectError> {
        let checked = self.sessions.cookies().check_form(&request.headers, csrf);
        checked.map_err(|_| ConnectError::Forged)?;
        let visitor = self.visitor(request).await?;
        visitor.map_err(|_| ConnectError::Forged)
    }

    /// Returns the links to the pages.
    pub(super) fn links(&self) -> &ConnectLinks {
        &self.links
    }

    /// Returns the user accounts.
    pub(super) fn users(&self) -> &Users {
        self.sessions.users()
    }

    /// Returns the credentials of the accounts and values.
    pub(super) fn credentials(&self) -> &AccountCredentials {
        &self.credentials
    }

    /// Returns the test of supplied values.
    pub(super) fn probe(&self) -> Option<&Arc<dyn ConnectionProbe>> {
        self.probe.as_ref()
    }

    /// Returns the token of forms that are shown to `visitor`.
    pub(super) fn csrf(&self, visitor: &Visitor) -> String {
        self.sessions.cookies().csrf(&visitor.browser)
    }

    /// Adds the cookie of a new browser to `response`.
    pub(super) fn remember(&self, visitor: &Visitor, mut response: Response) -> Response {
        if visitor.is_new {
            let cookie = self.sessions.cookies().browser_cookie(&visitor.browser);
            response.headers_mut().append(SET_COOKIE, cookie);
        }
        response
    }
}

impl fmt::Debug for AccountPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountPages")
            .field("links", &self.links)
            .finish_non_exhaustive()
    }
}

pub(super) type Pages = State<Arc<AccountPages>>;

/// `GET /connect/{server}`: redirects the user of a link to the authorization server.
async fn follow_link(
    State(pages): Pages,
    Path(name): Path<String>,
    query: Result<Query<LinkQuery>, QueryRejection>,
    request: Parts,
) -> Result<Response, ConnectError> {
    let Query(LinkQuery {
        r#for: handle,
        scope,
    }) = query?;
    let Some(handle) = handle else {
        return input_pages::open(&pages, &name, &request).await;
    };
    let user = pages.links.user(&handle).ok_or(ConnectError::BadRequest)?;
    let visitor = match pages.visitor(&request).await? {
        Ok(visitor) => visitor,
        Err(login) => return Ok(login),
    };
    if *visitor.user.id != *user {
        return Err(ConnectError::OtherUser);
    }
    let owner = visitor.as_owner();
    if let Some(server) = pages.input_server(&name, &visitor, &owner) {
        return Ok(input_pages::form(&pages, &visitor, (&server, &owner)));
    }
    let server = pages.server(&name, &visitor, &owner);
    let server = server.ok_or(ConnectError::NotFound)?;
    let scopes = RequiredScopes::new(scope.split_whitespace());
    let whose = (&owner, &*user, &visitor.browser);
    let url = pages.flow.start(&server, whose, &scopes).await?;
    Ok(pages.remember(&visitor, see_other(url.as_str())))
}

/// `POST /connect/{server}`: sends the user to the authorization server.
///
/// Browsers apply the `form-action` of the list to redirects, so an intermediate page continues.
async fn connect(
    State(pages): Pages,
    Path(name): Path<String>,
    request: Parts,
    form: Result<Form<ListForm>, FormRejection>,
) -> Result<Response, ConnectError> {
    let Form(ListForm { csrf, owner }) = form?;
    let visitor = pages.checked(&request, &csrf).await?;
    let owner = visitor.owner(owner.as_deref())?;
    if let Some(server) = pages.input_server(&name, &visitor, &owner) {
        return Ok(input_pages::form(&pages, &visitor, (&server, &owner)));
    }
    let server = pages.server(&name, &visitor, &owner);
    let server = server.ok_or(ConnectError::NotFound)?;
    let whose = (&owner, &*visitor.user.id, &visitor.browser);
    let none = RequiredScopes::default();
    let url = pages.flow.start(&server, whose, &none).await?;
    let message = MessagePage {
        title: "Connect your account",
        message: "You log in where the account is.",
        refresh: Some(url.as_str()),
        href: url.as_str(),
        label: "Continue",
    };
    Ok(page(StatusCode::OK, &message, None))
}

/// `POST /connect/{server}/disconnect`: removes the account.
async fn disconnect(
    State(pages): Pages,
    Path(name): Path<String>,
    request: Parts,
    form: Result<Form<ListForm>, FormRejection>,
) -> Result<Response, ConnectError> {
    let Form(ListForm { csrf, owner }) = form?;
    let visitor = pages.checked(&request, &csrf).await?;
    let owner = visitor.owner(owner.as_deref())?;
    let list = list_page::list_path(&owner);
    // The server may have been removed, or the user have left its teams.
    let id = AccountId::new(owner, name);
    let actor = &visitor.user.id;
    pages.credentials.disconnect(actor, &id).await?;
    Ok(see_other(&list))
}

/// `GET /connect/callback`: completes a connection.
async fn finish(
    State(pages): Pages,
    query: Result<Query<ResponseParameters>, QueryRejection>,
    request: Parts,
) -> Result<Response, ConnectError> {
    let Query(parameters) = query?;
    let visitor = pages.visitor(&request).await?;
    let visitor = visitor.map_err(|_| ConnectError::Forged)?;
    let whose = (&*visitor.user.id, &visitor.browser);
    let server = |name: &str, owner: &Owner| pages.server(name, &visitor, owner);
    let id = match pages.flow.finish(parameters, whose, server).await? {
        Finished::Connected(id) => id,
        Finished::Repeated(url) => return Ok(see_other(url.as_str())),
    };
    // A deletion of the user has removed the accounts that it has found before this one.
    if pages.sessions.user(&visitor.user.id).await?.is_none() {
        let owner = visitor.as_owner();
        let accounts = pages.credentials.renewals().accounts();
        accounts.remove_all(&owner, &Attachment::default()).await?;
        return Err(ConnectError::Forged);
    }
    Ok(connected(&id))
}

/// Returns the page after an owner has connected a server.
pub(super) fn connected(id: &AccountId) -> Response {
    let AccountId { server, owner } = id;
    let with = match owner {
        Owner::User(_) => "with your account".to_owned(),
        Owner::Team(team) => format!("with this account by members of the team {team}"),
        Owner::Organization => "with this account by everybody".to_owned(),
    };
    let message = format!(
        "{server} is now called {with}. You can close this page, and try again in your application."
    );
    let message = MessagePage {
        title: "Your account is connected",
        message: &message,
        refresh: None,
        href: &list_page::list_path(owner),
        label: "Connected accounts",
    };
    page(StatusCode::OK, &message, None)
}

/// `GET /connect/client.json`: the client ID metadata document.
async fn document(State(pages): Pages) -> Response {
    Json(pages.flow.document()).into_response()
}

/// Maximum size of a form, in bytes.
const MAX_BODY: usize = 16 * 1024;
