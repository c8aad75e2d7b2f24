//! Definitions of the tools of the search.

use serde_json::json;

use super::super::lists::ListPage;
use super::arguments;

/// Tool that finds tools.
pub(super) const SEARCH: &str = "search_tools";

/// Tool that calls tools.
pub(super) const RUN: &str = "run_tool";

/// Servers that a description names.
const MOST_SERVERS: usize = 50;

/// Returns the definitions, for a caller who would see the tools of `page`.
///
/// Models do not search for what they do not expect, so that the description names the servers.
pub(super) fn all(page: &ListPage<'_>) -> Vec<String> {
    let search = json!({
        "name": SEARCH,
        "title": "Search tools",
        "description": format!(
            "Finds tools for a task. Most tools are not listed: search before you conclude that something cannot \
             be done, then call a result with {RUN}. Servers, and how many tools each has: {}.",
            servers(page)
        ),
        "inputSchema": {
            "type": "object",
            "properties": {
                "query": { "type": "string", "description": "What the tool should do, in words" },
                "limit": { "type": "integer", "minimum": 1, "maximum": arguments::MOST, "default": arguments::DEFAULT },
            },
            "required": ["query"],
            "additionalProperties": false,
        },
        "annotations": { "readOnlyHint": true, "openWorldHint": false },
    });
    let run = json!({
        "name": RUN,
        "title": "Run tool",
        "description": format!("Calls a tool that {SEARCH} has found. Wrong arguments return the schema of the tool."),
        "inputSchema": {
            "type": "object",
            "properties": {
                "tool_name": { "type": "string", "description": "Name of the tool, as found" },
                "tool_args": { "type": "object", "description": "Arguments of the tool", "default": {} },
            },
            "required": ["tool_name"],
            "additionalProperties": false,
        },
    });
    vec![search.to_string(), run.to_string()]
}

/// Returns advice for a search without results.
pub(super) fn hint(page: &ListPage<'_>) -> String {
    format!(
        "No tool matches. Use other words, or name what you want to act on. Servers, and how many tools each has: {}.",
        servers(page)
    )
}

fn servers(page: &ListPage<'_>) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for entry in &page.entries {
        match counts
            .iter_mut()
            .find(|(server, _)| *server == &**entry.server)
        {
            Some((_, count)) => *count += 1,
            None => counts.push((entry.server, 1)),
        }
    }
    let further = counts.len().saturating_sub(MOST_SERVERS);
    let mut names: Vec<_> = counts
        .iter()
        .take(MOST_SERVERS)
        .map(|(server, count)| format!("{server} ({count})"))
        .collect();
    if further > 0 {
        names.push(format!("{further} more"));
    }
    match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    }
}
