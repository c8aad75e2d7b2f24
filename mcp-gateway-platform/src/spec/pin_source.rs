//! Places of the approved definitions of servers.

/// Place of the approved definitions of a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum PinSource {
    /// Lock file, beside the configuration.
    File,
    /// Store, which all replicas share.
    Store,
}
