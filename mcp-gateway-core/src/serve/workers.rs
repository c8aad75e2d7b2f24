//! Thread-per-core serving.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Threads that serve connections, each with a runtime of its own.
///
/// A connection stays on the worker that it was assigned to, and so do the upstream connections of
/// its calls. On a work-stealing runtime a call costs about twice as much, because its memory moves
/// between cores. The drawback is that a long computation on a worker delays the other connections
/// of that worker.
///
/// Cloning is cheap. The threads end when the last clone is dropped, together with the tasks on
/// them, so it must be dropped after the servers have been closed.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::Workers;
///
/// # fn main() -> std::io::Result<()> {
/// let workers = Workers::start(std::thread::available_parallelism()?)?;
/// # drop(workers);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Workers(Arc<[Worker]>);

#[derive(Debug)]
/// One thread.
struct Worker {
    /// Handle of the thread's runtime.
    runtime: Handle,
    /// Number of connections assigned to the worker.
    connections: Arc<AtomicUsize>,
    /// Keeps the thread running; dropping it ends the thread.
    _running: oneshot::Sender<()>,
}

/// A connection that is assigned to a worker.
pub(super) struct WorkerPermit(Arc<AtomicUsize>);

impl Workers {
    /// Starts `count` threads.
    ///
    /// # Errors
    ///
    /// An I/O error if the system has no more threads or descriptors.
    pub fn start(count: NonZeroUsize) -> io::Result<Self> {
        let workers: io::Result<Arc<[Worker]>> = (1..=count.get()).map(Worker::start).collect();
        workers.map(Self)
    }

    /// Assigns a connection to the worker with the fewest connections and returns its runtime.
    pub(super) fn acquire(&self) -> Option<(&Handle, WorkerPermit)> {
        let load = |worker: &&Worker| worker.connections.load(Ordering::Relaxed);
        let worker = self.0.iter().min_by_key(load)?;
        worker.connections.fetch_add(1, Ordering::Relaxed);
        Some((
            &worker.runtime,
            WorkerPermit(Arc::clone(&worker.connections)),
        ))
    }
}

impl Worker {
    /// Starts the thread with the given number, counted from 1.
    fn start(number: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (running, ended) = oneshot::channel();
        thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || {
                // `Err` means that the sender was dropped, which is the signal to end.
                let _ = runtime.block_on(ended);
                runtime.shutdown_background();
            })?;
        Ok(Self {
            runtime: handle,
            connections: Arc::default(),
            _running: running,
        })
    }
}

impl Drop for WorkerPermit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_spread_and_stay() {
        let workers = Workers::start(NonZeroUsize::new(2).unwrap()).unwrap();
        let seen = |handle: &Handle| {
            let (told, number) = std::sync::mpsc::channel();
            handle.spawn(async move { told.send(Handle::current().id()) });
            number.recv().unwrap()
        };
        let (first, busy) = workers.acquire().unwrap();
        let (second, _busy) = workers.acquire().unwrap();
        assert_eq!([seen(first), seen(second)], [first.id(), second.id()]);
        assert_ne!(first.id(), second.id());
        drop(busy);
        assert_eq!(seen(workers.acquire().unwrap().0), first.id());
    }
}
