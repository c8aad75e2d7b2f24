use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Threads that serve connections, each on a runtime of its own. Cheap to clone.
///
/// A connection stays with the worker that it was given to, and so do the connections to servers
/// that its calls use. On a runtime that moves work between threads a call costs about twice as
/// much, because the memory that it touches moves along. In exchange a worker that computes for
/// long holds up its own connections.
///
/// The threads end when the last clone is dropped, and with them what was begun on them: drop it
/// after the servers have been closed.
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
struct Worker {
    runtime: Handle,
    connections: Arc<AtomicUsize>,
    /// Ends the thread when it is dropped.
    _running: oneshot::Sender<()>,
}

/// A connection that a worker serves.
pub(super) struct Busy(Arc<AtomicUsize>);

impl Workers {
    /// Starts `count` of them.
    ///
    /// # Errors
    ///
    /// When the system has no more threads or descriptors.
    pub fn start(count: NonZeroUsize) -> io::Result<Self> {
        let workers: io::Result<Arc<[Worker]>> = (1..=count.get()).map(Worker::start).collect();
        workers.map(Self)
    }

    /// The runtime of the worker that has the fewest connections, which has one more from now on.
    pub(super) fn take(&self) -> Option<(&Handle, Busy)> {
        let load = |worker: &&Worker| worker.connections.load(Ordering::Relaxed);
        let worker = self.0.iter().min_by_key(load)?;
        worker.connections.fetch_add(1, Ordering::Relaxed);
        Some((&worker.runtime, Busy(Arc::clone(&worker.connections))))
    }
}

impl Worker {
    fn start(number: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (running, ended) = oneshot::channel();
        thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || {
                // An error says that the sender is gone, which is what is waited for.
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

impl Drop for Busy {
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
        let (first, busy) = workers.take().unwrap();
        let (second, _busy) = workers.take().unwrap();
        assert_eq!([seen(first), seen(second)], [first.id(), second.id()]);
        assert_ne!(first.id(), second.id());
        drop(busy);
        assert_eq!(seen(workers.take().unwrap().0), first.id());
    }
}
