//! Encoding of requests for servers.
//!
//! A request is edited by span instead of being serialized again: arguments reach the server byte
//! for byte as the client sent them, numbers and key order included, and a request without changes
//! is not even copied.

use std::borrow::Cow;

use bytes::Bytes;

use crate::Call;
use crate::call::Prepared;
use crate::json::{Edits, Fields, object_json, string_json};
use crate::jsonrpc::{Notification, Params, Request};
use crate::protocol::{Era, Method, ProtocolVersion, meta};
use crate::trace::TraceContext;
use crate::upstream::request_ids::IssuedId;

/// Returns the text of `call` for a server of protocol version `version`.
///
/// Only the differences are edited:
///
/// - the name on the server replaces the one that the client used;
/// - `issued`, an identifier that is unique within a shared connection, replaces the identifier of
///   the client and its progress token;
/// - members of `_meta` that only one of the eras has are added or removed, if the eras differ;
/// - the context of the trace is set in `_meta`, if the call is traced.
pub(super) fn encode(
    call: &Call<Prepared>,
    version: ProtocolVersion,
    issued: Option<IssuedId>,
) -> Bytes {
    let request = call.request();
    let mut edits = Edits::new();
    let number = issued.map(|issued| issued.number);
    if let Some(issued) = issued
        && !issued.is_kept
    {
        edits.replace(request.id_span(), issued.number.to_string());
    }
    if let Some(number) = number
        && let Some(token) = request.params().progress_token(request.text())
    {
        edits.replace(token, number.to_string());
    }
    rename_target(call, &mut edits);
    let message = (request.text(), request.params());
    edit_meta(call, message, version, number, &mut edits);
    edits.apply(&request.bytes())
}

/// Returns the text of `notification`, which `call` carries, for a server of protocol version
/// `version`.
///
/// Only `_meta` is edited, if the eras differ or the call is traced.
pub(super) fn encode_notification(
    call: &Call<Prepared>,
    notification: &Notification,
    version: ProtocolVersion,
) -> Bytes {
    let mut edits = Edits::new();
    let message = (notification.text(), notification.params());
    edit_meta(call, message, version, None, &mut edits);
    edits.apply(&notification.bytes())
}

/// Edits `_meta` of a message, given as text and parameters: its members are translated for the era of
/// the server, and the context of the trace is set.
///
/// Without a trace, nothing is edited within an era.
fn edit_meta(
    call: &Call<Prepared>,
    message: (&str, &Params),
    version: ProtocolVersion,
    number: Option<i64>,
    edits: &mut Edits<'_>,
) {
    let translated = call.client().era() != version.era();
    let trace = call.outgoing();
    let is_set = trace.is_some_and(|trace| !translated && set_traceparent(trace, message, edits));
    if !is_set && (translated || trace.is_some()) {
        let version = translated.then_some(version);
        rewrite_meta(call, message, version, number, edits);
    }
}

/// Sets `traceparent` in `_meta` and leaves everything else as it is. Returns `false` if that does not
/// suffice.
///
/// This is the fast path: callers send no other member of a trace, or none at all.
fn set_traceparent(
    trace: &TraceContext,
    (text, params): (&str, &Params),
    edits: &mut Edits<'_>,
) -> bool {
    let meta = params.meta();
    let has = |key| meta.span(text, key).is_some();
    if trace.state().is_some() || has(meta::TRACESTATE) || has(meta::BAGGAGE) {
        return false;
    }
    let value = trace.traceparent();
    if let Some(span) = meta.span(text, meta::TRACEPARENT) {
        edits.replace(span, format!("\"{value}\""));
        return true;
    }
    let member = format!("\"traceparent\":\"{value}\"");
    match params.span(text, "_meta") {
        Some(span) => {
            let is_empty = meta.iter(text).next().is_none();
            let separator = if is_empty { "" } else { "," };
            edits.insert(span.start + 1, format!("{member}{separator}"));
        }
        None => put_meta((text, params), &format!("{{{member}}}"), edits),
    }
    true
}

/// Replaces the name that the client used by the one on the server.
///
/// Does nothing for methods without a name, and if both names are the same.
fn rename_target<'a>(call: &'a Call<Prepared>, edits: &mut Edits<'a>) {
    let request = call.request();
    let Some(name) = call.target().feature.name() else {
        return;
    };
    let text = request.text();
    let span = match request.method() {
        Method::CompletionComplete => reference(request),
        method => method
            .name_param()
            .and_then(|key| request.params().span(text, key)),
    };
    let Some(span) = span else { return };
    let same = crate::json::string(&text[span.clone()]).is_some_and(|known| known == name);
    if !same {
        edits.replace(span, string_json(name));
    }
}

/// Returns the span of the prompt's name or the template's URI in a completion request, which has
/// it in `params.ref`.
fn reference(request: &Request) -> Option<std::ops::Range<usize>> {
    let text = request.text();
    let reference = request.params().span(text, "ref")?;
    let fields = Fields::parse(text, reference).ok()?;
    fields
        .span(text, "name")
        .or_else(|| fields.span(text, "uri"))
}

/// Writes `_meta` of a message anew, given as text and parameters.
///
/// For a server of the other era, `version`, the members of the request context, such as the protocol
/// version, are removed. For a modern server they are added again with the values of the client's
/// session; a value that a legacy client sent itself would be forged. In a traced call, those of the
/// trace are replaced.
fn rewrite_meta(
    call: &Call<Prepared>,
    (text, params): (&str, &Params),
    version: Option<ProtocolVersion>,
    number: Option<i64>,
    edits: &mut Edits<'_>,
) {
    let (client, trace) = (call.client(), call.outgoing());
    let mut members: Vec<(&str, Cow<'_, str>)> = Vec::new();
    for (key, span) in params.meta().iter(text) {
        let value = match number {
            // `_meta` is written anew as a whole, so the token must be replaced here.
            Some(number) if key == meta::PROGRESS_TOKEN => Cow::Owned(number.to_string()),
            _ => Cow::Borrowed(&text[span]),
        };
        let is_replaced = (version.is_some() && meta::REQUEST_CONTEXT.contains(&key))
            || (trace.is_some() && meta::TRACE.contains(&key));
        if !is_replaced {
            members.push((key, value));
        }
    }
    if let Some(version) = version.filter(|version| version.era() == Era::Modern) {
        members.push((meta::PROTOCOL_VERSION, string_json(version.as_str()).into()));
        members.push((meta::CLIENT_INFO, client.implementation().into()));
        members.push((
            meta::CLIENT_CAPABILITIES,
            client.capabilities().as_json().into(),
        ));
        if let Some(level) = client.session().and_then(|session| session.log_level()) {
            members.push((meta::LOG_LEVEL, level.to_string().into()));
        }
    }
    if let Some(trace) = trace {
        let parent = string_json(&trace.traceparent());
        members.push((meta::TRACEPARENT, parent.into()));
        if let Some(state) = trace.state() {
            members.push((meta::TRACESTATE, string_json(state).into()));
        }
    }
    put_meta((text, params), &object_json(&members), edits);
}

/// Replaces `_meta` by `members`, the JSON text of an object, adding `params` if necessary.
///
/// `members` that are empty are not added, but do replace existing ones.
fn put_meta((text, params): (&str, &Params), members: &str, edits: &mut Edits<'_>) {
    if let Some(span) = params.span(text, "_meta") {
        // Edits must not overlap, and the token is part of the replaced span.
        edits.forget_within(&span);
        edits.replace(span, members.to_owned());
    } else if members == "{}" {
        // Nothing to remove and nothing to add.
    } else if let Some(span) = params.object() {
        let separator = if params.iter(text).next().is_some() {
            ","
        } else {
            ""
        };
        edits.insert(span.start + 1, format!("\"_meta\":{members}{separator}"));
    } else {
        let end = text.trim_ascii_end().len() - 1;
        edits.insert(end, format!(",\"params\":{{\"_meta\":{members}}}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::auth::Principal;
    use crate::jsonrpc::Message;
    use crate::protocol::Capabilities;
    use crate::route::{Feature, Target};
    use crate::{Caller, ClientInfo, Credential};

    fn call(version: ProtocolVersion, feature: Feature, text: &str) -> Call<Prepared> {
        let Ok(Message::Request(request)) = Message::parse(Bytes::copy_from_slice(text.as_bytes()))
        else {
            panic!("{text}");
        };
        let capabilities = Capabilities::parse(r#"{"sampling":{}}"#).unwrap();
        let caller = Caller::new(
            Principal::new("a"),
            "g",
            ClientInfo::new(version, capabilities),
        );
        Call::trusted(request, Arc::new(caller)).prepared(Prepared::trusted(
            Target::new("s", feature),
            Credential::none(),
        ))
    }

    fn tool(version: ProtocolVersion, text: &str) -> Call<Prepared> {
        call(version, Feature::Tool("echo".into()), text)
    }

    #[test]
    fn within_an_era_only_names_change() {
        let text = r#"{"params":{"name":"s__echo","arguments":{"n":1E400},"_meta":{"x":1}},"method":"tools/call","id":"c","jsonrpc":"2.0"}"#;
        let encoded = encode(
            &tool(ProtocolVersion::V2026_07_28, text),
            ProtocolVersion::V2026_07_28,
            None,
        );
        assert_eq!(encoded, text.replace("s__echo", "echo"));
        let same = text.replace("s__echo", "echo");
        let call = tool(ProtocolVersion::V2026_07_28, &same);
        assert_eq!(
            encode(&call, ProtocolVersion::V2026_07_28, None).as_ptr(),
            call.request().bytes().as_ptr()
        );
    }

    #[test]
    fn a_shared_conversation_gets_numbers() {
        let text = r#"{"jsonrpc":"2.0","id":"c","method":"tools/call","params":{"name":"echo","_meta":{"progressToken":"p","x":1}}}"#;
        let encoded = encode(
            &tool(ProtocolVersion::V2025_11_25, text),
            ProtocolVersion::V2025_06_18,
            Some(7.into()),
        );
        assert_eq!(encoded, text.replace("\"c\"", "7").replace("\"p\"", "7"));
    }

    fn traced(call: &Call<Prepared>, state: Option<&str>) -> Call<Prepared> {
        call.with_outgoing(TraceContext::parse(PARENT, state).unwrap())
    }

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_context_of_the_trace_is_inserted_where_it_belongs() {
        let version = ProtocolVersion::V2026_07_28;
        let request =
            |params: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call"{params}}}"#);
        let set = format!(r#""traceparent":"{PARENT}""#);
        let table = [
            ("", format!(r#","params":{{"_meta":{{{set}}}}}"#)),
            (
                r#","params":{}"#,
                format!(r#","params":{{"_meta":{{{set}}}}}"#),
            ),
            (
                r#","params":{"name":"echo"}"#,
                format!(r#","params":{{"_meta":{{{set}}},"name":"echo"}}"#),
            ),
            (
                r#","params":{"_meta":{ },"name":"echo"}"#,
                format!(r#","params":{{"_meta":{{{set} }},"name":"echo"}}"#),
            ),
            (
                r#","params":{"name":"echo","_meta":{"a":{"traceparent":"b"}}}"#,
                format!(
                    r#","params":{{"name":"echo","_meta":{{{set},"a":{{"traceparent":"b"}}}}}}"#
                ),
            ),
            (
                r#","params":{"_meta":{"traceparent" : "00", "a":1}}"#,
                format!(r#","params":{{"_meta":{{"traceparent" : "{PARENT}", "a":1}}}}"#),
            ),
            (
                r#","params":{"_meta":{"baggage":"user=1","a":1,"tracestate":"x=1"}}"#,
                format!(r#","params":{{"_meta":{{"a":1,{set}}}}}"#),
            ),
        ];
        for (params, expected) in table {
            let call = traced(&tool(version, &request(params)), None);
            let encoded = encode(&call, version, None);
            assert_eq!(encoded, request(&expected), "{params}");
        }
    }

    #[test]
    fn a_translated_message_has_the_context_of_the_trace() {
        let text = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","_meta":{"progressToken":"p","traceparent":"00","baggage":"x=1"}}}"#;
        let call = traced(&tool(ProtocolVersion::V2026_07_28, text), Some("v=1"));
        let encoded = encode(&call, ProtocolVersion::V2025_11_25, Some(7.into()));
        let meta = format!(r#"{{"progressToken":7,"traceparent":"{PARENT}","tracestate":"v=1"}}"#);
        let expected = format!(
            r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"echo","_meta":{meta}}}}}"#
        );
        assert_eq!(encoded, expected);
    }

    /// JSON values, mostly small ones.
    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            ".{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            let key = prop_oneof![key(), ".{0,4}".prop_map(String::from)];
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                proptest::collection::hash_map(key, inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    fn key() -> impl Strategy<Value = String> {
        let keys = [
            "traceparent",
            "tracestate",
            "baggage",
            "_meta",
            "progressToken",
            "a\"b",
        ];
        proptest::sample::select(keys.to_vec()).prop_map(String::from)
    }

    proptest! {
        #[test]
        fn the_context_is_set_as_a_parser_would(
            meta in proptest::option::of(proptest::collection::hash_map(key(), json(), 0..5)),
            others in proptest::collection::hash_map("[a-z]{1,4}", json(), 0..3),
            state in proptest::option::of(Just("v=1,w=2")),
            pretty: bool,
        ) {
            let version = ProtocolVersion::V2026_07_28;
            let mut params: serde_json::Map<_, _> = others.into_iter().collect();
            if let Some(meta) = meta {
                params.insert("_meta".to_owned(), Value::Object(meta.into_iter().collect()));
            }
            let mut expected = serde_json::json!({
                "jsonrpc": "2.0", "id": 1, "method": "x/y", "params": params,
            });
            let text = match pretty {
                true => serde_json::to_string_pretty(&expected).unwrap(),
                false => expected.to_string(),
            };
            let call = call(version, Feature::Server, &text);
            let encoded = encode(&traced(&call, state), version, None);
            let members = expected["params"].as_object_mut().unwrap();
            let meta = members.entry("_meta").or_insert_with(|| serde_json::json!({}));
            let meta = meta.as_object_mut().unwrap();
            for key in meta::TRACE {
                meta.remove(key);
            }
            meta.insert("traceparent".to_owned(), PARENT.into());
            if let Some(state) = state {
                meta.insert("tracestate".to_owned(), state.into());
            }
            prop_assert_eq!(serde_json::from_slice::<Value>(&encoded).unwrap(), expected);
        }
    }

    #[test]
    fn a_kept_identifier_is_not_replaced() {
        let text = r#"{"jsonrpc":"2.0","id":"c","method":"tools/call","params":{"name":"echo","_meta":{"progressToken":"p"}}}"#;
        let issued = IssuedId {
            number: 7,
            is_kept: true,
        };
        let call = tool(ProtocolVersion::V2026_07_28, text);
        let encoded = encode(&call, ProtocolVersion::V2026_07_28, Some(issued));
        assert_eq!(encoded, text.replace("\"p\"", "7"));
    }

    #[test]
    fn a_modern_server_gets_the_context_of_a_legacy_client() {
        let meta = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"mcp-gateway","version":"0.1.0"},"io.modelcontextprotocol/clientCapabilities":{"sampling":{}}"#;
        let table = [
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"x/y"}"#,
                format!(
                    r#"{{"jsonrpc":"2.0","id":1,"method":"x/y","params":{{"_meta":{{{meta}}}}}}}"#
                ),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"x/y","params":{}}"#,
                format!(
                    r#"{{"jsonrpc":"2.0","id":1,"method":"x/y","params":{{"_meta":{{{meta}}}}}}}"#
                ),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"x/y","params":{"a":1}}"#,
                format!(
                    r#"{{"jsonrpc":"2.0","id":1,"method":"x/y","params":{{"_meta":{{{meta}}},"a":1}}}}"#
                ),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"x/y","params":{"_meta":{"progressToken":3,"io.modelcontextprotocol/clientCapabilities":{"forged":{}}}}}"#,
                format!(
                    r#"{{"jsonrpc":"2.0","id":9,"method":"x/y","params":{{"_meta":{{"progressToken":9,{meta}}}}}}}"#
                ),
            ),
        ];
        for (text, expected) in table {
            let number = text.contains("progressToken").then_some(IssuedId::from(9));
            let call = call(ProtocolVersion::V2025_06_18, Feature::Server, text);
            assert_eq!(
                encode(&call, ProtocolVersion::V2026_07_28, number),
                expected
            );
        }
    }

    #[test]
    fn a_legacy_server_does_not_get_the_context_of_a_modern_client() {
        let text = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","traceparent":"00","io.modelcontextprotocol/clientCapabilities":{}}}}"#;
        let encoded = encode(
            &tool(ProtocolVersion::V2026_07_28, text),
            ProtocolVersion::V2025_11_25,
            Some(2.into()),
        );
        assert_eq!(
            encoded,
            r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"echo","_meta":{"traceparent":"00"}}}"#
        );
    }

    #[test]
    fn the_prompt_of_a_completion_is_renamed_too() {
        let text = r#"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"s__p"},"argument":{"name":"s__p","value":""}}}"#;
        let call = call(
            ProtocolVersion::V2025_11_25,
            Feature::Prompt("p".into()),
            text,
        );
        let encoded = encode(&call, ProtocolVersion::V2025_11_25, None);
        assert_eq!(encoded, text.replacen("s__p", "p", 1));
    }
}
