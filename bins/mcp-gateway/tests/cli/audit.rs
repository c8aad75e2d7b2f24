//! The audit log of the program.

use mcp_gateway_store::{Batch, CommitOutcome, SqliteStore, Store};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::accounts::Company;
use crate::harness::eventually;

const AUDITED: &str =
    "audit: { retention: 90d }\nauth: { oauth: { clientMetadataDocuments: always } }\n";

/// Returns the records that `audit list` prints.
async fn records(company: &Company, filter: &str) -> Vec<Value> {
    let done = company.run(&format!("audit list --json{filter}")).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    let lines = done.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn calls_outlive_a_killed_gateway() {
    let mut company = Company::with(AUDITED).await;
    let token = company.get("token create ci").await;
    let wire = company.gateway.wire_with(Some(&token));
    for number in 0..20 {
        let arguments = json!({ "text": format!("s3cr3t {number}") });
        let answer = wire.call("demo__echo", arguments).await.unwrap().answer();
        assert!(answer["error"].is_null(), "{answer}");
    }
    company.gateway.signal(Signal::KILL);
    company.gateway.finish().await;

    let log = company.run("token list").await;
    assert_eq!(log.code, Some(0), "{log:?}");
    let calls = records(&company, " --action tools/call").await;
    assert_eq!(calls.len(), 20);
    let expected = json!({
        "gateway": "default", "server": "demo", "target": "echo", "outcome": "success",
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(calls[0][key], *value, "{}", calls[0]);
    }
    let all = records(&company, "").await;
    assert!(!format!("{all:?}").contains("s3cr3t"));
    assert!(!format!("{all:?}").contains(&token));
    let created = records(&company, " --action token.create").await;
    assert!(created[0]["object"].as_str().unwrap().starts_with("token/"));
    assert!(
        created[0]["actor"]["subject"]
            .as_str()
            .unwrap()
            .starts_with("uid:")
    );
    for (filter, count) in [
        (" --target echo", 20),
        (" --target echo --limit 7", 7),
        (" --target echo --until 1h", 0),
    ] {
        assert_eq!(records(&company, filter).await.len(), count, "{filter}");
    }
    let table = company
        .run("audit list --server demo --outcome success")
        .await;
    assert!(table.stdout.contains("demo tools/call echo"), "{table:?}");
    let verified = company.get("audit verify").await;
    assert!(verified.starts_with("intact; records: "), "{verified}");
}

#[tokio::test]
async fn a_modified_store_is_reported() {
    let company = Company::with(AUDITED).await;
    company.get("user create ada").await;
    company.get("user create bob").await;
    let store = SqliteStore::open(company.path("state/gateway.db"))
        .await
        .unwrap();
    let segments = store.list("audit/segment/", None, 10).await.unwrap();
    let victim = segments
        .iter()
        .find(|entry| String::from_utf8_lossy(&entry.document.value).contains("uid:"));
    let victim = victim.unwrap();
    let text = String::from_utf8_lossy(&victim.document.value);
    let header: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let modified = format!("segment {} was modified", header["number"]);
    let batch = Batch::new().put(victim.key.clone(), text.replace("uid:", "gid:"));
    assert_eq!(store.commit(batch).await.unwrap(), CommitOutcome::Committed);
    let done = company.run("audit verify").await;
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stdout.contains(&modified), "{done:?}");
    assert!(done.stdout.contains("1 fault; records: "), "{done:?}");
}

#[tokio::test]
async fn applied_configurations_are_recorded() {
    let company = Company::with(AUDITED).await;
    company.change(&format!("hosts: [mcp.example.com]\n{AUDITED}"));
    eventually(async || {
        let applied = records(&company, " --action spec.apply").await;
        applied.iter().any(|record| record["object"] == "platform")
    })
    .await;
}
