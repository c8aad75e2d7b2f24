//! Calls that require scopes which an account does not have.

use mcp_gateway_auth::accounts::AccountServer;
use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::credential::{Credential, CredentialError};

use crate::browser::Browser;
use crate::harness::{SERVER, bearer};
use crate::site::Site;

/// Site with a user whose account is connected.
struct Connected {
    site: Site,
    ada: String,
    browser: Browser,
}

impl Connected {
    /// Connects an account at a server whose challenge names `scopes`.
    async fn start(scopes: Option<&'static str>) -> Self {
        let site = Site::start().await;
        let provider = &site.harness.provider;
        provider.habits(|habits| habits.challenged = scopes);
        let (ada, browser) = site.user("ada").await;
        let link = site.link(&ada).await;
        let mut connected = Self { site, ada, browser };
        connected.follow(&link).await;
        connected
    }

    /// Follows `link`, and logs in at the authorization server.
    async fn follow(&mut self, link: &str) {
        let page = self.browser.get(link).await;
        let page = self.site.authorize(&mut self.browser, &page, "ada").await;
        assert_eq!(page.title(), "Your account is connected");
    }

    async fn credential(&self) -> Credential {
        let principal = Principal::new(self.ada.as_str());
        self.site.replica.credential(principal).await.unwrap()
    }

    /// Returns the outcome of a call that the server answers with `challenge`.
    async fn call(
        &self,
        challenge: (u16, &'static str),
    ) -> Result<Option<String>, CredentialError> {
        let credential = self.credential().await;
        let replica = &self.site.replica;
        replica.challenge(&self.ada, &credential, challenge).await
    }

    /// Returns the missing scopes of such a call, and the link.
    async fn lacking(&self, challenge: (u16, &'static str)) -> (String, Option<String>) {
        match self.call(challenge).await {
            Err(CredentialError::InsufficientScope { scopes, url }) => {
                (scopes.to_string(), url.map(|url| url.to_string()))
            }
            other => panic!("{other:?}"),
        }
    }

    /// Returns the scopes of the last authorization request.
    fn requested(&self) -> String {
        let authorizations = self.site.harness.provider.authorizations();
        authorizations.last().unwrap()["scope"].clone()
    }
}

const ADMIN: (u16, &str) = (403, "Bearer error=\"insufficient_scope\", scope=\"admin\"");

#[tokio::test]
async fn o70_a_link_requests_granted_and_required_scopes_once() {
    let mut connected = Connected::start(Some("read")).await;
    assert_eq!(connected.requested(), "read");
    let before = connected.credential().await;
    let (scopes, link) = connected.lacking(ADMIN).await;
    assert_eq!(scopes, "admin");
    connected.follow(&link.unwrap()).await;
    assert_eq!(connected.requested(), "read admin");

    // A call that failed with the earlier token is repeated with the present one.
    let replica = &connected.site.replica;
    let next = replica.challenge(&connected.ada, &before, ADMIN).await;
    let present = bearer(&connected.credential().await);
    assert_eq!(next.unwrap().unwrap(), present);
    // A server that always requires the scope is not answered by another link.
    assert_eq!(connected.lacking(ADMIN).await, ("admin".to_owned(), None));

    // The scopes are requested again whenever the account is connected.
    let other = (401, "Bearer error=\"insufficient_scope\", scope=\"audit\"");
    let (_, link) = connected.lacking(other).await;
    connected.follow(&link.unwrap()).await;
    assert_eq!(connected.requested(), "read admin audit");
}

#[tokio::test]
async fn without_named_scopes_those_of_the_resource_are_required() {
    let mut connected = Connected::start(Some("read")).await;
    let (scopes, link) = connected
        .lacking((403, "Bearer error=\"insufficient_scope\""))
        .await;
    assert_eq!(scopes, "read write");
    connected.follow(&link.unwrap()).await;
    assert_eq!(connected.requested(), "read write");
    // They have all been requested, so that a rejection has another reason.
    assert!(matches!(connected.call((403, "Bearer")).await, Ok(None)));
    assert!(matches!(connected.call((403, "")).await, Ok(None)));
}

#[tokio::test]
async fn a_missing_scope_may_look_like_an_invalid_token() {
    let connected = Connected::start(Some("read")).await;
    let challenge = (401, "Bearer error=\"invalid_token\", scope=\"read admin\"");
    let before = bearer(&connected.credential().await);
    let renewed = connected.call(challenge).await.unwrap().unwrap();
    assert_ne!(renewed, before);
    let (scopes, link) = connected.lacking(challenge).await;
    assert_eq!(scopes, "read admin");
    assert!(link.unwrap().ends_with("&scope=read+admin"));
    assert_eq!(connected.site.harness.provider.refreshes().len(), 1);
}

#[tokio::test]
async fn o70_configured_scopes_are_a_limit() {
    let site = Site::start().await;
    let server = AccountServer::new(SERVER, site.harness.provider.url()).with_scope("read");
    site.replica.credentials.replace_servers([server]);
    let (ada, browser) = site.user("ada").await;
    let link = site.link(&ada).await;
    let mut connected = Connected { site, ada, browser };
    connected.follow(&link).await;
    assert_eq!(connected.lacking(ADMIN).await, ("admin".to_owned(), None));
    // Nobody can add scopes to a link, either.
    connected.follow(&format!("{link}&scope=admin")).await;
    assert_eq!(connected.requested(), "read");
}

#[tokio::test]
async fn a_server_without_any_metadata_has_default_endpoints() {
    let site = Site::start().await;
    site.harness
        .provider
        .habits(|habits| habits.has_no_metadata = true);
    let (ada, mut browser) = site.user("ada").await;
    let page = browser.get(&site.link(&ada).await).await;
    // The provider names itself, and the default is its origin.
    let page = site.authorize(&mut browser, &page, "ada").await;
    assert_eq!(page.title(), "Your account is connected");
    assert!(site.replica.token(&ada).await.is_ok());
    assert_eq!(site.harness.provider.registrations().len(), 1);
}

#[tokio::test]
async fn a_client_is_registered_anew_for_scopes_that_it_may_not_request() {
    let mut connected = Connected::start(Some("read")).await;
    let provider = &connected.site.harness.provider;
    provider.habits(|habits| habits.binds_scopes = true);
    let (_, link) = connected.lacking(ADMIN).await;
    let page = connected.browser.get(&link.unwrap()).await;
    let first = format!("{}&login=ada", page.next().unwrap());
    let denied = connected.browser.get(&first).await.next().unwrap();
    let page = connected.browser.get(&denied).await;
    let browser = &mut connected.browser;
    let page = connected.site.authorize(browser, &page, "ada").await;
    assert_eq!(page.title(), "Your account is connected");
    assert_eq!(connected.requested(), "read admin");
    let provider = &connected.site.harness.provider;
    let registrations = provider.registrations();
    assert_eq!(registrations.len(), 2);
    assert_eq!(registrations[1]["scope"], "admin read");

    // The next user begins with the scopes of that registration, and is asked for no more.
    let (bob, mut browser) = connected.site.user("bob").await;
    let page = browser.get(&connected.site.link(&bob).await).await;
    let page = connected.site.authorize(&mut browser, &page, "bob").await;
    assert_eq!(page.title(), "Your account is connected");
    assert_eq!(connected.requested(), "read");
    assert_eq!(provider.registrations().len(), 2);
}

#[tokio::test]
async fn scopes_that_no_client_may_request_are_denied_once() {
    let mut connected = Connected::start(Some("read")).await;
    let provider = &connected.site.harness.provider;
    provider.habits(|habits| {
        habits.binds_scopes = true;
        habits.offers_registration = false;
    });
    let (_, link) = connected.lacking(ADMIN).await;
    let page = connected.browser.get(&link.unwrap()).await;
    let browser = &mut connected.browser;
    let page = connected.site.authorize(browser, &page, "ada").await;
    assert_eq!(page.title(), "The account is not connected");
    assert!(page.body.contains("invalid_scope"), "{}", page.body);
    assert_eq!(connected.site.harness.provider.registrations().len(), 1);
}
