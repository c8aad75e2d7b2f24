use std::{sync::Arc, time::Duration};

use mcp_gateway_store::{Batch, CommitOutcome, Store};
use tokio::{task::JoinSet, time::timeout};

use super::{DEADLINE, Opened, get, put, write};

/// Commits all of it at once, in turns at each of `stores`; who has won?
pub(super) async fn winners(
    stores: &[Arc<dyn Store>],
    batches: impl IntoIterator<Item = Batch>,
) -> Vec<usize> {
    let mut commits = JoinSet::new();
    for (number, batch) in batches.into_iter().enumerate() {
        let store = Arc::clone(&stores[number % stores.len()]);
        commits.spawn(async move { (number, store.commit(batch).await.unwrap()) });
    }
    let outcomes = timeout(DEADLINE, commits.join_all()).await.unwrap();
    let committed = outcomes
        .into_iter()
        .filter(|(_, outcome)| *outcome == CommitOutcome::Committed);
    committed.map(|(number, _)| number).collect()
}

/// Of a hundred that have read the same version, one writes.
pub async fn one_of_many_commits_wins(Opened { store, .. }: Opened) {
    for _ in 0..3 {
        let version = put(&*store, "a", "one").await.version;
        let batch = |number: usize| {
            Batch::new()
                .if_version("a", version)
                .put("a", number.to_string())
        };
        let winners = winners(&[Arc::clone(&store)], (0..100).map(batch)).await;
        assert_eq!(winners.len(), 1, "{winners:?}");
        assert_eq!(
            get(&*store, "a").await.unwrap().value,
            winners[0].to_string()
        );
    }
}

/// Of a hundred that have found nothing, one creates.
pub async fn one_of_many_creations_wins(Opened { store, .. }: Opened) {
    for key in ["a", "b", "c"] {
        let batch = |number: usize| Batch::new().if_absent(key).put(key, number.to_string());
        let winners = winners(&[Arc::clone(&store)], (0..100).map(batch)).await;
        assert_eq!(winners.len(), 1, "{winners:?}");
        assert_eq!(
            get(&*store, key).await.unwrap().value,
            winners[0].to_string()
        );
    }
}

/// Whoever conflicts reads and tries again.
pub async fn no_increment_is_lost(Opened { store, .. }: Opened) {
    write(&*store, Batch::new().put("count", "0")).await;
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for _ in 0..10 {
                loop {
                    let found = get(&*store, "count").await.unwrap();
                    let count: u32 = std::str::from_utf8(&found.value).unwrap().parse().unwrap();
                    let batch = Batch::new()
                        .if_version("count", found.version)
                        .put("count", (count + 1).to_string());
                    if store.commit(batch).await.unwrap() == CommitOutcome::Committed {
                        break;
                    }
                }
            }
        });
    }
    timeout(DEADLINE, tasks.join_all()).await.unwrap();
    assert_eq!(get(&*store, "count").await.unwrap().value, "80");
}

/// Concurrent readers see all of a batch or nothing of it.
pub async fn a_batch_is_never_seen_in_parts(Opened { store, .. }: Opened) {
    let both = |number: u32| {
        Batch::new()
            .put("a/1", number.to_string())
            .put("a/2", number.to_string())
    };
    write(&*store, both(0)).await;
    let writer = Arc::clone(&store);
    let mut writers = JoinSet::new();
    writers.spawn(async move {
        for number in 1..=200 {
            write(&*writer, both(number)).await;
        }
    });
    while writers.try_join_next().is_none() {
        let found = store.list("a/", None, 10).await.unwrap();
        assert_eq!(found[0].document.value, found[1].document.value);
    }
}

/// Batches that share keys in any order all come to an end.
pub async fn batches_of_many_keys_do_not_block_each_other(Opened { store, .. }: Opened) {
    let batch = |number: usize| {
        let mut keys: Vec<usize> = (0..10).map(|at| (at * 7 + number * 3) % 20).collect();
        if number.is_multiple_of(2) {
            keys.reverse();
        }
        let put = |batch: Batch, key: usize| batch.put(format!("a/{key}"), number.to_string());
        keys.into_iter().fold(Batch::new(), put)
    };
    let winners = winners(&[store], (0..100).map(batch)).await;
    assert_eq!(winners.len(), 100);
}

/// Wherever a commit is left, it has written everything or nothing, and the next one works.
pub async fn a_commit_that_is_dropped_is_whole_or_nothing(Opened { store, .. }: Opened) {
    for number in 0..150_u64 {
        let batch = Batch::new()
            .put(format!("a/{number:03}"), "x")
            .put(format!("b/{number:03}"), "x");
        let patience = Duration::from_micros(number * 20);
        let _ = timeout(patience, store.commit(batch)).await;
    }
    write(&*store, Batch::new().put("c", "x")).await;
    let found = store.list("", None, usize::MAX).await.unwrap();
    let beginning = |prefix: &str| -> Vec<String> {
        let keys = found
            .iter()
            .filter_map(|entry| entry.key.strip_prefix(prefix));
        keys.map(str::to_owned).collect()
    };
    assert_eq!(beginning("a/"), beginning("b/"));
}
