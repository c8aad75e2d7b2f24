//! Throughput and latency of SQLite commits.
//!
//! ```sh
//! cargo bench -p mcp-gateway-store --bench commits [-- FOLDER]
//! ```
//!
//! The file is created in FOLDER, or in the temporary directory; every commit waits for the disk.
//! Each batch resembles the redemption of a code: a condition, a put of 300 bytes with an
//! expiration, and a deletion.

#![expect(clippy::print_stdout, reason = "it is what a benchmark is for")]

use std::{
    env,
    error::Error,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use hdrhistogram::Histogram;
use mcp_gateway_store::SqliteStore;
use mcp_gateway_store::{Batch, CommitOutcome, Store};
use tokio::task::JoinSet;

type BoxError = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    // Cargo adds its own arguments.
    let folder = env::args()
        .skip(1)
        .find(|argument| !argument.starts_with("--"));
    let folder = folder.map_or_else(env::temp_dir, Into::into);
    println!("committers   commits/s      p50 ms      p99 ms      max ms");
    for committers in [1, 4, 16, 64] {
        let folder = tempfile::tempdir_in(&folder)?;
        let store = Arc::new(SqliteStore::open(folder.path().join("bench.db")).await?);
        let begun = Instant::now();
        let mut tasks = JoinSet::new();
        for committer in 0..committers {
            tasks.spawn(commit_for(Arc::clone(&store), committer, DURATION));
        }
        let mut all = Histogram::<u64>::new(3)?;
        while let Some(times) = tasks.join_next().await {
            all.add(times??)?;
        }
        let milliseconds = |micros: u64| Duration::from_micros(micros).as_secs_f64() * 1000.0;
        println!(
            "{committers:>10} {:>11.0} {:>11.2} {:>11.2} {:>11.2}",
            Duration::from_secs(all.len()).as_secs_f64() / begun.elapsed().as_secs_f64(),
            milliseconds(all.value_at_quantile(0.5)),
            milliseconds(all.value_at_quantile(0.99)),
            milliseconds(all.max()),
        );
    }
    Ok(())
}

/// Commits batches one after the other, and measures each.
async fn commit_for(
    store: Arc<SqliteStore>,
    committer: u32,
    duration: Duration,
) -> Result<Histogram<u64>, BoxError> {
    let mut times = Histogram::new(3)?;
    let end = Instant::now() + duration;
    let expires = SystemTime::now() + Duration::from_secs(3600);
    let value = vec![b'x'; 300];
    for number in 0_u64.. {
        let begun = Instant::now();
        if begun >= end {
            break;
        }
        let key = format!("token/{committer}/{number}");
        let batch = Batch::new()
            .if_absent(&*key)
            .put_until(&*key, value.clone(), expires)
            .delete(format!("token/{committer}/{}", number.wrapping_sub(100)));
        if store.commit(batch).await? == CommitOutcome::Conflict {
            return Err("nobody else has this key".into());
        }
        times.record(u64::try_from(begun.elapsed().as_micros())?)?;
    }
    Ok(times)
}

const DURATION: Duration = Duration::from_secs(3);
