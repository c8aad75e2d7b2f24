//! Names, keys and ports, as the Kubernetes API accepts them.
//!
//! | Name of | Form |
//! |---|---|
//! | namespace, gateway | label (RFC 1123): up to 63 lower-case letters, digits and `-` |
//! | Secret, config map, service account | labels with `.` between them, up to 253 characters |
//! | key of a Secret or config map | letters, digits, `-`, `_` and `.`, but not beginning with `..` |
//! | variable | the same, not beginning with a digit either |
//! | key of a label or annotation | up to 63 letters, digits, `-`, `_` and `.`, after an optional domain and `/` |
//! | value of a label | the same without a domain, or empty |
//!
//! The API server has the same rules, and reports a violation when an object is applied. It is then
//! too late for the author of the file, and the message has the path in the object.

use mcp_gateway_platform::spec::LABEL_DOMAIN;

use crate::document::Field;

/// Parses a DNS label (RFC 1123), such as the name of a namespace.
///
/// # Errors
///
/// The expected form of a label.
pub(in crate::file) fn label(text: &str) -> Result<String, String> {
    match is_label(text) {
        true => Ok(text.to_owned()),
        false => Err(
            "expected lower-case letters, digits and '-', beginning and ending with a letter or \
             digit, up to 63 characters"
                .to_owned(),
        ),
    }
}

/// Parses a DNS name (RFC 1123), such as the name of a secret.
///
/// # Errors
///
/// The expected form of a name.
pub(in crate::file) fn subdomain(text: &str) -> Result<String, String> {
    match is_subdomain(text) {
        true => Ok(text.to_owned()),
        false => Err(
            "expected lower-case letters, digits, '-' and '.', each part beginning and ending \
             with a letter or digit, up to 253 characters"
                .to_owned(),
        ),
    }
}

/// Parses a key of a secret or config map, which is also the name of a file.
///
/// # Errors
///
/// The expected form of a key. Keys that begin with `..` belong to the kubelet, which replaces all
/// files of a folder at once by a link of such a name.
pub(super) fn object_key(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_path = text == "." || text.starts_with("..");
    match !text.is_empty() && text.len() <= MAX_NAME && text.chars().all(is_plain) && !is_path {
        true => Ok(text.to_owned()),
        false => Err("expected letters, digits, '-', '_' and '.', up to 253 characters".to_owned()),
    }
}

/// Returns the violation by a variable of this name; `None` if it is valid.
///
/// The rule of Kubernetes before 1.30, whose successors accept more.
pub(super) fn variable(text: &str) -> Option<&'static str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let begins_with_digit = text.starts_with(|c: char| c.is_ascii_digit());
    let is_valid = !text.is_empty() && text.chars().all(is_plain) && !begins_with_digit;
    (!is_valid || text == "." || text.starts_with("..")).then_some(
        "not a valid variable name: expected letters, digits, '-', '_' and '.', not beginning \
         with a digit",
    )
}

/// Parses the number of a port.
///
/// # Errors
///
/// The range of ports. Zero would be any free port, which nobody could find.
pub(super) fn port(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("expected a number from 1 to 65535".to_owned()),
        Ok(port) => Ok(port),
    }
}

/// Parses the path of the endpoint of a server.
///
/// # Errors
///
/// The expected form of a path. A query or fragment is not part of it.
pub(super) fn url_path(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '\\');
    match text.starts_with('/') && text.chars().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Err("expected a path such as /mcp, without a query".to_owned()),
    }
}

/// Parses the absolute path of a folder in a container, and removes `/` at its end and repeated ones.
///
/// # Errors
///
/// The expected form of a path. The API rejects `..`, and `:` separates paths in a mount. The root
/// would replace all that is in the image.
pub(super) fn folder(text: &str) -> Result<String, String> {
    let trimmed = text.trim_end_matches('/');
    let has_dots = trimmed.split('/').any(|part| matches!(part, "." | ".."));
    let is_plain = |c: char| !c.is_control() && c != ':';
    if !trimmed.starts_with('/') || has_dots || !trimmed.chars().all(is_plain) {
        return Err(
            "expected an absolute path such as /etc/server, without '..' and ':'".to_owned(),
        );
    }
    let parts = trimmed.split('/').filter(|part| !part.is_empty());
    Ok(parts.fold(String::new(), |path, part| path + "/" + part))
}

/// Returns the violation by a key of a label or annotation; `None` if it is valid.
pub(super) fn qualified(key: &str) -> Option<&'static str> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let is_prefix = prefix.is_none_or(is_subdomain);
    (!is_prefix || name.is_empty() || !is_label_value(name)).then_some(
        "not a valid key: expected a name of up to 63 letters, digits, '-', '_' and '.', with an \
         optional prefix such as example.com/",
    )
}

/// Returns `true` if the gateway itself sets labels and annotations with such a key.
///
/// By these it finds its objects. A label of the configuration with such a key could hide a pod from
/// the gateway, or show it one that it has not created.
pub(super) fn is_reserved(key: &str) -> bool {
    let prefix = key.split_once('/').map_or("", |(prefix, _)| prefix);
    let parent = prefix.strip_suffix(LABEL_DOMAIN);
    prefix == "app.kubernetes.io"
        || prefix == "deployment.kubernetes.io"
        || parent.is_some_and(|parent| parent.is_empty() || parent.ends_with('.'))
}

/// Reads the value of a label, which may be empty.
pub(super) fn label_value(field: &Field<'_>) -> Option<String> {
    field.parse("the value of a label", |text| match is_label_value(text) {
        true => Ok(text.to_owned()),
        false => Err(
            "expected up to 63 letters, digits, '-', '_' and '.', beginning and ending with a \
             letter or digit"
                .to_owned(),
        ),
    })
}

/// Returns `true` if `text` is a DNS label.
fn is_label(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty()
        && text.len() <= 63
        && text.chars().all(is_plain)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Returns `true` if `text` is a DNS name.
fn is_subdomain(text: &str) -> bool {
    text.len() <= MAX_NAME
        && text
            .split('.')
            .all(|part| part.len() <= MAX_NAME && is_part(part))
}

/// Returns `true` if `text` is a part of a DNS name, whatever its length.
fn is_part(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.chars().all(is_plain) && !text.starts_with('-') && !text.ends_with('-')
}

/// Returns `true` if `text` is the value of a label.
fn is_label_value(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_end = |c: char| c.is_ascii_alphanumeric();
    text.is_empty()
        || (text.len() <= 63
            && text.chars().all(is_plain)
            && text.starts_with(is_end)
            && text.ends_with(is_end))
}

/// Maximum length of the name of an object.
const MAX_NAME: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_kubernetes_api() {
        let long = "a".repeat(64);
        for (text, expected) in [
            ("a", [true, true]),
            ("a-1", [true, true]),
            ("1a", [true, true]),
            ("a.b", [false, true]),
            (&*long, [false, true]),
            ("", [false, false]),
            ("A", [false, false]),
            ("-a", [false, false]),
            ("a-", [false, false]),
            ("a..b", [false, false]),
            ("a_b", [false, false]),
            ("ä", [false, false]),
            (&*"a".repeat(254), [false, false]),
        ] {
            let found = [label(text).is_ok(), subdomain(text).is_ok()];
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn keys_of_labels_have_an_optional_prefix() {
        for key in ["a", "A.b_c-1", "example.com/a"] {
            assert_eq!(qualified(key), None, "{key}");
            assert!(!is_reserved(key), "{key}");
        }
        for key in ["", "/a", "a/", "a/b/c", "Example.com/a", "-a", "a b"] {
            assert!(qualified(key).is_some(), "{key}");
        }
        for key in [
            "app.kubernetes.io/name",
            &format!("{LABEL_DOMAIN}/server"),
            &format!("a.{LABEL_DOMAIN}/server"),
        ] {
            assert!(is_reserved(key), "{key}");
        }
        assert!(!is_reserved(&format!("x{LABEL_DOMAIN}/server")));
    }

    #[test]
    fn variables_and_keys_have_the_narrow_form() {
        for name in ["A", "a_b", "A.B", "-x", "_1"] {
            assert_eq!(variable(name), None, "{name}");
        }
        for name in ["", "1A", "A=B", "A B", "..A", "."] {
            assert!(variable(name).is_some(), "{name}");
        }
        assert!(object_key("tls.crt").is_ok() && object_key("..data").is_err());
    }

    #[test]
    fn folders_are_absolute() {
        for path in ["/etc/a/", "//etc//a"] {
            assert_eq!(folder(path).as_deref(), Ok("/etc/a"));
        }
        for path in ["", "/", "etc", "/a/../b", "/a:b", "/a\n"] {
            assert!(folder(path).is_err(), "{path:?}");
        }
    }
}
