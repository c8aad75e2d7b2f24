use std::collections::{BTreeSet, HashMap, VecDeque};
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Attached, EventLog};
use crate::Cancellation;
use crate::json::Edits;
use crate::jsonrpc::{Id, Message, Notification, Request};
use crate::reply::{Respond, ServerRequest};
use crate::task::Task;

/// What a session has that its client does not carry.
pub(crate) struct State {
    pub(super) last_used: Instant,
    pub(super) ended: bool,
    /// Whether it shares no session with a server of the legacy era.
    pub(super) own: bool,
    /// The JSON text of the level from which on the client wants to see log messages.
    pub(super) log_level: Option<Arc<str>>,
    pub(super) attached: Vec<Arc<dyn Attached>>,
    /// The requests that are not answered, so that they can be cancelled.
    calls: HashMap<Id, Cancellation>,
    asked: HashMap<i64, Asked>,
    next_asked: i64,
    /// The stream of what belongs to no request.
    standalone: Option<Arc<EventLog>>,
    streams: HashMap<u64, Arc<EventLog>>,
    /// Streams that have ended, and when, the oldest first.
    ended_streams: VecDeque<(u64, Instant)>,
    next_stream: u64,
    /// The resources about whose changes the client wants to hear.
    pub(crate) subscriptions: BTreeSet<String>,
    /// What listens to the servers on behalf of the client.
    pub(crate) listening: Option<Task>,
}

/// A request of a server that the client has not answered.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) server: Arc<dyn Respond>,
    /// The identifier that the server gave.
    pub(crate) id: Id,
    /// The JSON text of the identifier by which the client knows it.
    name: Box<str>,
    /// The JSON text of the token with which the server asked for progress.
    pub(crate) progress_token: Option<Box<str>>,
}

/// Which stream of a session an event belongs to; 0 is that of what belongs to no request.
pub(crate) type StreamId = u64;

/// What is left of a session that has ended.
pub(super) struct Ended {
    pub(super) attached: Vec<Arc<dyn Attached>>,
    pub(super) calls: Vec<Cancellation>,
    pub(super) logs: Vec<Arc<EventLog>>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            last_used: Instant::now(),
            ended: false,
            own: false,
            log_level: None,
            attached: Vec::new(),
            calls: HashMap::new(),
            asked: HashMap::new(),
            next_asked: 1,
            standalone: None,
            streams: HashMap::new(),
            ended_streams: VecDeque::new(),
            next_stream: 1,
            subscriptions: BTreeSet::new(),
            listening: None,
        }
    }
}

impl State {
    /// Notes a request, so that it can be cancelled; `None` when one of its identifier is not
    /// answered yet.
    pub(crate) fn begin_call(&mut self, id: &Id) -> Option<Cancellation> {
        if self.calls.contains_key(id) {
            return None;
        }
        let cancellation = Cancellation::new();
        self.calls.insert(id.clone(), cancellation.clone());
        Some(cancellation)
    }

    pub(crate) fn end_call(&mut self, id: &Id) {
        self.calls.remove(id);
    }

    pub(crate) fn cancel_call(&mut self, id: &Id) {
        if let Some(cancellation) = self.calls.remove(id) {
            cancellation.cancel();
        }
    }

    /// Notes a request of a server, and gives it an identifier that is unique in the session, as
    /// `name` makes it of a number.
    pub(super) fn ask(
        &mut self,
        asked: ServerRequest,
        name: impl FnOnce(i64) -> String,
    ) -> Option<Request> {
        if self.asked.len() >= MAX_ASKED {
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
        self.asked.insert(
            number,
            Asked {
                server,
                id,
                name: name.into(),
                progress_token,
            },
        );
        Some(renumbered)
    }

    /// The request of a server that has got the number.
    pub(crate) fn answered(&mut self, number: i64) -> Option<Asked> {
        self.asked.remove(&number)
    }

    /// The request of a server that asked for progress with `token`.
    pub(crate) fn asked_progress(&self, token: &str) -> Option<Asked> {
        let mut asked = self.asked.values();
        asked
            .find(|asked| asked.progress_token.as_deref() == Some(token))
            .cloned()
    }

    /// The notification by which a server takes back what it asked, as the client knows it.
    pub(crate) fn taken_back(&mut self, notification: &Notification) -> Option<Notification> {
        let id = notification.param("requestId").and_then(Id::from_token)?;
        let (number, _) = self.asked.iter().find(|(_, asked)| asked.id == id)?;
        let number = *number;
        let asked = self.asked.remove(&number)?;
        notification.with_param("requestId", &asked.name)
    }

    /// A new stream.
    pub(crate) fn open_stream(&mut self) -> (StreamId, Arc<EventLog>) {
        let id = self.next_stream;
        self.next_stream += 1;
        let log = EventLog::new();
        self.streams.insert(id, Arc::clone(&log));
        (id, log)
    }

    /// Notes that a stream has ended. It is kept for a while, for a client that missed the end.
    pub(crate) fn end_stream(&mut self, id: StreamId) {
        let now = Instant::now();
        self.ended_streams.push_back((id, now));
        self.forget_old_streams(now);
    }

    /// The stream that an event names.
    pub(crate) fn stream(&self, id: StreamId) -> Option<Arc<EventLog>> {
        match id {
            0 => self.standalone.clone(),
            id => self.streams.get(&id).cloned(),
        }
    }

    /// Notes whether the client wants to hear of changes of a resource.
    pub(crate) fn subscribe(&mut self, uri: String, wanted: bool) {
        if !wanted {
            self.subscriptions.remove(&uri);
        } else if self.subscriptions.len() < MAX_SUBSCRIPTIONS {
            self.subscriptions.insert(uri);
        }
    }

    /// Whether the servers are listened to on behalf of the client.
    pub(crate) fn is_listening(&self) -> bool {
        self.listening.is_some()
    }

    /// The stream of what belongs to no request.
    pub(crate) fn standalone(&mut self) -> Arc<EventLog> {
        Arc::clone(self.standalone.get_or_insert_with(EventLog::new))
    }

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

    /// Whether the client waits for something.
    pub(super) fn is_waited_for(&self) -> bool {
        let reads = |log: &Arc<EventLog>| log.is_read() && !log.is_closed();
        !self.calls.is_empty() || self.standalone.as_ref().is_some_and(reads)
    }

    pub(super) fn is_carried_by_client(&self) -> bool {
        self.subscriptions.is_empty() && self.attached.is_empty() && !self.own
    }

    pub(super) fn take(&mut self) -> Ended {
        self.listening = None;
        self.subscriptions.clear();
        self.asked.clear();
        self.ended_streams.clear();
        let standalone = self.standalone.take();
        Ended {
            attached: mem::take(&mut self.attached),
            calls: mem::take(&mut self.calls).into_values().collect(),
            logs: mem::take(&mut self.streams)
                .into_values()
                .chain(standalone)
                .collect(),
        }
    }
}

/// How long, how many and how much of streams that have ended is kept for a client that missed the
/// end.
const KEEP_ENDED: Duration = Duration::from_secs(60);
const MAX_ENDED: usize = 16;
const MAX_ENDED_BYTES: usize = 256 * 1024;

/// About how many resources a client can hear.
const MAX_SUBSCRIPTIONS: usize = 10_000;

/// How many requests of servers a client may leave unanswered.
const MAX_ASKED: usize = 1000;
