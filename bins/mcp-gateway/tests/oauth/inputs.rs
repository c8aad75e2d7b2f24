//! Servers that are called with values that people supply.

use std::process::Stdio;

use mcp_gateway_tests::guide::{examples, root};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::browser::Page;
use crate::github::{Era, GitHub};
use crate::harness::{Endpoint, Harness, Kind};
use crate::person::{Person, people};

/// Guide whose configuration is used.
const GUIDE: &str = "docs/guides/own-github-token.md";

/// Tool that tells whose token is used.
pub(crate) const TOOL: &str = "github__get_me";

/// Returns a harness with the servers of the guide, at the address of `github`.
pub(crate) async fn harness(kind: Kind, github: &GitHub) -> Harness {
    let mut examples = examples(GUIDE).unwrap().into_iter();
    let example = examples.find(|example| example.language == "yaml").unwrap();
    let (_, servers) = example.text.split_once("servers:\n").unwrap();
    let servers = servers.replace("https://api.githubcopilot.com/mcp/", &github.url);
    let demo = "  - { name: demo, builtin: demo }\n";
    let sections = format!("servers:\n{servers}\n{demo}");
    Harness::new(kind).await.with_sections(sections)
}

/// Supplies `token` on the page of the link of a failed call.
pub(crate) async fn supply(person: &mut Person, endpoint: &Endpoint, token: &str) -> Page {
    let page = person.follow_link(endpoint, TOOL).await;
    assert_eq!(page.title(), "Connect github", "{}", page.body);
    submit(person, endpoint, &page, ("github", "token", token)).await
}

/// Submits the form on `page` with the value of an input of a server.
pub(crate) async fn submit(
    person: &mut Person,
    endpoint: &Endpoint,
    page: &Page,
    (server, input, value): (&str, &str, &str),
) -> Page {
    submit_all(person, endpoint, page, (server, &[(input, value)])).await
}

/// Submits the form on `page` with the values of inputs of a server.
async fn submit_all(
    person: &mut Person,
    endpoint: &Endpoint,
    page: &Page,
    (server, values): (&str, &[(&str, &str)]),
) -> Page {
    let (csrf, recipient) = (page.field("csrf"), page.field("recipient"));
    let named = values
        .iter()
        .map(|(input, value)| (format!("input.{input}"), *value));
    let named: Vec<_> = named.collect();
    let mut form = vec![("csrf", &*csrf), ("recipient", &*recipient)];
    form.extend(named.iter().map(|(name, value)| (&**name, *value)));
    let url = format!("{}/connect/{server}/inputs", endpoint.url);
    person.browser.post(&url, &form).await
}

/// Asserts that each of `people` calls with the own token, in both eras.
async fn assert_own(people: &[Person], endpoint: &Endpoint) {
    for person in people {
        let result = person.call(endpoint, TOOL).await;
        assert_eq!(result["content"][0]["text"], person.name, "{result}");
        let result = person.call_in_session(endpoint, TOOL).await;
        assert_eq!(result["content"][0]["text"], person.name, "{result}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_person_calls_with_the_own_token() {
    for era in [Era::Modern, Era::Legacy] {
        let github = GitHub::start(era).await;
        let harness = harness(Kind::Sqlite, &github).await;
        let replica = harness.start().await;
        let endpoint = replica.endpoint();
        let mut people = people(&harness, &replica).await;
        for person in &mut people {
            let before = person.tools(&endpoint).await;
            assert!(before.contains(&"demo__echo".to_owned()), "{before:?}");
            assert!(!before.contains(&TOOL.to_owned()), "{before:?}");
            let changed = person.subscribe(&endpoint).await;
            let token = github.issue(person.name);
            let page = supply(person, &endpoint, &token).await;
            assert_eq!(page.title(), "Your account is connected", "{}", page.body);
            // The lists of the client fill by themselves.
            changed.await;
            let after = person.tools(&endpoint).await;
            assert!(after.contains(&TOOL.to_owned()), "{after:?}");
        }
        assert_own(&people, &endpoint).await;
        assert_eq!(github.strangers(), Vec::<String>::new());
        // A revoked token leads to the link, and to no other token.
        github.revoke();
        let [admin, _] = &mut people;
        let token = github.issue(admin.name);
        supply(admin, &endpoint, &token).await;
        let result = admin.call(&endpoint, TOOL).await;
        assert_eq!(result["content"][0]["text"], admin.name, "{result}");
        let result = people[1].call(&endpoint, TOOL).await;
        let problem = &result["_meta"]["mcp-gateway/problem"];
        assert_eq!(problem["reason"], "not_connected", "{result}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_the_server_rejects_is_not_stored() {
    let github = GitHub::start(Era::Legacy).await;
    let harness = harness(Kind::Sqlite, &github).await;
    let replica = harness.start().await;
    let endpoint = replica.endpoint();
    let [admin, _] = &mut people(&harness, &replica).await;
    let page = supply(admin, &endpoint, "github_pat_of_nobody").await;
    assert_eq!(page.status, 502, "{}", page.body);
    assert!(
        page.body.contains("does not accept it: status 401"),
        "{}",
        page.body
    );
    assert!(!page.body.contains("github_pat_of_nobody"), "{}", page.body);
    let result = admin.call(&endpoint, TOOL).await;
    assert_eq!(result["isError"], true, "{result}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_person_has_a_program_with_the_own_values() {
    let script = root().join("bins/mcp-gateway/tests/oauth/whoami.py");
    for era in ["modern", "legacy"] {
        let program = json!({
            "command": "python3",
            "args": [script, era, "--level=${input:level}", "--note=${input:note}"],
            "env": { "NAME": { "value": "${input:name}" } },
        });
        let optional = json!({ "name": "note", "secret": false, "required": false });
        let level = json!({ "name": "level", "secret": false, "default": "low" });
        let servers = json!([{
            "name": "who",
            "inputs": [{ "name": "name" }, level, optional],
            "process": program,
        }, { "name": "demo", "builtin": "demo" }]);
        let harness = Harness::new(Kind::Sqlite).await.with_servers(servers);
        let replica = harness.start().await;
        let endpoint = replica.endpoint();
        let mut people = people(&harness, &replica).await;
        // Values with which the program ends are not stored, and do not delay others.
        let page = people[0].follow_link(&endpoint, "who__whoami").await;
        let nobody = ("who", "name", "nobody");
        let page = submit(&mut people[0], &endpoint, &page, nobody).await;
        assert_eq!(page.status, 502, "{}", page.body);
        for person in &mut people {
            let page = person.follow_link(&endpoint, "who__whoami").await;
            let name = ("who", "name", person.name);
            let page = submit(person, &endpoint, &page, name).await;
            assert_eq!(page.title(), "Your account is connected", "{}", page.body);
        }
        for person in &people {
            let expected = format!("{}|--level=low", person.name);
            let result = person.call(&endpoint, "who__whoami").await;
            assert_eq!(result["content"][0]["text"], expected, "{result}");
            let result = person.call_in_session(&endpoint, "who__whoami").await;
            assert_eq!(result["content"][0]["text"], expected, "{result}");
        }
    }
}

/// Runs `mcp-gateway connection` with `args` as an administrator, and returns the output.
pub(crate) async fn connection(
    endpoint: &Endpoint,
    token: &str,
    args: &[&str],
    input: &str,
) -> String {
    let args: Vec<_> = ["connection"].iter().chain(args).copied().collect();
    administer(endpoint, token, &args, input).await
}

/// Runs `mcp-gateway` with `args` as an administrator, and returns the output.
async fn administer(endpoint: &Endpoint, token: &str, args: &[&str], input: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-gateway"));
    command
        .args(args)
        .args(["--url", &endpoint.url, "--token", token])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let mut stdin = process.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    let output = process.wait_with_output().await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_a_team_call_with_its_token_until_they_have_their_own() {
    let github = GitHub::start(Era::Modern).await;
    let harness = harness(Kind::Sqlite, &github).await;
    let replica = harness.start().await;
    let endpoint = replica.endpoint();
    let [admin, zoe] = people(&harness, &replica).await;
    let created = ["user", "create", "mia", "--team", "platform"];
    let created = harness.operate(&created).await;
    let password = created.rsplit(' ').next().unwrap();
    let mut mia = Person::new(&endpoint, "mia", password).await;
    let token = ["token", "create", "ci", "--user", "admin"];
    let token = harness.operate(&token).await;

    let of_team = format!("{}\n", github.issue("robot"));
    let set = ["set", "team/platform", "github", "--input", "token"];
    connection(&endpoint, &token, &set, &of_team).await;
    let result = mia.call(&endpoint, TOOL).await;
    assert_eq!(result["content"][0]["text"], "robot", "{result}");
    // Neither others nor the administrator who has connected it use it.
    for other in [&admin, &zoe] {
        let result = other.call(&endpoint, TOOL).await;
        assert_eq!(result["isError"], true, "{result}");
    }
    let page = format!("{}/connect/github", endpoint.url);
    let page = mia.browser.get(&page).await;
    let own = github.issue("mia");
    submit(&mut mia, &endpoint, &page, ("github", "token", &own)).await;
    let result = mia.call(&endpoint, TOOL).await;
    assert_eq!(result["content"][0]["text"], "mia", "{result}");

    let listed = connection(&endpoint, &token, &["list", "--json"], "").await;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
    assert!(!listed.to_string().contains("github_pat"), "{listed}");
    let remove = ["remove", "team/platform", "github"];
    connection(&endpoint, &token, &remove, "").await;
    let result = mia.call(&endpoint, TOOL).await;
    assert_eq!(result["content"][0]["text"], "mia", "{result}");
    assert_eq!(github.strangers(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_outlive_the_process_and_are_shared_by_replicas() {
    let github = GitHub::start(Era::Modern).await;
    let harness = harness(Kind::Postgres, &github).await;
    let first = harness.start().await;
    let mut people = people(&harness, &first).await;
    for person in &mut people {
        let token = github.issue(person.name);
        supply(person, &first.endpoint(), &token).await;
    }
    let second = harness.start().await;
    assert_own(&people, &second.endpoint()).await;
    first.kill().await;
    assert_own(&people, &second.endpoint()).await;
}

/// Returns a published file of the stand-in, whose address and header have values of people.
fn published(github: &GitHub) -> Value {
    let url = github.url.replace("/mcp/", "/{tenant}/mcp/");
    let tenant = json!({ "isRequired": true, "isSecret": true, "description": "Your tenant" });
    let header = json!({ "name": "Authorization", "value": "Bearer {token}", "isRequired": true });
    json!({
        "name": "com.example/github",
        "description": "Repositories",
        "version": "1.0.0",
        "remotes": [{
            "type": "streamable-http",
            "url": url,
            "variables": { "tenant": tenant },
            "headers": [header],
        }],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installed_entry_asks_each_person_for_its_secrets() {
    let github = GitHub::start(Era::Modern).await;
    let harness = Harness::new(Kind::Sqlite).await;
    let replica = harness.start().await;
    let endpoint = replica.endpoint();
    let mut people = people(&harness, &replica).await;
    let token = ["token", "create", "ci", "--user", "admin"];
    let token = harness.operate(&token).await;
    let file = published(&github).to_string();
    administer(&endpoint, &token, &["entry", "import", "-"], &file).await;
    let add = ["server", "add", "github", "--entry", "com.example/github"];
    let added = administer(&endpoint, &token, &add, "").await;
    assert_eq!(added, "supplied by each connection: tenant, token\n");

    for person in &mut people {
        let token = github.issue(person.name);
        for (tenant, status) in [("acme/mcp/?", 422), ("..", 422), ("other", 502)] {
            let page = person.follow_link(&endpoint, TOOL).await;
            assert_eq!(page.title(), "Connect github", "{}", page.body);
            assert!(page.body.contains("Your tenant"), "{}", page.body);
            let values: [(&str, &str); 2] = [("tenant", tenant), ("token", &token)];
            let page = submit_all(person, &endpoint, &page, ("github", &values)).await;
            assert_eq!(page.status, status, "{tenant} {}", page.body);
        }
        let page = person.follow_link(&endpoint, TOOL).await;
        let values: [(&str, &str); 2] = [("tenant", "acme"), ("token", &token)];
        let page = submit_all(person, &endpoint, &page, ("github", &values)).await;
        assert_eq!(page.title(), "Your account is connected", "{}", page.body);
    }
    assert_own(&people, &endpoint).await;
    assert_eq!(github.strangers(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_rejection_of_a_token_is_shown() {
    let github = GitHub::start(Era::Modern).await;
    let harness = harness(Kind::Sqlite, &github).await;
    let replica = harness.start().await;
    let endpoint = replica.endpoint();
    let [_, mut zoe] = people(&harness, &replica).await;
    let token = ["token", "create", "ci", "--user", "admin"];
    let token = harness.operate(&token).await;
    let errors = async || {
        let listed = connection(&endpoint, &token, &["list", "--json"], "").await;
        let listed: Value = serde_json::from_str(&listed).unwrap();
        listed[0]["error"].clone()
    };
    supply(&mut zoe, &endpoint, &github.issue("zoe")).await;
    assert_eq!(errors().await, Value::Null);
    github.revoke();
    let result = zoe.call(&endpoint, TOOL).await;
    assert_eq!(result["isError"], true, "{result}");
    let expected = "rejected by the server with status 401 (invalid_token)";
    assert_eq!(errors().await, expected);
    let table = connection(&endpoint, &token, &["list"], "").await;
    assert!(table.contains(expected), "{table}");
    let page = zoe.browser.get(&format!("{}/connect", endpoint.url)).await;
    assert!(page.body.contains(expected), "{}", page.body);
    supply(&mut zoe, &endpoint, &github.issue("zoe")).await;
    assert_eq!(errors().await, Value::Null);
}
