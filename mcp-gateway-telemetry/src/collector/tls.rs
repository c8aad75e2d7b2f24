//! TLS of the connection to a collector.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::settings::Certificates;
use crate::start_error::StartError;

/// Returns the configuration of connections: with the certificate authorities of the system, or the
/// configured ones.
pub(super) fn client_config(certificates: &Certificates) -> Result<ClientConfig, StartError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| StartError::Identity(io::Error::other(error)))?;
    let builder = match &certificates.authorities {
        Some(path) => builder.with_root_certificates(roots(path)?),
        None => {
            use hyper_rustls::ConfigBuilderExt as _;
            builder
                .with_native_roots()
                .map_err(StartError::Certificates)?
        }
    };
    match &certificates.identity {
        Some((certificate, key)) => {
            let key = PrivateKeyDer::from_pem_file(key).map_err(unreadable)?;
            let identity = builder.with_client_auth_cert(chain(certificate)?, key);
            identity.map_err(|error| StartError::Identity(io::Error::other(error)))
        }
        None => Ok(builder.with_no_client_auth()),
    }
}

/// Reads the certificate authorities in the file `path`.
fn roots(path: &Path) -> Result<RootCertStore, StartError> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(path)? {
        let added = roots.add(certificate);
        added.map_err(|error| StartError::Certificates(io::Error::other(error)))?;
    }
    match roots.is_empty() {
        true => Err(StartError::Certificates(io::Error::other(
            "no certificate in the file",
        ))),
        false => Ok(roots),
    }
}

/// Reads the certificates in the file `path`.
fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, StartError> {
    let certificates = CertificateDer::pem_file_iter(path).map_err(unreadable)?;
    certificates.collect::<Result<_, _>>().map_err(unreadable)
}

fn unreadable(error: rustls::pki_types::pem::Error) -> StartError {
    StartError::Certificates(io::Error::other(error))
}
