//! Replies that are one JSON document.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::{self, Instant, Sleep};

use super::RejectedBody;
use super::completion::{CallOutcome, Completion, CompletionHooks};
use crate::BoxError;
use crate::catalog::Listing;
use crate::error::UpstreamError;
use crate::jsonrpc::{Id, Response, ScanError, ScanResult, Scanner};
use crate::transport::HttpBody;

/// Body of one JSON-RPC response.
///
/// It is validated while it passes: the body fails if the server sends anything else than the
/// response to the request. Responses up to 64 KiB are validated completely before the client
/// receives the first byte.
pub struct JsonBody {
    /// Validated pieces that are ready to send.
    ready: VecDeque<Bytes>,
    // Boxed, because nearly all responses are complete, and the type is moved many times.
    rest: Option<Box<RemainingBody>>,
    /// List that has not been serialized, instead of `ready`.
    unwritten: Option<Box<Unwritten>>,
    /// Deadlines of an incomplete response.
    deadlines: Option<Box<Deadlines>>,
    /// Hooks for the end of the reply.
    hooks: CompletionHooks,
}

/// Deadlines of an incomplete response, with their timer.
struct Deadlines {
    silence: Duration,
    end: Instant,
    timer: Pin<Box<Sleep>>,
}

/// A list that has not been serialized, and the identifier of the request for it.
struct Unwritten {
    id: Id,
    listing: Arc<Listing>,
}

/// The part of a response that has not been received.
struct RemainingBody {
    body: HttpBody,
    scanner: Scanner,
    scanned: Vec<Bytes>,
}

impl JsonBody {
    /// Creates a complete response with a known outcome.
    #[must_use]
    pub fn full(text: Bytes, outcome: CallOutcome) -> Self {
        Self {
            hooks: CompletionHooks::completed(outcome, text.len() as u64),
            ready: VecDeque::from([text]),
            rest: None,
            unwritten: None,
            deadlines: None,
        }
    }

    /// Creates a response from a list, which is serialized when it is read.
    pub(super) fn listing(id: &Id, listing: Arc<Listing>) -> Self {
        let id = id.clone();
        Self {
            hooks: CompletionHooks::completed(CallOutcome::Success, 0),
            ready: VecDeque::new(),
            rest: None,
            unwritten: Some(Box::new(Unwritten { id, listing })),
            deadlines: None,
        }
    }

    /// Returns the list of a body that was created from one.
    ///
    /// # Errors
    ///
    /// The body itself if it was created otherwise.
    pub(crate) fn into_listing(self) -> Result<Arc<Listing>, Self> {
        match self.unwritten {
            Some(unwritten) => Ok(unwritten.listing),
            None => Err(self),
        }
    }

    /// Replaces the list of a body that was created from one.
    pub(super) fn map_listing(mut self, change: impl FnOnce(Arc<Listing>) -> Arc<Listing>) -> Self {
        if let Some(unwritten) = &mut self.unwritten {
            unwritten.listing = change(Arc::clone(&unwritten.listing));
        }
        self
    }

    /// Reads a response until it ends or exceeds [`LOOK_AHEAD`] bytes.
    ///
    /// Small responses, which nearly all are, are thereby validated completely before the client
    /// receives any byte.
    ///
    /// # Errors
    ///
    /// [`RejectedBody`] if the body is not the response, or breaks.
    pub(crate) async fn buffer(body: HttpBody, scanner: Scanner) -> Result<Self, RejectedBody> {
        let mut rest = RemainingBody {
            body,
            scanner,
            scanned: Vec::new(),
        };
        let mut bytes = 0;
        while let Some(frame) = rest.body.frame().await {
            let Ok(data) = frame?.into_data() else {
                continue;
            };
            bytes += data.len();
            let before = rest.scanned.len();
            if let Err(error) = rest.scanner.feed(&data, &mut rest.scanned) {
                rest.scanned.truncate(before);
                rest.scanned.push(data);
                return Err(RejectedBody::at(error, rest.scanned, rest.body));
            }
            if bytes > LOOK_AHEAD {
                return Ok(Self::streaming(rest, bytes));
            }
        }
        let outcome = CallOutcome::of(rest.scanner.finish().map_err(BoxError::from)?);
        let text = match <[Bytes; 1]>::try_from(rest.scanned) {
            Ok([text]) => text,
            Err(pieces) => pieces.concat().into(),
        };
        Ok(Self::full(text, outcome))
    }

    /// Creates a response of which the first `bytes` bytes have been received.
    fn streaming(mut rest: RemainingBody, bytes: usize) -> Self {
        let mut hooks = CompletionHooks::default();
        hooks.add_bytes(bytes);
        Self {
            ready: rest.scanned.drain(..).collect(),
            rest: Some(Box::new(rest)),
            unwritten: None,
            deadlines: None,
            hooks,
        }
    }

    /// Reads the whole text; fails beyond `limit` bytes.
    pub(crate) async fn into_text(mut self, limit: usize) -> Result<Bytes, BoxError> {
        if let Some(unwritten) = self.unwritten {
            return Ok(unwritten.write());
        }
        if self.rest.is_none() && self.ready.len() == 1 {
            return Ok(self.ready.pop_front().unwrap_or_default());
        }
        let mut text = BytesMut::new();
        while let Some(frame) = self.frame().await {
            if let Ok(data) = frame?.into_data() {
                if text.len() + data.len() > limit {
                    return Err(UpstreamError::TooLarge { limit }.into());
                }
                text.extend_from_slice(&data);
            }
        }
        Ok(text.freeze())
    }

    /// Returns the outcome if it is known already.
    pub(crate) fn outcome(&self) -> Option<CallOutcome> {
        self.hooks.outcome()
    }

    /// Applies deadlines; see [`Reply::with_deadlines`](super::Reply::with_deadlines).
    pub(super) fn with_deadlines(mut self, silence: Duration, end: Instant) -> Self {
        // A complete response needs no timer.
        if self.rest.is_some() {
            let timer = Box::pin(time::sleep_until(end.min(Instant::now() + silence)));
            self.deadlines = Some(Box::new(Deadlines {
                silence,
                end,
                timer,
            }));
        }
        self
    }

    /// Polls for the next frame of the server under the deadlines; yields `None` at the end.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<usize, BoxError>>> {
        let Some(rest) = &mut self.rest else {
            return Poll::Ready(None);
        };
        match (rest.poll_more(cx), &mut self.deadlines) {
            (Poll::Pending, Some(deadlines)) => {
                ready!(deadlines.timer.as_mut().poll(cx));
                Poll::Ready(Some(Err(Box::new(UpstreamError::Timeout))))
            }
            (Poll::Pending, None) => Poll::Pending,
            (Poll::Ready(more), deadlines) => {
                if let Some(deadlines) = deadlines {
                    let until = deadlines.end.min(Instant::now() + deadlines.silence);
                    deadlines.timer.as_mut().reset(until);
                }
                Poll::Ready(more)
            }
        }
    }

    /// Records the account whose credential was presented.
    pub(super) fn set_account(&mut self, account: Arc<str>) {
        self.hooks.set_account(account);
    }

    /// Registers a hook for the end.
    pub(super) fn on_complete(&mut self, hook: impl FnOnce(&Completion) + Send + 'static) {
        self.hooks.add(hook);
    }
}

impl CallOutcome {
    /// Returns the outcome that a scanned response denotes.
    pub(crate) fn of(seen: ScanResult) -> Self {
        match seen {
            ScanResult {
                error: true, code, ..
            } => Self::Error {
                code: code.unwrap_or(0),
            },
            ScanResult {
                tool_error: true, ..
            } => Self::ToolError,
            ScanResult { .. } => Self::Success,
        }
    }
}

impl Unwritten {
    fn write(&self) -> Bytes {
        Response::new(&self.id, &self.listing.to_json()).bytes()
    }
}

impl RemainingBody {
    /// Polls for the next frame and appends its validated bytes to `scanned`; yields `None` at the
    /// end.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<usize, BoxError>>> {
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            None => return Poll::Ready(None),
        };
        let data = frame.into_data().unwrap_or_default();
        let fed = self.scanner.feed(&data, &mut self.scanned);
        Poll::Ready(Some(fed.map(|()| data.len()).map_err(Into::into)))
    }
}

impl Body for JsonBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if let Some(unwritten) = this.unwritten.take() {
            this.ready.push_back(unwritten.write());
        }
        loop {
            if let Some(bytes) = this.ready.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            let more = ready!(this.poll_more(cx));
            let Some(rest) = &mut this.rest else {
                return Poll::Ready(None);
            };
            let end: Result<ScanResult, BoxError> = match more {
                Some(Ok(bytes)) => {
                    this.hooks.add_bytes(bytes);
                    this.ready.extend(rest.scanned.drain(..));
                    continue;
                }
                Some(Err(error)) => Err(error),
                None => rest.scanner.finish().map_err(ScanError::into),
            };
            this.rest = None;
            match end {
                Ok(seen) => this.hooks.complete(CallOutcome::of(seen)),
                Err(error) => {
                    this.hooks.complete(CallOutcome::Failed);
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ready.is_empty() && self.rest.is_none() && self.unwritten.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let ready = self.ready.iter().map(|bytes| bytes.len() as u64).sum();
        match self.rest.is_some() || self.unwritten.is_some() {
            true => SizeHint::default(),
            false => SizeHint::with_exact(ready),
        }
    }
}

impl fmt::Debug for JsonBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonBody")
            .field("complete", &self.rest.is_none())
            .field("watchers", &self.hooks)
            .finish_non_exhaustive()
    }
}

/// Maximum size of a response that is read completely before it is forwarded.
pub(super) const LOOK_AHEAD: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use http_body_util::StreamBody;

    use super::*;
    use crate::protocol::ListKind;

    fn scanner() -> Scanner {
        Scanner::new(Id::from(1), &Id::from("a"))
    }

    fn pieces(pieces: Vec<Result<&'static str, &'static str>>) -> HttpBody {
        let frame = |piece: Result<&'static str, &'static str>| {
            piece
                .map(|piece| Frame::data(Bytes::from(piece)))
                .map_err(BoxError::from)
        };
        let frames = futures_util::stream::iter(pieces.into_iter().map(frame));
        HttpBody::new(StreamBody::new(frames))
    }

    fn full(text: &'static str) -> HttpBody {
        HttpBody::full(text)
    }

    fn watch(body: &mut JsonBody) -> Arc<Mutex<Option<Completion>>> {
        let ending = Arc::new(Mutex::new(None));
        let seen = Arc::clone(&ending);
        body.on_complete(move |ending| *seen.lock().unwrap() = Some(ending.clone()));
        ending
    }

    #[tokio::test]
    async fn a_small_response_is_checked_before_it_is_passed_on() {
        let text = full(r#"{"id":1,"result":{"isError":true}}"#);
        let mut body = JsonBody::buffer(text, scanner()).await.unwrap();
        assert_eq!(
            watch(&mut body).lock().unwrap().as_ref().unwrap().outcome,
            CallOutcome::ToolError
        );
        assert_eq!(body.size_hint().exact(), Some(36));
        assert_eq!(
            body.into_text(100).await.unwrap(),
            r#"{"id":"a","result":{"isError":true}}"#
        );

        let wrong = full(r#"{"id":2,"result":{}}"#);
        assert!(JsonBody::buffer(wrong, scanner()).await.is_err());
    }

    #[tokio::test]
    async fn a_list_is_written_when_it_is_read() {
        let result = r#"{"prompts":[{"name":"a"},{"name":"b"}]}"#;
        let listing = Listing::from_result("s", ListKind::Prompts, &result.into()).unwrap();
        let listing = Arc::new(listing);
        let body = || JsonBody::listing(&Id::from(7), Arc::clone(&listing));
        let text = format!(r#"{{"jsonrpc":"2.0","id":7,"result":{result}}}"#);
        assert_eq!(body().into_text(1000).await.unwrap(), text);
        assert!(!body().is_end_stream());
        assert_eq!(body().collect().await.unwrap().to_bytes(), text);
        assert!(Arc::ptr_eq(&body().into_listing().unwrap(), &listing));
        let other = JsonBody::full(Bytes::from_static(b"{}"), CallOutcome::Success);
        assert!(other.into_listing().is_err());
    }

    #[tokio::test]
    async fn a_large_response_is_streamed() {
        let large: &'static str = "x".repeat(LOOK_AHEAD).leak();
        let text = vec![Ok("{\"result\":\""), Ok(large), Ok("\",\"id\":"), Ok("1}")];
        let mut body = JsonBody::buffer(pieces(text), scanner()).await.unwrap();
        let ending = watch(&mut body);
        assert!(ending.lock().unwrap().is_none());
        let text = body.collect().await.unwrap().to_bytes();
        assert_eq!(text, format!("{{\"result\":\"{large}\",\"id\":\"a\"}}"));
        let ending = ending.lock().unwrap().clone().unwrap();
        assert_eq!(
            (ending.outcome, ending.bytes),
            (CallOutcome::Success, LOOK_AHEAD as u64 + 20)
        );
    }

    #[tokio::test]
    async fn a_large_response_that_turns_out_wrong_fails_where_it_does() {
        let large: &'static str = "x".repeat(LOOK_AHEAD).leak();
        for tail in [vec![Ok("\",\"id\":2}")], vec![], vec![Err("reset")]] {
            let text = [vec![Ok("{\"result\":\""), Ok(large)], tail].concat();
            let mut body = JsonBody::buffer(pieces(text), scanner()).await.unwrap();
            let ending = watch(&mut body);
            assert!(body.collect().await.is_err());
            assert_eq!(
                ending.lock().unwrap().as_ref().unwrap().outcome,
                CallOutcome::Failed
            );
        }
    }

    #[tokio::test]
    async fn a_body_that_nobody_reads_was_cancelled() {
        let large: &'static str = "x".repeat(LOOK_AHEAD).leak();
        let text = vec![Ok("{\"result\":\""), Ok(large)];
        let mut body = JsonBody::buffer(pieces(text), scanner()).await.unwrap();
        let ending = watch(&mut body);
        drop(body);
        assert_eq!(
            ending.lock().unwrap().as_ref().unwrap().outcome,
            CallOutcome::Cancelled
        );
    }
}
