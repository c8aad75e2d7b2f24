//! Names of imported servers.

use std::collections::HashSet;
use std::sync::Arc;

use mcp_gateway_core::route::PrefixRouter;

use crate::document::Field;
use crate::file::is_name_char;

/// Names of the servers so far.
#[derive(Debug, Default)]
pub(super) struct NameRegistry(HashSet<Arc<str>>);

impl NameRegistry {
    /// Assigns a unique valid name that is similar to `wanted`; warns if it differs.
    pub(super) fn assign(&mut self, wanted: &str, field: &Field<'_>) -> Arc<str> {
        let base = sanitized(wanted);
        let numbered = (2..).map(|number| format!("{base}-{number}"));
        let mut candidates = std::iter::once(base.clone()).chain(numbered);
        let free = candidates.find(|name| !self.0.contains(&**name));
        let name: Arc<str> = free.unwrap_or(base).into();
        if *name != *wanted {
            field.warning(format!(
                "server renamed to {name:?}, because its name is a prefix of tool names"
            ));
        }
        self.0.insert(Arc::clone(&name));
        name
    }
}

/// Removes the characters of `name` that tool names must not contain.
fn sanitized(name: &str) -> String {
    let mut sanitized = String::new();
    for c in name.chars() {
        let c = if is_name_char(c) { c } else { '-' };
        // Consecutive separators could be mistaken for the end of the prefix.
        if matches!(c, '-' | '_') && sanitized.ends_with(['-', '_']) {
            continue;
        }
        sanitized.push(c);
    }
    let separators = ['-', '_'];
    let name = sanitized.trim_matches(separators);
    // Leaves room for a number.
    let short = name.get(..MAX_NAME).unwrap_or(name);
    match short.trim_end_matches(separators) {
        "" => "server".to_owned(),
        name => name.to_owned(),
    }
}

/// Maximum length of a sanitized name, with room for a number.
const MAX_NAME: usize = PrefixRouter::MAX_PREFIX - 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_stay_as_they_are_where_they_can() {
        let table = [
            ("github", "github"),
            ("brave-search_2.0", "brave-search_2.0"),
            ("My Server", "My-Server"),
            ("@org/server", "org-server"),
            ("a__b", "a_b"),
            ("_a_", "a"),
            ("ä", "server"),
            ("", "server"),
        ];
        for (name, expected) in table {
            assert_eq!(sanitized(name), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn every_name_becomes_a_prefix(name in ".{0,50}|[a_-]{0,50}") {
            let name = sanitized(&name);
            let router = PrefixRouter::new([(name.clone(), format!("{name}-99"))]);
            prop_assert!(router.is_ok(), "{}", name);
        }
    }
}
