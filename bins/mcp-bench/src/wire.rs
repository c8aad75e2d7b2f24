//! Requests as bytes, prepared once and sent many times.

pub(crate) mod legacy;
pub(crate) mod modern;

use std::ops::Range;

use serde_json::{Map, Value, json};

use crate::endpoint::Endpoint;

/// Client name of the load generator.
const CLIENT: &str = "mcp-bench";

/// First ID, with as many digits as all following IDs.
///
/// With IDs of equal length, a request is reused by overwriting the digits: its length, and
/// therefore `Content-Length`, never changes.
const FIRST_ID: u64 = 1_000_000_000_000;

/// Number of IDs reserved for each worker, so that workers can share a session.
const IDS_PER_WORKER: u64 = 1_000_000_000;

/// Returns the first ID of a worker.
pub(crate) fn first_id(worker: usize) -> u64 {
    FIRST_ID + (worker as u64 % 8_000) * IDS_PER_WORKER
}

/// Call in either era.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// JSON-RPC method.
    pub(crate) method: String,
    /// Parameters.
    pub(crate) params: Map<String, Value>,
}

impl Call {
    /// Creates a call of a method without parameters.
    pub(crate) fn bare(method: &str) -> Self {
        Self {
            method: method.to_owned(),
            params: Map::new(),
        }
    }

    /// Creates a call of a tool.
    pub(crate) fn tool(name: &str, arguments: Value) -> Self {
        let mut call = Self::bare("tools/call");
        call.params.insert("name".to_owned(), Value::from(name));
        call.params.insert("arguments".to_owned(), arguments);
        call
    }
}

/// Request in which only the ID changes.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    bytes: Vec<u8>,
    id: Range<usize>,
}

impl Prepared {
    /// Builds a POST of `message` with an ID, and with the header lines `fields`.
    fn request(endpoint: &Endpoint, fields: &str, message: Map<String, Value>) -> Self {
        let start = r#"{"jsonrpc":"2.0","id":"#;
        // The message begins with a brace; a comma in its place continues the object.
        let rest = Value::Object(message).to_string();
        let body = format!("{start}{FIRST_ID},{}", &rest[1..]);
        let head = post_head(endpoint, fields, body.len());
        let from = head.len() + start.len();
        let id = from..from + FIRST_ID.to_string().len();
        Self {
            bytes: [head, body].concat().into_bytes(),
            id,
        }
    }

    /// Returns the request with `id`.
    pub(crate) fn with_id(&mut self, id: u64) -> &[u8] {
        let mut rest = id;
        for digit in self.bytes[self.id.clone()].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        &self.bytes
    }

    /// Returns the current ID, as JSON.
    pub(crate) fn id(&self) -> &[u8] {
        &self.bytes[self.id.clone()]
    }
}

/// Builds a POST of a notification, with the header lines `fields`.
fn notification(endpoint: &Endpoint, fields: &str, method: &str) -> Vec<u8> {
    let body = json!({ "jsonrpc": "2.0", "method": method }).to_string();
    [post_head(endpoint, fields, body.len()), body]
        .concat()
        .into_bytes()
}

fn post_head(endpoint: &Endpoint, fields: &str, length: usize) -> String {
    format!(
        "{}Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n{fields}\r\n",
        endpoint.head("POST"),
    )
}

/// Returns the members of a request other than its ID.
fn message(method: &str, params: Map<String, Value>) -> Map<String, Value> {
    let mut message = Map::new();
    message.insert("method".to_owned(), Value::from(method));
    message.insert("params".to_owned(), Value::Object(params));
    message
}

/// Returns the client information.
fn client_info() -> Value {
    json!({ "name": CLIENT, "version": env!("CARGO_PKG_VERSION") })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Splits a request into head and body.
    pub(super) fn split(bytes: &[u8]) -> (String, Value) {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("Content-Length: {}", body.len())),
            "{head}"
        );
        (head.to_owned(), serde_json::from_str(body).unwrap())
    }

    #[test]
    fn only_the_id_changes() {
        let endpoint = Endpoint::new("http://localhost/mcp", &[]).unwrap();
        let mut prepared = Prepared::request(&endpoint, "X: y\r\n", message("a", Map::new()));
        for id in [first_id(0), first_id(3) + 42, first_id(7_999) + 999_999_999] {
            let (head, body) = split(prepared.with_id(id));
            assert_eq!(
                body,
                json!({ "jsonrpc": "2.0", "id": id, "method": "a", "params": {} })
            );
            assert!(head.ends_with("\r\nX: y"));
            assert_eq!(prepared.id(), id.to_string().as_bytes());
        }
    }
}
