//! Whoever has the database has nothing that can be used.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use http::{HeaderValue, Method, StatusCode};
use mcp_gateway_auth::Keyring;
use mcp_gateway_store::{ListedDocument, Store};
use mcp_gateway_store::{PostgresOptions, PostgresStore, SqliteStore};
use mcp_gateway_tests::environment::Environment;
use memchr::memmem;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::browser_user::{BrowserUser, redemption, register};
use crate::harness::{CLIENT_SECRET, Endpoint, Harness, Kind, Replica};

/// A gateway that has been in use, and what has been used.
struct Used {
    harness: Harness,
    _replica: Replica,
    endpoint: Endpoint,
    user: BrowserUser,
    password: String,
    /// A client, what it proves itself with, and what it manages its registration with.
    client: String,
    client_secret: String,
    management: String,
    refresh_token: String,
    /// Everything that is worth stealing.
    secrets: BTreeSet<String>,
}

impl Used {
    async fn start(kind: Kind) -> Self {
        let harness = Harness::new(kind).await;
        let replica = harness.start().await;
        let endpoint = replica.endpoint();
        let password = replica.password.clone().unwrap();
        let user = BrowserUser::log_in(&endpoint, "admin", &password).await;
        let method = json!({ "token_endpoint_auth_method": "client_secret_basic" });
        let registered = register(&endpoint, &method).await.unwrap();
        let mut used = Self {
            client: registered.text("client_id"),
            client_secret: registered.text("client_secret"),
            management: registered.text("registration_access_token"),
            refresh_token: String::new(),
            secrets: BTreeSet::new(),
            harness,
            _replica: replica,
            endpoint,
            user,
            password,
        };
        used.use_everything().await;
        used
    }

    async fn use_everything(&mut self) {
        let cookies = self.user.cookies.split("; ");
        let cookies = cookies.filter_map(|cookie| cookie.split_once('='));
        let mut secrets: BTreeSet<String> = cookies.map(|(_, value)| value.to_owned()).collect();
        let basic = Some((&*self.client, &*self.client_secret));
        for _ in 0..3 {
            let (code, _) = self.user.code(&self.client).await.unwrap();
            let form = redemption(&self.client, &code);
            let tokens = self.endpoint.form("/token", &form, basic).await.unwrap();
            self.refresh_token = tokens.text("refresh_token");
            secrets.extend([
                tokens.text("access_token"),
                self.refresh_token.clone(),
                code,
            ]);
        }
        // A code that nobody has exchanged.
        secrets.insert(self.user.code(&self.client).await.unwrap().0);
        let form = [("grant_type", "client_credentials")];
        let machine = Some(("machine", CLIENT_SECRET));
        let tokens = self.endpoint.form("/token", &form, machine).await.unwrap();
        secrets.insert(tokens.text("access_token"));
        let form = [("token", &*tokens.text("access_token"))];
        let path = "/api/auth/oauth2/revoke";
        self.endpoint.form(path, &form, machine).await.unwrap();
        let token = self.harness.operate(&["token", "create", "ci"]).await;
        assert_eq!(self.endpoint.status(&token).await, StatusCode::OK);
        secrets.extend([
            token,
            self.harness.operate(&["user", "create", "zoe"]).await,
            self.harness
                .operate(&["client", "create", "ci", "--secret"])
                .await,
            self.password.clone(),
            self.client_secret.clone(),
            self.management.clone(),
            CLIENT_SECRET.to_owned(),
        ]);
        self.secrets = secrets;
    }

    async fn entries(&self) -> Vec<ListedDocument> {
        let store: Arc<dyn Store> = match self.harness.database() {
            Some(url) => {
                let store = PostgresStore::connect(url, PostgresOptions::new()).await;
                Arc::new(store.unwrap())
            }
            None => Arc::new(
                SqliteStore::open(self.harness.path("gateway.db"))
                    .await
                    .unwrap(),
            ),
        };
        store.list("", None, usize::MAX).await.unwrap()
    }

    /// Everything that is on the disk, or in a dump.
    async fn bytes(&self) -> Vec<u8> {
        if let Some(url) = self.harness.database() {
            let programs = Environment::installed().await.unwrap().postgres;
            let dump = Command::new(programs.join("pg_dump"))
                .arg(url)
                .output()
                .await;
            let dump = dump.unwrap();
            assert!(dump.status.success(), "{dump:?}");
            return dump.stdout;
        }
        let parts = ["gateway.db", "gateway.db-wal", "gateway.db-shm"];
        let parts = parts.map(|name| fs::read(self.harness.path(name)).unwrap());
        assert!(!parts[1].is_empty());
        parts.concat()
    }

    /// Accepts the valid credentials, which proves that the requests are well-formed.
    async fn right_ones_open(&self) {
        let (endpoint, secret) = (&self.endpoint, &self.client_secret);
        assert!(self.opens_registration(&self.management).await);
        assert!(self.proves(secret).await);
        let cookies = self.user.cookies.split("; ");
        let cookies = cookies.filter_map(|cookie| cookie.strip_prefix("mcp-gateway-session="));
        for cookie in cookies {
            assert!(self.is_session(cookie).await);
        }
        assert!(self.is_good("refresh_token", &self.refresh_token).await);
        let (code, _) = self.user.code(&self.client).await.unwrap();
        assert!(self.is_good("code", &code).await);
        assert_ne!(endpoint.status("x").await, StatusCode::OK);
    }

    async fn opens_registration(&self, token: &str) -> bool {
        let bearer = format!("Bearer {token}");
        let path = format!("/api/auth/oauth2/register/{}", self.client);
        let headers = [("authorization", &*bearer)];
        let reply = self
            .endpoint
            .send(Method::GET, &path, &headers, String::new());
        reply.await.unwrap().status == StatusCode::OK
    }

    async fn proves(&self, secret: &str) -> bool {
        let form = [("token", "x")];
        let basic = Some((&*self.client, secret));
        let reply = self.endpoint.form("/api/auth/oauth2/revoke", &form, basic);
        reply.await.unwrap().status == StatusCode::OK
    }

    async fn is_session(&self, cookie: &str) -> bool {
        let cookie = format!("mcp-gateway-session={cookie}");
        let headers = [("cookie", &*cookie)];
        let reply = self
            .endpoint
            .send(Method::GET, "/api/auth/account", &headers, String::new());
        reply.await.unwrap().status == StatusCode::OK
    }

    /// Returns `true` if it is a code or a refresh token of the client.
    async fn is_good(&self, kind: &'static str, value: &str) -> bool {
        let mut form = redemption(&self.client, value).to_vec();
        if kind == "refresh_token" {
            form = vec![("grant_type", kind), (kind, value)];
        }
        let basic = Some((&*self.client, &*self.client_secret));
        let reply = self.endpoint.form("/token", &form, basic).await.unwrap();
        assert!(reply.status.as_u16() < 500, "{reply:?}");
        reply.status == StatusCode::OK
    }

    /// Presents what is in the database wherever something is presented.
    async fn stolen_ones_do_not(&self, found: &BTreeSet<String>) {
        for text in found {
            assert_ne!(self.endpoint.status(text).await, StatusCode::OK, "{text}");
            assert!(!self.opens_registration(text).await, "{text}");
            assert!(!self.proves(text).await, "{text}");
            assert!(!self.is_session(text).await, "{text}");
            for kind in ["refresh_token", "code"] {
                assert!(!self.is_good(kind, text).await, "{kind} {text}");
            }
        }
    }
}

/// The texts in what is stored, and what can be made of them without a key.
fn texts(entries: &[ListedDocument]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in entries {
        found.insert(entry.key.to_string());
        found.extend(entry.key.split('/').map(str::to_owned));
        let value: Value = serde_json::from_slice(&entry.document.value).unwrap_or_default();
        leaves(&value, &mut found);
    }
    // Handles have the form of an identifier, a number and a tag.
    let hashes: Vec<_> = found
        .iter()
        .filter(|text| text.len() == 43)
        .cloned()
        .collect();
    let ids: Vec<_> = found
        .iter()
        .filter(|text| text.starts_with("g_"))
        .cloned()
        .collect();
    for id in ids {
        found.extend(hashes.iter().take(5).map(|hash| format!("{id}.0.{hash}")));
        found.insert(format!("{id}.0."));
    }
    found.retain(|text| !text.is_empty() && HeaderValue::from_str(text).is_ok());
    found
}

fn leaves(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => drop(found.insert(text.clone())),
        Value::Array(items) => items.iter().for_each(|item| leaves(item, found)),
        Value::Object(fields) => {
            for (name, field) in fields {
                found.insert(name.clone());
                leaves(field, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// All that `secret` may look like where it is kept.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![
        secret.to_vec(),
        hex.to_uppercase().into_bytes(),
        hex.into_bytes(),
    ];
    // Within something longer, it may begin anywhere.
    for before in 0..3 {
        let whole = [&[0; 2][..before], secret].concat();
        let cut = (before * 4).div_ceil(3);
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let text = engine.encode(&whole);
            let end = text.len() - usize::from(whole.len() % 3 != 0);
            forms.push(text.as_bytes()[cut..end].to_vec());
        }
    }
    forms
}

fn is_in(bytes: &[u8], secret: &[u8]) -> bool {
    let forms = forms(secret);
    forms.iter().any(|form| {
        let twice: Vec<_> = form
            .iter()
            .flat_map(|byte| format!("{byte:02x}").into_bytes())
            .collect();
        memmem::find(bytes, form).is_some() || memmem::find(bytes, &twice).is_some()
    })
}

/// The part of a secret that nobody can know without it.
fn core(secret: &str) -> &str {
    secret.rsplit('.').next().unwrap()
}

async fn is_of_no_use(kind: Kind) {
    let used = Used::start(kind).await;
    let (entries, bytes) = (used.entries().await, used.bytes().await);
    assert!(is_in(&bytes, b"admin"), "what is searched is the database");
    let mut searched = 0;
    for secret in &used.secrets {
        let core = core(secret);
        assert!(core.len() >= 20, "{secret}");
        assert!(!is_in(&bytes, core.as_bytes()), "{secret}");
        if let Ok(raw) = URL_SAFE_NO_PAD.decode(core) {
            assert!(!is_in(&bytes, &raw), "{secret}");
        }
        searched += 1;
    }
    assert!(!is_in(&bytes, &used.harness.key()));

    // The keys that sign are there, and are sealed.
    let keyring = Keyring::new(&used.harness.key()).unwrap();
    let mut keys = 0;
    for entry in entries
        .iter()
        .filter(|entry| entry.key.starts_with("auth/key/"))
    {
        let value: Value = serde_json::from_slice(&entry.document.value).unwrap();
        let sealed = value["sealed"].as_str().unwrap();
        let key = keyring.sealer().open("signing key", sealed).unwrap();
        let half = key.len() / 2;
        for part in [&key[..], &key[..half], &key[half..]] {
            assert!(!is_in(&bytes, part));
        }
        let other = Keyring::new(&[1; 32]).unwrap();
        assert!(other.sealer().open("signing key", sealed).is_none());
        keys += 1;
    }
    assert!(keys > 0);

    let found = texts(&entries);
    used.right_ones_open().await;
    used.stolen_ones_do_not(&found).await;
    println!(
        "{kind:?}: none of {searched} secrets and {keys} keys is in the {} bytes of the database, \
         and none of {} texts in it opens anything",
        bytes.len(),
        found.len()
    );
}

#[test]
fn what_is_searched_for_is_found_in_any_form() {
    let secret = b"0123456789abcdefghij";
    for before in 0..6 {
        let whole = [&[b'x'; 6][..before], secret, b"yyyy"].concat();
        let text = STANDARD_NO_PAD.encode(&whole);
        let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        for kept in [whole.clone(), text.into_bytes(), hex.into_bytes()] {
            assert!(is_in(&kept, secret), "{before}");
            assert!(!is_in(&kept, b"0123456789Xbcdefghij"), "{before}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_file_is_of_no_use() {
    is_of_no_use(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_dump_of_postgresql_is_of_no_use() {
    is_of_no_use(Kind::Postgres).await;
}
