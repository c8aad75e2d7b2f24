//! Authentication of callers.

use std::sync::Arc;

use ipnet::IpNet;
use url::Url;

use super::{Introspection, Issuer, Login, OAuth, OAuthClients, Secret, changed};

/// Authentication of callers: the part that can be replaced while a platform runs.
///
/// # Example
///
/// ```
/// use mcp_gateway_platform::spec::{Auth, Issuer, Secret, Token};
///
/// let mut auth = Auth::default();
/// assert!(auth.is_empty());
/// auth.tokens.push(Token::new("alice", Secret::new("wGQ2zX6pSVq0mUuR8a1c")));
/// auth.issuers.push(Issuer::new("https://idp.example.com"));
/// assert!(auth.others().eq(["https://idp.example.com"]));
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Auth {
    /// Static bearer tokens.
    pub tokens: Vec<Token>,
    /// Policy for requests without credentials.
    pub anonymous: Anonymous,
    /// Clients of the authorization server, if the spec has one.
    pub oauth: Option<OAuthClients>,
    /// Other issuers whose JWTs are accepted.
    pub issuers: Vec<Issuer>,
    /// Authorization server that introspects opaque tokens (RFC 7662).
    pub introspection: Option<Introspection>,
    /// Servers behind a reverse proxy, protected by forward authentication.
    pub forward: Vec<Forward>,
}

/// Authentication of callers: the part that is fixed when a platform starts.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct StaticAuth {
    /// Authorization server.
    pub oauth: Option<OAuth>,
    /// Login methods.
    pub login: Login,
    /// Private networks that egress may reach.
    pub allowed_networks: Vec<IpNet>,
    /// Reverse proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<IpNet>,
}

/// Policy for requests without credentials.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Anonymous {
    /// Accepted from everywhere.
    Everywhere,
    /// Accepted by a platform that only this machine can reach.
    Local,
    /// Rejected.
    #[default]
    Never,
}

/// Static bearer token.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Token {
    /// Principal of the token.
    pub name: Arc<str>,
    /// Value of the token.
    pub secret: Secret,
    /// Teams of the principal.
    pub teams: Vec<Arc<str>>,
    /// Set if the principal has the role `admin`.
    pub is_admin: bool,
}

/// Server behind a reverse proxy, protected by forward authentication.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Forward {
    /// Last segment of the path of its subrequests, `/verify/{name}`.
    pub name: Arc<str>,
    /// URL of the server for clients: the audience of its tokens.
    pub url: Url,
    /// Required scopes, with their descriptions for users.
    pub scopes: Vec<(String, String)>,
    /// Teams that may use it; everybody if `None`.
    pub teams: Option<Vec<Arc<str>>>,
}

impl Token {
    /// Creates a token of the principal `name`, without teams.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, secret: Secret) -> Self {
        Self {
            name: name.into(),
            secret,
            teams: Vec::new(),
            is_admin: false,
        }
    }

    /// Gives the principal the role `admin`.
    #[must_use]
    pub fn with_admin_role(self) -> Self {
        Self {
            is_admin: true,
            ..self
        }
    }
}

impl Forward {
    /// Creates a server at `url` that all principals may use.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, url: Url) -> Self {
        Self {
            name: name.into(),
            url,
            scopes: Vec::new(),
            teams: None,
        }
    }
}

impl Auth {
    /// Returns `true` if no caller is accepted by this part.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
            && self.anonymous == Anonymous::Never
            && self.others().next().is_none()
    }

    /// Returns `true` if all callers are the anonymous one.
    pub(super) fn has_one_caller(&self) -> bool {
        self.anonymous != Anonymous::Never
            && self.tokens.is_empty()
            && self.oauth.is_none()
            && self.others().next().is_none()
    }

    /// Returns the issuers besides the authorization server of the platform.
    pub fn others(&self) -> impl Iterator<Item = &str> {
        let issuers = self.issuers.iter().map(|issuer| &*issuer.issuer);
        let asked = self.introspection.iter().map(|asked| &*asked.issuer);
        issuers.chain(asked)
    }
}

impl StaticAuth {
    /// Returns the keys of the fields that differ in `after`.
    pub(super) fn changed_keys(&self, after: &Self) -> Vec<&'static str> {
        let Self {
            oauth,
            login,
            allowed_networks,
            trusted_proxies,
        } = self;
        let changes = [
            (
                "auth.allowedNetworks",
                *allowed_networks != after.allowed_networks,
            ),
            ("auth.login", *login != after.login),
            ("auth.oauth", oauth.is_some() != after.oauth.is_some()),
            (
                "auth.trustedProxies",
                *trusted_proxies != after.trusted_proxies,
            ),
        ];
        let mut keys: Vec<_> = changed(changes).collect();
        if let (Some(before), Some(after)) = (oauth, &after.oauth) {
            keys.extend(before.changed_keys(after));
        }
        keys.sort_unstable();
        keys
    }
}
