//! Input that a server requires from the client during a call.
//!
//! The eras express it in different ways: a modern server returns a result with the requests in it,
//! and a legacy server sends them. This module parses and builds that result, and decides which
//! requests a client supports.

use crate::error::UpstreamError;
use crate::json::{Edits, Fields, object_json, string_json};
use crate::jsonrpc::{ErrorObject, Id, Message, Request, Response, code};
use crate::protocol::{Capabilities, Method};

/// An `InputRequiredResult`: the input that a server requires before it can complete a call.
///
/// See [MCP 2026-07-28, `InputRequiredResult`][spec].
///
/// [spec]: https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/mrtr#inputrequiredresult
#[derive(Debug)]
pub(super) struct InputRequiredResult {
    /// Requests to the client; the identifier of each is its key in `inputRequests`.
    pub(super) requests: Vec<Request>,
    /// JSON text of the `requestState` that the retry must repeat, opaque to the gateway.
    pub(super) state: Option<String>,
}

impl InputRequiredResult {
    /// Parses a result; returns `None` if it is of another type.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Invalid`] if it is an `input_required` result without requests and state,
    /// or its requests are malformed.
    pub(super) fn parse(result: &str) -> Result<Option<Self>, UpstreamError> {
        // Most results are of another type, and a text search costs less than parsing them.
        if memchr::memmem::find(result.as_bytes(), b"input_required").is_none() {
            return Ok(None);
        }
        let Ok(fields) = Fields::parse(result, 0..result.len()) else {
            return Ok(None);
        };
        if fields.string(result, "resultType").as_deref() != Some("input_required") {
            return Ok(None);
        }
        let requests = match fields.span(result, "inputRequests") {
            Some(span) => read_requests(&result[span])?,
            None => Vec::new(),
        };
        let state = fields.raw(result, "requestState").map(str::to_owned);
        if requests.is_empty() && state.is_none() {
            return Err(UpstreamError::invalid(
                "input_required without inputRequests and requestState",
            ));
        }
        Ok(Some(Self { requests, state }))
    }

    /// Returns the JSON text of a result that requires the input of `requests`, with `state` as the
    /// `requestState`.
    pub(super) fn to_json<'a>(requests: impl Iterator<Item = &'a Request>, state: &str) -> String {
        let asked: Vec<_> = requests
            .map(|request| {
                let method = string_json(request.method().as_str());
                let params = request.params().object();
                let params = params.map_or("{}", |span| &request.text()[span]);
                let body = object_json(&[("method", method.into()), ("params", params.into())]);
                (request_key(request), body)
            })
            .collect();
        let asked: Vec<_> = asked
            .iter()
            .map(|(key, body)| (&**key, body.into()))
            .collect();
        let mut members = vec![("resultType", "\"input_required\"".into())];
        // Without requests, the client retries at once.
        if !asked.is_empty() {
            members.push(("inputRequests", object_json(&asked).into()));
        }
        members.push(("requestState", string_json(state).into()));
        object_json(&members)
    }
}

/// Parses the `inputRequests` object, in the order of its text.
fn read_requests(text: &str) -> Result<Vec<Request>, UpstreamError> {
    let invalid = |error| UpstreamError::invalid(format_args!("inputRequests: {error}"));
    let keyed = Fields::parse(text, 0..text.len()).map_err(invalid)?;
    let read = |(key, span): (&str, std::ops::Range<usize>)| {
        let body = &text[span];
        let fields = Fields::parse(body, 0..body.len()).map_err(invalid)?;
        let method = fields.string(body, "method");
        let method =
            method.ok_or_else(|| UpstreamError::invalid("inputRequests: missing method"))?;
        let params = fields.raw(body, "params").unwrap_or("{}");
        Ok(Request::new(
            &Id::from(key),
            &Method::from(&*method),
            params,
        ))
    };
    keyed.iter(text).map(read).collect()
}

/// Returns the key of `request` in `inputRequests` and `inputResponses`: its identifier as a
/// string.
pub(super) fn request_key(request: &Request) -> String {
    let id = request.id();
    id.as_str().map_or_else(|| id.to_token(), str::to_owned)
}

/// Returns `true` if a client with these capabilities supports `request`.
///
/// Only elicitation, roots and sampling can be requested from a client.
pub(super) fn is_permitted(request: &Request, capabilities: &Capabilities) -> bool {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "clients support no other requests"
    )]
    match request.method() {
        Method::ElicitationCreate if is_url(request) => capabilities.elicitation_url(),
        Method::ElicitationCreate => capabilities.elicitation_form(),
        Method::RootsList => capabilities.roots(),
        Method::SamplingCreateMessage => capabilities.sampling(),
        _ => false,
    }
}

/// Returns `true` if `request` may be sent to a legacy client with these capabilities.
///
/// Requests without a capability in the specification may be sent to every client.
pub(crate) fn is_acceptable(request: &Request, capabilities: &Capabilities) -> bool {
    required_capabilities(request).is_none() || is_permitted(request, capabilities)
}

/// Returns the error with which a client with these capabilities rejects `request`.
///
/// It is "invalid params" for a mode of elicitation that the client has not declared beside another
/// one. See [MCP 2025-11-25, elicitation, error handling][spec]. Elicitation and sampling that have
/// not been negotiated are invalid requests, with the texts of the Python SDK: the specification
/// names no code for them. Anything else, such as [roots], is "method not found".
///
/// [roots]: https://modelcontextprotocol.io/specification/2025-11-25/client/roots#error-handling
/// [spec]: https://modelcontextprotocol.io/specification/2025-11-25/client/elicitation#error-handling
pub(crate) fn rejection(request: &Request, capabilities: &Capabilities) -> ErrorObject {
    let elicits = capabilities.elicitation_form() || capabilities.elicitation_url();
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "clients support no other requests"
    )]
    match request.method() {
        Method::ElicitationCreate if elicits => {
            ErrorObject::new(code::INVALID_PARAMS, "elicitation mode not supported")
        }
        Method::ElicitationCreate => {
            ErrorObject::new(code::INVALID_REQUEST, "Elicitation not supported")
        }
        Method::SamplingCreateMessage => {
            ErrorObject::new(code::INVALID_REQUEST, "Sampling not supported")
        }
        _ => ErrorObject::method_not_found(),
    }
}

/// Returns the JSON text of the capabilities that a client needs for `request`; `None` if no client
/// supports it.
pub(super) fn required_capabilities(request: &Request) -> Option<&'static str> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "clients support no other requests"
    )]
    match request.method() {
        Method::ElicitationCreate if is_url(request) => Some(r#"{"elicitation":{"url":{}}}"#),
        Method::ElicitationCreate => Some(r#"{"elicitation":{"form":{}}}"#),
        Method::RootsList => Some(r#"{"roots":{}}"#),
        Method::SamplingCreateMessage => Some(r#"{"sampling":{}}"#),
        _ => None,
    }
}

/// Returns `true` if the elicitation `request` asks the user to open a URL instead of filling in a
/// form.
fn is_url(request: &Request) -> bool {
    request.param("mode") == Some("\"url\"")
}

/// Adapts a request of a modern server for a legacy client.
///
/// Legacy clients require an identifier for a URL, by which the server could report that the user
/// has visited it. Modern servers have no such report, so the key of the request serves as the
/// identifier.
pub(super) fn for_legacy(request: Request) -> Request {
    let Some(span) = request.params().object() else {
        return request;
    };
    if request.method() != &Method::ElicitationCreate
        || !is_url(&request)
        || request.param("elicitationId").is_some()
    {
        return request;
    }
    let mut edits = Edits::new();
    let id = format!("\"elicitationId\":{},", string_json(&request_key(&request)));
    edits.insert(span.start + 1, id);
    match Message::parse(edits.apply(&request.bytes())) {
        Ok(Message::Request(request)) => request,
        _ => request,
    }
}

/// Returns the JSON text of the answer to `request` for a retry.
///
/// # Errors
///
/// [`UpstreamError::InputDeclined`] if the client responded with an error; in the modern era, an
/// answer cannot be one.
pub(super) fn response_json<'a>(
    request: &Request,
    response: &'a Response,
) -> Result<&'a str, UpstreamError> {
    match (response.result(), request.method()) {
        (Ok(result), _) => Ok(result),
        // The modern era has no errors here; a user without a prompt has not decided.
        (Err(_), Method::ElicitationCreate) => Ok("{\"action\":\"cancel\"}"),
        (Err(error), method) => Err(UpstreamError::InputDeclined {
            detail: format!("{method}: {}", ErrorObject::message_of(error)).into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_asked_for_what_they_have_declared() {
        let accepts = |method: &str, capabilities: &str| {
            let request = Request::new(&Id::from(1), &Method::from(method), "{}");
            is_acceptable(&request, &Capabilities::parse(capabilities).unwrap())
        };
        for (method, capabilities) in [
            ("elicitation/create", r#"{"elicitation":{}}"#),
            ("roots/list", r#"{"roots":{}}"#),
            ("sampling/createMessage", r#"{"sampling":{}}"#),
        ] {
            assert!(!accepts(method, "{}"), "{method}");
            assert!(accepts(method, capabilities), "{method}");
        }
        assert!(accepts("vendor/ask", "{}"));
    }

    #[test]
    fn a_rejection_is_that_of_a_client() {
        let url = r#"{"mode":"url","url":"https://a.example"}"#;
        for (method, params, capabilities, expected) in [
            ("elicitation/create", "{}", "{}", code::INVALID_REQUEST),
            ("sampling/createMessage", "{}", "{}", code::INVALID_REQUEST),
            (
                "elicitation/create",
                "{}",
                r#"{"elicitation":{"url":{}}}"#,
                code::INVALID_PARAMS,
            ),
            (
                "elicitation/create",
                url,
                r#"{"elicitation":{}}"#,
                code::INVALID_PARAMS,
            ),
            (
                "roots/list",
                "{}",
                r#"{"elicitation":{}}"#,
                code::METHOD_NOT_FOUND,
            ),
        ] {
            let request = Request::new(&Id::from(1), &Method::from(method), params);
            let rejection = rejection(&request, &Capabilities::parse(capabilities).unwrap());
            assert_eq!(rejection.code, expected, "{method} {params} {capabilities}");
        }
    }

    #[test]
    fn what_is_wanted_reads_back() {
        let result = r#"{"resultType":"input_required","inputRequests":{"a":{"method":"roots/list"},"b":{"method":"elicitation/create","params":{"message":"?"}}},"requestState":"s\"1"}"#;
        let wanted = InputRequiredResult::parse(result).unwrap().unwrap();
        let keys: Vec<_> = wanted.requests.iter().map(request_key).collect();
        assert_eq!(keys, ["a", "b"]);
        assert_eq!(wanted.state.as_deref(), Some(r#""s\"1""#));
        let written = InputRequiredResult::to_json(wanted.requests.iter(), "s\"1");
        let again = InputRequiredResult::parse(&written).unwrap().unwrap();
        assert_eq!(again.requests[1].param("message"), Some("\"?\""));
        assert_eq!(again.state, wanted.state);
    }

    #[test]
    fn other_results_are_left_alone() {
        for result in [
            "{}",
            r#"{"content":[{"text":"input_required"}]}"#,
            r#"{"resultType":"complete","x":"input_required"}"#,
        ] {
            assert!(
                InputRequiredResult::parse(result).unwrap().is_none(),
                "{result}"
            );
        }
        for result in [
            r#"{"resultType":"input_required"}"#,
            r#"{"resultType":"input_required","inputRequests":[]}"#,
            r#"{"resultType":"input_required","inputRequests":{"a":{}}}"#,
            r#"{"resultType":"input_required","inputRequests":{"a":1}}"#,
        ] {
            assert!(InputRequiredResult::parse(result).is_err(), "{result}");
        }
    }

    #[test]
    fn clients_are_asked_what_they_can_answer() {
        let ask = |method: &str, params: &str, capabilities: &str| {
            let request = Request::new(&Id::from("k"), &Method::from(method), params);
            is_permitted(&request, &Capabilities::parse(capabilities).unwrap())
        };
        let url = r#"{"mode":"url","url":"https://a.example"}"#;
        let table = [
            ("elicitation/create", "{}", r#"{"elicitation":{}}"#, true),
            ("elicitation/create", url, r#"{"elicitation":{}}"#, false),
            (
                "elicitation/create",
                url,
                r#"{"elicitation":{"url":{}}}"#,
                true,
            ),
            (
                "elicitation/create",
                "{}",
                r#"{"elicitation":{"url":{}}}"#,
                false,
            ),
            ("roots/list", "{}", r#"{"sampling":{}}"#, false),
            ("sampling/createMessage", "{}", r#"{"sampling":{}}"#, true),
            ("tools/call", "{}", r#"{"sampling":{}}"#, false),
        ];
        for (method, params, capabilities, expected) in table {
            let permitted = ask(method, params, capabilities);
            assert_eq!(permitted, expected, "{method} {params} {capabilities}");
        }
    }

    #[test]
    fn an_address_has_an_identifier_in_the_legacy_era() {
        let params = r#"{"mode":"url","url":"https://a.example","message":"m"}"#;
        let request = Request::new(&Id::from("k"), &Method::ElicitationCreate, params);
        assert_eq!(for_legacy(request).param("elicitationId"), Some("\"k\""));
    }
}
