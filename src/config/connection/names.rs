//! Checks the names in a connection against the bounds of its writer.

use super::bounds::{Bounds, BoundsError};
use super::spec::{ConnSpec, LoginFrom};
use crate::config::value::glob_matches;

impl Bounds {
    /// Checks the names in a spec, before anything is read by them.
    ///
    /// # Errors
    /// `Role`, `Parameter`, `Secret`; `BaseIdentity` where no stored password can be meant.
    pub fn check_names(&self, spec: &ConnSpec) -> Result<(), BoundsError> {
        if let LoginFrom::Iam(_) = spec.login {
            self.check_caller(!spec.roles.hops.is_empty())?;
        }
        for hop in &spec.roles.hops {
            if !self
                .roles
                .iter()
                .any(|glob| glob_matches(glob, &hop.role_arn))
            {
                return Err(BoundsError::Role(hop.role_arn.clone()));
            }
        }
        let external_ids = spec
            .roles
            .hops
            .iter()
            .filter_map(|hop| hop.external_id.as_deref());
        let named = external_ids.map(|name| ("external_id", name));
        for (key, name) in named.chain(spec.login.parameter().map(|name| ("password", name))) {
            if !name.starts_with(&self.parameter_prefix) {
                return Err(BoundsError::Parameter { key });
            }
        }
        match spec.login.secret_id() {
            Some(name) if !name.starts_with(&self.parameter_prefix) => Err(BoundsError::Secret),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{ConnId, UnknownKeys, parse};

    const HOST: &str = "wg1.123456789012.eu-west-1.redshift-serverless.amazonaws.com";

    fn bounds() -> Bounds {
        let list = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        Bounds {
            conn_ids: list(&["bi-*", "sales"]),
            roles: list(&["arn:aws:iam::123456789012:role/rs-*"]),
            parameter_prefix: "/lava/prod/".to_owned(),
            hosts: list(&["*.Redshift-Serverless.amazonaws.com"]),
            base_identity: true,
        }
    }

    fn check(more: &str, host: &str) -> Result<(), BoundsError> {
        let text = format!(
            "[connections.c]\ntype = \"redshift-serverless\"\nhost = \"h\"\nworkgroup = \"abc\"\ndatabase = \"dev\"\n{more}"
        );
        let config = parse(&text, Path::new("p"), &|_| None, UnknownKeys::Refuse).unwrap();
        bounds().check_names(&config.connections["c"])?;
        bounds().check_host(host)
    }

    #[test]
    fn the_base_identity_is_used_only_with_specs_base_identity() {
        let config = |more: &str| {
            let place = "host = \"h\"\nworkgroup = \"abc\"\ndatabase = \"dev\"\n";
            let text = format!("[connections.c]\ntype = \"redshift-serverless\"\n{place}{more}");
            parse(&text, Path::new("p"), &|_| None, UnknownKeys::Refuse).unwrap()
        };
        let closed = Bounds { base_identity: false, ..bounds() };
        for (more, want) in [
            ("", Err(BoundsError::BaseIdentity)),
            ("role_arn = \"arn:aws:iam::123456789012:role/rs-1\"\n", Ok(())),
            ("user = \"u\"\npassword = \"/lava/prod/x\"\n", Ok(())),
            // Whether it holds a password is known once it is read.
            ("secret_id = \"/lava/prod/x\"\n", Ok(())),
        ] {
            let config = config(more);
            assert_eq!(closed.check_names(&config.connections["c"]), want, "{more}");
            assert_eq!(bounds().check_names(&config.connections["c"]), Ok(()), "{more}");
        }
        assert_eq!(closed.check_caller(false), Err(BoundsError::BaseIdentity));
        assert_eq!((closed.check_caller(true), bounds().check_caller(false)), (Ok(()), Ok(())));
    }

    #[test]
    fn conn_ids_are_covered_by_globs() {
        for (id, want) in [("bi-1", true), ("sales", true), ("sales2", false), ("BI-1", false)] {
            assert_eq!(bounds().cover(&ConnId::new(id).unwrap()), want, "{id}");
        }
    }

    #[test]
    fn hosts_are_covered_by_globs_whatever_their_case() {
        for (host, want) in [
            (HOST, true),
            (&HOST.to_uppercase(), true),
            (&format!("{HOST}."), true),
            (&format!("{HOST}.."), false),
            (&format!("{HOST}.example.com"), false),
            ("redshift-serverless.amazonaws.com", false),
            ("169.254.169.254", false),
            ("", false),
        ] {
            let want = if want { Ok(()) } else { Err(BoundsError::Host(host.to_owned())) };
            assert_eq!(check("", host), want, "{host}");
        }
        assert_eq!(check("", "evil").unwrap_err().to_string(), "host evil is not covered by specs.hosts");
    }

    #[test]
    fn every_role_is_covered() {
        let (good, bad) = ("arn:aws:iam::123456789012:role/rs-1", "arn:aws:iam::210987654321:role/rs-1");
        assert_eq!(check(&format!("role_arn = \"{good}\""), HOST), Ok(()));
        for hops in [format!("\"{bad}\""), format!("[\"{good}\", \"{bad}\"]"), format!("[\"{bad}\", \"{good}\"]")] {
            let told = check(&format!("role_arn = {hops}"), HOST).unwrap_err();
            assert_eq!(told, BoundsError::Role(bad.to_owned()));
            assert!(told.to_string().ends_with("is not covered by specs.roles"), "{told}");
        }
    }

    #[test]
    fn names_begin_with_the_prefix() {
        let role = "arn:aws:iam::123456789012:role/rs-1";
        let parameter = |key| Err(BoundsError::Parameter { key });
        let secret_arn = |name: &str| format!("arn:aws:secretsmanager:eu-west-1:123456789012:secret:{name}-AbCdEf");
        for (more, want) in [
            ("user = \"u\"\npassword = \"/lava/prod/pw\"".to_owned(), Ok(())),
            ("user = \"u\"\npassword = \"/lava/test/pw\"".to_owned(), parameter("password")),
            (
                "user = \"u\"\npassword = \"arn:aws:ssm:eu-west-1:1:parameter/lava/prod/pw\"".to_owned(),
                parameter("password"),
            ),
            (format!("role_arn = \"{role}\"\nexternal_id = \"/lava/prod/id\""), Ok(())),
            (format!("role_arn = \"{role}\"\nexternal_id = \"lava/prod/id\""), parameter("external_id")),
            (
                format!("role_arn = [{{ role_arn = \"{role}\", external_id = \"/a\" }}, \"{role}\"]"),
                parameter("external_id"),
            ),
            ("secret_id = \"/lava/prod/x\"".to_owned(), Ok(())),
            (format!("secret_id = \"{}\"", secret_arn("/lava/prod/x")), Err(BoundsError::Secret)),
            (format!("secret_id = \"{}\"", secret_arn("lava/prod/x")), Err(BoundsError::Secret)),
            ("secret_id = \"arn:aws:ssm:eu-west-1:1:secret:/lava/prod/x\"".to_owned(), Err(BoundsError::Secret)),
            ("secret_id = \"arn:/lava/prod/x\"".to_owned(), Err(BoundsError::Secret)),
            ("secret_id = \"prod/x\"".to_owned(), Err(BoundsError::Secret)),
        ] {
            assert_eq!(check(&more, HOST), want, "{more}");
        }
    }
}
