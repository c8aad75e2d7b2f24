//! Definitions of the tools: schemas and annotations.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::kind::Kind;
use super::table::{Action, Effect, TOOLS, Tool};
use crate::api::operation::{Operation, operation};

/// Returns the definitions of all tools.
pub(super) fn all() -> &'static [Value] {
    static ALL: LazyLock<Vec<Value>> = LazyLock::new(|| TOOLS.iter().map(definition).collect());
    &ALL
}

/// Returns the schema of the arguments of `tool`.
pub(super) fn input_of(tool: &Tool) -> &'static Value {
    let mut definitions = all().iter();
    let found = definitions.find(|definition| definition["name"] == tool.name);
    &found.unwrap_or(&Value::Null)["inputSchema"]
}

fn definition(tool: &Tool) -> Value {
    let (read, destructive, idempotent) = match tool.effect {
        Effect::Add | Effect::Request => (false, false, false),
        Effect::Read => (true, false, true),
        Effect::Repeat => (false, true, false),
        Effect::Replace => (false, true, true),
    };
    json!({
        "name": tool.name,
        "title": tool.title,
        "description": tool.description,
        "inputSchema": input(tool),
        "outputSchema": output(tool),
        "annotations": {
            "title": tool.title,
            "readOnlyHint": read,
            "destructiveHint": destructive,
            "idempotentHint": idempotent,
            "openWorldHint": false,
        },
    })
}

/// Returns the schema of the arguments.
fn input(tool: &Tool) -> Value {
    let (mut properties, mut required) = match tool.action {
        Action::Assign => assignment(),
        Action::DecideRequest => decision(),
        Action::Delete => changed(&Kind::names(|kind| kind.delete.is_some())),
        Action::Direct(id) => operation(id).map(of_operation).unwrap_or_default(),
        Action::Get => one_of(&Kind::names(|kind| kind.get.is_some())),
        Action::List => page(),
        Action::Log => log(),
        Action::Search => search(),
        Action::Unassign => {
            let (mut properties, required) = assignment();
            properties.remove("tools");
            properties.remove("connection");
            (properties, required)
        }
        Action::Update => {
            let kinds = Kind::names(|kind| kind.change.is_some());
            let (mut properties, mut required) = changed(&kinds);
            let text = "JSON merge patch of the entry, such as {\"title\": \"Support\"}";
            properties.insert(
                "changes".to_owned(),
                json!({ "type": "object", "description": text }),
            );
            required.push("changes".to_owned());
            (properties, required)
        }
    };
    if tool.effect != Effect::Read {
        properties.insert("confirm".to_owned(), text(CONFIRM));
    }
    required.sort_unstable();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// Properties and required ones.
type Members = (Map<String, Value>, Vec<String>);

/// Returns the parameters and the body of an operation.
fn of_operation(operation: &Operation) -> Members {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for parameter in ["path", "query"]
        .into_iter()
        .flat_map(|place| operation.parameters(place))
    {
        properties.insert(parameter.name.to_owned(), parameter.schema());
        if parameter.is_required {
            required.push(parameter.name.to_owned());
        }
    }
    let body = operation.body().unwrap_or_default();
    for (name, schema) in body["properties"].as_object().into_iter().flatten() {
        properties.insert(name.clone(), schema.clone());
    }
    let names = body["required"].as_array().into_iter().flatten();
    required.extend(names.filter_map(Value::as_str).map(str::to_owned));
    (properties, required)
}

/// Returns the members that name an object of one of `kinds`.
fn one_of(kinds: &[&'static str]) -> Members {
    let id = "Identifier of the object, or the name of a server, gateway, rule or entry";
    members(
        [
            ("kind", choice("Kind of the object", kinds)),
            ("id", text(id)),
        ],
        &["kind", "id"],
    )
}

/// Returns the members that name an object to change.
fn changed(kinds: &[&'static str]) -> Members {
    let (mut properties, required) = one_of(kinds);
    properties.insert("version".to_owned(), text(VERSION));
    (properties, required)
}

fn page() -> Members {
    let filter = "Filter of the kind: entry has search and status; approval has status (such as \
                  pending), caller, gateway, server and tool; usage has quota";
    let filter = json!({
        "type": "object",
        "additionalProperties": { "type": "string" },
        "description": filter,
    });
    members(
        [
            (
                "kind",
                choice("Kind of the objects", &Kind::names(|_| true)),
            ),
            ("filter", filter),
            (
                "limit",
                number("Maximum number of objects; 50 by default", 500),
            ),
            ("after", text("Cursor: next of the page before")),
        ],
        &["kind"],
    )
}

fn search() -> Members {
    let kinds = json!({
        "type": "array",
        "items": choice("Kind", &Kind::names(|_| true)),
        "description": "Kinds to search; all without it",
    });
    members(
        [
            ("query", text("Text to find, without regard to case")),
            ("kinds", kinds),
            (
                "limit",
                number("Maximum number of results; 20 by default", 100),
            ),
        ],
        &["query"],
    )
}

fn assignment() -> Members {
    let tools = json!({
        "type": "array",
        "items": { "type": "string" },
        "description": "Tools, by the names that the server uses; all features without it",
    });
    let connection = "caller (default), enterprise, organization or team/NAME: the account with which \
                      the server is called";
    members(
        [
            ("gateway", text("Name or id of the gateway")),
            ("server", text("Name of the server")),
            ("tools", tools),
            ("connection", text(connection)),
            ("version", text(VERSION)),
        ],
        &["gateway", "server"],
    )
}

fn decision() -> Members {
    let values = json!({
        "type": "object",
        "additionalProperties": { "type": "string" },
        "description": "Values of the inputs of the entry, to approve",
    });
    members(
        [
            ("id", text("Identifier of the request")),
            ("decision", choice("Decision", &["approve", "deny"])),
            (
                "server",
                text("Name of the new server; required to approve"),
            ),
            ("values", values),
            ("message", text("Message for the requester")),
        ],
        &["id", "decision"],
    )
}

fn log() -> Members {
    let previous = json!({
        "type": "boolean",
        "description": "Set for the container before the last restart",
    });
    members(
        [
            ("server", text("Name of the server")),
            ("tail", number("Number of lines; 100 by default", 1000)),
            ("previous", previous),
        ],
        &["server"],
    )
}

/// Returns the schema of the structured content.
fn output(tool: &Tool) -> Value {
    let next = json!({
        "type": ["string", "null"],
        "description": "Cursor of the next page; null at the end",
    });
    let list = json!({ "items": { "type": "array", "items": { "type": "object" } }, "next": next });
    let version = json!({
        "type": ["string", "null"],
        "description": "Version of the object, for version of a change",
    });
    let object = json!({
        "object": { "type": "object" },
        "version": version,
        "done": { "type": "boolean", "description": "Set if there is no object to return" },
    });
    let (properties, required) = match tool.action {
        Action::List | Action::Direct("listAuditRecords") => (list, vec!["items", "next"]),
        Action::Search => (list, vec!["items"]),
        Action::Log => (json!({ "text": { "type": "string" } }), vec!["text"]),
        _ => (object, Vec::new()),
    };
    json!({ "type": "object", "properties": properties, "required": required })
}

fn members<const N: usize>(
    properties: [(&'static str, Value); N],
    required: &[&'static str],
) -> Members {
    let properties = properties.into_iter();
    let properties = properties.map(|(name, schema)| (name.to_owned(), schema));
    let required = required.iter().map(|name| (*name).to_owned());
    (properties.collect(), required.collect())
}

fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

fn number(description: &str, maximum: u32) -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": maximum, "description": description })
}

fn choice(description: &str, values: &[&'static str]) -> Value {
    json!({ "type": "string", "enum": values, "description": description })
}

/// Description of the confirmation.
const CONFIRM: &str = "Leave it out first. If the answer asks for a confirmation, ask the user, and \
                       call again with the code from there and the same other arguments";

/// Description of the version.
const VERSION: &str = "Version of the object from get_object; the call fails if it has been changed \
                       since";

#[cfg(test)]
mod tests {
    use mcp_gateway_core::catalog::{ListKind, Listing};

    use super::*;

    #[test]
    fn definitions_suit_the_interfaces_of_models() {
        let tools = json!({ "tools": all() }).to_string();
        let listing = Listing::from_result("platform", ListKind::Tools, &tools.into()).unwrap();
        assert_eq!(listing.entries().len(), TOOLS.len());
        for tool in all() {
            let name = tool["name"].as_str().unwrap();
            assert!(name.len() <= 40, "{name}");
            assert!(tool["description"].as_str().unwrap().len() <= 500, "{name}");
            let input = &tool["inputSchema"];
            assert_eq!(input["type"], "object", "{name}");
            let size = tool.to_string().len();
            assert!(size <= 6 * 1024, "{name} has {size} bytes");
            for required in input["required"].as_array().unwrap() {
                let property = &input["properties"][required.as_str().unwrap()];
                assert!(!property.is_null(), "{name}: {required}");
            }
        }
        let total: usize = all().iter().map(|tool| tool.to_string().len()).sum();
        assert!(total <= 48 * 1024, "{total}");
    }

    #[test]
    fn operations_of_tools_exist() {
        for tool in TOOLS {
            if let Action::Direct(id) = tool.action {
                assert!(operation(id).is_some(), "{id}");
            }
        }
    }
}
