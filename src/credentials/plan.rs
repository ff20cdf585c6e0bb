//! A spec merged with its secret: where to dial, and which login is needed. lava's precedence,
//! field by field: what the spec says, then its secret, then IAM (docs/protocol/connection-spec.md
//! 3).

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

/// What is known of a connection before anything is looked up or minted for it.
pub(crate) struct Plan {
    /// `None`: to be looked up by `name`.
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) database: String,
    /// `None`: neither given nor to be read from the host.
    pub(crate) name: Option<WarehouseName>,
    pub(crate) region: Option<String>,
    /// Who asks AWS for an endpoint.
    pub(crate) caller: Chain,
    pub(crate) login: LoginPlan,
}

/// Where the login comes from.
pub(crate) enum LoginPlan {
    /// A user and a stored password, and what it was read from.
    Stored { user: String, password: Secret, stored_at: StoredAt, stored: Arc<Stored> },
    /// A login to be minted.
    Minted(LoginKey),
}

/// A password out of a store.
pub(crate) struct StoredPassword {
    pub(crate) password: Secret,
    pub(crate) stored_at: StoredAt,
    pub(crate) stored: Arc<Stored>,
}

impl Plan {
    /// `base`: the number of the base identity. `password`: what the spec's or the secret's leads
    /// to.
    ///
    /// # Errors
    /// `Spec`: something is missing in both, or cannot be.
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

/// What the spec calls its workgroup or cluster; else lava's first-label rule, where the host is an
/// endpoint's name of the spec's kind.
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

/// The `DbUser` of a `per-user` login. Configuration has checked it for every user it knows.
fn own_user(cluster: &Cluster, owner: Owner<'_>) -> Result<String, AwsError> {
    let user = owner.db_user;
    if config::value::db_user(user).is_err() {
        return Err(AwsError::Spec("the user's name is no DbUser; users.*.db_user can give another".to_owned()));
    }
    not_denied(cluster, user, "deny_db_users forbids a login as this user")?;
    Ok(user.to_owned())
}

/// Redshift folds a `DbUser`'s case.
fn not_denied(cluster: &Cluster, user: &str, otherwise: &str) -> Result<(), AwsError> {
    let is_denied = cluster
        .deny_db_users
        .iter()
        .any(|denied| denied.eq_ignore_ascii_case(user));
    if is_denied { Err(AwsError::Spec(otherwise.to_owned())) } else { Ok(()) }
}

/// The spec's roles; tags, and what is a user's own, belong to the last one.
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
    Chain::under(hops.collect(), base)
}

/// The session tag that grants database roles (docs/protocol/aws-api.md 1).
pub(crate) const DB_ROLES: &str = "RedshiftDbRoles";
