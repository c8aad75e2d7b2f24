//! Switches of tools in files of opencode.
//!
//! The maps `tools` and `permission` have patterns of the names that the model sees: the name of the
//! server, an underscore and the name of the tool. `*` stands for any characters.
//!
//! | Value | Effect |
//! |---|---|
//! | `false`, `deny` | hides the tools |
//! | any other | shows the tools, even if a pattern hides all of the server |

use std::sync::Arc;

use mcp_gateway_platform::spec::ToolFilter;

use crate::document::Field;

/// Switches of a file: patterns, and `true` if the tools are shown.
#[derive(Debug, Default)]
pub(super) struct Switches<'a>(Vec<(&'a str, bool)>);

impl<'a> Switches<'a> {
    /// Reads the switches of the file with `root`.
    pub(super) fn of(root: &Field<'a>) -> Self {
        let maps = ["tools", "permission"].map(|key| root.get(key));
        let maps = maps.into_iter().flatten().filter(Field::is_map);
        let entries = maps.filter_map(|map| map.entries()).flatten();
        let switches = entries.filter(|(_, value)| value.is_scalar());
        let switch = |(pattern, value): (&'a str, Field<'a>)| {
            let hides = matches!(value.text(), Some("false" | "deny"));
            (pattern, !hides)
        };
        Self(switches.map(switch).collect())
    }

    /// Adds the switches of the server `name` to `filter`.
    pub(super) fn select(&self, name: &str, filter: ToolFilter) -> ToolFilter {
        let prefix = format!("{name}_");
        let patterns = |shown: bool| -> Vec<Arc<str>> {
            let switches = self.0.iter().filter(|(_, on)| *on == shown);
            let rest = switches.filter_map(|(pattern, _)| rest(pattern, &prefix));
            rest.map(Arc::from).collect()
        };
        let (shown, mut hidden) = (patterns(true), patterns(false));
        let hides_all = |pattern: &Arc<str>| **pattern == *"*";
        match shown.is_empty() || !hidden.iter().any(hides_all) {
            true => filter.with_denied(hidden),
            false => {
                hidden.retain(|pattern| !hides_all(pattern));
                filter.with_allowed(shown).with_denied(hidden)
            }
        }
    }
}

/// Returns the part of `pattern` that concerns the names of tools after `prefix`.
///
/// Returns `None` if the pattern concerns other servers only.
fn rest<'p>(pattern: &'p str, prefix: &str) -> Option<&'p str> {
    let head = pattern.strip_suffix('*');
    match head.is_some_and(|head| prefix.starts_with(head)) {
        true => Some("*"),
        false => pattern.strip_prefix(prefix),
    }
}
