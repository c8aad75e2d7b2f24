//! Section `auth`: authentication of callers.
//!
//! | Key | Type |
//! |---|---|
//! | `tokens` | list of `name`, `token`, `teams` and `admin` |
//! | `anonymous`, `insecureAnonymous` | boolean |
//! | `login` | [`Login`](mcp_gateway_platform::spec::Login) |
//! | `oauth` | [`OAuthKeys`]; enabled by `login` |
//! | `issuers` | list of [`Issuer`](mcp_gateway_platform::spec::Issuer) |
//! | `introspection` | [`Introspection`](mcp_gateway_platform::spec::Introspection) |
//! | `forward` | list of [`Forward`](mcp_gateway_platform::spec::Forward) |
//! | `allowedNetworks`, `trustedProxies` | list of networks, such as `10.0.0.0/8` |

use std::collections::HashSet;
use std::sync::Arc;

use mcp_gateway_platform::spec::{Anonymous, Auth, Secret, StaticAuth, Token};

use super::oauth::{OAuthKeys, networks};
use crate::document::{Field, FromField};

/// Section `auth`, separated into its static and dynamic parts.
#[derive(Debug, Default)]
pub(super) struct AuthSection {
    pub(super) fixed: StaticAuth,
    pub(super) dynamic: Auth,
}

/// Returns the diagnostic of a gateway with `auth.anonymous` that other machines reach at
/// `address`.
///
/// # Example
///
/// ```
/// use mcp_gateway_config::file::{open_to_all, parse};
///
/// let error = parse("listen: 0.0.0.0:80\nauth: { anonymous: true }\n").unwrap_err();
/// assert!(error.iter().any(|found| found.message == open_to_all("0.0.0.0:80")));
/// ```
#[must_use]
pub fn open_to_all(address: &str) -> String {
    format!(
        "auth.anonymous is for gateways that only this machine can reach, and {address} can be \
         reached from elsewhere; add tokens, or set auth.insecureAnonymous"
    )
}

impl FromField for AuthSection {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let list = table.field("tokens");
        let tokens: Vec<Token> = list.as_ref().and_then(Field::read).unwrap_or_default();
        if let Some(list) = list {
            check_distinct(&tokens, &list);
        }
        let local = table.get("anonymous").unwrap_or(false);
        let everywhere = table.get("insecureAnonymous").unwrap_or(false);
        let login = table.field("login");
        let oauth: Option<OAuthKeys> = table.get("oauth");
        // Users log in to authorize OAuth clients.
        let oauth = oauth.or_else(|| login.as_ref().map(|_| OAuthKeys::default()));
        let (mut fixed, mut dynamic) = (StaticAuth::default(), Auth::default());
        fixed.login = login.as_ref().and_then(Field::read).unwrap_or_default();
        dynamic.tokens = tokens;
        dynamic.issuers = table.get("issuers").unwrap_or_default();
        dynamic.introspection = table.get("introspection");
        dynamic.forward = table.get("forward").unwrap_or_default();
        fixed.allowed_networks = networks(table.get("allowedNetworks"));
        fixed.trusted_proxies = networks(table.get("trustedProxies"));
        dynamic.anonymous = match (everywhere, local) {
            (true, _) => Anonymous::Everywhere,
            (false, true) => Anonymous::Local,
            (false, false) => Anonymous::Never,
        };
        if let Some(OAuthKeys {
            fixed: oauth,
            clients,
        }) = oauth
        {
            fixed.oauth = Some(oauth);
            dynamic.oauth = Some(clients);
        }
        table.finish();
        Some(Self { fixed, dynamic })
    }
}

/// Records duplicate tokens, whose holders would be indistinguishable.
fn check_distinct(tokens: &[Token], list: &Field<'_>) {
    let mut known = HashSet::new();
    for token in tokens {
        let secret = token.secret.expose();
        if !secret.is_empty() && !known.insert(secret) {
            list.error(format!("duplicate token of {:?}", token.name));
        }
    }
}

impl FromField for Token {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let name = table.required("name", principal);
        let secret = table.required("token", token);
        let teams = table.get("teams").unwrap_or_default();
        let is_admin = table.get("admin").unwrap_or(false);
        table.finish();
        let mut token = Self::new(name?, secret?);
        (token.teams, token.is_admin) = (teams, is_admin);
        Some(token)
    }
}

/// Reads the name of a token holder.
fn principal(field: &Field<'_>) -> Option<Arc<str>> {
    field.parse("a name", |text| {
        let printable = !text.trim().is_empty() && !text.contains(char::is_control);
        match printable && text.len() <= MAX_NAME {
            true => Ok(text.into()),
            false => Err(format!("expected printable text of up to {MAX_NAME} bytes")),
        }
    })
}

/// Reads a token that can be sent in a header. Warns if it is short enough to be guessed.
fn token(field: &Field<'_>) -> Option<Secret> {
    let secret: Secret = field.read()?;
    let text = secret.expose();
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        field.error("a token must consist of printable ASCII characters without spaces");
        return None;
    }
    if !text.is_empty() && text.len() < SAFE_LENGTH {
        field.warning("the token is too short; generate one with: openssl rand -hex 32");
    }
    Some(secret)
}

/// Maximum length of a name in bytes. Names are part of session identifiers, which are headers.
const MAX_NAME: usize = 256;

/// Minimum length of a token without a warning. 128 random bits are not shorter in common
/// encodings.
const SAFE_LENGTH: usize = 20;
