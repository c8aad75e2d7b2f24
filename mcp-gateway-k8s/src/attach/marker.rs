//! Identifiers of one attachment in the messages of a connection.
//!
//! A process outlives attachments, and all of them number their requests alike. What it still sends
//! for an earlier one, or for somebody else who is attached, must reach no caller.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::{RawValue, to_raw_value};

/// Members of an object, each as its text.
type Members<'a> = BTreeMap<Cow<'a, str>, Cow<'a, RawValue>>;

/// Mark of one attachment, which its identifiers and progress tokens begin with.
#[derive(Clone, Debug)]
pub(super) struct Marker(String);

/// Message of a server, as its caller receives it.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Incoming<'a> {
    /// It has no identifier of an attachment.
    Other(Cow<'a, str>),
    /// Response to the request with this identifier, as its sender wrote it.
    Response(String, String),
    /// It belongs to another attachment.
    Foreign,
}

impl Marker {
    /// Creates the mark `text`, which no other attachment has.
    pub(super) fn new(text: &str) -> Self {
        Self(format!("{text}:"))
    }

    /// Returns `line` as the server receives it, and the identifier of the request if it is one.
    pub(super) fn outgoing<'a>(&self, line: &'a str) -> (Cow<'a, str>, Option<String>) {
        let marked = members(line).and_then(|mut message| {
            let method: String = serde_json::from_str(message.get("method")?.get()).ok()?;
            let id = message.get("id").map(|id| id.get().to_owned());
            if let Some(id) = message.get_mut("id") {
                *id = Cow::Owned(self.mark(id)?);
            }
            if let Some(params) = message.get("params").map(|params| params.get().to_owned())
                && let Some(params) = self.mark_params(&method, &params)
            {
                message.insert("params".into(), Cow::Owned(params));
            }
            Some((serde_json::to_string(&message).ok()?, id))
        });
        match marked {
            Some((text, id)) => (text.into(), id),
            None => (line.into(), None),
        }
    }

    /// Returns `line` as its caller receives it.
    pub(super) fn incoming<'a>(&self, line: &'a str) -> Incoming<'a> {
        let Some(mut message) = members(line) else {
            return Incoming::Other(line.into());
        };
        let Some(method) = message.get("method").map(|method| method.get().to_owned()) else {
            let own = message.get("id").and_then(|id| self.unmark(id));
            let Some(own) = own else {
                return Incoming::Foreign;
            };
            let id = own.get().to_owned();
            message.insert("id".into(), Cow::Owned(own));
            return match serde_json::to_string(&message) {
                Ok(text) => Incoming::Response(text, id),
                Err(_) => Incoming::Foreign,
            };
        };
        let Some(params) = message.get("params").map(|params| params.get().to_owned()) else {
            return Incoming::Other(line.into());
        };
        match self.unmark_params(&method, &params) {
            Params::Own(params) => {
                message.insert("params".into(), Cow::Owned(params));
                let text = serde_json::to_string(&message);
                text.map_or(Incoming::Foreign, |text| Incoming::Other(text.into()))
            }
            Params::Unmarked => Incoming::Other(line.into()),
            Params::Foreign => Incoming::Foreign,
        }
    }

    /// Returns `id` with the mark.
    fn mark(&self, id: &RawValue) -> Option<Box<RawValue>> {
        to_raw_value(&format!("{}{}", self.0, id.get())).ok()
    }

    /// Returns the identifier that the mark was added to; `None` if `id` has not this mark.
    fn unmark(&self, id: &RawValue) -> Option<Box<RawValue>> {
        let text: String = serde_json::from_str(id.get()).ok()?;
        let own = text.strip_prefix(&self.0)?.to_owned();
        RawValue::from_string(own).ok()
    }

    /// Returns the parameters of a request or notification with marks; `None` if they need none.
    fn mark_params(&self, method: &str, params: &str) -> Option<Box<RawValue>> {
        let mut params = members(params)?;
        if method == CANCELLED {
            let id = params.get_mut("requestId")?;
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

    /// Returns the parameters of a notification or request of the server without marks.
    fn unmark_params(&self, method: &str, params: &str) -> Params {
        let Some(mut params) = members(params) else {
            return Params::Unmarked;
        };
        if method.trim_matches('"') == PROGRESS {
            let token = params.get("progressToken");
            let Some(own) = token.and_then(|token| self.unmark(token)) else {
                return Params::Foreign;
            };
            params.insert("progressToken".into(), Cow::Owned(own));
            return to_raw_value(&params).map_or(Params::Foreign, Params::Own);
        }
        let Some(mut meta) = params.get("_meta").and_then(|meta| members(meta.get())) else {
            return Params::Unmarked;
        };
        let Some(subscription) = meta.get(SUBSCRIPTION) else {
            return Params::Unmarked;
        };
        let Some(own) = self.unmark(subscription) else {
            return Params::Foreign;
        };
        meta.insert(SUBSCRIPTION.into(), Cow::Owned(own));
        let Ok(inner) = to_raw_value(&meta) else {
            return Params::Foreign;
        };
        drop(meta);
        params.insert("_meta".into(), Cow::Owned(inner));
        to_raw_value(&params).map_or(Params::Foreign, Params::Own)
    }
}

/// Parameters of a message of the server.
enum Params {
    /// They had this mark.
    Own(Box<RawValue>),
    /// They need none.
    Unmarked,
    /// They have another mark, or none and need one.
    Foreign,
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
        let text = match marker.incoming(&text) {
            Incoming::Other(text) => text.into_owned(),
            Incoming::Response(text, _) => text,
            Incoming::Foreign => return None,
        };
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
            json!({ "jsonrpc": "2.0", "id": "b2:7", "result": {} }),
            json!({ "jsonrpc": "2.0", "id": null, "error": { "code": 1, "message": "x" } }),
            json!({ "method": "notifications/progress", "params": { "progressToken": 3 } }),
            json!({ "method": "notifications/progress", "params": { "progressToken": "b2:3" } }),
            json!({ "method": "notifications/x", "params": { "_meta": { SUBSCRIPTION: "b2:1" } } }),
        ] {
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
            assert_eq!(marker.outgoing(text).0, text);
        }
        for text in [
            r#"{"id": 5,  "method": "roots/list"}"#,
            r#"{"method":"notifications/message","params":{"b":1,"a":2}}"#,
            "a line of a log",
        ] {
            assert_eq!(marker.incoming(text), Incoming::Other(text.into()));
        }
    }
}
