//! `[listen]`: where and how clients are accepted.

pub(super) use self::entrance::{Entrance, check_ports};
pub use self::identity::{BadIdentity, ClientCa, Identity};
pub(super) use self::read::listen;
pub use self::settings::{ChannelBinding, Listen, TlsMode};

mod entrance;
mod identity;
mod read;
mod settings;
