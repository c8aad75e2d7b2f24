//! Paths of the platform.

/// Meaning of a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum RoutePath<'a> {
    /// Admin API.
    Admin,
    /// Web console.
    Console,
    /// Default gateway.
    Default,
    /// Authorization server and login.
    Authority,
    /// Forward authentication.
    Forward,
    /// Address that people type into a browser.
    Landing,
    /// Protected resource metadata (RFC 9728).
    Metadata,
    /// Registry API.
    Published,
    /// Gateway of this name.
    Named(&'a str),
    /// Management endpoint.
    Operation(ManagementPath),
}

/// Management endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ManagementPath {
    /// Liveness or readiness.
    Health(Health),
    /// Metrics.
    Metrics,
    /// Unknown path.
    Nothing,
    /// Status of servers.
    Servers,
}

/// Health of the process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Health {
    /// The process responds.
    Live,
    /// The process accepts calls.
    Ready,
}

/// All paths of the platform, as patterns of `axum`. Landing paths are those of the program in which
/// the platform is mounted.
pub(crate) const ROUTES: [&str; 26] = [
    "/mcp",
    "/mcp/{*below}",
    "/v1/mcp",
    "/v1/mcp/{*below}",
    "/livez",
    "/readyz",
    "/healthz",
    "/health/servers",
    "/internal/replica",
    "/metrics",
    "/authorize",
    "/register",
    "/token",
    "/api/auth/{*below}",
    "/connect",
    "/connect/{*below}",
    "/console",
    "/console/{*below}",
    "/api/v1",
    "/api/v1/{*below}",
    "/v0.1/{*below}",
    "/v0/{*below}",
    "/.well-known/{*below}",
    "/verify",
    "/verify/{*below}",
    "/mcp/",
];

impl<'a> RoutePath<'a> {
    /// Parses a request path.
    pub(super) fn of(path: &'a str) -> Self {
        let versioned = path.strip_prefix("/v1/mcp");
        match versioned.or_else(|| path.strip_prefix("/mcp")) {
            Some(below) if is_endpoint(below) => Self::Default,
            _ => match versioned.and_then(named) {
                Some(name) => Self::Named(name),
                None if path == "/verify" || path.starts_with("/verify/") => Self::Forward,
                None if path.starts_with("/.well-known/oauth-protected-resource") => Self::Metadata,
                None if is_authority(path) => Self::Authority,
                None if path == "/console" || path.starts_with("/console/") => Self::Console,
                None if matches!(path, "/" | "/account" | "/login") => Self::Landing,
                None if path == "/api/v1" || path.starts_with("/api/v1/") => Self::Admin,
                None if path.starts_with("/v0.1/") || path.starts_with("/v0/") => Self::Published,
                None => Self::Operation(ManagementPath::of(path)),
            },
        }
    }

    /// Returns the endpoint that responds if nothing else serves the path.
    pub(super) fn to_operation(self) -> ManagementPath {
        match self {
            Self::Admin
            | Self::Authority
            | Self::Console
            | Self::Default
            | Self::Forward
            | Self::Landing
            | Self::Metadata
            | Self::Named(_)
            | Self::Published => ManagementPath::Nothing,
            Self::Operation(operation) => operation,
        }
    }
}

impl ManagementPath {
    fn of(path: &str) -> Self {
        match path {
            "/healthz" | "/livez" => Self::Health(Health::Live),
            "/readyz" => Self::Health(Health::Ready),
            "/health/servers" => Self::Servers,
            "/metrics" => Self::Metrics,
            _ => Self::Nothing,
        }
    }
}

/// Returns `true` if `path` belongs to the authorization server or the login.
fn is_authority(path: &str) -> bool {
    matches!(path, "/authorize" | "/connect" | "/register" | "/token")
        || path.starts_with("/connect/")
        || path.starts_with("/api/auth/")
        || path.starts_with("/.well-known/oauth-")
        || path.starts_with("/.well-known/openid-configuration")
}

/// Returns the name of the gateway in `below`, the part after `/v1/mcp`.
fn named(below: &str) -> Option<&str> {
    let below = below.strip_prefix('/')?;
    let (name, below) = below.split_at(below.find('/').unwrap_or(below.len()));
    (!name.is_empty() && is_endpoint(below)).then_some(name)
}

/// Returns `true` if `below` is a valid part after the path of a gateway.
fn is_endpoint(below: &str) -> bool {
    matches!(below, "" | "/" | "/messages" | "/sse")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_means_something() {
        use ManagementPath::{Metrics, Nothing, Servers};
        let [nothing, servers, metrics] = [Nothing, Servers, Metrics].map(RoutePath::Operation);
        let authority = RoutePath::Authority;
        let health = |endpoint| RoutePath::Operation(ManagementPath::Health(endpoint));
        let table = [
            ("/mcp", RoutePath::Default),
            ("/mcp/", RoutePath::Default),
            ("/mcp/sse", RoutePath::Default),
            ("/mcp/messages", RoutePath::Default),
            ("/v1/mcp", RoutePath::Default),
            ("/v1/mcp/", RoutePath::Default),
            ("/v1/mcp/sse", RoutePath::Default),
            ("/v1/mcp/dev", RoutePath::Named("dev")),
            ("/v1/mcp/dev/", RoutePath::Named("dev")),
            ("/v1/mcp/dev/sse", RoutePath::Named("dev")),
            ("/v1/mcp/dev/messages", RoutePath::Named("dev")),
            ("/v1/mcp/dev/other", nothing),
            ("/v1/mcp//sse", nothing),
            ("/v1/mcpx", nothing),
            ("/mcp/dev", nothing),
            ("/mcpx", nothing),
            ("/", RoutePath::Landing),
            ("/login", RoutePath::Landing),
            ("/account", RoutePath::Landing),
            ("/account/", nothing),
            ("/console", RoutePath::Console),
            ("/console/servers/x", RoutePath::Console),
            ("/consolex", nothing),
            ("", nothing),
            ("/authorize", authority),
            ("/api/auth/login", RoutePath::Authority),
            ("/connect", RoutePath::Authority),
            ("/connect/notes", RoutePath::Authority),
            ("/connected", nothing),
            (
                "/.well-known/oauth-protected-resource/mcp",
                RoutePath::Metadata,
            ),
            ("/.well-known/oauth-authorization-server", authority),
            ("/api/v1", RoutePath::Admin),
            ("/api/v1/users", RoutePath::Admin),
            ("/api/v1x", nothing),
            ("/v0.1/servers", RoutePath::Published),
            ("/v0/servers", RoutePath::Published),
            ("/v0.1", nothing),
            ("/v0.2/servers", nothing),
            ("/verify", RoutePath::Forward),
            ("/verify/notes/mcp", RoutePath::Forward),
            ("/verifyx", nothing),
            ("/authorize/x", nothing),
            ("/livez", health(Health::Live)),
            ("/healthz", health(Health::Live)),
            ("/readyz", health(Health::Ready)),
            ("/health/servers", servers),
            ("/metrics", metrics),
        ];
        for (path, expected) in table {
            assert_eq!(RoutePath::of(path), expected, "{path}");
        }
    }
}
