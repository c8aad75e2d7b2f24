//! Requests of the command line, and their responses.

use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use mcp_gateway_core::Reply;
use mcp_gateway_core::jsonrpc::{ErrorObject, Id, Message, Notification, Request, code};
use mcp_gateway_core::protocol::{Method, ProtocolVersion, meta};
use mcp_gateway_core::reply::ReplyEvent;
use mcp_gateway_core::upstream::UpstreamError;
use serde_json::{Map, Value, json};

/// Builds a modern request that asks for progress notifications.
pub(super) fn request(method: &Method, mut params: Map<String, Value>) -> Request {
    let context = json!({
        meta::PROTOCOL_VERSION: ProtocolVersion::LATEST.as_str(),
        meta::CLIENT_INFO: { "name": "mcp-gateway", "version": env!("CARGO_PKG_VERSION") },
        meta::CLIENT_CAPABILITIES: {},
        meta::PROGRESS_TOKEN: "command line",
    });
    params.insert("_meta".to_owned(), context);
    Request::new(&Id::from(1), method, &Value::Object(params).to_string())
}

/// Returns the last message of `reply`, passing notifications to `progress`.
pub(super) async fn response(
    reply: Reply,
    mut progress: impl FnMut(&Notification),
) -> Result<Message, UpstreamError> {
    match reply {
        Reply::Json { body, .. } => {
            let text = body.collect().await.map_err(UpstreamError::invalid)?;
            Ok(Message::parse(text.to_bytes())?)
        }
        Reply::Events(mut events) => {
            while let Some(event) = events.next().await {
                match event? {
                    ReplyEvent::Notification(notification) => progress(&notification),
                    ReplyEvent::Request(request) => {
                        let message = "The command line does not accept requests";
                        let error = ErrorObject::new(code::METHOD_NOT_FOUND, message);
                        request.reject(&error).await?;
                    }
                    ReplyEvent::Response(response) => return Ok(Message::Response(response)),
                }
            }
            Err(UpstreamError::Closed)
        }
    }
}

/// Returns the message of the JSON-RPC error `json`, or all of it if it has none.
pub(super) fn error_message(json: &str) -> String {
    let error: Option<Value> = serde_json::from_str(json).ok();
    let message = error.as_ref().and_then(|error| error["message"].as_str());
    message.unwrap_or(json).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_its_message() {
        assert_eq!(
            error_message(r#"{"code":-32603,"message":"No","data":{}}"#),
            "No"
        );
        assert_eq!(error_message("[1]"), "[1]");
    }
}
