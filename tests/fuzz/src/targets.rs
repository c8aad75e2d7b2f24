//! The targets. Each takes any bytes, and panics where a promise is broken.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use mcp_gateway_auth::Clock;
use mcp_gateway_auth::jose::{JwtError, JwtVerifier, KeySet, UnverifiedJwt, Validation};
use mcp_gateway_config::document::NoEnvironment;
use mcp_gateway_core::jsonrpc::Message;
use mcp_gateway_core::protocol::header as mirror;
use mcp_gateway_core::sse::{SseEvent, SseReader};
use mcp_gateway_core::{Error, Problem, Sealer};
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::authorization::REQUESTS;
pub use crate::authorization::authorization;
pub use crate::proof::proof;
use crate::proof::PROOFS;
pub use crate::published::published;
use crate::published::FILES;
use crate::harness::{self, Got, Script};

/// A name of a target, the target, and inputs to begin with.
pub type Target = (&'static str, fn(&[u8]), &'static [&'static [u8]]);

/// All targets.
pub const ALL: [Target; 13] = [
    ("answer", answer, ANSWERS),
    ("authorization", authorization, REQUESTS),
    ("config", config, CONFIGS),
    ("envelope", envelope, MESSAGES),
    ("events", events, EVENTS),
    ("header", header, HEADERS),
    ("keys", keys, KEYS),
    ("listing", listing, LISTS),
    ("proof", proof, PROOFS),
    ("published", published, FILES),
    ("request", request, MESSAGES),
    ("sealed", sealed, SEALED),
    ("token", token, TOKENS),
];

/// Response of a server to `tools/call`. The first two bytes select the transfer.
pub fn answer(data: &[u8]) {
    let &[how, cut, ref body @ ..] = data else {
        return;
    };
    let mut script = Script::new(how & 1 == 0);
    script.status = match how >> 4 {
        0 => StatusCode::BAD_REQUEST,
        1 => StatusCode::NOT_FOUND,
        2 => StatusCode::INTERNAL_SERVER_ERROR,
        3 => StatusCode::ACCEPTED,
        _ => StatusCode::OK,
    };
    script.kind = match how & 6 {
        0 | 2 => "application/json",
        4 => "text/event-stream",
        _ => "text/html",
    };
    let legacy_client = how & 8 != 0;
    script.body = Bytes::copy_from_slice(body);
    let whole = call(&script, legacy_client);
    script.piece = usize::from(cut % 64) + 1;
    let cut = call(&script, legacy_client);
    match (whole.message(), cut.message()) {
        (Some(whole), Some(cut)) => assert_eq!(whole, cut, "the cut matters"),
        // What turns out wrong after its beginning has been passed on can only break off.
        (whole, cut) => assert_eq!(whole.is_some(), cut.is_some(), "the cut matters"),
    }
    if let Some(message) = whole.message() {
        assert_eq!(message["id"], 1, "the answer to somebody else: {message}");
        let (result, error) = (message.get("result"), message.get("error"));
        assert!(result.is_some() != error.is_some(), "no answer: {message}");
    }
}

fn call(script: &Script, legacy: bool) -> Got {
    let params = json!({ "name": "t", "arguments": {} });
    let got = harness::with(script.clone(), |harness| match legacy {
        true => harness.legacy("tools/call", params),
        false => harness.modern("tools/call", params),
    });
    assert_ne!(
        got.status,
        StatusCode::ACCEPTED,
        "a request was taken for something else"
    );
    if let Some(body) = &got.body {
        // A document passes without being read: brackets are matched, and the envelope is checked.
        let passes = !got.events && serde_json::from_slice::<IgnoredAny>(&script.body).is_err();
        let last = got.last().unwrap_or_default();
        let readable = serde_json::from_slice::<IgnoredAny>(&last).is_ok();
        assert!(
            readable || passes,
            "JSON has become something else: {body:?}"
        );
    }
    got
}

/// A configuration, and the file of a client.
pub fn config(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for problems in [
        mcp_gateway_config::file::parse(&text).err(),
        mcp_gateway_config::import::read(&text, Path::new("mcp.json"), &NoEnvironment).err(),
        mcp_gateway_config::import::read(&text, Path::new("mcp.toml"), &NoEnvironment).err(),
        mcp_gateway_config::import::read(&text, Path::new("mcp.yaml"), &NoEnvironment).err(),
    ]
    .into_iter()
    .flatten()
    {
        let lines: Vec<_> = problems.lines("file").collect();
        assert!(
            !lines.is_empty(),
            "it is wrong, and nothing is said about it"
        );
        for line in lines {
            assert!(
                line.starts_with("file:"),
                "a mistake without a place: {line}"
            );
        }
    }
}

/// A message.
pub fn envelope(data: &[u8]) {
    let message = match Message::parse(Bytes::copy_from_slice(data)) {
        Ok(message) => message,
        Err(error) => {
            let problem = Problem::from(&Error::from(error));
            assert_eq!(problem.status, StatusCode::BAD_REQUEST);
            assert!(problem.error.message.len() < 66_000);
            return;
        }
    };
    assert_eq!(message.text().as_bytes(), data, "the text has changed");
    let read: Result<IgnoredAny, _> = serde_json::from_slice(data);
    assert!(read.is_ok(), "what is no JSON is a message");
    let Ok(value) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    let params = &value["params"];
    match &message {
        Message::Request(request) => {
            let id = &value["id"];
            // A number that is larger than that is kept as it was written.
            if id.is_string() || id.is_i64() {
                assert_eq!(request.id().to_token(), id.to_string());
            }
            assert_eq!(Some(request.method().as_str()), value["method"].as_str());
            let arguments = request
                .param("arguments")
                .map(|text| serde_json::from_str(text).ok());
            assert_eq!(arguments.flatten().as_ref(), params.get("arguments"));
            let name = request
                .method()
                .name_param()
                .and_then(|key| params[key].as_str());
            assert_eq!(request.name().as_deref(), name);
        }
        Message::Notification(notification) => {
            assert!(
                value.get("id").is_none(),
                "a request was taken for a notification"
            );
            assert_eq!(
                Some(notification.method().as_str()),
                value["method"].as_str()
            );
        }
        Message::Response(_) => assert!(value.get("method").is_none()),
    }
}

/// A stream of events. The first byte says how it is cut.
pub fn events(data: &[u8]) {
    let Some((cut, text)) = data.split_first() else {
        return;
    };
    let whole = read(text, text.len().max(1));
    assert_eq!(whole, read(text, 1), "byte by byte");
    assert_eq!(
        whole,
        read(text, usize::from(*cut).max(1)),
        "in pieces of {cut}"
    );
}

fn read(text: &[u8], size: usize) -> Result<Vec<SseEvent>, ()> {
    // Beyond the limit the pieces decide when that is noticed, so it is out of reach here.
    let mut reader = SseReader::new(1 << 30);
    let mut events = Vec::new();
    for piece in text.chunks(size) {
        reader.feed(piece, &mut events).map_err(drop)?;
    }
    Ok(events)
}

/// The value of a header that mirrors text, and text to be mirrored.
pub fn header(data: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(data)
        && let Some(text) = mirror::decode(&value)
    {
        let again = mirror::encode(&text);
        assert_eq!(mirror::decode(&again).as_deref(), Some(&*text));
    }
    let text = String::from_utf8_lossy(data);
    let value = mirror::encode(&text);
    assert_eq!(mirror::decode(&value).as_deref(), Some(&*text));
    assert!(value.to_str().is_ok(), "it is no text: {value:?}");
}

/// The key set of an issuer.
pub fn keys(data: &[u8]) {
    let Ok(keys) = KeySet::parse(data) else {
        return;
    };
    let document: Value = serde_json::from_slice(data).expect("what is no JSON is a key set");
    let listed = document["keys"].as_array().expect("a set without a list");
    let is_usable = |key: &&Value| {
        let is_public = ["d", "p", "k"].iter().all(|name| key.get(name).is_none());
        is_public && key["kty"] != "oct" && key["use"] != "enc"
    };
    let usable: Vec<_> = listed.iter().filter(is_usable).collect();
    assert!(keys.len() <= usable.len(), "a key that is none is kept");
    if let Some(kid) = usable.iter().find_map(|key| key["kid"].as_str()) {
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": kid });
        refused(
            &encode(&[header.to_string().as_bytes(), CLAIMS, &[7; 64]]),
            &keys,
        );
    }
}

/// A JWT: as it is, and with a header and claims that are divided by a line break.
pub fn token(data: &[u8]) {
    let keys = KeySet::parse(KEYS[0]).expect("a key set");
    refused(&String::from_utf8_lossy(data), &keys);
    let Some(at) = data.iter().position(|byte| *byte == b'\n') else {
        return;
    };
    let (header, claims) = (&data[..at], &data[at + 1..]);
    let token = encode(&[header, claims, &[7; 64]]);
    refused(&token, &keys);
    let Ok(unverified) = UnverifiedJwt::parse(&token) else {
        return;
    };
    let header: Value = serde_json::from_slice(header).expect("a header that is no JSON");
    let claims: Value = serde_json::from_slice(claims).expect("claims that are no JSON");
    let read = unverified.header();
    assert_eq!(header["alg"].as_str(), Some(read.algorithm.name()));
    assert_eq!(header["kid"].as_str(), read.kid.as_deref());
    assert!(header.get("crit").is_none(), "an extension is ignored");
    assert_eq!(claims["iss"].as_str(), unverified.issuer());
    assert_eq!(claims["sub"].as_str(), unverified.subject());
    let subject = unverified.subject().unwrap_or_default();
    assert!(
        !subject.chars().any(char::is_control),
        "a subject that breaks lines"
    );
}

fn encode(parts: &[&[u8]]) -> String {
    let parts: Vec<_> = parts
        .iter()
        .map(|part| URL_SAFE_NO_PAD.encode(part))
        .collect();
    parts.join(".")
}

/// A token that nobody has signed.
fn refused(token: &str, keys: &KeySet) {
    let verifier = JwtVerifier::new(Clock::fixed(1_800_000_000));
    let expectation = Validation::new("https://idp.example.com", "https://gw.example.com/mcp");
    let result = verifier.verify(token, keys, &expectation);
    assert!(
        result.is_err(),
        "a token that nobody has signed is believed"
    );
    if let (Err(JwtError::Signature), Err(error)) = (&result, UnverifiedJwt::parse(token)) {
        panic!("its signature was looked at before it was read: {error}");
    }
}

/// The result of `tools/list`.
pub fn listing(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for modern in [true, false] {
        let mut script = Script::new(modern);
        text.clone_into(&mut script.list);
        let text = json!({ "jsonrpc": "2.0", "id": 1, "result": {} }).to_string();
        script.body = text.into();
        harness::with(script, |harness| {
            let got = harness.modern("tools/list", json!({}));
            let body = got.body.clone().expect("a list that breaks off");
            let read: Result<IgnoredAny, _> = serde_json::from_slice(&body);
            read.expect("a list that is no JSON");
            let Some(message) = got.message() else {
                return;
            };
            assert_eq!(message["id"], 1, "{message}");
            for tool in message["result"]["tools"]
                .as_array()
                .into_iter()
                .flatten()
                .take(3)
            {
                let name = tool["name"].as_str().expect("a tool without a name");
                let got = harness.legacy("tools/call", json!({ "name": name }));
                let answer = got.message().expect("an answer");
                assert_ne!(
                    answer["error"]["data"]["reason"], "unknown_tool",
                    "{name:?}"
                );
            }
        });
    }
}

/// The body of a request, in both eras.
pub fn request(data: &[u8]) {
    let sent: Option<Value> = serde_json::from_slice(data).ok();
    let has = |key| sent.as_ref().is_some_and(|sent| sent.get(key).is_some());
    let is_request = has("id") && has("method");
    let modern = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "t"),
    ];
    harness::with(Script::new(true), |harness| {
        let session = [("mcp-session-id", harness.session())];
        for headers in [&modern[..], &session[..]] {
            let got = harness.send(headers, data.to_vec());
            if got.status == StatusCode::ACCEPTED {
                assert!(!is_request, "a request was taken for something else");
                continue;
            }
            assert_ne!(got.status, StatusCode::INTERNAL_SERVER_ERROR);
            let Some(message) = got.message() else {
                let body = got.body.unwrap_or_default();
                let read: Result<IgnoredAny, _> = serde_json::from_slice(&body);
                read.expect("an answer that is no JSON");
                continue;
            };
            let (result, error) = (message.get("result"), message.get("error"));
            assert!(result.is_some() != error.is_some(), "no answer: {message}");
            let id = &message["id"];
            // What values do not hold may still have an id.
            let is_theirs = sent.as_ref().is_none_or(|sent| is_same(&sent["id"], id));
            assert!(
                id.is_null() || is_theirs,
                "an id that nobody sent: {message}"
            );
        }
    });
}

/// Returns `true` if two IDs are equal; -0 equals 0.
fn is_same(one: &Value, other: &Value) -> bool {
    one == other || (one.is_number() && one.as_f64() == other.as_f64())
}

/// An identifier of a session, a sealed text and a cursor.
pub fn sealed(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let sealer = Sealer::new(&[7; 32]).expect("a key");
    for purpose in ["session", "state"] {
        assert_eq!(sealer.open(purpose, &text), None, "it was made elsewhere");
    }
    harness::with(Script::new(true), |harness| {
        let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }).to_string();
        // Of its own session, one changed byte is the least that can be wrong.
        let session = harness.session().to_owned();
        let mut changed = session.clone().into_bytes();
        if let [at, by, ..] = *data {
            let at = usize::from(at) * changed.len() / 256;
            changed[at] = changed[at].wrapping_add(by);
        }
        for id in [data, &changed] {
            let Ok(id) = HeaderValue::from_bytes(id) else {
                continue;
            };
            let Ok(id) = id.to_str() else {
                continue;
            };
            if id != session {
                let got = harness.send(&[("mcp-session-id", id)], ping.clone());
                assert_eq!(got.status, StatusCode::NOT_FOUND, "{id:?}");
            }
        }
        let got = harness.legacy("tools/list", json!({ "cursor": text }));
        let message = got.message().expect("an answer");
        let (result, error) = (message.get("result"), &message["error"]);
        assert!(result.is_some() || error["code"] == -32602, "{message}");
    });
}

const ANSWERS: &[&[u8]] = &[
    b"\x40\x05{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"resultType\":\"complete\",\"content\":[{\"type\":\"text\",\"text\":\"a\\u00e9\"}]}}",
    b"\x41\x07{\"result\":{\"content\":[],\"isError\":true},\"id\":1,\"jsonrpc\":\"2.0\"}",
    b"\x44\x03id: 1\r\ndata:\r\n\r\n: c\nevent: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n",
    b"\x45\x0bdata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":1,\"progress\":1}}\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":2,\n\ndata: \"error\":{\"code\":-32000,\"message\":\"m\",\"data\":[1E400]}}\n\n",
    b"\x4c\x01data: {\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"elicitation/create\",\"params\":{}}\n\n",
    b"\x08\x02{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32602,\"message\":\"m\"}}",
    b"\x48\x02{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"resultType\":\"input_required\",\"inputRequests\":{\"a\":{\"method\":\"elicitation/create\"}},\"requestState\":\"s\"}}",
    b"\x26\x01<html></html>",
    b"\x40\x04{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":1,\"progress\":1}}\n{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n",
];

const CONFIGS: &[&[u8]] = &[
    include_bytes!("../../../mcp-gateway-config/src/file/tests/full.yaml"),
    include_bytes!("../../../mcp-gateway-config/src/file/tests/mistakes.yaml"),
    b"servers:\n- &a { name: demo, builtin: demo }\n- *a\n",
    b"// c\n{\"mcpServers\": {\"a b\": {\"command\": \"x\", \"args\": [\"${env:HOME:-y}\", \"${input:z}\"], \"env\": {\"A\": \"1\"}}, \"r\": {\"url\": \"http://h/\", \"headers\": {\"Authorization\": \"Bearer ${T}\"}},}}",
    b"{\"mcp\":{\"servers\":{\"x\":{\"type\":\"stdio\",\"command\":\"${workspaceFolder}/x\",\"disabled\":false}},\"inputs\":[{\"id\":\"k\",\"type\":\"promptString\"}]}}",
];

const MESSAGES: &[&[u8]] = &[
    b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"t\",\"arguments\":{\"a\":[1,2.5e3,null,true,\"\\u00e9\\n\"]},\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\"io.modelcontextprotocol/clientCapabilities\":{},\"progressToken\":7}}}",
    b"{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"tools/list\",\"params\":{\"cursor\":\"cwo\"}}",
    b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":1}}",
    b"{\"jsonrpc\":\"2.0\",\"id\":4,\"result\":{\"a\":1}}",
    b"{\"jsonrpc\":\"2.0\",\"id\":4,\"error\":{\"code\":1,\"message\":\"m\"}}",
    b"{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{}}}",
    b"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]",
];

const EVENTS: &[&[u8]] = &[
    b"\x03id: 1\r\ndata:\r\n\r\n: comment\nevent: message\nid: 2\ndata: {\"a\":1}\ndata: x\nretry: 50\n\n",
    b"\x02\xef\xbb\xbfdata: a\rdata: b\r\rdata\n\nid\n\nevent: x\n\n",
];

const HEADERS: &[&[u8]] = &[
    b"plain",
    b" padded\t",
    b"=?base64?SGVsbG8sIOS4lueVjA==?=",
    b"=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=",
    "Grüße, 世界 😀\n".as_bytes(),
];

const LISTS: &[&[u8]] = &[
    b"{\"resultType\":\"complete\",\"tools\":[{\"name\":\"a\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"r\":{\"type\":\"string\",\"x-mcp-header\":\"Region\"},\"n\":{\"type\":\"object\",\"properties\":{\"f\":{\"type\":\"integer\",\"x-mcp-header\":\"Floor\"}}}}},\"_meta\":{\"ui\":{\"resourceUri\":\"ui://a/b\"}}},{\"name\":\"b\\u00e9\",\"inputSchema\":{},\"outputSchema\":{},\"x-vendor\":[1e400]}],\"ttlMs\":5,\"cacheScope\":\"public\"}",
    b"{\"tools\":[{\"name\":\"a\",\"name\":\"b\",\"inputSchema\":{}},{\"inputSchema\":null},7],\"nextCursor\":\"c\",\"vendor\":{\"a\":1}}",
];

const SEALED: &[&[u8]] = &[b"x", b"AQIDBAUGBwgJCgsMDQ4P", b"cwp0", b"\x80\x01", b""];

const CLAIMS: &[u8] = b"{\"iss\":\"https://idp.example.com\",\"aud\":\"https://gw.example.com/mcp\",\"sub\":\"alice\",\"exp\":1800000300}";

const KEYS: &[&[u8]] = &[
    b"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"k1\",\"use\":\"sig\",\"alg\":\"ES256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}",
    b"{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\",\"kid\":\"k1\"},{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"k2\",\"key_ops\":[\"verify\"],\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"},{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\",\"d\":\"AA\",\"use\":\"enc\"},null]}",
];

const TOKENS: &[&[u8]] = &[
    b"{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"k1\"}\n{\"iss\":\"https://idp.example.com\",\"aud\":[\"https://gw.example.com/mcp\"],\"sub\":\"alice\",\"exp\":1800000300.5,\"iat\":1,\"nbf\":0,\"jti\":\"1\",\"scope\":\"a b\",\"x\":{\"y\":[1e3,null]}}",
    b"{\"alg\":\"none\",\"typ\":\"application/at+jwt\",\"crit\":[\"b64\"],\"b64\":false,\"zip\":\"DEF\",\"cty\":\"JWT\",\"jwk\":{}}\n{\"sub\":\"\\u000a\",\"sub\":\"b\"}",
    b"eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30.AAAA",
    b"..",
];
