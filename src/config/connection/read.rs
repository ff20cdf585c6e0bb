//! Reads the fields of a connection one by one, and checks what they need of each other. Facts:
//! lava's connection spec (docs/protocol/connection-spec.md 2), and docs/contract.md section 3.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::bounds::Bounds;
use super::id::ConnId;
use super::kind::Warehouse;
use super::login::LoginFields;
use super::role::roles;
use super::spec::{Cluster, ConnSpec, Target, Workgroup};
use super::startup::{application_name, startup_parameters};
use super::target::located;
use crate::config::reader::{Refused, Table, Value, if_given};
use crate::config::value::BEFORE_CONN_ID;
use crate::config::{sections, value};

/// The values of fields that a spec lacks, which depend on where it was written.
pub(super) struct Defaults<'a> {
    /// The value of `enabled`.
    pub(super) enabled: bool,
    /// The value of `password_duration`.
    pub(super) password_duration: Duration,
    /// The bounds on the writer. `None`: there are none.
    pub(super) bounds: Option<&'a Arc<Bounds>>,
}

/// Reads `[connections.*]`, whose entries were already taken out of their table. Connections with a
/// problem are left out.
pub(in crate::config) fn connections(
    entries: &[Value<'_>],
    password_duration: Duration,
) -> BTreeMap<ConnId, Arc<ConnSpec>> {
    let defaults = Defaults { enabled: true, password_duration, bounds: None };
    let mut specs = BTreeMap::new();
    for entry in entries {
        let id = ConnId::new(&entry.name)
            .map_err(|why| entry.report(why))
            .ok();
        if entry.name.contains(BEFORE_CONN_ID) {
            entry
                .warn("holds \"~\": no user name can select it (USER~CONN_ID), only the database or a port of its own");
        }
        if let Some(spec) = spec(id.as_ref(), entry.table("connections.*"), &defaults) {
            specs.insert(spec.id.clone(), Arc::new(spec));
        }
    }
    specs
}

/// Reads one connection. `None`: at least one problem was reported.
pub(super) fn spec(id: Option<&ConnId>, mut table: Table<'_>, defaults: &Defaults<'_>) -> Option<ConnSpec> {
    let named = table.take("conn_id");
    if let Some(named) = named.filter(|value| {
        value
            .text()
            .is_some_and(|name| Some(&*name) != id.map(ConnId::as_str))
    }) {
        named.report("must be the name of the connection, or left out");
    }
    let warehouse = table.require("type").and_then(|kind| kind.parse(warehouse));
    let enabled = table
        .take("enabled")
        .map_or(Some(defaults.enabled), |is| is.bool());
    let mut login = LoginFields::read(&mut table, warehouse);
    let located = located(&mut table, warehouse, &login);
    let port = if_given(table.take("port").as_ref(), Value::port);
    let database = database(&mut table, &login);
    let region = table.optional("region", value::region);
    let roles = roles(&mut table, login.identity);
    login.check(warehouse, roles.as_ref());
    let duration = table.take("password_duration");
    let password_duration =
        duration.map_or(Some(defaults.password_duration), |given| given.duration(value::password_duration));
    let shared_user_roles = table
        .take("shared_user_roles")
        .map_or(Some(false), |is| is.bool());
    let denied = table
        .take("deny_db_users")
        .map(|names| names.texts(value::warehouse_user));
    let ca = if_given(table.take("ca").as_ref(), sections::ca);
    let tls_server_name = table.optional("tls_server_name", value::host);
    let listen = table.optional("listen", value::socket_address);
    let default_sessions = warehouse.map_or(1, default_sessions);
    let max_sessions = table
        .take("max_sessions")
        .map_or(Some(default_sessions), |count| count.count());
    let application_name = application_name(&mut table);
    let startup_parameters = startup_parameters(&mut table);
    let [description, owner] = ["description", "owner"].map(|name| table.optional(name, value::note));
    without_effect(&mut table);
    table.finish();

    let (warehouse, (login, cluster_users), located, roles) = (warehouse?, login.sound()?, located?, roles?);
    let shared_user_roles = shared_user_roles?;
    let target = match warehouse {
        Warehouse::Serverless => Target::Workgroup(Workgroup { name: located.name, shared_user_roles }),
        Warehouse::Provisioned => Target::Cluster(Cluster {
            id: located.name,
            auto_create: cluster_users.auto_create,
            db_groups: cluster_users.db_groups,
            deny_db_users: denied.unwrap_or_else(|| DENY_DB_USERS.map(str::to_owned).to_vec()),
        }),
    };
    Some(ConnSpec {
        id: id?.clone(),
        target,
        login,
        roles,
        enabled: enabled?,
        description: description.ok()?,
        owner: owner.ok()?,
        host: located.host,
        port: port.ok()?,
        database: database.ok()?,
        region: region.ok()?.or(located.region),
        password_duration: password_duration?,
        tls_server_name: tls_server_name.ok()?,
        ca: ca.ok()?,
        listen: listen.ok()?,
        max_sessions: max_sessions?,
        application_name: application_name?,
        startup_parameters: startup_parameters?,
        bounds: defaults.bounds.cloned(),
    })
}

/// The superusers that a cluster has from the start.
const DENY_DB_USERS: [&str; 3] = ["awsuser", "admin", "rdsdb"];

/// How many sessions a warehouse takes by default: a workgroup has 2000 connections and a cluster
/// 500, some of which are left to others.
fn default_sessions(warehouse: Warehouse) -> usize {
    match warehouse {
        Warehouse::Serverless => 1900,
        Warehouse::Provisioned => 450,
    }
}

fn warehouse(text: &str) -> value::Parsed<Warehouse> {
    match text.to_lowercase().as_str() {
        "redshift-serverless" => Ok(Warehouse::Serverless),
        "redshift" => Ok(Warehouse::Provisioned),
        _ => Err("must be \"redshift-serverless\" or \"redshift\"".into()),
    }
}

/// Reads `database`. `None`: the secret has it.
fn database(table: &mut Table<'_>, login: &LoginFields<'_>) -> Result<Option<String>, Refused> {
    // A stored password logs in to any; whether a secret has one is not known yet.
    let name = if login.is_iam() { value::iam_database } else { value::database };
    if login.has_secret() {
        return table.optional("database", name);
    }
    table
        .require("database")
        .and_then(|given| given.parse(name))
        .map(Some)
        .ok_or(Refused)
}

/// Checks and drops those keys of lava's that mean nothing here.
fn without_effect(table: &mut Table<'_>) {
    let _checked = table.take("subtype").and_then(|value| value.text());
    let _checked = table.take("preserve_case").and_then(|value| value.bool());
    if let Some(ssl) = table.take("ssl").filter(|ssl| ssl.bool() == Some(false)) {
        ssl.warn("ignored: TLS to the warehouse is always on and verified");
    }
    table.ignore(|name| name.starts_with("x-") || name.starts_with("X-"));
}
