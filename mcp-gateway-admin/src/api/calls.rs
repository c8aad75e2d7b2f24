//! `/calls`.

use axum::extract::State;
use axum::response::Response;
use futures_util::stream::StreamExt as _;
use serde_json::json;

use super::AdminApi;
use super::access::Admin;
use super::lease::Lease;
use super::problem::{ApiError, Problem};
use super::stream;
use crate::calls::CallEvent;

/// Returns calls as they end, as server-sent events: `call` with the audit record of each, and
/// `missed` with the number of those that the client was too slow to receive.
///
/// The calls are those of this replica. Arguments and results are not part of them.
#[utoipa::path(
    get, path = "/calls", tag = "calls", operation_id = "watchCalls",
    responses((status = 200, body = String, content_type = "text/event-stream"), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn watch(
    State(api): State<AdminApi>,
    _: Admin,
    lease: Lease,
) -> Result<Response, ApiError> {
    let calls = api.calls()?.watch();
    let slot = api.0.stream_slots.take()?;
    let events = calls.map(|call| match call {
        CallEvent::Ended(record) => stream::event("call", &*record),
        CallEvent::Missed(missed) => stream::event("missed", &json!({ "missed": missed })),
    });
    Ok(stream::response(events, lease, slot))
}
