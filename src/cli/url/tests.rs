//! Each form, and each choice that they are made of.

use std::path::Path;

use super::*;
use crate::config::{UnknownKeys, parse};

const ODD: &str = "a b'c\"d\\e$f`g!@:/#[]%{}+=&;ü";

fn config(listen: &str, rest: &str) -> Config {
    let connection = |name: &str, database: &str| {
        let name = serde_json::Value::from(name);
        format!(
            "[connections.{name}]\ntype = \"redshift-serverless\"\nworkgroup = \"wg1\"\ndatabase = \"{database}\"\n"
        )
    };
    let users = "[users.ann]\npassword = \"env:PW\"\nconnections = [\"sales\", \"odd\", \"hr\"]\n\
                 [users.bob]\npassword = \"env:PW\"\nconnections = [\"*\"]\n\
                 [users.gone]\npassword = \"env:PW\"\nenabled = false\nconnections = [\"hr\"]\n";
    let connections =
        [("sales", "dev"), ("fin", "dev"), ("hr", "people"), ("people", "x"), (ODD, "odd-db"), ("same", "same")]
            .map(|(name, database)| connection(name, database))
            .concat();
    let text = format!("[listen]\n{listen}\n{users}{connections}{rest}").replace("\"odd\"", &quoted(ODD));
    let env = |name: &str| match name {
        "PW" => Some("planted-password".to_owned()),
        _ => CERTIFICATES.with_borrow(|all| all.iter().find(|(key, _)| key == name).map(|(_, pem)| pem.clone())),
    };
    parse(&text, Path::new("p"), &env, UnknownKeys::Refuse).unwrap()
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

thread_local! {
    /// What `env:` leads to, beside the password.
    static CERTIFICATES: std::cell::RefCell<Vec<(String, String)>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Keys of `[listen]` that lead to a certificate for these names.
fn certificate(names: &[&str]) -> String {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let pair = [("CERT", made.cert.pem()), ("KEY", made.signing_key.serialize_pem())];
    CERTIFICATES.set(pair.map(|(name, pem)| (name.to_owned(), pem)).into());
    "tls.cert = \"env:CERT\"\ntls.key = \"env:KEY\"\n".to_owned()
}

fn named() -> String {
    certificate(&["redshift.example.com"])
}

fn of(config: &Config, conn_id: &str, user: &str, format: Format) -> Pasted {
    pasted(config, conn_id, Some(user), format).unwrap()
}

#[test]
fn each_form_for_names_that_need_no_quotes() {
    let config = config(&named(), "");
    for (format, want) in [
        (Format::Psql, "psql \"host=redshift.example.com port=5439 user=ann dbname=sales sslmode=verify-full\""),
        (Format::Uri, "postgresql://ann@redshift.example.com:5439/sales?sslmode=verify-full"),
        (Format::Jdbc, "jdbc:postgresql://redshift.example.com:5439/sales?user=ann&sslmode=verify-full"),
        (
            Format::Odbc,
            "Driver={PostgreSQL Unicode};Server=redshift.example.com;Port=5439;Database=sales;UID=ann;SSLmode=verify-full;",
        ),
        (Format::Sqlalchemy, "redshift+psycopg2://ann@redshift.example.com:5439/sales?sslmode=verify-full"),
        (
            Format::Env,
            "export PGHOST=redshift.example.com\nexport PGPORT=5439\nexport PGUSER=ann\nexport PGDATABASE=sales\n\
             export PGSSLMODE=verify-full",
        ),
        (
            Format::Dbt,
            "\"sales\":\n  target: proxy\n  outputs:\n    proxy:\n      type: redshift\n      method: database\n      \
             host: \"redshift.example.com\"\n      port: 5439\n      user: \"ann\"\n      \
             password: \"{{ env_var('DBT_ENV_SECRET_REDSHIFT_PASSWORD') }}\"\n      dbname: \"dev\"\n      \
             schema: public\n      threads: 4\n      sslmode: verify-full",
        ),
    ] {
        assert_eq!(of(&config, "sales", "ann", format).text, want, "{format:?}");
    }
}

#[test]
fn each_form_for_names_that_do() {
    let config = config(&named(), "");
    let encoded = "a%20b%27c%22d%5Ce%24f%60g%21%40%3A%2F%23%5B%5D%25%7B%7D%2B%3D%26%3B%C3%BC";
    for (format, want) in [
        (Format::Uri, format!("postgresql://bob@redshift.example.com:5439/{encoded}?sslmode=verify-full")),
        (Format::Jdbc, format!("jdbc:postgresql://redshift.example.com:5439/{encoded}?user=bob&sslmode=verify-full")),
        (
            Format::Sqlalchemy,
            format!("redshift+psycopg2://bob@redshift.example.com:5439/?dbname={encoded}&sslmode=verify-full"),
        ),
        (
            Format::Odbc,
            "Driver={PostgreSQL Unicode};Server=redshift.example.com;Port=5439;UID=bob;SSLmode=verify-full;\
             pqopt={dbname='a b\\'c\"d\\\\e$f`g!@:/#[]%{}}+=&;ü'};"
                .to_owned(),
        ),
    ] {
        assert_eq!(of(&config, ODD, "bob", format).text, want, "{format:?}");
    }
}

/// libpq's own reader is asked in tests/url.rs; this one is another's.
#[test]
fn a_uri_and_a_connection_string_are_read_back_by_tokio_postgres() {
    let config = config(&named(), "");
    let conninfo = format!("user={} dbname={}", libpq::value("it's \\ me"), libpq::value(ODD));
    let read: tokio_postgres::Config = conninfo.parse().unwrap();
    assert_eq!((read.get_user(), read.get_dbname()), (Some("it's \\ me"), Some(ODD)));
    let uri = of(&config, ODD, "bob", Format::Uri).text.replace("verify-full", "require");
    let read: tokio_postgres::Config = uri.parse().unwrap();
    assert_eq!((read.get_user(), read.get_dbname(), read.get_ports()), (Some("bob"), Some(ODD), &[5439][..]));
}

#[test]
fn the_host_is_the_public_name_else_the_certificates_else_loopback() {
    let place = |listen: &str| {
        let told = pasted(&config(listen, ""), "sales", Some("ann"), Format::Uri).map(|pasted| pasted.text);
        let place = |text: String| text.split(['@', '/']).nth(3).unwrap().to_owned();
        told.map(place).map_err(|error| error.to_string())
    };
    let ok = |text: &str| Ok(text.to_owned());
    assert_eq!(place(""), ok("localhost:5439"));
    assert_eq!(place("address = \"[::1]:5440\""), ok("localhost:5440"));
    assert_eq!(place("address = [\"127.0.0.2:1\", \"127.0.0.1:2\"]"), ok("127.0.0.2:1"));
    assert_eq!(place("public_name = \"a.example.com\"\naddress = \"127.0.0.1:7\""), ok("a.example.com:7"));
    assert_eq!(place("public_name = \"a.example.com:443\""), ok("a.example.com:443"));
    assert_eq!(place("public_name = \"[2001:db8::1]:443\""), ok("[2001:db8::1]:443"));
    let any = "address = \"0.0.0.0:5440\"\n";
    let with = |names: &[&str]| place(&format!("{any}{}", certificate(names)));
    assert_eq!(with(&["one.example.com", "two.example.com"]), ok("one.example.com:5440"));
    assert_eq!(with(&["*.example.com", "10.0.0.1", "two.example.com"]), ok("two.example.com:5440"));
    for names in [&["*.example.com"][..], &["10.0.0.1"]] {
        let why = with(names).unwrap_err();
        assert!(why.contains("no DNS name") && why.contains("listen.public_name"), "{why}");
    }
    let why = place(&format!("{any}tls.cert = \"ssm:/c\"\ntls.key = \"ssm:/k\"\n")).unwrap_err();
    assert!(why.contains("kept by AWS") && why.contains("listen.public_name"), "{why}");
    assert_eq!(place("tls.cert = \"ssm:/c\"\ntls.key = \"ssm:/k\"\n"), ok("localhost:5439"));
    let why = place("address = \"10.0.0.1:5439\"\ntls.mode = \"disable\"").unwrap_err();
    assert!(why.contains("listen.public_name"), "{why}");
    for listen in ["address = \"127.0.0.1:0\"", "address = \"127.0.0.1:0\"\npublic_name = \"a.example.com\""] {
        assert!(place(listen).unwrap_err().contains("leaves the port open"), "{listen}");
    }
    assert_eq!(place("address = \"127.0.0.1:0\"\npublic_name = \"a.example.com:443\""), ok("a.example.com:443"));
}

#[test]
fn the_tls_mode_is_the_best_that_the_listener_allows() {
    let all = [Format::Psql, Format::Uri, Format::Jdbc, Format::Odbc, Format::Sqlalchemy, Format::Dbt, Format::Env];
    for (listen, mode) in [
        (named(), "verify-full"),
        (named() + "tls.mode = \"prefer\"", "verify-full"),
        (String::new(), "require"),
        ("tls.mode = \"disable\"".to_owned(), "disable"),
        (named() + "tls.mode = \"disable\"", "disable"),
    ] {
        let config = config(&listen, "");
        for format in all {
            let text = of(&config, "sales", "ann", format).text;
            let modes = ["disable", "require", "verify-full"].map(|mode| text.matches(mode).count());
            let want = ["disable", "require", "verify-full"].map(|other| usize::from(other == mode));
            assert_eq!(modes, want, "{text}");
        }
    }
}

#[test]
fn sqlalchemy_redshifts_own_roots_are_out_of_the_way_of_a_certificate_made_at_start() {
    let text = of(&config("", ""), "sales", "ann", Format::Sqlalchemy).text;
    assert_eq!(text, "redshift+psycopg2://ann@localhost:5439/sales?sslmode=require&sslrootcert=none");
}

#[test]
fn amazons_drivers_are_noted_in_their_own_form() {
    let note = |listen: &str, conn_id: &str, format| {
        let notes = of(&config(listen, ""), conn_id, "bob", format).notes;
        notes.into_iter().find(|note| note.starts_with("Amazon's driver")).unwrap()
    };
    let jdbc = note(&named(), "sales", Format::Jdbc);
    assert!(jdbc.contains("jdbc:redshift://redshift.example.com:5439/sales?user=bob&ssl=true&sslmode=verify-full"));
    assert!(
        note("", "sales", Format::Jdbc).contains("&ssl=true&sslfactory=com.amazon.redshift.ssl.NonValidatingFactory")
    );
    let odbc = note(&named(), "sales", Format::Odbc);
    let want = "Driver={Amazon Redshift ODBC Driver (x64)};Server=redshift.example.com;Port=5439;Database=sales;UID=bob;\
                SSLMode=verify-full;";
    assert!(odbc.contains(want), "{odbc}");
    assert!(!note(&named(), ODD, Format::Odbc).contains(';'));
    for format in [Format::Jdbc, Format::Odbc] {
        assert!(note("tls.mode = \"disable\"", "sales", format).contains("cannot log in without TLS"));
    }
}

#[test]
fn a_certificate_for_other_names_is_noted() {
    let told = |name: &str| {
        let config = config(&format!("public_name = \"{name}\"\n{}", named()), "");
        of(&config, "sales", "ann", Format::Psql).notes.iter().any(|note| note.contains("is not for"))
    };
    assert!(told("other.example.com") && !told("redshift.example.com"));
}

#[test]
fn the_only_user_who_may_is_named_and_one_of_many_is_a_placeholder() {
    let config = config(&named(), "");
    let user = |conn_id: &str| {
        let pasted = pasted(&config, conn_id, None, Format::Uri).unwrap();
        let user = pasted.text.split(['/', '@']).nth(2).unwrap().to_owned();
        (user, pasted.notes.iter().any(|note| note.contains("USER")))
    };
    assert_eq!(user("fin"), ("bob".to_owned(), false));
    assert_eq!(user("sales"), ("USER".to_owned(), true));
    assert_eq!(user("hr"), ("USER".to_owned(), true));
}

#[test]
fn users_without_an_entry_are_many() {
    let any = "[users.\"*\"]\npassword = \"ssm:/users/{user}\"\nconnections = [\"*\"]\n\
               [connections.own]\ntype = \"redshift\"\ncluster_id = \"c1\"\ndatabase = \"own\"\nidentity = \"per-user\"\n";
    let user = |rest: &str, conn_id: &str| {
        let pasted = pasted(&config(&named(), rest), conn_id, None, Format::Uri).unwrap();
        let user = pasted.text.split(['/', '@']).nth(2).unwrap().to_owned();
        (user, pasted.notes.iter().find(|note| note.contains("USER")).cloned().unwrap_or_default())
    };
    let (name, note) = user(any, "fin");
    assert_eq!((&*name, note.starts_with("any name may open \"fin\"")), ("USER", true), "{note}");
    assert_eq!(user(any, "own").0, "bob", "a login of one's own takes an entry of one's own");
    assert_eq!(user(&any.replace("connections = [\"*\"]", "enabled = false\nconnections = [\"*\"]"), "fin").0, "bob");
}

#[test]
fn what_proves_the_user_is_told_in_each_tools_own_words() {
    let listen = named() + "tls.client_ca = \"env:CERT\"";
    let config = config(&listen, "[users.eve]\nauth = \"cert\"\nconnections = [\"sales\"]\n");
    for (format, certificate) in [
        (Format::Psql, Some("PGSSLCERT")),
        (Format::Uri, Some("sslcert=FILE")),
        (Format::Env, Some("PGSSLKEY")),
        (Format::Jdbc, Some("PKCS-8")),
        (Format::Odbc, Some("pqopt={…}")),
        (Format::Sqlalchemy, Some("&sslcert=FILE&sslkey=FILE")),
        (Format::Dbt, None),
    ] {
        let told = |user| pasted(&config, "sales", user, format).unwrap().notes.join("\n");
        let (ann, eve, unknown) = (told(Some("ann")), told(Some("eve")), told(None));
        let is_of_password =
            |notes: &str| ["the password: ", "psql asks for the password"].iter().any(|words| notes.contains(words));
        let is_of_certificate = |notes: &str| notes.contains(certificate.unwrap_or("can show none"));
        assert!(is_of_password(&ann) && !is_of_certificate(&ann), "{format:?}: {ann}");
        assert!(!is_of_password(&eve) && is_of_certificate(&eve), "{format:?}: {eve}");
        assert!(is_of_password(&unknown) && is_of_certificate(&unknown), "{format:?}: {unknown}");
    }
}

#[test]
fn passwords_in_clear_are_warned_of_once_whatever_the_tool() {
    for format in [Format::Psql, Format::Uri, Format::Jdbc, Format::Odbc, Format::Sqlalchemy, Format::Dbt, Format::Env]
    {
        let notes = of(&config("tls.mode = \"disable\"", ""), "sales", "ann", format).notes;
        assert_eq!(notes.iter().filter(|note| note.contains("no TLS")).count(), 1, "{format:?}");
    }
}

#[test]
fn what_leads_nowhere_is_told_with_what_was_meant() {
    let config = config(&named(), "");
    let why = |conn_id: &str, user| pasted(&config, conn_id, user, Format::Uri).unwrap_err().to_string();
    assert_eq!(why("salse", None), "there is no connection \"salse\"; did you mean \"sales\"?");
    let told = why("nothing", None);
    assert!(told.starts_with("there is no connection \"nothing\"; the configuration has "), "{told}");
    assert!(told.ends_with(", fin, hr, people, sales, same"), "{told}");
    assert_eq!(why("sales", Some("an")), "there is no user \"an\"; did you mean \"ann\"?");
    assert_eq!(why("fin", Some("ann")), "the user \"ann\" may not open \"fin\"");
    assert_eq!(why("hr", Some("gone")), "the user \"gone\" is disabled");
}

const SPECS: &str =
    "[specs]\ndynamodb_table = \"t00\"\nconn_ids = [\"bi-*\", \"peop*\"]\nroles = []\nparameter_prefix = \"/l/\"\n";

#[test]
fn a_connection_of_the_table_is_taken_at_its_name() {
    let config = config(&named(), SPECS);
    let text = pasted(&config, "bi-1", None, Format::Uri).unwrap().text;
    assert_eq!(text, "postgresql://bob@redshift.example.com:5439/bi-1?sslmode=verify-full");
    let why = pasted(&config, "fi", None, Format::Uri).unwrap_err().to_string();
    assert!(why.contains("specs.conn_ids does not cover it") && why.ends_with("did you mean \"fin\"?"), "{why}");
}

#[test]
fn dbt_gets_the_real_database_where_it_leads_to_the_connection() {
    let config = config(&named(), "");
    let dbname = |config: &Config, conn_id: &str, user: Option<&str>| {
        let pasted = pasted(config, conn_id, user, Format::Dbt).unwrap();
        let line = pasted.text.lines().find_map(|line| line.trim().strip_prefix("dbname: ")).unwrap().to_owned();
        (line, pasted.notes.iter().any(|note| note.contains("dbname is the conn_id")))
    };
    let (real, fallback) = (|name: &str| (format!("\"{name}\""), false), |name: &str| (format!("\"{name}\""), true));
    assert_eq!(dbname(&config, "sales", Some("ann")), real("dev"), "ann has no other connection to dev");
    assert_eq!(dbname(&config, "sales", Some("bob")), fallback("sales"), "bob has fin, to dev too");
    assert_eq!(dbname(&config, "sales", None), fallback("sales"), "ann or bob");
    assert_eq!(dbname(&config, "hr", Some("ann")), fallback("hr"), "people is a conn_id");
    assert_eq!(dbname(&config, "same", Some("bob")), real("same"));
    let odd = pasted(&config, ODD, Some("ann"), Format::Dbt).unwrap().text;
    assert!(odd.contains("dbname: \"odd-db\""), "{odd}");
    let specs = self::config(&named(), &SPECS.replace("peop*", "de*"));
    assert_eq!(dbname(&specs, "sales", Some("ann")), fallback("sales"), "the table may have dev");
    assert_eq!(dbname(&specs, "bi-1", None), fallback("bi-1"), "its item is not read");
}

#[test]
fn a_disabled_connection_is_noted() {
    let config = config(
        &named(),
        "[connections.off]\ntype = \"redshift-serverless\"\nworkgroup = \"wg1\"\n\
                                   database = \"d\"\nenabled = false\n",
    );
    let notes = of(&config, "off", "bob", Format::Psql).notes;
    assert!(notes.iter().any(|note| note.contains("\"off\" is disabled")), "{notes:?}");
}
