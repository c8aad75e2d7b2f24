//! Secrets of an entry: objects with the only member `secret`, wherever they are.
//!
//! Any such object counts, so that a secret at a place that is added later is not stored in the
//! clear. In the store, the text is sealed for the server and the place. A reader of the API
//! receives `{ "secret": true }`; whoever writes that keeps the secret that is there.

use mcp_gateway_auth::Keyring;
use mcp_gateway_core::BoxError;
use serde_json::Value;

use super::Violation;

/// The reason for which an entry with secrets cannot be used.
#[derive(Debug)]
pub(crate) enum SecretError {
    /// The entry is invalid.
    Invalid(Vec<Violation>),
    /// The system has no random numbers.
    Random(BoxError),
}

impl SecretError {
    /// Creates the error of a single violation at `path`.
    fn invalid(path: &str, message: &str) -> Self {
        Self::Invalid(vec![Violation::new(path, message)])
    }

    /// Returns the violations for a reader of the entry.
    pub(super) fn into_violations(self) -> Vec<Violation> {
        match self {
            Self::Invalid(violations) => violations,
            Self::Random(error) => vec![Violation::new("", error.to_string())],
        }
    }
}

/// Seals all secrets of the server `name`.
///
/// A secret that is not a text is sealed as an empty one; the [`EntryReader`](super::EntryReader)
/// must have rejected it before.
///
/// # Errors
///
/// [`SecretError::Random`] if the system has no random numbers.
pub(super) fn seal(entry: &mut Value, name: &str, keyring: &Keyring) -> Result<(), SecretError> {
    each_secret(entry, "", &mut |path, secret| {
        let text = secret.as_str().unwrap_or_default();
        let sealed = keyring.sealer().seal(&purpose(name, path), text.as_bytes());
        *secret = sealed
            .map_err(|error| SecretError::Random(error.into()))?
            .into();
        Ok(())
    })
}

/// Opens all secrets of the server `name`.
///
/// # Errors
///
/// [`SecretError::Invalid`] for the first secret that was sealed with another key, for another
/// server or for another path. The secrets before it are open then.
pub(super) fn open(entry: &mut Value, name: &str, keyring: &Keyring) -> Result<(), SecretError> {
    each_secret(entry, "", &mut |path, secret| {
        let opened = secret
            .as_str()
            .and_then(|sealed| open_one(sealed, name, path, keyring));
        let message = "the secret was sealed with another key, or for another place";
        *secret = opened
            .ok_or_else(|| SecretError::invalid(path, message))?
            .into();
        Ok(())
    })
}

/// Replaces each `true` in the place of a secret by the secret that the sealed entry `before` has
/// there.
///
/// The path identifies a secret, with the index of an element of an array. A client that reorders
/// an array must write its secrets anew.
///
/// # Errors
///
/// [`SecretError::Invalid`] if `before` has no secret at the path, it cannot be opened, or `entry`
/// would give it to another recipient: another URL or another program. Whoever may change an entry
/// must not learn its secrets.
pub(super) fn restore(
    entry: &mut Value,
    before: Option<&Value>,
    name: &str,
    keyring: &Keyring,
) -> Result<(), SecretError> {
    let is_same = before.is_some_and(|before| recipient(before) == recipient(entry));
    each_secret(entry, "", &mut |path, secret| {
        if *secret != Value::Bool(true) {
            return Ok(());
        }
        if before.is_some() && !is_same {
            let message = "the URL or the program has changed; expected { secret: TEXT }";
            return Err(SecretError::invalid(path, message));
        }
        let known = before.and_then(|before| secret_at(before, path));
        let opened = known.and_then(|sealed| open_one(&sealed, name, path, keyring));
        let message = "no secret is stored here; expected { secret: TEXT }";
        *secret = opened
            .ok_or_else(|| SecretError::invalid(path, message))?
            .into();
        Ok(())
    })
}

/// Returns the parts of `entry` that receive its secrets, without these.
fn recipient(entry: &Value) -> [Value; 3] {
    let mut entry = entry.clone();
    redact(&mut entry);
    let url = entry["remote"]["url"].take();
    [url, entry["process"].take(), entry["kubernetes"].take()]
}

/// Replaces all secrets by `true`.
pub(super) fn redact(entry: &mut Value) {
    let redacted = each_secret(entry, "", &mut |_, secret| {
        *secret = true.into();
        Ok(())
    });
    debug_assert!(redacted.is_ok());
}

/// Calls `change` with the path and the value of each secret.
///
/// Paths have the form `remote.headers.x-a` or `process.args[0]`. Stops at the first error of
/// `change`.
fn each_secret(
    value: &mut Value,
    path: &str,
    change: &mut dyn FnMut(&str, &mut Value) -> Result<(), SecretError>,
) -> Result<(), SecretError> {
    match value {
        Value::Array(items) => {
            for (at, item) in items.iter_mut().enumerate() {
                each_secret(item, &format!("{path}[{at}]"), change)?;
            }
        }
        Value::Object(members) => {
            let is_alone = members.len() == 1;
            for (key, member) in members {
                if is_alone && key == SECRET && !member.is_object() {
                    return change(path, member);
                }
                let separator = if path.is_empty() { "" } else { "." };
                each_secret(member, &format!("{path}{separator}{key}"), change)?;
            }
        }
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => {}
    }
    Ok(())
}

/// Returns the sealed secret at `path` of `entry`.
fn secret_at(entry: &Value, path: &str) -> Option<String> {
    let mut found = None;
    let searched = each_secret(&mut entry.clone(), "", &mut |at, secret| {
        if at == path {
            found = secret.as_str().map(str::to_owned);
        }
        Ok(())
    });
    searched.ok().and(found)
}

/// Opens one secret; `None` if it was sealed for another place, or is not UTF-8.
fn open_one(sealed: &str, name: &str, path: &str, keyring: &Keyring) -> Option<String> {
    let opened = keyring.sealer().open(&purpose(name, path), sealed)?;
    String::from_utf8(opened).ok()
}

/// Returns the purpose of the seal of a secret. Names have no line breaks.
fn purpose(name: &str, path: &str) -> String {
    format!("registry/servers\n{name}\n{path}")
}

/// Only member of a secret.
const SECRET: &str = "secret";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keyring() -> Keyring {
        Keyring::new(&[7; 32]).unwrap()
    }

    fn entry() -> Value {
        json!({
            "name": "a",
            "remote": {
                "url": "https://a",
                "bearer": { "secret": "hunter2" },
                "headers": { "x-a": { "value": "public" }, "secret": { "secret": "hunter3" } },
            },
        })
    }

    #[test]
    fn secrets_are_sealed_for_their_place() {
        let mut sealed = entry();
        seal(&mut sealed, "a", &keyring()).unwrap();
        let text = sealed.to_string();
        assert!(!text.contains("hunter"), "{text}");
        assert!(text.contains("public"), "{text}");

        let mut opened = sealed.clone();
        open(&mut opened, "a", &keyring()).unwrap();
        assert_eq!(opened, entry());
        assert!(open(&mut sealed.clone(), "b", &keyring()).is_err());
        let other = Keyring::new(&[8; 32]).unwrap();
        assert!(open(&mut sealed.clone(), "a", &other).is_err());
        let mut moved = sealed.clone();
        moved["remote"]["headers"]["x-b"] = sealed["remote"]["bearer"].clone();
        assert!(open(&mut moved, "a", &keyring()).is_err());
    }

    #[test]
    fn a_redacted_secret_stands_for_the_stored_one() {
        let mut sealed = entry();
        seal(&mut sealed, "a", &keyring()).unwrap();
        let mut shown = sealed.clone();
        redact(&mut shown);
        assert_eq!(shown["remote"]["bearer"], json!({ "secret": true }));
        assert_eq!(
            shown["remote"]["headers"]["x-a"],
            json!({ "value": "public" })
        );

        let mut again = shown.clone();
        restore(&mut again, Some(&sealed), "a", &keyring()).unwrap();
        assert_eq!(again, entry());
        assert!(restore(&mut shown.clone(), None, "a", &keyring()).is_err());
        shown["remote"]["headers"]["x-b"] = json!({ "secret": true });
        assert!(restore(&mut shown, Some(&sealed), "a", &keyring()).is_err());
    }

    #[test]
    fn r8_kept_secrets_stay_with_their_recipient() {
        let process = json!({
            "name": "a",
            "process": {
                "command": "a",
                "args": [{ "secret": "hunter2" }],
                "env": { "KEY": { "secret": "hunter3" }, "MODE": { "value": "b" } },
            },
        });
        let pod = json!({
            "name": "a",
            "kubernetes": {
                "image": "a",
                "env": {
                    "KEY": { "secret": "hunter2" },
                    "OTHER": { "secret": "object", "key": "key" },
                },
            },
        });
        let changes = [
            (pod.clone(), "/kubernetes/image", "b"),
            (pod, "/kubernetes/env/OTHER/key", "other"),
            (entry(), "/remote/url", "https://b"),
            (process.clone(), "/process/command", "b"),
            (process, "/process/env/MODE/value", "c"),
        ];
        for (mut entry, place, other) in changes {
            let whole = entry.clone();
            seal(&mut entry, "a", &keyring()).unwrap();
            let mut kept = entry.clone();
            redact(&mut kept);
            let mut moved = kept.clone();
            restore(&mut kept, Some(&entry), "a", &keyring()).unwrap();
            assert_eq!(kept, whole);
            *moved.pointer_mut(place).unwrap() = other.into();
            let error = restore(&mut moved, Some(&entry), "a", &keyring());
            let violations = error.unwrap_err().into_violations();
            assert!(violations[0].message.contains("has changed"), "{place}");
            assert!(!moved.to_string().contains("hunter"), "{moved}");
        }
    }
}
