use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32};

use async_trait::async_trait;
use mcp_gateway_store::{
    Batch, CommitOutcome, Document, ListedDocument, MemoryStore, Store, StoreError, WatchStream,
};
use proptest::prelude::*;

use super::*;
use crate::clock::{Clock, ManualClock};
use crate::counters::Counters;
use crate::key::{Key, KeyRef};
use crate::limit::{Bound, Dimension, Limit, Quota};
use crate::window::Window;

/// A process with shares of its own.
struct Process {
    refills: Refills,
    clock: Clock,
    shares: Counters<Share>,
    limit: Limit,
    quota: Quota,
}

impl Process {
    fn new(store: &Arc<dyn Store>, clock: &Clock, quota: Quota) -> Self {
        Self {
            refills: Refills::new(Ledger::new(Arc::clone(store)), clock.clone()),
            clock: clock.clone(),
            shares: Counters::with_capacity(256),
            limit: Limit::new("q", Bound::Quota(quota)).per([Dimension::User]),
            quota,
        }
    }

    fn period(&self) -> Period {
        let span = self.quota.window.at(self.clock.unix_seconds());
        let window = self.quota.window;
        Period { window, span }
    }

    fn share(&self, user: &str) -> Arc<Share> {
        let key = KeyRef::of([user]);
        let create = |key: &Key| Share::new(Account::new(&self.limit, key));
        self.shares
            .get_or_insert(&key, self.clock.nanos(), create)
            .unwrap()
    }

    async fn call(&self, user: &str) -> Result<(), Refusal> {
        let (share, period) = (self.share(user), self.period());
        if share.take(period.span, self.clock.nanos()) {
            return Ok(());
        }
        self.refills.take(&share, (&self.quota, period)).await
    }

    async fn give_back(&self, user: &str) {
        let share = self.share(user);
        self.refills.give_back(&share, self.period()).await;
    }
}

fn manual() -> (Arc<ManualClock>, Clock) {
    let clock = Arc::new(ManualClock::default());
    clock.seconds.store(1_800_000_000, Ordering::SeqCst);
    (Arc::clone(&clock), Clock::Manual(clock))
}

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

fn hourly(amount: u64) -> Quota {
    Quota::new(amount, Window::of(Duration::from_secs(3600)).unwrap())
}

/// A step of a random history.
#[derive(Clone, Debug)]
enum Step {
    Call { process: usize, user: usize },
    Crash { process: usize },
    GiveBack { process: usize, user: usize },
    Refund { process: usize, user: usize },
    Advance { seconds: i64 },
}

fn any_step() -> impl Strategy<Value = Step> {
    let (process, user) = (0..3_usize, 0..2_usize);
    prop_oneof![
        12 => (process.clone(), user.clone()).prop_map(|(process, user)| Step::Call { process, user }),
        1 => process.clone().prop_map(|process| Step::Crash { process }),
        1 => (process.clone(), user.clone())
            .prop_map(|(process, user)| Step::GiveBack { process, user }),
        1 => (process, user).prop_map(|(process, user)| Step::Refund { process, user }),
        1 => prop_oneof![0..10_i64, 0..4_000_i64, -4_000..0_i64]
            .prop_map(|seconds| Step::Advance { seconds }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// A model counts what was permitted in each window, whatever processes, shares and clocks do.
    #[test]
    fn no_history_exceeds_a_quota(
        amount in prop_oneof![1..10_u64, 1..300_u64],
        steps in prop::collection::vec(any_step(), 1..400),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let ((manual, clock), store, quota) = (manual(), memory(), hourly(amount));
            let start = || Process::new(&store, &clock, quota);
            let mut processes = [start(), start(), start()];
            let users = ["alice", "bob"];
            let mut permitted: HashMap<(usize, u32), u64> = HashMap::new();
            for step in steps {
                match step {
                    Step::Call { process, user } => {
                        let window = processes[process].period().span.index;
                        if processes[process].call(users[user]).await.is_ok() {
                            *permitted.entry((user, window)).or_default() += 1;
                        }
                    }
                    Step::Refund { process, user } => {
                        let span = processes[process].period().span;
                        let made = permitted.entry((user, span.index)).or_default();
                        // Only a call that was permitted by this process is given back.
                        let share = processes[process].share(users[user]);
                        if *made > 0 && share.window() == span.index && share.calls() > 0 {
                            share.give_back(span);
                            *made -= 1;
                        }
                    }
                    Step::Crash { process } => processes[process] = start(),
                    Step::GiveBack { process, user } => {
                        processes[process].give_back(users[user]).await;
                    }
                    Step::Advance { seconds } => {
                        manual.seconds.fetch_add(seconds, Ordering::SeqCst);
                        let nanos = u64::try_from(seconds.max(0)).unwrap() * 1_000_000_000;
                        manual.nanos.fetch_add(nanos, Ordering::SeqCst);
                    }
                }
                for ((user, window), count) in &permitted {
                    assert!(*count <= amount, "{count} of {amount}: {user} in {window}");
                }
            }
        });
    }
}

#[tokio::test]
async fn all_calls_of_a_quota_can_be_made_when_shares_come_back() {
    let ((manual, clock), store, quota) = (manual(), memory(), hourly(1000));
    let processes = [(); 2].map(|()| Process::new(&store, &clock, quota));
    let mut made = 0;
    // Two shares of 4 and 16 calls, and one call of a third.
    for _ in 0..21 {
        assert!(processes[1].call("alice").await.is_ok());
        made += 1;
    }
    while processes[0].call("alice").await.is_ok() {
        made += 1;
    }
    // The other process holds a share, which it has not used up.
    assert!((1000 - 64..1000).contains(&made), "{made}");
    processes[1].give_back("alice").await;
    assert_eq!(processes[0].call("alice").await, Err(Refusal::Exhausted));
    // The rejection stands for a second.
    manual.nanos.fetch_add(1_000_000_000, Ordering::SeqCst);
    while processes[0].call("alice").await.is_ok() {
        made += 1;
    }
    assert_eq!(made, 1000);
}

#[tokio::test]
async fn a_killed_process_loses_one_share_of_each_key() {
    for calls in [1, 5, 17, 100, 700] {
        let ((_, clock), store, quota) = (manual(), memory(), hourly(1000));
        let killed = Process::new(&store, &clock, quota);
        for _ in 0..calls {
            assert!(killed.call("alice").await.is_ok());
        }
        drop(killed);
        let other = Process::new(&store, &clock, quota);
        let mut made = calls;
        while other.call("alice").await.is_ok() {
            made += 1;
        }
        assert!((1000 - 64..=1000).contains(&made), "{calls}: {made}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_callers_of_two_processes_share_a_quota() {
    let (store, quota) = (memory(), hourly(1000));
    let clock = Clock::new();
    let processes = [(); 2].map(|()| Arc::new(Process::new(&store, &clock, quota)));
    let mut callers = tokio::task::JoinSet::new();
    for number in 0..200 {
        let process = Arc::clone(&processes[number % 2]);
        callers.spawn(async move {
            let mut made = 0_u32;
            for _ in 0..10 {
                made += u32::from(process.call("alice").await.is_ok());
            }
            made
        });
    }
    let made: u32 = callers.join_all().await.into_iter().sum();
    assert!((1000 - 64..=1000).contains(&made), "{made}");
}

/// A store that fails on demand, and counts its requests.
#[derive(Debug)]
struct Failing {
    store: MemoryStore,
    is_down: AtomicBool,
    requests: AtomicU32,
}

impl Failing {
    fn check(&self) -> Result<(), StoreError> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        match self.is_down.load(Ordering::SeqCst) {
            true => Err(StoreError::new("down")),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Store for Failing {
    async fn get(&self, key: &str) -> Result<Option<Document>, StoreError> {
        self.check()?;
        self.store.get(key).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ListedDocument>, StoreError> {
        self.store.list(prefix, after, limit).await
    }

    async fn commit(&self, batch: Batch) -> Result<CommitOutcome, StoreError> {
        self.check()?;
        self.store.commit(batch).await
    }

    fn watch(&self, prefix: &str) -> WatchStream {
        self.store.watch(prefix)
    }
}

#[tokio::test]
async fn the_store_is_asked_once_for_many_calls_and_may_fail_meanwhile() {
    let (manual, clock) = manual();
    let failing = Arc::new(Failing {
        store: MemoryStore::new(),
        is_down: AtomicBool::new(false),
        requests: AtomicU32::new(0),
    });
    let store: Arc<dyn Store> = failing.clone();
    let process = Process::new(&store, &clock, hourly(50_000));
    for _ in 0..4 + 16 + 640 {
        assert!(process.call("alice").await.is_ok());
    }
    assert_eq!(failing.requests.swap(0, Ordering::SeqCst), 2 * (1 + 1 + 10));
    assert!(process.call("alice").await.is_ok());
    failing.is_down.store(true, Ordering::SeqCst);
    for _ in 0..63 {
        assert!(process.call("alice").await.is_ok());
    }
    failing.requests.store(0, Ordering::SeqCst);
    for _ in 0..10 {
        assert_eq!(process.call("alice").await, Err(Refusal::Unavailable));
    }
    assert_eq!(failing.requests.load(Ordering::SeqCst), 1);
    failing.is_down.store(false, Ordering::SeqCst);
    manual.nanos.fetch_add(1_000_000_000, Ordering::SeqCst);
    assert!(process.call("alice").await.is_ok());
}

#[tokio::test]
async fn category_evasion_many_keys_reset_no_quota() {
    let ((_, clock), store) = (manual(), memory());
    let process = Process::new(&store, &clock, hourly(3));
    for _ in 0..3 {
        assert!(process.call("mallory").await.is_ok());
    }
    let create = |key: &Key| Share::new(Account::new(&process.limit, key));
    let mut refused = 0;
    for number in 0..1000 {
        let name = number.to_string();
        let inserted = process
            .shares
            .get_or_insert(&KeyRef::of([&*name]), 0, create);
        refused += usize::from(inserted.is_none());
    }
    // The count is in the store, whether or not the table still has the key.
    assert!(refused > 0);
    let key = KeyRef::of(["mallory"]);
    let share = process.shares.get(&key);
    let share = share.unwrap_or_else(|| {
        Arc::new(Share::of_one_call(Account::new(
            &process.limit,
            &key.to_owned(),
        )))
    });
    let period = process.period();
    let taken = process.refills.take(&share, (&process.quota, period)).await;
    assert_eq!(taken, Err(Refusal::Exhausted));
}
