//! The needs of the roles on the way to a warehouse: who assumes them, and what their trust
//! policies ask for.

use std::collections::{BTreeMap, BTreeSet};

use super::needs::{IamIdentity, Needs};
use super::policy::{Condition, PolicyDocument};
use super::principal::{IamPrincipal, PrincipalKind};
use super::scope::literal;
use crate::aws::Operation;
use crate::config::value::session_name;
use crate::config::{Config, ConnSpec, Target, User};
use crate::credentials::DB_ROLES;

/// The placeholder for an identity provider's name, which the keys of its claims begin with in a
/// trust policy.
const PROVIDER: &str = "WEB-IDENTITY-PROVIDER";

/// Adds the needs of the chain of roles, and gives the identity at its end, which calls the
/// warehouse's API.
pub(super) fn chain(needs: &mut Needs<'_>, spec: &ConnSpec) -> IamIdentity {
    let mut caller = IamIdentity::Proxy;
    for (at, hop) in spec.roles.hops.iter().enumerate() {
        let session = needs.session_of(&hop.role_arn);
        let by_token = at == 0 && spec.roles.web_identity_token_file.is_some();
        let last = at + 1 == spec.roles.hops.len();
        let sessions = if last { Sessions::of(spec, needs.config) } else { Sessions::default() };
        if by_token {
            let trust = with_names(claims(), &sessions);
            needs.role(&hop.role_arn).trust.trust_federated(
                Operation::AssumeRoleWithWebIdentity.action(),
                &format!("{PROVIDER}-ARN"),
                trust,
            );
            note_web_identity(needs);
        } else if at == 0 && session == caller && sessions.are_plain() {
            // The proxy already is the role: nothing is assumed.
        } else {
            if session == caller && caller == IamIdentity::Proxy {
                needs.note(format!(
                    "{} assumes itself, to pass session tags: its trust policy has to keep what lets \
                    the platform it runs on use it (EKS Pod Identity: pods.eks.amazonaws.com, sts:AssumeRole and \
                    sts:TagSession) beside the statements here, and its permissions are those of `proxy`.",
                    hop.role_arn
                ));
            }
            assume(needs, &caller, &hop.role_arn, hop.external_id.as_deref(), &sessions);
        }
        caller = session;
    }
    caller
}

/// Adds the needs of one AssumeRole.
fn assume(needs: &mut Needs<'_>, caller: &IamIdentity, role: &str, external_id: Option<&str>, sessions: &Sessions) {
    let trusted = needs.trusted(caller);
    let mut condition = narrowed(needs, caller, with_names(Condition::none(), sessions));
    if let Some(parameter) = external_id {
        condition = condition.and("StringEquals", "sts:ExternalId", [external_id_in(parameter)]);
        needs.note(format!(
            "{} stands for the external id, the value of the SSM parameter {parameter}.",
            external_id_in(parameter)
        ));
    }
    needs
        .permissions(caller)
        .allow(Operation::AssumeRole.action(), role, Condition::none());
    needs
        .role(role)
        .trust
        .trust(Operation::AssumeRole.action(), trusted.clone(), condition);
    for tags in &sessions.tags {
        let condition = only(tags);
        needs
            .permissions(caller)
            .allow("sts:TagSession", role, condition.clone());
        let condition = narrowed(needs, caller, condition);
        needs
            .role(role)
            .trust
            .trust("sts:TagSession", trusted.clone(), condition);
    }
    note_path(needs, caller);
    if needs
        .principal
        .as_ref()
        .is_some_and(|principal| principal.kind == PrincipalKind::User)
    {
        return;
    }
    needs.note(
        "Under EKS Pod Identity, whose session tags are transitive, both sides of every sts:AssumeRole also \
        need sts:TagSession for the keys eks-cluster-arn, eks-cluster-name, kubernetes-namespace, \
        kubernetes-service-account, kubernetes-pod-name and kubernetes-pod-uid, beside those listed here.",
    );
}

/// The condition of a trust policy's statement that names the caller's account, narrowed to the
/// caller.
fn narrowed(needs: &Needs<'_>, caller: &IamIdentity, condition: Condition) -> Condition {
    let proxy = needs
        .principal
        .as_ref()
        .filter(|_| *caller == IamIdentity::Proxy);
    match proxy.and_then(IamPrincipal::pattern) {
        Some(pattern) => condition.and("ArnLike", "aws:PrincipalArn", [pattern]),
        None => condition,
    }
}

/// The placeholder for the value of a parameter.
fn external_id_in(parameter: &str) -> String {
    format!("EXTERNAL-ID-IN-{parameter}")
}

/// The condition that a session has only these tags, each with one of these values.
fn only(tags: &BTreeMap<String, BTreeSet<String>>) -> Condition {
    let keys = Condition::none().and("ForAllValues:StringEquals", "aws:TagKeys", tags.keys());
    tags.iter().fold(keys, |condition, (key, values)| {
        condition.and("StringEquals", format!("aws:RequestTag/{key}"), values.iter().map(|value| literal(value)))
    })
}

/// The condition, narrowed to the names of the sessions.
fn with_names(condition: Condition, sessions: &Sessions) -> Condition {
    match &sessions.names {
        Some(names) => condition.and("StringEquals", "sts:RoleSessionName", names),
        None => condition,
    }
}

/// The condition on the claims of a web identity token.
fn claims() -> Condition {
    Condition::none()
        .and("StringEquals", format!("{PROVIDER}:sub"), ["WEB-IDENTITY-SUBJECT"])
        .and("StringEquals", format!("{PROVIDER}:aud"), ["WEB-IDENTITY-AUDIENCE"])
}

fn note_web_identity(needs: &mut Needs<'_>) {
    for note in [
        "WEB-IDENTITY-PROVIDER stands for the issuer of the token file's tokens without https:// (such as \
            accounts.google.com), WEB-IDENTITY-PROVIDER-ARN for the ARN of its IAM OIDC provider (Google's has \
            none: accounts.google.com again).",
        "WEB-IDENTITY-SUBJECT and WEB-IDENTITY-AUDIENCE stand for the claims sub and aud of those tokens; where a \
            token has azp, :aud is compared with it, and :oaud with aud.",
        "sts:AssumeRoleWithWebIdentity needs no permission on the caller's side: it is not signed.",
    ] {
        needs.note(note);
    }
}

/// Notes what the ARN of the proxy's own identity leaves open: a role's path, or the name of a
/// permission set's role.
fn note_path(needs: &mut Needs<'_>, caller: &IamIdentity) {
    let set = needs
        .principal
        .as_ref()
        .and_then(IamPrincipal::permission_set)
        .map(str::to_owned);
    if let (IamIdentity::Proxy, Some(set)) = (caller, set) {
        needs.note(format!(
            "The proxy's role is IAM Identity Center's, of the permission set {set}: `proxy` goes into that set, for the \
                role itself cannot be changed, and trust policies name its account and what its ARN is like, for its name \
                changes when the set is assigned anew."
        ));
        return;
    }
    let principal = needs
        .principal
        .as_ref()
        .filter(|principal| principal.path_unknown);
    if let (IamIdentity::Proxy, Some(arn)) = (caller, principal.map(|principal| principal.arn.clone())) {
        needs.note(format!(
            "{arn} was made of a session's ARN, which does not tell a role's path: if it has one, give the role's \
                own ARN with --principal."
        ));
    }
}

/// How the sessions of the last role of a chain differ.
#[derive(Debug, Default)]
struct Sessions {
    /// The sets of tags that are passed, each with its keys' values. Sessions without tags have no
    /// set.
    tags: Vec<BTreeMap<String, BTreeSet<String>>>,
    /// The session names of `per-user` logins.
    names: Option<BTreeSet<String>>,
    /// Whether each user has a session of its own.
    per_user: bool,
}

impl Sessions {
    fn of(spec: &ConnSpec, config: &Config) -> Self {
        let own: BTreeMap<_, _> = spec
            .roles
            .tags
            .iter()
            .map(|(key, value)| (key.clone(), BTreeSet::from([value.clone()])))
            .collect();
        let by_token = spec.roles.hops.len() == 1 && spec.roles.web_identity_token_file.is_some();
        // On a cluster it is the DbUser that is the user's own.
        if !spec.is_per_user() || matches!(spec.target, Target::Cluster(_)) {
            let tags = if own.is_empty() || by_token { Vec::new() } else { vec![own] };
            return Self { tags, names: None, per_user: false };
        }
        let users: Vec<_> = users(spec, config).collect();
        let with_roles: BTreeSet<_> = users
            .iter()
            .map(|(_, user)| user.rights.db_roles.join(":"))
            .collect();
        let mut tags = Vec::new();
        if with_roles.contains("") && !own.is_empty() {
            tags.push(own.clone());
        }
        let values: BTreeSet<_> = with_roles
            .into_iter()
            .filter(|value| !value.is_empty())
            .collect();
        if !values.is_empty() {
            tags.push(
                own.into_iter()
                    .chain([(DB_ROLES.to_owned(), values)])
                    .collect(),
            );
        }
        let names: BTreeSet<_> = users.iter().map(|(name, _)| session_name(name)).collect();
        let names = Some(names).filter(|names| !names.is_empty());
        Self { tags: if by_token { Vec::new() } else { tags }, names, per_user: true }
    }

    /// Whether the sessions differ in nothing from the base identity's own.
    fn are_plain(&self) -> bool {
        self.tags.is_empty() && !self.per_user
    }
}

/// The users with entries that may open this connection, disabled or not.
pub(super) fn users<'a>(spec: &'a ConnSpec, config: &'a Config) -> impl Iterator<Item = (&'a String, &'a User)> {
    let named = config
        .users
        .iter()
        .filter(|(_, user)| user.rights.may_open(&spec.id));
    named.map(|(name, user)| (name, &**user))
}

/// Adds the statements for a glob of roles that `[specs]` allows, of which nothing more is known.
pub(super) fn assume_any(needs: &mut Needs<'_>, glob: &str) {
    // Whoever writes the table may pass tags, but none that Redshift makes rights of. Tag keys
    // ignore case.
    let tags = ["RedshiftDbUser", DB_ROLES, "RedshiftDbGroups"];
    let tags = Condition::none().and("ForAllValues:StringNotEqualsIgnoreCase", "aws:TagKeys", tags);
    let trusted = needs.trusted(&IamIdentity::Proxy);
    needs
        .proxy
        .allow(Operation::AssumeRole.action(), glob, Condition::none());
    needs.proxy.allow("sts:TagSession", glob, tags.clone());
    let narrowed = |condition| narrowed(needs, &IamIdentity::Proxy, condition);
    let (any, tags) = (narrowed(Condition::none()), narrowed(tags));
    let trust: &mut PolicyDocument = &mut needs.role(glob).trust;
    trust.trust(Operation::AssumeRole.action(), trusted.clone(), any);
    trust.trust("sts:TagSession", trusted, tags);
    needs.note(format!(
        "{glob} is a bound of [specs] roles: its policies are for each role of the table's items; \
        where an item has an external_id, add StringEquals sts:ExternalId to the trust, and where none has tags, \
        drop sts:TagSession."
    ));
    note_path(needs, &IamIdentity::Proxy);
}
