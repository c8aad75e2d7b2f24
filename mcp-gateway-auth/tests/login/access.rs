//! Access of users who are changed, by tokens that were verified before.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use mcp_gateway_auth::login::LoginSessions;
use mcp_gateway_auth::server::{AuthorizationServer, TokenOwner};
use mcp_gateway_auth::token::BearerVerifier;
use mcp_gateway_auth::users::{NewUser, Role, UserUpdate, Users};
use mcp_gateway_auth::{Clock, Keyring};
use mcp_gateway_core::auth::AuthVerifier as _;
use mcp_gateway_store::{MemoryStore, Store};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Returns one of the replicas over `store`.
fn replica(store: &Arc<MemoryStore>) -> AuthorizationServer {
    let keyring = Keyring::new(&[7; 32]).unwrap();
    let users = Users::new(Arc::clone(store) as _, Clock::system());
    let login = LoginSessions::new(users, keyring.clone(), "https://gw.example.com").unwrap();
    let login = Arc::new(login.with_local_accounts());
    let base = "https://gw.example.com".parse().unwrap();
    let store: Arc<dyn Store> = Arc::clone(store) as _;
    AuthorizationServer::builder(base, store, keyring, login).build()
}

/// Returns the roles and teams with which `verifier` accepts `token`.
async fn access(verifier: &BearerVerifier, token: &str) -> Vec<Arc<str>> {
    let request = Request::get("/mcp").header("authorization", format!("Bearer {token}"));
    let principal = verifier
        .verify(&request.body(()).unwrap().into_parts().0)
        .await
        .unwrap();
    principal
        .roles()
        .iter()
        .chain(principal.teams())
        .cloned()
        .collect()
}

#[tokio::test]
async fn j31_a_user_who_loses_a_team_or_a_role_loses_it_on_all_replicas_at_once() {
    let store = Arc::new(MemoryStore::new());
    let users = Users::new(Arc::clone(&store) as _, Clock::system());
    for name in ["root", "ada"] {
        let new = NewUser::new(name, "correct horse battery").with_role(Role::Admin);
        let new = new.with_teams(["ops"]);
        users.add(new).await.unwrap();
    }
    let ada = users.find_by_name("ada").await.unwrap().unwrap().id;
    let replicas = [replica(&store), replica(&store)];
    let owner = TokenOwner::User(ada.clone());
    let (_, token) = replicas[0]
        .api_tokens()
        .create("ci", owner, None)
        .await
        .unwrap();
    let mut maintenance = JoinSet::new();
    let verifiers = replicas.map(|server| {
        let verifier = BearerVerifier::new(Arc::new(server.api_tokens().clone()));
        let verifier = verifier.with_revocations(server.revocations());
        maintenance.spawn(async move { server.maintain().await });
        verifier
    });
    for verifier in &verifiers {
        assert_eq!(
            access(verifier, token.expose()).await,
            ["admin".into(), "ops".into()]
        );
    }
    // As the command line does it, without the admin API.
    let update = UserUpdate::new()
        .with_role(Role::Member)
        .with_teams(["dev"]);
    users.update(&ada, &update).await.unwrap();
    let changed = async {
        for verifier in &verifiers {
            while access(verifier, token.expose()).await != ["member".into(), "dev".into()] {
                sleep(Duration::from_millis(5)).await;
            }
        }
    };
    // A cached verification lasts for a minute.
    timeout(Duration::from_secs(30), changed).await.unwrap();
}
