//! Malformed requests to the endpoint.
//!
//! Real sockets, a gateway over a fixture of both eras, and a table of mistakes in each module.
//! Whatever comes, the answer is a JSON-RPC error that says what is wrong: no panic, no silence, no
//! `202 Accepted` for a request, nothing of another caller.

#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

mod endpoint {
    mod body;
    mod forwarding;
    mod harness;
    mod headers;
    mod http;
    mod page;
    mod revocation;
    mod sessions;
    mod socket;
    mod versions;
}
