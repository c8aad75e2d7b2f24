use std::time::{Duration, SystemTime};

use bytes::Bytes;
use mcp_gateway_store::Batch;
use tokio::time::sleep;

use super::{Opened, get, is_there, keys, put, write};

/// Stores a document under its key only.
pub async fn what_was_put_is_there(Opened { store, .. }: Opened) {
    assert_eq!(get(&*store, "a/1").await, None);
    let document = put(&*store, "a/1", "one").await;
    assert_eq!(document.value, "one");
    assert_eq!(document.expires, None);
    assert_eq!(get(&*store, "a/1").await, Some(document));
    for other in ["", "a", "a/", "a/10", "A/1", "a/1 "] {
        assert!(!is_there(&*store, other).await, "{other:?}");
    }
}

/// The last put counts, and has another version.
pub async fn a_put_replaces_what_was_there(Opened { store, .. }: Opened) {
    let first = put(&*store, "a", "one").await;
    let second = put(&*store, "a", "two").await;
    assert_eq!(second.value, "two");
    assert_ne!(first.version, second.version);
    let third = put(&*store, "a", "two").await;
    assert_ne!(second.version, third.version);
    assert_eq!(keys(&*store, "").await, ["a"]);
}

/// A deletion deletes what is under its key alone, if anything is.
pub async fn what_was_deleted_is_gone(Opened { store, .. }: Opened) {
    put(&*store, "a/1", "one").await;
    put(&*store, "a/2", "two").await;
    write(&*store, Batch::new().delete("a/1").delete("nothing")).await;
    assert!(!is_there(&*store, "a/1").await);
    assert_eq!(keys(&*store, "").await, ["a/2"]);
    write(&*store, Batch::new().delete("a/1")).await;
}

/// A key that was deleted does not begin anew.
pub async fn versions_are_never_used_again(Opened { store, .. }: Opened) {
    let mut seen = Vec::new();
    for _ in 0..20 {
        let version = put(&*store, "a", "one").await.version;
        assert!(!seen.contains(&version), "{version:?} after {seen:?}");
        seen.push(version);
        write(&*store, Batch::new().delete("a")).await;
        let over = SystemTime::now() - Duration::from_secs(1);
        write(&*store, Batch::new().put_until("a", "one", over)).await;
    }
}

/// Values are not text.
pub async fn values_are_any_bytes(Opened { store, .. }: Opened) {
    let values = [
        Bytes::new(),
        Bytes::from_static(b"\0"),
        Bytes::from_static(b"'\"\\\0%_"),
        (0..=u8::MAX).collect(),
    ];
    for value in values {
        write(&*store, Batch::new().put("a", value.clone())).await;
        assert_eq!(get(&*store, "a").await.unwrap().value, value);
        let entries = store.list("a", None, 1).await.unwrap();
        assert_eq!(entries[0].document.value, value);
    }
}

/// A large value comes back as it was.
pub async fn a_value_may_have_a_mebibyte(Opened { store, .. }: Opened) {
    let value: Bytes = (0..1_u32 << 20).map(|at| (at % 251) as u8).collect();
    write(&*store, Batch::new().put("a", value.clone())).await;
    assert!(get(&*store, "a").await.unwrap().value == value);
}

/// Keys are compared by their bytes, whatever these mean elsewhere.
pub async fn keys_are_any_text(Opened { store, .. }: Opened) {
    let long = "k".repeat(2048);
    let odd = [
        "",
        "%",
        "_",
        "\\",
        "'",
        "a%",
        "a_",
        "\0",
        "a\0b",
        "é",
        "e\u{301}",
        "É",
        "日本",
        "\u{10ffff}",
        &long,
    ];
    for key in odd {
        write(
            &*store,
            Batch::new().if_absent(key).put(key, key.to_owned()),
        )
        .await;
    }
    for key in odd {
        assert_eq!(get(&*store, key).await.unwrap().value, key, "{key:?}");
    }
}

/// Hides expired documents.
pub async fn what_is_over_is_gone(Opened { store, .. }: Opened) {
    put(&*store, "a", "one").await;
    let over = SystemTime::now() - Duration::from_millis(1);
    write(&*store, Batch::new().put_until("a", "two", over)).await;
    assert!(!is_there(&*store, "a").await);
    assert!(keys(&*store, "").await.is_empty());
}

/// It is there before its time is over, and not after.
pub async fn what_will_be_over_is_there_until_then(Opened { store, .. }: Opened) {
    let expires = SystemTime::now() + Duration::from_millis(700);
    write(&*store, Batch::new().put_until("a", "one", expires)).await;
    loop {
        let before = SystemTime::now();
        let found = get(&*store, "a").await;
        let after = SystemTime::now();
        match found {
            Some(document) => {
                assert_eq!(document.expires, Some(expires));
                assert!(before < expires, "it should be gone");
            }
            None => {
                assert!(after >= expires, "it is gone too early");
                break;
            }
        }
        sleep(Duration::from_millis(5)).await;
    }
    assert!(keys(&*store, "").await.is_empty());
}

/// The end of what was there before does not count any more.
pub async fn a_new_put_decides_anew_when_it_is_over(Opened { store, .. }: Opened) {
    let now = SystemTime::now();
    let (over, later) = (
        now - Duration::from_secs(1),
        now + Duration::from_secs(3600),
    );
    write(&*store, Batch::new().put_until("a", "one", over)).await;
    write(&*store, Batch::new().put_until("a", "two", later)).await;
    assert_eq!(get(&*store, "a").await.unwrap().expires, Some(later));
    write(&*store, Batch::new().put("a", "three")).await;
    assert_eq!(get(&*store, "a").await.unwrap().expires, None);
}

/// Of several writes to a key, the last counts.
pub async fn a_batch_writes_each_key_once(Opened { store, .. }: Opened) {
    write(
        &*store,
        Batch::new()
            .put("a", "one")
            .delete("b")
            .put("a", "two")
            .put("b", "three"),
    )
    .await;
    assert_eq!(get(&*store, "a").await.unwrap().value, "two");
    assert_eq!(get(&*store, "b").await.unwrap().value, "three");
    write(&*store, Batch::new().put("a", "four").delete("a")).await;
    assert!(!is_there(&*store, "a").await);
}
