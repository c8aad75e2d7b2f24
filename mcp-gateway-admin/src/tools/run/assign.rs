//! Assignments of servers to gateways.

use serde_json::{Map, Value, json};

use super::{Acting, Answer, Arguments, Step, fetched, named, request, sent, version};
use crate::tools::kind::Kind;
use crate::tools::request::ApiResponse;
use crate::tools::table::Tool;

/// Assigns a server to a gateway, in place of an earlier assignment.
pub(super) async fn assign(
    acting: &Acting<'_>,
    tool: &Tool,
    mut arguments: Arguments,
) -> Step<Answer> {
    let gateway = gateway(acting, tool, &arguments).await?;
    let server = Value::from(arguments.text("server"));
    let mut assignment = Map::new();
    for key in ["tools", "connection"] {
        if let Some(value) = arguments.take(key) {
            assignment.insert(key.to_owned(), value);
        }
    }
    let entry = without(&gateway.body["entry"], &server);
    let entry = match assignment.is_empty() {
        true => with(entry, "servers", server),
        false => {
            assignment.insert("server".to_owned(), server);
            with(entry, "assignments", Value::Object(assignment))
        }
    };
    replace(acting, tool, (&arguments, entry, gateway.version)).await
}

/// Takes a server from a gateway.
pub(super) async fn unassign(
    acting: &Acting<'_>,
    tool: &Tool,
    arguments: Arguments,
) -> Step<Answer> {
    let gateway = gateway(acting, tool, &arguments).await?;
    let server = Value::from(arguments.text("server"));
    let before = &gateway.body["entry"];
    let mut entry = without(before, &server);
    if entry == *before {
        return Err(Answer::error(format!(
            "{}: server: the gateway does not have it. Its servers are {}.",
            tool.name, gateway.body["servers"]
        )));
    }
    if entry.get("servers").is_none() && entry.get("assignments").is_none() {
        // Without both, it would have all servers.
        entry["servers"] = json!([]);
    }
    replace(acting, tool, (&arguments, entry, gateway.version)).await
}

/// Returns the gateway, whose servers can be assigned one by one.
async fn gateway(acting: &Acting<'_>, tool: &Tool, arguments: &Arguments) -> Step<ApiResponse> {
    let kind = Kind::find("gateway").ok_or_else(|| super::wrong_kind(tool, "gateway"))?;
    let gateway = fetched(acting, tool, (kind, arguments.text("gateway"))).await?;
    let problem = if gateway.body["source"] != "store" {
        "the gateway is defined in the configuration file or by an object of the cluster, and can be \
         changed only there. Tell the user, or create another gateway with create_gateway"
    } else if gateway.body["allServers"] == true {
        "the gateway has all servers. To restrict it, use update_object with a complete list of servers \
         or assignments"
    } else {
        return Ok(gateway);
    };
    let text = format!("{}: gateway: {problem}. Nothing was changed.", tool.name);
    Err(Answer::error(text))
}

/// Replaces the entry of the gateway.
async fn replace(
    acting: &Acting<'_>,
    tool: &Tool,
    (arguments, entry, current): (&Arguments, Value, Option<String>),
) -> Step<Answer> {
    let id = "replaceGateway";
    let request = request(id, named(id, arguments.text("gateway")))?;
    let request = request
        .with_body(entry)
        .with_version(version(arguments).or(current));
    Ok(Answer::object(sent(acting, tool, (request, "")).await?))
}

/// Returns `entry` without `server`; a list that becomes empty is removed.
fn without(entry: &Value, server: &Value) -> Value {
    let mut entry = entry.clone();
    let Some(members) = entry.as_object_mut() else {
        return entry;
    };
    for (key, is_it) in [
        (
            "servers",
            (|item, server| item == server) as fn(&Value, &Value) -> bool,
        ),
        ("assignments", |item, server| item["server"] == *server),
    ] {
        if let Some(items) = members.get_mut(key).and_then(Value::as_array_mut) {
            items.retain(|item| !is_it(item, server));
            if items.is_empty() {
                members.remove(key);
            }
        }
    }
    entry
}

/// Returns `entry` with `item` at the end of the list `key`.
fn with(mut entry: Value, key: &str, item: Value) -> Value {
    match entry.get_mut(key).and_then(Value::as_array_mut) {
        Some(items) => items.push(item),
        None => entry[key] = json!([item]),
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_takes_the_place_of_an_earlier_one() {
        let entry = json!({
            "name": "a",
            "servers": ["notes", "time"],
            "assignments": [{ "server": "wiki", "tools": ["read"] }],
        });
        let changed = with(
            without(&entry, &"notes".into()),
            "assignments",
            json!({ "server": "notes", "tools": ["search"] }),
        );
        let expected = json!({
            "name": "a",
            "servers": ["time"],
            "assignments": [
                { "server": "wiki", "tools": ["read"] },
                { "server": "notes", "tools": ["search"] },
            ],
        });
        assert_eq!(changed, expected);
        let emptied = without(&changed, &"time".into());
        assert!(emptied.get("servers").is_none());
        assert_eq!(without(&emptied, &"nothing".into()), emptied);
    }
}
