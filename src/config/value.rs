//! One parser per kind of value. Messages say what is expected and never repeat the text they were
//! given: any value may have come out of the environment.

use std::borrow::Cow;

pub(crate) use self::aws::{
    cluster_id, database, db_group, db_user, dynamodb_table, iam_database, is_parameter, parameter, parameter_name,
    password_duration, region, role_arn, secret_id, tag_key, tag_value, warehouse_user, workgroup,
};
pub(crate) use self::endpoint::{Endpoint, endpoint, unknown_suffix};
#[cfg(test)]
pub(crate) use self::glob::work;
pub(crate) use self::glob::{Glob, WILDCARDS, glob_matches};
pub(crate) use self::nearest::nearest;
pub use self::network::PublicName;
pub(crate) use self::network::{dns_suffix, endpoint_url, host, port, public_name, socket_address};
pub use self::origin::Origin;
pub(crate) use self::origin::{network, origin, vpc_endpoint};
pub(crate) use self::pasted::warehouse_host;
pub use self::pem::BadPem;
pub(crate) use self::pem::{Stage, Term, chain, crls, key_pair, of_certificate, of_crl, private_key, roots, terms};
pub(crate) use self::readers::readers;
pub(crate) use self::reference::reference;
pub use self::reference::{Reference, Remote};
pub(crate) use self::session_name::session_name;
pub(crate) use self::text::{BEFORE_CONN_ID, expand, note, user_name, visible, visible_name};
pub(crate) use self::time::{duration, moment, positive};

mod aws;
mod endpoint;
mod glob;
mod nearest;
mod network;
mod origin;
mod pasted;
mod pem;
mod readers;
mod reference;
mod session_name;
mod text;
mod time;

/// A value, or what is wrong with it: lower case, no full stop.
pub(crate) type Parsed<T> = Result<T, Cow<'static, str>>;
