//! Dynamic client registration management (RFC 7592).

use futures_util::future::join_all;
use http::{Method, StatusCode};
use mcp_gateway_auth::server::OAuthClient;
use serde_json::{Value, json};

use super::harness::{CALLBACK, Harness, RESOURCE, Reply, machine, wanted};

/// A dynamically registered client.
struct Registered {
    id: String,
    token: String,
    said: Value,
}

async fn registered(harness: &Harness, method: &str) -> Registered {
    let metadata = json!({
        "redirect_uris": [CALLBACK],
        "client_name": "A",
        "token_endpoint_auth_method": method,
    });
    let said = harness.register(&metadata).await;
    Registered {
        id: said["client_id"].as_str().unwrap().to_owned(),
        token: said["registration_access_token"]
            .as_str()
            .unwrap()
            .to_owned(),
        said,
    }
}

impl Registered {
    /// Reads the registration with its own token.
    async fn read(&self, harness: &Harness) -> Reply {
        let token = Some(&*self.token);
        manage(harness, Method::GET, &self.id, token, &json!(null)).await
    }
}

async fn manage(
    harness: &Harness,
    method: Method,
    id: &str,
    token: Option<&str>,
    body: &Value,
) -> Reply {
    let path = format!("/api/auth/oauth2/register/{id}");
    harness.json(method, &path, token, body).await
}

#[tokio::test]
async fn rfc_7592_a_client_reads_changes_and_removes_itself() {
    let harness = Harness::new();
    let one = registered(&harness, "client_secret_basic").await;
    let token = Some(&*one.token);
    let read = one.read(&harness).await;
    assert_eq!(
        (read.status, read.header("cache-control")),
        (StatusCode::OK, "no-store")
    );
    let mut expected = one.said.clone();
    expected.as_object_mut().unwrap().remove("client_secret");
    assert_eq!(read.value(), expected);

    let after = json!({
        "client_id": one.id,
        "client_secret": one.said["client_secret"],
        "redirect_uris": ["https://client.example.com/new"],
        "token_endpoint_auth_method": "client_secret_basic",
    });
    let put = manage(&harness, Method::PUT, &one.id, token, &after).await;
    assert_eq!(put.status, StatusCode::OK, "{}", put.text);
    assert_eq!(put.value()["redirect_uris"], after["redirect_uris"]);
    assert_eq!(
        put.value()["client_name"],
        one.id,
        "what is left out is cleared"
    );
    let reply = harness.asked(&wanted(&one.id), "alice").await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST, "the old address");

    let deleted = manage(&harness, Method::DELETE, &one.id, token, &json!(null)).await;
    assert_eq!(
        (deleted.status, &*deleted.text),
        (StatusCode::NO_CONTENT, "")
    );
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let reply = manage(&harness, method, &one.id, token, &after).await;
        assert!(reply.is_error(401, "invalid_token"), "{reply:?}");
    }
    let reply = manage(&harness, Method::POST, &one.id, token, &after).await;
    assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(reply.header("allow").contains("PUT"));
}

#[tokio::test]
async fn rfc_7592_what_an_update_may_not_say_is_refused() {
    let harness = Harness::new();
    let one = registered(&harness, "client_secret_basic").await;
    let right = json!({ "client_id": one.id, "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "client_secret_basic" });
    let public = registered(&harness, "none").await;
    for (name, value) in [
        ("client_id", json!(null)),
        ("client_id", json!("other")),
        ("client_secret", json!("another")),
        ("client_secret", json!(1)),
        ("registration_access_token", json!(one.token)),
        ("registration_client_uri", json!("https://x/")),
        ("client_secret_expires_at", json!(0)),
        ("client_id_issued_at", json!(0)),
        ("redirect_uris", json!("x")),
        ("grant_types", json!(["implicit"])),
    ] {
        let mut after = right.clone();
        after[name] = value;
        let reply = manage(&harness, Method::PUT, &one.id, Some(&one.token), &after).await;
        assert!(
            reply.is_error(400, "invalid_client_metadata"),
            "{after}: {reply:?}"
        );
    }
    for uris in [json!([]), json!(["javascript:alert(1)"])] {
        let mut after = right.clone();
        after["redirect_uris"] = uris;
        let reply = manage(&harness, Method::PUT, &one.id, Some(&one.token), &after).await;
        assert!(reply.is_error(400, "invalid_redirect_uri"), "{after}");
    }
    let mut secretive = right.clone();
    secretive["client_id"] = public.id.clone().into();
    let reply = manage(
        &harness,
        Method::PUT,
        &public.id,
        Some(&public.token),
        &secretive,
    )
    .await;
    assert!(reply.is_error(400, "invalid_client_metadata"), "{reply:?}");
    let read = one.read(&harness).await;
    assert_eq!(read.value()["client_name"], "A", "nothing was changed");
}

#[tokio::test]
async fn o24_nobody_manages_the_registration_of_another_client() {
    let harness = Harness::new();
    let one = registered(&harness, "none").await;
    let other = registered(&harness, "none").await;
    harness.server.set_clients([machine("build", "s3cret")]);
    harness
        .server
        .create_client(OAuthClient::new("stored", "Stored"))
        .await
        .unwrap();
    let code = harness.code(&one.id, "alice").await;
    let tokens = harness.redeem(&one.id, &code).await.value();
    let access = tokens["access_token"].as_str().unwrap();
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let near = format!("{}x", one.token);
    let body = json!({ "client_id": one.id, "redirect_uris": ["https://evil.com/"] });
    let mut answers = Vec::new();
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        for token in [
            None,
            Some(""),
            Some("x"),
            Some(&*other.token),
            Some(access),
            Some(refresh),
            Some(&*near),
            Some(&one.token[..20]),
        ] {
            let reply = manage(&harness, method.clone(), &one.id, token, &body).await;
            assert!(reply.is_error(401, "invalid_token"), "{token:?}: {reply:?}");
            answers.push(reply.text);
        }
        for id in [
            "nobody",
            "build",
            "stored",
            "%2e%2e",
            "..%2f..%2fkey",
            "'%20or%201=1--",
            "%00",
            "https%3A%2F%2Fclient.example.com%2Fc",
        ] {
            let reply = manage(&harness, method.clone(), id, Some(&one.token), &body).await;
            assert!(reply.is_error(401, "invalid_token"), "{id}: {reply:?}");
            answers.push(reply.text);
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "the existence of a client is disclosed");
    let read = one.read(&harness).await;
    assert_eq!(read.value()["redirect_uris"], json!([CALLBACK]));
}

#[tokio::test]
async fn o24_guessing_a_registration_token_does_not_help() {
    let harness = Harness::new();
    let one = registered(&harness, "none").await;
    let guesses = (0..200).map(|guess| format!("mcpreg_{guess:043}"));
    let guesses: Vec<_> = guesses.collect();
    let body = json!(null);
    let replies = guesses
        .iter()
        .map(|guess| manage(&harness, Method::DELETE, &one.id, Some(guess), &body));
    for reply in join_all(replies).await {
        assert!(reply.is_error(401, "invalid_token"));
    }
    let read = one.read(&harness).await;
    assert_eq!(read.status, StatusCode::OK);
}

#[tokio::test]
async fn rfc_7592_updates_at_the_same_time_all_succeed() {
    let harness = Harness::new();
    let replica = harness.replica();
    let one = registered(&harness, "none").await;
    let bodies: Vec<_> = (0..10)
        .map(|n| {
            json!({ "client_id": one.id, "redirect_uris": [CALLBACK],
            "client_name": format!("name {n}") })
        })
        .collect();
    let updates = bodies.iter().enumerate().map(|(n, body)| {
        let harness = if n % 2 == 0 { &harness } else { &replica };
        manage(harness, Method::PUT, &one.id, Some(&one.token), body)
    });
    for reply in join_all(updates).await {
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    }
}

#[tokio::test]
async fn rfc_7592_with_a_client_all_that_it_has_dies() {
    let harness = Harness::new();
    harness
        .server
        .set_clients([machine("rs", "s3cret").with_introspection()]);
    let one = registered(&harness, "none").await;
    let code = harness.code(&one.id, "alice").await;
    let tokens = harness.redeem(&one.id, &code).await.value();
    let pending = harness.asked(&wanted(&one.id), "alice").await;
    let pending = pending.parameter("code").unwrap();
    let access = tokens["access_token"].as_str().unwrap();
    let refresh = tokens["refresh_token"].as_str().unwrap();
    manage(
        &harness,
        Method::DELETE,
        &one.id,
        Some(&one.token),
        &json!(null),
    )
    .await;
    assert!(harness.bearer(RESOURCE, access).await.is_err());
    let reply = harness.refresh(&one.id, refresh).await;
    assert!(reply.is_error(401, "invalid_client"), "{reply:?}");
    let reply = harness.redeem(&one.id, &pending).await;
    assert!(reply.is_error(401, "invalid_client"), "{reply:?}");
    let basic = [("authorization", "Basic cnM6czNjcmV0")];
    for token in [access, refresh] {
        let form = [("token", token)];
        let reply = harness
            .post_with("/api/auth/oauth2/introspect", &form, &basic)
            .await;
        assert_eq!(reply.value(), json!({ "active": false }));
    }
}
