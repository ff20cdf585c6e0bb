//! proxy.toml: what loads, what is refused, and that all faults are told at once with their lines
//! and without secrets.

use std::fs;
use std::path::Path;
use std::time::Duration;

use redshift_iam_proxy::config::{
    self, AnyProof, BadPassword, BanLimits, Ca, Config, Identity, LogFormat, LogLevel, Method, Password, Problems,
    Proof, Reference, Remote, StoredPassword, UnknownKeys,
};
use redshift_iam_proxy::crypto::Verifier;
use redshift_iam_proxy::secret::Secret;
use tempfile::TempDir;

/// Faults of a text, one per line, the file's name cut off.
fn faults(text: &str) -> Vec<String> {
    told(&parse(text).unwrap_err())
}

fn told(faults: &Problems) -> Vec<String> {
    let lines = faults.to_string();
    lines
        .lines()
        .map(|line| {
            line.strip_prefix("proxy.toml:")
                .unwrap_or_else(|| panic!("{line}"))
                .to_owned()
        })
        .collect()
}

fn parse(text: &str) -> Result<Config, Problems> {
    config::parse(text, Path::new("proxy.toml"), &env, UnknownKeys::Refuse)
}

fn env(name: &str) -> Option<String> {
    match name {
        "PW" => Some("hunter2-planted".to_owned()),
        "HOST" => Some("dw".to_owned()),
        "LEVEL" => Some("debug".to_owned()),
        _ => None,
    }
}

fn parsed(text: &str) -> Config {
    parse(text).unwrap_or_else(|faults| panic!("{faults}"))
}

fn passwords<'c>(config: &'c Config, user: &str) -> &'c [StoredPassword] {
    let Proof::Passwords(passwords) = &config.users[user].proof else { panic!("by certificate") };
    passwords
}

fn verifier(password: &str) -> Verifier {
    Verifier::derive(&Secret::new(password.to_owned()), b"0123456789abcdef", 4096)
}

/// A connection that is right, with more lines in it. Its table is the first line.
fn connection(more: &str) -> String {
    format!(
        "[connections.sales]\ntype = \"redshift-serverless\"\nhost = \"h.example.com\"\nworkgroup = \"analytics\"\n\
         database = \"dev\"\n{more}\n"
    )
}

fn self_signed() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

fn load_in(dir: &TempDir, text: &str) -> Config {
    let path = dir.path().join("proxy.toml");
    fs::write(&path, text).unwrap();
    config::load(&path, &env, UnknownKeys::Refuse).unwrap_or_else(|faults| panic!("{faults}"))
}

#[test]
fn an_empty_file_has_the_defaults_of_the_contract() {
    let config = parse("").unwrap();
    assert_eq!(config.listen.addresses, ["127.0.0.1:5439".parse().unwrap()]);
    assert_eq!((config.log.format, config.log.level), (LogFormat::Auto, LogLevel::Info));
    assert_eq!(config.upstream.ca, Ca::Aws);
    let secs = Duration::from_secs;
    let upstream = &config.upstream;
    assert_eq!(
        (upstream.connect_timeout, upstream.tls_timeout, upstream.login_timeout),
        (secs(10), secs(10), secs(120))
    );
    assert_eq!(upstream.keepalive, Some(secs(60)));
    let limits = &config.limits;
    assert_eq!((limits.max_sessions, limits.max_handshakes), (10_000, 2_000));
    assert_eq!((limits.startup_timeout, limits.drain_delay, limits.drain_timeout), (secs(15), secs(0), secs(25)));
    let bans = BanLimits { after: 10, window: secs(60), time: secs(300), exempt: Vec::new() };
    assert_eq!((limits.max_handshakes_per_address, &limits.bans), (0, &bans));
    let credentials = &config.credentials;
    assert_eq!(
        (credentials.refresh_margin, credentials.negative_ttl, credentials.timeout),
        (secs(120), secs(10), secs(20))
    );
    assert_eq!(config.warnings.len(), 2, "{:?}", config.warnings);
    assert!(
        config
            .warnings
            .iter()
            .all(|warning| warning.contains("nobody can log in"))
    );
}

#[test]
fn ten_faults_are_reported_at_once_each_with_its_line() {
    let text = r#"[listen]
address = ["127.0.0.1:5439",
  "localhost:5439"]
[limits]
max_sessions = 0
max_sesions = 5
startup_timeout = "soon"
[connections.sales]
type = "redshift-serverless"
host = "h.example.com"
database = "a:b"
port = "70000"
password_duration = "2h"
[users.demo]
password = "hunter2 planted"
connections = ["sales", "salse"]
groups = ["x"]
"#;
    let want = [
        "3: listen.address: must be IP:PORT, such as \"127.0.0.1:5439\" or \"[::1]:5439\"",
        "5: limits.max_sessions: must be at least 1",
        "6: limits.max_sesions: unknown key; did you mean max_sessions?",
        "7: limits.startup_timeout: must be a duration, such as \"90s\", \"15m\", \"0.5h\" or a number of seconds",
        "8: connections.sales.workgroup: workgroup is required for a host that is no Redshift name",
        "11: connections.sales.database: must be 1 to 64 characters: a letter or _, then letters, digits and _ . + @ -",
        "12: connections.sales.port: must be a port, 1 to 65535",
        "13: connections.sales.password_duration: 7200 s is out of range: AWS grants 900 to 3600 s (\"15m\" to \"1h\")",
        "15: users.demo.password: no such file, and not a SCRAM-SHA-256 verifier: a password \
         itself never stands here; put in the verifier that hash-password makes of it, or where it is kept (file:, \
         env:, ssm: or secret:)",
        "16: users.demo.connections: there is no connection \"salse\"; did you mean \"sales\"?",
        "17: users.demo.groups: there is no group \"x\"",
    ];
    assert_eq!(faults(text), want);
}

#[test]
fn a_single_fault_is_reported_with_its_line_and_reason() {
    for (text, want) in [
        ("a = 1", "1: a: unknown key"),
        ("listn = 1", "1: listn: unknown key; did you mean listen?"),
        ("listen = 1", "1: listen: must be a table, not integer"),
        ("[[connections]]", "1: connections: must be a table, not array"),
        ("[connections]\nsales = 1", "2: connections.sales: must be a table, not integer"),
        ("[listen]\naddress = []", "2: listen.address: must hold at least one address"),
        ("[listen]\naddress = [\"[::1]:1\", \"[::1]:1\"]", "2: listen.address: [::1]:1 is here twice"),
        (
            "[listen]\naddress = \"0.0.0.0:5439\"",
            "2: listen.address: 0.0.0.0:5439 is not a loopback address: it needs listen.tls.cert and listen.tls.key",
        ),
        ("[listen.tls]\nchannel_binding = \"on\"", "2: listen.tls.channel_binding: must be \"auto\" or \"off\""),
        ("[listen.tls]\nmode = \"off\"", "2: listen.tls.mode: must be \"require\" or \"prefer\" or \"disable\""),
        ("[listen.tls]\ncert = \"x\"", "2: listen.tls.cert: needs listen.tls.key beside it"),
        ("[listen.tls]\nkey = \"x\"", "2: listen.tls.key: needs listen.tls.cert beside it"),
        ("[log]\nlevel = true", "2: log.level: must be a string, not boolean"),
        ("[aws]\nregion = \"${NOPE}\"", "2: aws.region: environment variable NOPE is not set"),
        (
            "[aws]\nendpoint_url = \"http://example.com\"",
            "2: aws.endpoint_url: must be https: plain http only goes to a loopback host",
        ),
        ("[upstream]\nca = \"ssm:/x\"", "2: upstream.ca: must be \"aws\", \"system\" or a file"),
        ("[upstream]\nkeepalive = 0.5", "2: upstream.keepalive: must be 0 (off) or at least 1 s"),
        ("[upstream]\ntls_timeout = 0", "2: upstream.tls_timeout: must be longer than 0"),
        ("[limits]\nmax_sessions = 1000001", "2: limits.max_sessions: must be at most 1000000"),
        ("[limits]\nmax_sessions = \"5\"", "2: limits.max_sessions: must be a whole number, not string"),
        (
            "[credentials]\npassword_duration = \"14m\"",
            "2: credentials.password_duration: 840 s is out of range: AWS grants 900 to 3600 s (\"15m\" to \"1h\")",
        ),
        ("[connections.\"\\u001b[1m\"]", "1: connections.\"\\u{1b}[1m\""),
        ("[users.\"*\"]", "1: users.\"*\".password: required"),
        (
            "[users.\"ann~sales\"]\npassword = \"env:PW\"",
            "1: users.\"ann~sales\": the name of a user holds no \"~\": in a login it parts the user from a conn_id \
             (USER~CONN_ID)",
        ),
        (
            "[users.\"*\"]\npassword = \"env:PW\"",
            "2: users.\"*\".password: must be \"ssm:/PATH/{user}\", a path below which each user has a parameter of its name",
        ),
        ("[users.\"*\"]\npassword = \"ssm:/{user}\"", "2: users.\"*\".password: must be \"ssm:/PATH/{user}\""),
        ("[users.\"*\"]\npassword = \"ssm:/x/{user}/y\"", "2: users.\"*\".password: must be \"ssm:/PATH/{user}\""),
        ("[users.\"*\"]\npassword = \"ssm:/{user}/{user}\"", "2: users.\"*\".password: must be \"ssm:/PATH/{user}\""),
        ("[users.\"*\"]\npassword = \"ssm:/x//{user}\"", "2: users.\"*\".password: must be \"ssm:/PATH/{user}\""),
        ("[users.\"*\"]\npassword = [\"ssm:/x/{user}\"]", "2: users.\"*\".password: must be \"ssm:/PATH/{user}\""),
        (
            "[users.\"*\"]\npassword = \"ssm:/x/{user}\"\ndb_user = \"x\"",
            "3: users.\"*\".db_user: is one user's: that user needs an entry of its own",
        ),
        ("[users.u]", "1: users.u.password: required"),
        ("[users.u]\npassword = []", "2: users.u.password: must be one password, or two while rotating"),
        (
            "[users.u]\npassword = [\"env:PW\", \"env:PW\", \"env:PW\"]",
            "2: users.u.password: must be one password, or two while rotating",
        ),
        (
            "[users.u]\npassword = [\"env:PW\", \"env:NOPE\"]",
            "2: users.u.password: environment variable NOPE is not set",
        ),
        ("[users.u]\npassword = \"env:NOPE\"", "2: users.u.password: environment variable NOPE is not set"),
        (
            "[users.u]\npassword = \"ssm:/{user}/x\"",
            "2: users.u.password: {user} may only be the last element of an ssm: path",
        ),
        (
            "[users.u]\npassword = \"ssm:x{user}\"",
            "2: users.u.password: {user} may only be the last element of an ssm: path",
        ),
        (
            "[users.u]\npassword = \"file:/x/{user}\"",
            "2: users.u.password: {user} may only be the last element of an ssm: path",
        ),
        (
            "[users.u]\npassword = \"secret:/x/{user}\"",
            "2: users.u.password: {user} may only be the last element of an ssm: path",
        ),
        (
            "[users.\"a/b\"]\npassword = \"ssm:/x/{user}\"",
            "2: users.\"a/b\".password: {user} may only be the last element of an",
        ),
        ("[users.u]\npassword = \"ssm:\"", "2: users.u.password: must name an SSM parameter behind the colon"),
        (
            "[users.u]\npassword = \"secret:#\"",
            "2: users.u.password: must name a Secrets Manager secret behind the colon",
        ),
        ("[users.u]\nauth = \"cert\"", "2: users.u.auth: needs listen.tls.client_ca, the CA of clients' certificates"),
        (
            "[listen.tls]\nmode = \"disable\"\n[users.u]\nauth = \"cert\"",
            "4: users.u.auth: certificates are only shown inside TLS, and listen.tls.mode is disable",
        ),
        (
            "[listen.tls]\nclient_ca = \"ssm:/ca\"\n[users.u]\nauth = \"cert\"\npassword = \"env:PW\"",
            "5: users.u.password: has no meaning with auth = \"cert\"",
        ),
        (
            "[listen.tls]\nclient_ca = \"ssm:/ca\"\n[users.u]\nauth = \"cert\"\nmethod = \"scram\"",
            "5: users.u.method: has no meaning with auth = \"cert\"",
        ),
        ("[listen.tls]\nclient_ca = \"env:PW\"", "2: listen.tls.client_ca: holds no certificate in PEM"),
        ("[listen.tls]\nclient_ca = \"env:PW\"\n[users.u]\nauth = \"cert\"", "2: listen.tls.client_ca: holds no"),
        ("[listen.tls]\nclient_crl = \"ssm:/crl\"", "2: listen.tls.client_crl: needs listen.tls.client_ca beside it"),
        (
            "[listen.tls]\nclient_ca = \"ssm:/ca\"\nclient_crl = \"env:PW\"",
            "3: listen.tls.client_crl: holds no certificate revocation list in PEM",
        ),
        ("[limits]\nban_after = -1", "2: limits.ban_after: must be at least 0"),
        ("[limits]\nban_after = 1001", "2: limits.ban_after: must be at most 1000"),
        ("[limits]\nban_window = 0", "2: limits.ban_window: must be longer than 0"),
        ("[limits]\nban_exempt = [\"vpce-01234567\"]", "2: limits.ban_exempt: must be a network, such as"),
        ("[users.u]\npassword = \"env:PW\"\nconnections = \"x\"", "3: users.u.connections: must be a list, not string"),
        (
            "[users.u]\npassword = \"env:PW\"\nconnections = [\"x\"]",
            "3: users.u.connections: there is no connection \"x\"",
        ),
        ("x = \n", "1: "),
        ("[a]\nb = 1\nb = 2", "3: duplicate key"),
    ] {
        let told = faults(text);
        assert!(told[0].starts_with(want), "{text}\n{told:#?}");
        if !text.contains("u001b") {
            assert_eq!(told.len(), 1, "{text}\n{told:#?}");
        }
    }
}

#[test]
fn two_verifiers_must_have_the_same_salt_and_iterations() {
    let verifier = |salt: &[u8], rounds| Verifier::derive(&Secret::new("pw".into()), salt, rounds).to_string();
    let user = |one: &str, other: &str| format!("[users.u]\npassword = [\"{one}\", \"{other}\"]");
    let (old, like) = (verifier(b"salt", 7), verifier(b"salt", 7));
    assert_eq!(passwords(&parsed(&user(&old, &like)), "u").len(), 2);
    assert_eq!(passwords(&parsed(&user("env:PW", &like)), "u").len(), 2);
    for other in [verifier(b"other", 7), verifier(b"salt", 8)] {
        let told = faults(&user(&old, &other));
        assert_eq!(
            told,
            ["2: users.u.password: the two verifiers must have the same salt and iterations: make the new one with \
              hash-password --like OLD"]
        );
    }
}

#[test]
fn the_users_name_may_end_an_ssm_path() {
    let config = parsed("[users.ann]\npassword = \"ssm:/x/{user}\"\n[users.\"*\"]\npassword = \"ssm:/y/z/{user}\"");
    let ann = &passwords(&config, "ann")[0];
    assert_eq!(ann.from, Some(Reference::Remote(Remote::Parameter("/x/ann".into()))));
    let any = config.any_user.unwrap();
    assert_eq!(any.proof, AnyProof::Passwords { path: "/y/z".to_owned() });
    assert_eq!(config.users.len(), 1, "it is no user of that name");
}

#[test]
fn any_user_is_not_given_a_per_user_connection_by_name() {
    let text = |opens: &str| {
        format!(
            "[connections.own]\ntype = \"redshift-serverless\"\nhost = \"h\"\nworkgroup = \"abc\"\ndatabase = \"dev\"\n\
             role_arn = \"arn:aws:iam::123456789012:role/r\"\nregion = \"eu-west-1\"\nidentity = \"per-user\"\n\
             [users.\"*\"]\npassword = \"ssm:/x/{{user}}\"\nconnections = [\"{opens}\"]"
        )
    };
    let told = faults(&text("own"));
    assert_eq!(
        told,
        ["9: users.\"*\": connection \"own\" has identity = \"per-user\": its users need entries of their own"]
    );
    parsed(&text("o*"));
}

#[test]
fn contract_keys_not_served_yet_are_distinguished_from_unknown_ones() {
    let text = "\n[fleet]\ntable = \"t\"\n";
    for unknown_keys in [UnknownKeys::Refuse, UnknownKeys::Warn] {
        let faults = config::parse(text, Path::new("proxy.toml"), &env, unknown_keys).unwrap_err();
        assert_eq!(told(&faults), ["2: fleet: not yet supported"]);
    }
}

#[test]
fn secrets_are_never_printed() {
    let dir = TempDir::new().unwrap();
    let bad = dir.path().join("bad");
    fs::write(&bad, "SCRAM-SHA-256$planted").unwrap();
    for text in [
        "[users.u]\npassword = \"planted\"".to_owned(),
        "[users.u]\npassword = \"planted/planted\\u0000\"".to_owned(),
        "[users.u]\npassword = \"file:planted\"".to_owned(),
        "[users.u]\npassword = \"secret:planted planted\"".to_owned(),
        format!("[users.u]\npassword = \"{}\"", "planted".repeat(1000)),
        "[users.u]\npassword = \"SCRAM-SHA-256$planted\"".to_owned(),
        "[users.u]\npassword = \"scram-sha-256$4096:planted$planted:planted\"".to_owned(),
        "[users.u]\npassword = \"md5planted0123456789012345678901234\"".to_owned(),
        format!("[users.u]\npassword = '{}'", bad.display()),
        "[users.u]\npassword = { planted = \"planted\" }".to_owned(),
        "[users.u]\npassword = \"planted".to_owned(),
        "[users.u]\npassword = \"planted\" planted".to_owned(),
        "[log]\nlevel = \"${PW}\"".to_owned(),
        "[admin]\ntoken = \"planted\"".to_owned(),
        "[admin]\ntoken = \"/planted/planted\"".to_owned(),
        "[admin]\ntoken = \"file:planted-planted-planted\"".to_owned(),
        format!("[admin]\ntoken = \"{}\"", "planted".repeat(1000)),
        "[aws]\nregion = \"${PW}\"\nendpoint_url = \"https://planted:planted@example.com\"".to_owned(),
        connection("password = \"planted\"\nexternal_id = \"planted+planted\""),
    ] {
        let faults = parse(&text).unwrap_err();
        assert!(!faults.to_string().contains("planted"), "{text}\n{faults}");
        assert!(!format!("{:?}", parse("[users.u]\npassword = \"env:PW\"").unwrap()).contains("planted"));
    }
}

#[test]
fn references_lead_to_verifiers_and_passwords() {
    let dir = TempDir::new().unwrap();
    let stored = verifier("pw");
    fs::write(dir.path().join("plain"), "pw\n").unwrap();
    fs::write(dir.path().join("two-newlines"), "pw\n\n").unwrap();
    fs::write(dir.path().join("verifier"), format!("{stored}\n")).unwrap();
    let text = format!(
        "[users]\n\
         a = {{ password = 'plain' }}\n\
         c = {{ password = 'env:PW', enabled = false, method = 'scram' }}\n\
         d = {{ password = 'verifier' }}\n\
         e = {{ password = '{stored}' }}\n"
    );
    let config = load_in(&dir, &text);
    for (user, want) in [("a", "pw"), ("c", "hunter2-planted")] {
        let Password::Plain(password) = password_of(&config, user) else { panic!("{user}") };
        assert_eq!(password.expose(), want);
    }
    for user in ["d", "e"] {
        let Password::Verifier(verifier) = password_of(&config, user) else { panic!("{user}") };
        assert_eq!(verifier.to_string(), stored.to_string());
    }
    let from = |user: &str| config.users[user].proof.references().next().cloned();
    assert_eq!(from("a"), Some(Reference::File(dir.path().join("plain"))));
    assert_eq!((from("c"), from("e")), (Some(Reference::Env("PW".to_owned())), None));
    let c = &config.users["c"].rights;
    assert_eq!((c.enabled, c.method, c.connections.rights().count()), (false, Method::Scram, 0));

    for (file, want) in [("two-newlines", "has more than one line"), ("empty", "refers to an empty password")] {
        fs::write(dir.path().join("empty"), "\n").unwrap();
        fs::copy(dir.path().join(file), dir.path().join("plain")).unwrap();
        let faults = config::load(&dir.path().join("proxy.toml"), &env, UnknownKeys::Refuse).unwrap_err();
        assert!(
            faults
                .to_string()
                .contains(&format!("users.a.password: {want}")),
            "{faults}"
        );
    }
}

#[test]
fn references_to_aws_are_read_later() {
    let secret = |key: Option<&str>| Remote::Secret { id: "prod/x".to_owned(), key: key.map(str::to_owned) };
    let text = "listen.tls = { cert = \"ssm:/tls/cert\", key = \"secret:prod/x#key\" }\nlisten.address = \"0.0.0.0:5439\"\n\
                [users]\na = { password = \"ssm:/users/a\" }\nb = { password = \"secret:prod/x\" }";
    let config = parse(text).unwrap_or_else(|faults| panic!("{faults}"));
    let identity = config.listen.identity.as_ref().unwrap();
    assert_eq!(identity.cert.from, Reference::Remote(Remote::Parameter("/tls/cert".to_owned())));
    assert_eq!(identity.key.from, Reference::Remote(secret(Some("key"))));
    assert!(identity.cert.text.is_none() && identity.key.text.is_none());
    for (user, want) in [("a", Remote::Parameter("/users/a".to_owned())), ("b", secret(None))] {
        let Password::Remote(remote) = password_of(&config, user) else { panic!("{user}") };
        assert_eq!(*remote, want);
        assert_eq!(config.users[user].proof.references().next(), Some(&Reference::Remote(want)));
    }
}

fn password_of<'c>(config: &'c Config, user: &str) -> &'c Password {
    let Proof::Passwords(passwords) = &config.users[user].proof else { panic!("{user}") };
    &passwords[0].password
}

/// AWS keeps nothing here.
fn nothing(_: &Remote) -> Result<Secret, String> {
    Err("nothing there".to_owned())
}

#[test]
fn a_configuration_that_aws_keeps_is_read_by_its_reference() {
    let kept = |remote: &Remote| {
        assert_eq!(*remote, Remote::Secret { id: "prod/proxy".to_owned(), key: Some("toml".to_owned()) });
        Ok(Secret::new("[log]\nlevel = \"warn\"\n[upstream]\nca = \"nowhere/ca.crt\"".to_owned()))
    };
    let faults = config::load_reference("secret:prod/proxy#toml", &env, &kept, UnknownKeys::Refuse).unwrap_err();
    let told =
        "secret:prod/proxy#toml:4: upstream.ca: cannot read nowhere/ca.crt: No such file or directory (os error 2)";
    assert_eq!(faults.to_string(), told, "paths start in the working directory");
    let faults = config::load_reference("ssm:/proxy.toml", &env, &nothing, UnknownKeys::Refuse).unwrap_err();
    assert_eq!(faults.to_string(), "ssm:/proxy.toml: cannot be read: nothing there");
    let elsewhere = |name: &str| (name == "AWS_ENDPOINT_URL_SSM").then(|| "http://example.com".to_owned());
    let never = |_: &Remote| panic!("an endpoint that will not do is not called");
    let faults = config::load_reference("ssm:/proxy.toml", &elsewhere, &never, UnknownKeys::Refuse).unwrap_err();
    assert!(faults.to_string().contains("AWS_ENDPOINT_URL_SSM"), "{faults}");
}

#[test]
fn values_read_later_are_checked_as_at_load() {
    let stored = |text: &str| Password::from_stored(&Secret::new(text.to_owned()));
    assert!(matches!(stored("pw\r\n"), Ok(Password::Plain(password)) if password.expose() == "pw"));
    assert!(matches!(stored(&verifier("pw").to_string()), Ok(Password::Verifier(_))));
    assert_eq!(stored("\n").unwrap_err(), BadPassword::Empty);
    assert_eq!(stored("a\0").unwrap_err(), BadPassword::Empty);
    assert!(matches!(stored("SCRAM-SHA-256$planted"), Err(why) if !why.to_string().contains("planted")));

    let ((cert, key), other) = (self_signed(), self_signed().1);
    let check = |cert: &str, key: &str| {
        let checked = Identity::check(&Secret::new(cert.to_owned()), &Secret::new(key.to_owned()));
        checked.map_err(|why| why.to_string())
    };
    assert_eq!(check(&cert, &key), Ok(()));
    assert_eq!(check(&cert, &other), Err("listen.tls.key: is not the key of listen.tls.cert".to_owned()));
    assert_eq!(check(&key, &key), Err("listen.tls.cert: holds no certificate in PEM, but a private key".to_owned()));
    assert!(
        check(&cert, "planted")
            .unwrap_err()
            .starts_with("listen.tls.key: holds no private key")
    );
}

/// One judgement, whether a text stands in the file, in a variable, in a file of its own, or at
/// AWS.
#[test]
fn lookalikes_of_verifiers_and_hashes_are_named_by_every_source() {
    let good = verifier("pw").to_string();
    let dir = TempDir::new().unwrap();
    for (text, want) in [
        (good.replace('$', ""), "has lost its $ signs"),
        (good.replace("$4096", ""), "has lost its $ signs"),
        (good.replace('$', "$$"), "with $$ for each $"),
        (format!("\\{good}"), "with a backslash"),
        (format!("\"{good}\""), "in quotes"),
        (good.replacen("SCRAM-SHA-256", "scram-sha-256", 1), "in lower case"),
        (good.rsplit_once('$').unwrap().1.to_owned(), "a part of a SCRAM verifier"),
        ("md50123456789abcdef0123456789abcdef".to_owned(), "an MD5 hash will not do"),
        (format!("\"ann\" \"{good}\""), "PgBouncer user list"),
    ] {
        fs::write(dir.path().join("stored"), &text).unwrap();
        let env = |name: &str| (name == "PW").then(|| text.clone());
        let inline = format!("'{text}'");
        for source in ["\"env:PW\"", "\"file:stored\"", "\"stored\"", "\"${PW}\"", &inline] {
            let toml = format!("{}[users.u]\npassword = {source}\nconnections = [\"sales\"]\n", connection(""));
            let faults = config::parse(&toml, &dir.path().join("proxy.toml"), &env, UnknownKeys::Refuse).unwrap_err();
            let told = faults.to_string();
            assert!(told.contains(want) && told.contains("users.u.password: "), "{source} {text:?}: {told}");
            assert!(!told.contains(&good[20..40]) && !told.contains("0123456789abcdef"), "{told}");
        }
        let stored = Password::from_stored(&Secret::new(text.clone()))
            .unwrap_err()
            .to_string();
        assert!(stored.contains(want), "{text:?}: {stored}");
    }
}

#[test]
fn two_users_never_have_one_session_name() {
    let text = |one: &str, other: &str| {
        connection("identity = \"per-user\"\nrole_arn = \"arn:aws:iam::123456789012:role/r\"")
            + &format!("[users.\"{one}\"]\npassword = \"env:PW\"\nconnections = [\"sales\"]\n")
            + &format!("[users.\"{other}\"]\npassword = \"env:PW\"\nconnections = [\"sales\"]\n")
    };
    // Both are cleaned to the same, and their hashes begin with the same 8 hex.
    let told = parse(&text("ann+++::!/:++/", "ann++/++!+/+:+"))
        .unwrap_err()
        .to_string();
    assert!(told.contains("its role session would have the same name as that of user"), "{told}");
    for (one, other) in [("a+b", "a.b-300273da"), ("a+b", "a/b"), ("ann", "bob")] {
        parsed(&text(one, other));
    }
}

#[test]
fn variables_stand_in_any_string() {
    let config = parse("[log]\nlevel = \"${LEVEL}\"").unwrap();
    assert_eq!(config.log.level, LogLevel::Debug);
    let text = connection("").replace("h.example.com", "${HOST}.example.com");
    assert_eq!(parse(&text).unwrap().connections["sales"].host.as_deref(), Some("dw.example.com"));
}

#[test]
fn odd_but_valid_settings_cause_warnings() {
    let warned = |text: &str| {
        parse(text)
            .unwrap_or_else(|faults| panic!("{faults}"))
            .warnings
            .join("\n")
    };
    let users = "[users.u]\npassword = \"env:PW\"\nconnections = [\"fin-*\", \"s*\"]";
    let told = warned(&(connection("ssl = false\nexternal_id = \"/planted\"") + users));
    let want = "proxy.toml:6: connections.sales.ssl: ignored: TLS to the warehouse is always on and verified\n\
                proxy.toml:7: connections.sales.external_id: without effect: there is no role_arn\n\
                proxy.toml:10: users.u.connections: \"fin-*\" matches no connection";
    assert_eq!(told, want);
    let told = warned("[listen]\ntls = { mode = \"disable\", channel_binding = \"off\" }");
    assert!(told.contains("listen.tls.channel_binding: has no effect"), "{told}");
    let told = warned("[listen]\naddress = \"0.0.0.0:5439\"\ntls.mode = \"disable\"");
    assert!(told.contains("listen.address: clients are served without TLS"), "{told}");
}

#[test]
fn the_admin_token_is_a_reference_to_a_token_that_cannot_be_guessed() {
    let dir = TempDir::new().unwrap();
    let text = "[admin]\naddress = \"0.0.0.0:9439\"\nhealth_address = \"0.0.0.0:9440\"\n";
    let loaded = |token: &str| {
        fs::write(dir.path().join("token"), token).unwrap();
        let path = dir.path().join("proxy.toml");
        fs::write(&path, format!("{text}token = \"token\"\n")).unwrap();
        config::load(&path, &env, UnknownKeys::Refuse)
    };
    for token in ["0123456789abcdef", "0123456789abcdef\n", "a-very/long+token==", &"0123456789abcdef".repeat(64)] {
        let config = loaded(token).unwrap();
        let read = config.admin.token.unwrap().text.unwrap();
        assert_eq!(read.expose(), token);
        let warned = config.warnings.join("\n");
        assert!(warned.contains("admin.address: ") && !warned.contains("admin.token"), "{warned}");
    }
    for (token, want) in [
        ("", "must be at least 16 characters"),
        ("0123456789abcde\n", "must be at least 16 characters"),
        (&"x".repeat(1025), "must be at most 1024 characters"),
        (&"abcd".repeat(16), "must have at least 5 different characters"),
        ("0123456789 abcdef", "must be visible characters of ASCII"),
        ("0123456789abcdef\n\n", "must be visible characters of ASCII"),
        ("pässwörter-sind-lang", "must be visible characters of ASCII"),
    ] {
        let told = loaded(token).unwrap_err().to_string();
        assert!(told.contains(&format!(":4: admin.token: {want}")), "{told}");
    }
    let warned = parsed(text).warnings.join("\n");
    assert!(warned.contains("admin.token: is missing, and address is not loopback"), "{warned}");
    assert!(
        !parsed("[admin]\naddress = \"[::1]:9439\"\n")
            .warnings
            .join("\n")
            .contains("admin")
    );
    let twice = "[admin]\naddress = \"[::1]:9439\"\nhealth_address = \"[::1]:9439\"\n";
    assert_eq!(faults(twice), ["1: admin.health_address: is admin.address too: each has a port of its own"]);
}

#[test]
fn ports_of_connections_are_held_to_the_rules_of_the_listener() {
    let ports = |listen: &str, ports: [&str; 2]| {
        let of = |name: &str, port: &str| connection(&format!("listen = \"{port}\"\n")).replace("sales", name);
        parse(&format!("{listen}\n{}{}", of("a", ports[0]), of("b", ports[1])))
    };
    let free = ["127.0.0.1:0", "127.0.0.1:0"];
    let config = ports("", free).unwrap();
    assert_eq!(config.connections["a"].listen, Some("127.0.0.1:0".parse().unwrap()));
    for (listen, addresses, want) in [
        ("", ["127.0.0.1:5439", "127.0.0.1:1"], "7: connections.a.listen: 127.0.0.1:5439 is another listener's"),
        ("", ["[::1]:1", "[::1]:1"], "14: connections.b.listen: [::1]:1 is another listener's"),
        ("", ["0.0.0.0:1", "[::1]:1"], "7: connections.a.listen: 0.0.0.0:1 is not a loopback address: it needs"),
        ("", ["5440", "[::1]:1"], "7: connections.a.listen: must be IP:PORT"),
        ("listen.sni_suffix = \".example.com\"", free, "1: listen.sni_suffix: must be a DNS name"),
        ("listen.reuse_port = 1", free, "1: listen.reuse_port: must be true or false"),
        ("listen.proxy_protocol_from = \"10.0.0.0/8\"", free, "1: listen.proxy_protocol_from: must be a list"),
        ("listen.proxy_protocol_from = [\"10.0.0.1/8\"]", free, "1: listen.proxy_protocol_from: has bits set"),
    ] {
        let faults = ports(listen, addresses).unwrap_err();
        let told = told(&faults);
        assert!(told.len() == 1 && told[0].starts_with(want), "{want}\n{told:#?}");
    }
    let config =
        ports("listen.proxy_protocol_from = [\"0.0.0.0/0\"]\nlisten.sni_suffix = \"DW.example.com\"", free).unwrap();
    assert_eq!(config.listen.sni_suffix.as_deref(), Some("dw.example.com"));
    let warned = config.warnings.join("\n");
    assert!(warned.contains("1: listen.proxy_protocol_from: whoever connects may say who it is"), "{warned}");
}

#[test]
fn weak_and_expired_anchors_and_keys_that_others_read_are_warned_of() {
    use std::os::unix::fs::PermissionsExt;

    let dir = TempDir::new().unwrap();
    let made = |until: i32| {
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        (params.not_before, params.not_after) = (rcgen::date_time_ymd(2001, 1, 1), rcgen::date_time_ymd(until, 1, 1));
        params
            .self_signed(&rcgen::KeyPair::generate().unwrap())
            .unwrap()
            .pem()
    };
    fs::write(dir.path().join("good.pem"), made(2090)).unwrap();
    fs::write(dir.path().join("old.pem"), made(2090) + &made(2002)).unwrap();
    let warnings = |file: &str| {
        let warnings = load_in(&dir, &format!("[upstream]\nca = \"{file}\"")).warnings;
        warnings
            .into_iter()
            .filter(|warning| warning.contains("upstream.ca"))
            .collect::<Vec<_>>()
    };
    assert_eq!(warnings("good.pem"), [""; 0]);
    let told = warnings("old.pem");
    assert!(told.len() == 1 && told[0].contains("1 of its 2 certificates have expired"), "{told:?}");

    let (cert, key) = self_signed();
    fs::write(dir.path().join("crt"), cert).unwrap();
    fs::write(dir.path().join("key"), key).unwrap();
    for (mode, want) in [(0o600, 0), (0o644, 1)] {
        fs::set_permissions(dir.path().join("key"), fs::Permissions::from_mode(mode)).unwrap();
        let warnings = load_in(&dir, "[listen.tls]\ncert = \"crt\"\nkey = \"key\"").warnings;
        let told = warnings
            .iter()
            .filter(|warning| warning.contains("listen.tls.key: this private key may be read"));
        assert_eq!(told.count(), want, "{mode:o} {warnings:?}");
    }
}

#[test]
fn any_user_by_certificate_beside_users_with_passwords_is_warned_of() {
    let dir = TempDir::new().unwrap();
    let (cert, key) = self_signed();
    fs::write(dir.path().join("crt"), cert).unwrap();
    fs::write(dir.path().join("key"), key).unwrap();
    let text = |more: &str| {
        format!(
            "[listen.tls]\ncert = \"crt\"\nkey = \"key\"\nclient_ca = \"crt\"\n{}\
             [users.\"*\"]\nauth = \"cert\"\nconnections = [\"sales\"]\n{more}",
            connection("")
        )
    };
    let count = |more: &str| {
        let warnings = load_in(&dir, &text(more)).warnings;
        warnings
            .iter()
            .filter(|warning| warning.contains("users.\"*\": any name is asked for a certificate"))
            .count()
    };
    assert_eq!(count("[users.ann]\nauth = \"cert\"\n"), 0);
    assert_eq!(count("[users.ann]\npassword = \"env:PW\"\n"), 1);
}

#[test]
fn unknown_keys_can_be_warnings() {
    let text = "[limits]\nmax_session = 5\nfuture = 1";
    let config = config::parse(text, Path::new("p"), &env, UnknownKeys::Warn).unwrap();
    assert_eq!(config.limits.max_sessions, 10_000);
    assert_eq!(config.warnings[2], "p:2: limits.max_session: unknown key, ignored; did you mean max_sessions?");
    assert_eq!(config.warnings[3], "p:3: limits.future: unknown key, ignored");
}

#[test]
fn a_certificate_of_ones_own_opens_other_addresses() {
    let dir = TempDir::new().unwrap();
    let (cert, key) = self_signed();
    fs::write(dir.path().join("c"), &cert).unwrap();
    fs::write(dir.path().join("k"), &key).unwrap();
    let text = "[listen]\naddress = [\"0.0.0.0:5439\", \"[::]:5439\"]\ntls = { cert = \"c\", key = \"file:k\" }";
    let shown = |material: &config::Material| material.text.as_ref().unwrap().expose().to_owned();
    let identity = load_in(&dir, text).listen.identity.unwrap();
    assert_eq!((shown(&identity.cert), shown(&identity.key)), (cert, key));
    assert_eq!(identity.key.from, Reference::File(dir.path().join("k")));

    fs::write(dir.path().join("proxy.toml"), text.replace("\"c\"", "\"k\"").replace("file:k", "c")).unwrap();
    let faults = config::load(&dir.path().join("proxy.toml"), &env, UnknownKeys::Refuse)
        .unwrap_err()
        .to_string();
    assert!(faults.contains("listen.tls.cert: holds no certificate"), "{faults}");
    assert!(faults.contains("listen.tls.key: holds no private key"), "{faults}");
    assert_eq!(faults.lines().count(), 2, "{faults}");
}

#[test]
fn a_key_of_another_certificate_is_a_fault_with_its_line() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("c"), self_signed().0).unwrap();
    fs::write(dir.path().join("k"), self_signed().1).unwrap();
    let path = dir.path().join("proxy.toml");
    fs::write(&path, "[listen.tls]\ncert = \"c\"\nkey = \"k\"\n").unwrap();
    let faults = config::load(&path, &env, UnknownKeys::Refuse)
        .unwrap_err()
        .to_string();
    assert!(faults.ends_with("proxy.toml:3: listen.tls.key: is not the key of listen.tls.cert"), "{faults}");
}

#[test]
fn endpoints_of_the_environment_are_held_to_the_same_rules() {
    for service in ["", "_STS", "_SSM", "_REDSHIFT", "_REDSHIFT_SERVERLESS", "_SECRETS_MANAGER", "_DYNAMODB"] {
        let variable = format!("AWS_ENDPOINT_URL{service}");
        let load = |url: &str| {
            let env = |name: &str| (name == variable).then(|| url.to_owned());
            config::parse("", Path::new("proxy.toml"), &env, UnknownKeys::Refuse)
        };
        let warnings = load("http://127.0.0.1:4566").unwrap().warnings;
        assert!(
            warnings
                .iter()
                .any(|warning| warning.contains(&format!("{variable}: "))),
            "{warnings:?}"
        );
        let faults = load("http://sts.example.com").unwrap_err().to_string();
        assert!(faults.contains(&format!("{variable}: (environment) ")), "{faults}");
    }
}

#[test]
fn a_configuration_in_place_of_its_path_is_not_shown() {
    let faults = config::load_reference("[users.a]\npassword = \"planted\"\n", &env, &nothing, UnknownKeys::Refuse);
    let faults = faults.unwrap_err().to_string();
    assert!(!faults.contains("planted"), "{faults}");
}

#[test]
fn cleartext_without_tls_is_a_fault() {
    let verifier = verifier("x");
    let text =
        format!("[listen.tls]\nmode = \"disable\"\n[users.a]\npassword = \"{verifier}\"\nmethod = \"cleartext\"\n");
    let faults = faults(&text);
    assert!(faults[0].contains("users.a.method: cleartext is only asked for inside TLS"), "{faults:?}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let faults = config::load(Path::new("/nowhere/p.toml"), &env, UnknownKeys::Refuse).unwrap_err();
    assert!(
        faults
            .to_string()
            .starts_with("/nowhere/p.toml: cannot be read: "),
        "{faults}"
    );
    let faults = config::load_reference("env:NOPE", &env, &nothing, UnknownKeys::Refuse).unwrap_err();
    assert_eq!(faults.to_string(), "env:NOPE: this environment variable is not set");
    let text = |name: &str| (name == "T").then(|| "[log]\nlevel = \"warn\"".to_owned());
    let config = config::load_reference("env:T", &text, &nothing, UnknownKeys::Refuse).unwrap();
    assert_eq!(config.log.level, LogLevel::Warn);
}
