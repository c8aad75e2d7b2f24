//! Administration from the command line, while the gateway runs.

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::harness::{Done, Folder, Gateway, eventually, run, run_with_input};

/// A gateway with a store of its own.
pub(crate) struct Company {
    folder: Folder,
    config: String,
    pub(crate) gateway: Gateway,
}

impl Company {
    pub(crate) async fn start() -> Self {
        Self::with("").await
    }

    /// A gateway with more keys in its configuration.
    pub(crate) async fn with(more: &str) -> Self {
        let folder = Folder::new();
        let config = folder.write("gateway.yaml", &Self::configuration(&folder, more));
        let gateway = Gateway::serve_with(&config, &[("MCP_GATEWAY_TOKEN", "nobody's")]).await;
        Self {
            folder,
            config,
            gateway,
        }
    }

    fn configuration(folder: &Folder, more: &str) -> String {
        let store = folder.path("state/gateway.db");
        format!(
            "store: {{ sqlite: {store} }}\n\
             servers: [{{ name: demo, builtin: demo }}]\n{}",
            match more {
                "" => "auth: { oauth: { clientMetadataDocuments: always } }\n",
                more => more,
            }
        )
    }

    /// Writes another configuration, which the gateway follows.
    pub(crate) fn change(&self, more: &str) {
        let config = Self::configuration(&self.folder, more);
        self.folder.write("gateway.yaml", &config);
    }

    /// Path of a file of the gateway.
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path(name)
    }

    /// Outcome of a command.
    pub(crate) async fn run(&self, line: &str) -> Done {
        let args: Vec<_> = line.split(' ').chain(["--config", &self.config]).collect();
        run(&args).await
    }

    /// The last line that a command writes which has to succeed.
    pub(crate) async fn get(&self, line: &str) -> String {
        let done = self.run(line).await;
        assert_eq!(done.code, Some(0), "{line}: {done:?}");
        let last = done.stdout.lines().last().unwrap_or_default();
        last.to_owned()
    }

    pub(crate) async fn json(&self, line: &str) -> Value {
        let done = self.run(line).await;
        assert_eq!(done.code, Some(0), "{line}: {done:?}");
        serde_json::from_str(&done.stdout).unwrap()
    }

    /// Returns the response of the gateway to a request with `token`.
    pub(crate) async fn status(&self, token: &str) -> u16 {
        let wire = self.gateway.wire_with(Some(token));
        let reply = wire.request("tools/list", json!({})).await.unwrap();
        reply.status.as_u16()
    }

    /// Waits until the gateway answers so.
    pub(crate) async fn until(&self, token: &str, status: u16) {
        eventually(async || self.status(token).await == status).await;
    }
}

#[tokio::test]
async fn tokens_are_made_used_rotated_and_revoked() {
    let company = Company::start().await;
    let token = company.get("token create ci --expires 30d").await;
    assert_eq!(company.status(&token).await, 200);

    let listed = company.json("token list --json").await;
    assert_eq!(listed[0]["name"], "ci");
    assert!(listed[0]["lastUsed"].is_u64(), "{listed}");
    let created = listed[0]["created"].as_u64().unwrap();
    // One is computed a moment before the other.
    let lifetime = listed[0]["expires"].as_u64().unwrap() - created;
    assert!(
        (30 * 86_400 - 20..=30 * 86_400).contains(&lifetime),
        "{listed}"
    );
    let shown = company.run("token list").await.stdout;
    let days = ["in 29 days", "in 30 days"];
    let is_due = |days| shown.contains(&format!("everyone  {days}"));
    assert!(days.into_iter().any(is_due), "{shown}");
    assert!(!shown.contains(&token), "{shown}");

    let id = listed[0]["id"].as_str().unwrap();
    let next = company.get(&format!("token rotate {id}")).await;
    assert_eq!(company.status(&next).await, 200);
    company.until(&token, 401).await;

    let listed = company.json("token list --json").await;
    let id = listed[0]["id"].as_str().unwrap();
    company.get(&format!("token revoke {id}")).await;
    company.until(&next, 401).await;
    let done = company.run(&format!("token revoke {id}")).await;
    assert!(done.stderr.contains("token list"), "{done:?}");
    assert_eq!(done.code, Some(1));
}

#[tokio::test]
async fn a_token_is_no_better_than_its_owner() {
    let company = Company::with(
        "auth: { oauth: { clientMetadataDocuments: always } }\ngateways: [{ name: ops, teams: [ops] }, { name: all }]\n",
    )
    .await;
    company.get("user create ada").await;
    company.get("user create bob").await;
    let token = company.get("token create laptop --user bob").await;
    let machine = company.get("token create pager --team ops").await;
    assert_eq!(company.status(&token).await, 404, "the gateway of a team");
    assert_eq!(company.status(&machine).await, 200);

    company.get("user team bob ops").await;
    let second = company.get("token create desk --user bob").await;
    assert_eq!(company.status(&second).await, 200);
    company.get("user disable bob").await;
    company.until(&second, 401).await;
    company.get("user enable bob").await;
    let listed = company.json("token list --json").await;
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(company.status(&second).await, 401, "revoked for good");
    let third = company.get("token create chair --user bob").await;
    company.until(&third, 200).await;
    company.get("user delete bob").await;
    let listed = company.json("token list --json").await;
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    company.until(&third, 401).await;
    assert_eq!(company.status(&machine).await, 200);
}

#[tokio::test]
async fn people_are_made_and_changed() {
    let company = Company::start().await;
    let users = company.json("user list --json").await;
    assert_eq!(users[0]["name"], "admin", "the first account of a gateway");
    let password = company.get("user create Zoe --team a --team b").await;
    assert!(password.len() > 40, "{password}");
    let zoe = |users: Value| {
        let mut users = users.as_array().unwrap().clone();
        users.retain(|user| user["name"] == "zoe");
        users.remove(0)
    };
    let known = zoe(company.json("user list --json").await);
    assert_eq!(
        (&known["role"], &known["teams"]),
        (&json!("member"), &json!(["a", "b"]))
    );
    assert!(!known.to_string().contains("argon2"), "{known}");

    company.get("user role zoe admin").await;
    company.get("user team zoe").await;
    let known = zoe(company.json("user list --json").await);
    assert_eq!(
        (&known["role"], &known["teams"]),
        (&json!("admin"), &json!([]))
    );

    let config = ["--config", &company.config];
    let args = [&["user", "password", "zoe", "--password"][..], &config].concat();
    let done = run_with_input(&args, "a password of mine\n").await;
    assert_eq!((done.code, &*done.stdout), (Some(0), ""), "{done:?}");
    let mut browser = Browser::new();
    let login = format!("{}/api/auth/account", company.gateway.url);
    let page = browser.visit(&login).await;
    let form = [
        ("csrf", &*page.field("csrf")),
        ("return_to", &page.field("return_to")),
        ("name", "zoe"),
        ("password", "a password of mine"),
    ];
    let page = browser.post(page.url.as_str(), &form).await;
    let page = browser.visit(&page.next().unwrap()).await;
    assert!(page.body.contains("zoe"), "{}", page.body);

    for (line, expected) in [
        ("user create ZOE", "account name already exists"),
        (
            "user create a/b",
            "invalid account name; expected up to 128 ASCII letters",
        ),
        ("user disable nobody", "unknown user \"nobody\""),
        ("token create x --user nobody", "unknown user \"nobody\""),
        (
            "user role zoe boss",
            "unknown role; expected admin or member",
        ),
    ] {
        let done = company.run(line).await;
        assert_ne!(done.code, Some(0), "{line}");
        assert!(done.stderr.contains(expected), "{line}: {done:?}");
    }
}

#[tokio::test]
async fn the_operator_decides_who_is_an_admin() {
    let folder = Folder::new();
    let store = folder.path("gateway.db");
    let config = format!("store: {{ sqlite: {store} }}\nauth: {{ oauth: {{}} }}\n");
    let config = folder.write("gateway.yaml", &config);
    let command = async |line: &str| {
        let args: Vec<_> = line.split(' ').chain(["--config", &config]).collect();
        run(&args).await
    };
    let created = command("user create ada").await;
    assert!(
        created.stderr.contains("No user is an admin"),
        "{created:?}"
    );
    let created = command("user create bob --admin").await;
    assert_eq!((created.code, &*created.stderr), (Some(0), ""));
    for line in [
        "user role bob member",
        "user disable bob",
        "user delete bob",
    ] {
        let done = command(line).await;
        assert_eq!(done.code, Some(1), "{line}: {done:?}");
        let advice = "the user is the last admin; make another user an admin first";
        assert!(done.stderr.contains(advice), "{line}: {done:?}");
    }
    for line in ["user role ada admin", "user delete bob"] {
        assert_eq!(command(line).await.code, Some(0), "{line}");
    }
}

#[tokio::test]
async fn clients_are_made_used_and_revoked() {
    let company = Company::start().await;
    let made = company.json("client create ci --secret --json").await;
    let secret = made["client_secret"].as_str().unwrap();
    let endpoint = format!("{}/api/auth/oauth2/token", company.gateway.url);
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "ci"),
        ("client_secret", secret),
    ];
    let granted = Browser::new().post(&endpoint, &form).await;
    let granted: Value = serde_json::from_str(&granted.body).unwrap();
    let token = granted["access_token"].as_str().unwrap();
    assert_eq!(company.status(token).await, 200);

    let desk = "client create --name Desk --redirect-uri http://127.0.0.1/callback";
    company.get(desk).await;
    let clients = company.json("client list --json").await;
    assert_eq!(clients.as_array().unwrap().len(), 2);
    assert!(!clients.to_string().contains(secret), "{clients}");

    company.get("client revoke ci").await;
    company.until(token, 401).await;
    for (line, expected) in [
        ("client revoke ci", "unknown client \"ci\""),
        ("client create x", "requires --secret"),
        (
            "client create x --grant authorization_code",
            "requires --redirect-uri",
        ),
        (
            "client create x --redirect-uri javascript:alert(1)",
            "must be https",
        ),
        (
            "client create https://a --secret",
            "expected at most 128 letters",
        ),
    ] {
        let done = company.run(line).await;
        assert_ne!(done.code, Some(0), "{line}");
        assert!(done.stderr.contains(expected), "{line}: {done:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_administered_says_why() {
    let folder = Folder::new();
    for (text, expected) in [
        ("store: memory", "which other processes cannot access"),
        (
            "auth: { anonymous: true }",
            "the configuration has no auth.oauth",
        ),
        ("auth: { oath: {} }", "did you mean \"oauth\"?"),
    ] {
        let config = folder.write("gateway.yaml", text);
        let done = run(&["token", "list", "--config", &config]).await;
        assert_eq!(done.code, Some(1), "{text}");
        assert!(done.stderr.contains(expected), "{text}: {done:?}");
    }
}

#[tokio::test]
async fn a_database_alone_opens_nothing() {
    let company = Company::start().await;
    let token = company.get("token create ci").await;
    let password = company.get("user create zoe").await;
    let made = company.json("client create ci --secret --json").await;
    let secret = made["client_secret"].as_str().unwrap();
    let mut kept = Vec::new();
    for entry in std::fs::read_dir(company.folder.path("state"))
        .unwrap()
        .flatten()
    {
        kept.extend(std::fs::read(entry.path()).unwrap());
    }
    assert!(kept.len() > 4096);
    let (_, random) = token.split_once('.').unwrap();
    for secret in [random, &password, secret] {
        let found = kept
            .windows(secret.len())
            .any(|window| window == secret.as_bytes());
        assert!(!found, "{secret}");
    }
}
