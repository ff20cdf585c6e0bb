//! What is known of a connection while it is checked, and how a failure is explained with it.

use std::fmt;
use std::sync::Arc;

use crate::aws::{Arn, Call, Operation, partition};
use crate::cli::connection::Connection;
use crate::config::{ConnId, ConnSpec, RoleHop, SpecsTable};
use crate::credentials::DEFAULT_PORT;

/// The facts that are known of a connection so far: an error alone does not say which role or
/// Region it is about.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// The name of the connection that is checked.
    pub(crate) conn_id: ConnId,
    /// The connection's spec. `None`: its item is not read yet.
    pub(crate) spec: Option<Arc<ConnSpec>>,
    /// The table that has the connection's item. `None`: the configuration has the connection.
    pub(crate) table: Option<SpecsTable>,
    /// The Region of the warehouse. `None`: nothing has told it yet.
    pub(crate) region: Option<String>,
    /// The Region where roles are assumed, and parameters, secrets and items are read.
    pub(crate) home: Option<String>,
    /// The ARN of the base identity, once it is known.
    pub(crate) base: Option<String>,
    /// The database user that a `per-user` login is asked for, then the one that it was given for.
    pub(crate) db_user: Option<String>,
    /// The forward proxy that calls to AWS go through, and the environment variable that names it.
    pub(crate) forward_proxy: Option<(String, &'static str)>,
    /// The warehouse's host, once it is known.
    pub(crate) host: String,
    /// The port of the warehouse; the default until another is known.
    pub(crate) port: u16,
    /// The database, once it is known.
    pub(crate) database: String,
}

/// A failure as people read it. Holds no secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Explanation {
    /// The error with its causes, in one line.
    pub(crate) what: String,
    /// The smallest thing to do about it.
    pub(crate) fix: String,
}

impl Explanation {
    /// Makes an explanation of two texts.
    pub(super) fn new(what: impl fmt::Display, fix: impl fmt::Display) -> Self {
        Self { what: what.to_string(), fix: fix.to_string() }
    }
}

impl Context {
    /// Starts with what the configuration alone says of a connection.
    pub(super) fn new(connection: &Connection<'_>) -> Self {
        let mut context = Self {
            conn_id: connection.conn_id().clone(),
            spec: None,
            table: connection.table().cloned(),
            region: None,
            home: None,
            base: None,
            db_user: None,
            forward_proxy: None,
            host: String::new(),
            port: DEFAULT_PORT,
            database: String::new(),
        };
        if let Some(spec) = connection.spec() {
            context.learn(spec);
        }
        context
    }

    /// Takes in the connection's spec.
    pub(super) fn learn(&mut self, spec: &Arc<ConnSpec>) {
        self.host = spec.host.clone().unwrap_or_default();
        self.port = spec.port.unwrap_or(DEFAULT_PORT);
        self.database = spec.database.clone().unwrap_or_default();
        self.spec = Some(Arc::clone(spec));
    }

    fn hops(&self) -> &[RoleHop] {
        self.spec.as_ref().map_or(&[], |spec| &spec.roles.hops)
    }

    /// The ARN of the identity that makes a call: the base identity's, or a role's.
    pub(super) fn caller_of(&self, call: &Call) -> String {
        let hops = self.hops();
        let base = || {
            self.base
                .clone()
                .unwrap_or_else(|| "the base identity".to_owned())
        };
        match call.operation {
            Operation::AssumeRole => match hops.iter().position(|hop| hop.role_arn == call.on) {
                Some(at) if at > 0 => hops
                    .get(at - 1)
                    .map_or_else(base, |hop| hop.role_arn.clone()),
                _ => base(),
            },
            Operation::GetItem
            | Operation::Scan
            | Operation::GetParameter
            | Operation::GetParametersByPath
            | Operation::GetSecretValue
            | Operation::GetCallerIdentity => base(),
            Operation::AssumeRoleWithWebIdentity
            | Operation::GetCredentials
            | Operation::GetWorkgroup
            | Operation::GetClusterCredentials
            | Operation::GetClusterCredentialsWithIam
            | Operation::DescribeClusters => hops.last().map_or_else(base, |hop| hop.role_arn.clone()),
        }
    }

    /// The account of the identity that makes a call; `*` where that is not known.
    pub(super) fn account_of(&self, call: &Call) -> String {
        Arn::parse(&self.caller_of(call))
            .map_or("*", |arn| or_any(arn.account))
            .to_owned()
    }

    /// The Region that a call goes to; `*` where that is not known. Stored values are read in the
    /// home Region, unless their ARN names another.
    pub(super) fn region_of<'a>(&'a self, call: &'a Call) -> &'a str {
        let region = match call.operation {
            Operation::GetParameter | Operation::GetSecretValue if let Some(arn) = Arn::parse(&call.on) => {
                return or_any(arn.region);
            }
            Operation::GetParameter
            | Operation::GetParametersByPath
            | Operation::GetSecretValue
            | Operation::GetItem
            | Operation::Scan
            | Operation::AssumeRole
            | Operation::AssumeRoleWithWebIdentity
            | Operation::GetCallerIdentity => &self.home,
            Operation::GetCredentials
            | Operation::GetWorkgroup
            | Operation::GetClusterCredentials
            | Operation::GetClusterCredentialsWithIam
            | Operation::DescribeClusters => &self.region,
        };
        region.as_deref().unwrap_or("*")
    }

    /// The partition of the warehouse's Region: `aws`, `aws-cn`, …
    pub(super) fn partition(&self) -> String {
        let of_roles = self
            .hops()
            .last()
            .and_then(|hop| Arn::parse(&hop.role_arn))
            .map(|arn| or_any(arn.partition));
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

/// A part of an ARN as policies have it: `*` where it is empty.
fn or_any(part: &str) -> &str {
    if part.is_empty() { "*" } else { part }
}
