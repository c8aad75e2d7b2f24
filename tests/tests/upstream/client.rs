//! A client of either era.

use mcp_gateway_tests::gateway::TestGateway;
use mcp_gateway_tests::wire::Wire;
use serde_json::{Value, json};

use super::listener::{begin, wire_of};

/// A client of one era.
pub(super) struct Client {
    wire: Wire,
    /// Session of the legacy era.
    session: Option<String>,
    /// Capabilities of the gateway.
    pub(super) capabilities: Value,
}

impl Client {
    pub(super) async fn new(gateway: &TestGateway, name: &str, modern: bool) -> Self {
        let wire = wire_of(gateway, name);
        let (session, answer) = match modern {
            true => {
                let reply = wire.request("server/discover", json!({})).await;
                (None, reply.unwrap().answer())
            }
            false => {
                let (session, answer) = begin(&wire).await;
                (Some(session), answer)
            }
        };
        let capabilities = answer["result"]["capabilities"].clone();
        Self {
            wire,
            session,
            capabilities,
        }
    }

    pub(super) async fn ask(&self, method: &str, params: Value) -> Value {
        let reply = match &self.session {
            None => self.wire.request(method, params).await,
            Some(session) => {
                let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
                let session = [("mcp-session-id", session.as_str())];
                self.wire.post(body.to_string(), &session).await
            }
        };
        reply.unwrap().answer()
    }

    pub(super) async fn call(&self, tool: &str) -> Value {
        self.ask("tools/call", json!({ "name": tool, "arguments": {} }))
            .await
    }

    /// Reads a resource; the first item of its contents.
    pub(super) async fn read(&self, uri: &str) -> Value {
        let answer = self.ask("resources/read", json!({ "uri": uri })).await;
        answer["result"]["contents"][0].clone()
    }
}
