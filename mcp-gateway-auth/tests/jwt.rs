//! Attacks on token verification, J1 to J36, and on the requests that it causes.
//!
//! Keys are generated at run time. Issuers are local HTTP servers that count requests.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of tests are not in functions that are tests"
)]

#[path = "jwt/claims.rs"]
mod claims;
#[path = "jwt/egress.rs"]
mod egress;
#[path = "jwt/form.rs"]
mod form;
#[path = "jwt/forwarding.rs"]
mod forwarding;
#[path = "jwt/harness.rs"]
mod harness;
#[path = "jwt/introspection.rs"]
mod introspection;
#[path = "jwt/issuers.rs"]
mod issuers;
#[path = "jwt/keys.rs"]
mod keys;
#[path = "jwt/remote.rs"]
mod remote;
#[path = "jwt/server.rs"]
mod server;
#[path = "jwt/signature.rs"]
mod signature;
