use std::{sync::Arc, time::Duration};

use mcp_gateway_store::{Batch, WatchEvent};
use tokio::time::{Instant, timeout};

use super::{Opened, get, next, put, races::winners, watch, write};

/// Shows a replica the acknowledged writes of another at once.
pub async fn a_replica_sees_what_was_acknowledged(Opened { store, replica, .. }: Opened) {
    for number in 0..50 {
        let (writer, reader) = if number % 2 == 0 {
            (&store, &replica)
        } else {
            (&replica, &store)
        };
        let value = number.to_string();
        write(&**writer, Batch::new().put("a", value.clone())).await;
        let found = get(&**reader, "a").await.unwrap();
        assert_eq!(found.value, value);
        assert_eq!(get(&**writer, "a").await.unwrap(), found);
        assert_eq!(reader.list("a", None, 1).await.unwrap()[0].document, found);
    }
    write(&*store, Batch::new().delete("a")).await;
    assert_eq!(get(&*replica, "a").await, None);
}

/// Notifies watchers of another replica, or tells them to list.
pub async fn a_replica_hears_of_writes(Opened { store, replica, .. }: Opened) {
    let mut events = watch(&*replica, "a/").await;
    for number in 0..5 {
        let key = format!("a/{number}");
        let written = put(&*store, &key, "x").await;
        let asked = Instant::now();
        let heard = timeout(Duration::from_secs(30), async {
            loop {
                match next(&mut events).await {
                    WatchEvent::Put(entry) if *entry.key == key => {
                        assert_eq!(entry.document, written);
                        break;
                    }
                    WatchEvent::Reset if get(&*replica, &key).await.is_some() => break,
                    _ => {}
                }
            }
        });
        assert!(heard.await.is_ok(), "{key} after {:?}", asked.elapsed());
    }
    write(&*store, Batch::new().delete("a/0")).await;
    let heard = timeout(Duration::from_secs(30), async {
        loop {
            match next(&mut events).await {
                WatchEvent::Deleted(key) if *key == *"a/0" => break,
                WatchEvent::Reset if get(&*replica, "a/0").await.is_none() => break,
                _ => {}
            }
        }
    });
    assert!(heard.await.is_ok());
}

/// Of a hundred at both, one wins.
pub async fn one_commit_wins_among_replicas(Opened { store, replica, .. }: Opened) {
    let version = put(&*store, "code", "unused").await.version;
    let redeem = |number: usize| {
        Batch::new()
            .if_version("code", version)
            .delete("code")
            .put("token", number.to_string())
    };
    let stores = [Arc::clone(&store), Arc::clone(&replica)];
    let won = winners(&stores, (0..100).map(redeem)).await;
    assert_eq!(won.len(), 1, "{won:?}");
    assert_eq!(
        get(&*replica, "token").await.unwrap().value,
        won[0].to_string()
    );
    let create = |number: usize| Batch::new().if_absent("jti").put("jti", number.to_string());
    let won = winners(&stores, (0..100).map(create)).await;
    assert_eq!(won.len(), 1, "{won:?}");
}
