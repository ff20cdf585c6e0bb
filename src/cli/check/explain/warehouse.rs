//! Explains failures on the way to the warehouse.

use std::io::{self, ErrorKind};

use rustls::CertificateError;

use super::words::causes;
use crate::cli::check::context::{Context, Explanation};
use crate::config::{ConnSpec, Target};
use crate::upstream::{ServerError, UpstreamError};

/// Explains an error of the way to a warehouse, or of a login there.
pub(super) fn explain(error: &UpstreamError, context: &Context) -> Explanation {
    Explanation::new(causes(error), fix(error, context))
}

/// The fix for an error of the way to a warehouse, or of a login there.
fn fix(error: &UpstreamError, context: &Context) -> String {
    let Context { host, port, .. } = context;
    match error {
        UpstreamError::Resolve { source, .. } if source.kind() == ErrorKind::TimedOut => {
            "this machine's resolver does not answer: see /etc/resolv.conf, and whether UDP and TCP 53 are open"
                .to_owned()
        }
        UpstreamError::Resolve { .. } => format!(
            "correct host; or, if {host} is a private name, have this machine's resolver know it (VPC DNS, a private \
             hosted zone)"
        ),
        UpstreamError::Forbidden { .. } => format!("correct host: {host} leads to an address that no warehouse has"),
        UpstreamError::ServerName { .. } => "give tls_server_name, a DNS name".to_owned(),
        UpstreamError::Roots => "this is a fault of the proxy: report it".to_owned(),
        UpstreamError::Connect { source, .. } => unconnected(source, context),
        UpstreamError::TlsRefused { .. } => {
            format!("correct host and port: {host}:{port} is no Redshift endpoint, which always does TLS")
        }
        UpstreamError::Certificate { source, .. } => distrusted(source, context),
        UpstreamError::Tls { source, .. } if source.kind() == ErrorKind::TimedOut => format!(
            "what answers at {host}:{port} does not do TLS in time: something stands between, or it is overloaded; \
             else raise upstream.tls_timeout"
        ),
        UpstreamError::Tls { .. } => {
            format!("see what answers at {host}:{port}: openssl s_client -starttls postgres -connect {host}:{port}")
        }
        UpstreamError::Closed(_) => {
            "a workgroup that wakes up does this, or one at its limit of connections: try again \
             in a minute"
                .to_owned()
        }
        UpstreamError::LoginRefused(error) => not_let_in(error, context),
        UpstreamError::Refused(error) => refused(error, context),
        UpstreamError::Authentication(_) => {
            "the user has to log in with a password, not through an identity provider".to_owned()
        }
        UpstreamError::Protocol(_) => format!("see what answers at {host}:{port}: it is no Redshift endpoint"),
    }
}

fn unconnected(source: &io::Error, context: &Context) -> String {
    let Context { host, port, .. } = context;
    match source.kind() {
        ErrorKind::TimedOut => format!(
            "time-out = security group: let this machine in to TCP {port} in the security group of {host}; then look \
             at routes and network ACLs"
        ),
        ErrorKind::ConnectionRefused => {
            format!("refused = port: nothing listens on {port} at {host}; correct port, or resume the cluster")
        }
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable => {
            format!("there is no route to {host}: see this machine's route table, and VPC peering")
        }
        _ => format!("see why this machine cannot connect to {host}:{port}"),
    }
}

fn distrusted(source: &io::Error, context: &Context) -> String {
    let tls = source
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::InvalidCertificate(why)) = tls else {
        return "see the certificate that it sends".to_owned();
    };
    match why {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => format!(
            "set tls_server_name to a name that is in the certificate (where host is an NLB, PrivateLink or a name of \
             your own: the endpoint's own name), or correct host {}",
            context.host
        ),
        CertificateError::UnknownIssuer => {
            "set upstream.ca (or the connection's ca) to who signed it: \"aws\" for Redshift itself, \"system\", or a \
             file with the roots"
                .to_owned()
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => {
            "set the clock of this machine (NTP); if it is right, have the certificate renewed".to_owned()
        }
        _ => "have the warehouse, or what stands before it, send another certificate".to_owned(),
    }
}

/// The fix for a login that is refused with an SQLSTATE of class 28.
fn not_let_in(error: &ServerError, context: &Context) -> String {
    let database = quoted(&context.database);
    let name = context.db_user.as_deref().unwrap_or_default();
    if !name.starts_with("IAM") {
        let user = quoted(name);
        return format!(
            "see that the stored password is that of {user}: ALTER USER {user} PASSWORD …; it may have been changed or \
             have expired"
        );
    }
    let is_asked_for = |spec: &ConnSpec| {
        let is_named = spec.login.user().is_some() || spec.is_per_user();
        matches!(spec.target, Target::Cluster(_)) && is_named
    };
    if context.spec.as_deref().is_some_and(is_asked_for) {
        // GetClusterCredentials says `IAM:adam` of the database user adam, whether there is one or
        // not.
        let user = quoted(name.split_once(':').map_or(name, |(_, user)| user));
        return format!("create the user: CREATE USER {user} PASSWORD DISABLE, or set auto_create = true");
    }
    let user = quoted(name);
    if error.to_string().contains("does not exist") {
        return format!("create the user: CREATE USER {user} PASSWORD DISABLE; then GRANT what it needs");
    }
    format!(
        "see that the user exists and may connect: CREATE USER {user} PASSWORD DISABLE; GRANT USAGE ON DATABASE \
         {database} TO {user}"
    )
}

/// The fix for a login that is refused with an SQLSTATE of another class than 28.
fn refused(error: &ServerError, context: &Context) -> String {
    let user = quoted(context.db_user.as_deref().unwrap_or_default());
    let database = quoted(&context.database);
    if error.is_connection_limit() {
        return "too many sessions: close some, lower max_sessions, or raise the user's CONNECTION LIMIT".to_owned();
    }
    match error.sqlstate() {
        "3D000" => format!("correct database: there is no {database} in this warehouse"),
        "42501" => format!("GRANT USAGE ON DATABASE {database} TO {user}"),
        "57P03" => "it is starting or in maintenance: try again in a minute".to_owned(),
        state if state.starts_with("22") || state.starts_with("42") => {
            "this is a fault of the proxy, which sends two parameters only: report it".to_owned()
        }
        _ => "see the warehouse's own words".to_owned(),
    }
}

/// The name as an SQL identifier in quotes.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
