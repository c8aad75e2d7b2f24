//! The callers.

use std::sync::Arc;

use ipnet::IpNet;
use url::Url;

use super::{Introspection, Issuer, Login, OAuth, OAuthClients, Secret, changed};

/// The callers, in so far as they can change while a platform runs.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Auth {
    /// Static bearer tokens.
    pub tokens: Vec<Token>,
    /// The rule for callers that present nothing.
    pub anonymous: Anonymous,
    /// The clients of the authorization server, if the spec has one.
    pub oauth: Option<OAuthClients>,
    /// The identity providers whose JWTs are accepted.
    pub issuers: Vec<Issuer>,
    /// The authorization server that is asked about opaque tokens.
    pub introspection: Option<Introspection>,
    /// The servers that proxies are in front of, and ask about callers.
    pub forward: Vec<Forward>,
}

/// The callers, in so far as they are fixed when a platform starts.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct StaticAuth {
    /// The authorization server, if there is one.
    pub oauth: Option<OAuth>,
    /// The ways of logging in.
    pub login: Login,
    /// Addresses that are not public, and that may be reached all the same.
    pub allowed_networks: Vec<IpNet>,
    /// The proxies that are believed when they say where a request has come from.
    pub trusted_proxies: Vec<IpNet>,
}

/// Whether those may call who present nothing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Anonymous {
    /// From wherever the gateway can be reached.
    Everywhere,
    /// As long as only this machine can reach the gateway.
    Local,
    /// Nobody may.
    #[default]
    Never,
}

/// A token that somebody was given.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Token {
    /// Who it was given to.
    pub name: Arc<str>,
    /// The token itself.
    pub secret: Secret,
    /// The teams whose gateways may be called with it.
    pub teams: Vec<Arc<str>>,
}

/// A server that a proxy is in front of, and not the gateway.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Forward {
    /// The last part of the path at which the proxy asks.
    pub name: Arc<str>,
    /// Where clients reach it.
    pub url: Url,
    /// What tokens have to be good for, and what that means in plain words.
    pub scopes: Vec<(String, String)>,
    /// The teams that may use it; everybody may if `None`.
    pub teams: Option<Vec<Arc<str>>>,
}

impl Token {
    /// A token of the principal `name`, in no team.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, secret: Secret) -> Self {
        Self {
            name: name.into(),
            secret,
            teams: Vec::new(),
        }
    }
}

impl Forward {
    /// A server at `url` that everybody may use.
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
    /// Whether nothing is said about who may call.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
            && self.anonymous == Anonymous::Never
            && self.others().next().is_none()
    }

    /// Those who issue tokens besides us.
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
