//! Each form, and each choice that they are made of.

use std::path::Path;

use super::*;
use crate::config::{UnknownKeys, parse};

const ODD_DATABASE: &str = "odd.db+x@y";
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
        [("sales", "dev"), ("fin", "dev"), ("hr", "people"), ("people", "x"), (ODD, ODD_DATABASE), ("same", "same")]
            .map(|(name, database)| connection(name, database))
            .concat();
    let text = format!("[listen]\n{listen}\n{users}{connections}{rest}").replace("\"odd\"", &quoted(ODD));
    let env = |name: &str| match name {
        "PW" => Some("planted-password".to_owned()),
        _ => CERTIFICATES.with_borrow(|all| {
            all.iter()
                .find(|(key, _)| key == name)
                .map(|(_, pem)| pem.clone())
        }),
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

fn of(config: &Config, conn_id: &str, user: &str, format: Format) -> Snippet {
    snippet(config, conn_id, Some(user), format).unwrap()
}

#[test]
fn each_form_for_names_that_need_no_quotes() {
    let config = config(&named(), "");
    for (format, want) in [
        (
            Format::Psql,
            "psql \"host=redshift.example.com port=5439 user=ann~sales dbname=dev sslmode=verify-full connect_timeout=120\"",
        ),
        (Format::Uri, "postgresql://ann~sales@redshift.example.com:5439/dev?sslmode=verify-full&connect_timeout=120"),
        (
            Format::Jdbc,
            "jdbc:postgresql://redshift.example.com:5439/dev?user=ann~sales&sslmode=verify-full&loginTimeout=120",
        ),
        (
            Format::Odbc,
            "Driver={PostgreSQL Unicode};Server=redshift.example.com;Port=5439;Database=dev;UID=ann~sales;SSLmode=verify-full;\
             pqopt={connect_timeout=120};",
        ),
        (
            Format::Sqlalchemy,
            "redshift+psycopg2://ann~sales@redshift.example.com:5439/dev?sslmode=verify-full&connect_timeout=120",
        ),
        (
            Format::Env,
            "export PGHOST=redshift.example.com\nexport PGPORT=5439\nexport PGUSER='ann~sales'\nexport PGDATABASE=dev\n\
             export PGSSLMODE=verify-full\nexport PGCONNECT_TIMEOUT=120",
        ),
        (
            Format::Dbt,
            "\"sales\":\n  target: proxy\n  outputs:\n    proxy:\n      type: redshift\n      method: database\n      \
             host: \"redshift.example.com\"\n      port: 5439\n      user: \"ann~sales\"\n      \
             password: \"{{ env_var('DBT_ENV_SECRET_REDSHIFT_PASSWORD') }}\"\n      dbname: \"dev\"\n      \
             schema: public\n      threads: 4\n      sslmode: verify-full\n      \
             # no connect_timeout: it would also end each statement that takes longer",
        ),
    ] {
        assert_eq!(of(&config, "sales", "ann", format).text, want, "{format:?}");
    }
}

#[test]
fn each_form_for_names_that_do() {
    let config = config(&named(), "");
    let encoded_db = "odd.db%2Bx%40y";
    let encoded = "a%20b%27c%22d%5Ce%24f%60g%21%40%3A%2F%23%5B%5D%25%7B%7D%2B%3D%26%3B%C3%BC";
    for (format, want) in [
        (
            Format::Uri,
            format!(
                "postgresql://bob~{encoded}@redshift.example.com:5439/{encoded_db}?sslmode=verify-full&connect_timeout=120"
            ),
        ),
        (
            Format::Jdbc,
            format!(
                "jdbc:postgresql://redshift.example.com:5439/{encoded_db}?user=bob~{encoded}&sslmode=verify-full&loginTimeout=120"
            ),
        ),
        (
            Format::Sqlalchemy,
            format!(
                "redshift+psycopg2://bob~{encoded}@redshift.example.com:5439/?dbname={encoded_db}&sslmode=verify-full\
                 &connect_timeout=120"
            ),
        ),
        (
            Format::Odbc,
            "Driver={PostgreSQL Unicode};Server=redshift.example.com;Port=5439;Database=odd.db+x@y;SSLmode=verify-full;\
             pqopt={user='bob~a b\\'c\"d\\\\e$f`g!@:/#[]%{}}+=&;ü' connect_timeout=120};"
                .to_owned(),
        ),
    ] {
        assert_eq!(of(&config, ODD, "bob", format).text, want, "{format:?}");
    }
}

/// libpq's own reader is asked in tests/it/url.rs; this one is another's.
#[test]
fn a_uri_and_a_connection_string_are_read_back_by_tokio_postgres() {
    let config = config(&named(), "");
    let conninfo = format!("user={} dbname={}", libpq::value("it's \\ me"), libpq::value(ODD));
    let read: tokio_postgres::Config = conninfo.parse().unwrap();
    assert_eq!((read.get_user(), read.get_dbname()), (Some("it's \\ me"), Some(ODD)));
    let uri = of(&config, ODD, "bob", Format::Uri)
        .text
        .replace("verify-full", "require");
    let read: tokio_postgres::Config = uri.parse().unwrap();
    let user = format!("bob~{ODD}");
    let want = (Some(user.as_str()), Some(ODD_DATABASE), &[5439][..]);
    assert_eq!((read.get_user(), read.get_dbname(), read.get_ports()), want);
    assert_eq!(read.get_connect_timeout(), Some(&std::time::Duration::from_secs(120)));
}

#[test]
fn the_host_is_the_public_name_else_the_certificates_else_loopback() {
    let place = |listen: &str| {
        let told = snippet(&config(listen, ""), "sales", Some("ann"), Format::Uri).map(|pasted| pasted.text);
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
    assert_eq!(
        text,
        "redshift+psycopg2://ann~sales@localhost:5439/dev?sslmode=require&sslrootcert=none&connect_timeout=120"
    );
}

#[test]
fn amazons_drivers_are_noted_in_their_own_form() {
    let note = |listen: &str, conn_id: &str, format| {
        let notes = of(&config(listen, ""), conn_id, "bob", format).notes;
        notes
            .into_iter()
            .find(|note| note.starts_with("Amazon's driver"))
            .unwrap()
    };
    let jdbc = note(&named(), "sales", Format::Jdbc);
    let want =
        "jdbc:redshift://redshift.example.com:5439/dev?user=bob~sales&ssl=true&sslmode=verify-full&loginTimeout=120";
    assert!(jdbc.contains(want), "{jdbc}");
    let unverified = "&ssl=true&sslfactory=com.amazon.redshift.ssl.NonValidatingFactory&loginTimeout=120";
    assert!(note("", "sales", Format::Jdbc).contains(unverified));
    let odbc = note(&named(), "sales", Format::Odbc);
    let want = "Driver={Amazon Redshift ODBC Driver (x64)};Server=redshift.example.com;Port=5439;Database=dev;UID=bob~sales;\
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
        of(&config, "sales", "ann", Format::Psql)
            .notes
            .iter()
            .any(|note| note.contains("is not for"))
    };
    assert!(told("other.example.com") && !told("redshift.example.com"));
}

#[test]
fn the_only_user_who_may_is_named_and_one_of_many_is_a_placeholder() {
    let config = config(&named(), "");
    let user = |conn_id: &str| {
        let pasted = snippet(&config, conn_id, None, Format::Uri).unwrap();
        let user = pasted.text.split(['/', '@']).nth(2).unwrap().to_owned();
        (user, pasted.notes.iter().any(|note| note.contains("USER")))
    };
    assert_eq!(user("fin"), ("bob~fin".to_owned(), false));
    assert_eq!(user("sales"), ("USER~sales".to_owned(), true));
    assert_eq!(user("hr"), ("USER~hr".to_owned(), true));
}

#[test]
fn users_without_an_entry_are_many() {
    let any = "[users.\"*\"]\npassword = \"ssm:/users/{user}\"\nconnections = [\"*\"]\n\
               [connections.own]\ntype = \"redshift\"\ncluster_id = \"c1\"\ndatabase = \"own\"\nidentity = \"per-user\"\n";
    let user = |rest: &str, conn_id: &str| {
        let pasted = snippet(&config(&named(), rest), conn_id, None, Format::Uri).unwrap();
        let user = pasted.text.split(['/', '@']).nth(2).unwrap().to_owned();
        (
            user,
            pasted
                .notes
                .iter()
                .find(|note| note.contains("USER"))
                .cloned()
                .unwrap_or_default(),
        )
    };
    let (name, note) = user(any, "fin");
    assert_eq!((&*name, note.starts_with("any name may open \"fin\"")), ("USER~fin", true), "{note}");
    assert_eq!(user(any, "own").0, "bob", "a login of one's own takes an entry of one's own");
    assert_eq!(
        user(&any.replace("connections = [\"*\"]", "enabled = false\nconnections = [\"*\"]"), "fin").0,
        "bob~fin"
    );
}

#[test]
fn each_tool_gets_its_own_words_for_the_users_proof() {
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
        let told = |user| {
            snippet(&config, "sales", user, format)
                .unwrap()
                .notes
                .join("\n")
        };
        let (ann, eve, unknown) = (told(Some("ann")), told(Some("eve")), told(None));
        let is_of_password = |notes: &str| {
            ["the password: ", "psql asks for the password"]
                .iter()
                .any(|words| notes.contains(words))
        };
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
fn unknown_names_are_reported_with_the_probable_one() {
    let config = config(&named(), "");
    let why = |conn_id: &str, user| {
        snippet(&config, conn_id, user, Format::Uri)
            .unwrap_err()
            .to_string()
    };
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
    let text = snippet(&config, "bi-1", None, Format::Uri).unwrap().text;
    assert_eq!(text, "postgresql://bob@redshift.example.com:5439/bi-1?sslmode=verify-full&connect_timeout=120");
    let why = snippet(&config, "fi", None, Format::Uri)
        .unwrap_err()
        .to_string();
    assert!(why.contains("specs.conn_ids does not cover it") && why.ends_with("did you mean \"fin\"?"), "{why}");
}

/// Host and port, user, database, and the notes, of the connection string in words.
fn selector(listen: &str, rest: &str, conn_id: &str) -> (String, String, String, String) {
    let pasted = snippet(&config(listen, rest), conn_id, Some("bob"), Format::Uri).unwrap();
    let mut parts = pasted
        .text
        .trim_start_matches("postgresql://")
        .split(['@', '/', '?'])
        .map(str::to_owned);
    let mut next = || parts.next().unwrap();
    let (user, place, database) = (next(), next(), next());
    (place, user, database, pasted.notes.join("\n"))
}

fn shown(selector: &(String, String, String, String)) -> (&str, &str, &str) {
    (&selector.0, &selector.1, &selector.2)
}

/// pgAdmin, dbt, knex and others compare the database that they were given with current_database().
#[test]
fn every_form_gives_the_real_database_and_the_conn_id_behind_the_user() {
    let all = [Format::Psql, Format::Uri, Format::Jdbc, Format::Odbc, Format::Sqlalchemy, Format::Dbt, Format::Env];
    let config = config(&named(), "");
    for format in all {
        // bob may open two connections to dev; the user alone leads to neither.
        for conn_id in ["sales", "fin"] {
            let pasted = of(&config, conn_id, "bob", format);
            assert!(pasted.text.contains(&format!("bob~{conn_id}")), "{format:?}: {}", pasted.text);
            assert!(pasted.text.contains("dev"), "{format:?}: {}", pasted.text);
            let by_hand = format!("by hand, the user bob and the database {conn_id} lead there too");
            assert!(pasted.notes.iter().any(|note| note.ends_with(&by_hand)), "{format:?}: {:?}", pasted.notes);
        }
    }
    let same = selector(&named(), "", "same");
    assert_eq!(shown(&same), ("redshift.example.com:5439", "bob", "same"), "the conn_id is the real name");
    assert_eq!(same.3.matches("real database").count(), 0, "{}", same.3);
}

#[test]
fn a_port_of_its_own_selects_the_connection() {
    let own = |listen: &str| {
        format!(
            "[connections.own]\ntype = \"redshift-serverless\"\nworkgroup = \"wg1\"\ndatabase = \"dev\"\nlisten = \"{listen}\"\n"
        )
    };
    let any = format!("address = \"0.0.0.0:5439\"\nsni_suffix = \"example.com\"\n{}", named());
    let told = selector(&any, &own("0.0.0.0:5440"), "own");
    assert_eq!(shown(&told), ("redshift.example.com:5440", "bob", "dev"));
    assert!(told.3.contains("the port 5440 is for \"own\" alone"), "{}", told.3);
    let public = format!("public_name = \"redshift.example.com:443\"\n{}", named());
    assert_eq!(selector(&public, &own("0.0.0.0:5440"), "own").0, "redshift.example.com:5440");
    assert_eq!(selector("address = \"127.0.0.1:0\"", &own("127.0.0.1:5440"), "own").0, "localhost:5440");
    // What others cannot reach, or is chosen at start, is not told to them.
    for unreachable in ["127.0.0.1:5440", "0.0.0.0:0"] {
        assert_eq!(shown(&selector(&any, &own(unreachable), "own")), ("redshift.example.com:5439", "bob~own", "dev"));
    }
}

#[test]
fn a_server_name_of_its_own_selects_the_connection() {
    let suffix = "sni_suffix = \"dw.example.com\"\n";
    let listen = || suffix.to_owned() + &certificate(&["dw.example.com", "*.dw.example.com"]);
    let told = selector(&listen(), "", "sales");
    assert_eq!(shown(&told), ("sales.dw.example.com:5439", "bob", "dev"));
    assert!(
        told.3
            .contains("the host \"sales.dw.example.com\" selects \"sales\"")
            && !told.3.contains("is not for")
    );
    let upper = |name: &str| {
        format!("[connections.{name}]\ntype = \"redshift-serverless\"\nworkgroup = \"wg1\"\ndatabase = \"dev\"\n")
    };
    assert_eq!(shown(&selector(&listen(), &upper("Mart"), "Mart")), ("mart.dw.example.com:5439", "bob", "dev"));
    // A server name has no case, and the name of a host no blanks.
    assert_eq!(shown(&selector(&listen(), &upper("SALES"), "sales")), ("dw.example.com:5439", "bob~sales", "dev"));
    assert_eq!(selector(&listen(), "", ODD).0, "dw.example.com:5439");
    // The certificate is for one name, or made at start.
    let one = suffix.to_owned() + &certificate(&["dw.example.com"]);
    assert_eq!(shown(&selector(&one, "", "sales")), ("dw.example.com:5439", "bob~sales", "dev"));
    assert_eq!(shown(&selector(suffix, "", "sales")), ("localhost:5439", "bob~sales", "dev"));
    // lava's table is asked in lower case; its item is not read.
    assert_eq!(shown(&selector(&listen(), SPECS, "bi-1")), ("bi-1.dw.example.com:5439", "bob", "bi-1"));
    assert_eq!(shown(&selector(&listen(), SPECS, "bi-X")), ("dw.example.com:5439", "bob", "bi-X"));
}

#[test]
fn an_unknown_real_database_is_explained() {
    let told = selector(&named(), SPECS, "bi-1");
    assert_eq!(shown(&told), ("redshift.example.com:5439", "bob", "bi-1"));
    assert!(
        told.3
            .contains("the real database of \"bi-1\" is not known here"),
        "{}",
        told.3
    );
    assert!(
        told.3
            .contains("take the user bob~bi-1 and its real name as the database"),
        "{}",
        told.3
    );
    let secret = "[connections.kept]\ntype = \"redshift\"\nsecret_id = \"s\"\ncluster_id = \"c1\"\n";
    assert!(
        selector(&named(), secret, "kept")
            .3
            .contains("is not known here")
    );
    // Behind a ~ in its name the proxy would look for another.
    let tilde = "[connections.\"a~b\"]\ntype = \"redshift\"\ncluster_id = \"c1\"\ndatabase = \"dev\"\n";
    assert_eq!(shown(&selector(&named(), tilde, "a~b")), ("redshift.example.com:5439", "bob", "a~b"));
}

#[test]
fn a_disabled_connection_is_noted() {
    let config = config(
        &named(),
        "[connections.off]\ntype = \"redshift-serverless\"\nworkgroup = \"wg1\"\n\
                                   database = \"d\"\nenabled = false\n",
    );
    let notes = of(&config, "off", "bob", Format::Psql).notes;
    assert!(
        notes
            .iter()
            .any(|note| note.contains("\"off\" is disabled")),
        "{notes:?}"
    );
}
