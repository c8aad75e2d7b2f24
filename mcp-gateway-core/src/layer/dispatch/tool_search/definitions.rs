//! Definitions of the tools of the search.

use serde_json::json;

use super::super::lists::ListPage;
use super::arguments;
use super::functions::Functions;

/// Tool that finds tools.
pub(super) const SEARCH: &str = "search_tools";

/// Tool that calls tools.
pub(super) const RUN: &str = "run_tool";

/// Tool that runs scripts.
pub(super) const CODE: &str = "run_code";

/// Time and calls of a script, as models are told.
const SECONDS: u32 = 60;
const CALLS: u32 = 100;

/// Servers that a description names.
const MOST_SERVERS: usize = 50;

/// Returns the definitions, for a caller who would see the tools of `page`.
///
/// Models do not search for what they do not expect, so that the description names the servers.
pub(super) fn for_calls(page: &ListPage<'_>) -> Vec<String> {
    let search = search(&format!(
        "Finds tools for a task. Most tools are not listed: search before you conclude that something cannot \
         be done, then call a result with {RUN}. Servers, and how many tools each has: {}.",
        servers(page)
    ));
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
    vec![search, run.to_string()]
}

/// Returns the definitions for a caller whose scripts have `functions`.
pub(super) fn for_scripts(functions: &Functions) -> Vec<String> {
    let search = search(&format!(
        "Finds functions for a script, with their types. Search before you write code for {CODE}, or conclude \
         that something cannot be done. Namespaces, and how many functions each has: {}.",
        functions.summary(MOST_SERVERS)
    ));
    let run = json!({
        "name": CODE,
        "title": "Run code",
        "description": format!(
            "Runs the body of an async JavaScript function whose calls are tools: \
             `const found = await tools.files.find({{ name: 'a' }}); return found.length`. Find functions and their types with \
             {SEARCH} first; names are tools.NAMESPACE.FUNCTION, and a failed call throws. Only what you return or \
             console.log reaches you: filter, join and count in the code, and call in parallel with Promise.all. No network, \
             files, timers or imports; {SECONDS} seconds, {CALLS} calls."
        ),
        "inputSchema": {
            "type": "object",
            "properties": { "code": { "type": "string", "description": "JavaScript, not TypeScript" } },
            "required": ["code"],
            "additionalProperties": false,
        },
    });
    vec![search, run.to_string()]
}

/// Returns the definition of the search.
fn search(description: &str) -> String {
    let search = json!({
        "name": SEARCH,
        "title": "Search tools",
        "description": description,
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
    search.to_string()
}

/// Returns advice for a search without results.
pub(super) fn hint(page: &ListPage<'_>, functions: Option<&Functions>) -> String {
    let servers = match functions {
        Some(functions) => functions.summary(MOST_SERVERS),
        None => servers(page),
    };
    format!(
        "No tool matches. Use other words, or name what you want to act on. Servers, and how many tools each has: {servers}."
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
