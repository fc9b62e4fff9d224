//! The TLS configuration for D7.
//!
//! The crypto provider is named here: no feature of awc or actix brings one,
//! and rustls panics where it has to guess. ALPN offers HTTP/1.1 only, since
//! there is nothing to gain from awc's old HTTP/2 line for one small GET.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject},
};

/// Why a bundle of certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// There is none in it.
    #[error("holds no PEM certificate")]
    Empty,
    /// One of them is broken.
    #[error("certificate {number} cannot be read")]
    Certificate {
        /// Counted from 1.
        number: usize,
    },
    /// rustls does not take the configuration.
    #[error("TLS cannot be configured")]
    Configuration(#[source] rustls::Error),
}

/// Trusts the public roots that are compiled in.
///
/// # Errors
/// Where rustls does not take the configuration.
pub fn public_roots() -> Result<ClientConfig, BundleError> {
    configure(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect())
}

/// Trusts the certificates in a PEM bundle, and no others.
///
/// # Errors
/// Where a certificate cannot be read, or there is none.
pub fn bundle(pem: &[u8]) -> Result<ClientConfig, BundleError> {
    let mut roots = RootCertStore::empty();
    for (index, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
        let broken = BundleError::Certificate { number: index + 1 };
        match certificate {
            Ok(certificate) => roots.add(certificate).map_err(|_| broken)?,
            Err(_) => return Err(broken),
        }
    }
    if roots.is_empty() {
        return Err(BundleError::Empty);
    }
    configure(roots)
}

fn configure(roots: RootCertStore) -> Result<ClientConfig, BundleError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(BundleError::Configuration)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
