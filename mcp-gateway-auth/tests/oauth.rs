//! Tests of the authorization server over HTTP, by clients, browsers and attackers.
//!
//! Prefixes of test names: `o1_` to `o50_` are attacks, `flaw_` are flaws of other gateways, `rfc_`
//! are requirements, and `category_` are test categories of other servers. Their remaining
//! categories are covered here:
//!
//! | category | tests |
//! |---|---|
//! | RFC compliance | `rfc_` in all modules, the conformance suite in `bins/mcp-gateway/tests/login` |
//! | OAuth flow, PKCE | `flow`, `codes`, `model` |
//! | registration and its security | `registration`, `documents`, `redirects` |
//! | registration management | `management`, `categories` |
//! | error paths, rare branches | `endpoints`, `bodies`, `narrowed` |
//! | CORS, discovery without a token | `discovery` |
//! | login, GitHub and its errors | `login` beside this binary |
//! | the steps of a client from `401` to a refreshed token | `bins/mcp-gateway/tests/login`, with real clients |
//! | reverse proxies | `forward` in `bins/mcp-gateway/tests` |
//! | health, versions, sessions, proxying | `tests/tests` of the workspace |
//! | forbidden hosts | `egress` in the binary `jwt` |

#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

mod oauth {
    mod assertions;
    mod bodies;
    mod bound;
    mod categories;
    mod codes;
    mod consent;
    mod discovery;
    mod documents;
    mod endpoints;
    mod flaws;
    mod flow;
    mod harness;
    mod host;
    mod identity_assertions;
    mod management;
    mod model;
    mod narrowed;
    mod redirects;
    mod registration;
    mod secrets;
    mod shown;
    mod tokens;
    mod workloads;
}
