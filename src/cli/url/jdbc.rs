//! Forms for JDBC: the URLs of pgjdbc and of Amazon's driver, which was made from it. Both decode
//! percents, and take `+` for a blank.

use super::params::{CONNECT_SECS, ConnParams};
use super::percent::encoded;
use super::tls::{AMAZON_NEEDS_TLS, SslMode, UNVERIFIED};

/// Writes the parameters as the URL `jdbc:postgresql://…`.
pub(super) fn jdbc(params: &ConnParams<'_>, notes: &mut Vec<String>) -> String {
    params.note_proof(
        notes,
        "the password: in the tool's own field, or as the property password",
        "the user's certificate instead of a password: as the properties sslcert=FILE and sslkey=FILE, the key in PKCS-8 and DER",
    );
    let place = format!("{}/{}?user={}", params.authority(), encoded(params.database), encoded(&params.user));
    let timeout = format!("loginTimeout={CONNECT_SECS}");
    match params.mode {
        SslMode::Disable => notes.push(AMAZON_NEEDS_TLS.to_owned()),
        SslMode::Require => {
            notes.push(UNVERIFIED.to_owned());
            let factory = "com.amazon.redshift.ssl.NonValidatingFactory";
            notes.push(format!("Amazon's driver: jdbc:redshift://{place}&ssl=true&sslfactory={factory}&{timeout}"));
        }
        SslMode::VerifyFull => {
            notes.push(
                "verify-full needs the CA that signed listen.tls.cert: sslrootcert=FILE for a private one; \
                 sslfactory=org.postgresql.ssl.DefaultJavaSSLFactory for one that Java knows"
                    .to_owned(),
            );
            notes.push(format!(
                "Amazon's driver: jdbc:redshift://{place}&ssl=true&sslmode=verify-full&{timeout} (sslrootcert=FILE for a private CA)"
            ));
        }
    }
    format!("jdbc:postgresql://{place}&sslmode={}&{timeout}", params.mode)
}
