use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::stream::StreamExt;
use mcp_gateway_store::{Batch, CommitOutcome, DocumentVersion, Store, WatchEvent, WatchStream};
use tokio::{task::JoinSet, time::timeout};

use super::{DEADLINE, Opened, get, next, put, watch, write};

/// Everything up to the put of `marker`, which is written now.
async fn until_marker(
    store: &dyn Store,
    events: &mut WatchStream,
    marker: &str,
) -> Vec<WatchEvent> {
    let written = put(store, marker, "marker").await;
    let mut seen = Vec::new();
    loop {
        match next(events).await {
            WatchEvent::Put(entry) if *entry.key == *marker && entry.document == written => {
                return seen;
            }
            event => seen.push(event),
        }
    }
}

/// Before anything else, what is there is to be listed.
pub async fn a_watch_begins_with_a_reset(Opened { store, .. }: Opened) {
    put(&*store, "a", "one").await;
    for prefix in ["", "a", "nothing"] {
        assert_eq!(next(&mut store.watch(prefix)).await, WatchEvent::Reset);
    }
}

/// Reports puts and deletions after the first event.
pub async fn a_watch_tells_of_writes(Opened { store, .. }: Opened) {
    let mut events = watch(&*store, "").await;
    let expires = SystemTime::now() + Duration::from_secs(3600);
    write(
        &*store,
        Batch::new().put_until("a", "one", expires).put("b", "two"),
    )
    .await;
    let mut told = BTreeMap::new();
    while told.len() < 2 {
        if let WatchEvent::Put(entry) = next(&mut events).await {
            told.insert(entry.key.to_string(), entry.document);
        }
    }
    assert_eq!(told.get("a"), get(&*store, "a").await.as_ref());
    assert_eq!(told.get("b"), get(&*store, "b").await.as_ref());
    write(&*store, Batch::new().delete("a")).await;
    assert_eq!(next(&mut events).await, WatchEvent::Deleted("a".into()));
}

/// Nothing is told of other keys.
pub async fn a_watch_tells_of_its_prefix_alone(Opened { store, .. }: Opened) {
    let mut events = watch(&*store, "a_%/").await;
    let keys = ["a_%", "a_%0", "ab%/1", "A_%/1", "", "a_%/1", "a_%/"];
    let batch = keys
        .into_iter()
        .fold(Batch::new(), |batch, key| batch.put(key, "x"));
    write(&*store, batch).await;
    let batch = keys
        .into_iter()
        .fold(Batch::new(), |batch, key| batch.delete(key));
    write(&*store, batch).await;
    for event in until_marker(&*store, &mut events, "a_%/marker").await {
        match event {
            WatchEvent::Deleted(key) => assert!(key.starts_with("a_%/"), "{key}"),
            WatchEvent::Put(entry) => assert!(entry.key.starts_with("a_%/"), "{}", entry.key),
            WatchEvent::Reset => panic!("nobody was slow"),
            event => panic!("{event:?}"),
        }
    }
}

/// Writes to a key come in their order, and the last one comes.
pub async fn a_watch_tells_of_a_key_in_order(Opened { store, .. }: Opened) {
    let mut events = watch(&*store, "a/").await;
    let mut writers = JoinSet::new();
    for number in 0..100_u32 {
        let store = Arc::clone(&store);
        let batch = Batch::new()
            .put("a/1", number.to_string())
            .put(format!("a/2/{}", number % 3), number.to_string());
        writers.spawn(async move { write(&*store, batch).await });
    }
    timeout(DEADLINE, writers.join_all()).await.unwrap();
    let mut last: BTreeMap<String, DocumentVersion> = BTreeMap::new();
    for event in until_marker(&*store, &mut events, "a/marker").await {
        let WatchEvent::Put(entry) = event else {
            panic!("nothing else was done");
        };
        let version = entry.document.version;
        let before = last.insert(entry.key.to_string(), version);
        assert!(
            before.is_none_or(|before| before < version),
            "{}",
            entry.key
        );
    }
    assert_eq!(last.len(), 4);
    for (key, version) in last {
        assert_eq!(get(&*store, &key).await.unwrap().version, version, "{key}");
    }
}

/// Reports no rejected writes.
pub async fn a_watch_does_not_tell_of_conflicts(Opened { store, .. }: Opened) {
    put(&*store, "a/1", "one").await;
    let mut events = watch(&*store, "a/").await;
    for batch in [
        Batch::new().if_absent("a/1").put("a/2", "two"),
        Batch::new()
            .if_version("a/1", DocumentVersion(0))
            .delete("a/1"),
    ] {
        assert_eq!(store.commit(batch).await.unwrap(), CommitOutcome::Conflict);
    }
    for event in until_marker(&*store, &mut events, "a/marker").await {
        // Writes before the first event may be told of, these not.
        assert!(
            matches!(&event, WatchEvent::Put(entry) if *entry.key == *"a/1"),
            "{event:?}"
        );
    }
}

/// Whoever does not keep up hears of everything, or is told that it did not.
pub async fn who_is_slow_is_told_to_list(Opened { store, .. }: Opened) {
    let mut events = watch(&*store, "a/").await;
    for round in 0..40 {
        let put = |batch: Batch, number| batch.put(format!("a/{round}/{number}"), "x");
        write(&*store, (0..100).fold(Batch::new(), put)).await;
    }
    let mut told = BTreeSet::new();
    let mut is_reset = false;
    // The end of it may be among what is not told of, and is not if nothing else is written.
    let mut ends = 0;
    let mut last = String::new();
    while last.is_empty() || !told.contains(&last) {
        last = format!("a/end/{ends}");
        ends += 1;
        assert!(ends < 30, "the watch has ended");
        put(&*store, &last, "x").await;
        let read = async {
            while !told.contains(&last) {
                match next(&mut events).await {
                    WatchEvent::Put(entry) => drop(told.insert(entry.key.to_string())),
                    WatchEvent::Deleted(key) => panic!("{key} was not deleted"),
                    WatchEvent::Reset => is_reset = true,
                    event => panic!("{event:?}"),
                }
            }
        };
        let _ = timeout(Duration::from_secs(30), read).await;
    }
    let writes = told.iter().filter(|key| !key.starts_with("a/end")).count();
    assert!(
        is_reset || writes == 4000,
        "{writes} of 4000 writes were told of"
    );
}

/// Each of them hears of what it watches.
pub async fn many_watch_at_once(Opened { store, .. }: Opened) {
    let mut all = Vec::new();
    for number in 0..30 {
        all.push(watch(&*store, &format!("a/{number}/")).await);
    }
    let put = |batch: Batch, number| batch.put(format!("a/{number}/key"), "x");
    write(&*store, (0..30).fold(Batch::new(), put)).await;
    for (number, events) in all.iter_mut().enumerate() {
        let WatchEvent::Put(entry) = next(events).await else {
            panic!("nothing else was done");
        };
        assert_eq!(*entry.key, *format!("a/{number}/key"));
    }
}

/// Nobody waits for what cannot come.
pub async fn a_watch_ends_with_its_store(Opened { store, replica, .. }: Opened) {
    let mut begun = watch(&*store, "").await;
    let mut unread = store.watch("");
    drop((store, replica));
    for events in [&mut begun, &mut unread] {
        let end = async { while events.next().await.is_some() {} };
        timeout(DEADLINE, end).await.unwrap();
    }
}
