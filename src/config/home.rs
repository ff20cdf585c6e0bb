//! Finds out whether the proxy's own Region matters: calls go there for which nothing in the
//! configuration names a Region.

use super::connection::ConnSpec;
use super::material::Material;
use super::settings::Config;
use super::value::{Reference, Remote};

/// The need for the proxy's own Region, where `[aws] region` does not say it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HomeRegion {
    /// Some call to AWS has no other Region.
    Needed,
    /// Parameters and secrets of connections are read in the proxy's own Region if there is one,
    /// else in the connection's.
    Preferred,
    /// Every call has a Region without it.
    Unneeded,
}

impl Config {
    /// How much depends on the proxy's own Region. A disabled connection may be enabled by a
    /// reload, so that it counts.
    #[must_use]
    pub fn home_region(&self) -> HomeRegion {
        let connections = || self.connections.values();
        if self.specs.is_some() || self.refers_home() || connections().any(|spec| spec.region.is_none()) {
            HomeRegion::Needed
        } else if connections().any(|spec| stored_names(spec).any(is_name)) {
            HomeRegion::Preferred
        } else {
            HomeRegion::Unneeded
        }
    }

    /// Whether a password, certificate or key of the proxy's own is a parameter or a secret by its
    /// name alone.
    fn refers_home(&self) -> bool {
        let passwords = self.users.values().flat_map(|user| user.proof.references());
        let listen = &self.listen;
        let identity = listen
            .identity
            .iter()
            .flat_map(|identity| [&identity.cert, &identity.key]);
        let clients = listen
            .clients
            .iter()
            .flat_map(|clients| std::iter::once(&clients.ca).chain(&clients.crl));
        let materials = identity.chain(clients).map(|Material { from, .. }| from);
        let has_path = self
            .any_user
            .as_ref()
            .is_some_and(|any| any.path().is_some());
        has_path || passwords.chain(materials).any(is_at_home)
    }
}

impl Remote {
    /// Whether an ARN, which names its Region, says where the value is.
    #[must_use]
    pub fn names_region(&self) -> bool {
        match self {
            Self::Parameter(name) | Self::Secret { id: name, .. } => !is_name(name),
        }
    }
}

fn is_at_home(reference: &Reference) -> bool {
    match reference {
        Reference::File(_) | Reference::Env(_) => false,
        Reference::Remote(remote) => !remote.names_region(),
    }
}

/// The names of the parameters and secrets of a connection.
fn stored_names(spec: &ConnSpec) -> impl Iterator<Item = &str> {
    let ids = spec
        .roles
        .hops
        .iter()
        .filter_map(|hop| hop.external_id.as_deref());
    ids.chain(spec.login.parameter())
        .chain(spec.login.secret_id())
}

/// Whether a text is a name and no ARN, which would name its Region.
fn is_name(text: &str) -> bool {
    !text.starts_with("arn:")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{UnknownKeys, parse};

    fn home(more: &str) -> HomeRegion {
        let place = "host = \"sales.123456789012.eu-west-1.redshift-serverless.amazonaws.com\"\ndatabase = \"dev\"\n";
        let toml = format!("[connections.a]\ntype = \"redshift-serverless\"\n{place}{more}");
        parse(&toml, Path::new("proxy.toml"), &|_| None, UnknownKeys::Refuse)
            .unwrap()
            .home_region()
    }

    #[test]
    fn the_home_region_matters_where_nothing_else_names_one() {
        let role = "role_arn = \"arn:aws:iam::123456789012:role/rs01\"\n";
        let parameter = "arn:aws:ssm:eu-west-1:123456789012:parameter/x";
        let user = |password: &str| format!("[users.u]\nconnections = [\"a\"]\npassword = \"{password}\"\n");
        for (more, want) in [
            (String::new(), HomeRegion::Unneeded),
            (role.to_owned(), HomeRegion::Unneeded),
            (format!("{role}external_id = \"{parameter}\"\n"), HomeRegion::Unneeded),
            (format!("{role}external_id = \"/x\"\n"), HomeRegion::Preferred),
            ("secret_id = \"prod/x\"\n".to_owned(), HomeRegion::Preferred),
            ("user = \"u\"\npassword = \"/x\"\n".to_owned(), HomeRegion::Preferred),
            (user("ssm:/x"), HomeRegion::Needed),
            (user("secret:prod/x#password"), HomeRegion::Needed),
            (user(&format!("ssm:{parameter}")), HomeRegion::Unneeded),
            (
                "[connections.b]\ntype = \"redshift\"\ncluster_id = \"c\"\ndatabase = \"dev\"\n".to_owned(),
                HomeRegion::Needed,
            ),
        ] {
            assert_eq!(home(&more), want, "{more}");
        }
    }
}
