//! Lists of tools that a client shows or hides.
//!
//! | Keys | Clients | Meaning |
//! |---|---|---|
//! | `enabled_tools`, `disabled_tools` | Codex, Crush | shown; hidden |
//! | `includeTools`, `excludeTools` | Gemini CLI, Qwen Code | shown, up to a `(`; hidden |
//! | `available_tools` | Goose | shown; all if the list is empty |
//! | `tools` | Copilot | shown |
//! | `tools` | Zed and others | map of names to switches |
//! | `allowedTools`, `blockedTools`, `disabledTools` | others | shown; hidden |
//! | `toolFilter` | others | list of shown tools, or map with the keys above |
//!
//! `*` stands for all tools. A hidden tool is hidden even if another list contains it.

use std::sync::Arc;

use mcp_gateway_platform::spec::ToolFilter;

use crate::document::{Field, Table};

/// Meaning of a key.
#[derive(Clone, Copy)]
enum Meaning {
    /// List of shown tools.
    Shown,
    /// List of shown tools; all if it is empty.
    ShownOrAll,
    /// List of hidden tools.
    Hidden,
}

/// Reads the filter of an entry. A value of an unknown form causes a warning.
pub(super) fn read(table: &mut Table<'_>) -> ToolFilter {
    let mut filter = ToolFilter::default();
    for (key, meaning) in KEYS {
        let Some(field) = table.field(key) else {
            continue;
        };
        filter = match field.is_list() {
            true => listed(filter, &field, meaning),
            false => mapped(filter, &field),
        };
    }
    filter
}

/// Adds a list of tools to `filter`.
fn listed(filter: ToolFilter, field: &Field<'_>, meaning: Meaning) -> ToolFilter {
    let items = field.items().unwrap_or_default();
    let name = |field: &Field<'_>| {
        let text = field.text()?;
        // Gemini CLI permits arguments after the name.
        let name = text.split('(').next().unwrap_or(text);
        Some(Arc::from(name.trim()))
    };
    let names: Vec<Arc<str>> = items.iter().filter_map(name).collect();
    match meaning {
        Meaning::ShownOrAll if names.is_empty() => filter,
        Meaning::Shown | Meaning::ShownOrAll => filter.with_allowed(names),
        Meaning::Hidden => filter.with_denied(names),
    }
}

/// Adds a map to `filter`: of the names of tools to switches, or of the keys of lists.
fn mapped(mut filter: ToolFilter, field: &Field<'_>) -> ToolFilter {
    if !field.is_map() {
        field.warning("expected a list of tools; all tools of the server are served");
        return filter;
    }
    for (name, value) in field.entries().unwrap_or_default() {
        let lists = KEYS.iter().chain(&NESTED_KEYS);
        let list = lists.clone().find(|(key, _)| *key == name);
        match list {
            Some((_, meaning)) if value.is_list() => filter = listed(filter, &value, *meaning),
            _ if is_off(&value) => filter = filter.with_denied([Arc::from(name)]),
            _ => {}
        }
    }
    filter
}

/// Returns `true` if the switch of a tool is off.
fn is_off(value: &Field<'_>) -> bool {
    match value.is_map() {
        true => value.peek("enabled") == Some("false") || value.peek("disabled") == Some("true"),
        false => value.is_scalar() && value.text() == Some("false"),
    }
}

/// Keys of entries.
const KEYS: [(&str, Meaning); 10] = [
    ("allowedTools", Meaning::Shown),
    ("available_tools", Meaning::ShownOrAll),
    ("blockedTools", Meaning::Hidden),
    ("disabledTools", Meaning::Hidden),
    ("disabled_tools", Meaning::Hidden),
    ("enabled_tools", Meaning::Shown),
    ("excludeTools", Meaning::Hidden),
    ("includeTools", Meaning::Shown),
    ("toolFilter", Meaning::Shown),
    ("tools", Meaning::Shown),
];

/// Further keys of a map of lists.
const NESTED_KEYS: [(&str, Meaning); 8] = [
    ("allow", Meaning::Shown),
    ("allowed", Meaning::Shown),
    ("allowedToolNames", Meaning::Shown),
    ("include", Meaning::Shown),
    ("block", Meaning::Hidden),
    ("blockedToolNames", Meaning::Hidden),
    ("deny", Meaning::Hidden),
    ("exclude", Meaning::Hidden),
];
