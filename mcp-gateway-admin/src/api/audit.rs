//! `/audit`.

use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::State;
use mcp_gateway_audit::{AuditQuery, AuditRecord, Outcome};
use serde::Deserialize;

use super::AdminApi;
use super::extract::Filter;
use super::page::{Page, valid_cursor, valid_limit};
use super::problem::{ApiError, Problem};

/// Selection of audit records.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordQuery {
    /// Time of the first record, in milliseconds since the Unix epoch.
    #[param(maximum = 253_402_300_799_999u64)]
    since: Option<u64>,
    /// Time before which records end, in milliseconds since the Unix epoch.
    #[param(maximum = 253_402_300_799_999u64)]
    until: Option<u64>,
    /// Principal that has caused the event.
    subject: Option<String>,
    /// Server of a call.
    server: Option<String>,
    /// Tool, prompt, task or redacted URI of a call, or object of a change.
    target: Option<String>,
    /// Method of a call, or action of a change.
    action: Option<String>,
    /// Outcome of a call.
    #[param(inline, value_type = Option<OutcomeName>)]
    outcome: Option<Outcome>,
    /// Maximum number of records.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
    /// Cursor of the page: `next` of the page before it.
    #[param(max_length = 2048, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    after: Option<String>,
}

/// Outcome of a call in one word.
#[derive(utoipa::ToSchema)]
#[schema(as = Outcome, rename_all = "camelCase")]
#[expect(dead_code, reason = "it documents `Outcome`")]
enum OutcomeName {
    Cancelled,
    Error,
    Failed,
    Success,
    ToolError,
}

/// Returns audit records, oldest first.
#[utoipa::path(
    get, path = "/audit", tag = "audit", operation_id = "listAuditRecords", params(RecordQuery),
    responses((status = 200, body = Page<Object>), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn list(
    State(api): State<AdminApi>,
    Filter(wanted): Filter<RecordQuery>,
) -> Result<Json<Page<AuditRecord>>, ApiError> {
    let mut query = AuditQuery::new().with_limit(valid_limit(wanted.limit)?);
    if let Some(cursor) = valid_cursor(wanted.after.as_deref())? {
        query = query.after(cursor);
    }
    if let Some(since) = wanted.since {
        query = query.since(time("since", since)?);
    }
    if let Some(until) = wanted.until {
        query = query.until(time("until", until)?);
    }
    if let Some(subject) = wanted.subject {
        query = query.with_subject(subject);
    }
    if let Some(server) = wanted.server {
        query = query.with_server(server);
    }
    if let Some(target) = wanted.target {
        query = query.with_target(target);
    }
    if let Some(action) = wanted.action {
        query = query.with_action(action);
    }
    if let Some(outcome) = wanted.outcome {
        query = query.with_outcome(outcome);
    }
    let page = query.run(api.audit()?).await?;
    Ok(Json(Page {
        items: page.records,
        next: page.next,
    }))
}

/// Converts the value of the parameter `name`.
fn time(name: &str, milliseconds: u64) -> Result<SystemTime, ApiError> {
    match milliseconds <= MAX_TIME {
        true => Ok(SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds)),
        false => Err(ApiError::BadRequest(format!(
            "{name}: expected milliseconds since the Unix epoch"
        ))),
    }
}

/// Latest time in milliseconds: the end of the year 9999.
const MAX_TIME: u64 = 253_402_300_799_999;
