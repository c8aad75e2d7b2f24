//! Standalone stream of a session: messages outside of any request.
//!
//! As clients do, it is opened as soon as the server has accepted `notifications/initialized`, and
//! reopened whenever it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use tokio::time;

use super::{HttpSession, MAX_RETRY, RETRY};
use crate::jsonrpc::Message;
use crate::protocol::Method;
use crate::reply::ReplyEvent;
use crate::signal::Signal;
use crate::transport::EventStream;
use crate::upstream::malformed::log_malformed;
use crate::upstream::post_response::PostResponse;

/// Evidence of whether a server responds to the request for a standalone stream in time.
///
/// Some servers send the head of the response with the first event only. All sessions of a server
/// share the evidence, so that only the first one waits in vain.
#[derive(Debug, Default)]
pub(in crate::upstream) struct Attendance {
    is_late: AtomicBool,
}

/// The state of the standalone stream, as far as calls wait for it.
#[derive(Debug)]
pub(super) struct Opening {
    /// Set when nothing waits for the stream any more: the server has responded to the request for
    /// it, with or without a stream, or the time for that is over.
    settled: Signal,
    /// End of the time.
    until: time::Instant,
    /// Evidence of other sessions.
    attendance: Arc<Attendance>,
}

impl Opening {
    /// Starts the time for the server to respond.
    pub(super) fn new(attendance: Arc<Attendance>) -> Self {
        let settled = Signal::new();
        if attendance.is_late.load(Ordering::Relaxed) {
            settled.set();
        }
        Self {
            settled,
            until: time::Instant::now() + TIMEOUT,
            attendance,
        }
    }

    /// Returns `true` if nothing waits for the stream any more.
    pub(super) fn is_settled(&self) -> bool {
        self.settled.is_set()
    }

    /// Waits for the stream; at most until its time is over, and never twice.
    pub(super) async fn wait(&self) {
        if time::timeout_at(self.until, self.settled.wait())
            .await
            .is_err()
        {
            self.attendance.is_late.store(true, Ordering::Relaxed);
            self.settled.set();
        }
    }

    /// Records the response of the server.
    fn answered(&self) {
        let is_late = time::Instant::now() > self.until;
        self.attendance.is_late.store(is_late, Ordering::Relaxed);
        self.settled.set();
    }
}

/// Delays between attempts to open the stream.
struct Pace {
    /// Delay that the server set last.
    retry: Duration,
    /// Delay before the next attempt.
    next: Duration,
}

impl Pace {
    /// Starts with the default delay.
    fn new() -> Self {
        Self {
            retry: RETRY,
            next: Duration::ZERO,
        }
    }

    /// Records the delay that the server set.
    fn set_retry(&mut self, retry: Option<Duration>) {
        if let Some(retry) = retry {
            self.retry = retry.clamp(MIN_RETRY, MAX_RETRY);
        }
    }

    /// Returns the delay after an attempt. It doubles unless that was of use.
    fn after(&mut self, was_used: bool) -> Duration {
        let delay = match was_used {
            true => self.retry,
            false => self.next.max(self.retry),
        };
        self.next = (delay * 2).min(MAX_RETRY);
        delay
    }
}

impl HttpSession {
    /// Reads the standalone stream until the session ends.
    pub(super) async fn read_standalone_stream(self: Arc<Self>) {
        tokio::select! {
            () = self.ended.wait() => {}
            () = self.reopen_standalone_stream() => {}
        }
        self.opening.settled.set();
    }

    /// Reads the standalone stream, and reopens it whenever it ends, after the last event that has
    /// arrived. Returns if the server has no such stream.
    ///
    /// The delay is the one that the server set, and doubles with each failed attempt and with each
    /// stream that ends at once without a message.
    async fn reopen_standalone_stream(self: &Arc<Self>) {
        let mut last = None;
        let mut pace = Pace::new();
        loop {
            let opened = time::Instant::now();
            let answer = self.server.listen(last.as_deref()).await;
            self.opening.answered();
            let answer = match answer {
                Ok(response) if has_no_stream(response.status()) => return,
                Ok(response) => PostResponse::from_http(response),
                Err(error) => Err(error),
            };
            let mut was_used = false;
            if let Ok(PostResponse::Events(body)) = answer {
                let mut events = EventStream::new(body, self.server.limit());
                while let Some(Ok(event)) = events.next().await {
                    pace.set_retry(event.retry);
                    let is_message = event.is_message();
                    last = event.id.or(last);
                    if is_message {
                        was_used = true;
                        self.on_message(event.data).await;
                    }
                }
                was_used |= opened.elapsed() >= MIN_STREAM;
            }
            time::sleep(pace.after(was_used)).await;
        }
    }

    /// Handles a message of the standalone stream. Progress gets the token of its caller.
    async fn on_message(self: &Arc<Self>, text: Bytes) {
        match Message::parse_answer(text) {
            Ok(Message::Notification(notification)) => {
                let restored = match notification.method() {
                    Method::Progress => self.progress.restore(&notification),
                    _ => None,
                };
                // An unknown token is one that the server has chosen.
                let notification = restored.unwrap_or(notification);
                self.events.send(ReplyEvent::Notification(notification));
            }
            Ok(Message::Request(request)) => {
                if let Some(request) = self.on_request(request).await {
                    self.events.send(ReplyEvent::Request(request));
                }
            }
            Ok(Message::Response(response)) => {
                tracing::debug!(id = ?response.id(), "unsolicited response from upstream");
            }
            Err((error, id)) => log_malformed(&error, id.as_ref()),
        }
    }
}

/// Returns `true` if a server without a standalone stream responds with `status`.
///
/// "The server MUST either return text/event-stream, or else 405"; others respond with 400 or 404.
fn has_no_stream(status: StatusCode) -> bool {
    status.is_client_error()
        && !matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
        )
}

/// Minimum delay before a stream is reopened, whatever the server sets.
const MIN_RETRY: Duration = Duration::from_millis(100);

/// Duration of a stream without a message that counts as a successful attempt.
const MIN_STREAM: Duration = Duration::from_secs(5);

/// Maximum time for the server to open the stream.
const TIMEOUT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_that_end_at_once_are_reopened_less_and_less_often() {
        let mut pace = Pace::new();
        let seconds: Vec<_> = (0..8).map(|_| pace.after(false).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
        pace.set_retry(Some(Duration::ZERO));
        assert_eq!(pace.after(true), MIN_RETRY);
        assert_eq!(pace.after(false), MIN_RETRY * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_first_session_of_a_late_server_is_awaited() {
        let attendance = Arc::new(Attendance::default());
        let started = time::Instant::now();
        for _ in 0..2 {
            let opening = Opening::new(Arc::clone(&attendance));
            opening.wait().await;
            opening.wait().await;
            assert!(opening.is_settled());
        }
        assert_eq!(started.elapsed(), TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_in_time_again_is_awaited_again() {
        let attendance = Arc::new(Attendance::default());
        Opening::new(Arc::clone(&attendance)).wait().await;
        Opening::new(Arc::clone(&attendance)).answered();
        assert!(!Opening::new(attendance).is_settled());
    }
}
