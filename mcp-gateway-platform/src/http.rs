//! What is where: the paths of the gateway.
//!
//! | path | what | for |
//! |---|---|---|
//! | `/mcp`, `/v1/mcp` | the default gateway | its callers |
//! | `/v1/mcp/{name}` | the gateway of that name | its callers |
//! | `/livez`, `/readyz`, `/healthz` | whether the process lives, and takes calls | everybody |
//! | `/health/servers` | how each server is | callers |
//! | `/internal/replica` | what is passed on between replicas | other replicas |
//! | `/api/auth/…`, `/.well-known/…`, `/authorize`, `/token`, `/register` | what people and clients log in with | everybody |
//! | `/verify`, `/verify/{name}` | who is calling a server that a proxy is in front of | that proxy |
//! | `/metrics` | what Prometheus may know | callers, and who has the token for it |
//!
//! Below each gateway are `/sse` and `/messages`, for clients of revision 2024-11-05.

mod health;
pub(crate) mod path;
pub(crate) mod router;
