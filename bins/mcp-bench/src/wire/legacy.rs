//! Requests of the legacy era: a handshake opens a session for all others.

use serde_json::{Map, Value};

use super::{Call, Prepared, client_info, message, notification};
use crate::endpoint::Endpoint;

/// Newest protocol version of the legacy era.
pub(crate) const VERSION: &str = "2025-11-25";

/// Result of the handshake.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Session {
    /// Session ID, if the server assigned one.
    pub(crate) id: Option<String>,
    /// Protocol version that the server chose.
    pub(crate) version: String,
}

/// Builds the request that opens a session.
pub(crate) fn initialize(endpoint: &Endpoint) -> Prepared {
    let mut params = Map::new();
    params.insert("protocolVersion".to_owned(), Value::from(VERSION));
    params.insert("capabilities".to_owned(), endpoint.capabilities());
    params.insert("clientInfo".to_owned(), client_info());
    Prepared::request(endpoint, "", message("initialize", params))
}

/// Builds the notification that completes the handshake.
pub(crate) fn initialized(endpoint: &Endpoint, session: &Session) -> Vec<u8> {
    notification(endpoint, &fields(session), "notifications/initialized")
}

/// Prepares `call` in `session`.
pub(crate) fn call(endpoint: &Endpoint, session: &Session, call: &Call) -> Prepared {
    let message = message(&call.method, call.params.clone());
    Prepared::request(endpoint, &fields(session), message)
}

/// Builds a request for unsolicited messages.
pub(crate) fn listen(endpoint: &Endpoint, session: &Session) -> Vec<u8> {
    let head = endpoint.head("GET");
    format!("{head}Accept: text/event-stream\r\n{}\r\n", fields(session)).into_bytes()
}

/// Builds the request that ends `session`.
pub(crate) fn end(endpoint: &Endpoint, session: &Session) -> Vec<u8> {
    format!("{}{}\r\n", endpoint.head("DELETE"), fields(session)).into_bytes()
}

/// Returns the header lines of a session.
fn fields(session: &Session) -> String {
    let version = format!("MCP-Protocol-Version: {}\r\n", session.version);
    match &session.id {
        Some(id) => format!("{version}Mcp-Session-Id: {id}\r\n"),
        None => version,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::split;
    use super::*;

    #[test]
    fn requests_carry_the_session_if_there_is_one() {
        let endpoint = Endpoint::new("http://localhost/mcp", &[]).unwrap();
        let mut session = Session {
            id: Some("s1".to_owned()),
            version: "2025-06-18".to_owned(),
        };
        let mut prepared = call(&endpoint, &session, &Call::bare("tools/list"));
        let (head, body) = split(prepared.with_id(super::super::first_id(0)));
        assert!(
            head.contains("MCP-Protocol-Version: 2025-06-18\r\nMcp-Session-Id: s1"),
            "{head}"
        );
        assert_eq!(body["method"], "tools/list");
        session.id = None;
        let end = String::from_utf8(end(&endpoint, &session)).unwrap();
        assert!(
            end.starts_with("DELETE /mcp HTTP/1.1\r\n") && !end.contains("Session"),
            "{end}"
        );
    }
}
