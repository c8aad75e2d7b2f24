use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::request::Parts;
use mcp_gateway_auth::login::{LoginPages, LoginSessions};
use mcp_gateway_auth::users::Users;
use mcp_gateway_auth::{Clock, Keyring, LoginProvider};
use mcp_gateway_store::MemoryStore;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::browser::{Browser, Page, url};

/// A service with a login.
pub(crate) struct Harness {
    pub(crate) address: SocketAddr,
    pub(crate) clock: Clock,
    pub(crate) login: LoginSessions,
    pub(crate) store: MemoryStore,
    pub(crate) users: Users,
    _server: JoinSet<()>,
}

impl Harness {
    /// Creates a harness with the account `ada` and [`PASSWORD`].
    pub(crate) async fn start() -> Self {
        let harness = Self::with(|login| login.with_local_accounts()).await;
        harness.users.create("ada", PASSWORD).await.unwrap();
        harness
    }

    pub(crate) async fn with(configure: impl FnOnce(LoginSessions) -> LoginSessions) -> Self {
        Self::serve(Clock::fixed(4_000_000_000), |login, _| {
            let login = configure(login);
            (login.clone(), LoginPages::new(login).router())
        })
        .await
    }

    /// Serves the router that `make` returns for the login and the origin.
    pub(crate) async fn serve(
        clock: Clock,
        make: impl FnOnce(LoginSessions, &str) -> (LoginSessions, Router),
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let store = MemoryStore::new();
        let users = Users::new(Arc::new(store.clone()), clock.clone());
        let keyring = Keyring::new(&[7; 32]).unwrap();
        let origin = format!("http://{address}");
        let login = LoginSessions::new(users.clone(), keyring, &origin).unwrap();
        let (login, router) = make(login, &origin);
        let service = Router::new()
            .route("/who", get(who))
            .with_state(login.clone())
            .merge(router)
            .into_make_service_with_connect_info::<SocketAddr>();
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, service).await.unwrap() });
        Self {
            address,
            clock,
            login,
            store,
            users,
            _server: server,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        url(self.address, path)
    }

    /// Returns the user of `browser`.
    pub(crate) async fn who(&self, browser: &mut Browser) -> String {
        browser.get(&self.url("/who")).await.body
    }

    /// Submits the login form.
    pub(crate) async fn submit(&self, browser: &mut Browser, name: &str, password: &str) -> Page {
        let form = browser
            .get(&self.url("/api/auth/login?return_to=%2Fwho"))
            .await;
        let csrf = form.field("csrf");
        let fields = [
            ("csrf", &*csrf),
            ("return_to", "/who"),
            ("name", name),
            ("password", password),
        ];
        browser.post(&self.url("/api/auth/login"), &fields).await
    }

    pub(crate) async fn log_in(&self) -> Browser {
        let mut browser = Browser::new();
        let page = self.submit(&mut browser, "ada", PASSWORD).await;
        assert_eq!(page.status, 303, "{page:?}");
        browser
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

async fn who(State(login): State<LoginSessions>, parts: Parts) -> String {
    match login.session(&parts).await.unwrap() {
        Some(session) => session.user.name.to_string(),
        None => "nobody".to_owned(),
    }
}

pub(crate) const PASSWORD: &str = "correct horse battery";
