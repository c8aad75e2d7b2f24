//! Identities of callers that are exchanged at their provider.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Form, State};
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use http::header::AUTHORIZATION;
use mcp_gateway_auth::Clock;
use mcp_gateway_tests::script::{ReceivedRequest, Scripted, document};
use mcp_gateway_tests::wire::Wire;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::browser_user::{BrowserUser, redemption, register};
use crate::harness::{Harness, ISSUER, Kind, Replica, SOON};
use crate::idp::Idp;

type Forms = Arc<Mutex<Vec<HashMap<String, String>>>>;

/// A server that is called with accounts at one gateway, and with exchanged identities at another.
struct Site {
    harness: Harness,
    replica: Replica,
    idp: Idp,
    crm: Scripted,
    /// Requests to the token endpoint.
    forms: Forms,
    _serving: JoinSet<()>,
}

impl Site {
    /// Starts a gateway that exchanges the tokens of `source`.
    async fn start(source: &str) -> Self {
        let idp = Idp::start(Clock::system().now()).await;
        let script = |asked: &ReceivedRequest| document(&asked.says("seen"));
        let crm = Scripted::modern(script).await.unwrap();
        let forms = Forms::default();
        let router = Router::new().route("/token", post(exchange));
        let router = router.with_state(Arc::clone(&forms));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/token", listener.local_addr().unwrap());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        let auth = json!({ "oauth": {}, "tokenExchange": {
            "issuer": idp.issuer,
            "tokenUrl": url,
            "client": { "clientId": "gateway", "clientSecret": { "env": "PROVIDER_SECRET" } },
            "audience": "crm",
            "subjectToken": source,
        } });
        let servers = json!([{ "name": "crm", "remote": { "url": crm.url, "auth": auth } }]);
        let gateways = json!([
            { "name": "identities",
                "assignments": [{ "server": "crm", "connection": "enterprise" }] },
            { "name": "accounts", "servers": ["crm"] },
        ]);
        let harness = Harness::new(Kind::Sqlite)
            .await
            .with_audit()
            .with_provider(&idp.issuer)
            .with_auth(json!({
                "issuers": [{ "issuer": idp.issuer, "types": ["JWT"], "audience": "gateway" }],
            }))
            .with_sections(format!("servers: {servers}\ngateways: {gateways}\n"));
        let replica = harness.start().await;
        Self {
            harness,
            replica,
            idp,
            crm,
            forms,
            _serving: serving,
        }
    }

    /// Returns a token of the identity provider for `subject`.
    fn token(&self, subject: &str) -> String {
        let now = Clock::system().now();
        let claims = json!({
            "iss": self.idp.issuer, "sub": subject, "aud": "gateway", "iat": now, "exp": now + 300,
        });
        self.idp.now().key.sign("JWT", &claims).unwrap()
    }

    /// Calls the tool of the server at `gateway`.
    async fn call(&self, gateway: &str, token: &str) -> Value {
        let wire = Wire::new(format!("{}/v1/mcp/{gateway}", self.replica.url));
        let wire = wire.with_header(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        let reply = wire.call("crm__echo", json!({})).await.unwrap();
        reply.answer()["result"].clone()
    }

    /// Returns the bearer tokens that the server has received with calls.
    fn received(&self) -> Vec<String> {
        let asked = self.crm.asked();
        let calls = asked.iter().filter(|asked| asked.tool() == "echo");
        let headers = calls.flat_map(|asked| asked.head.lines());
        let tokens = headers.filter_map(|line| line.split_once(": Bearer "));
        tokens.map(|(_, token)| token.trim().to_owned()).collect()
    }

    /// Waits until the audit log contains `text`, and returns it.
    async fn audit_with(&self, text: &str) -> String {
        let admin = ["token", "create", "operator", "--user", "admin"];
        let admin = format!("Bearer {}", self.harness.operate(&admin).await);
        let (endpoint, deadline) = (self.replica.endpoint(), Instant::now() + SOON);
        loop {
            let headers = [("authorization", &*admin)];
            let audit = endpoint.send(Method::GET, "/api/v1/audit", &headers, String::new());
            let records = audit.await.unwrap().value.to_string();
            if records.contains(text) {
                return records;
            }
            assert!(Instant::now() < deadline, "{records}");
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Exchanges the token of a caller for one that names the caller.
async fn exchange(
    State(forms): State<Forms>,
    Form(form): Form<HashMap<String, String>>,
) -> Json<Value> {
    let claims = form["subject_token"].split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    let token = format!("token-of-{}", claims["sub"].as_str().unwrap());
    forms.lock().unwrap().push(form);
    Json(json!({ "access_token": token, "token_type": "Bearer", "expires_in": 3600 }))
}

#[tokio::test(flavor = "multi_thread")]
async fn o101_an_enterprise_assignment_calls_with_the_identity_of_each_caller() {
    let site = Site::start("presented").await;
    let (ada, bob) = (site.token("ada"), site.token("bob"));
    for token in [&ada, &bob, &ada] {
        let result = site.call("identities", token).await;
        assert_eq!(result["content"][0]["text"], "seen", "{result}");
    }
    assert_eq!(
        site.received(),
        ["token-of-ada", "token-of-bob", "token-of-ada"]
    );
    let forms = site.forms.lock().unwrap().clone();
    assert_eq!(forms.len(), 2, "one exchange for each caller");
    assert_eq!(forms[0]["audience"], "crm");

    // Elsewhere, the same server is called with accounts.
    let result = site.call("accounts", &ada).await;
    let problem = &result["_meta"]["mcp-gateway/problem"];
    assert_eq!(problem["reason"], "not_connected", "{result}");

    let machine = site.harness.operate(&["token", "create", "ci"]).await;
    let result = site.call("identities", &machine).await;
    let problem = &result["_meta"]["mcp-gateway/problem"];
    assert_eq!(problem["reason"], "identity_required", "{result}");
    assert_eq!(problem["cause"], "missing");
    assert_eq!(problem["issuer"], site.idp.issuer);
    assert_eq!(site.forms.lock().unwrap().len(), 2);
    assert_eq!(site.received().len(), 3);

    let records = site.audit_with("@crm").await;
    let account = format!("exchanged/{}#ada@crm", site.idp.issuer);
    assert!(records.contains(&account), "{records}");
    assert!(!records.contains(&ada), "{records}");
    assert!(!records.contains("token-of-ada"), "{records}");
}

#[tokio::test(flavor = "multi_thread")]
async fn o103_the_identity_of_a_login_is_exchanged() {
    let site = Site::start("login").await;
    let endpoint = site.replica.endpoint();
    let user = BrowserUser::log_in_elsewhere(&endpoint).await;
    let client = register(&endpoint, &json!({})).await.unwrap();
    let client = client.text("client_id");
    let (code, _) = user.code(&client).await.unwrap();
    let tokens = endpoint.token(&redemption(&client, &code)).await.unwrap();
    let token = tokens.text("access_token");
    for _ in 0..2 {
        let result = site.call("identities", &token).await;
        assert_eq!(result["content"][0]["text"], "seen", "{result}");
    }
    assert_eq!(site.received(), ["token-of-s-1", "token-of-s-1"]);
    let forms = site.forms.lock().unwrap().clone();
    assert_eq!(forms.len(), 1);
    let kind = "urn:ietf:params:oauth:token-type:id_token";
    assert_eq!(forms[0]["subject_token_type"], kind);

    // Neither who presents a token of the provider nor a machine has logged in here.
    let machine = site.harness.operate(&["token", "create", "ci"]).await;
    for token in [site.token("s-1"), machine] {
        let result = site.call("identities", &token).await;
        let problem = &result["_meta"]["mcp-gateway/problem"];
        assert_eq!(problem["cause"], "missing", "{result}");
        assert_eq!(problem["url"], format!("{ISSUER}/api/auth/login/corp"));
    }
    assert_eq!(site.received().len(), 2);
}
