//! The certificates and revocation lists of the listener, each with its end.

use crate::operations::CertificateStatus;
use crate::startup::tls::{Part, ServerTls};

/// Lists all of them, as they were read last.
pub(super) fn all(tls: &ServerTls) -> Vec<CertificateStatus> {
    tls.terms()
        .into_iter()
        .filter_map(|(part, term)| {
            let which = match part {
                Part::Server => "listener",
                Part::Issuer => "listener_issuer",
                Part::ClientCa => "client_ca",
                Part::ClientCrl => "client_crl",
            };
            Some(CertificateStatus { which: which.to_owned(), subject: term.name, expires: term.ends? })
        })
        .collect()
}
