//! The one HTTP client of a run: certificates, proxy, time to connect. It must not know what is sent through it.

use std::time::Duration;

use reqwest::{Certificate, Client, redirect};

use crate::error::Failure;

/// How long to wait for a connection, TLS included.
const CONNECT: Duration = Duration::from_secs(10);

/// Returns a client that trusts the system's certificates (`SSL_CERT_FILE` replaces them) and those of `extra_ca_pem`, and goes through the
/// proxy of `HTTPS_PROXY` except to `NO_PROXY`. Fails when the certificates cannot be read or none are found.
///
/// It follows no redirect: an API does not redirect, and a key in a header of our own would travel along to wherever it points.
pub fn http_client(extra_ca_pem: Option<&[u8]>) -> Result<Client, Failure> {
    let mut builder = Client::builder()
        .user_agent(concat!("assize/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .redirect(redirect::Policy::none());
    if let Some(pem) = extra_ca_pem {
        let certificates = Certificate::from_pem_bundle(pem)
            .ok()
            .filter(|certificates| !certificates.is_empty())
            .ok_or_else(|| Failure::usage("the extra CA file holds no readable certificate").hint("it is a file of PEM certificates"))?;
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(|error| {
        Failure::usage(format!("cannot set up TLS: {}", super::fault::innermost(&error)))
            .hint("install the system's CA certificates, or name a file of them in SSL_CERT_FILE")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_file_without_certificates_is_a_usage_error() {
        let failure = http_client(Some(b"not a certificate\n")).unwrap_err();
        assert_eq!(failure.exit, crate::exit::Exit::Usage);
        assert_eq!(failure.message, "the extra CA file holds no readable certificate");
    }

    #[test]
    fn a_broken_certificate_is_a_usage_error() {
        let pem = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(http_client(Some(pem)).unwrap_err().exit, crate::exit::Exit::Usage);
    }
}
