//! Suggestions for misspelled names.

/// Returns the name in `known` that is most similar to `name`.
///
/// At most a third of the characters may differ; case is ignored.
pub(crate) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let name = name.to_lowercase();
    known
        .iter()
        .map(|known| {
            (
                strsim::damerau_levenshtein(&name, &known.to_lowercase()),
                *known,
            )
        })
        .filter(|(distance, known)| *distance <= known.len().max(name.len()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// Formats a hint for an unknown name: the most similar one, and all of `known`.
///
/// # Example
///
/// ```
/// use mcp_gateway_config::document::suggestion;
///
/// let known = ["text", "json"];
/// assert_eq!(suggestion("jsn", &known), "did you mean \"json\"? Available: text, json");
/// assert_eq!(suggestion("xml", &known), "available: text, json");
/// ```
#[must_use]
pub fn suggestion(name: &str, known: &[&str]) -> String {
    let all = || known.join(", ");
    match nearest(name, known) {
        Some(near) if known.len() == 1 => format!("did you mean {near:?}?"),
        Some(near) => format!("did you mean {near:?}? Available: {}", all()),
        None if known.is_empty() => "none available".to_owned(),
        None => format!("available: {}", all()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested() {
        let known = ["servers", "gateways", "listen", "publicUrl"];
        let table = [
            ("server", Some("servers")),
            ("publicURL", Some("publicUrl")),
            ("public_url", Some("publicUrl")),
            ("gatewya", Some("gateways")),
            ("listne", Some("listen")),
            ("x", None),
            ("", None),
            ("something", None),
        ];
        for (name, expected) in table {
            assert_eq!(nearest(name, &known), expected, "{name}");
        }
    }

    #[test]
    fn all_names_are_listed() {
        assert_eq!(suggestion("b", &[]), "none available");
        assert_eq!(suggestion("bb", &["x", "y"]), "available: x, y");
        assert_eq!(
            suggestion("tokne", &["token", "file"]),
            "did you mean \"token\"? Available: token, file"
        );
    }
}
