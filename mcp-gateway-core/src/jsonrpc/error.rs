//! JSON-RPC error objects and their codes.
//!
//! See [JSON-RPC 2.0, error object](https://www.jsonrpc.org/specification#error_object) and [MCP
//! 2026-07-28, error
//! codes](https://modelcontextprotocol.io/specification/2026-07-28/basic#error-codes).

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Id;
use crate::json::{object_json, string_json};

/// Codes of JSON-RPC errors, defined by [JSON-RPC
/// 2.0](https://www.jsonrpc.org/specification#error_object) and by [MCP
/// 2026-07-28](https://modelcontextprotocol.io/specification/2026-07-28/basic#error-codes).
///
/// MCP reserves -32020 to -32099; the gateway defines no codes of its own in that range.
pub mod code {
    /// Headers and body of the HTTP request disagree.
    pub const HEADER_MISMATCH: i64 = -32020;
    /// Internal error.
    pub const INTERNAL_ERROR: i64 = -32603;
    /// Invalid parameters of the method.
    pub const INVALID_PARAMS: i64 = -32602;
    /// Valid JSON that is not a valid request.
    pub const INVALID_REQUEST: i64 = -32600;
    /// Unknown method.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// The request requires a capability that the client did not declare.
    pub const MISSING_CAPABILITY: i64 = -32021;
    /// The user must visit a URL first; only in revision 2025-11-25.
    pub const URL_ELICITATION_REQUIRED: i64 = -32042;
    /// Invalid JSON.
    pub const PARSE_ERROR: i64 = -32700;
    /// Unknown resource; only up to revision 2025-11-25.
    pub const RESOURCE_NOT_FOUND: i64 = -32002;
    /// Unsupported protocol version.
    pub const UNSUPPORTED_VERSION: i64 = -32022;
}

/// The `error` member of a response.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::jsonrpc::{ErrorObject, Id, code};
///
/// let error = ErrorObject::new(code::METHOD_NOT_FOUND, "unknown method");
/// assert_eq!(
///     error.to_response(Some(&Id::from(1))),
///     r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"unknown method"}}"#
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ErrorObject {
    /// Error code: one of [`code`], or one that the server defines.
    pub code: i64,
    /// Short description for humans.
    pub message: Cow<'static, str>,
    /// Details for programs; omitted from the JSON text if `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

impl ErrorObject {
    /// Creates an error without `data`.
    pub fn new(code: i64, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
        }
    }

    /// Creates the error for a method that the receiver does not support, with the text of JSON-RPC.
    pub(crate) fn method_not_found() -> Self {
        Self::new(code::METHOD_NOT_FOUND, "Method not found")
    }

    /// Returns the `code` of the JSON text of an error object, or 0 if it has no valid one.
    #[must_use]
    pub fn code_of(error: &str) -> i64 {
        serde_json::from_str(error).map_or(0, |Code { code }| code)
    }

    /// Returns the `message` of the JSON text of an error object, or an empty string if it has no
    /// valid one.
    #[must_use]
    pub fn message_of(error: &str) -> String {
        serde_json::from_str(error).map_or_else(|_| String::new(), |RawError { message }| message)
    }

    /// Sets `data`, the machine-readable details.
    #[must_use]
    pub fn with_data(mut self, data: Value) -> Self {
        self.data = Some(data);
        self
    }

    /// Returns the JSON text of the response that carries the error.
    ///
    /// `id` is omitted if it is `None`, as MCP requires for requests whose identifier could not be
    /// read.
    #[must_use]
    pub fn to_response(&self, id: Option<&Id>) -> Bytes {
        let mut members = vec![("jsonrpc", "\"2.0\"".into())];
        members.extend(id.map(|id| ("id", id.to_token().into())));
        members.push(("error", self.to_json().into()));
        object_json(&members).into()
    }

    /// Returns the JSON text of the error.
    pub(super) fn to_json(&self) -> String {
        let mut members = vec![
            ("code", self.code.to_string().into()),
            ("message", string_json(&self.message).into()),
        ];
        members.extend(
            self.data
                .as_ref()
                .map(|data| ("data", data.to_string().into())),
        );
        object_json(&members)
    }
}

/// JSON shape of an error object as far as its message is concerned.
#[derive(Deserialize)]
struct RawError {
    #[serde(default)]
    message: String,
}

/// JSON shape of an error object as far as its code is concerned.
#[derive(Deserialize)]
struct Code {
    #[serde(default)]
    code: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_id_is_left_out() {
        let error = ErrorObject::new(code::PARSE_ERROR, "not JSON");
        assert_eq!(
            error.to_response(None),
            r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"not JSON"}}"#
        );
        let error = error.with_data(serde_json::json!({"a": 1}));
        assert_eq!(
            error.to_response(Some(&Id::from("x"))),
            r#"{"jsonrpc":"2.0","id":"x","error":{"code":-32700,"message":"not JSON","data":{"a":1}}}"#
        );
    }
}
