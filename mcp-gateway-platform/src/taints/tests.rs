//! Tests of taints: two replicas on one store, callers without a name, ends, and a store that fails.

use mcp_gateway_core::ClientInfo;
use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::protocol::{Capabilities, ProtocolVersion};
use mcp_gateway_core::route::{Feature, Target};
use mcp_gateway_store::{CommitOutcome, Document, ListedDocument, StoreError, WatchStream};

use super::*;

fn caller(subject: &str, conversation: Option<&str>) -> Arc<Caller> {
    let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
    let client = client.with_conversation(conversation.map(Into::into));
    Arc::new(Caller::new(Principal::new(subject), "main", client))
}

fn replica(store: &Arc<MemoryStore>) -> Arc<Taints> {
    let store = Arc::clone(store) as Arc<dyn Store>;
    Taints::new(Some(store), Duration::from_secs(3600))
}

async fn record(taints: &Taints, caller: &Arc<Caller>) -> Result<(), BoxError> {
    let (target, rule) = (
        Target::new("web", Feature::Tool("fetch".into())),
        "pages".into(),
    );
    let taint = Taint {
        caller,
        target: &target,
        rule: &rule,
    };
    taints.record(taint).await
}

#[tokio::test]
async fn category_untrusted_context_is_so_at_another_replica_at_once() {
    let store = Arc::new(MemoryStore::new());
    let (here, there) = (replica(&store), replica(&store));
    let (alice, other) = (caller("alice", Some("1")), caller("alice", Some("2")));
    record(&here, &alice).await.unwrap();
    assert!(here.is_tainted(&alice) && !there.is_tainted(&alice));
    for one in [&alice, &other, &caller("bob", Some("1"))] {
        there.refresh(one).await.unwrap();
    }
    assert!(there.is_tainted(&alice) && !there.is_tainted(&other));
    assert!(
        there.is_tainted(&caller("alice", None)),
        "silence is no way out"
    );
    assert!(!there.is_tainted(&caller("bob", Some("1"))));
    // Somebody clears it at the first replica.
    let page = here.documents.list("", None, 10).await.unwrap();
    let delete = Batch::new().delete(here.documents.key(&page[0].0));
    assert_eq!(
        store.commit(delete).await.unwrap(),
        CommitOutcome::Committed
    );
    there.refresh(&alice).await.unwrap();
    assert!(!there.is_tainted(&alice));
}

#[tokio::test]
async fn replicas_follow_the_store_and_notify_gateways() {
    let store = Arc::new(MemoryStore::new());
    let (here, there) = (replica(&store), replica(&store));
    let signal = watch::Sender::new(());
    let mut changed = signal.subscribe();
    there.replace_notifiers([("main".into(), signal)].into_iter());
    let following = Arc::clone(&there);
    let mut background = tokio::task::JoinSet::new();
    background.spawn(async move { following.follow().await });
    let alice = caller("alice", None);
    here.set_duration(Some(Duration::from_millis(1)));
    record(&here, &alice).await.unwrap();
    changed.changed().await.unwrap();
    // It ends within two seconds, and clients are notified again.
    changed.changed().await.unwrap();
    assert!(!there.is_tainted(&alice));
}

/// A store that is unavailable.
#[derive(Debug)]
struct Broken;

#[async_trait]
impl Store for Broken {
    async fn get(&self, _: &str) -> Result<Option<Document>, StoreError> {
        Err(StoreError::new("down"))
    }

    async fn list(
        &self,
        _: &str,
        _: Option<&str>,
        _: usize,
    ) -> Result<Vec<ListedDocument>, StoreError> {
        Err(StoreError::new("down"))
    }

    async fn commit(&self, _: Batch) -> Result<CommitOutcome, StoreError> {
        Err(StoreError::new("down"))
    }

    fn watch(&self, _: &str) -> WatchStream {
        WatchStream::new(futures_util::stream::pending())
    }
}

#[tokio::test]
async fn category_untrusted_context_needs_the_store() {
    let taints = Taints::new(Some(Arc::new(Broken)), Duration::from_secs(1));
    let alice = caller("alice", None);
    assert!(record(&taints, &alice).await.is_err());
    assert!(taints.refresh(&alice).await.is_err());
    assert!(!taints.is_tainted(&alice), "nothing was recorded");
}
