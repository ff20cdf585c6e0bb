//! The needs of the calls for a database login, and the database users behind them.

use std::collections::{BTreeMap, BTreeSet};

use super::needs::{IamIdentity, Needs};
use super::policy::Condition;
use super::principal::{PrincipalKind, role_name};
use super::roles::users;
use super::scope::{ArnScope, endpoint, literal};
use super::sql::Created;
use crate::aws::Operation;
use crate::config::{self, Cluster, ConnSpec, LoginAs, LoginFrom, Target, Workgroup};

/// The placeholder for the proxy's own role, where `--principal` does not say.
const PROXY_ROLE: &str = "PROXY-ROLE-NAME";

/// The GetClusterCredentials calls of all connections: which of them one statement may allow is
/// only known at the end.
#[derive(Default)]
pub(super) struct ClusterLogins(BTreeMap<(IamIdentity, ArnScope, String), BTreeSet<ClusterLogin>>);

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct ClusterLogin {
    database: String,
    groups: BTreeSet<String>,
    user: String,
}

/// Whether a connection needs no call to the warehouse's API: it has a stored password, and its
/// host is not looked up.
pub(super) fn needs_no_role(spec: &ConnSpec) -> bool {
    spec.login.parameter().is_some() && spec.host.is_some()
}

/// Adds the calls that `caller` makes to log in to the spec's warehouse with IAM credentials, if it
/// has no password, and to look its host up.
pub(super) fn login(needs: &mut Needs<'_>, logins: &mut ClusterLogins, spec: &ConnSpec, caller: &IamIdentity) {
    let scope = needs.warehouse_scope(spec);
    let login_as = match &spec.login {
        LoginFrom::Parameter { secret_id, .. } => {
            if secret_id.is_some() {
                needs.note(format!("If the secret of {} holds a host, no role is assumed for it.", spec.id));
            }
            return look_up(needs, spec, caller, &scope);
        }
        LoginFrom::Secret { login_as, .. } => {
            needs.note(format!(
                "If the secret of {} holds a password, no credentials are asked of IAM for it, and their statements \
                    and SQL can go; if it holds no host, the host is looked up, which needs GetWorkgroup or \
                    DescribeClusters as well.",
                spec.id
            ));
            login_as
        }
        LoginFrom::Iam(login_as) => {
            look_up(needs, spec, caller, &scope);
            login_as
        }
    };
    match &spec.target {
        Target::Workgroup(target) => workgroup(needs, (spec, target, login_as), caller, &scope),
        Target::Cluster(target) => cluster(needs, logins, (spec, target, login_as), caller, scope),
    }
}

/// Adds the call that looks the host up, if the spec does not name it.
fn look_up(needs: &mut Needs<'_>, spec: &ConnSpec, caller: &IamIdentity, scope: &ArnScope) {
    if spec.host.is_some() {
        return;
    }
    let (operation, arn) = match &spec.target {
        Target::Workgroup(workgroup) => (Operation::GetWorkgroup, workgroup_arn(needs, (spec, workgroup), scope)),
        Target::Cluster(cluster) => {
            let id = cluster_id(needs, (spec, cluster));
            (Operation::DescribeClusters, scope.arn("redshift", &format!("cluster:{id}")))
        }
    };
    needs
        .permissions(caller)
        .allow(operation.action(), arn, Condition::none());
}

/// Names the workgroup of a connection, or a placeholder for it.
fn workgroup_name((spec, workgroup): (&ConnSpec, &Workgroup)) -> String {
    workgroup
        .name
        .clone()
        .or_else(|| first_label(spec))
        .unwrap_or_else(|| connection(spec))
}

/// The workgroup's ARN, whose id is a placeholder.
fn workgroup_arn(needs: &mut Needs<'_>, of: (&ConnSpec, &Workgroup), scope: &ArnScope) -> String {
    let name = workgroup_name(of);
    let uuid = format!("WORKGROUP-UUID-OF-{name}");
    needs.note(format!(
        "{uuid} stands for the workgroup's id, which is not its name: aws redshift-serverless \
        get-workgroup --region {} --workgroup-name {name} --query workgroup.workgroupId --output text",
        scope.region
    ));
    scope.arn("redshift-serverless", &format!("workgroup/{uuid}"))
}

/// The cluster's identifier, or a placeholder.
fn cluster_id(needs: &mut Needs<'_>, (spec, cluster): (&ConnSpec, &Cluster)) -> String {
    cluster
        .id
        .clone()
        .or_else(|| first_label(spec))
        .unwrap_or_else(|| {
            let placeholder = format!("CLUSTER-OF-{}", connection(spec));
            needs.note(format!(
                "{placeholder} stands for the cluster's identifier, which only the secret's host tells."
            ));
            placeholder
        })
}

/// Adds GetCredentials and the database users of a workgroup.
fn workgroup(
    needs: &mut Needs<'_>,
    (spec, workgroup, login_as): (&ConnSpec, &Workgroup, &LoginAs),
    caller: &IamIdentity,
    scope: &ArnScope,
) {
    let of = (spec, workgroup);
    let (name, arn) = (workgroup_name(of), workgroup_arn(needs, of, scope));
    needs
        .permissions(caller)
        .allow(Operation::GetCredentials.action(), arn, Condition::none());
    let warehouse = format!("workgroup {name} in {}", scope.region);
    let (user, database) = (iam_user(needs, caller), database(needs, spec));
    needs
        .sql
        .user(&warehouse, &user, &database, Created::ByHand);
    if *login_as == LoginAs::PerUser {
        let config = needs.config;
        let roles: BTreeSet<_> = users(spec, config)
            .flat_map(|(_, user)| &user.rights.db_roles)
            .collect();
        for role in roles {
            needs.sql.role(&warehouse, role);
        }
        needs.note(format!(
            "The database roles of {}'s users come with the session tag RedshiftDbRoles, without a \
            GRANT ROLE; names that the database does not know are ignored.",
            spec.id
        ));
    }
}

fn cluster(
    needs: &mut Needs<'_>,
    logins: &mut ClusterLogins,
    (spec, cluster, login_as): (&ConnSpec, &Cluster, &LoginAs),
    caller: &IamIdentity,
    scope: ArnScope,
) {
    let id = cluster_id(needs, (spec, cluster));
    let warehouse = format!("cluster {id} in {}", scope.region);
    let database = database(needs, spec);
    let Some(db_users) = db_users(needs, (spec, cluster, login_as)) else {
        let arn = scope.arn("redshift", &format!("dbname:{id}/{}", literal(&database)));
        needs
            .permissions(caller)
            .allow(Operation::GetClusterCredentialsWithIam.action(), arn, Condition::none());
        let user = iam_user(needs, caller);
        needs
            .sql
            .user(&warehouse, &user, &database, Created::ByHand);
        return;
    };
    for user in &db_users {
        let created = if cluster.auto_create { Created::AtLogin } else { Created::ByHand };
        needs.sql.user(&warehouse, user, &database, created);
        if cluster.auto_create {
            let arn = scope.arn("redshift", &format!("dbuser:{id}/{}", literal(user)));
            needs
                .permissions(caller)
                .allow("redshift:CreateClusterUser", arn, Condition::none());
        }
    }
    for group in &cluster.db_groups {
        needs.sql.group(&warehouse, group);
        let arn = scope.arn("redshift", &format!("dbgroup:{id}/{}", literal(group)));
        needs
            .permissions(caller)
            .allow("redshift:JoinGroup", arn, Condition::none());
    }
    let groups: BTreeSet<_> = cluster.db_groups.iter().cloned().collect();
    let made =
        db_users
            .into_iter()
            .map(|user| ClusterLogin { user, database: database.clone(), groups: groups.clone() });
    logins
        .0
        .entry((caller.clone(), scope, id))
        .or_default()
        .extend(made);
}

/// The `DbUser`s of GetClusterCredentials; `None`: the caller's own, by
/// GetClusterCredentialsWithIAM.
fn db_users(
    needs: &mut Needs<'_>,
    (spec, cluster, login_as): (&ConnSpec, &Cluster, &LoginAs),
) -> Option<BTreeSet<String>> {
    let user = match login_as {
        LoginAs::Shared { user } => user,
        LoginAs::PerUser => {
            let names = users(spec, needs.config).map(|(name, user)| user.db_user.as_ref().unwrap_or(name));
            // No other name is asked for.
            let is_denied = |name: &str| {
                cluster
                    .deny_db_users
                    .iter()
                    .any(|denied| denied.eq_ignore_ascii_case(name))
            };
            let allowed = names.filter(|name| config::value::db_user(name).is_ok() && !is_denied(name));
            return Some(allowed.cloned().collect());
        }
    };
    match (user, spec.login.secret_id()) {
        (Some(user), _) => Some(BTreeSet::from([user.clone()])),
        (None, Some(_)) => {
            let placeholder = format!("USER-IN-SECRET-OF-{}", connection(spec));
            needs.note(format!("{placeholder} stands for the secret's username."));
            Some(BTreeSet::from([placeholder]))
        }
        (None, None) => None,
    }
}

fn database(needs: &mut Needs<'_>, spec: &ConnSpec) -> String {
    match (&spec.database, &spec.target) {
        (Some(database), _) => database.clone(),
        (None, Target::Workgroup(_)) => "(named by the secret)".to_owned(),
        (None, Target::Cluster(_)) => {
            let placeholder = format!("DATABASE-IN-SECRET-OF-{}", connection(spec));
            needs.note(format!("{placeholder} stands for the secret's dbname."));
            placeholder
        }
    }
}

/// Whom the warehouse sees: the caller's own identity.
fn iam_user(needs: &mut Needs<'_>, caller: &IamIdentity) -> String {
    match (caller, &needs.principal) {
        (IamIdentity::Role(arn), _) => format!("IAMR:{}", role_name(arn)),
        (IamIdentity::Proxy, Some(principal)) => match principal.kind {
            PrincipalKind::Role => format!("IAMR:{}", principal.name),
            PrincipalKind::User => format!("IAM:{}", principal.name),
        },
        (IamIdentity::Proxy, None) => {
            needs.note(format!(
                "IAMR:{PROXY_ROLE} stands for the database user of the proxy's own identity, IAMR: \
                and a role's name or IAM: and a user's: give --principal."
            ));
            format!("IAMR:{PROXY_ROLE}")
        }
    }
}

fn first_label(spec: &ConnSpec) -> Option<String> {
    spec.host
        .as_deref()
        .and_then(endpoint)
        .map(|endpoint| endpoint.name)
}

/// The conn_id, as it can stand in an ARN.
fn connection(spec: &ConnSpec) -> String {
    spec.id
        .as_str()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' })
        .collect()
}

impl ClusterLogins {
    /// GetClusterCredentials is asked for a user and a database at once, and each is a resource of
    /// its own: side by side in one statement, every user could be had on every database. Where
    /// that is more than is asked for, conditions say which go together.
    pub(super) fn allow(self, needs: &mut Needs<'_>) {
        for ((caller, scope, id), logins) in self.0 {
            let together = is_product(&logins);
            for login in &logins {
                let condition = if together { Condition::none() } else { only(login, &logins) };
                let user = std::iter::once(format!("dbuser:{id}/{}", literal(&login.user)));
                let database = std::iter::once(format!("dbname:{id}/{}", literal(&login.database)));
                let groups = login
                    .groups
                    .iter()
                    .map(|group| format!("dbgroup:{id}/{}", literal(group)));
                for resource in user.chain(database).chain(groups) {
                    let arn = scope.arn("redshift", &resource);
                    needs
                        .permissions(&caller)
                        .allow(Operation::GetClusterCredentials.action(), arn, condition.clone());
                }
            }
        }
    }
}

/// The condition that allows the login's database alone, to the users who are asked for on it with
/// the same groups.
fn only(login: &ClusterLogin, logins: &BTreeSet<ClusterLogin>) -> Condition {
    let same = |other: &&ClusterLogin| (&other.database, &other.groups) == (&login.database, &login.groups);
    let users = logins.iter().filter(same).map(|other| literal(&other.user));
    let database = Condition::none().and("StringEquals", "redshift:DbName", [literal(&login.database)]);
    database.and("StringEquals", "redshift:DbUser", users)
}

/// Every user is asked for on every database, with the same groups.
fn is_product(logins: &BTreeSet<ClusterLogin>) -> bool {
    let users: BTreeSet<_> = logins.iter().map(|login| &login.user).collect();
    let databases: BTreeSet<_> = logins.iter().map(|login| &login.database).collect();
    let groups: BTreeSet<_> = logins.iter().map(|login| &login.groups).collect();
    groups.len() <= 1 && logins.len() == users.len() * databases.len()
}
