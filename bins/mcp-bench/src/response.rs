//! Validation of responses.

mod sse;

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, from_slice};

pub(crate) use self::sse::Events;
use crate::failure::{Failure, quote};
use crate::http1::Head;

/// Parts of a message that determine whether a call succeeded.
///
/// The rest, usually the bulk of it, is skipped by the parser without being stored.
#[derive(Debug, Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<ToolResult<'a>>,
    error: Option<RpcError>,
    #[serde(borrow)]
    method: Option<&'a RawValue>,
}

/// Parts of a result that determine whether the tool succeeded.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolResult<'a> {
    is_error: Option<bool>,
    #[serde(borrow)]
    result_type: Option<Text<'a>>,
}

/// String, borrowed if it has no escapes.
#[derive(Debug, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// JSON-RPC error.
#[derive(Debug, Deserialize)]
struct RpcError {
    code: i64,
    #[serde(default)]
    message: String,
}

/// Checks that `body` is a response to the request `id`, and that the call succeeded.
///
/// `id` is the JSON text of the id. In a stream of events, everything before the response is
/// ignored: servers may send notifications there, and in the legacy era requests too.
///
/// # Errors
///
/// Fails with the reason why this is no successful answer.
pub(crate) fn check(head: &Head, body: &[u8], id: &[u8]) -> Result<(), Failure> {
    if head.status != 200 {
        return Err(rpc_error(body).unwrap_or_else(|| Failure::status(head.status, body)));
    }
    if !head.event_stream {
        return check_message(body, id)?
            .then_some(())
            .ok_or(Failure::NoResponse);
    }
    for event in Events::new(body) {
        if !event.is_empty() && check_message(&event, id)? {
            return Ok(());
        }
    }
    Err(Failure::NoResponse)
}

/// Returns the JSON-RPC error that `body` consists of.
fn rpc_error(body: &[u8]) -> Option<Failure> {
    let error = from_slice::<Message<'_>>(body).ok()?.error?;
    Some(Failure::Rpc {
        code: error.code,
        message: error.message,
    })
}

/// Returns `true` if `message` is the response to `id`; fails if the call failed.
fn check_message(message: &[u8], id: &[u8]) -> Result<bool, Failure> {
    let parsed: Message<'_> = from_slice(message).map_err(|source| Failure::Json {
        quote: quote(message),
        source,
    })?;
    if parsed.method.is_some() {
        return Ok(false);
    }
    if let Some(RpcError { code, message }) = parsed.error {
        return Err(Failure::Rpc { code, message });
    }
    let Some(outcome) = parsed.result else {
        return Err(Failure::NoResponse);
    };
    if parsed.id.is_none_or(|found| found.get().as_bytes() != id) {
        return Err(Failure::WrongId);
    }
    if outcome.is_error == Some(true) {
        return Err(Failure::Tool(tool_text(message)));
    }
    match outcome.result_type {
        Some(Text(kind)) if kind != "complete" => Err(Failure::Incomplete(kind.into_owned())),
        Some(_) | None => Ok(true),
    }
}

/// Returns the text of a failed tool.
fn tool_text(message: &[u8]) -> String {
    let message: Value = from_slice(message).unwrap_or_default();
    let text = message
        .pointer("/result/content/0/text")
        .and_then(Value::as_str);
    quote(text.unwrap_or("without a text").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::Framing;

    fn judge(status: u16, event_stream: bool, body: &str) -> Result<(), String> {
        let framing = Framing::EMPTY;
        let head = Head {
            status,
            framing,
            keep_alive: true,
            event_stream,
            session: None,
        };
        check(&head, body.as_bytes(), b"7").map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_result_with_the_id_is_a_success() {
        assert_eq!(
            judge(200, false, r#"{"jsonrpc":"2.0","id":7,"result":{}}"#),
            Ok(())
        );
        let modern = r#"{"id":7,"result":{"resultType":"complete","isError":false}}"#;
        assert_eq!(judge(200, false, modern), Ok(()));
    }

    #[test]
    fn everything_else_is_a_failure() {
        let cases = [
            (200, r#"{"id":"7","result":{}}"#, "ID mismatch"),
            (200, r#"{"result":{}}"#, "ID mismatch"),
            (200, r#"{"id":7}"#, "no response"),
            (200, "", "invalid JSON-RPC response"),
            (
                200,
                r#"{"id":7,"error":{"code":-32601,"message":"no"}}"#,
                "error -32601: no",
            ),
            (
                404,
                r#"{"id":7,"error":{"code":-32601,"message":"no"}}"#,
                "error -32601: no",
            ),
            (
                200,
                r#"{"id":7,"result":{"resultType":"input_required"}}"#,
                "input_required",
            ),
            (502, r#"{"id":7,"result":{}}"#, "status 502"),
            (
                200,
                r#"{"id":7,"result":{"isError":true,"content":[{"text":"ouch"}]}}"#,
                "ouch",
            ),
        ];
        for (status, body, reason) in cases {
            let failure = judge(status, false, body).unwrap_err();
            assert!(failure.contains(reason), "{body}: {failure}");
        }
    }

    #[test]
    fn the_response_is_found_among_events() {
        let stream = "id: 0\ndata:\n\ndata: {\"method\":\"x\"}\n\n\
                      data: {\"id\":7,\ndata: \"result\":{}}\n\n";
        assert_eq!(judge(200, true, stream), Ok(()));
        assert!(
            judge(200, true, "data: {\"method\":\"x\"}\n\n")
                .unwrap_err()
                .contains("no resp")
        );
    }
}
