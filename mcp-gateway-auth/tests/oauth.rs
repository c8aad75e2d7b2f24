//! The authorization server, as clients, browsers and attackers use it.
//!
//! The names of tests begin with what they are about: `o1_` to `o50_` are attacks, `flaw_` are
//! mistakes that other gateways make, `rfc_` are requirements, and `category_` is what others test
//! too. The rest of what others test is here:
//!
//! | category | tests |
//! |---|---|
//! | RFC compliance | `rfc_` in all modules, the conformance suite in `bins/mcp-gateway/tests/login` |
//! | OAuth flow, PKCE | `flow`, `codes`, `model` |
//! | registration and its security | `registration`, `documents`, `redirects` |
//! | management of registrations | `management`, `categories` |
//! | error paths, rare branches | `endpoints`, `bodies`, `narrowed` |
//! | CORS, discovery without a token | `discovery` |
//! | logging in, GitHub and its errors | `login` beside this binary |
//! | the steps of a client from `401` to a refreshed token | `bins/mcp-gateway/tests/login`, with real clients |
//! | reverse proxies | `forward` in `bins/mcp-gateway/tests` |
//! | health, versions, sessions, proxying | `tests/tests` of the workspace |
//! | hosts that must not be reached | `egress` in the binary `jwt` |

#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

mod oauth {
    mod assertions;
    mod bodies;
    mod categories;
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
