use std::time::{Duration, SystemTime};

use mcp_gateway_store::{Batch, CommitOutcome, DocumentVersion, Store};

use super::{Opened, get, is_there, keys, put, write};

async fn conflicts(store: &dyn Store, batch: Batch) {
    assert_eq!(store.commit(batch).await.unwrap(), CommitOutcome::Conflict);
}

/// A key can be created once, until it is deleted.
pub async fn absent_holds_where_nothing_is(Opened { store, .. }: Opened) {
    let create = || Batch::new().if_absent("a").put("a", "one");
    write(&*store, create()).await;
    conflicts(&*store, create()).await;
    write(&*store, Batch::new().delete("a")).await;
    write(&*store, create()).await;
}

/// Whoever has read an older version does not write.
pub async fn a_version_holds_until_the_next_write(Opened { store, .. }: Opened) {
    conflicts(
        &*store,
        Batch::new()
            .if_version("a", DocumentVersion(0))
            .put("a", "none"),
    )
    .await;
    let first = put(&*store, "a", "one").await.version;
    write(&*store, Batch::new().if_version("a", first).put("a", "two")).await;
    conflicts(
        &*store,
        Batch::new().if_version("a", first).put("a", "three"),
    )
    .await;
    let second = get(&*store, "a").await.unwrap();
    assert_eq!(second.value, "two");
    for none in [0, u64::MAX, second.version.0 + 1] {
        conflicts(
            &*store,
            Batch::new()
                .if_version("a", DocumentVersion(none))
                .delete("a"),
        )
        .await;
    }
    write(
        &*store,
        Batch::new().if_version("a", second.version).delete("a"),
    )
    .await;
    conflicts(
        &*store,
        Batch::new()
            .if_version("a", second.version)
            .put("a", "four"),
    )
    .await;
    assert!(!is_there(&*store, "a").await);
}

/// If one condition does not hold, nothing is written.
pub async fn all_conditions_have_to_hold(Opened { store, .. }: Opened) {
    let a = put(&*store, "a", "one").await.version;
    let b = put(&*store, "b", "one").await.version;
    let writes = |batch: Batch| batch.put("a", "two").put("c", "two").delete("b");
    let wrong = [
        Batch::new().if_version("a", a).if_version("b", a),
        Batch::new().if_version("a", b).if_version("b", b),
        Batch::new()
            .if_version("a", a)
            .if_absent("c")
            .if_absent("b"),
        Batch::new().if_absent("a").if_version("a", a),
    ];
    for batch in wrong {
        conflicts(&*store, writes(batch)).await;
        assert_eq!(get(&*store, "a").await.unwrap().version, a);
        assert_eq!(get(&*store, "b").await.unwrap().version, b);
        assert_eq!(keys(&*store, "").await, ["a", "b"]);
    }
    let right = Batch::new()
        .if_version("a", a)
        .if_version("b", b)
        .if_absent("c");
    write(&*store, writes(right)).await;
    assert_eq!(keys(&*store, "").await, ["a", "c"]);
}

/// Expired entries are absent.
pub async fn what_is_over_fulfills_no_version(Opened { store, .. }: Opened) {
    let expires = SystemTime::now() + Duration::from_millis(300);
    write(&*store, Batch::new().put_until("a", "one", expires)).await;
    let seen = get(&*store, "a").await.map(|document| document.version);
    while is_there(&*store, "a").await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    if let Some(version) = seen {
        conflicts(
            &*store,
            Batch::new().if_version("a", version).put("a", "two"),
        )
        .await;
    }
    write(&*store, Batch::new().if_absent("a").put("a", "three")).await;
    conflicts(&*store, Batch::new().if_absent("a").put("a", "four")).await;
    assert_eq!(get(&*store, "a").await.unwrap().value, "three");
}

/// Conditions may concern other keys than the writes.
pub async fn a_condition_may_be_about_another_key(Opened { store, .. }: Opened) {
    let family = put(&*store, "family", "alive").await.version;
    let issue = |key: &str| Batch::new().if_version("family", family).put(key, "token");
    write(&*store, issue("token/1")).await;
    write(&*store, Batch::new().delete("family")).await;
    conflicts(&*store, issue("token/2")).await;
    assert_eq!(keys(&*store, "token/").await, ["token/1"]);
}

/// A batch may ask and do nothing.
pub async fn a_batch_without_writes_checks(Opened { store, .. }: Opened) {
    write(&*store, Batch::new()).await;
    write(&*store, Batch::new().if_absent("a")).await;
    let version = put(&*store, "a", "one").await.version;
    conflicts(&*store, Batch::new().if_absent("a")).await;
    write(&*store, Batch::new().if_version("a", version)).await;
}
