//! Entries of servers over HTTP.
//!
//! | Keys | Request headers |
//! |---|---|
//! | `headers`, `http_headers` | map of names and values |
//! | `requestInit.headers`, `requestOptions.headers` | the same, nested |
//! | `env_http_headers` | map of names and environment variables with the values |
//! | `bearer_token_env_var`, `bearerTokenEnv` | environment variable with a bearer token |
//! | `apiKey`, `bearerToken`, `authorization_token` | bearer token |
//!
//! References in the URL and in values are expanded; the variables of the entry (`envs`, `env_keys`)
//! precede those of the gateway. A variable with a bearer token precedes a
//! token in the entry. Headers of the connection or the protocol are left out with a warning. Error
//! messages do not contain values, because values are usually secrets.

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use mcp_gateway_core::upstream::UpstreamProtocol;
use mcp_gateway_platform::spec::Remote;

use super::entry::{Entry, URLS};
use super::program;
use crate::document::Field;
use crate::file::remote;

/// Names and values of request headers, in the order of the file.
type Headers = Vec<(HeaderName, HeaderValue)>;

/// Reads a server over HTTP.
///
/// All of its keys are read even if one is invalid, so that all errors are found.
pub(super) fn read(
    entry: &mut Entry<'_, '_>,
    protocol: Option<UpstreamProtocol>,
) -> Option<Remote> {
    let url = entry.first(&URLS);
    if url.is_none() {
        entry.table.whole().error("missing url");
    }
    let mut own = program::named(entry);
    if let Some(field) = entry.table.field("envs") {
        own.extend(program::variables(entry, &field));
    }
    let own = own.iter().map(|(name, value)| (name, value.expose()));
    entry.variables.set_own(own);
    let headers = headers(entry);
    let url = url?;
    let text = entry.variables.text(&url)?;
    let endpoint = match remote::endpoint(&text) {
        Ok(endpoint) => endpoint,
        Err(message) => {
            // The message must not contain the URL, which may contain a key.
            url.error(message);
            return None;
        }
    };
    let mut remote = Remote::new(endpoint);
    remote.headers = headers;
    remote.protocol = protocol;
    Some(remote)
}

/// Reads the request headers.
///
/// Headers with an error are missing from the result; the error is in the report of the file. The
/// header with the bearer token is the last one.
fn headers(entry: &mut Entry<'_, '_>) -> Headers {
    let mut maps: Vec<_> = ["headers", "http_headers"]
        .iter()
        .filter_map(|key| entry.table.field(key))
        .collect();
    for key in ["requestInit", "requestOptions"] {
        let nested = entry.table.field(key);
        maps.extend(nested.and_then(|field| field.table()?.field("headers")));
    }
    let mut headers = Headers::new();
    for (name, field) in maps.iter().filter_map(Field::entries).flatten() {
        let value = entry.variables.text(&field);
        headers.extend(value.and_then(|value| header(name, &value, &field)));
    }
    if let Some(field) = entry.table.field("env_http_headers") {
        for (name, field) in field.entries().unwrap_or_default() {
            let value = named(entry, &field);
            headers.extend(value.and_then(|value| header(name, &value, &field)));
        }
    }
    headers.extend(bearer(entry));
    headers
}

/// Reads a bearer token, or the name of the variable that contains it.
///
/// Returns the header `Authorization: Bearer TOKEN`; `None` without a token, or after an error.
fn bearer(entry: &mut Entry<'_, '_>) -> Option<(HeaderName, HeaderValue)> {
    let variable = entry.first(&["bearer_token_env_var", "bearerTokenEnv"]);
    let text = entry.first(&["apiKey", "bearerToken", "authorization_token"]);
    let (token, field) = match (variable, text) {
        (Some(field), _) => (named(entry, &field)?, field),
        (None, Some(field)) => (entry.variables.text(&field)?, field),
        (None, None) => return None,
    };
    let value = remote::read_value(&format!("Bearer {token}"), &field)?;
    Some((AUTHORIZATION, value))
}

/// Returns the value of the variable that `field` names.
///
/// A variable that is not set is an error: without it, the server would reject each call.
fn named(entry: &Entry<'_, '_>, field: &Field<'_>) -> Option<String> {
    match entry.variables.variable(field.text()?, None, field) {
        Ok(value) => Some(value),
        Err(message) => {
            field.error(message);
            None
        }
    }
}

/// Reads a request header. Headers that cannot be configured are ignored with a warning.
pub(super) fn header(
    name: &str,
    value: &str,
    field: &Field<'_>,
) -> Option<(HeaderName, HeaderValue)> {
    match remote::header_name(name) {
        Ok(name) => Some((name, remote::read_value(value, field)?)),
        Err(message) => {
            field.warning(format!("{message}; ignored"));
            None
        }
    }
}
