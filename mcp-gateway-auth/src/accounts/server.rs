//! Servers that are called with connected accounts.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::{HeaderName, HeaderValue};
use url::Url;

use super::members::Members;
use crate::UserInfo;
use crate::client::ClientIdentity;

/// Server that is called with the account that each caller has connected.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::UserInfo;
/// use mcp_gateway_auth::accounts::AccountServer;
///
/// let server = AccountServer::new("github", "https://mcp.example.com/mcp".parse().unwrap())
///     .with_teams(["platform".into()]);
/// let mut ada = UserInfo::new("usr_1", "Ada");
/// assert!(!server.allows(&ada));
/// ada.teams.push("platform".into());
/// assert!(server.allows(&ada));
/// ```
#[derive(Clone)]
pub struct AccountServer {
    name: Arc<str>,
    url: Url,
    client: Option<ClientIdentity>,
    scope: Option<String>,
    sends_resource: bool,
    headers: Vec<(HeaderName, HeaderValue)>,
    members: Members,
}

impl AccountServer {
    /// Creates the server `name` at `url`, for all users.
    ///
    /// The gateway registers as a client of its authorization server.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, url: Url) -> Self {
        Self {
            name: name.into(),
            url,
            client: None,
            scope: None,
            sends_resource: true,
            headers: Vec::new(),
            members: Members::default(),
        }
    }

    /// Sets the registered client, instead of a registration.
    #[must_use]
    pub fn with_client(mut self, client: ClientIdentity) -> Self {
        self.client = Some(client);
        self
    }

    /// Sets the requested scopes, separated by spaces, instead of those that the server names.
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// Omits the resource indicator (RFC 8707) in requests to the authorization server.
    ///
    /// The tokens of an authorization server that rejects it may be valid for other servers, too.
    #[must_use]
    pub fn without_resource_indicator(mut self) -> Self {
        self.sends_resource = false;
        self
    }

    /// Adds a header to each request, besides the access token.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Restricts the server to members of `teams`.
    #[must_use]
    pub fn with_teams(mut self, teams: impl IntoIterator<Item = Arc<str>>) -> Self {
        self.members.restrict(teams);
        self
    }

    /// Allows `users` to use a server that is restricted to teams.
    #[must_use]
    pub fn with_users(mut self, users: impl IntoIterator<Item = Arc<str>>) -> Self {
        self.members.add(users);
        self
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Returns `true` if `user` may use the server.
    #[must_use]
    pub fn allows(&self, user: &UserInfo) -> bool {
        self.members.contains(user)
    }

    /// Returns the teams to which it is restricted; none if it is for all users.
    pub(super) fn teams(&self) -> &[Arc<str>] {
        self.members.teams()
    }

    /// Returns the URL.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Returns the configured client.
    pub(super) fn client(&self) -> Option<&ClientIdentity> {
        self.client.as_ref()
    }

    /// Returns the configured scopes.
    pub(super) fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// Returns `true` if requests to the authorization server have a resource indicator.
    pub(super) fn sends_resource(&self) -> bool {
        self.sends_resource
    }

    /// Returns the headers besides the access token.
    pub(super) fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }
}

impl fmt::Debug for AccountServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountServer")
            .field("name", &self.name)
            .field("host", &self.url.host_str())
            .field("client", &self.client)
            .field("scope", &self.scope)
            .field("members", &self.members)
            .finish_non_exhaustive()
    }
}

/// Servers by their names, replaceable while calls are in flight.
#[derive(Debug)]
pub(super) struct Servers<S>(ArcSwap<HashMap<Arc<str>, Arc<S>>>);

impl<S> Default for Servers<S> {
    fn default() -> Self {
        Self(ArcSwap::default())
    }
}

impl<S> Servers<S> {
    /// Replaces all servers.
    pub(super) fn replace(&self, servers: impl Iterator<Item = (Arc<str>, S)>) {
        let servers = servers.map(|(name, server)| (name, Arc::new(server)));
        self.0.store(Arc::new(servers.collect()));
    }

    /// Returns the server `name`.
    pub(super) fn get(&self, name: &str) -> Option<Arc<S>> {
        self.0.load().get(name).cloned()
    }

    /// Returns the servers that `is_included` accepts.
    pub(super) fn filtered(&self, is_included: impl Fn(&S) -> bool) -> Vec<Arc<S>> {
        let servers = self.0.load();
        let included = servers.values().filter(|server| is_included(server));
        included.map(Arc::clone).collect()
    }
}
