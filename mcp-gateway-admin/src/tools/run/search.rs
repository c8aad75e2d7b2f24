//! Search in objects of all kinds.

use serde_json::{Value, json};

use super::{Acting, Answer, Arguments, Step, request};
use crate::api::operation::operation;
use crate::tools::kind::{KINDS, Kind};

/// Finds objects by a text. Kinds that the caller must not list are left out.
pub(super) async fn search(acting: &Acting<'_>, arguments: &Arguments) -> Step<Answer> {
    let query = arguments.text("query").to_lowercase();
    if query.is_empty() {
        return Err(Answer::error(
            "search_objects: query: expected a text. Use list_objects to see all objects of a kind.",
        ));
    }
    let wanted = arguments.0.get("kinds").and_then(Value::as_array);
    let is_wanted =
        |kind: &&Kind| wanted.is_none_or(|wanted| wanted.iter().any(|name| name == kind.name));
    let limit = arguments.0.get("limit").and_then(Value::as_u64);
    let limit = usize::try_from(limit.unwrap_or(DEFAULT_LIMIT)).unwrap_or_default();
    let mut found = Vec::new();
    let mut denied = Vec::new();
    for kind in KINDS.iter().filter(is_wanted) {
        if !matching(acting, kind, (&query, &mut found)).await? {
            denied.push(kind.name);
        }
        if found.len() >= limit {
            break;
        }
    }
    found.truncate(limit);
    let nothing_permitted = wanted.is_some_and(|wanted| wanted.len() == denied.len());
    match nothing_permitted && !denied.is_empty() {
        true => Err(Answer::error(format!(
            "search_objects: kinds: the user may not list {} (status 403), or they do not exist at \
             this gateway. whoami tells what the role permits.",
            denied.join(", ")
        ))),
        false => Ok(Answer::Content(json!({ "items": found }))),
    }
}

/// Adds the objects of `kind` that match; returns `false` if the caller must not list them.
async fn matching(
    acting: &Acting<'_>,
    kind: &Kind,
    (query, found): (&str, &mut Vec<Value>),
) -> Step<bool> {
    let mut after: Option<String> = None;
    let has_search = operation(kind.list)
        .is_some_and(|operation| operation.parameters("query").any(|it| it.name == "search"));
    for _ in 0..MAX_PAGES {
        let mut request = request(kind.list, Arguments(serde_json::Map::new()))?;
        request = request.with_query("limit", PAGE.to_string());
        if has_search {
            request = request.with_query("search", query);
        }
        if let Some(after) = after.take() {
            request = request.with_query("after", after);
        }
        let response = request.send(acting).await;
        if !response.is_success() {
            return Ok(false);
        }
        let items = response.body["items"].as_array();
        let matching = items.into_iter().flatten().filter(|item| {
            let mut texts = TEXTS.iter().filter_map(|key| item[*key].as_str());
            texts.any(|text| text.to_lowercase().contains(query))
        });
        found.extend(matching.map(|item| hit(kind, item)));
        match response.body["next"].as_str() {
            Some(next) if found.len() < MAX_FOUND => after = Some(next.to_owned()),
            _ => break,
        }
    }
    Ok(true)
}

/// Returns a result: kind, identifier and texts of an object.
fn hit(kind: &Kind, item: &Value) -> Value {
    let texts = |keys: &[&str]| keys.iter().find_map(|key| item[*key].as_str());
    json!({
        "kind": kind.name,
        "id": texts(&["id", "name", "server"]),
        "name": texts(&["name", "entry", "tool", "server"]),
        "description": texts(&["description", "title", "reason"]),
    })
}

/// Members that are searched.
const TEXTS: [&str; 14] = [
    "id",
    "name",
    "title",
    "description",
    "username",
    "email",
    "entry",
    "server",
    "owner",
    "tool",
    "caller",
    "subject",
    "reason",
    "quota",
];

/// Default number of results.
const DEFAULT_LIMIT: u64 = 20;

/// Number of objects of a page.
const PAGE: usize = 500;

/// Maximum number of pages of each kind: 2,000 objects.
const MAX_PAGES: usize = 4;

/// Number of results after which no further page is read.
const MAX_FOUND: usize = 100;
