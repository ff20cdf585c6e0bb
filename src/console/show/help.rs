//! `SHOW HELP`

use crate::console::answer::{Kind, Value};
use crate::console::show::Table;

/// A command, and what it does.
pub(super) type Help = (&'static str, &'static str);

/// The commands of the console.
pub(super) const HELP: Table<Help> = Table(&[
    ("command", Kind::Text, |help| Value::text(help.0)),
    ("description", Kind::Text, |help| Value::text(help.1)),
]);

/// All commands, in the order in which they are shown.
pub(in crate::console) fn commands() -> impl Iterator<Item = Help> {
    COMMANDS.iter().copied()
}

const COMMANDS: &[Help] = &[
    ("SHOW HELP", "these commands"),
    ("SHOW SESSIONS", "the connections of clients, the oldest first"),
    ("SHOW CLIENTS", "their sides towards clients, in PgBouncer's columns"),
    ("SHOW SERVERS", "their sides towards warehouses, in PgBouncer's columns"),
    ("SHOW CONNECTIONS", "the connections that clients may open, and their last logins"),
    ("SHOW USERS", "the users, and what they may open"),
    ("SHOW CREDENTIALS", "the credentials that are held or being fetched"),
    ("SHOW STATS", "sums since the start"),
    ("SHOW CONFIG", "the settings in force"),
    ("SHOW LOG_LEVEL", "the level of the log in force"),
    ("SHOW VERSION", "the version, the start and the configuration's hash"),
    ("SHOW BANS", "who is kept away for wrong passwords"),
    ("SHOW DRAIN", "how far a drain has come"),
    ("SHOW LIMITS", "the caps and their use"),
    ("SHOW LISTENERS", "the addresses that are bound"),
    ("SHOW REFERENCES", "the values that are read elsewhere"),
    ("SHOW CERTIFICATES", "the certificates in use, and their ends"),
    ("SHOW ERRORS [session]", "the last 1,000 refusals and broken sessions, with their causes"),
    ("SHOW ACTIONS", "the last 200 actions of operators"),
    ("SHOW FLEET", "the fleet that this replica belongs to"),
    ("KILL <session>", "end a session"),
    ("KILL USER <user>", "end the sessions of a user"),
    ("KILL CONNECTION <conn_id>", "end the sessions on a connection"),
    ("KILL ADDRESS <address>", "end the sessions of clients at an address"),
    ("KILL ALL", "end all sessions but consoles"),
    ("DISABLE <conn_id>", "let no new logins to a connection in, until ENABLE or a restart"),
    ("ENABLE <conn_id>", "let new logins in again"),
    ("CHECK <conn_id>", "prove each step of a connection"),
    ("REFRESH <conn_id>", "forget the credentials of a connection, so that the next login fetches"),
    ("UNBAN <address>", "end the bans of an address"),
    ("SET log_level = <level>", "set the level of the log, until the next reload"),
    ("RELOAD", "read the configuration again"),
    ("DRAIN", "refuse new clients and let go of sessions as they fall idle"),
    ("SHUTDOWN", "drain, then end the process"),
];
