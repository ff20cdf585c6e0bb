//! What operators do, as the log tells it.

use serde_json::Value;

use super::events::{assert_documented, of};
use crate::support::console::Console;
use crate::support::event::all;
use crate::support::process::Proxy;
use crate::support::{Setup, World, verifier};

/// A name that ends a string of the console, of JSON and a line.
const HOSTILE: &str = "x\",\"event\":\"totals\"\n{\"event\":\"FORGED\"}\u{1b}[2J\u{9b}31m\u{202e}";

/// The events of this name.
fn named<'a>(events: &'a [Value], name: &str) -> Vec<&'a Value> {
    events
        .iter()
        .filter(|event| event["event"] == name)
        .collect()
}

#[tokio::test]
async fn actions_reloads_and_refused_reloads_are_told_with_who_asked() {
    let config = format!(
        "[log]\nformat = \"json\"\n[admin]\nusers = [\"ops\"]\n[users.ops]\npassword = \"{}\"\nconnections = []\n",
        verifier()
    );
    let mut world = World::start(&Setup { config, ..Setup::default() }).await;
    let mut proxy = Proxy::start(&world, &[]).await;
    let console = Console::open(&world, proxy.port, "ops").await.unwrap();
    console.run("KILL CONNECTION sales").await.unwrap();
    let hostile = format!("KILL USER \"{}\"", HOSTILE.replace('"', "\"\""));
    // Whether such a name is taken or refused is the console's matter.
    let is_taken = console.run(&hostile).await.is_ok();

    world.edit("[listen]\n", "[limits]\nmax_sessions = 9\n[listen]\n");
    proxy.signal("HUP").await;
    proxy.wait_for_log("\"event\":\"config changed\"").await;
    std::fs::write(world.dir.path().join("proxy.toml"), "[listen]\nadresses = []\n[limits]\nmax_sessions = 0\n")
        .unwrap();
    console.run("RELOAD").await.unwrap_err();
    proxy.wait_for_log("\"event\":\"reload refused\"").await;
    proxy.signal("TERM").await;
    proxy.wait_for_log("\"event\":\"stopped\"").await;

    let events = all(&proxy.log());
    assert_documented(&events);
    let actions = named(&events, "admin action");
    let by = |user: &str| {
        let of_user = actions.iter().filter(|action| action["user"] == user);
        of_user.copied().collect::<Vec<_>>()
    };
    let (ops, hangup) = (by("ops"), by("SIGHUP"));
    assert!(
        ops.iter()
            .all(|action| action["channel"] == "console" && action["client_addr"] == "127.0.0.1"),
        "{ops:?}"
    );
    assert_eq!(ops[0]["action"], r#"KILL CONNECTION "sales""#);
    let is_told = ops
        .iter()
        .any(|action| action["action"].as_str().unwrap().contains("FORGED"));
    assert_eq!(is_told, is_taken, "{ops:?}");
    assert!(hangup.len() == 1 && hangup[0]["channel"] == "signal", "{actions:?}");
    assert!(hangup[0]["client_addr"].is_null(), "{hangup:?}");

    let changed = of(&events, "config changed");
    assert!(changed["hash"].as_str().is_some_and(|hash| hash.len() > 7), "{changed}");
    assert_eq!((&changed["hash_before"], &changed["ended"]), (&of(&events, "started")["config_hash"], &0.into()));
    let problems = named(&events, "config problem");
    let refused = of(&events, "reload refused");
    assert_eq!(refused["problems"], problems.len());
    assert!(problems.len() >= 2, "{problems:?}");
}
