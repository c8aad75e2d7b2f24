//! Identifiers of one connection in the messages of an attachment.
//!
//! A process outlives attachments, and all connections number their requests alike. What it sends for
//! another one, an earlier one, or somebody else who is attached, must reach no other caller.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::{RawValue, to_raw_value};

/// Members of an object, each as its text.
type Members<'a> = BTreeMap<Cow<'a, str>, Cow<'a, RawValue>>;

/// Mark of one connection, which its identifiers and progress tokens begin with.
#[derive(Clone, Debug)]
pub(super) struct Marker {
    /// Without the separator.
    text: String,
    /// With it.
    prefix: String,
}

/// Message of a connection to the server.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Sent {
    /// Request with an identifier, as its sender wrote it.
    Request {
        /// Identifier.
        id: String,
        /// Set if the server may ask its caller, or log, because of it.
        is_work: bool,
    },
    /// Cancellation of the request with an identifier.
    Cancelled {
        /// Identifier.
        id: String,
    },
    /// It is no request.
    Other,
}

/// Receiver of a message of the server.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Address {
    /// The connection of the mark.
    Marked(String),
    /// All connections.
    All,
    /// The connection to whose call it belongs, which it does not say.
    Unknown {
        /// Identifier, if it is a request.
        request: Option<String>,
    },
    /// The gateway itself, which answers a ping.
    Gateway {
        /// Answer.
        answer: String,
    },
    /// No connection of the gateway.
    Nobody,
}

/// Returns the receiver of `line`.
pub(super) fn address(line: &str) -> Address {
    let Some(message) = members(line) else {
        // The connection that reads it reports it.
        return Address::Unknown { request: None };
    };
    let marked = |value: Option<&RawValue>| {
        let mark = value.and_then(mark_of);
        mark.map_or(Address::Nobody, Address::Marked)
    };
    let id = message.get("id").map(|id| &**id);
    let Some(method) = message.get("method") else {
        return marked(id);
    };
    let params = message
        .get("params")
        .and_then(|params| members(params.get()));
    let member = |name| params.as_ref()?.get(name).map(|value| &**value);
    let method = method.get().trim_matches('"');
    if method == PROGRESS {
        return marked(member("progressToken"));
    }
    let meta = member("_meta").and_then(|meta| members(meta.get()));
    if let Some(subscription) = meta.as_ref().and_then(|meta| meta.get(SUBSCRIPTION)) {
        return marked(Some(subscription));
    }
    match (method, id) {
        ("ping", Some(id)) => Address::Gateway {
            answer: format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#, id.get()),
        },
        _ if CHANGES.contains(&method) => Address::All,
        _ => Address::Unknown {
            request: id.map(|id| id.get().to_owned()),
        },
    }
}

/// Returns the mark that an identifier begins with.
fn mark_of(id: &RawValue) -> Option<String> {
    let text: String = serde_json::from_str(id.get()).ok()?;
    Some(text.split_once(SEPARATOR)?.0.to_owned())
}

/// Returns the answer to the request `id` of a server, which reaches no client.
pub(super) fn refusal(id: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32601,"message":"no client can be asked"}}}}"#
    )
}

impl Marker {
    /// Creates the mark `text`, which no other connection has.
    pub(super) fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            prefix: format!("{text}{SEPARATOR}"),
        }
    }

    /// Returns the mark.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Returns `line` as the server receives it.
    pub(super) fn outgoing<'a>(&self, line: &'a str) -> (Cow<'a, str>, Sent) {
        let marked = members(line).and_then(|mut message| {
            let method: String = serde_json::from_str(message.get("method")?.get()).ok()?;
            let mut sent = Sent::Other;
            if let Some(id) = message.get_mut("id") {
                sent = Sent::Request {
                    id: id.get().to_owned(),
                    is_work: WORK.contains(&&*method),
                };
                *id = Cow::Owned(self.mark(id)?);
            }
            if let Some(params) = message.get("params").map(|params| params.get().to_owned())
                && let Some(params) = self.mark_params(&method, &params, &mut sent)
            {
                message.insert("params".into(), Cow::Owned(params));
            }
            Some((serde_json::to_string(&message).ok()?, sent))
        });
        match marked {
            Some((text, sent)) => (text.into(), sent),
            None => (line.into(), Sent::Other),
        }
    }

    /// Returns `line`, which has this mark, as its receiver wrote the identifiers, and the one of the
    /// request to which it is the response.
    pub(super) fn incoming(&self, line: &str) -> Option<(String, Option<String>)> {
        let mut message = members(line)?;
        let Some(method) = message.get("method").map(|method| method.get().to_owned()) else {
            let own = self.unmark(message.get("id")?)?;
            let id = own.get().to_owned();
            message.insert("id".into(), Cow::Owned(own));
            return Some((serde_json::to_string(&message).ok()?, Some(id)));
        };
        let params = message.get("params")?.get().to_owned();
        let params = self.unmark_params(&method, &params)?;
        message.insert("params".into(), Cow::Owned(params));
        Some((serde_json::to_string(&message).ok()?, None))
    }

    /// Returns `id` with the mark.
    fn mark(&self, id: &RawValue) -> Option<Box<RawValue>> {
        to_raw_value(&format!("{}{}", self.prefix, id.get())).ok()
    }

    /// Returns the identifier that the mark was added to; `None` if `id` has not this mark.
    fn unmark(&self, id: &RawValue) -> Option<Box<RawValue>> {
        let text: String = serde_json::from_str(id.get()).ok()?;
        let own = text.strip_prefix(&*self.prefix)?.to_owned();
        RawValue::from_string(own).ok()
    }

    /// Returns the parameters of a request or notification with marks; `None` if they need none.
    fn mark_params(&self, method: &str, params: &str, sent: &mut Sent) -> Option<Box<RawValue>> {
        let mut params = members(params)?;
        if method == CANCELLED {
            let id = params.get_mut("requestId")?;
            *sent = Sent::Cancelled {
                id: id.get().to_owned(),
            };
            *id = Cow::Owned(self.mark(id)?);
            return to_raw_value(&params).ok();
        }
        let mut meta = members(params.get("_meta")?.get())?;
        let token = self.mark(meta.get("progressToken")?)?;
        meta.insert("progressToken".into(), Cow::Owned(token));
        let inner = to_raw_value(&meta).ok()?;
        drop(meta);
        params.insert("_meta".into(), Cow::Owned(inner));
        to_raw_value(&params).ok()
    }

    /// Returns the parameters of a notification of the server without marks; `None` if they have not
    /// this one.
    fn unmark_params(&self, method: &str, params: &str) -> Option<Box<RawValue>> {
        let mut params = members(params)?;
        if method.trim_matches('"') == PROGRESS {
            let own = self.unmark(params.get("progressToken")?)?;
            params.insert("progressToken".into(), Cow::Owned(own));
            return to_raw_value(&params).ok();
        }
        let mut meta = members(params.get("_meta")?.get())?;
        let own = self.unmark(meta.get(SUBSCRIPTION)?)?;
        meta.insert(SUBSCRIPTION.into(), Cow::Owned(own));
        let inner = to_raw_value(&meta).ok()?;
        drop(meta);
        params.insert("_meta".into(), Cow::Owned(inner));
        to_raw_value(&params).ok()
    }
}

fn members(text: &str) -> Option<Members<'_>> {
    serde_json::from_str::<BTreeMap<Cow<'_, str>, &RawValue>>(text)
        .ok()
        .map(|members| {
            members
                .into_iter()
                .map(|(name, value)| (name, Cow::Borrowed(value)))
                .collect()
        })
}

const CANCELLED: &str = "notifications/cancelled";
const PROGRESS: &str = "notifications/progress";
/// Member of the metadata with the identifier of a subscription.
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";
/// Character between the mark and the identifier.
const SEPARATOR: char = ':';
/// Requests because of which a server may ask its client, or log.
const WORK: [&str; 3] = ["prompts/get", "resources/read", "tools/call"];
/// Notifications that are for all who subscribe to them.
const CHANGES: [&str; 6] = [
    "notifications/prompts/list_changed",
    "notifications/resources/list_changed",
    "notifications/resources/updated",
    "notifications/tasks",
    "notifications/tasks/status",
    "notifications/tools/list_changed",
];

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn sent(marker: &Marker, message: &Value) -> Value {
        let text = message.to_string();
        serde_json::from_str(&marker.outgoing(&text).0).unwrap()
    }

    fn received(marker: &Marker, message: &Value) -> Option<Value> {
        let text = message.to_string();
        let (text, _) = marker.incoming(&text)?;
        Some(serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn identifiers_are_marked_and_come_back() {
        let marker = Marker::new("a1");
        for id in [json!(7), json!("text"), json!("a\"b")] {
            let request = json!({
                "jsonrpc": "2.0", "id": id, "method": "tools/call",
                "params": { "name": "x", "_meta": { "progressToken": 3, "other": 1.50 } },
            });
            let sent = sent(&marker, &request);
            assert_eq!(sent["id"], format!("a1:{id}"));
            assert_eq!(sent["params"]["_meta"]["progressToken"], "a1:3");
            let response = json!({ "jsonrpc": "2.0", "id": sent["id"], "result": {} });
            assert_eq!(
                address(&response.to_string()),
                Address::Marked("a1".to_owned())
            );
            assert_eq!(received(&marker, &response).unwrap()["id"], id);
            let progress = json!({
                "jsonrpc": "2.0", "method": "notifications/progress",
                "params": { "progressToken": "a1:3", "progress": 1 },
            });
            let progress = received(&marker, &progress).unwrap();
            assert_eq!(progress["params"]["progressToken"], 3);
        }
    }

    #[test]
    fn category_attached_messages_of_others_are_dropped() {
        let marker = Marker::new("a1");
        for message in [
            json!({ "jsonrpc": "2.0", "id": 7, "result": {} }),
            json!({ "jsonrpc": "2.0", "id": null, "error": { "code": 1, "message": "x" } }),
            json!({ "method": "notifications/progress", "params": { "progressToken": 3 } }),
            json!({ "method": "notifications/x", "params": { "_meta": { SUBSCRIPTION: 4 } } }),
        ] {
            assert_eq!(address(&message.to_string()), Address::Nobody, "{message}");
            assert_eq!(received(&marker, &message), None, "{message}");
        }
        for message in [
            json!({ "jsonrpc": "2.0", "id": "b2:7", "result": {} }),
            json!({ "method": "notifications/progress", "params": { "progressToken": "b2:3" } }),
            json!({ "method": "notifications/x", "params": { "_meta": { SUBSCRIPTION: "b2:1" } } }),
        ] {
            let other = Address::Marked("b2".to_owned());
            assert_eq!(address(&message.to_string()), other, "{message}");
            assert_eq!(received(&marker, &message), None, "{message}");
        }
    }

    #[test]
    fn cancellations_and_subscriptions_are_marked() {
        let marker = Marker::new("a1");
        let cancel = json!({
            "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 7 },
        });
        assert_eq!(sent(&marker, &cancel)["params"]["requestId"], "a1:7");
        let update = json!({ "method": "x", "params": { "_meta": { SUBSCRIPTION: "a1:\"s\"" } } });
        let update = received(&marker, &update).unwrap();
        assert_eq!(update["params"]["_meta"][SUBSCRIPTION], "s");
    }

    #[test]
    fn other_messages_stay_byte_for_byte() {
        let marker = Marker::new("a1");
        for text in [r#"{"id": 5,  "result": {"roots": []}}"#, "not json", "[]"] {
            assert_eq!(marker.outgoing(text), (text.into(), Sent::Other));
        }
        for (text, request) in [
            (
                r#"{"id": 5,  "method": "roots/list"}"#,
                Some("5".to_owned()),
            ),
            (
                r#"{"method":"notifications/message","params":{"b":1,"a":2}}"#,
                None,
            ),
            ("a line of a log", None),
        ] {
            assert_eq!(address(text), Address::Unknown { request }, "{text}");
        }
        let change = r#"{"method":"notifications/tools/list_changed"}"#;
        assert_eq!(address(change), Address::All);
        let ping = r#"{"id":"p","method":"ping"}"#;
        let answer = r#"{"jsonrpc":"2.0","id":"p","result":{}}"#.to_owned();
        assert_eq!(address(ping), Address::Gateway { answer });
    }

    #[test]
    fn requests_and_their_cancellation_are_told() {
        let marker = Marker::new("a1");
        let request = |id: &str, is_work| Sent::Request {
            id: id.to_owned(),
            is_work,
        };
        for (text, sent) in [
            (r#"{"id":7,"method":"tools/call"}"#, request("7", true)),
            (r#"{"id":"x","method":"ping"}"#, request("\"x\"", false)),
            (
                r#"{"method":"notifications/cancelled","params":{"requestId":7}}"#,
                Sent::Cancelled { id: "7".to_owned() },
            ),
            (r#"{"method":"notifications/initialized"}"#, Sent::Other),
        ] {
            assert_eq!(marker.outgoing(text).1, sent, "{text}");
        }
        let refused: Value = serde_json::from_str(&refusal("\"q\"")).unwrap();
        assert_eq!(refused["id"], "q");
    }
}
