//! Names and labels of objects.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};

/// Prefix of the keys of labels and annotations of our own.
macro_rules! own_key {
    ($name:literal) => {
        concat!("mcp-gateway.dev/", $name)
    };
}

/// Label with the name of the server.
pub(crate) const SERVER: &str = own_key!("server");
/// Annotation of an object with the digest of its manifest.
pub(crate) const MANIFEST: &str = own_key!("manifest");
/// Annotation of a Deployment with the name of its server, which its label may have shortened.
pub(crate) const SERVER_NAME: &str = own_key!("server-name");
/// Annotation of a Deployment with the number of its last activity.
pub(crate) const ACTIVITY: &str = own_key!("activity");
/// Annotation of a pod with a keyed digest of the texts of its variables.
pub(crate) const TEXTS: &str = own_key!("texts");
/// Annotation of a pod with the time of a requested restart.
pub(crate) const RESTARTED: &str = own_key!("restarted");
/// Label with the program that manages an object.
pub(crate) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Value of [`MANAGED_BY`].
pub(crate) const MANAGER: &str = "mcp-gateway";
/// Label with the gateway to which an object belongs.
pub(crate) const INSTANCE: &str = "app.kubernetes.io/instance";

/// Field manager of applied fields.
pub(crate) const APPLIER: &str = "mcp-gateway";
/// Field manager of the number of replicas.
pub(crate) const SCALER: &str = "mcp-gateway-scale";
/// Field manager of marks: activity, and requested restarts.
pub(crate) const MARKER: &str = "mcp-gateway-mark";

/// Maximum length of the name of a Deployment: its pods have up to 17 bytes more, and names of hosts
/// have at most 63.
const MAX_NAME: usize = 46;
/// Maximum length of the value of a label.
const MAX_LABEL: usize = 63;
/// Number of hexadecimal digits of a digest in a name.
const DIGEST: usize = 8;

/// Returns the name of the objects of `server`.
///
/// It is unique: a name that had to be changed ends in a digest of the original.
pub(crate) fn object_name(instance: &str, server: &str) -> String {
    shortened(&format!("{instance}-{server}"), MAX_NAME, |character| {
        character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-'
    })
}

/// Returns the value of the label [`SERVER`] for `server`.
pub(crate) fn label_value(server: &str) -> String {
    shortened(server, MAX_LABEL, |character| {
        character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.')
    })
}

/// Returns the labels by which all objects of `instance` are found.
pub(crate) fn instance_labels(instance: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        (MANAGED_BY.to_owned(), MANAGER.to_owned()),
        (INSTANCE.to_owned(), label_value(instance)),
    ])
}

/// Returns the labels of the objects of `server`, which never change and are the selector of its
/// pods.
pub(crate) fn server_labels(instance: &str, server: &str) -> BTreeMap<String, String> {
    let mut labels = instance_labels(instance);
    labels.insert(SERVER.to_owned(), label_value(server));
    labels
}

/// Returns `true` if `labels` has all of `expected`.
pub(crate) fn has_labels(
    labels: &BTreeMap<String, String>,
    expected: &BTreeMap<String, String>,
) -> bool {
    expected
        .iter()
        .all(|(key, value)| labels.get(key) == Some(value))
}

/// Returns the selector of all objects of `instance`.
pub(crate) fn instance_selector(instance: &str) -> String {
    let labels = instance_labels(instance).into_iter();
    let labels: Vec<_> = labels
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    labels.join(",")
}

/// Returns `text` as a name of at most `max` accepted characters that begins and ends with a letter
/// or digit.
fn shortened(text: &str, max: usize, accepts: impl Fn(char) -> bool) -> String {
    let is_edge =
        |character: Option<char>| character.is_some_and(|one| one.is_ascii_alphanumeric());
    let is_valid = text.len() <= max
        && text.chars().all(&accepts)
        && is_edge(text.chars().next())
        && is_edge(text.chars().last());
    if is_valid {
        return text.to_owned();
    }
    let replaced: String = text
        .to_ascii_lowercase()
        .chars()
        .map(|character| {
            if accepts(character) && character != '.' {
                character
            } else {
                '-'
            }
        })
        .take(max - DIGEST - 1)
        .collect();
    let stem = replaced.trim_matches(|character: char| !character.is_ascii_alphanumeric());
    let digest = hex(&digest(&SHA256, text.as_bytes()).as_ref()[..DIGEST / 2]);
    if stem.is_empty() {
        format!("x-{digest}")
    } else {
        format!("{stem}-{digest}")
    }
}

/// Returns `bytes` in hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        text.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
        text.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
        text
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn short_names_stay() {
        assert_eq!(object_name("mcp-gateway", "time"), "mcp-gateway-time");
        assert_eq!(label_value("Time_2.0"), "Time_2.0");
    }

    #[test]
    fn changed_names_differ_in_their_digest() {
        let names = ["a_b", "a.b", "A-b", "a-b"].map(|name| object_name("g", name));
        assert_eq!(names[3], "g-a-b");
        let unique: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(unique.len(), names.len(), "{names:?}");
    }

    proptest! {
        #[test]
        fn names_are_valid(instance in "[a-z][a-z0-9-]{0,20}", server in ".{1,80}") {
            let name = object_name(&instance, &server);
            let valid = |text: &str, max: usize, more: &str| {
                text.len() <= max
                    && text.chars().all(|one| one.is_ascii_alphanumeric() || more.contains(one))
                    && text.starts_with(|one: char| one.is_ascii_alphanumeric())
                    && text.ends_with(|one: char| one.is_ascii_alphanumeric())
            };
            prop_assert!(valid(&name, MAX_NAME, "-") && name == name.to_lowercase(), "{name}");
            prop_assert!(valid(&label_value(&server), MAX_LABEL, "-_."));
        }
    }
}
