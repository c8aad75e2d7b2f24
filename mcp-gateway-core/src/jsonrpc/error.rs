use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Id;
use crate::json::{object, quoted};

/// The codes of JSON-RPC errors, of [JSON-RPC 2.0](https://www.jsonrpc.org/specification#error_object)
/// and of [the protocol](https://modelcontextprotocol.io/specification/2026-07-28/basic#error-codes).
pub mod code {
    /// The headers say something else than the body.
    pub const HEADER_MISMATCH: i64 = -32020;
    /// Something went wrong inside.
    pub const INTERNAL_ERROR: i64 = -32603;
    /// The parameters are not what the method takes.
    pub const INVALID_PARAMS: i64 = -32602;
    /// The JSON is not a request.
    pub const INVALID_REQUEST: i64 = -32600;
    /// There is no such method.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// The request needs a capability that the client did not declare.
    pub const MISSING_CAPABILITY: i64 = -32021;
    /// A person has to visit an address first; only in revision 2025-11-25.
    pub const URL_ELICITATION_REQUIRED: i64 = -32042;
    /// The body is not JSON.
    pub const PARSE_ERROR: i64 = -32700;
    /// There is no such resource; only up to revision 2025-11-25.
    pub const RESOURCE_NOT_FOUND: i64 = -32002;
    /// The revision of the request is not spoken here.
    pub const UNSUPPORTED_VERSION: i64 = -32022;
}

/// The `error` member of a response.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ErrorObject {
    /// One of [`code`], or a server's own.
    pub code: i64,
    /// What went wrong, for people.
    pub message: Cow<'static, str>,
    /// What went wrong, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

impl ErrorObject {
    /// An error without data.
    pub fn new(code: i64, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
        }
    }

    /// The code of an error that somebody else wrote; 0 where it has none.
    #[must_use]
    pub fn code_of(error: &str) -> i64 {
        serde_json::from_str(error).map_or(0, |Code { code }| code)
    }

    /// The message of an error that somebody else wrote; empty where it has none.
    #[must_use]
    pub fn message_of(error: &str) -> String {
        serde_json::from_str(error).map_or_else(|_| String::new(), |Said { message }| message)
    }

    /// Sets what programs are told.
    #[must_use]
    pub fn with_data(mut self, data: Value) -> Self {
        self.data = Some(data);
        self
    }

    /// The response that carries the error; without an `id` when that of the request is unknown.
    #[must_use]
    pub fn to_response(&self, id: Option<&Id>) -> Bytes {
        let mut members = vec![("jsonrpc", "\"2.0\"".into())];
        members.extend(id.map(|id| ("id", id.to_token().into())));
        members.push(("error", self.to_json().into()));
        object(&members).into()
    }

    /// The JSON text of the error.
    pub(super) fn to_json(&self) -> String {
        let mut members = vec![
            ("code", self.code.to_string().into()),
            ("message", quoted(&self.message).into()),
        ];
        members.extend(
            self.data
                .as_ref()
                .map(|data| ("data", data.to_string().into())),
        );
        object(&members)
    }
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    message: String,
}

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
