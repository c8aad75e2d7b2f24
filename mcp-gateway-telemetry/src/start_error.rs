//! Failures to start the export.

use std::io;

/// Failure to start the export.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A certificate, a key, or the certificate authorities of the system cannot be read.
    #[error("cannot read the certificates for the collector of traces")]
    Certificates(#[source] io::Error),
    /// Certificate and key of the gateway do not belong together, or are invalid.
    #[error("invalid certificate or key for the collector of traces")]
    Identity(#[source] io::Error),
}
