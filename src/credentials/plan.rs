//! A spec merged with its secret: the address to dial and the login to use. A field of the spec
//! comes before the secret's, and a password of either before IAM, as in lava
//! (docs/protocol/connection-spec.md 3).

use std::sync::Arc;

use super::chain::{Chain, Hop, ROLE_SESSION_NAME};
use super::endpoint::WarehouseName;
use super::login::Owner;
use super::login_key::{LoginCall, LoginKey};
use super::secret_fields::Fields;
use crate::aws::{AwsError, Stored, StoredAt};
use crate::config::value::session_name;
use crate::config::{self, Cluster, ConnSpec, Endpoint, Target, Workgroup};
use crate::secret::Secret;

/// The plan for a connection: all that is known before an endpoint is looked up or a login is
/// minted.
pub(crate) struct Plan {
    /// The host to dial. `None`: it has to be looked up by `name`.
    pub(crate) host: Option<String>,
    /// The port to dial. `None`: that of the endpoint, or Redshift's.
    pub(crate) port: Option<u16>,
    /// The database to log in to.
    pub(crate) database: String,
    /// The warehouse's name. `None`: the spec has none, and none can be read from the host.
    pub(crate) name: Option<WarehouseName>,
    /// The warehouse's region. `None`: the base identity's own.
    pub(crate) region: Option<String>,
    /// The identity that looks the endpoint up.
    pub(crate) caller: Chain,
    /// The login that is needed.
    pub(crate) login: LoginPlan,
}

/// The login that a connection needs.
pub(crate) enum LoginPlan {
    /// A user and a stored password, with the value that the password was read from.
    Stored { user: String, password: Secret, stored_at: StoredAt, stored: Arc<Stored> },
    /// A login that AWS mints.
    Minted(LoginKey),
}

/// A stored password, and the value that it was read from.
pub(crate) struct StoredPassword {
    /// The password, as it was stored.
    pub(crate) password: Secret,
    /// The place where the value is stored.
    pub(crate) stored_at: StoredAt,
    /// The value that held the password.
    pub(crate) stored: Arc<Stored>,
}

impl Plan {
    /// Merges a spec with the fields of its secret. `base` is the number of the base identity, and
    /// `password` the stored password of the spec or of the secret, if one of them has one.
    ///
    /// # Errors
    /// `Spec`: a field is missing in both, or two of them contradict each other. `Bounds`: the
    /// writer of the spec may not use the base identity.
    pub(crate) fn new(
        spec: &ConnSpec,
        (owner, base): (Owner<'_>, u64),
        secret: Fields,
        password: Option<StoredPassword>,
    ) -> Result<Self, AwsError> {
        let wrong = |what: &str| AwsError::Spec(what.to_owned());
        let host = spec.host.clone().or(secret.host);
        let lacks = |what: &str, key: &str, more: &str| match spec.login.secret_id() {
            Some(id) => AwsError::Spec(format!("{what}: the secret {id} has no {key}{more}")),
            None => AwsError::Spec(what.to_owned()),
        };
        let database = spec.database.clone().or(secret.database).ok_or_else(|| {
            // The admin secrets that Redshift makes by itself (redshift!…).
            lacks(
                "there is no database",
                "dbname (one that AWS manages holds username and password alone)",
                ": set database beside it",
            )
        })?;
        let user = spec.login.user().map(str::to_owned).or(secret.user);
        let endpoint = host.as_deref().and_then(config::endpoint);
        let region = spec.region.clone().or_else(|| {
            endpoint
                .as_ref()
                .map(|endpoint| endpoint.region().to_owned())
        });
        let name = name(&spec.target, endpoint.as_ref());
        let lookup = spec.target.name_key();
        let caller = chain(spec, owner, base);
        let per_user = spec.is_per_user();
        // A session always has a user; a login of nobody's would be one that all users share.
        if per_user && owner.name.is_empty() {
            return Err(wrong("identity is per-user, but there is no user"));
        }
        let login = match password {
            Some(_) if per_user => return Err(wrong("identity is per-user, but the secret has one password for all")),
            Some(StoredPassword { password, stored_at, stored }) => LoginPlan::Stored {
                user: user
                    .ok_or_else(|| lacks("there is a password but no user", "username", ": set user beside it"))?,
                password,
                stored_at,
                stored,
            },
            None => LoginPlan::Minted(LoginKey {
                caller: caller.clone(),
                region: region.clone(),
                call: call(spec, owner, (name.clone(), host.as_deref()), database.clone(), user)?,
                password_duration: spec.password_duration,
                principal: per_user.then(|| owner.name.to_owned()),
            }),
        };
        if let Some(bounds) = spec
            .bounds
            .as_ref()
            .filter(|_| host.is_none() || matches!(login, LoginPlan::Minted(_)))
        {
            bounds.check_caller(!caller.hops.is_empty())?;
        }
        if host.is_none() && name.is_none() {
            let key = if secret.has_endpoint { "host, but an endpoint, which is read nowhere" } else { "host" };
            return Err(lacks(
                "there is no host, and nothing to look it up by",
                key,
                &format!(": set host or {lookup} beside it"),
            ));
        }
        let name = name.map(|name| match spec.target {
            Target::Workgroup(_) => WarehouseName::Workgroup(name),
            Target::Cluster(_) => WarehouseName::Cluster(name),
        });
        Ok(Self { host, port: spec.port.or(secret.port), database, name, region, caller, login })
    }
}

/// The name of the workgroup or cluster: the spec's, or else the first label of the host if that is
/// the name of an endpoint of the same kind (lava's rule).
fn name(target: &Target, endpoint: Option<&Endpoint>) -> Option<String> {
    match (target, endpoint) {
        (
            Target::Workgroup(Workgroup { name: Some(name), .. }) | Target::Cluster(Cluster { id: Some(name), .. }),
            _,
        )
        | (Target::Workgroup(_), Some(Endpoint::Serverless { workgroup: name, .. }))
        | (Target::Cluster(_), Some(Endpoint::Provisioned { cluster: name, .. })) => Some(name.clone()),
        (Target::Workgroup(_) | Target::Cluster(_), _) => None,
    }
}

/// The call that mints the login.
fn call(
    spec: &ConnSpec,
    owner: Owner<'_>,
    (name, host): (Option<String>, Option<&str>),
    database: String,
    user: Option<String>,
) -> Result<LoginCall, AwsError> {
    if config::value::iam_database(&database).is_err() {
        return Err(AwsError::Spec(
            "AWS gives no credentials for a database of this name (1 to 64 characters: a letter or _, then letters, digits and \
             _ . + @ -): log in to it by a stored password"
                .to_owned(),
        ));
    }
    let Some(name) = name else {
        let why = host
            .and_then(config::value::unknown_suffix)
            .unwrap_or_else(|| "is no Redshift name".to_owned());
        return Err(AwsError::Spec(format!("the host {why}: {} is needed", spec.target.name_key())));
    };
    let cluster = match &spec.target {
        Target::Workgroup(_) => return Ok(LoginCall::Workgroup { workgroup: name, database }),
        Target::Cluster(cluster) => cluster,
    };
    let user = if spec.is_per_user() { Some(own_user(cluster, owner)?) } else { user };
    if let Some(user) = user.as_ref().filter(|_| spec.bounds.is_some()) {
        not_denied(cluster, user, "deny_db_users forbids an item of the table a login as this user")?;
    }
    Ok(match user {
        Some(user) => LoginCall::Cluster {
            cluster_id: name,
            database,
            user,
            auto_create: cluster.auto_create,
            groups: cluster.db_groups.clone(),
        },
        None => LoginCall::ClusterByIam { cluster_id: name, database },
    })
}

/// The `DbUser` of a `per-user` login. Configuration has checked it for the users that have an
/// entry.
fn own_user(cluster: &Cluster, owner: Owner<'_>) -> Result<String, AwsError> {
    let user = owner.db_user;
    if config::value::db_user(user).is_err() {
        return Err(AwsError::Spec("the user's name is no DbUser; users.*.db_user can give another".to_owned()));
    }
    not_denied(cluster, user, "deny_db_users forbids a login as this user")?;
    Ok(user.to_owned())
}

/// Refuses a user of `deny_db_users`, in whatever case: Redshift folds it.
fn not_denied(cluster: &Cluster, user: &str, otherwise: &str) -> Result<(), AwsError> {
    let is_denied = cluster
        .deny_db_users
        .iter()
        .any(|denied| denied.eq_ignore_ascii_case(user));
    if is_denied { Err(AwsError::Spec(otherwise.to_owned())) } else { Ok(()) }
}

/// The chain of the spec's roles. The last hop has the session tags, and the user's name if each
/// user has a session of their own.
fn chain(spec: &ConnSpec, owner: Owner<'_>, base: u64) -> Chain {
    let is_own = spec.is_per_user() && matches!(spec.target, Target::Workgroup(_));
    let last = spec.roles.hops.len().saturating_sub(1);
    let hops = spec.roles.hops.iter().enumerate().map(|(at, hop)| {
        let mut taken = Hop {
            role_arn: hop.role_arn.clone(),
            external_id_parameter: hop.external_id.clone(),
            session_name: ROLE_SESSION_NAME.to_owned(),
            tags: Vec::new(),
            token_file: spec
                .roles
                .web_identity_token_file
                .clone()
                .filter(|_| at == 0),
            owner: None,
        };
        if at == last {
            let mut tags = spec.roles.tags.clone();
            if is_own {
                taken.session_name = session_name(owner.name);
                taken.owner = Some(owner.name.to_owned());
                if !owner.db_roles.is_empty() {
                    tags.insert(DB_ROLES.to_owned(), owner.db_roles.join(":"));
                }
            }
            taken.tags = tags.into_iter().collect();
        }
        taken
    });
    Chain::from_base(hops.collect(), base)
}

/// The key of the session tag that grants database roles (docs/protocol/aws-api.md 1).
pub(crate) const DB_ROLES: &str = "RedshiftDbRoles";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::UnknownKeys;

    #[test]
    fn a_per_user_login_is_not_planned_without_a_user() {
        let toml = "[connections.c]\ntype = \"redshift-serverless\"\nhost = \"h\"\nworkgroup = \"finance\"\ndatabase = \"d\"\n\
                    role_arn = \"arn:aws:iam::123456789012:role/r\"\nidentity = \"per-user\"\n";
        let config = config::parse(toml, Path::new("p"), &|_| None, UnknownKeys::Refuse).unwrap();
        let plan = |owner| Plan::new(&config.connections["c"], (owner, 0), Fields::default(), None);
        let alice = Owner { name: "alice", ..Owner::default() };
        assert!(
            matches!(plan(alice).unwrap().login, LoginPlan::Minted(key) if key.principal.as_deref() == Some("alice"))
        );
        assert!(matches!(plan(Owner::default()), Err(AwsError::Spec(_))));
    }
}
