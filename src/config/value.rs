//! Parsers, one per kind of value. Messages say what is expected and never repeat the text: any
//! value may have come out of the environment.

use std::borrow::Cow;

pub use self::allowed_from::AllowedFrom;
pub(crate) use self::allowed_from::{allowed_from, network, vpc_endpoint};
pub(crate) use self::aws::{dynamodb_table, password_duration, region, role_arn, tag_key, tag_value};
pub(crate) use self::endpoint::{Endpoint, endpoint, unknown_suffix};
#[cfg(test)]
pub(crate) use self::glob::work;
pub(crate) use self::glob::{Glob, WILDCARDS, glob_matches};
pub(crate) use self::nearest::nearest;
pub use self::network::PublicName;
pub(crate) use self::network::{dns_suffix, endpoint_url, host, port, public_name, socket_address};
pub(crate) use self::pasted::warehouse_host;
pub use self::pem::BadPem;
pub(crate) use self::pem::{Stage, Term, chain, crls, key_pair, of_certificate, of_crl, private_key, roots, terms};
pub(crate) use self::readers::readers;
pub(crate) use self::redshift::{cluster_id, database, db_group, db_user, iam_database, warehouse_user, workgroup};
pub(crate) use self::reference::reference;
pub use self::reference::{Reference, Remote};
pub(crate) use self::session_name::session_name;
pub(crate) use self::stored_name::{is_parameter, parameter, parameter_name, secret_id};
pub(crate) use self::text::{BEFORE_CONN_ID, expand, note, user_name, visible, visible_name};
pub(crate) use self::time::{duration, moment, positive};

mod allowed_from;
mod aws;
mod endpoint;
mod glob;
mod nearest;
mod network;
mod pasted;
mod pem;
mod readers;
mod redshift;
mod reference;
mod session_name;
mod stored_name;
mod text;
mod time;

/// A value, or the message of what is wrong with it: lower case, no full stop.
pub(crate) type Parsed<T> = Result<T, Cow<'static, str>>;
