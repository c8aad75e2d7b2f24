//! The official conformance suite for OAuth clients: the gateway is the client of its servers.
//!
//! A person calls the tool of the server of each scenario through a gateway process, and follows the
//! links of the results with a browser.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use mcp_gateway_tests::conformance::{
    Reason, Report, Revision, Scenario, ScenarioServer, Standing, Status, Suite, Verdict,
};
use mcp_gateway_tests::environment::Environment;
use mcp_gateway_tests::guide::root;
use serde_json::{Value, json};

use crate::enterprise;
use crate::harness::{Endpoint, Harness, ISSUER, Kind};
use crate::person::Person;

/// Tool of the servers of the suite.
const TOOL: &str = "suite__test-tool";

/// Number of links that a person follows before giving up: more than any scenario allows.
const MAX_LINKS: usize = 5;

/// Document of the client that the scenario for such documents expects.
const CLIENT_DOCUMENT: &str = "https://conformance-test.local/client-metadata.json";

/// Calls the tool of the server of a scenario. Returns `true` if it was called in the end.
async fn act(scenario: ScenarioServer) -> bool {
    if scenario.name == "auth/enterprise-managed-authorization" {
        return enterprise::act(&scenario, TOOL).await;
    }
    let auth = authentication(&scenario);
    let remote = json!({ "url": scenario.url, "auth": auth });
    let servers = json!([{ "name": "suite", "remote": remote }]);
    let context = &scenario.context;
    let secret = context["client_secret"].as_str();
    let secret = secret.or_else(|| context["private_key_pem"].as_str());
    let secret = secret.or_else(|| context["valid_jwt"].as_str());
    let harness = Harness::new(Kind::Sqlite).await;
    let harness = harness
        .with_servers(servers)
        .with_secret(secret.unwrap_or_default());
    let replica = harness.start().await;
    let (endpoint, password) = (replica.endpoint(), replica.password.clone().unwrap());
    let mut person = Person::new(&endpoint, "admin", &password).await;
    for _ in 0..MAX_LINKS {
        let wire = endpoint.wire(&person.token);
        let listed = wire.request("tools/list", json!({})).await.unwrap();
        assert_eq!(listed.status, 200);
        let result = person.call(&endpoint, TOOL).await;
        match result["_meta"]["mcp-gateway/problem"]["url"].as_str() {
            Some(link) => {
                // Whoever is shown an error gives up.
                if !follow(&endpoint, &mut person, link).await {
                    return false;
                }
            }
            None => return result["content"].is_array() && result["isError"] != true,
        }
    }
    false
}

/// Returns the `auth` of the server of a scenario, with the client that it has registered.
///
/// The secret of the client is in the environment.
fn authentication(scenario: &ScenarioServer) -> Value {
    let secret = json!({ "env": "SCENARIO_SECRET" });
    let id = &scenario.context["client_id"];
    match &*scenario.name {
        "auth/basic-cimd" => json!({ "oauth": { "clientId": CLIENT_DOCUMENT } }),
        "auth/client-credentials-basic" => {
            json!({ "clientCredentials": { "clientId": id, "clientSecret": secret } })
        }
        "auth/client-credentials-jwt" => {
            json!({ "clientCredentials": { "clientId": id, "privateKey": secret } })
        }
        "auth/pre-registration" => json!({ "oauth": { "clientId": id, "clientSecret": secret } }),
        "auth/wif-jwt-bearer" => json!({
            "clientCredentials": { "clientId": id, "assertion": secret, "grant": "jwt-bearer" },
        }),
        _ => json!({ "oauth": {} }),
    }
}

/// Follows the link of a failed call, to the end wherever that is. Returns `true` unless that is an
/// error.
async fn follow(endpoint: &Endpoint, person: &mut Person, link: &str) -> bool {
    let mut url = link.to_owned();
    loop {
        // The address that the gateway is known by leads nowhere here.
        let target = match url.strip_prefix(ISSUER) {
            Some(path) if path.starts_with('/') => format!("{}{path}", endpoint.url),
            _ => url,
        };
        let page = person.browser.get(&target).await;
        match page.next() {
            Some(next) => url = next,
            None => return page.status.is_success(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_is_a_conforming_oauth_client() {
    let suite = Suite::new(Environment::installed().await.unwrap());
    let (legacy, modern) = (Revision::V2025_11_25, Revision::V2026_07_28);
    let (modern, legacy, old) = tokio::join!(
        suite.clients(modern, act),
        suite.clients(legacy, act),
        suite.clients_of_old_servers(act),
    );
    let reports = [modern.unwrap(), legacy.unwrap(), old.unwrap()];
    for report in &reports {
        println!("{report}");
    }
    check_document(&reports);
    for report in &reports {
        assert!(report.failures().is_empty(), "{report}");
    }
    for scenario in reports.iter().flat_map(Report::not_scored) {
        assert_eq!(scenario.verdict(), Verdict::Passed, "{scenario}");
    }
}

/// Checks that the documentation has the table of `reports`, or writes it there when asked to.
fn check_document(reports: &[Report; 3]) {
    let page = root().join("docs/conformance-auth.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let (before, committed) = text.split_once(TABLE).unwrap();
    let table = table(reports);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&page, format!("{before}{TABLE}{table}")).unwrap();
    } else {
        let hint = "docs/conformance-auth.md is not current: run this test with UPDATE_DOCS=1";
        assert_eq!(committed, table, "{hint}");
    }
}

/// Returns the rows of all scenarios, in the order of the first report that has them.
fn table([modern, legacy, old]: &[Report; 3]) -> String {
    let all = [modern, legacy, old].map(|report| report.scenarios.iter());
    let mut known = BTreeSet::new();
    let rows = all
        .into_iter()
        .flatten()
        .filter(|it| known.insert(&it.name));
    let mut text = String::new();
    for scenario in rows {
        let found = |report: &Report| {
            let mut scenarios = report.scenarios.iter();
            let found = scenarios.find(|other| other.name == scenario.name);
            found.map_or_else(|| "".to_owned(), result)
        };
        let kind = match scenario.standing {
            Standing::NotScored(Reason::Extension) => "extension",
            Standing::NotScored(Reason::OldRevision) => "2025-03-26",
            _ => "required",
        };
        let [modern, legacy, old] = [modern, legacy, old].map(found);
        let name = &scenario.name;
        let legacy = [legacy, old].concat();
        writeln!(text, "| `{name}` | {kind} | {modern} | {legacy} |").unwrap();
    }
    text
}

/// Returns the result of a scenario, with the checks that it did not pass.
fn result(scenario: &Scenario) -> String {
    let failed = scenario.checks.iter();
    let failed = failed.filter(|it| matches!(it.status, Status::Failure | Status::Warning));
    let failed: BTreeSet<_> = failed.map(|check| format!("`{}`", check.id)).collect();
    let failed: Vec<_> = failed.into_iter().collect();
    match scenario.verdict() {
        Verdict::Passed if failed.is_empty() => "passed".to_owned(),
        Verdict::Passed => format!("passed; not recommended: {}", failed.join(", ")),
        _ => format!("failed: {}", failed.join(", ")),
    }
}

/// Header of the table.
const TABLE: &str = "| scenario | | 2026-07-28 | 2025-11-25 |\n|---|---|---|---|\n";
