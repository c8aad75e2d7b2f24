//! Workload identity: JWTs of platforms, exchanged for access tokens.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use http::StatusCode;
use mcp_gateway_auth::jose::{Algorithm, JwkSet, KeySet, SigningKey};
use mcp_gateway_auth::server::{
    ClientAuthentication, GrantType, OAuthClient, WorkloadExchange, WorkloadIssuer,
    WorkloadObserver, WorkloadRule,
};
use mcp_gateway_store::{Attachment, Store as _};
use serde_json::{Value, json};

use super::harness::{Harness, IDP, ISSUER, OTHER_RESOURCE, RESOURCE, Reply, claims};
use super::host::forged;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// A CI service whose builds of `acme` are admitted.
struct Ci {
    harness: Harness,
    key: SigningKey,
    observed: Arc<Observed>,
}

/// Records exchanges in the store and in memory.
#[derive(Debug, Default)]
struct Observed(Mutex<Vec<String>>);

impl WorkloadObserver for Observed {
    fn attachment(&self, exchange: &WorkloadExchange<'_>) -> Attachment {
        let WorkloadExchange {
            rule,
            issuer,
            subject,
            principal,
            ..
        } = exchange;
        let record = format!("{rule} {issuer} {subject} {principal}");
        self.0.lock().unwrap().push(record);
        Attachment::new(|batch, rule| batch.put(format!("audit/{rule}"), "exchanged"))
    }
}

fn keys(key: &SigningKey) -> KeySet {
    KeySet::from(&JwkSet::new([key.public().clone()]))
}

fn app() -> WorkloadRule {
    WorkloadRule::new("app")
        .with_claim("repository", ["acme/*".into()])
        .with_claim("environment", ["prod".into(), "staging".into()])
        .with_name("${repository}".parse().unwrap())
        .with_teams(["ci".into()])
}

impl Ci {
    fn new() -> Self {
        Self::with(|issuer| issuer.with_rule(app()))
    }

    fn with(issuer: impl FnOnce(WorkloadIssuer) -> WorkloadIssuer) -> Self {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let observed = Arc::new(Observed::default());
        let observer = Arc::clone(&observed);
        let harness = Harness::with(|builder| builder.with_workload_observer(observer));
        let issuer = issuer(WorkloadIssuer::new(IDP, keys(&key)));
        harness.server.set_workload_issuers([issuer]);
        Self {
            harness,
            key,
            observed,
        }
    }

    fn claims(&self) -> Value {
        let now = self.harness.clock.now();
        json!({
            "iss": IDP, "sub": "repo:acme/app:environment:prod", "aud": ISSUER, "jti": "1",
            "iat": now, "exp": now + 300, "repository": "acme/app", "environment": "prod",
        })
    }

    /// Returns an assertion with `changes` to its claims.
    fn assertion(&self, changes: &[(&str, Value)]) -> String {
        let mut claims = self.claims();
        for (name, value) in changes {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(*name)),
                value => claims[*name] = value.clone(),
            }
        }
        self.key.sign("JWT", &claims).unwrap()
    }

    async fn present(&self, assertion: &str, more: &[(&str, &str)]) -> Reply {
        let form = [("grant_type", GRANT), ("assertion", assertion)];
        self.harness
            .post("/token", &[&form[..], more].concat())
            .await
    }

    async fn exchange(&self, changes: &[(&str, Value)]) -> Reply {
        self.present(&self.assertion(changes), &[]).await
    }
}

#[tokio::test]
async fn o89_an_assertion_is_exchanged_once_without_a_client() {
    let ci = Ci::new();
    let assertion = ci.assertion(&[]);
    let resource = [("resource", RESOURCE)];
    let reply = ci.present(&assertion, &resource).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    let tokens = reply.value();
    assert!(tokens.get("refresh_token").is_none());
    let token = tokens["access_token"].as_str().unwrap();
    let said = claims(token);
    let subject = "workload:app:acme/app";
    assert_eq!(
        (&said["sub"], &said["client_id"]),
        (&json!(subject), &json!(subject))
    );
    assert_eq!(
        (&said["aud"], &said["groups"]),
        (&json!(RESOURCE), &json!(["ci"]))
    );
    assert_eq!(
        (&said["name"], &tokens["scope"]),
        (&json!("acme/app"), &json!("mcp"))
    );
    let principal = ci.harness.bearer(RESOURCE, token).await.unwrap();
    assert_eq!(principal.subject(), subject);
    assert_eq!(principal.teams(), ["ci".into()]);
    // An unknown client_id is no authentication, and no obstacle.
    let other = ci.assertion(&[("jti", json!("2"))]);
    let named = ci.present(&other, &[("client_id", "conformance")]).await;
    assert_eq!(named.status, StatusCode::OK, "{}", named.text);

    let again = ci.present(&assertion, &resource).await;
    assert!(again.is_error(400, "invalid_grant"), "{again:?}");
    let replica = ci.harness.replica();
    let issuer = WorkloadIssuer::new(IDP, keys(&ci.key)).with_rule(app());
    replica.server.set_workload_issuers([issuer]);
    let form = [("grant_type", GRANT), ("assertion", &*assertion)];
    let elsewhere = replica.post("/token", &form).await;
    assert!(elsewhere.is_error(400, "invalid_grant"), "{elsewhere:?}");
}

#[tokio::test]
async fn o89_of_many_who_present_one_assertion_one_succeeds() {
    let ci = Ci::new();
    // Without an identifier, a digest takes its place.
    let assertion = ci.assertion(&[("jti", json!(null))]);
    let replies = join_all((0..50).map(|_| ci.present(&assertion, &[]))).await;
    let succeeded = replies.iter().filter(|one| one.status == StatusCode::OK);
    assert_eq!(succeeded.count(), 1);
    let other = ci
        .exchange(&[("jti", json!(null)), ("run", json!(2))])
        .await;
    assert_eq!(other.status, StatusCode::OK, "{}", other.text);
}

#[tokio::test]
async fn o89_assertions_that_are_not_for_this_are_rejected() {
    let ci = Ci::new();
    let now = ci.harness.clock.now();
    let day = 24 * 60 * 60;
    for (name, value) in [
        ("aud", json!("https://other.example.com")),
        ("aud", json!(RESOURCE)),
        ("aud", json!(null)),
        ("exp", json!(now - 100)),
        ("exp", json!(null)),
        ("exp", json!(now + 30 * day)),
        ("iat", json!(now - 30 * day)),
        ("nbf", json!(now + 200)),
        ("sub", json!(null)),
        ("cnf", json!({ "jkt": "x" })),
    ] {
        let reply = ci.exchange(&[(name, value.clone())]).await;
        assert!(
            reply.is_error(400, "invalid_grant"),
            "{name} {value}: {reply:?}"
        );
    }
    // Assertions of other issuers require a client.
    for issuer in [
        json!("https://evil.example.com"),
        json!(ISSUER),
        json!(null),
    ] {
        let reply = ci.exchange(&[("iss", issuer)]).await;
        assert!(reply.is_error(401, "invalid_client"), "{reply:?}");
    }
    let (claims, stranger) = (ci.claims(), SigningKey::generate(Algorithm::Es256).unwrap());
    let header = |alg: &str| json!({ "alg": alg, "typ": "JWT", "kid": ci.key.kid() });
    for assertion in [
        stranger.sign("JWT", &claims).unwrap(),
        ci.key.sign("at+jwt", &claims).unwrap(),
        ci.key.sign("dpop+jwt", &claims).unwrap(),
        forged(&header("ES256"), &claims),
    ] {
        let reply = ci.present(&assertion, &[]).await;
        assert!(reply.is_error(400, "invalid_grant"), "{reply:?}");
    }
    for assertion in [
        ci.key.sign("oauth-id-jag+jwt", &claims).unwrap(),
        forged(&header("none"), &claims),
        forged(&header("HS256"), &claims),
    ] {
        let reply = ci.present(&assertion, &[]).await;
        assert!(reply.is_error(401, "invalid_client"), "{reply:?}");
    }
    let endpoint = json!(format!("{ISSUER}/token"));
    let valid = ci.exchange(&[("aud", endpoint)]).await;
    assert_eq!(valid.status, StatusCode::OK, "none of them used up the jti");
}

#[tokio::test]
async fn o90_exactly_one_rule_must_admit_a_workload() {
    let main = WorkloadRule::new("main").with_claim("ref", ["refs/heads/main".into()]);
    let ci = Ci::with(|issuer| issuer.with_rule(app()).with_rule(main));
    for changes in [
        [("repository", json!("evil/app"))],
        [("repository", json!(null))],
        [("environment", json!("test"))],
        [("environment", json!(["test"]))],
        [("ref", json!("refs/heads/main"))],
        [("repository", json!(format!("acme/{}", "x".repeat(300))))],
    ] {
        let reply = ci.exchange(&changes).await;
        assert!(
            reply.is_error(400, "invalid_grant"),
            "{changes:?}: {reply:?}"
        );
    }
    let other = [
        ("environment", json!("test")),
        ("ref", json!("refs/heads/main")),
    ];
    let reply = ci.exchange(&other).await;
    let subject = claims(reply.value()["access_token"].as_str().unwrap())["sub"].clone();
    assert_eq!(subject, "workload:main:repo:acme/app:environment:prod");
    ci.harness.server.set_workload_issuers([]);
    let reply = ci.exchange(&[("jti", json!("3"))]).await;
    assert!(
        reply.is_error(401, "invalid_client"),
        "no longer an issuer: {reply:?}"
    );
}

#[tokio::test]
async fn o90_tokens_are_for_the_resources_of_the_rule() {
    let ops = app().with_teams(["ops".into()]);
    let narrow = ops
        .clone()
        .with_resources([OTHER_RESOURCE.parse().unwrap()]);
    for (rule, resource, status) in [
        (app(), RESOURCE, 200),
        (app(), OTHER_RESOURCE, 400),
        (ops.clone(), OTHER_RESOURCE, 200),
        (ops, "https://evil.example.com/mcp", 400),
        (narrow.clone(), OTHER_RESOURCE, 200),
        (narrow, RESOURCE, 400),
    ] {
        let ci = Ci::with(|issuer| issuer.with_rule(rule));
        let reply = ci
            .present(&ci.assertion(&[]), &[("resource", resource)])
            .await;
        assert_eq!(reply.status.as_u16(), status, "{resource}: {}", reply.text);
        if status == 400 {
            assert!(reply.is_error(400, "invalid_target"), "{reply:?}");
        }
    }
}

#[tokio::test]
async fn o90_a_rule_may_require_an_authenticated_client() {
    let ci = Ci::with(|issuer| issuer.with_rule(app().with_client("runner")));
    let client = |id: &str, grant: GrantType| {
        OAuthClient::new(id, id)
            .with_authentication(ClientAuthentication::secret("s3cret"))
            .with_grant_types([grant])
    };
    let public = OAuthClient::new("public", "p").with_grant_types([GrantType::JwtBearer]);
    ci.harness.server.set_clients([
        client("runner", GrantType::JwtBearer),
        client("other", GrantType::JwtBearer),
        client("build", GrantType::ClientCredentials),
        public,
    ]);
    let assertion = ci.assertion(&[]);
    let present = async |id: &str, secret: &str| {
        let credentials = [("client_id", id), ("client_secret", secret)];
        ci.present(&assertion, &credentials).await
    };
    for (id, secret, status, code) in [
        ("runner", "", 400, "invalid_grant"),
        ("other", "s3cret", 400, "invalid_grant"),
        ("runner", "wrong", 401, "invalid_client"),
        ("build", "s3cret", 400, "unauthorized_client"),
        ("public", "s3cret", 401, "invalid_client"),
    ] {
        let reply = present(id, secret).await;
        assert!(reply.is_error(status, code), "{id}: {reply:?}");
    }
    let reply = present("runner", "s3cret").await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    let said = claims(reply.value()["access_token"].as_str().unwrap());
    assert_eq!(said["client_id"], "runner");
    assert_eq!(said["sub"], "workload:app:acme/app");
}

#[tokio::test]
async fn o91_a_token_hardly_outlives_its_assertion() {
    let expires = async |rule: WorkloadRule, lifetime: u64| {
        let ci = Ci::with(|issuer| issuer.with_rule(rule));
        let exp = json!(ci.harness.clock.now() + lifetime);
        let tokens = ci.exchange(&[("exp", exp)]).await.value();
        let said = claims(tokens["access_token"].as_str().unwrap());
        let lifetime = said["exp"].as_u64().unwrap() - said["iat"].as_u64().unwrap();
        assert_eq!(tokens["expires_in"], lifetime);
        lifetime
    };
    assert_eq!(expires(app(), 60).await, 360);
    assert_eq!(
        expires(app(), 12 * 60 * 60).await,
        3600,
        "that of other tokens"
    );
    let short = app().with_lifetime(Duration::from_secs(30));
    assert_eq!(expires(short, 60).await, 30);
}

#[tokio::test]
async fn an_exchange_is_observed_in_the_batch_of_its_record() {
    let ci = Ci::new();
    assert_eq!(
        ci.exchange(&[("environment", json!("test"))]).await.status,
        400
    );
    assert!(ci.observed.0.lock().unwrap().is_empty());
    assert_eq!(ci.exchange(&[]).await.status, StatusCode::OK);
    let record = format!("app {IDP} repo:acme/app:environment:prod workload:app:acme/app");
    assert_eq!(*ci.observed.0.lock().unwrap(), [record]);
    assert!(ci.harness.store.get("audit/app").await.unwrap().is_some());
}

#[tokio::test]
async fn a_reusable_assertion_is_exchanged_until_it_expires() {
    let ci = Ci::with(|issuer| issuer.with_reusable_assertions().with_rule(app()));
    let assertion = ci.assertion(&[]);
    for _ in 0..2 {
        let reply = ci.present(&assertion, &[]).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    }
    ci.harness.clock.advance(Duration::from_secs(400));
    let reply = ci.present(&assertion, &[]).await;
    assert!(reply.is_error(400, "invalid_grant"), "{reply:?}");
}

#[tokio::test]
async fn metadata_names_the_grant_of_workloads() {
    let ci = Ci::new();
    let grants = async || {
        let path = "/.well-known/oauth-authorization-server";
        let metadata = ci.harness.get(path, None).await.value();
        assert!(
            metadata
                .get("authorization_grant_profiles_supported")
                .is_none()
        );
        metadata["grant_types_supported"]
            .as_array()
            .unwrap()
            .clone()
    };
    assert!(grants().await.contains(&json!(GRANT)));
    ci.harness.server.set_workload_issuers([]);
    assert!(!grants().await.contains(&json!(GRANT)));
}
