use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use crate::document::{Field, Lookup, Read};

/// A text that is not to be shown.
///
/// A file refers to it, as `{ env: NAME }` or `{ file: PATH }`. It is empty where a file has been
/// read by itself.
#[derive(Clone)]
pub struct Secret(SecretString);

/// A text that a file may also give itself, as `{ value: TEXT }`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Setting(pub(crate) Secret);

/// A key of 32 bytes, which a file refers to in base64 or as hexadecimal digits.
#[derive(Clone, Eq, PartialEq)]
pub struct SessionKey(Zeroizing<[u8; 32]>);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The text, for those who have to present it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl Eq for Secret {}

impl PartialEq for Secret {
    /// Finds out whether a configuration has changed. What callers present is compared elsewhere,
    /// in constant time.
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Read for Secret {
    fn read(field: &Field<'_>) -> Option<Self> {
        if field.is_scalar() {
            // The message must not repeat it.
            field.problem(
                "secrets do not stand in this file; refer to one: { env: NAME } or { file: PATH }",
            );
            return None;
        }
        let mut table = field.table()?;
        let source = table.one_of(&["env", "file"]);
        table.finish();
        let (key, field) = source?;
        look_up(key, &field)
    }
}

impl Read for Setting {
    fn read(field: &Field<'_>) -> Option<Self> {
        if field.is_scalar() {
            field.problem("expected { value: TEXT }, { env: NAME } or { file: PATH }");
            return None;
        }
        let mut table = field.table()?;
        let source = table.one_of(&["env", "file", "value"]);
        table.finish();
        let (key, field) = source?;
        match key {
            "value" => field.text().map(Secret::new).map(Self),
            key => look_up(key, &field).map(Self),
        }
    }
}

fn look_up(key: &str, field: &Field<'_>) -> Option<Secret> {
    let name = field.text()?;
    let found = match key {
        "env" => match field.outside().secret(name) {
            Lookup::Missing => Err(format!("the environment has no variable {name}")),
            found => Ok(found),
        },
        _ => {
            let found = field.outside().file(Path::new(name));
            found.map_err(|error| format!("{name} cannot be read: {error}"))
        }
    };
    match found {
        Ok(Lookup::Found(text)) if text.expose_secret().is_empty() => {
            field.problem(format!("{name} is empty"));
            None
        }
        Ok(Lookup::Found(text)) => Some(Secret(text)),
        Ok(Lookup::Missing | Lookup::Unread) => Some(Secret::new("")),
        Err(message) => {
            field.problem(message);
            None
        }
    }
}

impl SessionKey {
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(..)")
    }
}

impl Read for SessionKey {
    fn read(field: &Field<'_>) -> Option<Self> {
        let secret: Secret = field.read()?;
        let text = secret.expose();
        if text.is_empty() {
            return None;
        }
        let bytes = Zeroizing::new(decode(text));
        match <[u8; 32]>::try_from(&**bytes) {
            Ok(key) => Some(Self(Zeroizing::new(key))),
            Err(_) => {
                field.problem("the key must have 32 bytes, as from: openssl rand -base64 32");
                None
            }
        }
    }
}

/// The bytes that `text` stands for; none if it is neither hexadecimal nor base64.
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
    fn secrets_are_not_shown() {
        let secret = Secret::new("hunter2");
        assert!(!format!("{:?}", Setting(secret.clone())).contains("hunter2"));
        assert!(secret == Secret::new("hunter2") && secret != Secret::new("hunter3"));
    }
}
