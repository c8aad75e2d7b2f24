use std::sync::Arc;

use mcp_gateway_auth::login::{LoginPages, LoginSessions};
use mcp_gateway_auth::server::{AuthorizationServer, OAuthClient, RedirectUri, Resource};
use mcp_gateway_auth::{Clock, Keyring};
use url::Url;

use crate::browser::{Browser, Page};
use crate::harness::{Harness, PASSWORD};

const CALLBACK: &str = "https://client.example/callback";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A harness with an authorization server and its client `editor`.
async fn harness() -> Harness {
    let clock = Clock::fixed(4_000_000_000);
    let mut made = None;
    let harness = Harness::serve(clock.clone(), |login, origin| {
        let login = login.with_local_accounts();
        let server = server(&login, origin, clock);
        made = Some(server.clone());
        let pages = LoginPages::new(login.clone()).with_clients(Arc::new(server.clone()));
        (login, pages.router().merge(server.router()))
    });
    let harness = harness.await;
    let callback: RedirectUri = CALLBACK.parse().unwrap();
    let client = OAuthClient::new("editor", "Evil \u{202e}<b>Editor").with_redirect_uri(callback);
    made.unwrap().create_client(client).await.unwrap();
    harness.users.create("ada", PASSWORD).await.unwrap();
    harness
}

fn server(login: &LoginSessions, origin: &str, clock: Clock) -> AuthorizationServer {
    let store = login.users().clone();
    let server = AuthorizationServer::builder(
        origin.parse().unwrap(),
        Arc::clone(store.store()),
        Keyring::new(&[7; 32]).unwrap(),
        Arc::new(login.clone()),
    );
    let server = server.with_clock(clock).build();
    let resource: Url = format!("{origin}/mcp").parse().unwrap();
    server.set_resources([Resource::new(resource, "main")]);
    server
}

fn authorize(harness: &Harness) -> String {
    let mut url = Url::parse(&harness.url("/api/auth/oauth2/authorize")).unwrap();
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", "editor")
        .append_pair("redirect_uri", CALLBACK)
        .append_pair("code_challenge", CHALLENGE)
        .append_pair("code_challenge_method", "S256")
        .append_pair("state", "s&1");
    url.into()
}

async fn log_in(browser: &mut Browser, harness: &Harness) -> Page {
    let page = browser.visit(&authorize(harness)).await;
    let fields = [
        ("csrf", &*page.field("csrf")),
        ("return_to", &page.field("return_to")),
        ("name", "ada"),
        ("password", PASSWORD),
    ];
    browser.post(&harness.url("/api/auth/login"), &fields).await
}

#[tokio::test]
async fn who_logs_in_for_a_client_goes_on_and_can_take_it_back() {
    let harness = harness().await;
    let mut browser = Browser::new();
    let page = log_in(&mut browser, &harness).await;
    let consent = browser.visit(&page.next().unwrap()).await;
    assert!(
        consent.title().contains("Evil &#60;b&#62;Editor"),
        "{}",
        consent.title()
    );
    assert!(consent.body.contains("logged in as ada"));
    let fields = [
        ("request", &*consent.field("request")),
        ("decision", "allow"),
    ];
    let allowed = browser
        .post(&harness.url("/api/auth/oauth2/consent"), &fields)
        .await;
    let back = allowed.next().unwrap();
    assert!(
        back.starts_with("https://client.example/callback?code="),
        "{back}"
    );
    assert!(
        browser
            .get(&authorize(&harness))
            .await
            .next()
            .unwrap()
            .starts_with(CALLBACK)
    );

    let account = browser.get(&harness.url("/api/auth/account")).await;
    assert!(
        account.body.contains("Evil &#60;b&#62;Editor")
            && account.body.contains("at client.example")
    );
    let csrf = account.field("csrf");
    let revoke = harness.url("/api/auth/account/revoke");
    let forged = browser
        .post(&revoke, &[("csrf", "x"), ("client", "editor")])
        .await;
    assert_eq!(forged.status, 403);
    let revoked = browser
        .post(&revoke, &[("csrf", &csrf), ("client", "editor")])
        .await;
    assert_eq!(revoked.status, 303);
    let account = browser.get(&revoked.next().unwrap()).await;
    assert!(!account.body.contains("at client.example"));
    let again = browser.get(&authorize(&harness)).await;
    assert!(again.title().starts_with("Allow "), "{again:?}");
}

#[tokio::test]
async fn o12_who_is_not_logged_in_takes_nothing_back() {
    let harness = harness().await;
    let mut browser = Browser::new();
    let csrf = browser
        .get(&harness.url("/api/auth/login"))
        .await
        .field("csrf");
    let fields = [("csrf", &*csrf), ("client", "editor")];
    let page = browser
        .post(&harness.url("/api/auth/account/revoke"), &fields)
        .await;
    assert_eq!(page.status, 403);
}
