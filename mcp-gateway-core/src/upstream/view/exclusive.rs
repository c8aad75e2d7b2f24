//! Exclusive connections to legacy servers, each used by one call at a time.
//!
//! A legacy server addresses its requests and log messages to a session, not to a call: outside of
//! the response to a call they could be meant for any party that shares the session. A modern
//! client to which servers may send requests, or that requests log messages, therefore gets an
//! exclusive connection for the duration of a call. Afterwards the next call reuses it; calls
//! usually follow each other, and then see the same session.
//!
//! A call passes through these stages:
//!
//! 1. It waits for a permit, then takes an idle connection of its principal or opens one.
//! 2. The log level of the call is set on the server, unless it is set already.
//! 3. Everything that the server sends until the response belongs to the call.
//! 4. If log messages may still be in transit, the response is delayed for them.
//! 5. The connection returns to the pool. If the call was abandoned or failed, it is closed
//!    instead, because the server may still be working on the call.

mod pool;
mod stage;

use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, stream};
use tokio::sync::{OwnedSemaphorePermit, broadcast};
use tokio::time;

pub(super) use self::pool::ExclusivePool;
use self::pool::IdleConnection;
use self::stage::{ExchangeStage, ExchangeStep};
use super::{UseGuard, View, lock};
use crate::call::Prepared;
use crate::error::UpstreamError;
use crate::json::object_json;
use crate::jsonrpc::{Id, Request};
use crate::protocol::{Method, meta};
use crate::reply::{self, ReplyEvent, ReplyStream};
use crate::task::BackgroundTask;
use crate::upstream::connection::SendError;
use crate::{Call, Reply};

/// A connection that one call has for itself.
///
/// Dropping it before the response closes the connection.
struct ExclusiveConnection {
    /// The connection; `None` once it has been returned.
    idle: Option<IdleConnection>,
    /// Messages outside of the response.
    events: broadcast::Receiver<Arc<ReplyEvent>>,
    /// JSON text of the progress token of the call.
    progress_token: Option<Box<str>>,
    /// `ping` request to send after the response, if log messages may still be in transit then.
    ping: Option<Arc<Call<Prepared>>>,
    /// Keeps the view in use.
    using: UseGuard,
    /// Permit of the pool, released at the end.
    _room: OwnedSemaphorePermit,
}

/// Returns `true` if `call` requires an exclusive connection to a legacy server: if its client
/// accepts requests of servers, or if the call requests log messages.
pub(super) fn needs_exclusive_connection(call: &Call<Prepared>) -> bool {
    call.client().capabilities().can_be_asked() || call.request().meta(meta::LOG_LEVEL).is_some()
}

impl View {
    /// Sends `call` on an exclusive connection and returns its messages up to the response.
    ///
    /// Waits while all connections are in use; the timeout of the call applies. Dropping the stream
    /// closes the connection.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Overloaded`] if the server is a program and [`MAX_PROCESSES`] of its
    /// processes are in use, otherwise those of the handshake. Later errors are items of the
    /// stream.
    pub(super) async fn send_exclusively(
        self: &Arc<Self>,
        call: Arc<Call<Prepared>>,
    ) -> Result<ReplyStream, UpstreamError> {
        let mut lease = self.acquire_exclusive(&call).await?;
        lease.set_level(&call).await;
        Ok(lease.send(call))
    }

    /// Takes an idle connection, or opens one.
    ///
    /// The receiver for messages outside of the response is created before the call is sent, and
    /// the standalone stream is open by then, so that no early message is lost.
    async fn acquire_exclusive(
        self: &Arc<Self>,
        call: &Call<Prepared>,
    ) -> Result<ExclusiveConnection, UpstreamError> {
        let room = Arc::clone(&self.exclusive.permits).acquire_owned().await;
        let room = room.map_err(|_| UpstreamError::Closed)?;
        let spare = match self.exclusive.take(call.principal()) {
            Some(spare) => spare,
            None if self.connector.is_stdio() && self.exclusive.in_use() > MAX_PROCESSES => {
                return Err(UpstreamError::Overloaded {
                    retry_after: PROCESS_RETRY,
                });
            }
            None => {
                if let Some(spare) = self.exclusive.evict(MAX_PROCESSES) {
                    BackgroundTask::detach(async move { spare.connection.close().await });
                }
                self.dial_spare(call).await?
            }
        };
        self.exclusive.check_out(&spare.connection);
        let (events, connection) = (spare.connection.subscribe(), Arc::clone(&spare.connection));
        let lease = ExclusiveConnection {
            idle: Some(spare),
            events,
            progress_token: call.request().meta(meta::PROGRESS_TOKEN).map(Into::into),
            ping: None,
            using: UseGuard::new(self),
            _room: room,
        };
        connection.ready().await;
        Ok(lease)
    }

    /// Opens an exclusive connection with the credential of `call`.
    async fn dial_spare(&self, call: &Call<Prepared>) -> Result<IdleConnection, UpstreamError> {
        let credential = call.credential();
        let connecting = (self.connector).connect_exclusive(&self.key, &self.owner, credential);
        let connection = Box::pin(connecting).await?;
        Ok(IdleConnection {
            connection,
            user: call.principal().clone().without_assertion(),
            level: None,
            in_order: self.connector.is_stdio(),
        })
    }
}

impl ExclusiveConnection {
    /// Sets the log level of the server to that of the call, if it has one.
    ///
    /// A failure is ignored: the call is more important than its log messages. On connections of
    /// which the order of messages is unknown, it also prepares the `ping` of
    /// [`flush_before_response`](Self::flush_before_response).
    async fn set_level(&mut self, call: &Call<Prepared>) {
        let (Some(level), Some(spare)) = (call.request().meta(meta::LOG_LEVEL), &mut self.idle)
        else {
            return;
        };
        let supported = spare
            .connection
            .server_info()
            .supports(&Method::LoggingSetLevel);
        if !supported {
            return;
        }
        if !spare.in_order {
            let ping = Request::new(&Id::from("ping"), &Method::Ping, "{}");
            self.ping = Some(Arc::new(call.derive_for_server(ping)));
        }
        if spare.level.as_deref() == Some(level) {
            return;
        }
        let params = object_json(&[("level", level.into())]);
        let request = Request::new(&Id::from("level"), &Method::LoggingSetLevel, &params);
        let request = call.derive_for_server(request);
        if spare.connection.send(&request).await.is_ok() {
            spare.level = Some(level.to_owned());
        }
    }

    /// Sends `call` and returns its messages. All messages of the server until the response belong
    /// to it.
    fn send(self, call: Arc<Call<Prepared>>) -> ReplyStream {
        let stage = match &self.idle {
            Some(spare) => {
                let (connection, view) = (Arc::clone(&spare.connection), Arc::clone(&self.using.0));
                ExchangeStage::sending(connection, call, view)
            }
            None => ExchangeStage::Ended,
        };
        ReplyStream::new(stream::unfold(
            (self, stage),
            |(mut lease, stage)| async move {
                let (item, stage) = lease.next(stage).await?;
                Some((item, (lease, stage)))
            },
        ))
    }

    /// Waits for the next message and returns it with the next stage; `None` after the end.
    ///
    /// Messages outside of the response come first, which keeps their order if both are ready.
    async fn next(
        &mut self,
        mut stage: ExchangeStage,
    ) -> Option<(Result<ReplyEvent, UpstreamError>, ExchangeStage)> {
        loop {
            let step = tokio::select! {
                biased;
                aside = self.events.recv() => ExchangeStep::Aside(aside.ok().map(Arc::unwrap_or_clone)),
                step = stage.step() => step?,
            };
            match step {
                ExchangeStep::Aside(Some(event)) if self.concerns_call(&event) => {
                    return Some((Ok(event), stage));
                }
                ExchangeStep::Aside(_) => {}
                ExchangeStep::Replied(reply) => match reply {
                    Ok(Reply::Events(events)) => stage = ExchangeStage::Receiving(events),
                    Ok(reply) => {
                        let response = reply::response(reply).await.map(ReplyEvent::Response);
                        stage = self.flush_before_response(response);
                    }
                    Err(SendError::Closed(error) | SendError::Failed(error)) => {
                        return Some((self.finish(Err(error)), ExchangeStage::Ended));
                    }
                },
                ExchangeStep::Received(item) => match item {
                    Ok(event @ (ReplyEvent::Notification(_) | ReplyEvent::Request(_))) => {
                        self.record_order(&event);
                        return Some((Ok(event), stage));
                    }
                    item => stage = self.flush_before_response(item),
                },
                ExchangeStep::Settled(item) => {
                    return Some((self.finish(item), ExchangeStage::Ended));
                }
            }
        }
    }

    /// Returns `true` if a message outside of the response belongs to the call.
    fn concerns_call(&self, event: &ReplyEvent) -> bool {
        match event {
            ReplyEvent::Notification(notification)
                if notification.method() == &Method::Progress =>
            {
                let token = notification.param("progressToken");
                token.is_some() && token == self.progress_token.as_deref()
            }
            ReplyEvent::Notification(notification) => {
                matches!(notification.method(), Method::LogMessage | Method::Other(_))
            }
            ReplyEvent::Request(_) => true,
            ReplyEvent::Response(_) => false,
        }
    }

    /// Records evidence of the order of log messages and response.
    ///
    /// A server that sends a log message within the response stream does so for all of them, so no
    /// `ping` is needed on this connection any more.
    fn record_order(&mut self, event: &ReplyEvent) {
        if let (ReplyEvent::Notification(notification), Some(spare)) = (event, &mut self.idle)
            && notification.method() == &Method::LogMessage
        {
            spare.in_order = true;
            self.ping = None;
        }
    }

    /// Delays a response until earlier messages outside of it have arrived.
    ///
    /// Two streams have no common order. A message that was written earlier arrives before the
    /// response to a later request, or soon after it: so a `ping` is sent, and [`SETTLE_GRACE`]
    /// added to its response. Errors are not delayed.
    fn flush_before_response(
        &mut self,
        answer: Result<ReplyEvent, UpstreamError>,
    ) -> ExchangeStage {
        let ping = match (&answer, &self.idle, self.ping.take()) {
            (Ok(_), Some(spare), Some(call)) => Some((Arc::clone(&spare.connection), call)),
            _ => None,
        };
        ExchangeStage::Settling(
            async move {
                if let Some((connection, call)) = ping {
                    let _ = time::timeout(SETTLE_TIMEOUT, connection.send(&call)).await;
                    time::sleep(SETTLE_GRACE).await;
                }
                answer
            }
            .boxed(),
        )
    }

    /// Returns the connection to the pool if the call has completed on it, and passes on `item`.
    fn finish(
        &mut self,
        item: Result<ReplyEvent, UpstreamError>,
    ) -> Result<ReplyEvent, UpstreamError> {
        if item.is_ok()
            && let Some(spare) = self.idle.take()
        {
            let exclusive = &self.using.0.exclusive;
            exclusive.check_in(&spare.connection);
            lock(&exclusive.spare).push(spare);
        }
        item
    }
}

impl Drop for ExclusiveConnection {
    fn drop(&mut self) {
        // An abandoned call may still be running on the server.
        if let Some(spare) = self.idle.take() {
            self.using.0.exclusive.check_in(&spare.connection);
            BackgroundTask::detach(async move { spare.connection.close().await });
        }
    }
}

/// Maximum number of processes of a program per class of callers, and of connections to other
/// servers that are kept for principals that do not use them.
///
/// Each exclusive connection to a program is a process of its own.
const MAX_PROCESSES: usize = 32;

/// Time for which earlier messages may arrive after the response to a later request: the scheduling
/// latency of a busy machine.
const SETTLE_GRACE: Duration = Duration::from_millis(50);

/// Maximum time for the response to the `ping`.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(1);

/// Delay after which a call beyond [`MAX_PROCESSES`] should be retried.
const PROCESS_RETRY: Duration = Duration::from_secs(1);
