//! The registry over a store in memory.

mod followed;
mod objects;
mod rules;

use mcp_gateway_policy::Effect;
use mcp_gateway_store::{CommitOutcome, ListedDocument, MemoryStore};
use serde_json::json;

use super::*;
use crate::spec::{KubernetesServer, Process, ServerRuntime};

/// Reader of entries with a name, an optional prefix and an optional program.
#[derive(Debug)]
struct Reader;

impl EntryReader for Reader {
    fn read(&self, entry: &Value) -> Result<ServerSpec, Vec<Violation>> {
        let name = entry["name"].as_str();
        let name = name.ok_or_else(|| vec![Violation::new("name", "missing")])?;
        let transport = match (entry["process"].as_str(), entry["kubernetes"].as_str()) {
            (Some(command), _) => ServerRuntime::Process(Process::new(command, [""; 0])),
            (None, Some(image)) => {
                ServerRuntime::Kubernetes(Arc::new(KubernetesServer::new(image)))
            }
            (None, None) => ServerRuntime::Builtin("demo".into()),
        };
        let mut server = ServerSpec::new(name, transport);
        if let Some(prefix) = entry["prefix"].as_str() {
            server.prefix = prefix.into();
        }
        Ok(server)
    }

    fn read_gateway(&self, entry: &Value) -> Result<GatewaySpec, Vec<Violation>> {
        let name = entry["name"].as_str();
        let name = name.ok_or_else(|| vec![Violation::new("name", "missing")])?;
        let mut gateway = GatewaySpec::new(name);
        let servers = entry["servers"].as_array().into_iter().flatten();
        gateway.servers = servers
            .filter_map(|name| Some(name.as_str()?.into()))
            .collect();
        gateway.has_all = entry["servers"].is_null();
        Ok(gateway)
    }

    fn read_rule(&self, entry: &Value) -> Result<Rule, Vec<Violation>> {
        let name = entry["name"].as_str();
        let name = name.ok_or_else(|| vec![Violation::new("name", "missing")])?;
        let tools = entry["tools"].as_array().into_iter().flatten();
        let effect = match entry["effect"].as_str() {
            Some("allow") => Effect::Allow,
            Some("deny") => Effect::Deny { reason: None },
            _ => return Err(vec![Violation::new("effect", "unknown")]),
        };
        let tools = tools.filter_map(Value::as_str);
        Ok(Rule::new(name, effect).with_tools(tools))
    }
}

fn registry(store: &Arc<MemoryStore>) -> Registry {
    let keyring = Keyring::new(&[7; 32]).unwrap();
    Registry::new(Arc::clone(store) as _, keyring, Arc::new(Reader))
}

fn key(name: &str) -> Arc<str> {
    format!("{SERVERS}{name}").into()
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
async fn pods_require_a_permission_and_a_cluster() {
    let store = Arc::new(MemoryStore::new());
    let entry = json!({ "name": "pods", "kubernetes": "image" });
    write(&store, "pods", entry.to_string()).await;
    write(&store, "unreadable", "{}").await;
    for (is_allowed, has_cluster, expected) in [
        (false, true, Some("registry: { kubernetes: true }")),
        (true, false, Some("there is no cluster")),
        (true, true, None),
    ] {
        let registry = registry(&store).with_cluster(has_cluster);
        registry.load().await.unwrap();
        let mut spec = spec();
        spec.registry.kubernetes = is_allowed;
        let merged = registry.merge(&spec);
        let violations = &merged.listing["pods"].violations;
        let message = violations.first().map(|it| &*it.message);
        assert_eq!(message.is_some(), expected.is_some(), "{violations:?}");
        assert!(
            message
                .unwrap_or_default()
                .contains(expected.unwrap_or_default())
        );
        assert_eq!(used(&merged).contains(&"pods"), expected.is_none());
        // What runs of a server whose entry cannot be read is not deleted.
        assert_eq!(merged.spec.unreadable, ["unreadable".into()]);
    }
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
    assert!(own.is_read_only() && own.stored.is_some());
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

fn gateways(merged: &Merged) -> Vec<(&str, &str)> {
    let gateways = merged.spec.gateways.iter().skip(1);
    gateways
        .map(|gateway| (&**gateway.id(), &*gateway.name))
        .collect()
}

#[tokio::test]
async fn gateways_of_the_store_join_those_of_the_spec() {
    let store = Arc::new(MemoryStore::new());
    for name in ["a", "b"] {
        write(&store, name, json!({ "name": name }).to_string()).await;
    }
    let registry = registry(&store);
    registry.load().await.unwrap();
    let put = async |id: &str, entry: Value, before: Option<&StoredGateway>| {
        registry
            .put_gateway(id, &entry, before, &Attachment::default())
            .await
            .unwrap()
    };
    let team = json!({ "name": "team", "servers": ["b", "missing"] });
    let written = put("1", team, None).await.unwrap();
    // Names are unique, also if two replicas write at once.
    assert!(put("2", json!({ "name": "team" }), None).await.is_none());
    let all = put("2", json!({ "name": "all" }), None).await.unwrap();
    for (id, entry, path) in [
        ("3", json!({ "name": "default" }), "name"),
        ("4", json!({ "servers": [] }), "name"),
        (
            "5",
            json!({ "name": "0190f5fe-7c00-7a00-8000-0242ac120002" }),
            "name",
        ),
    ] {
        put(id, entry, None).await.unwrap();
        let merged = registry.merge(&spec());
        assert_eq!(merged.gateways[id].violations[0].path, path, "{id}");
    }
    let merged = registry.merge(&spec());
    assert_eq!(gateways(&merged), [("1", "team"), ("2", "all")]);
    let servers = |at: usize| merged.spec.gateways[at].servers.join(" ");
    let expected = ("b missing".into(), "own a b".into());
    assert_eq!((servers(1), servers(2)), expected);

    // A new name leaves the identifier, and frees the old name.
    let renamed = put("1", json!({ "name": "crew" }), Some(&written))
        .await
        .unwrap();
    let taken = put("2", json!({ "name": "crew" }), Some(&all)).await;
    let late = put("1", json!({ "name": "late" }), Some(&written)).await;
    assert!(taken.is_none() && late.is_none());
    let merged = registry.merge(&spec());
    assert_eq!(gateways(&merged), [("1", "crew"), ("2", "all")]);
    let team = put("2", json!({ "name": "team" }), Some(&all)).await;
    assert!(team.is_some());
    let delete = async |gateway: &StoredGateway| {
        let audit = Attachment::default();
        registry.delete_gateway(gateway, &audit).await.unwrap()
    };
    assert!(!delete(&written).await && delete(&renamed).await);
    assert_eq!(gateways(&registry.merge(&spec())), [("2", "team")]);
    put("6", json!({ "name": "crew" }), None).await.unwrap();

    let mut own = spec();
    own.gateways.push(GatewaySpec::new("team"));
    let merged = registry.merge(&own);
    assert_eq!(gateways(&merged)[0], ("team", "team"));
    assert_eq!(merged.gateways["2"].violations[0].path, "name");
}

#[tokio::test]
async fn a_gateway_with_conflicting_prefixes_costs_itself_alone() {
    let store = Arc::new(MemoryStore::new());
    let registry = registry(&store);
    let mut spec = spec();
    let mut twin = ServerSpec::new("twin", ServerRuntime::Builtin("demo".into()));
    twin.prefix = "own".into();
    spec.servers.push(twin);
    for (id, servers) in [("1", vec!["own", "twin"]), ("2", vec!["twin"])] {
        let entry = json!({ "name": format!("g{id}"), "servers": servers });
        registry
            .put_gateway(id, &entry, None, &Attachment::default())
            .await
            .unwrap();
    }
    let merged = registry.merge(&spec);
    assert_eq!(gateways(&merged), [("2", "g2")]);
    assert_eq!(merged.gateways["1"].violations[0].path, "servers");
}

#[tokio::test]
async fn changes_of_gateways_are_followed() {
    let store = Arc::new(MemoryStore::new());
    let (first, second) = (registry(&store), registry(&store));
    second.load().await.unwrap();
    let mut events = second.watch();
    let entry = json!({ "name": "team", "servers": [] });
    let written = first
        .put_gateway("1", &entry, None, &Attachment::default())
        .await
        .unwrap()
        .unwrap();
    let follow = async |events: &mut (dyn Stream<Item = WatchEvent> + Send + Unpin),
                        expected: &[(&str, &str)]| {
        while gateways(&second.merge(&spec())) != expected {
            let event = futures_util::StreamExt::next(events).await.unwrap();
            second.follow(&event).await.unwrap();
        }
    };
    follow(&mut events, &[("1", "team")]).await;
    assert!(
        first
            .delete_gateway(&written, &Attachment::default())
            .await
            .unwrap()
    );
    follow(&mut events, &[]).await;
}
