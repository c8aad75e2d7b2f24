//! Comparison of a server through the gateway with the same server directly.
//!
//! Each client plays the same scripts against a server of its own era, and through the gateway
//! against servers of both eras. What differs must be known, with a reason; the outcome is a table
//! of the documentation, which `UPDATE_DOCS=1` writes anew. What SDKs do not show, clients without
//! one look at byte by byte.

#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

mod differential {
    mod bytes;
    mod cells;
    mod client;
    mod difference;
    mod known;
    mod pods;
    mod server;
    mod table;

    /// A program of these tests.
    fn program(name: &str) -> std::path::PathBuf {
        let programs = concat!(env!("CARGO_MANIFEST_DIR"), "/clients");
        std::path::Path::new(programs).join(name)
    }
}
