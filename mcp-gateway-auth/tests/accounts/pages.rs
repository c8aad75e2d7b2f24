use http::StatusCode;
use mcp_gateway_auth::accounts::AccountServer;
use mcp_gateway_auth::client::ClientIdentity;
use mcp_gateway_auth::users::UserUpdate;
use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::credential::CredentialError;
use serde_json::{Value, json};
use url::Url;

use crate::browser::Browser;
use crate::harness::SERVER;
use crate::site::{PASSWORD, Site};

#[tokio::test]
async fn a_link_leads_to_an_account() {
    let site = Site::start().await;
    let (ada, mut browser) = site.user("ada").await;
    let link = site.link(&ada).await;
    let page = browser.get(&link).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.body);
    let page = site.authorize(&mut browser, &page, "ada-at-notes").await;
    assert_eq!(page.title(), "Your account is connected");
    let token = site.replica.token(&ada).await.unwrap();
    let user = site.harness.provider.user(&token);
    assert_eq!(user.as_deref(), Some("ada-at-notes"));

    let [authorization] = &site.harness.provider.authorizations()[..] else {
        panic!("one request");
    };
    assert_eq!(
        authorization["resource"],
        site.harness.provider.url().as_str()
    );
    assert_eq!(authorization["code_challenge_method"], "S256");
    assert_eq!(authorization["redirect_uri"], site.url("/connect/callback"));
    assert_eq!(authorization["scope"], "read write");
    assert_eq!(authorization.get("prompt"), None);
    let redeemed = &site.harness.provider.requests()[0];
    assert_eq!(redeemed["resource"], site.harness.provider.url().as_str());
}

#[tokio::test]
async fn a_user_without_a_session_logs_in_first() {
    let site = Site::start().await;
    let (ada, _) = site.user("ada").await;
    let link = site.link(&ada).await;
    let mut browser = Browser::new();
    let login = browser.visit(&link).await;
    let fields = ["csrf", "return_to"].map(|name| (name, login.field(name)));
    let mut form: Vec<_> = fields
        .iter()
        .map(|(name, value)| (*name, &**value))
        .collect();
    form.extend([("name", "ada"), ("password", PASSWORD)]);
    let page = browser.post(&site.url("/api/auth/login"), &form).await;
    let page = browser.get(&page.next().unwrap()).await;
    let page = browser.get(&page.next().unwrap()).await;
    let next = Url::parse(&page.next().unwrap()).unwrap();
    assert_eq!(next.path(), "/authorize", "{}", page.body);
}

#[tokio::test]
async fn o51_a_link_is_for_one_user() {
    let site = Site::start().await;
    let (ada, mut of_ada) = site.user("ada").await;
    let (bob, mut of_bob) = site.user("bob").await;
    let link = site.link(&ada).await;
    let page = of_bob.get(&link).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert_eq!(page.title(), "This link is for somebody else");
    // Bob can log out, or see the accounts that Bob has.
    for path in ["/api/auth/account", "/connect"] {
        assert!(
            page.body.contains(&format!("href=\"{path}\"")),
            "{}",
            page.body
        );
    }
    // A forged or absent user is not accepted.
    let (path, _) = link.split_once('?').unwrap();
    let page = of_bob.get(&format!("{path}?for={bob}.0.AAAA")).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    let page = of_bob.get(path).await;
    assert_eq!(page.next().unwrap(), site.url("/connect"));

    // Ada's response is neither accepted of Bob nor of another browser of Ada, and only once.
    let page = of_ada.get(&link).await;
    let authorize = format!("{}&login=ada", page.next().unwrap());
    let response = of_ada.get(&authorize).await.next().unwrap();
    for browser in [&mut of_bob, &mut Browser::new()] {
        let page = browser.get(&response).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(of_ada.get(&response).await.status, StatusCode::OK);
    assert_eq!(of_ada.get(&response).await.status, StatusCode::FORBIDDEN);
    assert!(site.replica.token(&ada).await.is_ok());
    assert!(site.replica.token(&bob).await.is_err());
}

#[tokio::test]
async fn an_overloaded_server_is_not_requested_before_the_time_that_it_names() {
    let site = Site::start().await;
    let (ada, mut browser) = site.user("ada").await;
    let link = site.link(&ada).await;
    let page = browser.get(&link).await;
    let authorize = format!("{}&login=ada", page.next().unwrap());
    let response = browser.get(&authorize).await.next().unwrap();
    site.harness.provider.habits(|habits| {
        habits.outage = Some((429, json!({ "error": "too_many_requests" })));
        habits.retry_after = "120";
    });
    let page = browser.get(&response).await;
    assert_eq!(page.status, StatusCode::BAD_GATEWAY, "{}", page.body);
    // A user who was sent to the login could not return with an account.
    let requests = site.harness.provider.requests().len();
    let page = browser.get(&link).await;
    assert_eq!(
        page.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{}",
        page.body
    );
    let seconds: u64 = page.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=120).contains(&seconds), "{seconds}");
    assert!(
        page.body.contains("Try again in a few minutes"),
        "{}",
        page.body
    );
    assert_eq!(site.harness.provider.requests().len(), requests);
}

#[tokio::test]
async fn o10_a_response_of_another_issuer_is_rejected() {
    let site = Site::start().await;
    let (ada, mut browser) = site.user("ada").await;
    let page = browser.get(&site.link(&ada).await).await;
    let authorize = format!("{}&login=ada", page.next().unwrap());
    let response = browser.get(&authorize).await.next().unwrap();
    let mut forged = Url::parse(&response).unwrap();
    let pairs: Vec<_> = forged.query_pairs().into_owned().collect();
    let pairs = pairs.iter().filter(|(name, _)| name != "iss");
    let pairs: Vec<_> = pairs.cloned().collect();
    forged
        .query_pairs_mut()
        .clear()
        .extend_pairs(pairs)
        .append_pair("iss", "https://evil.example");
    let page = browser.get(forged.as_str()).await;
    assert_eq!(page.status, StatusCode::BAD_GATEWAY);
    assert!(site.harness.provider.requests().is_empty());
}

#[tokio::test]
async fn a_pending_connection_expires() {
    let site = Site::start().await;
    let (ada, mut browser) = site.user("ada").await;
    let page = browser.get(&site.link(&ada).await).await;
    site.harness
        .clock
        .advance(std::time::Duration::from_secs(600));
    let page = site.authorize(&mut browser, &page, "ada").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_denied_request_connects_nothing() {
    let site = Site::start().await;
    let (ada, mut browser) = site.user("ada").await;
    let page = browser.get(&site.link(&ada).await).await;
    let response = browser.get(&page.next().unwrap()).await;
    let page = browser.get(&response.next().unwrap()).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert_eq!(page.title(), "The account is not connected");
    assert!(page.body.contains("access_denied"));
    assert!(site.replica.token(&ada).await.is_err());
}

#[tokio::test]
async fn one_registration_serves_all_users() {
    let site = Site::start().await;
    for name in ["ada", "bob"] {
        let (id, mut browser) = site.user(name).await;
        let page = browser.get(&site.link(&id).await).await;
        site.authorize(&mut browser, &page, name).await;
        let token = site.replica.token(&id).await.unwrap();
        assert_eq!(site.harness.provider.user(&token).as_deref(), Some(name));
    }
    let [registration] = &site.harness.provider.registrations()[..] else {
        panic!("one registration");
    };
    let redirect_uris = json!([site.url("/connect/callback")]);
    assert_eq!(registration["redirect_uris"], redirect_uris);
    assert!(registration.get("scope").is_none());
    assert_eq!(registration["application_type"], "native");
    let clients = site.harness.provider.requests();
    assert_eq!(clients[0]["client_id"], clients[1]["client_id"]);
}

#[tokio::test]
async fn a_forgotten_registration_is_renewed() {
    let site = Site::start().await;
    let (ada, mut browser) = site.user("ada").await;
    let page = browser.get(&site.link(&ada).await).await;
    site.authorize(&mut browser, &page, "ada").await;
    site.harness.provider.forget_clients();
    site.harness.clock.advance(crate::harness::HOUR);
    let page = browser.get(&site.link(&ada).await).await;
    site.authorize(&mut browser, &page, "ada").await;
    assert!(site.replica.token(&ada).await.is_ok());
    assert_eq!(site.harness.provider.registrations().len(), 2);
}

#[tokio::test]
async fn a_configured_client_and_scope_are_used() {
    let site = Site::start().await;
    site.harness.provider.habits(|habits| {
        habits.offers_registration = false;
        habits.scopes = vec!["read", "offline_access"];
    });
    let server = AccountServer::new(SERVER, site.harness.provider.url());
    let server = server
        .with_client(ClientIdentity::confidential("gateway", "s3cret"))
        .with_scope("read");
    site.replica.credentials.replace_servers([server]);
    let (ada, mut browser) = site.user("ada").await;
    let page = browser.get(&site.link(&ada).await).await;
    site.authorize(&mut browser, &page, "ada").await;
    assert!(site.replica.token(&ada).await.is_ok());
    let authorization = &site.harness.provider.authorizations()[0];
    assert_eq!(authorization["scope"], "read offline_access");
    assert_eq!(authorization["prompt"], "consent");
    // The secret is in the header, the identifier also in the form.
    let redeemed = &site.harness.provider.requests()[0];
    assert_eq!(redeemed["client_id"], "gateway");
    assert_eq!(redeemed.get("client_secret"), None);
}

#[tokio::test]
async fn a_server_without_registration_is_named() {
    let site = Site::start().await;
    site.harness
        .provider
        .habits(|habits| habits.offers_registration = false);
    let (ada, mut browser) = site.user("ada").await;
    let page = browser.get(&site.link(&ada).await).await;
    assert_eq!(page.status, StatusCode::BAD_GATEWAY);
    assert!(page.body.contains("does not support client registration"));
}

#[tokio::test]
async fn o52_users_see_and_end_their_connections() {
    let site = Site::start().await;
    let (ada, mut browser) = site.user("ada").await;
    let page = browser.get(&site.url("/connect")).await;
    assert!(page.body.contains("Not connected<"), "{}", page.body);
    assert!(
        page.body.contains("href=\"/api/auth/account\""),
        "{}",
        page.body
    );
    let csrf = page.field("csrf");
    let forged = [("csrf", "x")];
    let connect = site.url(&format!("/connect/{SERVER}"));
    let page = browser.post(&connect, &forged).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    let page = browser.post(&connect, &[("csrf", &csrf)]).await;
    let page = site.authorize(&mut browser, &page, "ada").await;
    assert_eq!(page.status, StatusCode::OK);
    let page = browser.get(&site.url("/connect")).await;
    assert!(page.body.contains("Connected with "), "{}", page.body);
    let token = site.replica.token(&ada).await.unwrap();

    let csrf = page.field("csrf");
    let disconnect = format!("{connect}/disconnect");
    let page = browser.post(&disconnect, &forged).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    let page = browser.post(&disconnect, &[("csrf", &csrf)]).await;
    assert_eq!(page.next().unwrap(), site.url("/connect"));
    assert!(site.replica.token(&ada).await.is_err());
    let [revocation] = &site.harness.provider.revoked(1).await[..] else {
        panic!("one revocation");
    };
    assert_eq!(site.harness.provider.user(&token), None);
    assert!(revocation["token"].starts_with("r-"));
    let changes = site.harness.changes();
    let changes: Vec<_> = changes
        .iter()
        .filter_map(|text| text.split(' ').nth(1))
        .collect();
    assert_eq!(changes, ["Connected", "Disconnected"]);
}

#[tokio::test]
async fn a_secret_that_the_metadata_asks_for_is_empty() {
    let site = Site::start().await;
    for (at, wants_secret) in [false, true].into_iter().enumerate() {
        site.harness
            .provider
            .habits(|habits| habits.wants_secret = wants_secret);
        let (_, mut browser) = site.user(if wants_secret { "ada" } else { "bob" }).await;
        let connect = site.url(&format!("/connect/{SERVER}"));
        let csrf = browser.get(&site.url("/connect")).await.field("csrf");
        let page = browser.post(&connect, &[("csrf", &csrf)]).await;
        site.authorize(&mut browser, &page, "ada").await;
        browser
            .post(&format!("{connect}/disconnect"), &[("csrf", &csrf)])
            .await;
        let revocations = site.harness.provider.revoked(at + 1).await;
        let secret = revocations.last().unwrap().get("client_secret");
        assert_eq!(secret.map(String::as_str), wants_secret.then_some(""));
    }
}

#[tokio::test]
async fn an_administrator_connects_the_account_of_the_organization() {
    let site = Site::start().await;
    let (ada, mut browser) = site.user("ada").await;
    site.promote(&ada).await;
    let list = site.url("/connect?owner=organization");
    let csrf = browser.get(&list).await.field("csrf");
    let connect = site.url(&format!("/connect/{SERVER}"));
    let form = [("csrf", &*csrf), ("owner", "organization")];
    let page = browser.post(&connect, &form).await;
    let page = site.authorize(&mut browser, &page, "robot").await;
    assert!(page.body.contains("by everybody"), "{}", page.body);
    let token = site.replica.token("bob").await.unwrap();
    assert_eq!(site.harness.provider.user(&token).as_deref(), Some("robot"));
    let page = browser.get(&list).await;
    assert!(page.body.contains("Connected with "), "{}", page.body);
}

#[tokio::test]
async fn o52_an_administrator_of_a_team_connects_the_account_of_the_team() {
    let site = Site::start().await;
    let (ada, mut browser) = site.user("ada").await;
    let list = |owner: &str| site.url(&format!("/connect?owner={owner}"));
    assert_eq!(
        browser.get(&list("team/ops")).await.status,
        StatusCode::NOT_FOUND
    );
    let update = UserUpdate::new().with_teams(["ops", "web"]);
    let update = update.with_administered_teams(["ops"]);
    site.users.update(&ada, &update).await.unwrap();
    for foreign in ["team/web", "team/sales", "organization", "user/bob"] {
        let page = browser.get(&list(foreign)).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{foreign}");
    }
    let page = browser.get(&list("team/ops")).await;
    assert!(!page.body.contains("Organization"), "{}", page.body);
    let csrf = page.field("csrf");
    let connect = site.url(&format!("/connect/{SERVER}"));
    let mut submit = async |owner: &str| {
        let form = [("csrf", &*csrf), ("owner", owner)];
        browser.post(&connect, &form).await
    };
    assert_eq!(submit("team/web").await.status, StatusCode::NOT_FOUND);
    let page = submit("team/ops").await;
    let page = site.authorize(&mut browser, &page, "robot").await;
    assert!(
        page.body.contains("members of the team ops"),
        "{}",
        page.body
    );

    // What the team may not use is not connected for it.
    let server = AccountServer::new(SERVER, site.harness.provider.url());
    let server = server.with_teams(["web".into()]);
    site.replica.credentials.replace_servers([server]);
    let form = [("csrf", &*csrf), ("owner", "team/ops")];
    let page = browser.post(&connect, &form).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_connection_of_a_removed_server_can_be_ended() {
    let site = Site::start().await;
    let (ada, mut browser) = site.user("ada").await;
    let page = browser.get(&site.link(&ada).await).await;
    site.authorize(&mut browser, &page, "ada").await;
    site.replica.credentials.replace_servers([]);
    let page = browser.get(&site.url("/connect")).await;
    assert!(
        page.body.contains("The server has been removed"),
        "{}",
        page.body
    );
    assert!(!page.body.contains("Connect again"), "{}", page.body);
    let csrf = page.field("csrf");
    let disconnect = site.url(&format!("/connect/{SERVER}/disconnect"));
    browser.post(&disconnect, &[("csrf", &csrf)]).await;
    assert_eq!(site.harness.provider.revoked(1).await.len(), 1);
    let page = browser.get(&site.url("/connect")).await;
    assert!(page.body.contains("No server requires an account."));
}

#[tokio::test]
async fn a_server_of_other_teams_does_not_exist() {
    let site = Site::start().await;
    let server = AccountServer::new(SERVER, site.harness.provider.url());
    let server = server.with_teams(["platform".into()]);
    site.replica.credentials.replace_servers([server]);
    let (ada, mut browser) = site.user("ada").await;
    let page = browser.get(&site.link(&ada).await).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    let page = browser.get(&site.url("/connect")).await;
    assert!(page.body.contains("No server requires an account."));
}

#[tokio::test]
async fn callers_who_cannot_log_in_get_no_link() {
    let site = Site::start().await;
    let robot = site.replica.credential(Principal::new("robot")).await;
    assert!(matches!(
        robot,
        Err(CredentialError::NotConnected { url: None })
    ));
}

#[tokio::test]
async fn the_client_document_is_complete() {
    let site = Site::start().await;
    let page = Browser::new().get(&site.url("/connect/client.json")).await;
    let document: Value = serde_json::from_str(&page.body).unwrap();
    assert_eq!(document["client_id"], site.url("/connect/client.json"));
    let redirect_uris = json!([site.url("/connect/callback")]);
    assert_eq!(document["redirect_uris"], redirect_uris);
    assert_eq!(document["token_endpoint_auth_method"], "none");
    let grants = json!(["authorization_code", "refresh_token"]);
    assert_eq!(document["grant_types"], grants);
    assert!(page.body.len() < 5 * 1024);
}
