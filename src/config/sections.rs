//! The fixed tables of proxy.toml but `[listen]`: meaning, default and range of each key. Behind a
//! problem, reading goes on with the default.

pub(super) use self::admin::admin;
pub(crate) use self::admin::usable_token;
pub use self::admin::{Admin, BadToken};
pub use self::aws::Aws;
pub(super) use self::aws::{aws, endpoints_of_the_environment};
pub use self::ca::Ca;
pub(super) use self::ca::ca;
pub use self::credentials::Credentials;
pub(super) use self::credentials::credentials;
pub(super) use self::limits::limits;
pub use self::limits::{BanLimits, Limits};
pub(super) use self::log::log;
pub use self::log::{Log, LogFormat, LogLevel};
pub use self::specs::SpecsTable;
pub(super) use self::specs::specs;
pub use self::upstream::Upstream;
pub(super) use self::upstream::upstream;

mod admin;
mod aws;
mod ca;
mod credentials;
mod fields;
mod limits;
mod log;
mod specs;
mod upstream;
