//! State of a session that its ID does not carry.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{EventLog, SessionListener};
use crate::Cancellation;
use crate::json::Edits;
use crate::jsonrpc::{Id, Message, Notification, Request};
use crate::reply::{Responder, ServerRequest};
use crate::task::BackgroundTask;

/// State of a session that is kept in memory.
pub(crate) struct SessionState {
    /// Time of the last request.
    pub(super) last_used: Instant,
    /// `true` after the end of the session.
    pub(super) ended: bool,
    /// `true` if the session must not share an upstream session of the legacy era.
    pub(super) exclusive: bool,
    /// JSON text of the minimum level of log messages.
    pub(super) log_level: Option<Arc<str>>,
    /// Resources that end with the session.
    pub(super) attached: Vec<Arc<dyn SessionListener>>,
    /// In-flight requests of the client, for their cancellation.
    calls: foldhash::HashMap<Id, Cancellation>,
    /// Unanswered requests of servers by their number.
    server_requests: HashMap<i64, PendingServerRequest>,
    /// Number of the next request of a server.
    next_asked: i64,
    /// Stream of messages outside of any request.
    standalone: Option<Arc<EventLog>>,
    /// Streams of requests by their number.
    streams: HashMap<u64, Arc<EventLog>>,
    /// Closed streams with the time of their end, oldest first.
    ended_streams: VecDeque<(u64, Instant)>,
    /// Number of the next stream.
    next_stream: u64,
    /// URIs of resources to whose updates the client has subscribed.
    pub(crate) subscriptions: BTreeSet<String>,
    /// Task that subscribes to the servers on behalf of the client.
    pub(crate) subscription: Option<BackgroundTask>,
    /// Task that ends the session with the authentication of its client.
    pub(super) lease: Option<BackgroundTask>,
}

/// An unanswered request of a server.
#[derive(Clone, Debug)]
pub(crate) struct PendingServerRequest {
    /// Channel for the answer.
    pub(crate) server: Arc<dyn Responder>,
    /// ID that the server chose.
    pub(crate) id: Id,
    /// JSON text of the ID under which the client received the request.
    name: Box<str>,
    /// JSON text of the server's progress token.
    pub(crate) progress_token: Option<Box<str>>,
}

/// Number of a stream within a session; 0 is the stream outside of any request.
pub(crate) type StreamId = u64;

/// Resources of an ended session that remain to be released.
pub(super) struct ClosedSession {
    pub(super) attached: Vec<Arc<dyn SessionListener>>,
    pub(super) calls: Vec<Cancellation>,
    pub(super) logs: Vec<Arc<EventLog>>,
}

impl Default for SessionState {
    fn default() -> Self {
        Self {
            last_used: Instant::now(),
            ended: false,
            exclusive: false,
            log_level: None,
            attached: Vec::new(),
            calls: foldhash::HashMap::default(),
            server_requests: HashMap::new(),
            next_asked: 1,
            standalone: None,
            streams: HashMap::new(),
            ended_streams: VecDeque::new(),
            next_stream: 1,
            subscriptions: BTreeSet::new(),
            subscription: None,
            lease: None,
        }
    }
}

impl SessionState {
    /// Registers a request of the client for cancellation.
    ///
    /// Returns `None` if a request with the same ID is in flight. In a session that has ended, the
    /// request is cancelled at once.
    pub(crate) fn start_call(&mut self, id: &Id) -> Option<Cancellation> {
        if self.calls.contains_key(id) {
            return None;
        }
        let cancellation = Cancellation::new();
        if self.ended {
            cancellation.cancel();
        }
        self.calls.insert(id.clone(), cancellation.clone());
        Some(cancellation)
    }

    /// Removes a completed request.
    pub(crate) fn end_call(&mut self, id: &Id) {
        self.calls.remove(id);
    }

    /// Cancels an in-flight request for `reason`, a JSON text; ignores unknown IDs.
    pub(crate) fn cancel_call(&mut self, id: &Id, reason: Option<&str>) {
        if let Some(cancellation) = self.calls.remove(id) {
            cancellation.cancel_for(reason);
        }
    }

    /// Registers a request of a server and returns it under a new ID.
    ///
    /// `name` makes the JSON text of the ID from a number that is unique in the session. Returns
    /// `None` if more than [`MAX_ASKED`] requests are unanswered.
    pub(super) fn add_server_request(
        &mut self,
        asked: ServerRequest,
        name: impl FnOnce(i64) -> String,
    ) -> Option<Request> {
        if self.server_requests.len() >= MAX_ASKED {
            return None;
        }
        let (request, id, server) = asked.into_parts();
        let number = self.next_asked;
        self.next_asked += 1;
        let mut edits = Edits::new();
        let name = name(number);
        edits.replace(request.id_span(), name.as_str());
        let Ok(Message::Request(renumbered)) = Message::parse(edits.apply(&request.bytes())) else {
            return None;
        };
        let progress_token = request.meta("progressToken").map(Into::into);
        self.server_requests.insert(
            number,
            PendingServerRequest {
                server,
                id,
                name: name.into(),
                progress_token,
            },
        );
        Some(renumbered)
    }

    /// Removes and returns the request of a server with the given number.
    pub(crate) fn take_server_request(&mut self, number: i64) -> Option<PendingServerRequest> {
        self.server_requests.remove(&number)
    }

    /// Returns the request of a server whose progress token is `token`.
    pub(crate) fn asked_progress(&self, token: &str) -> Option<PendingServerRequest> {
        let mut asked = self.server_requests.values();
        asked
            .find(|asked| asked.progress_token.as_deref() == Some(token))
            .cloned()
    }

    /// Translates a server's cancellation of its own request for the client.
    ///
    /// Removes the request. Returns `None` if it is unknown or has been answered.
    pub(crate) fn withdraw_server_request(
        &mut self,
        notification: &Notification,
    ) -> Option<Notification> {
        let id = notification.param("requestId").and_then(Id::from_token)?;
        let (number, _) = self
            .server_requests
            .iter()
            .find(|(_, asked)| asked.id == id)?;
        let number = *number;
        let asked = self.server_requests.remove(&number)?;
        asked.server.withdraw();
        notification.with_param("requestId", &asked.name)
    }

    /// Opens a stream for a request.
    pub(crate) fn open_stream(&mut self) -> (StreamId, Arc<EventLog>) {
        let id = self.next_stream;
        self.next_stream += 1;
        let log = self.new_log();
        self.streams.insert(id, Arc::clone(&log));
        (id, log)
    }

    /// Marks a stream as closed. It is retained for a while, for a client that missed the end.
    pub(crate) fn end_stream(&mut self, id: StreamId) {
        let now = Instant::now();
        self.ended_streams.push_back((id, now));
        self.forget_old_streams(now);
    }

    /// Returns the stream `id`, if it is retained.
    pub(crate) fn stream(&self, id: StreamId) -> Option<Arc<EventLog>> {
        match id {
            0 => self.standalone.clone(),
            id => self.streams.get(&id).cloned(),
        }
    }

    /// Subscribes to the updates of a resource, or unsubscribes from them. Returns `true` if that is
    /// a change.
    ///
    /// Beyond [`MAX_SUBSCRIPTIONS`] resources a subscription is ignored.
    pub(crate) fn subscribe(&mut self, uri: String, wanted: bool) -> bool {
        if !wanted {
            self.subscriptions.remove(&uri)
        } else {
            self.subscriptions.len() < MAX_SUBSCRIPTIONS && self.subscriptions.insert(uri)
        }
    }

    /// Returns `true` if a task is subscribed to the servers on behalf of the client.
    pub(crate) fn is_listening(&self) -> bool {
        self.subscription.is_some()
    }

    /// Returns the stream of messages outside of any request, creating it on first use.
    pub(crate) fn standalone(&mut self) -> Arc<EventLog> {
        if let Some(log) = &self.standalone {
            return Arc::clone(log);
        }
        let log = self.new_log();
        self.standalone = Some(Arc::clone(&log));
        log
    }

    /// Returns the logs of all streams.
    pub(super) fn logs(&self) -> impl Iterator<Item = &Arc<EventLog>> {
        self.streams.values().chain(&self.standalone)
    }

    /// Creates a log, which is closed if the session has ended.
    fn new_log(&self) -> Arc<EventLog> {
        let log = EventLog::new();
        if self.ended {
            log.close();
        }
        log
    }

    /// Evicts closed streams beyond the limits of age, number and size.
    pub(super) fn forget_old_streams(&mut self, now: Instant) {
        let mut bytes: usize = self
            .ended_streams
            .iter()
            .filter_map(|(id, _)| self.streams.get(id))
            .map(|log| log.bytes())
            .sum();
        while let Some((id, ended)) = self.ended_streams.front().copied() {
            let old = now.duration_since(ended) > KEEP_ENDED;
            if !old && bytes <= MAX_ENDED_BYTES && self.ended_streams.len() <= MAX_ENDED {
                break;
            }
            self.ended_streams.pop_front();
            if let Some(log) = self.streams.remove(&id) {
                bytes -= log.bytes();
            }
        }
    }

    /// Returns `true` if a call is in flight or the standalone stream is being read.
    pub(super) fn has_pending(&self) -> bool {
        let reads = |log: &Arc<EventLog>| log.is_read() && !log.is_closed();
        !self.calls.is_empty() || self.standalone.as_ref().is_some_and(reads)
    }

    /// Returns `true` if the session ID alone restores the session.
    pub(super) fn is_carried_by_client(&self) -> bool {
        self.subscriptions.is_empty() && self.attached.is_empty() && !self.exclusive
    }

    /// Takes the resources to release at the end of the session.
    pub(super) fn take(&mut self) -> ClosedSession {
        self.subscription = None;
        self.lease = None;
        self.subscriptions.clear();
        self.server_requests.clear();
        self.ended_streams.clear();
        let standalone = self.standalone.take();
        ClosedSession {
            attached: mem::take(&mut self.attached),
            calls: mem::take(&mut self.calls).into_values().collect(),
            logs: mem::take(&mut self.streams)
                .into_values()
                .chain(standalone)
                .collect(),
        }
    }
}

/// Maximum age of a closed stream.
const KEEP_ENDED: Duration = Duration::from_secs(60);
/// Maximum number of closed streams.
const MAX_ENDED: usize = 16;
/// Maximum total size of closed streams, in bytes.
const MAX_ENDED_BYTES: usize = 256 * 1024;

/// Maximum number of subscriptions to resources per session.
const MAX_SUBSCRIPTIONS: usize = 10_000;

/// Maximum number of unanswered requests of servers per session.
const MAX_ASKED: usize = 1000;
