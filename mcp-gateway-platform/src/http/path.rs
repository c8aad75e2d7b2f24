//! The paths of the platform.

/// What a path means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Path<'a> {
    /// The default gateway.
    Default,
    /// What people and clients log in with.
    Authority,
    /// What proxies ask about callers.
    Forward,
    /// What clients may know of what tokens are for.
    Metadata,
    /// The gateway of that name.
    Named(&'a str),
    /// Something about the gateway itself.
    Operation(Operation),
}

/// What may be asked about the gateway itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Operation {
    /// Whether the process lives, or takes calls.
    Health(Health),
    /// What Prometheus may know.
    Metrics,
    /// Nothing that means anything.
    Nothing,
    /// How each server is.
    Servers,
}

/// What may be asked about the process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Health {
    Live,
    Ready,
}

/// All paths of the platform, as patterns of axum.
pub(crate) const ROUTES: [&str; 18] = [
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
    "/.well-known/{*below}",
    "/verify",
    "/verify/{*below}",
    "/mcp/",
];

impl<'a> Path<'a> {
    pub(super) fn of(path: &'a str) -> Self {
        let versioned = path.strip_prefix("/v1/mcp");
        match versioned.or_else(|| path.strip_prefix("/mcp")) {
            Some(below) if is_endpoint(below) => Self::Default,
            _ => match versioned.and_then(named) {
                Some(name) => Self::Named(name),
                None if path == "/verify" || path.starts_with("/verify/") => Self::Forward,
                None if path.starts_with("/.well-known/oauth-protected-resource") => Self::Metadata,
                None if is_authority(path) => Self::Authority,
                None => Self::Operation(Operation::of(path)),
            },
        }
    }

    /// What is answered if no gateway is there.
    pub(super) fn to_operation(self) -> Operation {
        match self {
            Self::Authority | Self::Default | Self::Forward | Self::Metadata | Self::Named(_) => {
                Operation::Nothing
            }
            Self::Operation(operation) => operation,
        }
    }
}

impl Operation {
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

/// Whether `path` is one that people and clients log in with.
fn is_authority(path: &str) -> bool {
    matches!(path, "/authorize" | "/register" | "/token")
        || path.starts_with("/api/auth/")
        || path.starts_with("/.well-known/oauth-")
        || path.starts_with("/.well-known/openid-configuration")
}

/// The name in `below`, which comes after the path of all gateways.
fn named(below: &str) -> Option<&str> {
    let below = below.strip_prefix('/')?;
    let (name, below) = below.split_at(below.find('/').unwrap_or(below.len()));
    (!name.is_empty() && is_endpoint(below)).then_some(name)
}

/// Whether `below` is what may come after the path of a gateway.
fn is_endpoint(below: &str) -> bool {
    matches!(below, "" | "/" | "/messages" | "/sse")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_means_something() {
        let nothing = Path::Operation(Operation::Nothing);
        let table = [
            ("/mcp", Path::Default),
            ("/mcp/", Path::Default),
            ("/mcp/sse", Path::Default),
            ("/mcp/messages", Path::Default),
            ("/v1/mcp", Path::Default),
            ("/v1/mcp/", Path::Default),
            ("/v1/mcp/sse", Path::Default),
            ("/v1/mcp/dev", Path::Named("dev")),
            ("/v1/mcp/dev/", Path::Named("dev")),
            ("/v1/mcp/dev/sse", Path::Named("dev")),
            ("/v1/mcp/dev/messages", Path::Named("dev")),
            ("/v1/mcp/dev/other", nothing),
            ("/v1/mcp//sse", nothing),
            ("/v1/mcpx", nothing),
            ("/mcp/dev", nothing),
            ("/mcpx", nothing),
            ("/", nothing),
            ("", nothing),
            ("/authorize", Path::Authority),
            ("/api/auth/login", Path::Authority),
            ("/.well-known/oauth-protected-resource/mcp", Path::Metadata),
            ("/.well-known/oauth-authorization-server", Path::Authority),
            ("/verify", Path::Forward),
            ("/verify/notes/mcp", Path::Forward),
            ("/verifyx", nothing),
            ("/authorize/x", nothing),
            ("/livez", Path::Operation(Operation::Health(Health::Live))),
            ("/healthz", Path::Operation(Operation::Health(Health::Live))),
            ("/readyz", Path::Operation(Operation::Health(Health::Ready))),
            ("/health/servers", Path::Operation(Operation::Servers)),
            ("/metrics", Path::Operation(Operation::Metrics)),
        ];
        for (path, expected) in table {
            assert_eq!(Path::of(path), expected, "{path}");
        }
    }
}
