//! What JDBC takes: pgjdbc's URL, and Amazon's driver's, whose reader is a child of it. Both decode percents, and take `+`
//! for a blank.

use super::Target;
use super::percent::encoded;
use super::tls::SslMode;

/// `jdbc:postgresql://…`
pub(super) fn jdbc(target: &Target<'_>, notes: &mut Vec<String>) -> String {
    notes.push("the password: in the tool's own field, or as the property password".to_owned());
    let place = format!("{}/{}?user={}", target.authority(), encoded(target.conn_id), encoded(target.user));
    match target.mode {
        SslMode::Disable => {
            notes.push("no TLS: passwords and results can be read on the way".to_owned());
            notes.push("Amazon's driver cannot log in without TLS".to_owned());
        }
        SslMode::Require => {
            notes.push("require does not verify who answers".to_owned());
            let factory = "com.amazon.redshift.ssl.NonValidatingFactory";
            notes.push(format!("Amazon's driver: jdbc:redshift://{place}&ssl=true&sslfactory={factory}"));
        }
        SslMode::VerifyFull => {
            notes.push(
                "verify-full needs the CA that signed listen.tls.cert: sslrootcert=FILE for a private one; \
                 sslfactory=org.postgresql.ssl.DefaultJavaSSLFactory for one that Java knows"
                    .to_owned(),
            );
            notes.push(format!(
                "Amazon's driver: jdbc:redshift://{place}&ssl=true&sslmode=verify-full (sslrootcert=FILE for a private CA)"
            ));
        }
    }
    format!("jdbc:postgresql://{place}&sslmode={}", target.mode)
}
