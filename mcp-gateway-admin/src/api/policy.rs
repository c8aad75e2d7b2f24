//! `/policy`.
//!
//! Rules are for administrators of the organization alone: a rule restricts whoever it names, and one
//! of a team in front of those of the organization would lift them.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;

use super::access::Admin;
use super::extract::{Body, Filter, Id};
use super::label::check_name;
use super::page::{Page, PageQuery};
use super::problem::{ApiError, Problem};
use super::rule_entry::{RuleEntry, check_texts, record};
use super::version::{Expected, created, expected, versioned};
use super::{AdminApi, BASE};
use crate::policy::{PolicyCall, PolicyExplanation, RuleDocument, RuleOrder};

/// Place of a new rule.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct PlaceQuery {
    /// Rule of the store before which it is added; it is the last one if absent.
    before: Option<String>,
}

/// Returns the rules in their order: those of the file, then those of the store.
#[utoipa::path(
    get, path = "/policy/rules", tag = "policy", operation_id = "listRules", params(PageQuery),
    responses((status = 200, body = Page<RuleDocument>), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn list(
    State(api): State<AdminApi>,
    _: Admin,
    Filter(page): Filter<PageQuery>,
) -> Result<Json<Page<RuleDocument>>, ApiError> {
    let (limit, after) = (page.limit()?, page.after()?);
    let mut found = api.policy()?.rules();
    if let Some(after) = after {
        let place = found.iter().position(|rule| rule.name == after);
        let place = place.ok_or_else(|| ApiError::BadRequest("after: no such rule".to_owned()))?;
        found.drain(..=place);
    }
    Ok(Json(Page::of(found, limit, |rule| &rule.name)))
}

/// Adds a rule, which is in force when this returns.
#[utoipa::path(
    post, path = "/policy/rules", tag = "policy", operation_id = "createRule", params(PlaceQuery), request_body = RuleEntry,
    responses((status = 201, body = RuleDocument), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn create(
    State(api): State<AdminApi>,
    admin: Admin,
    Filter(place): Filter<PlaceQuery>,
    Body(entry): Body<Value>,
) -> Result<Response, ApiError> {
    check_texts(&entry)?;
    check_name("name", entry["name"].as_str().unwrap_or_default())?;
    let record = record(&api, &admin, ("rule.create", "rule"), (None, Some(&entry)));
    let added = api
        .policy()?
        .create_rule(entry, place.before.as_deref(), &record);
    let (rule, version) = added.await?;
    let segment = utf8_percent_encode(&rule.name, NON_ALPHANUMERIC);
    let location = format!("{BASE}/policy/rules/{segment}");
    Ok(created(location, rule, version))
}

/// Returns a rule. `ETag` is the version of its entry in the store.
#[utoipa::path(
    get, path = "/policy/rules/{name}", tag = "policy", operation_id = "getRule", params(("name" = String, Path)),
    responses((status = 200, body = RuleDocument), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn get(
    State(api): State<AdminApi>,
    _: Admin,
    Id(name): Id,
) -> Result<Response, ApiError> {
    let (rule, version) = api.policy()?.rule(&name).ok_or(ApiError::NotFound)?;
    Ok(versioned(rule, version))
}

/// Replaces the entry of a rule, if it has the version in `If-Match`. Name and place stay.
#[utoipa::path(
    put, path = "/policy/rules/{name}", tag = "policy", operation_id = "replaceRule", request_body = RuleEntry,
    params(("name" = String, Path), ("If-Match" = Option<String>, Header, description = "`ETag` of the entry; required")),
    responses((status = 200, body = RuleDocument), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn replace(
    State(api): State<AdminApi>,
    admin: Admin,
    Id(name): Id,
    headers: HeaderMap,
    Body(entry): Body<Value>,
) -> Result<Response, ApiError> {
    let policy = api.policy()?;
    let (before, current) = policy.rule(&name).ok_or(ApiError::NotFound)?;
    let version = expected(&headers)?.ok_or(ApiError::PreconditionRequired)?;
    check_texts(&entry)?;
    let entries = (before.entry.as_ref(), Some(&entry));
    let record = record(&api, &admin, ("rule.replace", "rule"), entries);
    let version = version.number().or(current);
    let replaced = policy.replace_rule(&name, entry, version, &record);
    let (rule, version) = replaced.await?;
    Ok(versioned(rule, Some(version)))
}

/// Removes a rule of the store.
#[utoipa::path(
    delete, path = "/policy/rules/{name}", tag = "policy", operation_id = "deleteRule",
    params(("name" = String, Path), ("If-Match" = Option<String>, Header, description = "`ETag` of the entry")),
    responses((status = 204), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn delete(
    State(api): State<AdminApi>,
    admin: Admin,
    Id(name): Id,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let policy = api.policy()?;
    let (before, current) = policy.rule(&name).ok_or(ApiError::NotFound)?;
    let version = expected(&headers)?.and_then(Expected::number).or(current);
    let record = record(
        &api,
        &admin,
        ("rule.delete", "rule"),
        (before.entry.as_ref(), None),
    );
    policy.delete_rule(&name, version, &record).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Returns the order of the rules of the store. `ETag` is its version.
#[utoipa::path(
    get, path = "/policy/order", tag = "policy", operation_id = "getRuleOrder",
    responses((status = 200, body = RuleOrder), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn order(State(api): State<AdminApi>, _: Admin) -> Result<Response, ApiError> {
    Ok(ordered(api.policy()?.rule_order()))
}

/// Replaces the order of the rules of the store, if it has the version in `If-Match`.
#[utoipa::path(
    put, path = "/policy/order", tag = "policy", operation_id = "replaceRuleOrder", request_body = RuleOrder,
    params(("If-Match" = Option<String>, Header, description = "`ETag` of the order; required")),
    responses((status = 200, body = RuleOrder), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn reorder(
    State(api): State<AdminApi>,
    admin: Admin,
    headers: HeaderMap,
    Body(order): Body<RuleOrder>,
) -> Result<Response, ApiError> {
    let version = expected(&headers)?.ok_or(ApiError::PreconditionRequired)?;
    let policy = api.policy()?;
    let names = |order: RuleOrder| Value::from(order.names);
    let entries = (names(policy.rule_order()), names(order.clone()));
    let record = record(
        &api,
        &admin,
        ("rule.order", "policy"),
        (Some(&entries.0), Some(&entries.1)),
    );
    let order = policy
        .order_rules(&order, version.number(), &record)
        .await?;
    Ok(ordered(order))
}

/// Returns the decision about a call that is not made, and the results of the rules that lead to it.
/// Arguments are not logged.
#[utoipa::path(
    post, path = "/policy/explain", tag = "policy", operation_id = "explainCall", request_body = PolicyCall,
    responses((status = 200, body = PolicyExplanation), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn explain(
    State(api): State<AdminApi>,
    _: Admin,
    Body(call): Body<PolicyCall>,
) -> Result<Json<PolicyExplanation>, ApiError> {
    Ok(Json(api.policy()?.explain(&call)?))
}

/// Returns the response with an order.
fn ordered(order: RuleOrder) -> Response {
    let version = order.version();
    versioned(order, Some(version))
}
