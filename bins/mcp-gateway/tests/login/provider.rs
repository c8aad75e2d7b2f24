//! An identity provider that is not ours, and all that a gateway can take from it.

use std::time::{Duration, Instant};

use http::StatusCode;
use mcp_gateway_tests::environment::Environment;
use mcp_gateway_tests::guide::examples;
use mcp_gateway_tests::process::Process;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::sleep;

use super::browser::Browser;
use super::client::Client;
use super::harness::{Gateway, SECRET, SOON, Visitor, program};

/// Unknown keys do not make the gateway ask for keys more often.
const REFETCH: Duration = Duration::from_secs(30);

/// The provider, which does what it is told.
struct Provider {
    environment: Environment,
    process: Process,
    issuer: String,
}

/// Tokens that the provider issues without the gateway.
#[derive(Deserialize)]
struct Got {
    /// A token for the gateway, signed by the provider.
    access: String,
    /// Identity assertion of the provider for the authorization server.
    assertion: String,
}

impl Provider {
    async fn start() -> Self {
        let environment = Environment::installed().await.unwrap();
        let mut command = Command::new(&environment.node);
        command
            .arg(program("provider.mjs"))
            .env("NODE_MODULES", &environment.node_modules)
            .env("SECRET", SECRET);
        let mut process = Process::start(command).unwrap();
        let issuer = loop {
            let line = process.line(SOON).await.unwrap();
            if line.starts_with("http") {
                break line;
            }
        };
        Self {
            environment,
            process,
            issuer,
        }
    }

    async fn tell(&mut self, what: &str) {
        self.process.say(what).await.unwrap();
        while self.process.line(SOON).await.unwrap() != what {}
    }

    /// A gateway for the engineers among those whom the provider knows.
    async fn gateway(&mut self) -> Gateway {
        let issuer = &self.issuer;
        let config = format!(
            "
auth:
  allowedNetworks: [127.0.0.0/8]
  login:
    oidc:
      - name: acme
        label: Acme
        issuer: {issuer}
        clientId: gateway
        clientSecret: {{ env: SECRET }}
        scopes: [groups]
        teams: {{ eng: engineering }}
  issuers: [{{ issuer: '{issuer}', groupsClaim: groups, teams: {{ eng: engineering }} }}]
  oauth:
    clientMetadataDocuments: always
    assertionIssuers: [{{ issuer: '{issuer}' }}]
    clients: [{{ id: desktop, secret: {{ env: SECRET }}, grantTypes: [jwt-bearer] }}]
servers: [{{ name: demo, builtin: demo }}]
gateways: [{{ name: ours, teams: [engineering] }}]
"
        );
        self.start_gateway(&config, "acme").await
    }

    /// A gateway as the guide configures it, at an address of this machine.
    async fn gateway_of_guide(&mut self) -> Gateway {
        let mut examples = examples("docs/guides/identity-provider.md").unwrap();
        examples.retain(|example| example.language == "yaml");
        let [example] = &*examples else {
            panic!("the guide has one configuration");
        };
        let config = example
            .text
            .replace("publicUrl: https://mcp.example.com\n", "")
            .replace("https://idp.example.com", &self.issuer)
            .replace("CORP_CLIENT_SECRET", "SECRET")
            .replace("wiki", "demo")
            .replace("auth:\n", "auth:\n  allowedNetworks: [127.0.0.0/8]\n");
        self.start_gateway(&config, "corp").await
    }

    async fn start_gateway(&mut self, config: &str, name: &str) -> Gateway {
        let gateway = Gateway::start(config).await;
        let callback = format!("callback {}/api/auth/callback/{name}", gateway.url);
        self.tell(&callback).await;
        gateway
    }

    fn visitor(&self, gateway: &Gateway, name: &str) -> Visitor {
        Visitor::new(&self.environment, gateway).known_at("Acme", name)
    }

    /// Returns the tokens of `name`.
    async fn get(&self, gateway: &Gateway, name: &str) -> Got {
        let mut command = Command::new(&self.environment.node);
        command
            .arg(program("desktop.mjs"))
            .args([&self.issuer, &gateway.url, &gateway.endpoint()]);
        self.visitor(gateway, name).equip(&mut command);
        let mut process = Process::start(command).unwrap();
        let line = process.line(SOON).await.unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

/// The status of the answer to somebody with `token`.
async fn status(gateway: &Gateway, token: &str) -> u16 {
    let reply = gateway.wire(token).request("tools/list", json!({})).await;
    reply.unwrap().status.as_u16()
}

/// Exchanges `assertion` for a token of the gateway.
async fn exchange(gateway: &Gateway, assertion: &str) -> (StatusCode, Value) {
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", assertion),
        ("client_id", "desktop"),
        ("client_secret", SECRET),
    ];
    let token = format!("{}/token", gateway.url);
    let page = Browser::new().post(&token, &form).await;
    (page.status, serde_json::from_str(&page.body).unwrap())
}

#[tokio::test]
async fn a_provider_says_who_people_are() {
    let mut provider = Provider::start().await;
    let gateway = provider.gateway().await;

    let (ada, bob) = (
        provider.get(&gateway, "ada").await,
        provider.get(&gateway, "bob").await,
    );
    let (refused, _) = exchange(&gateway, &ada.assertion).await;
    assert_eq!(refused, 400, "she has never logged in");

    let visitor = provider.visitor(&gateway, "ada");
    let mut client = Client::Python2.connect(visitor, &gateway).await;
    let first = client.call().await;
    assert_eq!(first.text, "hello");

    assert_eq!(status(&gateway, &ada.access).await, 200);
    assert_eq!(
        status(&gateway, &bob.access).await,
        404,
        "he is no engineer"
    );

    let (exchanged, answer) = exchange(&gateway, &ada.assertion).await;
    assert_eq!(exchanged, 200, "{answer}");
    let vouched = answer["access_token"].as_str().unwrap().to_owned();
    assert_eq!(status(&gateway, &vouched).await, 200);
    let (again, _) = exchange(&gateway, &ada.assertion).await;
    assert_eq!(again, 400, "it was used before");

    // By when this key is known, the login and the exchange may ask for keys again, too.
    provider.tell("rotate").await;
    let begin = Instant::now();
    let later = provider.get(&gateway, "ada").await;
    while status(&gateway, &later.access).await != 200 {
        assert!(begin.elapsed() < REFETCH + SOON, "the new key is not known");
        sleep(Duration::from_secs(1)).await;
    }
    let rotated = begin.elapsed().as_secs();
    assert_eq!(
        status(&gateway, &ada.access).await,
        200,
        "the old key is there"
    );
    let visitor = provider.visitor(&gateway, "ada");
    let mut other = Client::TypeScript.connect(visitor, &gateway).await;
    assert_eq!(other.call().await.text, "hello");

    provider.tell("down").await;
    for token in [&ada.access, &later.access, &vouched] {
        assert_eq!(status(&gateway, token).await, 200);
    }
    assert_eq!(client.call().await.text, "hello");
    provider.tell("up").await;
    println!(
        "provider: login, groups, assertion; a new key was used after {rotated} s; \
         tokens worked while it was down"
    );
}

#[tokio::test]
async fn people_log_in_as_the_guide_says() {
    let mut provider = Provider::start().await;
    let gateway = provider.gateway_of_guide().await;
    let visitor = Visitor::new(&provider.environment, &gateway).known_at("Example Corp", "eve");
    let mut client = Client::TypeScript.connect(visitor, &gateway).await;
    assert_eq!(client.call().await.text, "hello");
}

#[tokio::test]
async fn a_provider_that_is_down_is_said_to_be() {
    let mut provider = Provider::start().await;
    let gateway = provider.gateway().await;
    let link = format!(
        "{}/api/auth/login/acme?return_to=/api/auth/account",
        gateway.url
    );
    let mut browser = Browser::new();

    provider.tell("down").await;
    let page = browser.visit(&link).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(page.title(), "That did not work");
    assert!(page.headers.contains_key("retry-after"));

    // It is tried again by whoever comes next, without a wait.
    provider.tell("up").await;
    let sent = browser.get(&link).await.next().unwrap();
    assert!(sent.starts_with(&provider.issuer), "{sent}");

    // It goes down between its page and ours.
    provider.tell("down").await;
    let state = url::Url::parse(&sent).unwrap();
    let (_, state) = state
        .query_pairs()
        .find(|(name, _)| name == "state")
        .unwrap();
    let (callback, issuer) = (
        format!("{}/api/auth/callback/acme", gateway.url),
        &provider.issuer,
    );
    let page = browser
        .visit(&format!("{callback}?code=c&state={state}&iss={issuer}"))
        .await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(page.title(), "That did not work");
}
