//! The authorization server, as clients, browsers and attackers use it.

#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

mod oauth {
    mod bodies;
    mod codes;
    mod consent;
    mod endpoints;
    mod flow;
    mod narrowed;
    mod redirects;
    mod rig;
    mod shown;
}
