//! Servers and gateways of objects.

use super::*;
use crate::spec::{AssignedConnection, Assignment, Remote, RemoteAuth, RemoteOAuth};

fn server(name: &str) -> ServerSpec {
    ServerSpec::new(name, ServerRuntime::Builtin("demo".into()))
}

/// A gateway over the servers `names`.
fn gateway(name: &str, names: &[&str]) -> GatewaySpec {
    let mut gateway = GatewaySpec::new(name);
    gateway.servers = names.iter().map(|name| Arc::from(*name)).collect();
    gateway
}

fn all(name: &str) -> GatewaySpec {
    let mut gateway = GatewaySpec::new(name);
    gateway.has_all = true;
    gateway
}

fn found<'a>(merged: &'a Merged, name: &str) -> Option<&'a GatewaySpec> {
    let mut gateways = merged.spec.gateways.iter();
    gateways.find(|gateway| &*gateway.name == name)
}

fn servers(merged: &Merged, gateway: &str) -> String {
    found(merged, gateway).unwrap().servers.join(" ")
}

fn rejected_server<'a>(merged: &'a Merged, name: &str) -> Option<&'a str> {
    Some(&*merged.objects.servers.get(name)?.first()?.path)
}

fn rejected_gateway<'a>(merged: &'a Merged, name: &str) -> Option<&'a str> {
    let outcome = &merged.objects.gateways[name];
    Some(&*outcome.violations.first()?.path)
}

/// A store with the server `stored` and the gateways `crew` and `broken`.
async fn with_store() -> Registry {
    let store = Arc::new(MemoryStore::new());
    write(&store, "stored", json!({ "name": "stored" }).to_string()).await;
    let registry = registry(&store);
    registry.load().await.unwrap();
    for (id, entry) in [
        ("1", json!({ "name": "crew", "servers": ["stored"] })),
        ("2", json!({ "name": "broken", "servers": 3 })),
    ] {
        registry
            .put_gateway(id, &entry, None, &Attachment::default())
            .await
            .unwrap();
    }
    registry
}

#[tokio::test]
async fn category_cluster_objects_take_no_names() {
    let registry = with_store().await;
    let mut spec = spec();
    let mut twin = server("twin");
    twin.prefix = "own".into();
    let names = ["own", "stored", "notes", "notes"];
    spec.objects.servers = names.map(server).into_iter().chain([twin]).collect();
    let gateways = ["default", "crew", "1", "team"];
    spec.objects.gateways = gateways.map(|name| gateway(name, &["notes"])).into();
    let merged = registry.merge(&spec);
    assert_eq!(used(&merged), ["own", "stored", "notes"]);
    for (name, path) in [("own", "name"), ("stored", "name"), ("twin", "prefix")] {
        assert_eq!(rejected_server(&merged, name), Some(path), "{name}");
    }
    // The gateways of the store and of the spec have their servers.
    assert_eq!(servers(&merged, "crew"), "stored");
    for (name, path) in [
        ("default", Some("name")),
        ("crew", Some("name")),
        ("1", Some("name")),
        ("team", None),
    ] {
        assert_eq!(rejected_gateway(&merged, name), path, "{name}");
    }
    assert_eq!(servers(&merged, "team"), "notes");
    // What runs of an object that only conflicts is not deleted.
    assert_eq!(merged.spec.unreadable, ["twin".into()]);
}

#[tokio::test]
async fn category_cluster_objects_gateways_have_no_servers_of_others() {
    let registry = with_store().await;
    let mut spec = spec();
    spec.objects.servers = vec![server("notes"), server("wiki")];
    spec.objects.gateways = vec![
        all("all"),
        gateway("greedy", &["own", "stored", "notes", "unknown"]),
        gateway("admitted", &["wiki", "stored", "later"]),
    ];
    spec.objects.offered = vec!["stored".into(), "later".into()];
    let merged = registry.merge(&spec);
    assert_eq!(servers(&merged, "all"), "notes wiki");
    assert!(!found(&merged, "all").unwrap().has_all);
    assert_eq!(servers(&merged, "greedy"), "stored notes");
    // A server that is not offered is missing as one that does not exist.
    let missing = &merged.objects.gateways["greedy"].missing;
    assert_eq!(*missing, ["own".into(), "unknown".into()]);
    assert_eq!(servers(&merged, "admitted"), "wiki stored");
    assert_eq!(
        merged.objects.gateways["admitted"].missing,
        ["later".into()]
    );
    // Without a store, the same rules apply.
    let alone = Merged::without_store(&spec);
    assert_eq!(servers(&alone, "greedy"), "notes");
    assert_eq!(alone.objects.gateways["greedy"].servers, 1);
}

#[test]
fn category_cluster_objects_use_no_credentials_of_others() {
    let mut spec = spec();
    let mut oauth = Remote::new("https://evil.example/mcp".parse().unwrap());
    oauth.auth = Some(RemoteAuth::OAuth(RemoteOAuth::default()));
    spec.objects.servers = vec![
        server("notes"),
        ServerSpec::new("oauth", ServerRuntime::Remote(oauth)),
    ];
    let owner = mcp_gateway_auth::accounts::SharedOwner::Organization;
    let pinned = Assignment::new("absent").pinned_to(owner);
    let mut enterprise = Assignment::new("notes");
    enterprise.connection = AssignedConnection::Enterprise;
    let mut forwarding = gateway("forwarding", &["notes"]);
    forwarding.forward_headers = vec![http::HeaderName::from_static("x-user")];
    let tools = Assignment::new("notes").with_tools(["search".into()]);
    spec.objects.gateways = vec![
        GatewaySpec::new("pinned").with_assignment(pinned),
        GatewaySpec::new("enterprise").with_assignment(enterprise),
        forwarding,
        GatewaySpec::new("tools").with_assignment(tools),
    ];
    let merged = Merged::without_store(&spec);
    assert_eq!(rejected_server(&merged, "oauth"), Some("remote.auth"));
    for (name, path) in [
        ("pinned", Some("assignments")),
        ("enterprise", Some("assignments")),
        ("forwarding", Some("forwardHeaders")),
        ("tools", None),
    ] {
        assert_eq!(rejected_gateway(&merged, name), path, "{name}");
        assert_eq!(found(&merged, name).is_some(), path.is_none(), "{name}");
    }
    assert!(!found(&merged, "tools").unwrap().has_tool("notes", "delete"));
}
