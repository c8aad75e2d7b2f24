//! Servers that lie, break off, are silent, huge or dead.
//!
//! Each of them costs itself: its callers get a clear error within its deadline, the next call
//! works, and other servers do not notice.

#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

mod upstream {
    mod answers;
    mod app_scopes;
    mod apps;
    mod children;
    mod client;
    mod credentials;
    mod detection;
    mod events;
    mod extensions;
    mod harness;
    mod hundred;
    mod limits;
    mod listener;
    mod listening;
    mod lists;
    mod pool;
    mod refresh;
    mod results;
    mod search;
    mod single;
    mod size;
    mod sse;
    mod tasks;
}
