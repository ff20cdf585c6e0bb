//! What a failed step means, and the smallest thing to do about it. A pure function, and what it
//! has to know.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::iam::part;
use super::{explain_aws, explain_table, explain_warehouse};
use crate::aws::{AwsError, Call, partition};
use crate::config::{BEFORE_CONN_ID, ConnId, ConnSpec, RoleHop, SpecsTable};
use crate::credentials::DEFAULT_PORT;
use crate::spec::Flaw;
use crate::upstream::UpstreamError;

/// Why a step failed.
#[derive(Debug)]
pub(crate) enum CheckError<'a> {
    /// Nobody has this name.
    UnknownUser(&'a str),
    /// `users.*.enabled = false`
    DisabledUser(&'a str),
    /// None of the user's rights, or its groups', covers the connection.
    NoRight(&'a str),
    /// `enabled = false`
    Disabled,
    /// What this user's password refers to cannot be read, or is none. Not by AWS's fault.
    Password(&'a str, String),
    /// Below the path of `users."*"` this user has no password, or none that will do.
    Listed { user: &'a str, path: &'a str, why: String },
    /// `identity = "per-user"`, and no user was given.
    NeedsUser,
    /// Lava's table has no such item.
    NoItem(&'a SpecsTable),
    /// It has one that will not do.
    BadItem(&'a SpecsTable, &'a Flaw),
    /// A call to AWS, or what it brought.
    Aws(&'a AwsError),
    /// The way to the warehouse.
    Warehouse(&'a UpstreamError),
    /// `upstream.login_timeout` passed.
    LoginTimeout(Duration),
}

/// What a cause alone does not tell.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) conn_id: ConnId,
    /// `None`: its item is not read yet.
    pub(crate) spec: Option<Arc<ConnSpec>>,
    /// Where its item is. `None`: the configuration has it.
    pub(crate) table: Option<SpecsTable>,
    /// Of the warehouse.
    pub(crate) region: Option<String>,
    /// Where roles are taken, and what is stored is read.
    pub(crate) home: Option<String>,
    /// The ARN of the base identity, once it is known.
    pub(crate) base: Option<String>,
    /// The database user: whom a `per-user` login is asked for, then whom it was given for.
    pub(crate) db_user: Option<String>,
    /// The forward proxy that calls of AWS go through, and the environment variable that names it.
    pub(crate) forward_proxy: Option<(String, &'static str)>,
    /// Where the warehouse is, once it is known.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) database: String,
}

/// A cause, for people. Holds no secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Explanation {
    /// What went wrong: the chain of causes.
    pub(crate) what: String,
    /// The smallest thing to do.
    pub(crate) mend: String,
}

impl Explanation {
    pub(super) fn new(what: impl fmt::Display, mend: impl fmt::Display) -> Self {
        Self { what: what.to_string(), mend: mend.to_string() }
    }
}

/// Explains one cause.
pub(crate) fn explain(error: &CheckError<'_>, context: &Context) -> Explanation {
    let id = &context.conn_id;
    match error {
        CheckError::UnknownUser(user) => Explanation::new(
            format_args!("there is no user {user:?}"),
            match user.rsplit_once(BEFORE_CONN_ID) {
                Some((name, _)) => format!("give the user alone, {name:?}: what stands behind the last ~ is a conn_id"),
                None => format!("add [users.{user:?}], or correct the name"),
            },
        ),
        CheckError::DisabledUser(user) => Explanation::new(
            format_args!("the user {user:?} is disabled"),
            format_args!("set users.{user:?}.enabled = true"),
        ),
        CheckError::NoRight(user) => Explanation::new(
            format_args!("no right of {user:?}, nor of its groups, covers this connection"),
            format_args!("add {:?} to users.{user:?}.connections, or to those of one of its groups", id.as_str()),
        ),
        CheckError::Password(user, why) => Explanation::new(
            format_args!("the password of {user:?}: {why}"),
            format_args!(
                "every login of {user:?} is refused until users.{user:?}.password leads to a password, or to a \
                 verifier of hash-password's: store one there, or correct the reference"
            ),
        ),
        CheckError::Listed { user, path, why } => Explanation::new(
            format_args!("the password of {user:?}: {why}"),
            format_args!(
                "every login of {user:?} is refused until {path}/{user} holds a password, or a verifier of \
                 hash-password's, as a SecureString"
            ),
        ),
        CheckError::Disabled => Explanation::new(
            "the connection is disabled: clients are refused",
            match &context.table {
                Some(table) => format!("set enabled = true in the item {:?} of {}", id.as_str(), table.dynamodb_table),
                None => format!("set connections.{:?}.enabled = true", id.as_str()),
            },
        ),
        CheckError::NeedsUser => Explanation::new(
            "identity = \"per-user\": each user has a login of its own, so that there is none to prove without one",
            "give --user USER",
        ),
        CheckError::NoItem(table) => explain_table::missing(table, context),
        CheckError::BadItem(table, flaw) => explain_table::unusable(flaw, table, context),
        CheckError::Aws(error) => explain_aws::explain(error.root(), context),
        CheckError::Warehouse(error) => explain_warehouse::explain(error, context),
        CheckError::LoginTimeout(after) => Explanation::new(
            format_args!("the warehouse was not ready within {} s", after.as_secs()),
            "an idle workgroup wakes inside this step: try again in a minute; if it is always so, raise \
             upstream.login_timeout",
        ),
    }
}

impl Context {
    /// What the spec alone tells of the way to the warehouse.
    pub(super) fn learn(&mut self, spec: &Arc<ConnSpec>) {
        self.host = spec.host.clone().unwrap_or_default();
        self.port = spec.port.unwrap_or(DEFAULT_PORT);
        self.database = spec.database.clone().unwrap_or_default();
        self.spec = Some(Arc::clone(spec));
    }

    fn hops(&self) -> &[RoleHop] {
        self.spec.as_ref().map_or(&[], |spec| &spec.role_hops)
    }

    /// Who makes a call: the base identity, or the role before.
    pub(super) fn caller_of(&self, call: &Call) -> String {
        let hops = self.hops();
        let base = || {
            self.base
                .clone()
                .unwrap_or_else(|| "the base identity".to_owned())
        };
        match call.operation {
            "AssumeRole" => match hops.iter().position(|hop| hop.role_arn == call.on) {
                Some(at) if at > 0 => hops
                    .get(at - 1)
                    .map_or_else(base, |hop| hop.role_arn.clone()),
                _ => base(),
            },
            "GetItem" | "GetParameter" | "GetParametersByPath" | "GetSecretValue" | "GetCallerIdentity" => base(),
            _ => hops.last().map_or_else(base, |hop| hop.role_arn.clone()),
        }
    }

    /// The account whose things are called for; `*` where that is not known.
    pub(super) fn account_of(&self, call: &Call) -> String {
        part(&self.caller_of(call), 4).to_owned()
    }

    /// The region that a call goes to; `*` where that is not known. What is stored is at home,
    /// where no ARN says another.
    pub(super) fn region_of<'a>(&'a self, call: &'a Call) -> &'a str {
        let told = part(&call.on, 3);
        let region = match call.operation {
            "GetParameter" | "GetSecretValue" if call.on.starts_with("arn:") && !told.is_empty() => return told,
            "GetParameter" | "GetParametersByPath" | "GetSecretValue" | "GetItem" => &self.home,
            "AssumeRole" | "AssumeRoleWithWebIdentity" | "GetCallerIdentity" => &self.home,
            _ => &self.region,
        };
        region.as_deref().unwrap_or("*")
    }

    /// `aws`, `aws-cn`, …
    pub(super) fn partition(&self) -> String {
        let of_roles = self.hops().last().map(|hop| part(&hop.role_arn, 1));
        match self.region.as_deref() {
            Some(region) => partition::name(region),
            None => of_roles.unwrap_or("aws").to_owned(),
        }
    }

    /// Whether a role's external id is in this parameter.
    pub(super) fn is_external_id(&self, parameter: &str) -> bool {
        self.hops()
            .iter()
            .any(|hop| hop.external_id.as_deref() == Some(parameter))
    }

    /// The name of the parameter that holds the external id of a role.
    pub(super) fn external_id_of(&self, role_arn: &str) -> Option<&str> {
        self.hops()
            .iter()
            .find(|hop| hop.role_arn == role_arn)?
            .external_id
            .as_deref()
    }
}

#[cfg(test)]
mod tests;
