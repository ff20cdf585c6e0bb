//! `include`: more files of the same, each with its own name in faults and its own directory for
//! paths.

use std::fs;
use std::path::Path;

use redshift_iam_proxy::config::{self, Config, Password, Problems, Proof, UnknownKeys};
use tempfile::TempDir;

/// Files by path; the first is loaded.
fn load(files: &[(&str, &str)]) -> (TempDir, Result<Config, Problems>) {
    let dir = TempDir::new().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let loaded = config::load(&dir.path().join(files[0].0), &|_| None, UnknownKeys::Refuse);
    (dir, loaded)
}

fn loaded(files: &[(&str, &str)]) -> Config {
    load(files).1.unwrap_or_else(|faults| panic!("{faults}"))
}

/// Problems, the directory cut out of them.
fn faults(files: &[(&str, &str)]) -> Vec<String> {
    let (dir, loaded) = load(files);
    let faults = loaded
        .expect_err("faults")
        .to_string()
        .replace(&format!("{}/", dir.path().display()), "");
    faults.lines().map(str::to_owned).collect()
}

const SALES: &str = "[connections.sales]\ntype = \"redshift\"\ncluster_id = \"c\"\ndatabase = \"dev\"\n";

#[test]
fn files_make_one_configuration() {
    let config = loaded(&[
        ("proxy.toml", "include = [\"conf.d/*.toml\", \"users.toml\", \"none/*.toml\"]\n[limits]\nmax_sessions = 5\n"),
        ("conf.d/b.toml", SALES),
        (
            "conf.d/a.toml",
            "[limits]\nmax_handshakes = 6\n[connections.other]\ntype = \"redshift\"\nsecret_id = \"x\"\n",
        ),
        ("conf.d/.hidden.toml", "broken"),
        ("conf.d/not-toml", "broken"),
        ("users.toml", "[users.ann]\npassword = \"secrets/ann\"\nconnections = [\"sales\", \"other\"]\n"),
        ("secrets/ann", "pw\n"),
    ]);
    assert_eq!((config.limits.max_sessions, config.limits.max_handshakes), (5, 6));
    assert_eq!((config.connections.len(), config.users["ann"].rights.connections.rights().count()), (2, 2));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn paths_start_beside_the_file_that_names_them() {
    let config = loaded(&[
        ("proxy.toml", "include = [\"a/b/users.toml\"]"),
        ("a/b/users.toml", "[users.ann]\npassword = \"file:pw\"\n"),
        ("a/b/pw", "secret\n"),
        ("pw", "other\n"),
    ]);
    let Proof::Passwords(passwords) = &config.users["ann"].proof else { panic!() };
    assert!(matches!(&passwords[0].password, Password::Plain(password) if password.expose() == "secret"));
}

#[test]
fn a_file_that_covers_itself_is_taken_once() {
    let config = loaded(&[("proxy.toml", "include = [\"*.toml\", \"sales.toml\"]\n"), ("sales.toml", SALES)]);
    assert_eq!(config.connections.len(), 1);
}

#[test]
fn a_directory_may_have_any_name() {
    let config = loaded(&[("a[b]*/proxy.toml", "include = [\"*.toml\"]\n"), ("a[b]*/sales.toml", SALES)]);
    assert_eq!(config.connections.len(), 1);
}

#[test]
fn a_key_defined_twice_is_reported_with_both_locations() {
    let told = faults(&[
        ("proxy.toml", &format!("include = [\"*.d\"]\n[limits]\nmax_sessions = 5\n{SALES}")),
        ("a.d", "log = 1\n[limits]\nmax_sessions = 5\n"),
        ("b.d", &format!("\n{SALES}log.level = \"info\"\n")),
        ("c.d", "[users.\"a b\"]\npassword = \"x\"\n"),
        ("d.d", "[users.\"a b\"]\npassword = \"x\"\nlog = []\n[log]\nlevel = \"info\""),
    ]);
    let want = [
        "a.d:1: log: must be a table, not integer",
        "a.d:3: limits.max_sessions: is already in proxy.toml:3",
        "b.d:3: connections.sales.type: is already in proxy.toml:5",
        "b.d:4: connections.sales.cluster_id: is already in proxy.toml:6",
        "b.d:5: connections.sales.database: is already in proxy.toml:7",
        "b.d:6: connections.sales.log: unknown key",
        "c.d:2: users.\"a b\".password: no such file, and not a SCRAM-SHA-256 verifier: a password \
         itself never stands here; put in the verifier that hash-password makes of it, or where it is kept (file:, \
         env:, ssm: or secret:)",
        "d.d:2: users.\"a b\".password: is already in c.d:2",
        "d.d:3: users.\"a b\".log: unknown key",
        "d.d:4: log: is already in a.d:1",
    ];
    assert_eq!(told, want);
}

#[test]
fn faults_name_the_file_they_are_in_and_come_in_the_order_of_files() {
    let told = faults(&[
        ("proxy.toml", "include = [\"*.d\"]\n[limits]\nmax_sessions = 0\n"),
        ("b.d", "\n\n[users.u]\nconnections = [\"x\"]\n"),
        ("a.d", "[log]\nlevel = \"x\"\n"),
    ]);
    assert_eq!(told.len(), 4, "{told:#?}");
    for (told, want) in told.iter().zip([
        "proxy.toml:3: limits.max_sessions: ",
        "a.d:2: log.level: ",
        "b.d:3: users.u.password: required",
        "b.d:4: users.u.connections: ",
    ]) {
        assert!(told.starts_with(want), "{told}");
    }
}

#[test]
fn a_broken_file_is_reported_alone() {
    let told = faults(&[
        ("proxy.toml", "include = [\"*.d\"]\n[users.u]\nconnections = [\"sales\"]\n"),
        ("a.d", "\nx = \n"),
        ("b.d/file", ""),
        ("c.d", "planted = 1 planted\n"),
    ]);
    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(told[0].starts_with("a.d:2: ") && told[1].starts_with("b.d: cannot be read: "), "{told:#?}");
    assert!(told[2].starts_with("c.d:1: ") && !told[2].contains("planted"), "{told:#?}");
}

#[test]
fn malformed_include_values_are_faults() {
    for (include, want) in [
        ("\"a.toml\"", "proxy.toml:1: include: must be a list, not string"),
        ("[1]", "proxy.toml:1: include: must be a string, not integer"),
        ("[\"\"]", "proxy.toml:1: include: must not be empty"),
        ("[\"a.toml\"]", "proxy.toml:1: include: there is no such file"),
        ("[\"***\"]", "proxy.toml:1: include: is no pattern: "),
        ("[\"${NOPE}\"]", "proxy.toml:1: include: environment variable NOPE is not set"),
    ] {
        let told = faults(&[("proxy.toml", &format!("include = {include}"))]);
        assert!(told.len() == 1 && told[0].starts_with(want), "{include}\n{told:#?}");
    }
    let told = faults(&[("proxy.toml", "include = [\"a\"]"), ("a", "\ninclude = [\"b\"]"), ("b", "")]);
    assert_eq!(told, ["a:2: include: an included file includes no others"]);
}

#[test]
fn a_hundred_files_and_no_more_are_included() {
    let names: Vec<_> = (0..=100).map(|n| format!("conf.d/{n:03}.toml")).collect();
    let mut files = vec![("proxy.toml", "include = [\"conf.d/*\"]")];
    files.extend(names.iter().map(|name| (name.as_str(), "")));
    assert_eq!(faults(&files), ["proxy.toml:1: include: more than 100 files are included"]);
    files.pop();
    loaded(&files);
}

#[test]
fn a_configuration_out_of_the_environment_includes_beside_the_working_directory() {
    let env = |name: &str| (name == "T").then(|| "include = [\"no-such-directory/x.toml\"]".to_owned());
    let faults = config::load_reference("env:T", &env, &|_| Err(String::new()), UnknownKeys::Refuse).unwrap_err();
    assert_eq!(faults.to_string(), "env:T:1: include: there is no such file");
    assert!(config::parse("include = []", Path::new("p"), &env, UnknownKeys::Refuse).is_ok());
}
