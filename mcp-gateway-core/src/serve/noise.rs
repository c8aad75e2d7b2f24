//! Report of connections that end with an error.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

/// Report of connections that end with an error.
///
/// The first peer that does not speak HTTP is a warning: usually somebody has configured a client
/// with `https://`. Further ones could fill the log.
#[derive(Debug, Default)]
pub(super) struct NoiseReport {
    has_warned: AtomicBool,
}

impl NoiseReport {
    /// Logs the `error` that has ended the connection of `peer`.
    pub(super) fn log(&self, error: &(dyn Error + Send + Sync + 'static), peer: SocketAddr) {
        let error = error as &(dyn Error + 'static);
        let parser = error.downcast_ref::<hyper::Error>();
        let is_noise = parser.is_some_and(hyper::Error::is_parse);
        if is_noise && !self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                %peer,
                error,
                "request is not HTTP; for https:// URLs, a reverse proxy must terminate TLS, and \
                 publicUrl be its address"
            );
        } else {
            tracing::debug!(error, "connection closed early");
        }
    }
}
