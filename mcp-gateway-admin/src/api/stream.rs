//! Server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::{Stream, StreamExt as _};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::lease::Lease;
use super::problem::ApiError;

/// Slots of streams that are open at the same time.
#[derive(Clone, Debug)]
pub(super) struct StreamSlots(Arc<Semaphore>);

impl Default for StreamSlots {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_STREAMS)))
    }
}

impl StreamSlots {
    /// Takes a slot.
    ///
    /// # Errors
    ///
    /// [`ApiError::Busy`] if all are taken.
    pub(super) fn take(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let slot = Arc::clone(&self.0).try_acquire_owned();
        slot.map_err(|_| ApiError::Busy("too many streams are open at the same time"))
    }
}

/// Returns the event `name` with `data`.
pub(super) fn event(name: &str, data: &impl Serialize) -> Event {
    let text = serde_json::to_string(data).unwrap_or_default();
    Event::default().event(name).data(text)
}

/// Returns the response with `events`, which holds `slot` and ends with `lease`.
pub(super) fn response(
    events: impl Stream<Item = Event> + Send + 'static,
    lease: Lease,
    slot: OwnedSemaphorePermit,
) -> Response {
    let events = lease.guard(events).map(move |event| {
        let _held = &slot;
        Ok::<_, Infallible>(event)
    });
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Sse::new(events).keep_alive(keep_alive).into_response()
}

/// Maximum number of streams that are open at the same time.
const MAX_STREAMS: usize = 64;

/// Interval of comments in a stream without events, so that proxies keep the connection open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
