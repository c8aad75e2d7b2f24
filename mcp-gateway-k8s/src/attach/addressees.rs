//! Connections that share a container, and which of them a message is for.
//!
//! A message of the server without the mark of a connection could be meant for any caller. Changes of
//! lists and resources are for all. The rest, its questions and log messages, is for the only
//! connection with a call in flight. If several have one, or a call of a connection that has ended may
//! still go on, it reaches nobody: it would disclose the data of one caller to another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::marker::{self, Address, Marker, Sent};
use crate::slot::{Activity, InUse};

/// Connections to one container.
pub(super) struct Addressees {
    state: Mutex<State>,
    activity: Arc<Activity>,
}

#[derive(Default)]
struct State {
    /// Set when the attachment has ended.
    is_closed: bool,
    /// By their marks.
    connections: HashMap<String, Addressee>,
    /// Calls of connections that have ended, by their marks.
    left: HashMap<String, HashMap<String, Call>>,
}

/// Connection.
struct Addressee {
    marker: Marker,
    messages: mpsc::Sender<String>,
    /// Requests without a response, by their identifiers.
    calls: HashMap<String, Call>,
}

/// Request without a response.
struct Call {
    /// Keeps the server awake, while its caller waits.
    in_use: Option<InUse>,
    /// Set if the server may ask its caller, or log, because of it.
    is_work: bool,
    /// Time from which it is taken for over; `None` while its caller waits.
    end: Option<Instant>,
}

/// Receivers of a message of the server.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    pub(super) to: Vec<mpsc::Sender<String>>,
    pub(super) text: String,
    /// Answer to the server, if no connection receives its request.
    pub(super) answer: Option<String>,
}

impl Addressees {
    pub(super) fn new(activity: Arc<Activity>) -> Self {
        Self {
            state: Mutex::default(),
            activity,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends all connections.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        *state = State {
            is_closed: true,
            ..State::default()
        };
    }

    pub(super) fn is_open(&self) -> bool {
        !self.lock().is_closed
    }

    /// Adds a connection. Returns `false` if the attachment has ended.
    pub(super) fn add(&self, marker: &Marker, messages: mpsc::Sender<String>) -> bool {
        let mut state = self.lock();
        let addressee = Addressee {
            marker: marker.clone(),
            messages,
            calls: HashMap::new(),
        };
        if !state.is_closed {
            let mark = marker.text().to_owned();
            state.connections.insert(mark, addressee);
        }
        !state.is_closed
    }

    /// Removes a connection, whose calls may go on.
    pub(super) fn remove(&self, marker: &Marker) {
        let mut state = self.lock();
        state.forget();
        let Some(removed) = state.connections.remove(marker.text()) else {
            return;
        };
        let end = Instant::now() + ABANDONED;
        let mut calls = removed.calls;
        calls.retain(|_, call| call.is_work);
        for call in calls.values_mut() {
            call.leave(call.end.map_or(end, |known| known.min(end)));
        }
        if !calls.is_empty() {
            state.left.insert(marker.text().to_owned(), calls);
        }
    }

    /// Records a message of a connection.
    pub(super) fn sent(&self, marker: &Marker, sent: Sent) {
        let mut state = self.lock();
        let Some(addressee) = state.connections.get_mut(marker.text()) else {
            return;
        };
        match sent {
            Sent::Request { id, is_work } => {
                let call = Call {
                    in_use: Some(self.activity.begin()),
                    is_work,
                    end: None,
                };
                addressee.calls.insert(id, call);
            }
            // The server need not respond any more.
            Sent::Cancelled { id } => {
                if let Some(call) = addressee.calls.get_mut(&id) {
                    call.leave(Instant::now() + CANCELLED);
                }
            }
            Sent::Other => self.activity.touch(),
        }
    }

    /// Returns the receivers of a line of the server.
    pub(super) fn address(&self, line: &str) -> Delivery {
        let address = marker::address(line);
        let mut state = self.lock();
        match address {
            Address::Marked(mark) => state.marked(&mark, line),
            Address::All => Delivery {
                to: state.connections.values().map(Addressee::sender).collect(),
                text: line.to_owned(),
                answer: None,
            },
            Address::Unknown { request } => {
                let to: Vec<_> = state.only().map(Addressee::sender).into_iter().collect();
                let refused = request.filter(|_| to.is_empty());
                Delivery {
                    to,
                    text: line.to_owned(),
                    answer: refused.map(|id| marker::refusal(&id)),
                }
            }
            Address::Gateway { answer } => Delivery {
                answer: Some(answer),
                ..Delivery::default()
            },
            Address::Nobody => Delivery::default(),
        }
    }
}

impl Call {
    /// Records that its caller does not wait any more; it is taken for over at `end`.
    fn leave(&mut self, end: Instant) {
        drop(self.in_use.take());
        self.end = Some(end);
    }
}

impl Addressee {
    fn sender(&self) -> mpsc::Sender<String> {
        self.messages.clone()
    }

    fn works(&self) -> bool {
        self.calls.values().any(|call| call.is_work)
    }
}

impl State {
    /// Returns the delivery of a line with a mark.
    fn marked(&mut self, mark: &str, line: &str) -> Delivery {
        let Some(addressee) = self.connections.get_mut(mark) else {
            self.end_left(mark, line);
            return Delivery::default();
        };
        let Some((text, response)) = addressee.marker.incoming(line) else {
            return Delivery::default();
        };
        if let Some(id) = response {
            addressee.calls.remove(&id);
        }
        Delivery {
            to: vec![addressee.sender()],
            text,
            answer: None,
        }
    }

    /// Forgets a call of a connection that has ended, if `line` is its response.
    fn end_left(&mut self, mark: &str, line: &str) {
        let Some(calls) = self.left.get_mut(mark) else {
            return;
        };
        if let Some((_, Some(id))) = Marker::new(mark).incoming(line) {
            calls.remove(&id);
        }
        if calls.is_empty() {
            self.left.remove(mark);
        }
    }

    /// Forgets the calls that are taken for over.
    fn forget(&mut self) {
        let now = Instant::now();
        let lasts = |call: &mut Call| call.end.is_none_or(|end| end > now);
        for addressee in self.connections.values_mut() {
            addressee.calls.retain(|_, call| lasts(call));
        }
        self.left.retain(|_, calls| {
            calls.retain(|_, call| lasts(call));
            !calls.is_empty()
        });
    }

    /// Returns the connection that a message without a mark is for.
    fn only(&mut self) -> Option<&Addressee> {
        self.forget();
        if !self.left.is_empty() {
            return None;
        }
        let mut working = self.connections.values().filter(|one| one.works());
        match (working.next(), working.next()) {
            (Some(only), None) => Some(only),
            (None, _) if self.connections.len() == 1 => self.connections.values().next(),
            _ => None,
        }
    }
}

/// Time in which a server may still ask because of a call that was cancelled.
const CANCELLED: Duration = Duration::from_secs(30);
/// Time in which it may because of a call whose connection has ended.
const ABANDONED: Duration = Duration::from_secs(5 * 60);

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::slot::Slot;

    /// Connections with the marks `a` and `b`.
    fn two() -> (Addressees, [Marker; 2], [mpsc::Receiver<String>; 2]) {
        let slot = Slot::new(&"server".into());
        let addressees = Addressees::new(Arc::clone(&slot.activity));
        let mut receivers = Vec::new();
        let markers = ["a", "b"].map(Marker::new);
        for marker in &markers {
            let (sender, receiver) = mpsc::channel(8);
            assert!(addressees.add(marker, sender));
            receivers.push(receiver);
        }
        (addressees, markers, receivers.try_into().unwrap())
    }

    fn send(addressees: &Addressees, marker: &Marker, message: &Value) {
        let text = message.to_string();
        addressees.sent(marker, marker.outgoing(&text).1);
    }

    fn call(id: u32) -> Value {
        json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": "x" } })
    }

    fn question() -> String {
        json!({ "jsonrpc": "2.0", "id": 1, "method": "elicitation/create", "params": {} })
            .to_string()
    }

    /// The connections that receive a message.
    fn receivers(
        addressees: &Addressees,
        receivers: &mut [mpsc::Receiver<String>; 2],
        line: &str,
    ) -> (Vec<usize>, Option<String>) {
        let delivery = addressees.address(line);
        for sender in &delivery.to {
            sender.try_send(delivery.text.clone()).unwrap();
        }
        let received = receivers.iter_mut().enumerate();
        let received = received.filter_map(|(index, one)| one.try_recv().ok().map(|_| index));
        (received.collect(), delivery.answer)
    }

    #[tokio::test(start_paused = true)]
    async fn category_attached_questions_reach_the_only_caller() {
        let (all, [a, b], mut ends) = two();
        let mut asked = |all: &Addressees| receivers(all, &mut ends, &question());
        let (to, refusal) = asked(&all);
        assert!(to.is_empty() && refusal.unwrap().contains("-32601"));
        send(&all, &a, &call(1));
        assert_eq!(asked(&all).0, [0]);
        // A list of somebody else asks nothing.
        send(&all, &b, &json!({ "id": 1, "method": "tools/list" }));
        assert_eq!(asked(&all).0, [0]);
        send(&all, &b, &call(2));
        assert!(asked(&all).0.is_empty());
        // A response ends a call.
        let response = json!({ "jsonrpc": "2.0", "id": "a:1", "result": {} });
        assert_eq!(all.address(&response.to_string()).to.len(), 1);
        assert_eq!(asked(&all).0, [1]);
    }

    #[tokio::test(start_paused = true)]
    async fn category_attached_questions_of_calls_that_were_left_reach_nobody() {
        let (all, [a, b], mut ends) = two();
        let mut asked = |all: &Addressees| receivers(all, &mut ends, &question()).0;
        send(&all, &a, &call(1));
        send(&all, &b, &call(2));
        let cancel = json!({ "method": "notifications/cancelled", "params": { "requestId": 1 } });
        send(&all, &a, &cancel);
        assert!(asked(&all).is_empty());
        tokio::time::advance(CANCELLED).await;
        assert_eq!(asked(&all), [1]);
        send(&all, &a, &call(3));
        all.remove(&a);
        assert!(asked(&all).is_empty());
        let response = json!({ "jsonrpc": "2.0", "id": "a:3", "result": {} });
        assert!(all.address(&response.to_string()).to.is_empty());
        assert_eq!(asked(&all), [1]);
    }

    #[tokio::test(start_paused = true)]
    async fn changes_are_for_all_and_an_end_is_too() {
        let (all, _, mut ends) = two();
        let change = json!({ "method": "notifications/tools/list_changed" }).to_string();
        assert_eq!(receivers(&all, &mut ends, &change).0, [0, 1]);
        all.close();
        for end in &mut ends {
            assert_eq!(end.recv().await, None);
        }
        assert!(!all.add(&Marker::new("c"), mpsc::channel(1).0));
    }
}
