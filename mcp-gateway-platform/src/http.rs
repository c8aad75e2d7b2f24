//! HTTP endpoints of the platform.
//!
//! | path | content | access |
//! |---|---|---|
//! | `/mcp`, `/v1/mcp` | the default gateway | its callers |
//! | `/v1/mcp/{name}` | the gateway of that name | its callers |
//! | `/livez`, `/readyz`, `/healthz` | liveness and readiness | everybody |
//! | `/health/servers` | status of servers; their errors to administrators | callers |
//! | `/internal/replica` | replica requests | other replicas |
//! | `/api/auth/…`, `/.well-known/…`, `/authorize`, `/token`, `/register` | authorization server and login | everybody |
//! | `/api/v1/…` | admin API | administrators; entries of the registry: callers |
//! | `/console/…` | web console | people who sign in |
//! | `/v0.1/…`, `/v0/…` | registry API | callers; everybody if the registry is public |
//! | `/.well-known/ai-catalog.json`, `/server-card` below a gateway | server cards | everybody, if enabled |
//! | `/verify`, `/verify/{name}` | forward authentication | reverse proxies |
//! | `/` | redirect to the console | browsers |
//! | `/account`, `/login` | redirect to the account page, or a description of the gateway | browsers |
//! | `/metrics` | metrics | callers that may use all gateways, and with the metrics token |
//!
//! Each gateway also has `/sse` and `/messages`, for clients of protocol version 2024-11-05.

pub(crate) mod cards;
mod health;
pub(crate) mod hidden;
pub(crate) mod path;
mod restricted;
pub(crate) mod router;
