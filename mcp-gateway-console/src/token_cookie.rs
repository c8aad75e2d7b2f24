//! The cookie of somebody who has signed in with a token.
//!
//! It contains the token, sealed with a key of the gateway: the token is verified with each request,
//! so that a revoked one ends the session at once, and a copy of the cookie is useless elsewhere.

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use mcp_gateway_auth::{Keyring, Secret};
use serde::{Deserialize, Serialize};

use crate::time;

/// Session of somebody who has signed in with a token. `Debug` does not show it.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct TokenSession {
    /// Identifier, to which the CSRF tokens are bound.
    pub(crate) id: String,
    pub(crate) token: String,
    /// End, in seconds since the Unix epoch.
    expires: u64,
}

impl TokenSession {
    /// Starts a session with `token`; `None` if the system has no random numbers.
    pub(crate) fn start(token: &str) -> Option<Self> {
        let id = Secret::generate("").ok()?;
        Some(Self {
            id: id.expose().to_owned(),
            token: token.to_owned(),
            expires: time::now().saturating_add(LIFETIME),
        })
    }

    /// Returns the session in the cookie of `headers`, if it is genuine and has not ended.
    pub(crate) fn of(headers: &HeaderMap, keyring: &Keyring, is_secure: bool) -> Option<Self> {
        let name = name(is_secure);
        let lines = headers.get_all(COOKIE).into_iter();
        let pairs = lines.filter_map(|line| line.to_str().ok());
        let pairs = pairs.flat_map(|line| line.split(';'));
        let mut pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
        let session = pairs.find_map(|(key, value)| {
            let plain = (key == name).then(|| keyring.sealer().open(PURPOSE, value))??;
            serde_json::from_slice::<Self>(&plain).ok()
        })?;
        (time::now() < session.expires).then_some(session)
    }

    /// Returns the `Set-Cookie` value of the session; `None` if it cannot be sealed.
    pub(crate) fn cookie(&self, keyring: &Keyring, is_secure: bool) -> Option<HeaderValue> {
        let plain = serde_json::to_vec(self).ok()?;
        let value = keyring.sealer().seal(PURPOSE, &plain).ok()?;
        set(&value, LIFETIME, is_secure)
    }

    /// Returns the `Set-Cookie` value that ends a session.
    pub(crate) fn end(is_secure: bool) -> Option<HeaderValue> {
        set("", 0, is_secure)
    }
}

fn set(value: &str, age: u64, is_secure: bool) -> Option<HeaderValue> {
    let secure = if is_secure { "; Secure" } else { "" };
    let name = name(is_secure);
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}; Max-Age={age}");
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Returns the name of the cookie. Browsers accept a `__Host-` cookie from this host only, over TLS.
fn name(is_secure: bool) -> &'static str {
    match is_secure {
        true => "__Host-mcp-gateway-console",
        false => "mcp-gateway-console",
    }
}

/// Purpose of the seal.
const PURPOSE: &str = "console-session";

/// Lifetime in seconds: the idle timeout of login sessions.
const LIFETIME: u64 = 12 * 60 * 60;
