//! Calls whose clients are asked to open the link at which their user connects.

use serde_json::{Value, json};

use crate::accounts::{self, TOOL, log_in};
use crate::github::{Era, GitHub};
use crate::harness::{Endpoint, ISSUER, Kind};
use crate::inputs::{self, submit};
use crate::person::{Person, people};
use crate::provider::Provider;
use crate::session::{Messages, Session};

/// Capabilities of a client that opens URLs.
pub(crate) fn capabilities() -> Value {
    json!({ "elicitation": { "url": {} } })
}

/// Calls the tool `name` as a client of the modern era that opens URLs does; `retry` is added to the
/// parameters.
async fn call(at: (&Endpoint, &str), name: &str, retry: Value) -> Messages {
    let mut params = json!({
        "name": name,
        "arguments": {},
        "_meta": { "io.modelcontextprotocol/clientCapabilities": capabilities() },
    });
    for (key, value) in retry.as_object().unwrap() {
        params[key] = value.clone();
    }
    Messages::of_request(at, "tools/call", params).await
}

/// Calls the tool `name`; returns the URL that its client is asked to open, and the retry of a
/// client that does.
async fn asked(at: (&Endpoint, &str), name: &str) -> (String, Value) {
    let asked = call(at, name, json!({})).await.response().await;
    let result = &asked["result"];
    assert_eq!(result["resultType"], "input_required", "{asked}");
    let request = &result["inputRequests"]["connect"];
    assert_eq!(request["method"], "elicitation/create", "{asked}");
    let retry = json!({
        "requestState": result["requestState"],
        "inputResponses": { "connect": { "action": "accept" } },
    });
    (url(&request["params"]), retry)
}

/// Returns the URL of an elicitation with the parameters `params`.
pub(crate) fn url(params: &Value) -> String {
    assert_eq!(params["mode"], "url", "{params}");
    assert!(params["message"].is_string(), "{params}");
    params["url"].as_str().unwrap().to_owned()
}

/// Opens `url` in the browser of `person`, who logs in at the provider.
async fn open(person: &mut Person, endpoint: &Endpoint, url: &str) {
    let url = url.replace(ISSUER, &endpoint.url);
    let page = person.browser.get(&url).await;
    let page = log_in(person, endpoint, &page).await;
    assert_eq!(page.title(), "Your account is connected", "{}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_modern_call_goes_on_at_any_replica_once_its_user_has_connected() {
    let provider = Provider::start().await;
    let harness = accounts::harness(Kind::Postgres, provider.url().as_str()).await;
    let first = harness.start().await;
    let second = harness.start().await;
    let people = people(&harness, &first).await;
    let (first, second) = (first.endpoint(), second.endpoint());
    let [admin, mut zoe] = people;
    let token = zoe.token.clone();
    let (url, retry) = asked((&first, &token), TOOL).await;
    let mut waiting = call((&second, &token), TOOL, retry.clone()).await;
    // Nobody else uses the state, or the link.
    let mut stolen = call((&second, &admin.token), TOOL, retry.clone()).await;
    assert_eq!(stolen.response().await["error"]["code"], -32602);
    open(&mut zoe, &first, &url).await;
    let result = waiting.response().await;
    assert_eq!(result["result"]["content"][0]["text"], "zoe", "{result}");
    // The account is connected now.
    let again = call((&first, &token), TOOL, json!({}))
        .await
        .response()
        .await;
    assert_eq!(again["result"]["content"][0]["text"], "zoe", "{again}");
    // A user who declines gets the result of a client that is not asked.
    let token = admin.token.clone();
    let (_, mut retry) = asked((&first, &token), TOOL).await;
    retry["inputResponses"]["connect"]["action"] = "decline".into();
    let declined = call((&second, &token), TOOL, retry).await.response().await;
    let plain = admin.call(&second, TOOL).await;
    assert_eq!(declined["result"], plain, "{declined}");
    assert_eq!(
        plain["_meta"]["mcp-gateway/problem"]["reason"],
        "not_connected"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_goes_on_once_its_user_has_connected_elsewhere() {
    let provider = Provider::start().await;
    let harness = accounts::harness(Kind::Postgres, provider.url().as_str()).await;
    let first = harness.start().await;
    let second = harness.start().await;
    let people = people(&harness, &first).await;
    let (first, second) = (first.endpoint(), second.endpoint());
    for mut person in people {
        let session = Session::begin(&second, &person.token, capabilities()).await;
        let mut call = session.call(TOOL).await;
        let question = call.method("elicitation/create").await;
        let params = &question["params"];
        let answer = json!({ "action": "accept" });
        let answer = json!({ "jsonrpc": "2.0", "id": question["id"], "result": answer });
        session.post(&answer).await;
        open(&mut person, &first, &url(params)).await;
        let completion = call.method("notifications/elicitation/complete").await;
        let id = &completion["params"]["elicitationId"];
        assert_eq!(id, &params["elicitationId"], "{completion}");
        let result = call.response().await;
        let text = &result["result"]["content"][0]["text"];
        assert_eq!(text, person.name, "{result}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_cannot_be_asked_in_a_reply_is_notified_later() {
    let provider = Provider::start().await;
    let harness = accounts::harness(Kind::Sqlite, provider.url().as_str()).await;
    let replica = harness.start().await;
    let [mut person, _] = people(&harness, &replica).await;
    let endpoint = replica.endpoint();
    let session = Session::begin(&endpoint, &person.token, capabilities()).await;
    let mut unsolicited = session.listen().await;
    let mut call = session.call(TOOL).await;
    let question = call.method("elicitation/create").await;
    let error = json!({ "code": -32601, "message": "Method not found" });
    let error = json!({ "jsonrpc": "2.0", "id": question["id"], "error": error });
    session.post(&error).await;
    let response = call.response().await;
    assert_eq!(response["error"]["code"], -32042, "{response}");
    let elicitation = &response["error"]["data"]["elicitations"][0];
    open(&mut person, &endpoint, &url(elicitation)).await;
    let completion = unsolicited
        .method("notifications/elicitation/complete")
        .await;
    let id = &completion["params"]["elicitationId"];
    assert_eq!(id, &elicitation["elicitationId"], "{completion}");
    let result = session.call(TOOL).await.response().await;
    let text = &result["result"]["content"][0]["text"];
    assert_eq!(text, person.name, "{result}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_goes_on_with_the_values_that_its_user_supplies() {
    let github = GitHub::start(Era::Modern).await;
    let harness = inputs::harness(Kind::Sqlite, &github).await;
    let replica = harness.start().await;
    let [_, mut zoe] = people(&harness, &replica).await;
    let (endpoint, token) = (replica.endpoint(), zoe.token.clone());
    let at = (&endpoint, &*token);
    let (url, retry) = asked(at, inputs::TOOL).await;
    let mut call = call(at, inputs::TOOL, retry).await;
    let form = zoe.browser.get(&url.replace(ISSUER, &endpoint.url)).await;
    let own = github.issue("zoe");
    submit(&mut zoe, &endpoint, &form, ("github", "token", &own)).await;
    let result = call.response().await;
    assert_eq!(result["result"]["content"][0]["text"], "zoe", "{result}");
}
