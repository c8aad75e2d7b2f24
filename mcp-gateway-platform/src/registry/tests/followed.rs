//! Changes of other replicas.

use futures_util::StreamExt as _;
use mcp_gateway_core::catalog::{Definition, DefinitionKind};

use super::*;
use crate::spec::PinSource;

/// A replica that applies what another one writes.
struct Follower<'a> {
    registry: &'a Registry,
    events: std::pin::Pin<Box<dyn Stream<Item = WatchEvent> + Send>>,
}

impl Follower<'_> {
    /// Follows the next changes until one must be applied.
    async fn next_change(&mut self) {
        loop {
            let event = self.events.next().await.unwrap();
            self.registry.follow(&event).await.unwrap();
            if self.registry.take_changes() {
                return;
            }
        }
    }
}

/// Returns the spec of a replica with a server that is pinned in the store.
fn spec_with_pinned() -> DynamicSpec {
    let mut spec = spec();
    for server in &mut spec.servers {
        server.pinned = Some(PinSource::Store);
    }
    spec
}

/// Returns what the registry has: servers, gateways, rules, and approved definitions.
fn counts(registry: &Registry) -> [usize; 4] {
    let before = spec_with_pinned();
    let merged = registry.merge(&before).spec;
    let own = merged.servers.iter().find(|server| *server.name == *"own");
    [
        merged.servers.len() - before.servers.len(),
        merged.gateways.len() - before.gateways.len(),
        merged.policy.rules.len(),
        own.unwrap().pins.iter().count(),
    ]
}

#[tokio::test]
async fn every_kind_of_document_of_another_replica_is_applied() {
    let store = Arc::new(MemoryStore::new());
    let (writer, reader, alone) = (registry(&store), registry(&store), Attachment::default());
    reader.load().await.unwrap();
    let events = Box::pin(reader.watch());
    let mut follower = Follower {
        registry: &reader,
        events,
    };
    assert_eq!(counts(&reader), [0; 4]);

    let document = json!({ "name": "a" });
    let server = writer.put("a", &document, None, &alone);
    let server = server.await.unwrap().unwrap();
    follower.next_change().await;
    assert_eq!(counts(&reader), [1, 0, 0, 0]);
    let document = json!({ "name": "g" });
    let gateway = writer.put_gateway("id", &document, None, &alone);
    let gateway = gateway.await.unwrap().unwrap();
    follower.next_change().await;
    assert_eq!(counts(&reader), [1, 1, 0, 0]);
    let entry = json!({ "name": "r", "effect": "deny" });
    let rule = writer.add_rule(("r", &entry), None, &alone);
    let rule = rule.await.unwrap().unwrap();
    follower.next_change().await;
    assert_eq!(counts(&reader), [1, 1, 1, 0]);
    let definition = || Definition::new(DefinitionKind::Tool, "t", r#"{"name":"t"}"#);
    let approve = |pins: &mut mcp_gateway_pins::Pins| {
        pins.approve(definition());
    };
    assert!(writer.change_pins("own", approve, &alone).await.unwrap());
    follower.next_change().await;
    assert_eq!(counts(&reader), [1, 1, 1, 1]);

    assert!(writer.delete("a", server.version, &alone).await.unwrap());
    follower.next_change().await;
    assert!(writer.delete_gateway(&gateway, &alone).await.unwrap());
    follower.next_change().await;
    assert!(writer.delete_rule(&rule, &alone).await.unwrap());
    follower.next_change().await;
    let batch = Batch::new().delete(format!("{}own", pins::PREFIX));
    assert_eq!(store.commit(batch).await.unwrap(), CommitOutcome::Committed);
    follower.next_change().await;
    assert_eq!(counts(&reader), [0; 4]);
    reader.follow(&WatchEvent::Reset).await.unwrap();
    assert!(!reader.take_changes());
}
