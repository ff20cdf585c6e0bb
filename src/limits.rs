//! What a client may use up: connections before the login, guesses at passwords, sessions.

pub mod bans;
pub(crate) mod caps;
pub(crate) mod handshakes;
