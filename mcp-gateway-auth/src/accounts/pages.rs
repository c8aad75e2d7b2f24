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
use url::form_urlencoded::byte_serialize;

use super::error::ConnectError;
use super::flow::{ConnectFlow, Finished};
use super::server::AccountServer;
use super::step_up::RequiredScopes;
use super::{AccountCredentials, CALLBACK, CLIENT_DOCUMENT, ConnectLinks, ConnectedAccount, Owner};
use crate::client::ResponseParameters;
use crate::egress::{Egress, EgressPolicy};
use crate::login::{BrowserId, LoginSessions, see_other};
use crate::pages::{CONNECT, ConnectionItem, ConnectionsPage, MessagePage, page};
use crate::{LoginProvider as _, UserInfo};

/// Pages on which users connect and disconnect their accounts of servers.
///
/// | request | purpose |
/// |---|---|
/// | `GET /connect` | lists the servers and the connected accounts of the user |
/// | `GET /connect/{server}?for=…` | link of a tool result: redirects to the authorization server, with the further scopes in `scope` |
/// | `POST /connect/{server}` | the same, from the list |
/// | `POST /connect/{server}/disconnect` | removes the account, and revokes its tokens |
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
    sessions: LoginSessions,
}

/// Browser of a logged-in user.
struct Visitor {
    browser: BrowserId,
    /// Set if the browser has no cookie yet.
    is_new: bool,
    user: UserInfo,
}

#[derive(Deserialize)]
struct LinkQuery {
    r#for: Option<String>,
    #[serde(default)]
    scope: String,
}

#[derive(Deserialize)]
struct CsrfForm {
    csrf: String,
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
            sessions,
        })
    }

    /// Returns the endpoints with their full paths, to be merged into the router of the service.
    pub fn router(self) -> Router {
        let server = format!("{CONNECT}/{{server}}");
        Router::new()
            .route(CONNECT, get(list))
            .route(&server, get(follow_link).post(connect))
            .route(&format!("{server}/disconnect"), post(disconnect))
            .route(&format!("{CONNECT}/{CALLBACK}"), get(finish))
            .route(&format!("{CONNECT}/{CLIENT_DOCUMENT}"), get(document))
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .with_state(Arc::new(self))
    }

    /// Returns the user of the browser that sent `request`, or a redirect to the login.
    async fn visitor(&self, request: &Parts) -> Result<Result<Visitor, Response>, ConnectError> {
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

    /// Returns the server `name`, if `user` may use it.
    fn server(&self, name: &str, user: &UserInfo) -> Option<Arc<AccountServer>> {
        let server = self.credentials.servers().get(name);
        server.filter(|server| server.allows(user))
    }

    /// Returns the user and the server of a form that was shown to the browser.
    async fn checked(
        &self,
        request: &Parts,
        csrf: &str,
        name: &str,
    ) -> Result<(Visitor, Arc<AccountServer>), ConnectError> {
        let checked = self.sessions.cookies().check_form(&request.headers, csrf);
        checked.map_err(|_| ConnectError::Forged)?;
        let visitor = self.visitor(request).await?;
        let visitor = visitor.map_err(|_| ConnectError::Forged)?;
        let server = self.server(name, &visitor.user);
        Ok((visitor, server.ok_or(ConnectError::NotFound)?))
    }

    /// Adds the cookie of a new browser to `response`.
    fn remember(&self, visitor: &Visitor, mut response: Response) -> Response {
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

type Pages = State<Arc<AccountPages>>;

/// `GET /connect`: lists the servers and the connected accounts.
async fn list(State(pages): Pages, request: Parts) -> Result<Response, ConnectError> {
    let visitor = match pages.visitor(&request).await? {
        Ok(visitor) => visitor,
        Err(login) => return Ok(login),
    };
    let accounts = pages.credentials.renewals().accounts();
    let owner = Owner::User(Arc::clone(&visitor.user.id));
    let connected = accounts.list(&owner).await?;
    let servers = pages.credentials.servers().of(&visitor.user);
    let connections: Vec<_> = servers
        .iter()
        .map(|server| {
            let mut connected = connected.iter();
            let found = connected.find(|(name, _)| name == server.name());
            item(server, found.map(|(_, account)| account))
        })
        .collect();
    let shown = ConnectionsPage {
        name: &visitor.user.name,
        connections: &connections,
        csrf: &pages.sessions.cookies().csrf(&visitor.browser),
    };
    Ok(pages.remember(&visitor, page(StatusCode::OK, &shown, None)))
}

/// Returns the item of a server in the list.
fn item(server: &AccountServer, account: Option<&ConnectedAccount>) -> ConnectionItem {
    let name = Arc::clone(server.name());
    ConnectionItem {
        path: byte_serialize(name.as_bytes()).collect(),
        state: match account {
            None => "Not connected".to_owned(),
            Some(account) => match account.end() {
                None => format!("Connected with {}", account.issuer()),
                Some(_) => format!("Ended by {}; connect it again", account.issuer()),
            },
        },
        is_connected: account.is_some(),
        server: name,
    }
}

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
    // Another site could send the browser to an address that it can guess.
    let Some(handle) = handle else {
        return Ok(see_other(CONNECT));
    };
    let user = pages.links.user(&handle).ok_or(ConnectError::BadRequest)?;
    let visitor = match pages.visitor(&request).await? {
        Ok(visitor) => visitor,
        Err(login) => return Ok(login),
    };
    if *visitor.user.id != *user {
        return Err(ConnectError::OtherUser);
    }
    let server = pages.server(&name, &visitor.user);
    let server = server.ok_or(ConnectError::NotFound)?;
    let scopes = RequiredScopes::new(scope.split_whitespace());
    let whose = (&*user, &visitor.browser);
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
    form: Result<Form<CsrfForm>, FormRejection>,
) -> Result<Response, ConnectError> {
    let Form(CsrfForm { csrf }) = form?;
    let (visitor, server) = pages.checked(&request, &csrf, &name).await?;
    let whose = (&*visitor.user.id, &visitor.browser);
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
    form: Result<Form<CsrfForm>, FormRejection>,
) -> Result<Response, ConnectError> {
    let Form(CsrfForm { csrf }) = form?;
    let (visitor, server) = pages.checked(&request, &csrf, &name).await?;
    pages.flow.disconnect(&server, &visitor.user.id).await?;
    Ok(see_other(CONNECT))
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
    let server = |name: &str| pages.server(name, &visitor.user);
    let server = match pages.flow.finish(parameters, whose, server).await? {
        Finished::Connected(server) => server,
        Finished::Repeated(url) => return Ok(see_other(url.as_str())),
    };
    // A deletion of the user has removed the accounts that it has found before this one.
    if pages.sessions.user(&visitor.user.id).await?.is_none() {
        let owner = Owner::User(Arc::clone(&visitor.user.id));
        let accounts = pages.credentials.renewals().accounts();
        accounts.remove_all(&owner, &Attachment::default()).await?;
        return Err(ConnectError::Forged);
    }
    let message = format!(
        "{} is now called with your account. You can close this page, and try again in your \
         application.",
        server.name()
    );
    let message = MessagePage {
        title: "Your account is connected",
        message: &message,
        refresh: None,
        href: CONNECT,
        label: "Your connected accounts",
    };
    Ok(page(StatusCode::OK, &message, None))
}

/// `GET /connect/client.json`: the client ID metadata document.
async fn document(State(pages): Pages) -> Response {
    Json(pages.flow.document()).into_response()
}

/// Maximum size of a form, in bytes.
const MAX_BODY: usize = 16 * 1024;
