//! The permissions that are gathered on the way through the configuration: which identity needs
//! which, and what is not known.

use std::collections::{BTreeMap, BTreeSet};

use super::json::Json;
use super::policy::PolicyDocument;
use super::principal::{IamPrincipal, partition_of};
use super::scope::{ArnScope, PROXY_ACCOUNT, REGION, endpoint};
use super::sql::Sql;
use crate::aws::partition;
use crate::config::{Config, ConnSpec, LoginFrom};

/// Stands for the proxy in trust policies, where `--principal` does not say who it is.
const PROXY_PRINCIPAL: &str = "PROXY-PRINCIPAL-ARN";

/// An identity that makes calls.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum IamIdentity {
    /// The proxy's own identity, which may itself be a role.
    Proxy,
    /// A session of this role.
    Role(String),
}

/// The policies of a role that is assumed.
#[derive(Debug, Default)]
pub(super) struct Role {
    /// The permissions that the role's sessions need.
    pub(super) permissions: PolicyDocument,
    /// The trust policy of the role.
    pub(super) trust: PolicyDocument,
}

/// The needs of a configuration, which the document is made from.
pub(super) struct Needs<'a> {
    /// The configuration whose needs these are.
    pub(super) config: &'a Config,
    /// The proxy's own identity, if it is known.
    pub(super) principal: Option<IamPrincipal>,
    /// The permissions of the proxy's own identity.
    pub(super) proxy: PolicyDocument,
    /// The roles by ARN, or by a glob of ARNs that `[specs]` allows.
    pub(super) roles: BTreeMap<String, Role>,
    /// The SQL for the warehouses.
    pub(super) sql: Sql,
    /// The number of the proxy's account, or a placeholder for it.
    account: String,
    notes: Vec<String>,
}

impl<'a> Needs<'a> {
    /// Starts with no needs.
    pub(super) fn new(config: &'a Config, principal: Option<&'a IamPrincipal>) -> Self {
        let principal = principal.map(|principal| with_path(principal, config));
        let account = principal
            .as_ref()
            .map(|principal| principal.account.clone());
        let account = account
            .or_else(|| own_account(config))
            .unwrap_or_else(|| PROXY_ACCOUNT.to_owned());
        let (proxy, roles, sql) = (PolicyDocument::default(), BTreeMap::new(), Sql::default());
        Self { config, principal, proxy, roles, sql, account, notes: Vec::new() }
    }

    /// Adds a sentence for the person who attaches the policies, unless it is there already.
    pub(super) fn note(&mut self, sentence: impl Into<String>) {
        let sentence = sentence.into();
        if !self.notes.contains(&sentence) {
            self.notes.push(sentence);
        }
    }

    /// The policies of a role.
    pub(super) fn role(&mut self, arn: &str) -> &mut Role {
        self.roles.entry(arn.to_owned()).or_default()
    }

    /// The permissions of an identity.
    pub(super) fn permissions(&mut self, caller: &IamIdentity) -> &mut PolicyDocument {
        match caller {
            IamIdentity::Proxy => &mut self.proxy,
            IamIdentity::Role(arn) => &mut self.role(arn).permissions,
        }
    }

    /// The identity of a session of this role: the proxy itself, if it is this role.
    pub(super) fn session_of(&self, role: &str) -> IamIdentity {
        if self
            .principal
            .as_ref()
            .is_some_and(|principal| principal.is_role(role))
        {
            IamIdentity::Proxy
        } else {
            IamIdentity::Role(role.to_owned())
        }
    }

    /// The identity as a trust policy names it.
    pub(super) fn trusted(&mut self, caller: &IamIdentity) -> String {
        match (caller, &self.principal) {
            (IamIdentity::Role(arn), _) => arn.clone(),
            (IamIdentity::Proxy, Some(principal)) => principal.trusted(),
            (IamIdentity::Proxy, None) => {
                self.note(format!(
                    "{PROXY_PRINCIPAL} stands for the ARN of the proxy's own role or user: give it with --principal."
                ));
                PROXY_PRINCIPAL.to_owned()
            }
        }
    }

    /// The scope in which the proxy reads stored values: its own account, in `[aws] region` or else
    /// the connection's Region.
    pub(super) fn home(&mut self, spec: Option<&ConnSpec>) -> ArnScope {
        let region = self.config.aws.region.clone();
        if region.is_none() {
            self.note(
                "[aws] region is not set: parameters, secrets and tables are taken to be in the Region of \
                their connection; where AWS_REGION or a profile says another, it is that one.",
            );
        }
        let region = region
            .or_else(|| spec.and_then(region_of))
            .unwrap_or_else(|| REGION.to_owned());
        self.complete(region, None, self.account.clone())
    }

    /// The scope of the connection's warehouse.
    pub(super) fn warehouse_scope(&mut self, spec: &ConnSpec) -> ArnScope {
        let region = region_of(spec)
            .or_else(|| self.config.aws.region.clone())
            .unwrap_or_else(|| REGION.to_owned());
        let role = spec.roles.hops.last().map(|hop| hop.role_arn.as_str());
        let told = spec
            .host
            .as_deref()
            .and_then(endpoint)
            .and_then(|endpoint| endpoint.account);
        let by_role = role.map(|arn| super::principal::account_of(arn).to_owned());
        let account = told.or(by_role).unwrap_or_else(|| self.account.clone());
        self.complete(region, role, account)
    }

    fn complete(&mut self, region: String, role: Option<&str>, account: String) -> ArnScope {
        if account == PROXY_ACCOUNT {
            self.note(format!("{PROXY_ACCOUNT} stands for the proxy's own account: give --principal, or put it in."));
        }
        if region == REGION {
            self.note(format!("{REGION} stands for a Region that the configuration does not tell: set [aws] region."));
        }
        let by_region = if region == REGION { self.partition() } else { partition::name(&region) };
        let partition = role.and_then(partition_of).map_or(by_region, str::to_owned);
        ArnScope { partition, region, account }
    }

    /// The partition of the proxy's account, as `aws`.
    fn partition(&self) -> String {
        let roles = self
            .config
            .connections
            .values()
            .flat_map(|spec| &spec.roles.hops);
        let by_role = || {
            roles
                .filter_map(|hop| partition_of(&hop.role_arn))
                .next()
                .unwrap_or("aws")
                .to_owned()
        };
        self.principal
            .as_ref()
            .map_or_else(by_role, |principal| principal.partition.clone())
    }

    /// Makes the whole document of the needs.
    pub(super) fn json(mut self) -> Json {
        self.note_sizes();
        if self.proxy.is_empty() {
            self.note(
                "The proxy itself needs no permission: IAM takes no policy without statements, so leave `proxy` out.",
            );
        }
        let roles = self.roles.iter().map(|(arn, role)| {
            let own = self.session_of(arn) == IamIdentity::Proxy;
            let permissions = if own { &self.proxy } else { &role.permissions };
            let members = [("permissions", permissions.json()), ("trust", role.trust.json())];
            (arn.as_str(), Json::object(members))
        });
        Json::object([
            ("proxy", self.proxy.json()),
            ("roles", Json::object(roles)),
            ("sql", Json::list(self.sql.lines())),
            ("notes", Json::list(self.notes)),
        ])
    }

    /// IAM's limits, which count no white space (IAM User Guide, "IAM and AWS STS quotas").
    fn note_sizes(&mut self) {
        let roles = self.roles.iter();
        let permissions = roles
            .clone()
            .map(|(arn, role)| (format!("the permissions of {arn}"), &role.permissions));
        let permissions = std::iter::once(("the policy of the proxy".to_owned(), &self.proxy)).chain(permissions);
        let mut notes = Vec::new();
        for (whose, policy) in permissions {
            match policy.characters() {
                0..=6144 => {}
                size @ 6145..=10_240 => notes.push(format!(
                    "With {size} characters {whose} is over the 6144 of a managed policy: attach it inline to a \
                        role (at most 10240), or split it."
                )),
                size => notes.push(format!(
                    "With {size} characters {whose} is over the 6144 of a managed policy and the 10240 of a role's \
                        inline policies: split it into several managed ones."
                )),
            }
        }
        for (arn, role) in roles {
            match role.trust.characters() {
                0..=2048 => {}
                size => notes.push(format!(
                    "With {size} characters the trust policy of {arn} is over the quota of 2048, which AWS raises \
                        to 4096 on request."
                )),
            }
        }
        notes.into_iter().for_each(|note| self.note(note));
    }
}

/// The principal with its role's path, which a session's ARN lacks and the configuration may tell.
fn with_path(principal: &IamPrincipal, config: &Config) -> IamPrincipal {
    let mut hops = config
        .connections
        .values()
        .flat_map(|spec| &spec.roles.hops);
    match hops.find(|hop| principal.path_unknown && principal.is_role(&hop.role_arn)) {
        Some(hop) => IamPrincipal { arn: hop.role_arn.clone(), path_unknown: false, ..principal.clone() },
        None => principal.clone(),
    }
}

/// The Region of the warehouse, as far as its spec tells.
pub(super) fn region_of(spec: &ConnSpec) -> Option<String> {
    let told = || {
        spec.host
            .as_deref()
            .and_then(endpoint)
            .map(|endpoint| endpoint.region)
    };
    spec.region.clone().or_else(told)
}

/// Credentials for a workgroup are asked for from within its account: without a role that is the
/// proxy's own.
fn own_account(config: &Config) -> Option<String> {
    let own = |spec: &ConnSpec| spec.roles.hops.is_empty() && matches!(spec.login, LoginFrom::Iam(_));
    let hosts = config
        .connections
        .values()
        .filter(|spec| own(spec))
        .filter_map(|spec| spec.host.as_deref());
    let accounts: BTreeSet<_> = hosts
        .filter_map(endpoint)
        .filter_map(|endpoint| endpoint.account)
        .collect();
    let mut accounts = accounts.into_iter();
    accounts.next().filter(|_| accounts.next().is_none())
}
