//! Durability of acknowledged writes after the process was killed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::browser_user::{BrowserUser, redemption, register};
use crate::harness::{Endpoint, Harness, Kind, Replica, Reply};

const ROUNDS: u32 = 6;

const USERS: usize = 4;

/// Acknowledged writes.
#[derive(Debug, Default)]
struct Ledger {
    /// The registration tokens of clients, by their identifiers.
    clients: BTreeMap<String, String>,
    /// The clients that somebody has let in.
    consents: Vec<String>,
    /// The last refresh token of each client.
    refresh_tokens: BTreeMap<String, String>,
    /// Clients and codes: of those that have been exchanged, and of those that have not.
    spent: Vec<(String, String)>,
    unused: Vec<(String, String)>,
    /// Those that were on their way when the process was killed.
    doubtful: Vec<(String, String)>,
}

type Shared = Arc<Mutex<Ledger>>;

/// Lets a client in, and gets tokens for it; `None` when there is no answer.
async fn visit(user: &BrowserUser, ledger: &Shared) -> Option<()> {
    let endpoint = &user.endpoint;
    let registered = register(endpoint, &json!({})).await?;
    let client = registered.text("client_id");
    let management = registered.text("registration_access_token");
    ledger
        .lock()
        .unwrap()
        .clients
        .insert(client.clone(), management);

    let (code, asked) = user.code(&client).await?;
    assert!(asked, "nobody has let it in before");
    ledger.lock().unwrap().consents.push(client.clone());
    let tokens = redeem(endpoint, ledger, &client, &code).await?;
    let mut token = tokens.text("refresh_token");
    for _ in 0..3 {
        ledger
            .lock()
            .unwrap()
            .refresh_tokens
            .insert(client.clone(), token.clone());
        let tokens = endpoint.refresh(&client, &token).await?;
        assert_eq!(tokens.status, StatusCode::OK, "{tokens:?}");
        token = tokens.text("refresh_token");
    }
    ledger
        .lock()
        .unwrap()
        .refresh_tokens
        .insert(client.clone(), token);

    let (code, _) = user.code(&client).await?;
    redeem(endpoint, ledger, &client, &code).await?;
    let (code, _) = user.code(&client).await?;
    ledger.lock().unwrap().unused.push((client, code));
    Some(())
}

/// Exchanges `code`, and notes what is known of it at any moment.
async fn redeem(endpoint: &Endpoint, ledger: &Shared, client: &str, code: &str) -> Option<Reply> {
    let pair = (client.to_owned(), code.to_owned());
    ledger.lock().unwrap().doubtful.push(pair.clone());
    let reply = endpoint.token(&redemption(client, code)).await?;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    let mut ledger = ledger.lock().unwrap();
    ledger.doubtful.retain(|doubtful| *doubtful != pair);
    ledger.spent.push(pair);
    Some(reply)
}

/// Loads `replica` and kills it; returns what it has acknowledged.
async fn killed(
    replica: Replica,
    users: Vec<BrowserUser>,
    round: u32,
) -> (Ledger, Vec<BrowserUser>) {
    let ledger = Shared::default();
    let endpoint = replica.endpoint();
    let mut working = JoinSet::new();
    for mut user in users {
        user.endpoint = endpoint.clone();
        working.spawn(visitor(user, Arc::clone(&ledger)));
    }
    while ledger.lock().unwrap().unused.is_empty() {
        sleep(Duration::from_millis(1)).await;
    }
    // Not waited for: any moment is as good as another.
    sleep(Duration::from_micros(
        u64::from(round * round) * 7_919 % 90_000,
    ))
    .await;
    replica.kill().await;
    let users = working.join_all().await;
    let ledger = Arc::into_inner(ledger).unwrap().into_inner().unwrap();
    (ledger, users)
}

/// Lets clients in until there is no answer.
async fn visitor(user: BrowserUser, ledger: Shared) -> BrowserUser {
    while let Some(()) = visit(&user, &ledger).await {}
    user
}

async fn is_kept(user: &BrowserUser, ledger: &Ledger) {
    let endpoint = &user.endpoint;
    for (client, token) in &ledger.clients {
        let bearer = format!("Bearer {token}");
        let path = format!("/api/auth/oauth2/register/{client}");
        let headers = [("authorization", &*bearer)];
        let reply = endpoint.send(Method::GET, &path, &headers, String::new());
        assert_eq!(
            reply.await.unwrap().status,
            StatusCode::OK,
            "{client} is lost"
        );
    }
    for (client, token) in &ledger.refresh_tokens {
        let reply = endpoint.refresh(client, token).await.unwrap();
        assert_eq!(
            reply.status,
            StatusCode::OK,
            "a refresh token is lost: {reply:?}"
        );
    }
    for client in &ledger.consents {
        let (_, asked) = user.code(client).await.unwrap();
        assert!(!asked, "a consent is lost");
    }
    let again = async |client: &str, code: &str| {
        let reply = endpoint.token(&redemption(client, code)).await.unwrap();
        assert!(
            reply.status == StatusCode::OK || reply.text("error") == "invalid_grant",
            "{reply:?}"
        );
        reply.status == StatusCode::OK
    };
    for (client, code) in &ledger.spent {
        assert!(!again(client, code).await, "a code is good twice");
    }
    for (client, code) in &ledger.unused {
        assert!(again(client, code).await, "a code is lost");
        assert!(!again(client, code).await, "a code is good twice");
    }
    for (client, code) in &ledger.doubtful {
        let _ = again(client, code).await;
        assert!(!again(client, code).await, "a code is good twice");
    }
}

async fn survives(kind: Kind) {
    let harness = Harness::new(kind).await;
    let mut replica = harness.start().await;
    let password = replica.password.clone().unwrap();
    let mut users = Vec::new();
    for _ in 0..USERS {
        users.push(BrowserUser::log_in(&replica.endpoint(), "admin", &password).await);
    }
    let mut totals = [0; 5];
    for round in 1..=ROUNDS {
        let (ledger, back) = killed(replica, users, round).await;
        users = back;
        replica = harness.start().await;
        users[0].endpoint = replica.endpoint();
        is_kept(&users[0], &ledger).await;
        let counts = [
            ledger.clients.len(),
            ledger.consents.len(),
            ledger.refresh_tokens.len(),
            ledger.spent.len() + ledger.unused.len(),
            ledger.doubtful.len(),
        ];
        for (total, count) in totals.iter_mut().zip(counts) {
            *total += count;
        }
    }
    let [clients, consents, tokens, codes, doubtful] = totals;
    println!(
        "{kind:?}: killed {ROUNDS} times; {clients} clients, {consents} consents, {tokens} refresh \
         tokens and {codes} codes were acknowledged, and are as they were; {doubtful} codes were \
         on their way"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_keeps_what_was_acknowledged() {
    survives(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_postgresql_keeps_what_was_acknowledged() {
    survives(Kind::Postgres).await;
}
