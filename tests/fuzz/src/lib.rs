//! Fuzz targets: functions that take any bytes, and panic where the gateway breaks a promise.
//!
//! | target | what is read | what must be so |
//! |---|---|---|
//! | [`answer`](targets::answer) | what a server answers, in pieces | however it is cut, the client gets the same: its own id, valid JSON |
//! | [`authorization`](targets::authorization) | a request to the authorization server, the login, the forward-auth endpoint | it is answered, without a mistake of ours, and no browser is sent to a stranger |
//! | [`config`](targets::config) | a configuration, the file of a client | a mistake has a place |
//! | [`envelope`](targets::envelope) | a message | a message is JSON, and its parts are where they are said to be |
//! | [`events`](targets::events) | a stream of events | however it is cut, its events are the same |
//! | [`header`](targets::header) | a header that mirrors text | what is written reads back |
//! | [`keys`](targets::keys) | the key set of an issuer | no key is secret, and none verifies what it has not signed |
//! | [`listing`](targets::listing) | a list of tools | what is listed can be called |
//! | [`proof`](targets::proof) | a proof of possession | it is accepted once, with a signature of its own key |
//! | [`published`](targets::published) | a `server.json` | what is published again is valid, and installing it breaks nothing |
//! | [`request`](targets::request) | the body of a request | it gets an answer, and never `202` |
//! | [`sealed`](targets::sealed) | an identifier of a session, a cursor | what was not made here is refused |
//! | [`token`](targets::token) | a JWT | it is read in one way only, and not believed |
//!
//! `cargo test` in this folder changes a few inputs at random, always the same ones;
//! `FUZZ_ROUNDS` says how many, `FUZZ_SEED` which. With a nightly compiler and [cargo-fuzz],
//! `cargo +nightly fuzz run --features libfuzzer --fuzz-dir . answer` looks for inputs that reach more
//! of the program.
//!
//! [cargo-fuzz]: https://rust-fuzz.github.io/book/cargo-fuzz.html

mod authority;
mod authorization;
mod harness;
mod mutation;
mod proof;
mod published;
pub mod targets;

pub use self::mutation::Mutation;
