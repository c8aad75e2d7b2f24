//! Habits of authorization servers in use. Each ends in a working call, or in an error that tells what
//! to do.

use http::StatusCode;
use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::credential::CredentialError;

use crate::browser::{Browser, Page};
use crate::harness::HOUR;
use crate::provider::{ChallengeHabit, ClientHabit, Habits};
use crate::site::Site;

/// Returns a site at whose provider the habits of `change` apply.
async fn site(change: impl FnOnce(&mut Habits)) -> Site {
    let site = Site::start().await;
    site.harness.provider.habits(change);
    site
}

/// Follows the link of the user `id` to the provider and back, as far as it leads.
async fn connect(site: &Site, browser: &mut Browser, id: &str) -> Page {
    let page = browser.get(&site.link(id).await).await;
    match page.next() {
        Some(_) => site.authorize(browser, &page, ACCOUNT).await,
        None => page,
    }
}

/// Fails unless an account is connected, called and refreshed.
async fn works(change: impl FnOnce(&mut Habits)) -> Site {
    let site = site(change).await;
    let (ada, mut browser) = site.user("ada").await;
    let page = connect(&site, &mut browser, &ada).await;
    assert_eq!(page.title(), "Your account is connected", "{}", page.body);
    for refreshes in 0..3 {
        let token = site.replica.token(&ada).await.unwrap();
        let user = site.harness.provider.user(&token);
        assert_eq!(user.as_deref(), Some(ACCOUNT));
        assert_eq!(site.harness.provider.refreshes().len(), refreshes);
        site.harness.clock.advance(HOUR);
    }
    site
}

/// Returns the text of the page on which the connection ends.
async fn fails(change: impl FnOnce(&mut Habits)) -> String {
    let site = site(change).await;
    let (ada, mut browser) = site.user("ada").await;
    let page = connect(&site, &mut browser, &ada).await;
    assert_eq!(page.title(), "The account is not connected");
    page.body
}

#[tokio::test]
async fn an_issuer_ends_in_a_slash_in_one_document() {
    works(|habits| habits.adds_slash = true).await;
}

#[tokio::test]
async fn an_mcp_server_without_metadata_is_its_own_authorization_server() {
    works(|habits| habits.is_old = true).await;
}

#[tokio::test]
async fn metadata_is_published_for_openid_connect_only() {
    works(|habits| habits.is_openid = true).await;
}

#[tokio::test]
async fn endpoints_are_not_below_the_issuer() {
    works(|habits| habits.issuer_path = "/tenant/v2").await;
}

#[tokio::test]
async fn a_challenge_does_not_name_the_metadata() {
    works(|habits| habits.challenge = ChallengeHabit::Bare).await;
}

#[tokio::test]
async fn only_calls_of_tools_require_a_token() {
    works(|habits| habits.challenge = ChallengeHabit::Late).await;
}

#[tokio::test]
async fn a_registration_has_no_members_that_servers_reject() {
    works(|habits| {
        habits.known_members = &[
            "client_name",
            "grant_types",
            "redirect_uris",
            "response_types",
            "token_endpoint_auth_method",
        ];
    })
    .await;
}

#[tokio::test]
async fn a_public_client_receives_a_secret() {
    works(|habits| {
        habits.clients = ClientHabit::UnsolicitedSecret;
        habits.success = 201;
    })
    .await;
}

#[tokio::test]
async fn public_clients_are_rejected() {
    let site = works(|habits| habits.clients = ClientHabit::BasicOnly).await;
    let registrations = site.harness.provider.registrations();
    let methods = registrations
        .iter()
        .map(|it| &it["token_endpoint_auth_method"]);
    assert_eq!(methods.collect::<Vec<_>>(), ["client_secret_basic"]);
}

#[tokio::test]
async fn token_responses_have_status_201_a_lifetime_as_text_and_no_type() {
    works(|habits| habits.success = 201).await;
}

#[tokio::test]
async fn refresh_tokens_are_issued_once() {
    works(|habits| {
        habits.rotates = false;
        habits.success = 201;
    })
    .await;
}

#[tokio::test]
async fn tokens_have_neither_a_lifetime_nor_a_refresh_token() {
    let site = site(|habits| habits.issues_access_alone = true).await;
    let (ada, mut browser) = site.user("ada").await;
    connect(&site, &mut browser, &ada).await;
    site.harness.clock.advance(2 * HOUR);
    let credential = site.replica.credential(Principal::new(&*ada)).await;
    let rejected = site.replica.reject(&ada, &credential.unwrap()).await;
    let Err(CredentialError::NotConnected { url: Some(url) }) = rejected else {
        panic!("{rejected:?}");
    };
    let page = browser.get(&url).await;
    let page = site.authorize(&mut browser, &page, ACCOUNT).await;
    assert_eq!(page.title(), "Your account is connected", "{}", page.body);
    assert!(site.replica.token(&ada).await.is_ok());
}

#[tokio::test]
async fn the_reason_of_a_rejected_registration_is_named() {
    let text = fails(|habits| habits.known_members = &["redirect_uris"]).await;
    assert!(text.contains("400 Bad Request"), "{text}");
    assert!(text.contains("invalid_client_metadata"), "{text}");
}

#[tokio::test]
async fn metadata_without_pkce_is_named() {
    let text = fails(|habits| habits.announces_pkce = false).await;
    assert!(text.contains("does not offer PKCE"), "{text}");
}

#[tokio::test]
async fn a_resource_on_another_host_is_named() {
    let text = fails(|habits| habits.resource = Some("https://api.example.com/mcp")).await;
    assert!(text.contains("api.example.com/mcp"), "{text}");
    assert!(text.contains("configure its URL"), "{text}");
}

#[tokio::test]
async fn an_issuer_of_another_server_is_named() {
    let text = fails(|habits| habits.claimed_issuer = Some("https://login.example.com")).await;
    assert!(text.contains("issuer mismatch"), "{text}");
    assert!(text.contains("login.example.com"), "{text}");
}

#[tokio::test]
async fn a_rejected_resource_can_be_omitted() {
    let site = site(|habits| habits.refuses_resource = true).await;
    let (ada, mut browser) = site.user("ada").await;
    let page = connect(&site, &mut browser, &ada).await;
    assert!(page.body.contains("invalid_target"), "{}", page.body);
    assert!(page.body.contains("can omit it"), "{}", page.body);
    let server = site.harness.server().without_resource_indicator();
    site.replica.credentials.replace_servers([server]);
    let page = connect(&site, &mut browser, &ada).await;
    assert_eq!(page.title(), "Your account is connected", "{}", page.body);
    for _ in 0..2 {
        assert!(site.replica.token(&ada).await.is_ok());
        site.harness.clock.advance(HOUR);
    }
}

#[tokio::test]
async fn the_status_of_a_token_endpoint_that_redirects_is_named() {
    let text = fails(|habits| habits.redirects_tokens = true).await;
    assert!(text.contains("307 Temporary Redirect"), "{text}");
}

#[tokio::test]
async fn the_status_of_a_page_of_the_token_endpoint_is_named() {
    let site = site(|habits| habits.has_html_errors = true).await;
    let (ada, mut browser) = site.user("ada").await;
    let page = browser.get(&site.link(&ada).await).await;
    site.harness.provider.forget_clients();
    let page = site.authorize(&mut browser, &page, ACCOUNT).await;
    assert!(page.body.contains("401 Unauthorized"), "{}", page.body);
}

#[tokio::test]
async fn a_server_that_has_lost_its_clients_is_registered_with_again() {
    let site = works(|_| {}).await;
    site.harness.provider.forget_clients();
    let (bob, mut browser) = site.user("bob").await;
    let page = connect(&site, &mut browser, &bob).await;
    assert_eq!(page.title(), "Your account is connected", "{}", page.body);
    assert_eq!(site.harness.provider.registrations().len(), 2);
}

#[tokio::test]
async fn a_client_that_is_lost_during_a_login_is_registered_again() {
    let site = site(|_| {}).await;
    let (ada, mut browser) = site.user("ada").await;
    let page = browser.get(&site.link(&ada).await).await;
    site.harness.provider.forget_clients();
    let page = site.authorize(&mut browser, &page, ACCOUNT).await;
    assert_eq!(page.status, StatusCode::BAD_GATEWAY);
    assert!(page.body.contains("registers there again"), "{}", page.body);
    // Nothing is left of the registration, whether the server can be asked or not.
    assert!(!site.harness.stored().await.contains("account/client/"));
    let page = connect(&site, &mut browser, &ada).await;
    assert_eq!(page.title(), "Your account is connected", "{}", page.body);
}

const ACCOUNT: &str = "ada-there";
