//! Where users may come from, and how many sessions they may have.

use crate::support;
use crate::support::{PASSWORD, Rig, Setup, USER, assert_refused, refusal, verifier};

fn user(name: &str, keys: &str) -> String {
    format!("[users.{name}]\npassword = \"{}\"\nconnections = [\"sales\"]\n{keys}\n", verifier())
}

#[tokio::test]
async fn the_address_of_a_user_is_checked_after_the_proof() {
    let config = "[limits]\nban_after = 2\n[groups.office]\nfrom = [\"127.0.0.0/24\"]\n".to_owned()
        + &user("here", "from = [\"127.0.0.1\"]")
        + &user("there", "from = [\"10.0.0.0/8\", \"vpce-01234567\"]")
        + &user("by-group", "from = [\"10.0.0.0/8\"]\ngroups = [\"office\"]");
    let rig = Rig::with(Setup { config, ..Setup::default() }).await;
    for name in ["here", "by-group", USER] {
        rig.connect_as(name, PASSWORD, "sales")
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    for conn_id in ["sales", "sales", "sales", "nope"] {
        let error = rig
            .connect_as("there", PASSWORD, conn_id)
            .await
            .unwrap_err();
        assert_refused(&error, "28000", "this address is not allowed", None);
    }
    assert!(rig.app.bans().is_empty(), "the proofs were right");
    let error = rig.connect_as("there", "wrong", "sales").await.unwrap_err();
    assert_refused(&error, "28P01", "password authentication failed for user \"there\"", None);
}

#[tokio::test]
async fn a_user_has_its_own_number_of_sessions_else_its_groups_largest() {
    let config = "[groups.one]\nmax_sessions = 1\n[groups.two]\nmax_sessions = 2\n".to_owned()
        + &user("own", "max_sessions = 1\ngroups = [\"two\"]")
        + &user("by-groups", "groups = [\"one\", \"two\"]");
    let rig = Rig::with(Setup { config, ..Setup::default() }).await;
    for (name, max) in [("own", 1), ("by-groups", 2)] {
        let mut sessions = Vec::new();
        for _ in 0..max {
            sessions.push(
                rig.connect_as(name, PASSWORD, "sales")
                    .await
                    .expect("within the cap"),
            );
        }
        let error = rig.connect_as(name, PASSWORD, "sales").await.unwrap_err();
        assert_eq!(refusal(&error).0, "53300");
        let detail = format!("User \"{name}\" has at most {max} sessions.");
        assert_eq!(error.as_db_error().unwrap().detail(), Some(&*detail));
        let _others = rig.connect("sales").await.expect("another user");
        drop(sessions);
        rig.wait_until(|counts| counts.sessions <= 1).await;
        rig.connect_as(name, PASSWORD, "sales")
            .await
            .expect("a place that was given back");
    }
    rig.wait_until_idle().await;
}

#[tokio::test]
async fn the_wider_cap_is_reported_first() {
    for (limits, on_sales, detail) in [
        ("max_sessions = 1", "", "The proxy serves at most 1 sessions."),
        ("", "max_sessions = 1\n", "Connection \"sales\" has at most 1 sessions."),
    ] {
        let config = format!("[limits]\n{limits}\n") + &user("ann", "max_sessions = 1");
        let mut world = support::World::start(&Setup { config, ..Setup::default() }).await;
        world.edit("[connections.sales]\n", &format!("[connections.sales]\n{on_sales}"));
        let rig = Rig::over(world).await;
        let _one = rig.connect_as("ann", PASSWORD, "sales").await.unwrap();
        let error = rig.connect_as("ann", PASSWORD, "sales").await.unwrap_err();
        assert_eq!(error.as_db_error().unwrap().detail(), Some(detail));
    }
}
