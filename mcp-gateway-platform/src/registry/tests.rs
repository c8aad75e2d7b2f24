//! The registry over a store in memory.

use mcp_gateway_store::MemoryStore;
use serde_json::json;

use super::*;
use crate::spec::{Process, ServerRuntime};

/// Reader of entries with a name, an optional prefix and an optional program.
#[derive(Debug)]
struct Reader;

impl EntryReader for Reader {
    fn read(&self, entry: &Value) -> Result<ServerSpec, Vec<Violation>> {
        let name = entry["name"].as_str();
        let name = name.ok_or_else(|| vec![Violation::new("name", "missing")])?;
        let transport = match entry["process"].as_str() {
            Some(command) => ServerRuntime::Process(Process::new(command, [""; 0])),
            None => ServerRuntime::Builtin("demo".into()),
        };
        let mut server = ServerSpec::new(name, transport);
        if let Some(prefix) = entry["prefix"].as_str() {
            server.prefix = prefix.into();
        }
        Ok(server)
    }
}

fn registry(store: &Arc<MemoryStore>) -> Registry {
    let keyring = Keyring::new(&[7; 32]).unwrap();
    Registry::new(Arc::clone(store) as _, keyring, Arc::new(Reader))
}

async fn write(store: &MemoryStore, name: &str, text: impl Into<String>) {
    let batch = Batch::new().put(key(name), text.into());
    assert_eq!(store.commit(batch).await.unwrap(), CommitOutcome::Committed);
}

fn spec() -> DynamicSpec {
    let mut spec = DynamicSpec::default();
    let runtime = ServerRuntime::Builtin("demo".into());
    spec.add_servers([ServerSpec::new("own", runtime)]);
    spec
}

fn used(merged: &Merged) -> Vec<&str> {
    let servers = merged.spec.gateways[0].servers.iter();
    servers.map(|name| &**name).collect()
}

#[tokio::test]
async fn r7_an_unusable_entry_costs_itself_alone() {
    let store = Arc::new(MemoryStore::new());
    for (name, entry) in [
        ("good", json!({ "name": "good" })),
        ("other", json!({ "name": "another" })),
        ("nameless", json!({})),
        ("program", json!({ "name": "program", "process": "sh" })),
        ("same", json!({ "name": "same", "prefix": "good" })),
        ("taken", json!({ "name": "taken", "prefix": "own" })),
        (
            "secret",
            json!({ "name": "secret", "key": { "secret": "never sealed" } }),
        ),
        ("own", json!({ "name": "own", "prefix": "mine" })),
    ] {
        write(&store, name, entry.to_string()).await;
    }
    write(&store, "text", "not JSON").await;
    let registry = registry(&store);
    registry.load().await.unwrap();
    let merged = registry.merge(&spec());
    assert_eq!(used(&merged), ["own", "good"]);
    let violations = |name: &str| {
        let listed = &merged.listing[name];
        listed.violations.first().map(|first| first.path.clone())
    };
    for (name, path) in [
        ("other", "name"),
        ("nameless", "name"),
        ("program", "process"),
        ("same", "prefix"),
        ("taken", "prefix"),
        ("secret", "key"),
        ("text", ""),
    ] {
        assert_eq!(violations(name).as_deref(), Some(path), "{name}");
    }
    assert_eq!(violations("good"), None);
    let own = &merged.listing["own"];
    assert!(own.is_configured && own.stored.is_some());
    let mut allowed = spec();
    allowed.registry.processes = true;
    assert_eq!(used(&registry.merge(&allowed)), ["own", "good", "program"]);
}

#[tokio::test]
async fn changes_are_followed_by_document() {
    let store = Arc::new(MemoryStore::new());
    let (registry, alone) = (registry(&store), Attachment::default());
    let written = registry
        .put("a", &json!({ "name": "a" }), None, &alone)
        .await
        .unwrap();
    let version = written.unwrap().version;
    assert_eq!(used(&registry.merge(&spec())), ["own", "a"]);
    assert!(
        registry
            .put("a", &json!({}), None, &alone)
            .await
            .unwrap()
            .is_none()
    );
    let entry = json!({ "name": "a", "prefix": "b" });
    let written = registry
        .put("a", &entry, Some(version), &alone)
        .await
        .unwrap();
    assert!(
        registry
            .put("a", &entry, Some(version), &alone)
            .await
            .unwrap()
            .is_none()
    );
    assert!(!registry.delete("a", version, &alone).await.unwrap());

    write(&store, "c", json!({ "name": "c" }).to_string()).await;
    let document = store.get(&key("c")).await.unwrap().unwrap();
    let listed = ListedDocument {
        key: key("c"),
        document,
    };
    registry.follow(&WatchEvent::Put(listed)).await.unwrap();
    assert_eq!(used(&registry.merge(&spec())), ["own", "a", "c"]);
    registry
        .follow(&WatchEvent::Deleted(key("c")))
        .await
        .unwrap();
    assert_eq!(used(&registry.merge(&spec())), ["own", "a"]);
    registry.follow(&WatchEvent::Reset).await.unwrap();
    assert_eq!(used(&registry.merge(&spec())), ["own", "a", "c"]);
    let version = written.unwrap().version;
    assert!(registry.delete("a", version, &alone).await.unwrap());
    assert_eq!(used(&registry.merge(&spec())), ["own", "c"]);
}
