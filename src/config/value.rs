//! One parser per kind of value. Messages say what is expected and never repeat the text they were given: any value may
//! have come out of the environment.

use std::borrow::Cow;

pub(super) use self::aws::{
    Endpoint, database, endpoint, parameter_name, password_duration, region, role_arn, workgroup,
};
pub(super) use self::network::{endpoint_url, host, port, socket_address};
pub(super) use self::pem::{ca_bundle, cert_chain, key_pair, private_key};
pub(super) use self::text::{Reference, expand, glob_matches, nearest, reference, visible_name};
pub(super) use self::time::{duration, positive};

mod aws;
mod network;
mod pem;
mod text;
mod time;

/// A value, or what is wrong with it: lower case, no full stop.
pub(super) type Parsed<T> = Result<T, Cow<'static, str>>;
