//! Requests of each tool.

mod assign;
mod search;

use mcp_gateway_core::auth::Principal;
use serde_json::{Map, Value};

use super::answer::Answer;
use super::arguments::{Arguments, scalar};
use super::kind::{Change, Kind};
use super::request::{ApiRequest, ApiResponse};
use super::table::{Action, Tool};
use crate::LocalApi;
use crate::api::operation::operation;

/// The API, and the principal on whose behalf a tool acts.
#[derive(Debug)]
pub(super) struct Acting<'a> {
    pub(super) api: &'a LocalApi,
    pub(super) principal: Principal,
}

/// Step of a tool: its value, or the answer that ends it.
type Step<T> = Result<T, Answer>;

/// Sends the requests of `tool`.
pub(super) async fn run(acting: &Acting<'_>, tool: &Tool, arguments: Arguments) -> Answer {
    let ran = match tool.action {
        Action::Assign => assign::assign(acting, tool, arguments).await,
        Action::DecideRequest => decide_request(acting, tool, arguments).await,
        Action::Delete => delete(acting, tool, &arguments).await,
        Action::Direct(id) => direct(acting, tool, (id, arguments)).await,
        Action::Get => get(acting, tool, &arguments).await,
        Action::List => list(acting, tool, arguments).await,
        Action::Log => log(acting, tool, &arguments).await,
        Action::Search => search::search(acting, &arguments).await,
        Action::Unassign => assign::unassign(acting, tool, arguments).await,
        Action::Update => update(acting, tool, arguments).await,
    };
    ran.unwrap_or_else(|answer| answer)
}

/// Sends the request of the operation `id` with all arguments.
async fn direct(
    acting: &Acting<'_>,
    tool: &Tool,
    (id, arguments): (&'static str, Arguments),
) -> Step<Answer> {
    let mut request = request(id, arguments)?;
    if id == "replaceRuleOrder" {
        // It has each rule once, so that no rule of somebody else can get lost.
        request = request.with_version(Some("*".to_owned()));
    }
    let response = sent(acting, tool, (request, "")).await?;
    Ok(match id {
        "listAuditRecords" => Answer::Content(response.body),
        _ => Answer::object(response),
    })
}

async fn get(acting: &Acting<'_>, tool: &Tool, arguments: &Arguments) -> Step<Answer> {
    let kind = kind(tool, arguments)?;
    let response = fetched(acting, tool, (kind, arguments.text("id"))).await?;
    Ok(Answer::object(response))
}

async fn list(acting: &Acting<'_>, tool: &Tool, mut arguments: Arguments) -> Step<Answer> {
    let kind = kind(tool, &arguments)?;
    arguments.take("kind");
    let filter = arguments.take("filter");
    let mut request = request(kind.list, arguments)?;
    for (name, value) in filter
        .as_ref()
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        if !name.chars().all(|c| c.is_ascii_alphanumeric()) {
            let text = format!("{}: filter.{name:?}: there is no such filter.", tool.name);
            return Err(Answer::error(text));
        }
        request = request.with_query(name, scalar(value));
    }
    let response = sent(acting, tool, (request, "filter")).await?;
    Ok(Answer::Content(response.body))
}

async fn delete(acting: &Acting<'_>, tool: &Tool, arguments: &Arguments) -> Step<Answer> {
    let kind = kind(tool, arguments)?;
    let id = kind.delete.ok_or_else(|| wrong_kind(tool, kind.name))?;
    let request = request(id, named(id, arguments.text("id")))?;
    let request = request.with_version(version(arguments));
    let response = sent(acting, tool, (request, "")).await?;
    Ok(Answer::object(response))
}

/// Changes an object by a merge patch.
async fn update(acting: &Acting<'_>, tool: &Tool, mut arguments: Arguments) -> Step<Answer> {
    let kind = kind(tool, &arguments)?;
    let Some(changes) = arguments.take("changes").filter(Value::is_object) else {
        let text = format!("{}: changes: expected an object.", tool.name);
        return Err(Answer::error(text));
    };
    let name = arguments.text("id");
    let expected = version(&arguments);
    let (id, body, expected) = match kind.change {
        None => return Err(wrong_kind(tool, kind.name)),
        Some(Change::Patch(id)) => (id, changes, expected),
        Some(Change::Replace(id)) => {
            let before = fetched(acting, tool, (kind, name)).await?;
            let mut entry = before.body["entry"].clone();
            merge(&mut entry, changes);
            // Without a version, the object is read-only, and the API says so.
            let current = before.version.or_else(|| Some("*".to_owned()));
            (id, entry, expected.or(current))
        }
    };
    let request = request(id, named(id, name))?;
    let request = request.with_body(body).with_version(expected);
    let response = sent(acting, tool, (request, "changes")).await?;
    Ok(Answer::object(response))
}

async fn decide_request(
    acting: &Acting<'_>,
    tool: &Tool,
    mut arguments: Arguments,
) -> Step<Answer> {
    let decision = arguments.take("decision");
    let id = match decision.as_ref().and_then(Value::as_str) {
        Some("approve") => "approveRequest",
        Some("deny") => {
            arguments.take("server");
            arguments.take("values");
            "denyRequest"
        }
        _ => {
            let text = format!("{}: decision: expected approve or deny.", tool.name);
            return Err(Answer::error(text));
        }
    };
    let response = sent(acting, tool, (request(id, arguments)?, "")).await?;
    Ok(Answer::object(response))
}

/// Returns the end of a log, which never follows.
async fn log(acting: &Acting<'_>, tool: &Tool, arguments: &Arguments) -> Step<Answer> {
    let id = "getServerLog";
    let tail = arguments
        .0
        .get("tail")
        .map_or_else(|| "100".to_owned(), scalar);
    let mut request = request(id, named(id, arguments.text("server")))?.with_query("tail", tail);
    if let Some(previous) = arguments.0.get("previous") {
        request = request.with_query("previous", scalar(previous));
    }
    let response = sent(acting, tool, (request, "")).await?;
    let text = match response.body {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let mut start = text.len().saturating_sub(MAX_LOG);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    Ok(Answer::Text(text[start..].to_owned()))
}

/// Returns the kind that the arguments name.
fn kind(tool: &Tool, arguments: &Arguments) -> Step<&'static Kind> {
    let name = arguments.text("kind");
    Kind::find(name).ok_or_else(|| wrong_kind(tool, name))
}

fn wrong_kind(tool: &Tool, name: &str) -> Answer {
    let schema = super::definition::input_of(tool);
    let kinds = &schema["properties"]["kind"]["enum"];
    Answer::error(format!(
        "{}: kind: {name:?} is not possible here. Correct it to one of {kinds}, and call again.",
        tool.name
    ))
}

/// Returns the object `name` of a kind.
async fn fetched(
    acting: &Acting<'_>,
    tool: &Tool,
    (kind, name): (&'static Kind, &str),
) -> Step<ApiResponse> {
    let id = kind.get.ok_or_else(|| wrong_kind(tool, kind.name))?;
    sent(acting, tool, (request(id, named(id, name))?, "")).await
}

/// Returns the arguments that name the object `name` for the operation `id`.
fn named(id: &str, name: &str) -> Arguments {
    let mut members = Map::new();
    let parameters = operation(id)
        .into_iter()
        .flat_map(|it| it.parameters("path"));
    members.extend(parameters.map(|it| (it.name.to_owned(), name.into())));
    Arguments(members)
}

/// Returns the request of the operation `id`.
fn request(id: &str, arguments: Arguments) -> Step<ApiRequest> {
    let operation = operation(id).ok_or_else(|| Answer::error("The tool is not available."))?;
    Ok(ApiRequest::of(operation, arguments))
}

/// Sends `request`; fields in errors begin with `below`.
async fn sent(
    acting: &Acting<'_>,
    tool: &Tool,
    (request, below): (ApiRequest, &str),
) -> Step<ApiResponse> {
    let response = request.send(acting).await;
    match response.is_success() {
        true => Ok(response),
        false => Err(Answer::rejection(&response, tool.name, below)),
    }
}

fn version(arguments: &Arguments) -> Option<String> {
    let version = arguments
        .0
        .get("version")
        .filter(|version| !version.is_null());
    version.map(scalar)
}

/// Applies a merge patch (RFC 7396).
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(changes) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    if let Some(members) = target.as_object_mut() {
        for (key, change) in changes {
            match change {
                Value::Null => {
                    members.remove(&key);
                }
                change => merge(members.entry(key).or_insert(Value::Null), change),
            }
        }
    }
}

/// Maximum size of a log in bytes.
const MAX_LOG: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn merge_patches_are_applied() {
        // Examples of RFC 7396, appendix A.
        for (mut target, patch, expected) in [
            (
                json!({ "a": "b" }),
                json!({ "a": "c" }),
                json!({ "a": "c" }),
            ),
            (
                json!({ "a": "b" }),
                json!({ "b": "c" }),
                json!({ "a": "b", "b": "c" }),
            ),
            (json!({ "a": "b" }), json!({ "a": null }), json!({})),
            (
                json!({ "a": ["b"] }),
                json!({ "a": "c" }),
                json!({ "a": "c" }),
            ),
            (
                json!({ "a": { "b": "c" } }),
                json!({ "a": { "b": "d", "c": null } }),
                json!({ "a": { "b": "d" } }),
            ),
            (
                json!({ "e": null }),
                json!({ "a": 1 }),
                json!({ "e": null, "a": 1 }),
            ),
            (
                json!({}),
                json!({ "a": { "bb": { "ccc": null } } }),
                json!({ "a": { "bb": {} } }),
            ),
        ] {
            merge(&mut target, patch);
            assert_eq!(target, expected);
        }
    }
}
