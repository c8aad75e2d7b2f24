//! Logging in from a terminal, with a browser that does the clicks.

use mcp_gateway_tests::process::Process;
use tokio::process::Command;
use url::Url;

use crate::accounts::Company;
use crate::browser::{Browser, Page};
use crate::harness::{PROGRAM, SOON, run};

/// Somebody who logs in from a terminal.
pub(crate) struct Terminal {
    process: Process,
    /// URL that the browser must open.
    address: Url,
}

impl Terminal {
    async fn open(company: &Company, args: &[&str]) -> Self {
        Self::open_at(&company.gateway.url, args).await
    }

    /// Logs in to the server at `url`.
    pub(crate) async fn open_at(url: &str, args: &[&str]) -> Self {
        let mut command = Command::new("sh");
        // Messages for users are on the standard error.
        let script = format!("exec '{PROGRAM}' login \"$@\" --no-browser 2>&1");
        command.args(["-c", &script, "login", url]);
        command.args(args);
        let mut process = Process::start(command).unwrap();
        let address = loop {
            let line = process.line(SOON).await.unwrap();
            if let Ok(address) = Url::parse(line.trim())
                && line.starts_with("  ")
            {
                break address;
            }
        };
        Self { process, address }
    }

    /// Output after the browser has been opened.
    pub(crate) async fn end(mut self) -> (bool, String) {
        let success = self.process.finish(SOON).await.unwrap().success();
        (success, self.process.rest().join("\n"))
    }

    fn parameter(&self, name: &str) -> String {
        let mut pairs = self.address.query_pairs();
        pairs.find(|(key, _)| key == name).unwrap().1.into_owned()
    }
}

/// Logs in, and decides; returns where the browser is sent then.
pub(crate) async fn decide(
    terminal: &Terminal,
    name: &str,
    password: &str,
    decision: &str,
) -> String {
    let mut browser = Browser::new();
    let page = browser.visit(terminal.address.as_str()).await;
    let form = [
        ("csrf", &*page.field("csrf")),
        ("return_to", &page.field("return_to")),
        ("name", name),
        ("password", password),
    ];
    let page = browser.post(page.url.as_str(), &form).await;
    let page: Page = browser.visit(&page.next().unwrap()).await;
    assert!(page.body.contains("mcp-gateway login"), "{}", page.body);
    let form = [("request", &*page.field("request")), ("decision", decision)];
    let consent = page.url.join("/api/auth/oauth2/consent").unwrap();
    let page = browser.post(consent.as_str(), &form).await;
    page.next().unwrap()
}

#[tokio::test]
async fn whoever_logs_in_is_told_who_they_are_and_gets_a_token() {
    let company = Company::start().await;
    let password = company.get("user password admin").await;
    let terminal = Terminal::open(&company, &[]).await;
    let back = decide(&terminal, "admin", &password, "allow").await;
    // Somebody else's page tries first.
    let uri = terminal.parameter("redirect_uri");
    let stranger = Browser::new()
        .get(&format!("{uri}?code=evil&state=evil"))
        .await;
    assert_eq!(stranger.status, 400);
    let page = Browser::new().get(&back).await;
    assert!(
        page.body.contains("You can close this window"),
        "{}",
        page.body
    );
    let (success, said) = terminal.end().await;
    assert!(success, "{said}");
    for expected in [
        "user        admin (usr_",
        "roles       admin",
        "scope       mcp",
        "valid for 60 minutes, refreshable",
        "tools       5",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }

    let terminal = Terminal::open(&company, &["--print-token"]).await;
    let back = decide(&terminal, "admin", &password, "allow").await;
    Browser::new().get(&back).await;
    let (success, said) = terminal.end().await;
    assert!(success, "{said}");
    let token = said.lines().last().unwrap();
    assert_eq!(company.status(token).await, 200);
}

#[tokio::test]
async fn a_refusal_and_a_stranger_are_told_apart() {
    let company = Company::start().await;
    let password = company.get("user password admin").await;
    let terminal = Terminal::open(&company, &[]).await;
    let back = decide(&terminal, "admin", &password, "deny").await;
    Browser::new().get(&back).await;
    let (success, said) = terminal.end().await;
    assert!(
        !success && said.contains("authorization denied: access_denied"),
        "{said}"
    );

    for (iss, expected) in [
        (
            "&iss=https://evil.example",
            "is from \"https://evil.example\" instead of",
        ),
        ("", "the authorization response has no `iss`, although"),
    ] {
        let terminal = Terminal::open(&company, &[]).await;
        let (uri, state) = (
            terminal.parameter("redirect_uri"),
            terminal.parameter("state"),
        );
        Browser::new()
            .get(&format!("{uri}?code=evil&state={state}{iss}"))
            .await;
        let (success, said) = terminal.end().await;
        assert!(!success && said.contains(expected), "{said}");
    }
}

#[tokio::test]
async fn a_login_that_cannot_work_says_what_to_do() {
    let closed =
        Company::with("auth: { oauth: { registration: off, clientMetadataDocuments: always } }\n")
            .await;
    let tokens =
        Company::with("auth: { tokens: [{ name: a, token: { env: MCP_GATEWAY_TOKEN } }] }\n").await;
    let open = Company::with("auth: { anonymous: true }\n").await;
    for (url, code, expected) in [
        (&*closed.gateway.url, 1, "--client-id"),
        (
            &tokens.gateway.url,
            1,
            "requires a token, but has no protected resource metadata at",
        ),
        (&tokens.gateway.url, 1, "without `auth.oauth` has no login"),
        (&open.gateway.url, 0, "requires no token"),
        (
            "http://127.0.0.1:1",
            1,
            "Is the gateway running at this URL?",
        ),
        ("http://mcp.example.com", 1, "is not https"),
        (
            "ftp://mcp.example.com",
            1,
            "must begin with http:// or https://",
        ),
    ] {
        let done = run(&["login", url, "--no-browser"]).await;
        assert_eq!(done.code, Some(code), "{url}: {done:?}");
        let said = format!("{}{}", done.stdout, done.stderr);
        assert!(said.contains(expected), "{url}: {said}");
    }
}
