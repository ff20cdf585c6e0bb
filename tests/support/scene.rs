//! A running proxy with secrets all over it, for the families that look for them in its log and its
//! replies.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use redshift_iam_proxy::crypto::Verifier;
use redshift_iam_proxy::secret::Secret;
use redshift_sandbox::aws::RoleRule;

use super::process::Proxy;
use super::raw::{Stream, field, message, open, read_message, say, startup, until_closed};
use super::scram::{Scram, initial_response, part};
use super::secrets::{ODD_PASSWORD, Secrets, add_number, unescaped};
use super::tap::Tap;
use super::{PASSWORD, Setup, World};

pub(crate) const TRACE: &[(&str, &str)] = &[("RUST_LOG", "trace")];

/// Not the password of anybody.
pub(crate) const WRONG_PASSWORD: &str = r#"wr+ng/pl=nt%d "p\ss-91c4'"#;

/// A password that somebody types where a name is asked for.
pub(crate) const TYPED_AS_USER: &str = r#"typ+d/in=th%e "wr\ng-field-55e0'"#;

const EXTERNAL_ID: &str = "sandbox-external-id-5f0c";

/// The world with users of the odd password, and the proxy's AWS calls within hearing.
pub(crate) struct Scene {
    pub(crate) world: World,
    tap: Tap,
    pub(crate) secrets: Secrets,
    /// All that clients read.
    pub(crate) replies: Vec<u8>,
    /// Sessions that live on.
    kept: Vec<Login>,
}

const WORKGROUPS: [&str; 9] =
    ["throttled", "denied", "failing", "garbled", "cut", "assume", "stranger", "nonsense", "parameter"];

/// The connections with a role of their own, of which no session is there before.
const OF_THEIR_OWN: [&str; 4] = ["assume", "stranger", "nonsense", "parameter"];

fn with_own_role(world: &World, toml: &str, name: &str) -> String {
    let role = format!("arn:aws:iam::123456789012:role/{name}");
    let aws = &world.sandbox.aws;
    aws.put_role(&role, RoleRule { external_id: Some(EXTERNAL_ID.into()), ..RoleRule::default() });
    aws.put_parameter(&format!("/lava/demo/{name}"), EXTERNAL_ID);
    let (before, section) = toml.split_once(&format!("[connections.{name}]\n")).unwrap();
    let section = section.replacen("arn:aws:iam::123456789012:role/rs01", &role, 1);
    let section = section.replacen("/lava/demo/rs01-external-id", &format!("/lava/demo/{name}"), 1);
    format!("{before}[connections.{name}]\n{section}")
}

impl Scene {
    pub(crate) async fn new(more: &str) -> Self {
        let verifier = Verifier::derive(&Secret::new(ODD_PASSWORD.into()), b"fedcba9876543210", 1).to_string();
        let config = format!(
            "{more}\n[users.odd]\npassword = \"{verifier}\"\nconnections = [\"*\"]\n\
             [users.plain]\npassword = \"{verifier}\"\nmethod = \"cleartext\"\nconnections = [\"*\"]\n\
             [users.stored]\npassword = \"file:stored-password\"\nconnections = [\"*\"]\n"
        );
        let world = World::start(&Setup { config, workgroups: WORKGROUPS.to_vec(), ..Setup::default() }).await;
        std::fs::write(world.dir.path().join("stored-password"), ODD_PASSWORD).unwrap();
        let tap = Tap::start(&world.sandbox.aws.url()).await;
        let path = world.dir.path().join("proxy.toml");
        let mut toml = std::fs::read_to_string(&path)
            .unwrap()
            .replace(&world.sandbox.aws.url(), &tap.url());
        for name in OF_THEIR_OWN {
            toml = with_own_role(&world, &toml, name);
        }
        std::fs::write(&path, toml).unwrap();

        let mut secrets = Secrets::default();
        secrets.add("client password", ODD_PASSWORD);
        secrets.add("client password", PASSWORD);
        secrets.add("wrong password", WRONG_PASSWORD);
        for verifier in [&verifier, &super::verifier()] {
            let (_, keys) = verifier.rsplit_once('$').unwrap();
            for (name, key) in ["stored key", "server key"]
                .into_iter()
                .zip(keys.split(':'))
            {
                secrets.add(name, STANDARD.decode(key).unwrap());
            }
        }
        secrets.add("external id", EXTERNAL_ID);
        secrets.add("AWS secret access key", &world.keys.1);
        let key = std::fs::read_to_string(world.dir.path().join("server.key")).unwrap();
        let lines: Vec<_> = key.lines().filter(|line| !line.starts_with('-')).collect();
        for line in &lines {
            secrets.add("private key", line);
        }
        // Its scalar too, however it is cut: PKCS#8 of P-256 holds it at bytes 36 to 68.
        secrets.add("private key", &STANDARD.decode(lines.concat()).unwrap()[36..68]);
        Self { world, tap, secrets, replies: Vec::new(), kept: Vec::new() }
    }

    /// The bytes between the proxy and AWS.
    fn add_aws_secrets(&mut self) {
        let all = |begin: &str, ends: &[char]| {
            let all = self.tap.all_between(begin, ends);
            assert!(!all.is_empty(), "nobody said {begin}");
            all
        };
        let heard = [
            ("secret key of a role session", all("<SecretAccessKey>", &['<'])),
            ("session token", all("<SessionToken>", &['<'])),
            ("session token in a header", all("x-amz-security-token: ", &['\r'])),
            ("database password", all("\"dbPassword\":\"", &['"'])),
            ("signature", all("Signature=", &['\r', ',', ' '])),
            ("Authorization header", all("authorization: AWS4-HMAC-SHA256 ", &['\r'])),
        ];
        for (name, texts) in heard {
            for text in texts {
                self.secrets.add(name, text);
            }
        }
    }

    /// Starts a session as `odd` would, by SCRAM.
    pub(crate) async fn scram(
        &mut self,
        port: u16,
        user: &str,
        password: &str,
        conn_id: &str,
        more: &[(&str, &str)],
    ) -> Login {
        let pairs = [&[("user", user), ("database", conn_id)][..], more].concat();
        let mut stream = open(port, Some(self.world.sandbox.ca.pem())).await;
        say(&mut stream, &startup(0, &pairs)).await;
        assert_eq!(read_message(&mut stream).await.unwrap().0, b'R');
        let scram = Scram::default();
        say(&mut stream, &initial_response("SCRAM-SHA-256", scram.first().as_bytes())).await;
        let (_, body) = read_message(&mut stream).await.unwrap();
        self.replies.extend_from_slice(&body);
        let challenge = String::from_utf8(body[4..].to_vec()).unwrap();
        let last = scram.last(&challenge, password);
        self.secrets.add("client-final message", &last);
        self.secrets.add("client's proof", part(&last, "p="));
        say(&mut stream, &message(b'p', last.as_bytes())).await;
        self.read_greeting(stream).await
    }

    /// Logs in with a cleartext password.
    pub(crate) async fn cleartext(&mut self, port: u16, user: &str, password: &str, more: &[(&str, &str)]) -> Login {
        let pairs = [&[("user", user), ("database", "sales")][..], more].concat();
        let mut stream = open(port, Some(self.world.sandbox.ca.pem())).await;
        say(&mut stream, &startup(0, &pairs)).await;
        assert_eq!(read_message(&mut stream).await.unwrap(), (b'R', vec![0, 0, 0, 3]));
        say(&mut stream, &message(b'p', &[password.as_bytes(), b"\0"].concat())).await;
        self.read_greeting(stream).await
    }

    async fn read_greeting(&mut self, mut stream: Stream) -> Login {
        let mut key = Vec::new();
        loop {
            let (tag, body) = read_message(&mut stream).await.unwrap();
            self.replies.extend_from_slice(&body);
            match tag {
                b'K' => {
                    add_number(&mut self.secrets, &body[4..]);
                    key = body;
                }
                b'S' if body.starts_with(b"driver_token\0") => {
                    self.secrets.add("driver_token", &body[13..body.len() - 1]);
                }
                b'Z' => return Login { stream, key, sqlstate: None },
                b'E' => {
                    let sqlstate = Some(field(&body, b'C'));
                    self.replies.extend(until_closed(&mut stream).await);
                    return Login { stream, key, sqlstate };
                }
                _ => {}
            }
        }
    }

    /// Starts a session as `odd` that lives as long as this.
    pub(crate) async fn keep(&mut self, port: u16) {
        let login = self.scram(port, "odd", ODD_PASSWORD, "sales", &[]).await;
        self.kept.push(login);
    }

    /// A login that is to fail so.
    pub(crate) async fn refused(&mut self, proxy: &mut Proxy, conn_id: &str, sqlstate: &str) {
        let login = self
            .scram(proxy.port, "odd", ODD_PASSWORD, conn_id, &[])
            .await;
        assert_eq!(login.sqlstate.as_deref(), Some(sqlstate), "{conn_id}\n{}", proxy.log());
    }
}

pub(crate) struct Login {
    pub(crate) stream: Stream,
    /// Body of BackendKeyData.
    pub(crate) key: Vec<u8>,
    /// The SQLSTATE and text of its refusal.
    pub(crate) sqlstate: Option<String>,
}

/// Ends the proxy: its log, to the last line.
pub(crate) async fn whole_log(proxy: &mut Proxy) -> String {
    proxy.signal("TERM").await;
    assert_eq!(proxy.exit_code().await, Some(0));
    proxy.wait_for_log("drained").await;
    proxy.log()
}

const QUERY: &str = "select 'query-text-d41d8cd9'";
const PARAMETER: &str = "query-parameter-8f00b204";

/// Simple and extended, then goodbye.
pub(crate) async fn query(login: &mut Login) {
    let parse = message(b'P', &[b"\0", QUERY.as_bytes(), b" || $1::text\0\0\0"].concat());
    let length = u32::try_from(PARAMETER.len()).unwrap().to_be_bytes();
    let bind = message(b'B', &[b"\0\0\0\0\0\x01", &length[..], PARAMETER.as_bytes(), b"\0\0"].concat());
    let simple = message(b'Q', &[QUERY.as_bytes(), b"\0"].concat());
    let all = [simple, parse, bind, message(b'E', b"\0\0\0\0\0"), message(b'S', b""), message(b'X', b"")].concat();
    say(&mut login.stream, &all).await;
    let answer = until_closed(&mut login.stream).await;
    assert!(
        answer
            .windows(PARAMETER.len())
            .any(|text| text == PARAMETER.as_bytes()),
        "{}",
        answer.escape_ascii()
    );
}

/// The secrets that neither a log nor a client may see.
pub(crate) fn assert_clean(scene: &mut Scene, log: &str) {
    scene.add_aws_secrets();
    assert_clean_text(scene, "the log", &unescaped(log));
    // These are the client's own.
    let own = ["driver_token", "cancel key"];
    let in_replies = Secrets(
        scene
            .secrets
            .0
            .iter()
            .filter(|(name, _)| !own.contains(&&**name))
            .cloned()
            .collect(),
    );
    in_replies.assert_absent("a reply", &String::from_utf8_lossy(&scene.replies));
}

/// The secrets that no text of ours may hold. Those that were said to AWS are known once
/// [`assert_clean`] has been called.
pub(crate) fn assert_clean_text(scene: &Scene, what: &str, text: &str) {
    let mut secrets = Secrets(scene.secrets.0.clone());
    secrets.add("query text", "query-text-d41d8cd9");
    secrets.add("query parameter", PARAMETER);
    secrets.add("password for a user name", TYPED_AS_USER);
    secrets.assert_absent(what, text);
}
