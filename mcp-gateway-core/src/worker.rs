//! Tells the threads apart that serve connections on runtimes of their own.

use std::cell::Cell;

thread_local! {
    static NUMBER: Cell<usize> = const { Cell::new(0) };
}

/// The number of the worker whose thread this is, from 1 on; 0 on other threads.
#[cfg(any(feature = "client", test))]
pub(crate) fn current() -> usize {
    NUMBER.get()
}

/// Makes this thread the one of the worker `number`.
#[cfg(feature = "serve")]
pub(crate) fn become_worker(number: usize) {
    NUMBER.set(number);
}
