use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, SystemTime},
};

use mcp_gateway_store::{Batch, CommitOutcome, Document, DocumentVersion, Store};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};
use tokio::{runtime::Handle, task::block_in_place};

use super::Opened;

/// Any sequence of batches comes out as with a map.
pub async fn it_is_as_a_map_would_be(Opened { store, .. }: Opened) {
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        ..Config::with_cases(48)
    });
    let cases = AtomicU32::new(0);
    let runtime = Handle::current();
    let result = block_in_place(|| {
        runner.run(&vec(step(), 1..12), |steps| {
            let prefix = format!("case/{}/", cases.fetch_add(1, Ordering::Relaxed));
            let mut model = Model {
                store: &*store,
                prefix,
                documents: BTreeMap::new(),
                versions: Vec::new(),
            };
            runtime.block_on(model.check(&steps))
        })
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// A batch, in terms of what is there when it is committed.
#[derive(Clone, Debug)]
struct Step {
    conditions: Vec<(usize, Wanted)>,
    writes: Vec<(usize, Written)>,
}

#[derive(Clone, Copy, Debug)]
enum Wanted {
    Absent,
    /// Its version, or that of no document.
    Current,
    /// Some version that there was, of whatever key.
    Former(usize),
}

#[derive(Clone, Debug)]
enum Written {
    Deleted,
    Over,
    Put(Vec<u8>, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let wanted = prop_oneof![
        2 => Just(Wanted::Absent),
        4 => Just(Wanted::Current),
        1 => any::<usize>().prop_map(Wanted::Former),
    ];
    let written = prop_oneof![
        2 => Just(Written::Deleted),
        1 => Just(Written::Over),
        4 => (any::<Vec<u8>>(), any::<bool>()).prop_map(|(value, ends)| Written::Put(value, ends)),
    ];
    let conditions = vec((0..KEYS.len(), wanted), 0..3);
    let writes = vec((0..KEYS.len(), written), 0..4);
    (conditions, writes).prop_map(|(conditions, writes)| Step { conditions, writes })
}

struct Model<'a> {
    store: &'a dyn Store,
    prefix: String,
    documents: BTreeMap<String, Document>,
    /// All that there were.
    versions: Vec<DocumentVersion>,
}

impl Model<'_> {
    async fn check(&mut self, steps: &[Step]) -> Result<(), TestCaseError> {
        for step in steps {
            let (batch, holds) = self.batch(step);
            let outcome = self.store.commit(batch).await.map_err(failed)?;
            prop_assert_eq!(outcome == CommitOutcome::Committed, holds, "{:?}", step);
            let written: BTreeMap<usize, &Written> = match holds {
                true => step
                    .writes
                    .iter()
                    .map(|(key, written)| (*key, written))
                    .collect(),
                false => BTreeMap::new(),
            };
            for (key, written) in written {
                self.follow(&self.key(key), written).await?;
            }
            self.compare().await?;
        }
        Ok(())
    }

    fn key(&self, number: usize) -> String {
        format!("{}{}", self.prefix, KEYS[number])
    }

    /// The batch, and whether its conditions hold.
    fn batch(&self, step: &Step) -> (Batch, bool) {
        let mut batch = Batch::new();
        let mut holds = true;
        for (key, wanted) in &step.conditions {
            let key = self.key(*key);
            let current = self.documents.get(&key).map(|document| document.version);
            let version = match wanted {
                Wanted::Absent => {
                    holds &= current.is_none();
                    batch = batch.if_absent(key);
                    continue;
                }
                Wanted::Current => current.unwrap_or(DocumentVersion(0)),
                Wanted::Former(at) => {
                    let at = at.checked_rem(self.versions.len());
                    at.map_or(DocumentVersion(0), |at| self.versions[at])
                }
            };
            holds &= current == Some(version);
            batch = batch.if_version(key, version);
        }
        for (key, written) in &step.writes {
            let key = self.key(*key);
            batch = match written {
                Written::Deleted => batch.delete(key),
                Written::Over => batch.put_until(key, "over", SystemTime::UNIX_EPOCH),
                Written::Put(value, false) => batch.put(key, value.clone()),
                Written::Put(value, true) => batch.put_until(key, value.clone(), later()),
            };
        }
        (batch, holds)
    }

    /// Does in the map what was done in the store, whose versions are its own.
    async fn follow(&mut self, key: &str, written: &Written) -> Result<(), TestCaseError> {
        let found = self.store.get(key).await.map_err(failed)?;
        let Written::Put(value, ends) = written else {
            prop_assert_eq!(found, None);
            self.documents.remove(key);
            return Ok(());
        };
        let Some(found) = found else {
            return Err(TestCaseError::fail(format!("{key:?} was not put")));
        };
        prop_assert_eq!(&found.value[..], &value[..]);
        prop_assert_eq!(found.expires, ends.then(later));
        prop_assert!(
            !self.versions.contains(&found.version),
            "a version came again"
        );
        self.versions.push(found.version);
        self.documents.insert(key.to_owned(), found);
        Ok(())
    }

    async fn compare(&self) -> Result<(), TestCaseError> {
        let found = self.store.list(&self.prefix, None, usize::MAX).await;
        let found = found.map_err(failed)?;
        let found: Vec<_> = found
            .iter()
            .map(|entry| (&*entry.key, &entry.document))
            .collect();
        let expected: Vec<_> = self
            .documents
            .iter()
            .map(|(key, document)| (&**key, document))
            .collect();
        prop_assert_eq!(found, expected);
        Ok(())
    }
}

/// The same whenever it is asked for.
fn later() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::new(4_000_000_000, 123_456_789)
}

#[expect(clippy::needless_pass_by_value, reason = "it is for `map_err`")]
fn failed(error: mcp_gateway_store::StoreError) -> TestCaseError {
    TestCaseError::fail(error.0.to_string())
}

const KEYS: [&str; 6] = ["", "a", "a/", "a/%", "a0", "\u{10ffff}"];
