use std::time::{Duration, SystemTime};

use mcp_gateway_store::{Batch, Store};

use super::{Opened, keys, write};

async fn fill(store: &dyn Store, keys: &[&str]) {
    let batch = keys
        .iter()
        .fold(Batch::new(), |batch, key| batch.put(*key, "x"));
    write(store, batch).await;
}

/// In the order of bytes, not of any language.
pub async fn a_list_is_in_the_order_of_bytes(Opened { store, .. }: Opened) {
    let mut odd = [
        "b",
        "a",
        "B",
        "A",
        "a/",
        "a-b",
        "a b",
        "a_b",
        "a%b",
        "a.b",
        "ab",
        "é",
        "z",
        "Z",
        "ä",
        "10",
        "9",
        "日",
        "\u{10ffff}",
        "\u{ffff}",
        "a\0",
        "",
    ];
    fill(&*store, &odd).await;
    odd.sort_unstable();
    assert_eq!(keys(&*store, "").await, odd);
}

/// The prefix is bytes, not a pattern; a key may be the prefix itself.
pub async fn a_list_has_what_begins_with_the_prefix(Opened { store, .. }: Opened) {
    let mut all = [
        "%",
        "%a",
        "_",
        "_a",
        "\\",
        "\\a",
        "a",
        "a%",
        "a%b",
        "a/",
        "a/b",
        "aé",
        "b",
        "é",
        "éa",
        "\u{10ffff}",
        "\u{10ffff}\u{10ffff}",
    ];
    all.sort_unstable();
    fill(&*store, &all).await;
    for prefix in [
        "",
        "%",
        "_",
        "\\",
        "a",
        "a%",
        "a/",
        "é",
        "\u{10ffff}",
        "c",
        "a/bc",
        "A",
    ] {
        let expected: Vec<&str> = all
            .into_iter()
            .filter(|key| key.starts_with(prefix))
            .collect();
        assert_eq!(keys(&*store, prefix).await, expected, "{prefix:?}");
    }
}

/// Page by page, everything comes once and in order.
pub async fn pages_have_everything_once(Opened { store, .. }: Opened) {
    let all: Vec<String> = (0..57).map(|number| format!("a/{number:03}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    fill(&*store, &all).await;
    fill(&*store, &["Z", "a.", "a0", "b"]).await;
    for size in [1, 7, 57, 58] {
        let mut after: Option<String> = None;
        let mut found = Vec::new();
        loop {
            let page = store.list("a/", after.as_deref(), size).await.unwrap();
            assert!(page.len() <= size);
            let Some(last) = page.last() else { break };
            after = Some(last.key.to_string());
            found.extend(page.into_iter().map(|entry| entry.key.to_string()));
        }
        assert_eq!(found, all, "pages of {size}");
    }
    assert!(store.list("a/", None, 0).await.unwrap().is_empty());
    assert_eq!(store.list("a/", Some(""), 100).await.unwrap().len(), 57);
    assert_eq!(store.list("a/", Some("a"), 100).await.unwrap().len(), 57);
    assert!(store.list("a/", Some("b"), 100).await.unwrap().is_empty());
}

/// The next page needs no document to come after.
pub async fn pages_go_on_where_a_key_was_deleted(Opened { store, .. }: Opened) {
    fill(&*store, &["a/1", "a/2", "a/2\0", "a/20", "a/3"]).await;
    let first = store.list("a/", None, 2).await.unwrap();
    let last = &first[1].key;
    assert_eq!(&**last, "a/2");
    write(&*store, Batch::new().delete(last.clone())).await;
    let rest = store.list("a/", Some(last), 10).await.unwrap();
    let rest: Vec<&str> = rest.iter().map(|entry| &*entry.key).collect();
    assert_eq!(rest, ["a/2\0", "a/20", "a/3"]);
}

/// Expired entries take no place in a page.
pub async fn a_list_leaves_out_what_is_over(Opened { store, .. }: Opened) {
    let over = SystemTime::now() - Duration::from_secs(1);
    let over = |batch: Batch, key: &str| batch.put_until(key, "x", over);
    let batch = ["a/1", "a/3", "a/5"].into_iter().fold(Batch::new(), over);
    write(&*store, batch.put("a/2", "x").put("a/4", "x")).await;
    let page = store.list("a/", None, 2).await.unwrap();
    let page: Vec<&str> = page.iter().map(|entry| &*entry.key).collect();
    assert_eq!(page, ["a/2", "a/4"]);
}
