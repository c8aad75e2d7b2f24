//! The authorization server, as clients, browsers and attackers use it.

#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

mod oauth {
    mod codes;
    mod flow;
    mod rig;
}
