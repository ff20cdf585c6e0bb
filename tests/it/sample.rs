//! The shipped proxy.toml: it loads, and so do its examples; what it shows as a default is the
//! default.

use std::fs;
use std::path::Path;

use crate::support::client_ca::ClientCa;
use redshift_iam_proxy::config::{self, Ca, Config, Password, Proof, Target, TlsMode, UnknownKeys};
use redshift_iam_proxy::secret::Secret;
use tempfile::TempDir;

/// proxy.toml of the repository, beside the files that it names.
fn sample() -> (TempDir, String) {
    let dir = TempDir::new().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let client_ca = ClientCa::new();
    let (ca, crl) = (client_ca.pem(), client_ca.revoke(&[], 2999));
    for (path, text) in [
        ("target/demo/ca.crt", &cert),
        ("certs/server.crt", &cert),
        ("certs/server.key", &key),
        ("certs/clients.crt", &ca),
        ("certs/clients.crl", &crl),
    ] {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("proxy.toml")).unwrap();
    (dir, text)
}

fn load_in(dir: &TempDir, text: &str) -> Config {
    let path = dir.path().join("proxy.toml");
    fs::write(&path, text).unwrap();
    config::load(&path, &|_| None, UnknownKeys::Refuse).unwrap_or_else(|faults| panic!("{faults}"))
}

#[test]
fn the_sample_loads() {
    let (dir, text) = sample();
    let config = load_in(&dir, &text);
    assert_eq!(config.listen.addresses, ["127.0.0.1:5439".parse().unwrap()]);
    assert_eq!((config.listen.tls, config.listen.identity.is_none()), (TlsMode::Require, true));
    assert_eq!(config.aws.endpoint_url.as_deref(), Some("http://127.0.0.1:4566"));
    assert!(matches!(&config.upstream.ca, Ca::File { path, .. } if path.ends_with("target/demo/ca.crt")));
    let sales = &config.connections["sales"];
    let Target::Workgroup(workgroup) = &sales.target else { panic!("{sales:?}") };
    let place = (sales.host.as_deref(), sales.port, workgroup.name.as_deref());
    assert_eq!(place, (Some("localhost"), Some(5441), Some("analytics")));
    let [role] = &sales.roles.hops[..] else { panic!("one role") };
    assert_eq!(role.role_arn, "arn:aws:iam::123456789012:role/rs01");
    assert_eq!(role.external_id.as_deref(), Some("/lava/demo/rs01-external-id"));
    let demo = &config.users["demo"];
    assert!(demo.rights.may_open(&sales.id));
    let Proof::Passwords(passwords) = &demo.proof else { panic!("{demo:?}") };
    let Password::Verifier(verifier) = &passwords[0].password else { panic!("{demo:?}") };
    assert!(verifier.matches(&Secret::new("demo-password".to_owned())));
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
    assert!(config.warnings[0].contains("aws.endpoint_url: "), "{:?}", config.warnings);
}

/// `# key = value` shows the default: with the # taken away, nothing is other than before.
#[test]
fn the_defaults_in_the_sample_are_the_defaults() {
    let (dir, text) = sample();
    // Of the text itself a load keeps a hash, and the state of its file.
    let shown =
        |config: Config| format!("{:?}", Config { hash: String::new(), sources: config::Sources::default(), ..config });
    let want = shown(load_in(&dir, &text));
    let is_key = |line: &str| {
        let (key, value) = line.split_once(" = ").unwrap_or_default();
        !key.is_empty()
            && !value.is_empty()
            && key
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b == b'_' || b == b'-')
    };
    let mut seen = 0;
    for line in text
        .lines()
        .filter(|line| line.strip_prefix("# ").is_some_and(is_key))
    {
        let changed = text.replace(&format!("\n{line}\n"), &format!("\n{}\n", &line[2..]));
        // A line that is there twice is taken twice: each is the default in its own table.
        assert_ne!(changed, text);
        assert_eq!(shown(load_in(&dir, &changed)), want, "{line}");
        seen += 1;
    }
    assert!(seen > 30, "{seen}");
}

#[test]
fn the_examples_in_the_sample_load() {
    let (dir, text) = sample();
    let config = load_in(&dir, &text.replace("\n#: ", "\n"));
    assert!(
        config.listen.identity.is_some()
            && config
                .listen
                .clients
                .is_some_and(|clients| clients.crl.is_some())
    );
    assert_eq!(config.connections["sales"].ca, Some(Ca::System));
    assert_eq!(config.connections["sales"].region.as_deref(), Some("ap-southeast-2"));
    assert_eq!((config.connections.len(), config.specs.is_some()), (3, true));
    let demo = &config.users["demo"].rights;
    assert_eq!((&demo.db_roles[..], demo.from.len(), demo.max_sessions), (&["analyst".to_owned()][..], 1, Some(100)));
    assert!(demo.password_expires.is_some());
    assert_eq!(config.any_user.unwrap().path(), Some("/redshift-proxy/users"));
}

/// What is shown as the default of a section that the sample does not have.
#[test]
fn the_bounds_of_the_sample_are_the_default() {
    let (dir, text) = sample();
    let text = text.replace("\n#: ", "\n");
    let want = load_in(&dir, &text).specs.unwrap();
    for line in ["refresh = ", "hosts = "] {
        let without: Vec<_> = text
            .lines()
            .filter(|other| !other.starts_with(line))
            .collect();
        let specs = load_in(&dir, &without.join("\n")).specs.unwrap();
        assert_eq!((&specs.bounds, specs.refresh), (&want.bounds, want.refresh), "{line}");
    }
}
