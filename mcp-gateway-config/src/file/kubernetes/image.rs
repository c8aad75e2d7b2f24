//! References of images.
//!
//! | Part | Example | Form |
//! |---|---|---|
//! | host | `ghcr.io`, `localhost:5000` | has a `.` or `:`, or is `localhost`; optional |
//! | path | `example/mcp-time` | lower-case letters and digits, with `.`, `_`, `__` or `-` between them; parts are separated by `/` |
//! | tag | `:1.4` | up to 128 letters, digits, `_`, `.` and `-`; optional |
//! | digest | `@sha256:0f…` | algorithm and hexadecimal digits; optional |
//!
//! The kubelet has the same rules, and reports a violation as `InvalidImageName` of a pod.

/// Parses the reference of an image, such as `ghcr.io/example/mcp-time:1.4`.
///
/// # Errors
///
/// The violated rule.
pub(in crate::file) fn reference(text: &str) -> Result<String, String> {
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (text, None),
    };
    if digest.is_some_and(|digest| !is_digest(digest)) {
        return Err(
            "expected a digest such as sha256: and 64 hexadecimal digits after @".to_owned(),
        );
    }
    let slash = name.rfind('/').map_or(0, |at| at + 1);
    let (name, tag) = match name[slash..].find(':') {
        Some(colon) => (&name[..slash + colon], Some(&name[slash + colon + 1..])),
        None => (name, None),
    };
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return Err("expected a tag of up to 128 letters, digits, '_', '.' and '-'".to_owned());
    }
    let path = match name.split_once('/') {
        Some((host, path)) if is_host(host) => path,
        _ => name,
    };
    match name.len() <= MAX_NAME && path.split('/').all(is_part) {
        true => Ok(text.to_owned()),
        false => {
            Err("expected a reference such as ghcr.io/example/server:1.4, in lower case".to_owned())
        }
    }
}

/// Returns `true` if the first part of a reference is the host of a registry.
///
/// Otherwise it is the first part of a path on the default registry of the node.
fn is_host(text: &str) -> bool {
    let (host, port) = text.split_once(':').unwrap_or((text, "1"));
    let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
    let is_named = text == "localhost" || text.contains(['.', ':']);
    let part = |part: &str| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        !part.is_empty() && part.chars().all(is_plain)
    };
    is_named && is_port && host.split('.').all(part)
}

/// Returns `true` if `text` is a part of the path of an image.
///
/// Separators stand between letters and digits: a single `.`, up to two `_`, or any number of `-`.
fn is_part(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_plain = |c: char| is_word(c) || matches!(c, '.' | '_' | '-');
    let has_gap = ["..", "._", "_.", ".-", "-.", "_-", "-_", "___"];
    text.starts_with(is_word)
        && text.ends_with(is_word)
        && text.chars().all(is_plain)
        && !has_gap.iter().any(|gap| text.contains(gap))
}

/// Returns `true` if `text` is a tag.
fn is_tag(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_plain = |c: char| is_word(c) || matches!(c, '.' | '-');
    text.len() <= 128 && text.starts_with(is_word) && text.chars().all(is_plain)
}

/// Returns `true` if `text` is a digest.
fn is_digest(text: &str) -> bool {
    let Some((algorithm, digits)) = text.split_once(':') else {
        return false;
    };
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return false,
    };
    let is_digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    digits.len() == length && digits.chars().all(is_digit)
}

/// Maximum length of a reference without its tag and digest.
const MAX_NAME: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_have_a_path_a_tag_and_a_digest() {
        let digest = format!("sha256:{}", "0f".repeat(32));
        for text in [
            "busybox",
            "busybox:1",
            "example/server",
            "ghcr.io/example/mcp-time:1.4",
            "localhost/server:a",
            "localhost:5000/server",
            "registry.internal:5000/a/b_c/d__e/f--g:V1_2.3-x",
            &format!("busybox@{digest}"),
            &format!("registry.internal:5000/busybox:1@{digest}"),
        ] {
            assert_eq!(reference(text).as_deref(), Ok(text));
        }
        for text in [
            "",
            ":1",
            "Busybox",
            "busybox:",
            "busybox:a b",
            "https://ghcr.io/a",
            "a//b",
            "a/",
            "/a",
            "a b",
            "a..b",
            "busybox@sha256:0f",
            "busybox@md5:00",
            "registry:0/a",
        ] {
            assert!(reference(text).is_err(), "{text}");
        }
    }
}
