use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use mcp_gateway_auth::client::{ClientError, GrantCredentials};
use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::credential::{Challenge, Credential, CredentialError, CredentialResolver};
use mcp_gateway_core::protocol::{Capabilities, ProtocolVersion};
use mcp_gateway_core::route::{Feature, Target};
use mcp_gateway_core::{Caller, ClientInfo};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::harness::{Harness, tokens};

pub(crate) fn caller() -> Caller {
    let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
    Caller::new(Principal::new("alice"), "main", client)
}

pub(crate) fn target() -> Target {
    Target::new("notes", Feature::Server)
}

async fn resolve(credentials: &GrantCredentials) -> Result<String, CredentialError> {
    let credential = credentials.resolve(&caller(), &target()).await?;
    Ok(authorization(&credential))
}

fn authorization(credential: &Credential) -> String {
    let headers = credential.headers();
    let header = headers.iter().find(|(name, _)| name == AUTHORIZATION);
    header.unwrap().1.to_str().unwrap().to_owned()
}

async fn credentials(harness: &Harness, issued: Value) -> GrantCredentials {
    GrantCredentials::new(harness.grant(issued).await, Credential::new("test"))
}

#[tokio::test]
async fn a_token_with_time_left_is_not_refreshed() {
    let harness = Harness::start().await;
    let credentials = credentials(&harness, tokens("a-1", 3600, Some("r-1"))).await;
    for _ in 0..3 {
        assert_eq!(resolve(&credentials).await.unwrap(), "Bearer a-1");
    }
    assert!(harness.presented().is_empty());
}

#[tokio::test]
async fn calls_at_the_same_time_share_one_refresh() {
    let harness = Harness::start().await;
    let credentials = credentials(&harness, tokens("a-1", 30, Some("r-1"))).await;
    let credentials = Arc::new(credentials);
    harness.respond(200, tokens("a-2", 3600, Some("r-2")));
    harness.delay(Duration::from_millis(200));
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let credentials = Arc::clone(&credentials);
        calls.spawn(async move { resolve(&credentials).await.unwrap() });
    }
    let presented = calls.join_all().await;
    assert_eq!(presented, vec!["Bearer a-2"; 20]);
    assert_eq!(harness.presented(), ["r-1"]);
    assert_eq!(harness.last()["resource"], harness.url());
    assert_eq!(harness.last()["client_id"], "c-1");
}

#[tokio::test]
async fn a_dropped_call_does_not_lose_a_rotated_token() {
    let harness = Harness::start().await;
    let credentials = credentials(&harness, tokens("a-1", 30, Some("r-1"))).await;
    harness.respond(200, tokens("a-2", 3600, Some("r-2")));
    harness.delay(Duration::from_millis(300));
    let dropped = timeout(Duration::from_millis(100), resolve(&credentials)).await;
    assert!(dropped.is_err());
    assert_eq!(resolve(&credentials).await.unwrap(), "Bearer a-2");
    assert_eq!(harness.presented(), ["r-1"]);
}

#[tokio::test]
async fn a_refresh_token_is_kept_until_another_is_issued() {
    let harness = Harness::start().await;
    let credentials = credentials(&harness, tokens("a-1", 0, Some("r-1"))).await;
    harness.respond(200, tokens("a-2", 0, None));
    harness.respond(200, tokens("a-3", 0, Some("r-2")));
    harness.respond(200, tokens("a-4", 3600, Some("r-3")));
    for expected in ["Bearer a-2", "Bearer a-3", "Bearer a-4", "Bearer a-4"] {
        assert_eq!(resolve(&credentials).await.unwrap(), expected);
    }
    assert_eq!(harness.presented(), ["r-1", "r-1", "r-2"]);
}

#[tokio::test]
async fn a_valid_token_outlives_a_failed_refresh() {
    let harness = Harness::start().await;
    let credentials = credentials(&harness, tokens("a-1", 30, Some("r-1"))).await;
    harness.respond(503, json!({}));
    harness.respond(200, tokens("a-2", 3600, None));
    assert_eq!(resolve(&credentials).await.unwrap(), "Bearer a-1");
    assert_eq!(resolve(&credentials).await.unwrap(), "Bearer a-2");
    assert_eq!(harness.presented(), ["r-1", "r-1"]);
}

#[tokio::test]
async fn a_revoked_grant_is_recognized_by_its_error_code() {
    let revoked = json!({ "error": "invalid_grant", "error_description": "revoked" });
    for status in [200, 400, 401, 403, 500] {
        let harness = Harness::start().await;
        let credentials = credentials(&harness, tokens("a-1", 0, Some("r-1"))).await;
        harness.respond(status, revoked.clone());
        for _ in 0..2 {
            let error = resolve(&credentials).await.unwrap_err();
            let is_revoked = matches!(error, CredentialError::NotConnected { .. });
            assert!(is_revoked, "{status}: {error:?}");
        }
        // A revoked token is not presented again.
        assert_eq!(harness.presented(), ["r-1"], "{status}");
    }
}

#[tokio::test]
async fn a_revoked_grant_keeps_its_valid_access_token() {
    let harness = Harness::start().await;
    let credentials = credentials(&harness, tokens("a-1", 2, Some("r-1"))).await;
    harness.respond(400, json!({ "error": "invalid_grant" }));
    for _ in 0..2 {
        assert_eq!(resolve(&credentials).await.unwrap(), "Bearer a-1");
    }
    sleep(Duration::from_millis(2100)).await;
    let error = resolve(&credentials).await.unwrap_err();
    assert!(
        matches!(error, CredentialError::NotConnected { .. }),
        "{error:?}"
    );
    assert_eq!(harness.presented(), ["r-1"]);
}

#[tokio::test]
async fn other_errors_are_temporary_whatever_their_status() {
    let table = [
        (
            400,
            json!({ "error": "temporarily_unavailable" }),
            "temporarily_unavailable",
        ),
        (400, json!({ "error": "invalid_client" }), "invalid_client"),
        (401, json!({ "error": "invalid_client" }), "invalid_client"),
        (403, json!({ "error": "slow_down" }), "slow_down"),
        (400, json!({}), "400"),
        (500, json!({ "message": "oops" }), "500"),
    ];
    for (status, body, code) in table {
        let harness = Harness::start().await;
        let credentials = credentials(&harness, tokens("a-1", 0, Some("r-1"))).await;
        harness.respond(status, body);
        harness.respond(200, tokens("a-2", 3600, None));
        let error = resolve(&credentials).await.unwrap_err();
        let (is_rejected, found) = match error {
            CredentialError::ClientRejected { code } => (true, code.to_string()),
            CredentialError::Unavailable(source) => match *source.downcast().unwrap() {
                ClientError::Token(error) => (false, error.code),
                error => unreachable!("{code}: {error:?}"),
            },
            error => unreachable!("{code}: {error:?}"),
        };
        assert_eq!(found, code, "{status}");
        assert_eq!(is_rejected, code == "invalid_client", "{status}");
        assert_eq!(resolve(&credentials).await.unwrap(), "Bearer a-2");
    }
}

#[tokio::test]
async fn a_token_without_refresh_token_is_presented_as_it_is() {
    let harness = Harness::start().await;
    let credentials = credentials(&harness, tokens("a-1", 0, None)).await;
    assert_eq!(resolve(&credentials).await.unwrap(), "Bearer a-1");
    assert!(harness.presented().is_empty());
}

/// Reports `credential` as rejected with `status`. Returns the renewed one.
async fn reject(
    credentials: &GrantCredentials,
    credential: &Credential,
    status: StatusCode,
) -> Result<Option<String>, CredentialError> {
    let mut headers = HeaderMap::new();
    headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    let challenge = Challenge::new(status, &headers);
    let (caller, target) = (caller(), target());
    let renewed = credentials.rejected(&caller, &target, credential, &challenge);
    Ok(renewed.await?.as_ref().map(authorization))
}

#[tokio::test]
async fn rejected_calls_share_one_refresh() {
    let harness = Harness::start().await;
    // Its server revokes it before it expires.
    let credentials = credentials(&harness, tokens("a-1", 3600, Some("r-1"))).await;
    let credentials = Arc::new(credentials);
    let presented = credentials.resolve(&caller(), &target()).await.unwrap();
    harness.respond(200, tokens("a-2", 3600, Some("r-2")));
    harness.delay(Duration::from_millis(100));
    let mut calls = JoinSet::new();
    for _ in 0..10 {
        let (credentials, presented) = (Arc::clone(&credentials), presented.clone());
        calls.spawn(async move {
            let renewed = reject(&credentials, &presented, StatusCode::UNAUTHORIZED).await;
            renewed.unwrap().unwrap()
        });
    }
    assert_eq!(calls.join_all().await, vec!["Bearer a-2"; 10]);
    assert_eq!(harness.presented(), ["r-1"]);
    assert_eq!(resolve(&credentials).await.unwrap(), "Bearer a-2");
}

#[tokio::test]
async fn a_rejected_call_is_given_up_without_another_token() {
    let harness = Harness::start().await;
    let credentials = credentials(&harness, tokens("a-1", 3600, Some("r-1"))).await;
    let presented = credentials.resolve(&caller(), &target()).await.unwrap();
    // A refresh adds no scopes.
    let renewed = reject(&credentials, &presented, StatusCode::FORBIDDEN).await;
    assert_eq!(renewed.unwrap(), None);
    assert!(harness.presented().is_empty());
    harness.respond(400, json!({ "error": "invalid_grant" }));
    for _ in 0..2 {
        let renewed = reject(&credentials, &presented, StatusCode::UNAUTHORIZED).await;
        assert_eq!(renewed.unwrap(), None);
    }
    assert_eq!(harness.presented(), ["r-1"]);
}
