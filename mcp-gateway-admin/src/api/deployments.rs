//! `/servers/{name}/restart` and `/servers/{name}/logs`.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_core::Stream;
use mcp_gateway_audit::Change;
use mcp_gateway_core::BoxError;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::AdminApi;
use super::access::Admin;
use super::extract::{Filter, Id};
use super::problem::{ApiError, Problem};
use crate::deployments::{LogSelection, ServerLog};

/// Part of a log.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LogQuery {
    /// Maximum number of lines from the end; 1,000 by default, at most 10,000.
    tail: Option<u32>,
    /// Set to continue with lines that are written later, until the client closes the connection.
    #[serde(default)]
    follow: bool,
    /// Set for the container before the last restart.
    #[serde(default)]
    previous: bool,
}

impl LogQuery {
    /// Returns the part of a log.
    fn selection(&self) -> Result<LogSelection, ApiError> {
        let tail = self.tail.unwrap_or(DEFAULT_LINES);
        if tail == 0 || tail > MAX_LINES {
            let message = format!("tail must be from 1 to {MAX_LINES}");
            return Err(ApiError::BadRequest(message));
        }
        if self.follow && self.previous {
            let message = "follow and previous are mutually exclusive";
            return Err(ApiError::BadRequest(message.to_owned()));
        }
        Ok(LogSelection {
            tail,
            follow: self.follow,
            previous: self.previous,
        })
    }
}

/// Slots of logs that are read at the same time.
#[derive(Clone, Debug)]
pub(super) struct LogSlots(Arc<Semaphore>);

impl Default for LogSlots {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_LOGS)))
    }
}

impl LogSlots {
    /// Takes a slot.
    ///
    /// # Errors
    ///
    /// [`ApiError::Busy`] if all are taken.
    fn take(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let slot = Arc::clone(&self.0).try_acquire_owned();
        slot.map_err(|_| ApiError::Busy("too many logs are read at the same time"))
    }
}

/// Log in a response, which ends after a number of bytes unless it is followed.
struct BoundedLog {
    log: ServerLog,
    /// Bytes that may still be sent; `None` for a log that is followed.
    left: Option<usize>,
    /// Returned when the client closes the connection, too.
    _slot: OwnedSemaphorePermit,
}

impl Stream for BoundedLog {
    type Item = Result<Bytes, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.left == Some(0) {
            return Poll::Ready(None);
        }
        let polled = Pin::new(&mut self.log).poll_next(cx);
        let Some(left) = &mut self.left else {
            return polled;
        };
        polled.map_ok(|mut piece| {
            piece.truncate(*left);
            *left -= piece.len();
            piece
        })
    }
}

/// Replaces the pods of a server on a cluster.
#[utoipa::path(
    post, path = "/servers/{name}/restart", tag = "servers", operation_id = "restartServer", params(("name" = String, Path)),
    responses((status = 202), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn restart(
    State(api): State<AdminApi>,
    admin: Admin,
    Id(name): Id,
) -> Result<StatusCode, ApiError> {
    api.deployments()?.restart(&name).await?;
    let change = Change::new("server.restart", format!("server/{name}"));
    api.trail().record(&admin.actor(), change);
    Ok(StatusCode::ACCEPTED)
}

/// Returns the log of a server on a cluster, up to 16 MiB unless it is followed.
#[utoipa::path(
    get, path = "/servers/{name}/logs", tag = "servers", operation_id = "getServerLog", params(("name" = String, Path), LogQuery),
    responses((status = 200, body = String, content_type = "text/plain"), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn logs(
    State(api): State<AdminApi>,
    _: Admin,
    Id(name): Id,
    Filter(query): Filter<LogQuery>,
) -> Result<Response, ApiError> {
    let selection = query.selection()?;
    let deployments = api.deployments()?;
    let slot = api.0.log_slots.take()?;
    let log = deployments.log(&name, selection).await?;
    let body = BoundedLog {
        log,
        left: (!selection.follow).then_some(MAX_BYTES),
        _slot: slot,
    };
    let headers = [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

/// Number of lines without `tail`.
const DEFAULT_LINES: u32 = 1000;

/// Maximum number of lines.
const MAX_LINES: u32 = 10_000;

/// Maximum number of bytes of a log that is not followed.
const MAX_BYTES: usize = 16 << 20;

/// Maximum number of logs that are read at the same time. Each holds a connection to the API server
/// of the cluster.
const MAX_LOGS: usize = 32;
