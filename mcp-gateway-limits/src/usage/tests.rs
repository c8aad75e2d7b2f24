use std::num::NonZeroU32;
use std::sync::atomic::Ordering;

use mcp_gateway_store::{MemoryStore, Store};

use super::*;
use crate::clock::{Clock, ManualClock};
use crate::key::Key;
use crate::limit::Rate;

const HOUR: i64 = 3_600;

/// Returns a clock at the beginning of an hour that the clock of the store has not reached.
fn clock() -> Arc<ManualClock> {
    let clock = Arc::new(ManualClock::default());
    clock.seconds.store(500_000 * HOUR, Ordering::SeqCst);
    clock
}

fn hourly(name: &str, per: impl IntoIterator<Item = Dimension>) -> Limit {
    let window = Window::of(Duration::from_secs(3_600)).unwrap();
    Limit::new(name, Bound::Quota(Quota::new(1_000, window))).per(per)
}

/// A limiter with quotas in `store` at the time of `clock`.
fn limiter(store: &Arc<dyn Store>, clock: &Arc<ManualClock>, limits: &[Limit]) -> Limiter {
    let limiter = Limiter::with_clock(Some(Arc::clone(store)), Clock::Manual(Arc::clone(clock)));
    limiter.limits(limits.iter().cloned());
    limiter
}

/// Makes `calls` calls of the key `parts`.
async fn call(limiter: &Limiter, limit: &Limit, parts: &[&str], calls: usize) {
    let counted = limiter.counted();
    let same = |counted: &&CountedLimit| counted.limit.name() == limit.name();
    let counting = Counting::of(counted.iter().find(same).unwrap()).unwrap();
    let key = KeyRef::of(parts.iter().copied());
    let create = |key: &Key| Share::new(Account::new(limit, key));
    let share = counting.shares.get_or_insert(&key, 0, create).unwrap();
    let period = limiter.period(counting.quota);
    for _ in 0..calls {
        let taken = limiter.refills().take(&share, (counting.quota, period));
        taken.await.unwrap();
    }
}

fn shown(found: &[QuotaUsage]) -> Vec<(String, u64)> {
    let line = |usage: &QuotaUsage| {
        let key = usage.key.iter();
        let key: Vec<_> = key
            .map(|(by, value)| format!("{}={value}", by.as_str()))
            .collect();
        (format!("{} {}", usage.name, key.join(" ")), usage.used)
    };
    let mut lines: Vec<_> = found.iter().map(line).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn the_use_of_each_key_is_shown_with_its_attributes() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let clock = clock();
    let by_tool = hourly("by tool", [Dimension::Tool, Dimension::Team]);
    let all = hourly("all", []);
    let rate = Bound::Rate(Rate::new(
        NonZeroU32::new(1).unwrap(),
        Duration::from_secs(1),
    ));
    let limits = [by_tool.clone(), all.clone(), Limit::new("rate", rate)];
    let limiter = limiter(&store, &clock, &limits);
    assert!(limiter.usage(None, None, 10).await.unwrap().is_empty());
    call(&limiter, &by_tool, &["ops", "web", "search"], 1).await;
    call(&limiter, &by_tool, &["", "web", ""], 3).await;
    call(&limiter, &all, &[], 70).await;
    let found = limiter.usage(None, None, 10).await.unwrap();
    let expected = [
        ("all ", 70),
        ("by tool team= tool=web/", 3),
        ("by tool team=ops tool=web/search", 1),
    ];
    let expected = expected.map(|(line, used)| (line.to_owned(), used));
    assert_eq!(shown(&found), expected);
    let ends = SystemTime::UNIX_EPOCH + Duration::from_secs(500_001 * 3_600);
    assert!(
        found
            .iter()
            .all(|usage| usage.ends == ends && usage.amount == 1_000)
    );
    let one = limiter.usage(Some("all"), None, 10).await.unwrap();
    assert_eq!(shown(&one), expected[..1]);

    // The next window begins without use.
    clock.seconds.store(500_001 * HOUR, Ordering::SeqCst);
    assert!(limiter.usage(None, None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn other_processes_count_with_what_they_have_reserved() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let clock = clock();
    let limit = hourly("q", [Dimension::User]);
    let limits = [limit.clone()];
    let (one, other) = (
        limiter(&store, &clock, &limits),
        limiter(&store, &clock, &limits),
    );
    call(&one, &limit, &["alice"], 1).await;
    let used = async |limiter: &Limiter| limiter.usage(None, None, 10).await.unwrap()[0].used;
    // The first share of a key has four calls.
    assert_eq!((used(&one).await, used(&other).await), (1, 4));
    one.close().await;
    assert_eq!((used(&one).await, used(&other).await), (1, 1));
}

#[tokio::test]
async fn counts_of_former_attributes_are_not_shown() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let clock = clock();
    let by_user = hourly("q", [Dimension::User]);
    let limiter = limiter(&store, &clock, std::slice::from_ref(&by_user));
    call(&limiter, &by_user, &["ops"], 1).await;
    let by_team = hourly("q", [Dimension::Team]);
    limiter.limits([by_team.clone()]);
    assert!(limiter.usage(None, None, 10).await.unwrap().is_empty());
    call(&limiter, &by_team, &["ops"], 2).await;
    let found = limiter.usage(None, None, 10).await.unwrap();
    assert_eq!(shown(&found), [("q team=ops".to_owned(), 2)]);
}

#[tokio::test]
async fn pages_have_every_use_once() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let clock = clock();
    let limits = ["b", "a", "a b"].map(|name| hourly(name, [Dimension::User]));
    let limiter = limiter(&store, &clock, &limits);
    for limit in &limits {
        for user in 0..PAGE + 7 {
            call(&limiter, limit, &[&user.to_string()], 1).await;
        }
    }
    let all = limiter.usage(None, None, usize::MAX).await.unwrap();
    assert_eq!(all.len(), 3 * (PAGE + 7));
    assert!(all.is_sorted_by(|a, b| a.id < b.id));
    for size in [1, 99, PAGE + 1] {
        let (mut pages, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = limiter.usage(None, after.as_deref(), size).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
            pages.extend(page);
        }
        assert_eq!(pages, all);
    }
    for after in ["", "/", "zz", "zz/zz", "\u{e9}/\u{e9}"] {
        assert!(limiter.usage(None, Some(after), 3).await.is_ok());
    }
}
