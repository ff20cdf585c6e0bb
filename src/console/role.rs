//! Who may do what on the console: the one place that knows.

use super::command::Command;
use super::error::ConsoleError;
use crate::operations::Rights;

/// Checks that a user with these rights may use the command.
///
/// # Errors
/// `42501`: the user may SHOW only.
pub(super) fn permit(rights: Rights, command: &Command) -> Result<(), ConsoleError> {
    let is_question = match command {
        Command::Show(_) | Command::Habit(_) => true,
        Command::Kill(_)
        | Command::Enable(_)
        | Command::Disable(_)
        | Command::Check(_)
        | Command::Refresh(_)
        | Command::Unban(_)
        | Command::SetLogLevel(_)
        | Command::Reload
        | Command::Drain
        | Command::Shutdown => false,
    };
    match rights {
        Rights::All => Ok(()),
        Rights::Show if is_question => Ok(()),
        Rights::Show => {
            let error = ConsoleError::denied(format!("permission denied for {}", command.tag()));
            Err(error.hint("Users of admin.stats_users may SHOW only; admin.users may do the rest."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::parse::parse;

    #[test]
    fn a_user_of_stats_users_may_show_and_nothing_else() {
        let questions = [
            "SHOW HELP",
            "SHOW SESSIONS",
            "SHOW CLIENTS",
            "SHOW SERVERS",
            "SHOW CONNECTIONS",
            "SHOW USERS",
            "SHOW CREDENTIALS",
            "SHOW STATS",
            "SHOW CONFIG",
            "SHOW VERSION",
            "SHOW BANS",
            "SHOW DRAIN",
            "SHOW LIMITS",
            "SHOW LISTENERS",
            "SHOW REFERENCES",
            "SHOW CERTIFICATES",
            "SHOW ERRORS",
            "SHOW ERRORS 0a1b2c3d4e5f",
            "SHOW ACTIONS",
            "SHOW FLEET",
            "SET application_name = 'psql'",
            "BEGIN",
            "SELECT 1",
            "DISCARD ALL",
        ];
        let actions = [
            "KILL 0a1b2c3d4e5f",
            "KILL USER ann",
            "KILL CONNECTION sales",
            "KILL ADDRESS 10.0.0.1",
            "KILL ALL",
            "ENABLE sales",
            "DISABLE sales",
            "CHECK sales",
            "REFRESH sales",
            "UNBAN 10.0.0.1",
            "SET log_level = debug",
            "RELOAD",
            "DRAIN",
            "SHUTDOWN",
        ];
        let allowed = |rights, text: &str| {
            let commands = parse(text).unwrap();
            commands
                .iter()
                .all(|command| permit(rights, command).is_ok())
        };
        for text in questions {
            assert!(allowed(Rights::All, text) && allowed(Rights::Show, text), "{text}");
        }
        for text in actions {
            assert!(allowed(Rights::All, text) && !allowed(Rights::Show, text), "{text}");
            let denied = permit(Rights::Show, &parse(text).unwrap()[0]).unwrap_err();
            assert_eq!(denied.sqlstate(), "42501", "{text}");
        }
    }
}
