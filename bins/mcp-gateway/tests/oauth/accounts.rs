//! Servers that are called with the accounts of callers.

use std::time::Duration;

use mcp_gateway_tests::environment::Environment;
use mcp_gateway_tests::guide::root;
use mcp_gateway_tests::process::Process;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::browser::Page;
use crate::harness::{Endpoint, Harness, ISSUER, Kind, SOON};
use crate::person::{Person, people};
use crate::provider::Provider;

/// Tool that tells whose account is used.
pub(crate) const TOOL: &str = "notes__whoami";

/// Follows the link of a failed call of `person`, who logs in at the provider.
pub(crate) async fn connect(person: &mut Person, endpoint: &Endpoint) -> Page {
    let page = person.follow_link(endpoint, TOOL).await;
    log_in(person, endpoint, &page).await
}

/// Logs `person` in at the provider to which `page` leads.
pub(crate) async fn log_in(person: &mut Person, endpoint: &Endpoint, page: &Page) -> Page {
    let authorize = format!("{}&login={}", page.next().unwrap(), person.name);
    let response = person.browser.get(&authorize).await.next().unwrap();
    let callback = response.replace(ISSUER, &endpoint.url);
    person.browser.get(&callback).await
}

/// Returns a harness with the server at `url`.
pub(crate) async fn harness(kind: Kind, url: &str) -> Harness {
    let auth = json!({ "oauth": {} });
    let remote = json!({ "url": url, "auth": auth });
    let servers = json!([
        { "name": "demo", "builtin": "demo" },
        { "name": "notes", "remote": remote },
    ]);
    Harness::new(kind).await.with_servers(servers)
}

#[tokio::test(flavor = "multi_thread")]
async fn o38_each_caller_uses_the_own_account() {
    let provider = Provider::start().await;
    let harness = harness(Kind::Sqlite, provider.url().as_str()).await;
    let replica = harness.start().await;
    let endpoint = replica.endpoint();
    let mut people = people(&harness, &replica).await;
    for person in &mut people {
        let before = person.tools(&endpoint).await;
        assert!(before.contains(&"demo__echo".to_owned()), "{before:?}");
        assert!(!before.contains(&"notes__whoami".to_owned()), "{before:?}");
        assert!(before.contains(&"notes__connect".to_owned()), "{before:?}");
        let changed = person.subscribe(&endpoint).await;
        let page = connect(person, &endpoint).await;
        assert_eq!(page.title(), "Your account is connected", "{}", page.body);
        // The lists of the client fill by themselves.
        changed.await;
        let after = person.tools(&endpoint).await;
        assert!(after.contains(&"notes__whoami".to_owned()), "{after:?}");
        assert!(!after.contains(&"notes__connect".to_owned()), "{after:?}");
    }
    for person in &people {
        let result = person.call(&endpoint, TOOL).await;
        assert_eq!(result["content"][0]["text"], person.name, "{result}");
    }
    // The server rejects all tokens: each account is refreshed once.
    provider.expire();
    for _ in 0..2 {
        for person in &people {
            let result = person.call(&endpoint, TOOL).await;
            assert_eq!(result["content"][0]["text"], person.name, "{result}");
        }
    }
    assert_eq!(provider.refreshes().len(), 2);
    assert_eq!(provider.registrations().len(), 1);

    let [admin, zoe] = &mut people;
    let list = format!("{}/connect", endpoint.url);
    let csrf = zoe.browser.get(&list).await.field("csrf");
    let form = [("csrf", &*csrf)];
    let disconnect = format!("{list}/notes/disconnect");
    zoe.browser.post(&disconnect, &form).await;
    let result = zoe.call(&endpoint, TOOL).await;
    assert_eq!(result["isError"], true, "{result}");
    assert_eq!(
        admin.call(&endpoint, TOOL).await["content"][0]["text"],
        "admin"
    );
    assert_eq!(provider.revoked(1).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_says_what_is_missing() {
    let provider = Provider::start().await;
    let remote = json!({ "url": provider.url().as_str(), "auth": { "oauth": {} } });
    let servers = json!([{ "name": "notes", "remote": remote }]);
    let harness = Harness::new(Kind::Sqlite).await.with_servers(servers);
    let replica = harness.start().await;
    let endpoint = replica.endpoint();
    let password = replica.password.clone().unwrap();
    let mut admin = Person::new(&endpoint, "admin", &password).await;
    // A client finds a tool although no server has an account.
    assert_eq!(admin.tools(&endpoint).await, ["notes__connect"]);

    let token = admin.token.clone();
    let at_gateway = ["--url", &endpoint.url, "--token", &token];
    let run = async |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-gateway"));
        let output = command.args(args).output().await.unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    };
    let (is_complete, said) = run(&[&["tools"], &at_gateway[..]].concat()).await;
    assert!(
        !is_complete && said.contains("no account is connected"),
        "{said}"
    );
    assert!(
        said.contains("call notes__connect") && !said.contains('{'),
        "{said}"
    );
    for tool in ["notes__connect", "notes__whoami"] {
        let (is_called, said) = run(&[&["call", tool], &at_gateway[..]].concat()).await;
        assert!(!is_called && said.contains("/connect/notes?for="), "{said}");
        assert!(!said.contains('{'), "{said}");
    }
    for args in [&["tools"][..], &["call", "notes__whoami"]] {
        let output = harness.command(args).output().await.unwrap();
        assert!(!output.status.success());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.contains("an account of each user") && !said.contains('{'),
            "{said}"
        );
    }
    connect(&mut admin, &endpoint).await;
    assert_eq!(admin.tools(&endpoint).await, ["notes__whoami"]);
    let (is_complete, said) = run(&[&["tools"], &at_gateway[..]].concat()).await;
    assert!(is_complete && said.contains("whoami"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_outlive_the_process_and_are_shared_by_replicas() {
    let provider = Provider::start().await;
    let harness = harness(Kind::Postgres, provider.url().as_str()).await;
    let first = harness.start().await;
    let mut people = people(&harness, &first).await;
    for person in &mut people {
        connect(person, &first.endpoint()).await;
    }
    let second = harness.start().await;
    provider.expire();
    for replica in [&first, &second] {
        for person in &people {
            let result = person.call(&replica.endpoint(), TOOL).await;
            assert_eq!(result["content"][0]["text"], person.name, "{result}");
        }
    }
    assert_eq!(provider.refreshes().len(), 2);
    first.kill().await;
    sleep(Duration::from_millis(100)).await;
    for person in &people {
        let result = person.call(&second.endpoint(), TOOL).await;
        assert_eq!(result["content"][0]["text"], person.name, "{result}");
    }
}

/// Starts the FastMCP server, and returns its URL.
async fn fast_mcp(environment: &Environment) -> (Process, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut command = environment.python(&environment.fastmcp, "python");
    command.arg(root().join("tests/clients/login/notes.py"));
    command.arg(address.port().to_string());
    let process = Process::start(command).unwrap();
    let listening = async {
        while TcpStream::connect(address).await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(SOON, listening).await.unwrap();
    (process, format!("http://{address}/mcp"))
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_at_fastmcp_are_connected_and_refreshed() {
    let environment = Environment::installed().await.unwrap();
    let (_server, url) = fast_mcp(&environment).await;
    let harness = harness(Kind::Sqlite, &url).await;
    let replica = harness.start().await;
    let endpoint = replica.endpoint();
    let mut people = people(&harness, &replica).await;
    let mut tokens = Vec::new();
    for person in &mut people {
        let page = connect(person, &endpoint).await;
        assert_eq!(page.title(), "Your account is connected", "{}", page.body);
        let result = person.call(&endpoint, TOOL).await;
        tokens.push(result["content"][0]["text"].clone());
    }
    assert_ne!(tokens[0], tokens[1]);
    // The access tokens expire twice.
    for _ in 0..2 {
        sleep(Duration::from_secs(5)).await;
        for (person, before) in people.iter().zip(&mut tokens) {
            let result = person.call(&endpoint, TOOL).await;
            let token = result["content"][0]["text"].clone();
            assert_ne!(result["isError"], true, "{result}");
            assert_ne!(token, *before, "{result}");
            *before = token;
        }
    }
}
