//! A gateway with users, whose pages are served.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use http::StatusCode;
use mcp_gateway_auth::Keyring;
use mcp_gateway_auth::accounts::{AccountPages, ConnectLinks, ConnectionProbe, PendingRevocations};
use mcp_gateway_auth::login::{LoginPages, LoginSessions};
use mcp_gateway_auth::users::{Role, UserUpdate, Users};
use mcp_gateway_core::credential::CredentialError;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::browser::{self, Browser, Page};
use crate::harness::{Harness, Replica, egress};

/// A gateway with users, whose pages are served.
pub(crate) struct Site {
    address: SocketAddr,
    pub(crate) harness: Harness,
    pub(crate) replica: Replica,
    pub(crate) users: Users,
    _server: JoinSet<()>,
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::with_probe(None).await
    }

    /// Starts a gateway that tests supplied values with `probe`.
    pub(crate) async fn with_probe(probe: Option<Arc<dyn ConnectionProbe>>) -> Self {
        let harness = Harness::start().await;
        let mut replica = harness.replica().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let base = browser::url(address, "");
        let keyring = Keyring::new(&[7; 32]).unwrap();
        let users = Users::new(Arc::new(harness.store.clone()), harness.clock.clone());
        let sessions = LoginSessions::new(users.clone(), keyring.clone(), &base).unwrap();
        let sessions = sessions.with_local_accounts();
        let login = Arc::new(sessions.clone());
        let links = ConnectLinks::new(&base, keyring, login).unwrap();
        replica.credentials = replica.credentials.with_links(links.clone());
        let pages = AccountPages::new(&replica.credentials, links, sessions.clone()).unwrap();
        let pages = match probe {
            Some(probe) => pages.with_probe(probe),
            None => pages,
        };
        let router = Router::new()
            .merge(pages.router())
            .merge(LoginPages::new(sessions).router())
            .into_make_service_with_connect_info::<SocketAddr>();
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        let revocations = PendingRevocations::new(harness.accounts(), egress());
        server.spawn(async move { revocations.run().await });
        Self {
            address,
            harness,
            replica,
            users,
            _server: server,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        browser::url(self.address, path)
    }

    /// Creates the user `name`, and returns the ID and a browser with a session.
    pub(crate) async fn user(&self, name: &str) -> (String, Browser) {
        let id = self.users.create(name, PASSWORD).await.unwrap().id;
        let mut browser = Browser::new();
        let page = browser.get(&self.url("/api/auth/login")).await;
        let csrf = page.field("csrf");
        let form = [("csrf", &*csrf), ("name", name), ("password", PASSWORD)];
        let page = browser.post(&self.url("/api/auth/login"), &form).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER);
        assert!(browser.cookie("mcp-gateway-session").is_some());
        (id, browser)
    }

    /// Makes the user `id` an administrator.
    pub(crate) async fn promote(&self, id: &str) {
        let update = UserUpdate::new().with_role(Role::Admin);
        self.users.update(id, &update).await.unwrap();
    }

    /// Returns the link of a failed call of the user `id`.
    pub(crate) async fn link(&self, id: &str) -> String {
        match self.replica.token(id).await {
            Err(CredentialError::NotConnected { url: Some(url) }) => url.to_string(),
            other => panic!("{other:?}"),
        }
    }

    /// Returns the page after the authorization `page`, at which the user `account` logs in.
    pub(crate) async fn authorize(
        &self,
        browser: &mut Browser,
        page: &Page,
        account: &str,
    ) -> Page {
        let url = page.next().unwrap();
        let response = browser.get(&format!("{url}&login={account}")).await;
        browser.get(&response.next().unwrap()).await
    }
}

pub(crate) const PASSWORD: &str = "correct horse battery";
