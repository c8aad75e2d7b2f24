//! The authorization server, as clients, browsers and attackers use it.

#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

mod oauth {
    mod assertions;
    mod bodies;
    mod codes;
    mod consent;
    mod discovery;
    mod documents;
    mod endpoints;
    mod flaws;
    mod flow;
    mod host;
    mod identity_assertions;
    mod management;
    mod model;
    mod narrowed;
    mod redirects;
    mod registration;
    mod rig;
    mod secrets;
    mod shown;
    mod tokens;
}
