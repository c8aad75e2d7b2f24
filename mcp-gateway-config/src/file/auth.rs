use std::collections::HashSet;
use std::sync::Arc;

use ipnet::IpNet;

use super::oauth::networks;
use super::{Forward, Introspection, Issuer, Login, Network, OAuth, Secret};
use crate::document::{Field, Read};

/// Who may call.
#[derive(Clone, Debug, Default)]
pub struct Auth {
    pub tokens: Vec<Token>,
    pub anonymous: Anonymous,
    /// The authorization server, if there is one.
    pub oauth: Option<OAuth>,
    pub login: Login,
    pub issuers: Vec<Issuer>,
    pub introspection: Option<Introspection>,
    /// The servers that proxies are in front of, and ask about callers.
    pub forward: Vec<Forward>,
    /// Addresses that are not public, and that may be reached all the same.
    pub allowed_networks: Vec<IpNet>,
    /// The proxies that are believed when they say where a request has come from.
    pub trusted_proxies: Vec<IpNet>,
}

/// Whether those may call who present nothing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Anonymous {
    /// From wherever the gateway can be reached.
    Everywhere,
    /// As long as only this machine can reach the gateway.
    Local,
    #[default]
    Never,
}

/// A token that somebody was given.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Token {
    /// Who it was given to.
    pub name: Arc<str>,
    pub secret: Secret,
    /// The teams whose gateways may be called with it.
    pub teams: Vec<Arc<str>>,
}

impl Auth {
    /// Whether nothing is said about who may call.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
            && self.anonymous == Anonymous::Never
            && self.oauth.is_none()
            && self.issuers.is_empty()
            && self.introspection.is_none()
    }

    /// Whether other machines are asked about people, clients or tokens.
    pub fn asks_others(&self) -> bool {
        self.oauth.is_some() || !self.issuers.is_empty() || self.introspection.is_some()
    }

    /// Those who issue tokens besides us.
    pub fn others(&self) -> impl Iterator<Item = &str> {
        let issuers = self.issuers.iter().map(|issuer| &*issuer.issuer);
        let asked = self.introspection.iter().map(|asked| &*asked.issuer);
        issuers.chain(asked)
    }

    /// The keys of what is otherwise in `after`, and cannot change in a process.
    pub fn fixed(&self, after: &Self) -> impl Iterator<Item = &'static str> + use<> {
        let asks = self.asks_others() || after.asks_others();
        let both = self.oauth.as_ref().zip(after.oauth.as_ref());
        let oauth = |differs: fn(&OAuth, &OAuth) -> bool| {
            both.is_some_and(|(before, after)| differs(before, after))
        };
        let changes = [
            (
                "auth.allowedNetworks",
                asks && self.allowed_networks != after.allowed_networks,
            ),
            (
                "auth.introspection",
                !self.asks_others() && after.introspection.is_some(),
            ),
            (
                "auth.issuers",
                !self.asks_others() && !after.issuers.is_empty(),
            ),
            ("auth.login", self.login != after.login),
            ("auth.oauth", self.oauth.is_some() != after.oauth.is_some()),
            (
                "auth.oauth.accessTokenLifetime",
                oauth(|a, b| a.access_token != b.access_token),
            ),
            (
                "auth.oauth.accessTokens",
                oauth(|a, b| a.is_opaque != b.is_opaque),
            ),
            (
                "auth.oauth.assertionIssuers",
                oauth(|a, b| a.assertion_issuers != b.assertion_issuers),
            ),
            (
                "auth.oauth.clientMetadataDocuments",
                oauth(|a, b| a.documents != b.documents),
            ),
            ("auth.oauth.rateLimits", oauth(|a, b| a.limits != b.limits)),
            (
                "auth.oauth.refreshTokenIdle",
                oauth(|a, b| a.refresh_idle != b.refresh_idle),
            ),
            (
                "auth.oauth.refreshTokenLifetime",
                oauth(|a, b| a.refresh_absolute != b.refresh_absolute),
            ),
            (
                "auth.trustedProxies",
                self.trusted_proxies != after.trusted_proxies,
            ),
        ];
        let changes = changes.into_iter().filter(|(_, changed)| *changed);
        changes.map(|(key, _)| key)
    }

    /// Notes a gateway that everybody could call by accident.
    pub(super) fn check(&self, network: &Network, whole: &Field<'_>) {
        if let Some(address) = self.opens(network) {
            whole.problem(open_to_all(&address));
        }
    }

    /// The address at which everybody could call by accident.
    pub fn opens(&self, network: &Network) -> Option<String> {
        (self.anonymous == Anonymous::Local)
            .then(|| network.beyond_this_machine())
            .flatten()
    }
}

/// What is wrong with a gateway that everybody could call by accident.
pub fn open_to_all(address: &str) -> String {
    format!(
        "auth.anonymous is for gateways that only this machine can reach, and {address} can be \
         reached from elsewhere; add tokens, or say auth.insecureAnonymous"
    )
}

impl Read for Auth {
    fn read(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let list = table.field("tokens");
        let tokens: Vec<Token> = list.as_ref().and_then(Field::read).unwrap_or_default();
        if let Some(list) = list {
            check_distinct(&tokens, &list);
        }
        let local = table.get("anonymous").unwrap_or(false);
        let everywhere = table.get("insecureAnonymous").unwrap_or(false);
        let login = table.field("login");
        let oauth: Option<OAuth> = table.get("oauth");
        let auth = Self {
            tokens,
            // People log in to let clients in.
            oauth: oauth.or_else(|| login.as_ref().map(|_| OAuth::default())),
            login: login.as_ref().and_then(Field::read).unwrap_or_default(),
            issuers: table.get("issuers").unwrap_or_default(),
            introspection: table.get("introspection"),
            forward: table.get("forward").unwrap_or_default(),
            allowed_networks: networks(table.get("allowedNetworks")),
            trusted_proxies: networks(table.get("trustedProxies")),
            anonymous: match (everywhere, local) {
                (true, _) => Anonymous::Everywhere,
                (false, true) => Anonymous::Local,
                (false, false) => Anonymous::Never,
            },
        };
        table.finish();
        Some(auth)
    }
}

/// Notes tokens that two people were given, who could not be told apart then.
fn check_distinct(tokens: &[Token], list: &Field<'_>) {
    let mut known = HashSet::new();
    for token in tokens {
        let secret = token.secret.expose();
        if !secret.is_empty() && !known.insert(secret) {
            list.problem(format!(
                "the token of {:?} is somebody else's too",
                token.name
            ));
        }
    }
}

impl Read for Token {
    fn read(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let name = table.required("name", principal);
        let secret = table.required("token", token);
        let teams = table.get("teams").unwrap_or_default();
        table.finish();
        Some(Self {
            name: name?,
            secret: secret?,
            teams,
        })
    }
}

fn principal(field: &Field<'_>) -> Option<Arc<str>> {
    field.parse("a name", |text| {
        let printable = !text.trim().is_empty() && !text.contains(char::is_control);
        match printable && text.len() <= MAX_NAME {
            true => Ok(text.into()),
            false => Err(format!(
                "it must be printable, and up to {MAX_NAME} bytes long"
            )),
        }
    })
}

fn token(field: &Field<'_>) -> Option<Secret> {
    let secret: Secret = field.read()?;
    let text = secret.expose();
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        field.problem("a token has no spaces, and only characters of ASCII");
        return None;
    }
    if !text.is_empty() && text.len() < SAFE_LENGTH {
        field.warning(
            "the token is short enough to be guessed; take one from: openssl rand -hex 32",
        );
    }
    Some(secret)
}

/// Names are part of session identifiers, which are headers.
const MAX_NAME: usize = 256;

/// 128 random bits have at least this length in any form that is in use.
const SAFE_LENGTH: usize = 20;
