//! References to secrets: `{ env: NAME }` or `{ file: PATH }`.
//!
//! A file must not contain a secret. Documents of the store have no references, and contain their
//! secrets as `{ secret: TEXT }`: whoever writes them must not read the environment and the files of
//! the gateway. Without lookups ([`NoEnvironment`](crate::document::NoEnvironment)), all
//! secrets are empty.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use mcp_gateway_platform::spec::{Secret, SessionKey};
use zeroize::Zeroizing;

use crate::document::{Field, FromField, Lookup};

/// Value that is either a secret or public text: `{ value: TEXT }`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Setting(pub(crate) Secret);

impl FromField for Secret {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let is_file = field.environment().has_references();
        if field.is_scalar() {
            // The message must not contain the value, which may be a secret.
            field.error(match is_file {
                true => {
                    "secrets must not be in this file; expected { env: NAME } or { file: PATH }"
                }
                false => "expected { secret: TEXT }",
            });
            return None;
        }
        let (key, field) = source(field, &["env", "file"], &["secret"])?;
        look_up(key, &field)
    }
}

impl FromField for Setting {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        if field.is_scalar() {
            field.error(match field.environment().has_references() {
                true => "expected { value: TEXT }, { env: NAME } or { file: PATH }",
                false => "expected { value: TEXT } or { secret: TEXT }",
            });
            return None;
        }
        let (key, field) = source(field, &["env", "file", "value"], &["secret", "value"])?;
        match key {
            "value" => field.text().map(Secret::new).map(Self),
            key => look_up(key, &field).map(Self),
        }
    }
}

/// Returns the only member of a value: one of `keys` in a file, one of `stored` in a document of the
/// store.
fn source<'a>(
    field: &Field<'a>,
    keys: &[&'static str],
    stored: &[&'static str],
) -> Option<(&'static str, Field<'a>)> {
    let is_file = field.environment().has_references();
    if !is_file && ["env", "file"].iter().any(|key| field.get(key).is_some()) {
        field.error("references to the environment and the files of the gateway are not accepted");
        return None;
    }
    let mut table = field.table()?;
    let source = table.one_of(if is_file { keys } else { stored });
    table.finish();
    source
}

/// Reads the secret `key: field`; the key is `secret`, or `env` or `file` of a reference.
fn look_up(key: &str, field: &Field<'_>) -> Option<Secret> {
    let name = field.text()?;
    if key == "secret" {
        if name.is_empty() {
            field.error("the secret is empty");
        }
        return Some(Secret::new(name));
    }
    let found = match key {
        "env" => match field.environment().secret(name) {
            Lookup::Missing => Err(format!("environment variable {name} is not set")),
            found => Ok(found),
        },
        _ => {
            let found = field.environment().file(Path::new(name));
            found.map_err(|error| format!("failed to read {name}: {error}"))
        }
    };
    match found {
        Ok(Lookup::Found(text)) if text.expose().is_empty() => {
            field.error(format!("{name} is empty"));
            None
        }
        Ok(Lookup::Found(text)) => Some(text),
        Ok(Lookup::Missing | Lookup::Unavailable) => Some(Secret::new("")),
        Err(message) => {
            field.error(message);
            None
        }
    }
}

impl FromField for SessionKey {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let secret: Secret = field.read()?;
        let text = secret.expose();
        if text.is_empty() {
            return None;
        }
        let bytes = Zeroizing::new(decode(text));
        match <[u8; 32]>::try_from(&**bytes) {
            Ok(key) => Some(Self::new(key)),
            Err(_) => {
                field.error(
                    "the key must have 32 bytes; generate one with: openssl rand -base64 32",
                );
                None
            }
        }
    }
}

/// Decodes hexadecimal or base64 text; returns no bytes if it is neither.
fn decode(text: &str) -> Vec<u8> {
    let text = text.trim();
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap_or_default();
        return (0..64).step_by(2).map(byte).collect();
    }
    let standard = STANDARD.decode(text);
    let decoded = standard.or_else(|_| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')));
    decoded.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_three_forms() {
        let key: Vec<u8> = (224..=255).collect();
        let hex: String = key.iter().map(|byte| format!("{byte:02X}")).collect();
        let table = [hex, STANDARD.encode(&key), URL_SAFE_NO_PAD.encode(&key)];
        for text in table {
            assert_eq!(decode(&text), key, "{text}");
        }
        for text in ["", "x", "not a key at all", &"ä".repeat(32)] {
            assert_ne!(decode(text).len(), 32, "{text}");
        }
    }

    #[test]
    fn settings_are_not_shown() {
        let secret = Secret::new("hunter2");
        assert!(!format!("{:?}", Setting(secret)).contains("hunter2"));
    }
}
