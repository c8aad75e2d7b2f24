//! Rules of the store.

use super::*;

async fn write_rule(store: &MemoryStore, name: &str, text: String) {
    let batch = Batch::new().put(format!("{}{name}", crate::registry::rules::PREFIX), text);
    assert_eq!(store.commit(batch).await.unwrap(), CommitOutcome::Committed);
}

fn deny(name: &str) -> Value {
    json!({ "name": name, "effect": "deny" })
}

fn names(registry: &Registry) -> Vec<String> {
    let rules = registry.rules();
    rules.iter().map(|rule| rule.name.to_string()).collect()
}

#[tokio::test]
async fn rules_of_the_store_follow_those_of_the_spec_in_their_order() {
    let store = Arc::new(MemoryStore::new());
    let (first, second) = (registry(&store), registry(&store));
    let alone = Attachment::default();
    let add = async |registry: &Registry, name: &str, before: Option<&str>| {
        let added = registry.add_rule((name, &deny(name)), before, &alone).await;
        added.unwrap()
    };
    for name in ["c", "a", "b"] {
        assert!(add(&first, name, None).await.is_some());
    }
    assert_eq!(names(&first), ["c", "a", "b"]);
    let version = first.rule("c").unwrap().version;
    assert!(add(&first, "d", Some("a")).await.is_some());
    assert_eq!(names(&first), ["c", "d", "a", "b"]);
    assert_eq!(first.rule("c").unwrap().version, version);

    // Another replica adds a rule before it has read these: it gets the rank of the first one.
    assert!(add(&second, "x", None).await.is_some());
    second.load().await.unwrap();
    assert_eq!(names(&second), ["c", "x", "d", "a", "b"]);
    assert!(add(&first, "y", Some("x")).await.is_some());
    first.load().await.unwrap();
    assert!(add(&first, "z", Some("x")).await.is_some());
    assert_eq!(names(&first)[..3], ["c", "z", "x"]);

    // A change of the order that another one has overtaken has no effect.
    let mut order = first.rules();
    order.reverse();
    second.load().await.unwrap();
    let mut overtaken = second.rules();
    overtaken.rotate_left(1);
    assert!(first.order_rules(&order, &alone).await.unwrap());
    assert!(!second.order_rules(&overtaken, &alone).await.unwrap());
    assert_eq!(names(&first), names(&second));
    assert_eq!(names(&first).last().unwrap(), "c");

    let mut spec = spec();
    spec.policy.rules = vec![Rule::new("file", Effect::Allow)];
    let merged = first.merge(&spec).spec.policy;
    let merged: Vec<_> = merged
        .rules
        .iter()
        .map(|rule| rule.name().to_string())
        .collect();
    assert_eq!(merged[0], "file");
    assert_eq!(merged[1..], names(&first));
}

#[tokio::test]
async fn r17_an_invalid_rule_of_the_store_rejects_what_it_could_have_concerned() {
    let store = Arc::new(MemoryStore::new());
    let rule = |entry: Value| json!({ "rank": 1, "rule": entry }).to_string();
    for (name, text) in [
        (
            "later",
            rule(
                json!({ "name": "later", "effect": "throttle", "tools": ["write"], "teams": ["ops"] }),
            ),
        ),
        (
            "mistyped",
            rule(json!({ "name": "mistyped", "effect": "x", "tools": ["a", 1] })),
        ),
        ("other", rule(deny("another"))),
        ("quiet", rule(json!({ "effect": "allow", "dryRun": true }))),
        ("text", "not JSON".to_owned()),
        ("items", "[1]".to_owned()),
        (
            "valid",
            rule(json!({ "name": "valid", "effect": "allow", "tools": ["read"] })),
        ),
        (
            "without rank",
            json!({ "rule": deny("without rank") }).to_string(),
        ),
    ] {
        write_rule(&store, name, text).await;
    }
    let registry = registry(&store);
    registry.load().await.unwrap();
    let everything = |name: &str| Rule::new(name, Effect::Deny { reason: None });
    let expected = [
        everything("items"),
        everything("text"),
        everything("without rank"),
        everything("later")
            .with_tools(["write"])
            .with_teams(["ops"]),
        everything("mistyped"),
        everything("other"),
        everything("quiet").dry_run(),
        Rule::new("valid", Effect::Allow).with_tools(["read"]),
    ];
    let merged = registry.merge(&spec());
    assert_eq!(merged.spec.policy.rules, expected);
    for stored in &merged.rules {
        assert_eq!(stored.violations.is_empty(), *stored.name == *"valid");
    }
    // It is mended like any other.
    let (before, entry) = (registry.rule("other").unwrap(), deny("other"));
    let alone = Attachment::default();
    let mended = registry.replace_rule(&before, &entry, &alone).await;
    assert!(mended.unwrap().unwrap().violations.is_empty());
}

#[tokio::test]
async fn what_is_known_is_no_change() {
    let store = Arc::new(MemoryStore::new());
    write_rule(
        &store,
        "a",
        json!({ "rank": 1, "rule": deny("a") }).to_string(),
    )
    .await;
    let registry = registry(&store);
    registry.load().await.unwrap();
    assert!(registry.take_changes() && !registry.take_changes());
    registry.follow(&WatchEvent::Reset).await.unwrap();
    assert!(!registry.take_changes());

    // The watch reports the writes of this replica, too.
    let (entry, alone) = (deny("b"), Attachment::default());
    let added = registry.add_rule(("b", &entry), None, &alone).await;
    assert!(added.unwrap().is_some() && registry.take_changes());
    registry.follow(&WatchEvent::Reset).await.unwrap();
    assert!(!registry.take_changes());
    let deleted: Arc<str> = "policy/rules/b".into();
    let batch = Batch::new().delete(Arc::clone(&deleted));
    assert_eq!(store.commit(batch).await.unwrap(), CommitOutcome::Committed);
    for is_change in [true, false] {
        let deleted = WatchEvent::Deleted(Arc::clone(&deleted));
        registry.follow(&deleted).await.unwrap();
        assert_eq!(registry.take_changes(), is_change);
    }
    registry.load().await.unwrap();
    assert!(!registry.take_changes());
}
