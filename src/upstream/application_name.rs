//! The application_name for the warehouse, by which its own lists say who asks.

use std::net::IpAddr;

use crate::config::{MAX_APPLICATION_NAME, NameTemplate, Piece};
use crate::session_id::SessionId;

/// The user and client that a session is for: the values of the placeholders in a template.
pub(crate) struct Asker<'a> {
    /// The name of the proven user.
    pub(crate) user: &'a str,
    /// The connection that the user opens.
    pub(crate) conn_id: &'a str,
    /// The client's address, as the log has it.
    pub(crate) client_addr: IpAddr,
    /// The id of the session.
    pub(crate) session_id: SessionId,
}

/// Fills in a template, to at most [`MAX_APPLICATION_NAME`] bytes. The client's `own` name is cut
/// first; where the rest alone is too long, the end is cut.
pub(super) fn render(template: &NameTemplate, own: &str, asker: &Asker<'_>) -> String {
    let text = |piece: &Piece| match piece {
        Piece::Text(text) => Some(text.clone()),
        Piece::ApplicationName => None,
        Piece::User => Some(tamed(asker.user)),
        Piece::ConnId => Some(tamed(asker.conn_id)),
        Piece::ClientAddr => Some(asker.client_addr.to_string()),
        Piece::SessionId => Some(asker.session_id.as_str().to_owned()),
    };
    let texts: Vec<_> = template.pieces().iter().map(text).collect();
    let fixed: usize = texts.iter().flatten().map(String::len).sum();
    let own_names = texts.iter().filter(|text| text.is_none()).count().max(1);
    let own = cut(tamed(own), MAX_APPLICATION_NAME.saturating_sub(fixed) / own_names);
    cut(
        texts
            .into_iter()
            .map(|text| text.unwrap_or_else(|| own.clone()))
            .collect(),
        MAX_APPLICATION_NAME,
    )
}

/// Replaces brackets and controls, by which a client could imitate the text of a template.
fn tamed(text: &str) -> String {
    text.replace(|c: char| matches!(c, '[' | ']') || c.is_control(), "_")
}

fn cut(mut text: String, most: usize) -> String {
    text.truncate(text.floor_char_boundary(most));
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::seeded::cases;

    fn rendered(template: &str, own: &str, user: &str) -> String {
        let asker =
            Asker { user, conn_id: "sales", client_addr: [10, 0, 0, 7].into(), session_id: SessionId::random() };
        render(&NameTemplate::parse(template).unwrap(), own, &asker)
    }

    #[test]
    fn everything_is_put_in() {
        assert_eq!(rendered("{application_name} [{user}] {conn_id}", "psql", "demo"), "psql [demo] sales");
        assert_eq!(rendered("{client_addr}", "psql", "demo"), "10.0.0.7");
        assert_eq!(rendered("{session_id}", "", "").len(), 12);
        assert_eq!(rendered("", "psql", "demo"), "");
    }

    #[test]
    fn only_the_clients_own_name_is_cut_and_at_a_character() {
        let own = "ü".repeat(200);
        assert_eq!(rendered("{application_name}", &own, ""), "ü".repeat(125));
        assert_eq!(rendered("{application_name}x", &own, ""), format!("{}x", "ü".repeat(124)));
        assert_eq!(rendered("{application_name}/{application_name}", &own, ""), [&*"ü".repeat(62); 2].join("/"));
        let long = "u".repeat(300);
        assert_eq!(rendered("{application_name} {user}", "psql", &long), format!(" {}", "u".repeat(249)));
    }

    #[test]
    fn names_from_outside_lose_brackets_and_control_characters() {
        assert_eq!(rendered("[{application_name}]", "a] [b\n\u{85}c", ""), "[a_ _b__c]");
        assert_eq!(rendered("{user}", "", "[x]\t"), "_x__");
    }

    proptest! {
        #![proptest_config(cases(256))]

        #[test]
        fn whatever_comes_it_fits(own in ".{0,400}", user in ".{0,400}") {
            let name = rendered("{application_name}|{user}|{application_name}", &own, &user);
            prop_assert!(name.len() <= MAX_APPLICATION_NAME);
            prop_assert!(!name.contains(|c: char| matches!(c, '[' | ']') || c.is_control()));
        }
    }
}
