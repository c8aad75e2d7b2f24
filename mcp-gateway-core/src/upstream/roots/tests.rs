use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::json;

use super::*;
use crate::auth::Principal;
use crate::jsonrpc::Id;
use crate::protocol::ProtocolVersion;
use crate::reply::{self, ReplyEvent};
use crate::route::{Feature, Target};
use crate::{Caller, ClientInfo, Credential};

const META: &str = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":"#;

fn call(version: ProtocolVersion, capabilities: &str, params: &str) -> Call<Prepared> {
    let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
    let Ok(Message::Request(request)) = Message::parse(Bytes::from(text)) else {
        panic!("{params}");
    };
    let client = ClientInfo::new(version, Capabilities::parse(capabilities).unwrap());
    let caller = Caller::new(Principal::new("a"), "g", client);
    let target = Target::new("s", Feature::Tool("t".into()));
    Call::trusted(request, Arc::new(caller)).prepared(Prepared::trusted(target, Credential::none()))
}

/// A modern call whose `_meta` declares `capabilities`.
fn modern(capabilities: &str, more: &str) -> Call<Prepared> {
    let params = format!(r#"{{"name":"t","_meta":{{{META}{capabilities},"x":1}}{more}}}"#);
    call(ProtocolVersion::LATEST, capabilities, &params)
}

async fn confined(policy: &RootsPolicy, call: Call<Prepared>) -> (String, String) {
    let call = policy.confine(call).await.unwrap();
    let capabilities = call.client().capabilities().as_json().to_owned();
    (capabilities, call.request().text().to_owned())
}

#[tokio::test]
async fn what_has_no_roots_concerns_nobody() {
    let call = modern(r#"{"sampling":{}}"#, "");
    for policy in [
        RootsPolicy::Off,
        RootsPolicy::inside(["/"]),
        RootsPolicy::Unchecked,
    ] {
        assert!(!policy.concerns(&call), "{policy:?}");
    }
    let declared = modern(r#"{"roots":{}}"#, "");
    assert!(RootsPolicy::Off.concerns(&declared) && RootsPolicy::Off.hides_from(&declared));
    assert!(!RootsPolicy::inside(["/"]).concerns(&declared));
    assert!(!RootsPolicy::Unchecked.concerns(&declared));
}

#[tokio::test]
async fn a_server_without_roots_does_not_see_that_they_are_declared() {
    let declared = r#"{ "sampling":{}, "roots":{"listChanged":true} }"#;
    let call = modern(declared, "");
    let expected = call
        .request()
        .text()
        .replace(declared, r#"{"sampling":{}}"#);
    let (capabilities, text) = confined(&RootsPolicy::Off, call).await;
    assert_eq!(capabilities, r#"{"sampling":{}}"#);
    assert_eq!(text, expected);
}

#[tokio::test]
async fn a_legacy_client_cannot_declare_them_with_a_request() {
    let params = format!(r#"{{"name":"t","_meta":{{{META}{{"r\u006fots":{{}}}}}}}}"#);
    let call = call(ProtocolVersion::V2025_11_25, r#"{"roots":{}}"#, &params);
    assert!(RootsPolicy::Off.concerns(&call) && !RootsPolicy::Off.hides_from(&call));
    let (capabilities, text) = confined(&RootsPolicy::Off, call).await;
    assert_eq!(capabilities, "{}");
    assert!(text.contains(&format!("{META}{{}}")), "{text}");
}

#[tokio::test]
async fn answers_about_roots_do_not_reach_a_server_without() {
    let form = r#""form":{"action":"accept","content":{"roots":[1]}}"#;
    let table = [
        (format!("{{{form}}}"), format!("{{{form}}}")),
        (
            format!(r#"{{"r":{{"roots":[{{"uri":"file:///"}}]}},{form}}}"#),
            format!("{{{form}}}"),
        ),
        (
            format!(r#"{{"r":{{"a":1,"r\u006fots":[]}},{form}}}"#),
            format!("{{{form}}}"),
        ),
        // What two readers could read in two ways, and what is no answer.
        (r#"{"r":{"a":1,"a":2}}"#.to_owned(), "{}".to_owned()),
        (r#"{"r":{},"r":{"roots":[]}}"#.to_owned(), "{}".to_owned()),
        (r#"{"r":[{"roots":[]}]}"#.to_owned(), "{}".to_owned()),
        (r#"[{"roots":[]}]"#.to_owned(), "{}".to_owned()),
    ];
    for (answers, expected) in table {
        for version in [ProtocolVersion::LATEST, ProtocolVersion::V2025_06_18] {
            let params = format!(r#"{{"name":"t","input\u0052esponses":{answers}}}"#);
            let call = call(version, "{}", &params);
            assert!(RootsPolicy::Off.concerns(&call));
            let (_, text) = confined(&RootsPolicy::Off, call).await;
            let params = params.replace(&answers, &expected);
            assert!(text.ends_with(&format!("{params}}}")), "{text}");
        }
    }
}

#[tokio::test]
async fn answers_about_roots_are_confined() {
    let temporary = std::env::temp_dir().canonicalize().unwrap();
    let inside = format!("file://{}", temporary.display());
    let answers =
        json!({ "r": { "roots": [{ "uri": "file:///" }, { "uri": inside, "name": "n" }] } });
    let call = modern(
        r#"{"roots":{}}"#,
        &format!(r#","inputResponses":{answers}"#),
    );
    let policy = RootsPolicy::inside([temporary]);
    assert!(policy.concerns(&call) && !policy.hides_from(&call));
    let (capabilities, text) = confined(&policy, call).await;
    assert_eq!(capabilities, r#"{"roots":{}}"#);
    let expected = json!({ "roots": [{ "uri": inside, "name": "n" }] });
    let text: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(text["params"]["inputResponses"], json!({ "r": expected }));
}

#[test]
fn changes_of_roots_are_forwarded_with_the_capability() {
    let declared = Capabilities::parse(r#"{"roots":{}}"#).unwrap();
    let changed = Notification::new(&Method::RootsListChanged, None);
    let other = Notification::new(&Method::from("notifications/vendor"), None);
    let inside = RootsPolicy::inside(["/"]);
    assert!(!RootsPolicy::Off.forwards(&changed, &declared.without_roots()));
    assert!(RootsPolicy::Off.forwards(&other, &declared.without_roots()));
    assert!(inside.forwards(&changed, &declared));
    assert!(!inside.forwards(&changed, &Capabilities::default()));
    assert!(RootsPolicy::Unchecked.forwards(&changed, &Capabilities::default()));
}

#[tokio::test]
async fn a_result_that_asks_for_hidden_roots_is_rejected() {
    let asks = r#"{"resultType":"input_required","inputRequests":{"r":{"method":"roots/list"}}}"#;
    let form =
        r#"{"resultType":"input_required","inputRequests":{"f":{"method":"elicitation/create"}}}"#;
    let task =
        r#"{"status":"input_required","inputRequests":{"r":{"method":"roots/list","params":{}}}}"#;
    let text = r#"{"content":[{"type":"text","text":"inputRequests roots/list"}]}"#;
    for (result, expected) in [(asks, false), (task, false), (form, true), (text, true)] {
        let response = Response::new(&Id::from(1), result);
        let status = http::StatusCode::OK;
        let single = without_question(reply::single_response(status, &response)).await;
        assert_eq!(single.is_ok(), expected, "{result}");

        let events = futures_util::stream::iter([Ok(ReplyEvent::Response(response))]);
        let reply = Reply::Events(reply::ReplyStream::new(events));
        let Ok(Reply::Events(mut events)) = without_question(reply).await else {
            panic!("{result}");
        };
        assert_eq!(events.next().await.unwrap().is_ok(), expected, "{result}");
    }
}
