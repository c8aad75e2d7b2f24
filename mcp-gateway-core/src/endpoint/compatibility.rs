//! Departures of clients from the specification.

/// Departures of real clients from the specification that an endpoint accepts. Default: none.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Compatibility {
    /// Ignores a `MCP-Protocol-Version` header that contradicts the request.
    ///
    /// A request with the `_meta` of the modern era is one of that era, whatever known version the
    /// header names, and headers that mirror the request may be absent. A request with a session ID
    /// and without that `_meta` belongs to the session. Connectors of Claude send such headers.
    pub version_header: bool,
}
