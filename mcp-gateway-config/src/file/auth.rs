//! The callers.

use std::collections::HashSet;
use std::sync::Arc;

use mcp_gateway_platform::spec::{Anonymous, Auth, Secret, StaticAuth, Token};

use super::oauth::{OAuthKeys, networks};
use crate::document::{Field, Read};

/// The section `auth` of a file, of which a part is fixed when a gateway starts.
#[derive(Debug, Default)]
pub(super) struct AuthSection {
    pub(super) fixed: StaticAuth,
    pub(super) dynamic: Auth,
}

/// What is wrong with a gateway that everybody could call by accident.
#[must_use]
pub fn open_to_all(address: &str) -> String {
    format!(
        "auth.anonymous is for gateways that only this machine can reach, and {address} can be \
         reached from elsewhere; add tokens, or say auth.insecureAnonymous"
    )
}

impl Read for AuthSection {
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
        let oauth: Option<OAuthKeys> = table.get("oauth");
        // People log in to let clients in.
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
        let mut token = Self::new(name?, secret?);
        token.teams = teams;
        Some(token)
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
