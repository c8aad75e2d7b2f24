use mcp_gateway_auth::login::LoginSessions;
use mcp_gateway_auth::users::Users;
use mcp_gateway_auth::{Clock, Keyring};
use mcp_gateway_store::{MemoryStore, Store};
use std::sync::Arc;

use crate::browser::Browser;
use crate::harness::{Harness, PASSWORD};

const SESSION: &str = "mcp-gateway-session";
const BROWSER: &str = "mcp-gateway-browser";

#[tokio::test]
async fn o12_forms_of_others_are_refused() {
    let harness = Harness::start().await;
    let login = harness.url("/api/auth/login");
    let mut browser = Browser::new();
    let csrf = browser.get(&login).await.field("csrf");
    let other = Browser::new().get(&login).await.field("csrf");
    let (longer, changed) = (format!("{csrf}x"), csrf.replace(".0.", ".1."));
    let fields = |csrf| [("csrf", csrf), ("name", "ada"), ("password", PASSWORD)];
    for wrong in ["", "x", &other, &longer, &csrf[1..], &changed] {
        let page = browser.post(&login, &fields(wrong)).await;
        assert_eq!(
            (page.status.as_u16(), page.headers.get("set-cookie")),
            (403, None),
            "{wrong}"
        );
    }
    let page = Browser::new().post(&login, &fields(&csrf)).await;
    assert_eq!(page.status, 403, "without the cookie");
    for (header, value) in [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        browser.form_headers = vec![(header, value.to_owned())];
        assert_eq!(
            browser.post(&login, &fields(&csrf)).await.status,
            403,
            "{value}"
        );
    }
    browser.form_headers = vec![("origin", harness.url(""))];
    assert_eq!(browser.post(&login, &fields(&csrf)).await.status, 303);

    let page = browser
        .post(&harness.url("/api/auth/logout"), &[("csrf", &csrf)])
        .await;
    assert_eq!(page.status, 403, "the token of the session before");
    assert_eq!(harness.who(&mut browser).await, "ada");
}

#[tokio::test]
async fn o13_o45_every_page_is_its_own() {
    let harness = Harness::start().await;
    let mut browser = harness.log_in().await;
    for path in [
        "/api/auth/login",
        "/api/auth/account",
        "/api/auth/continue",
        "/api/auth/login?return_to=//evil.example",
        "/api/auth/login?return_to=/a&return_to=/b",
    ] {
        let page = browser.get(&harness.url(path)).await;
        let header = |name: &str| page.headers[name].to_str().unwrap().to_owned();
        assert_eq!(header("x-frame-options"), "DENY");
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("x-content-type-options"), "nosniff");
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        assert!(
            policy.ends_with("frame-ancestors 'none'; base-uri 'none'"),
            "{policy}"
        );
    }
}

#[tokio::test]
async fn o9_o18_nobody_is_sent_elsewhere() {
    let harness = Harness::start().await;
    let paths = [
        "//evil.example",
        "/%5Cevil.example",
        "https://evil.example",
        "/%0d%0aX:%20y",
        "%09//evil.example",
        "javascript:alert(1)",
        "evil",
    ];
    let mut browser = Browser::new();
    for path in paths {
        for page in ["login", "continue"] {
            let url = harness.url(&format!("/api/auth/{page}?return_to={path}"));
            assert_eq!(browser.get(&url).await.status, 400, "{path}");
        }
    }
    let csrf = browser
        .get(&harness.url("/api/auth/login"))
        .await
        .field("csrf");
    let fields = [
        ("csrf", &*csrf),
        ("name", "ada"),
        ("password", PASSWORD),
        ("return_to", "//evil.example"),
    ];
    let page = browser.post(&harness.url("/api/auth/login"), &fields).await;
    assert_eq!((page.status.as_u16(), browser.cookie(SESSION)), (400, None));
}

#[tokio::test]
async fn o17_what_somebody_types_is_not_markup() {
    let harness = Harness::start().await;
    let evil = "\"><script>alert(1)</script>\u{202e}";
    let page = harness.submit(&mut Browser::new(), evil, "wrong").await;
    assert_eq!(page.status, 401);
    assert!(!page.body.contains("<script") && !page.body.contains('\u{202e}'));
}

#[tokio::test]
async fn o19_what_is_sent_is_bounded() {
    let harness = Harness::start().await;
    let mut browser = Browser::new();
    let csrf = browser
        .get(&harness.url("/api/auth/login"))
        .await
        .field("csrf");
    let long = "x".repeat(100_000);
    let fields = [("csrf", &*csrf), ("name", &long), ("password", PASSWORD)];
    let page = browser.post(&harness.url("/api/auth/login"), &fields).await;
    assert_eq!(page.status, 400);
    let url = harness.url(&format!(
        "/api/auth/login?return_to=/{}",
        "x".repeat(10_000)
    ));
    assert_eq!(browser.get(&url).await.status, 400);
}

#[tokio::test]
async fn o43_a_login_begins_a_session_of_its_own() {
    let harness = Harness::start().await;
    let mut attacker = Browser::new();
    attacker.get(&harness.url("/api/auth/login")).await;
    let mut victim = Browser::new();
    victim.cookies.clone_from(&attacker.cookies);
    let before = victim.cookie(BROWSER).unwrap().to_owned();
    harness.submit(&mut victim, "ada", PASSWORD).await;
    let first = victim.cookie(SESSION).unwrap().to_owned();
    assert_ne!(victim.cookie(BROWSER), Some(&*before));
    assert_eq!(harness.who(&mut attacker).await, "nobody");

    let mut stale = Browser::new();
    stale.cookies.clone_from(&victim.cookies);
    harness.submit(&mut victim, "ada", PASSWORD).await;
    assert_ne!(victim.cookie(SESSION), Some(&*first));
    assert_eq!(
        harness.who(&mut stale).await,
        "nobody",
        "the session before has ended"
    );
}

#[tokio::test]
async fn o43_cookies_cannot_be_made_or_changed() {
    let harness = Harness::start().await;
    let browser = harness.log_in().await;
    let session = browser.cookie(SESSION).unwrap().to_owned();
    let id = session.split('.').next().unwrap();
    let csrf = Keyring::new(&[7; 32]).unwrap();
    let purpose = csrf.issue("browser", mcp_gateway_auth::Handle::new(id, 0));
    for wrong in [
        "",
        id,
        &format!("{id}.0."),
        &session.replace(".0.", ".1."),
        &purpose,
        &session[1..],
    ] {
        let mut forged = Browser::new();
        let site_of = harness.url("");
        forged
            .cookies
            .insert((site_of, SESSION.to_owned()), wrong.to_owned());
        assert_eq!(harness.who(&mut forged).await, "nobody", "{wrong}");
    }
}

#[tokio::test]
async fn o46_a_password_is_sent_once() {
    let harness = Harness::start().await;
    let page = harness.submit(&mut Browser::new(), "ada", PASSWORD).await;
    assert_eq!(page.status, 303);
    assert_eq!(page.headers["cache-control"], "no-store");
    let location = page.headers["location"].to_str().unwrap();
    assert_eq!(location, "/api/auth/continue?return_to=%2Fwho");
}

#[tokio::test]
async fn o29_the_store_has_nothing_that_opens_a_session() {
    let harness = Harness::start().await;
    let browser = harness.log_in().await;
    let entries = harness.store.list("", None, 100).await.unwrap();
    let text: String = entries
        .iter()
        .map(|entry| {
            format!(
                "{} {}\n",
                entry.key,
                String::from_utf8_lossy(&entry.document.value)
            )
        })
        .collect();
    assert!(text.contains("auth/session/") && text.contains("$argon2id$"));
    assert!(!text.contains(PASSWORD));
    assert!(!text.contains(browser.cookie(SESSION).unwrap()));
    let tag = browser.cookie(SESSION).unwrap().rsplit('.').next().unwrap();
    assert!(!text.contains(tag));
}

#[test]
fn o39_the_public_url_is_what_is_configured() {
    let users = Users::new(Arc::new(MemoryStore::new()), Clock::system());
    for url in ["http://gw.example", "gw.example", "https://a:b@gw.example"] {
        let keyring = Keyring::new(&[7; 32]).unwrap();
        assert!(LoginSessions::new(users.clone(), keyring, url).is_err());
    }
    let keyring = Keyring::new(&[7; 32]).unwrap();
    let login = LoginSessions::new(users, keyring, "https://gw.example").unwrap();
    assert!(!format!("{login:?}").contains('7'));
}
