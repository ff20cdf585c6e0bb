//! Configuration: proxy.toml, parsed, validated and typed, with all problems reported together.
//!
//! Owns the meaning, default and range of every key. Does not own the live parts built from it: no
//! TLS settings, no AWS client, no file but those that the keys name.

pub(crate) use self::connection::MAX_APPLICATION_NAME;
pub use self::connection::{
    Bounds, BoundsError, Cluster, ConnId, ConnSpec, LoginAs, LoginFrom, NameTemplate, Piece, RoleHop, Roles,
    StartupPolicy, Target, Workgroup, connection_from_item,
};
pub use self::disguise::BadPassword;
pub(crate) use self::disguise::{of_a_secret, warehouse_password, without_newline};
pub use self::file::read_file;
pub(crate) use self::file::read_regular;
pub use self::home::HomeRegion;
pub use self::keys::UnknownKeys;
pub use self::listen::{BadIdentity, ChannelBinding, ClientCa, Identity, Listen, TlsMode};
pub use self::load::{FetchRemote, load, load_aws, load_reference, parse};
pub use self::material::Material;
pub use self::problem::{Problem, Problems};
pub use self::reach::{Reach, load_reach};
pub(crate) use self::sections::usable_token;
pub use self::sections::{
    Admin, Aws, BadToken, BanLimits, Ca, Credentials, Limits, Log, LogFormat, LogLevel, SpecsTable, Upstream,
};
pub use self::settings::Config;
pub use self::shown::Shown;
pub use self::sources::Sources;
pub use self::tree::ItemValue;
pub use self::users::{
    Access, AnyProof, AnyUser, Holder, Method, Password, Proof, Right, Rights, StoredPassword, User,
};
pub(crate) use self::users::{MAX_PASSWORDS, RightList};
pub use self::value::{AllowedFrom, BadPem, PublicName, Reference, Remote};
pub(crate) use self::value::{BEFORE_CONN_ID, Endpoint, endpoint};

pub mod connection;
mod disguise;
mod file;
mod home;
mod include;
mod keys;
mod listen;
mod load;
#[cfg(test)]
pub(crate) mod many;
mod material;
mod problem;
mod reach;
mod reader;
mod sections;
mod settings;
mod shown;
mod sources;
mod tree;
mod users;
pub(crate) mod value;
