//! Who may use the admin address: its token, and the names that the proxy is reached by.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use aws_lc_rs::digest::{SHA256, digest};

use crate::config::{BadToken, Config, usable_token};
use crate::secret::{Secret, SecretBytes};

/// The bytes of a hash of a token.
type Hashed = SecretBytes<[u8; 32]>;

/// What the configuration says of requests to the admin address. Each configuration makes one; the
/// task that reads references renews the token in it.
pub(crate) struct AdminAccess {
    is_token_configured: bool,
    /// The hash of the token. `None`: there is no token, or it has not been read yet.
    token: ArcSwapOption<Hashed>,
    /// The host of `listen.public_name`, in lower case.
    public_host: Option<String>,
}

/// The verdict on a request's token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum TokenVerdict {
    /// The request has the token.
    Right,
    /// The request has another token.
    Wrong,
    /// The request has none.
    Missing,
    /// The configuration has no token, so that none is right.
    NotConfigured,
    /// AWS keeps the token, and it has not been read yet.
    Unread,
}

impl AdminAccess {
    /// Takes the token and the public name of a configuration. `before` has the token of the same
    /// place, which may not have been read with the configuration.
    pub(crate) fn new(config: &Config, before: Option<&Self>) -> Self {
        let material = config.admin.token.as_ref();
        let token = material.and_then(|material| hashed(material.text.as_ref()?).ok());
        let known = before.and_then(|before| before.token.load_full());
        let public_name = config.listen.public_name.as_ref();
        Self {
            is_token_configured: material.is_some(),
            token: ArcSwapOption::new(token.map(Arc::new).or(known)),
            public_host: public_name.map(|name| name.host.to_ascii_lowercase()),
        }
    }

    /// This token, and no public name.
    #[cfg(test)]
    pub(crate) fn with_token(token: &str) -> Self {
        let token = hashed(&Secret::new(token.to_owned())).ok();
        Self { is_token_configured: true, token: ArcSwapOption::from_pointee(token), public_host: None }
    }

    /// Puts another token in the place of the one before.
    ///
    /// # Errors
    /// The token can be guessed, or no header can hold it; the one before stays.
    pub(crate) fn renew(&self, token: &Secret) -> Result<(), BadToken> {
        self.token.store(Some(hashed(token)?.into()));
        Ok(())
    }

    /// Whether the token is another than in an earlier configuration.
    pub(crate) fn is_renewed_since(&self, before: &Self) -> bool {
        match (&*self.token.load(), &*before.token.load()) {
            (Some(now), Some(then)) => **now != **then,
            (now, then) => now.is_some() != then.is_some(),
        }
    }

    /// Compares the token of a request, in a time that tells nothing of ours.
    pub(crate) fn judge(&self, given: Option<&str>) -> TokenVerdict {
        if !self.is_token_configured {
            return TokenVerdict::NotConfigured;
        }
        let token = self.token.load();
        match (given, &*token) {
            (_, None) => TokenVerdict::Unread,
            (None, Some(_)) => TokenVerdict::Missing,
            (Some(given), Some(token)) if hash(given) == **token => TokenVerdict::Right,
            (Some(_), Some(_)) => TokenVerdict::Wrong,
        }
    }

    /// Whether a name, in lower case, is this proxy's: that of the host itself, or the public one.
    pub(crate) fn is_ours(&self, name: &str) -> bool {
        name == "localhost" || self.public_host.as_deref() == Some(name)
    }
}

/// Hashes a token, so that a comparison does not depend on its length either.
fn hashed(token: &Secret) -> Result<Hashed, BadToken> {
    Ok(hash(usable_token(token.expose())?))
}

fn hash(text: &str) -> Hashed {
    Hashed::of(digest(&SHA256, text.as_bytes()).as_ref())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{self, UnknownKeys};

    const TOKEN: &str = "0123456789abcdef";

    fn access(text: &str) -> AdminAccess {
        let env = |name: &str| (name == "TOKEN").then(|| format!("{TOKEN}\n"));
        let config = config::parse(text, Path::new("proxy.toml"), &env, UnknownKeys::Refuse);
        AdminAccess::new(&config.unwrap_or_else(|problems| panic!("{problems}")), None)
    }

    #[test]
    fn a_token_is_right_only_if_it_is_the_whole_one() {
        let configured = access("[admin]\ntoken = \"env:TOKEN\"");
        for (given, want) in [
            (Some(TOKEN), TokenVerdict::Right),
            (Some("0123456789abcdeF"), TokenVerdict::Wrong),
            (Some("0123456789abcde"), TokenVerdict::Wrong),
            (Some("0123456789abcdef0"), TokenVerdict::Wrong),
            (Some(""), TokenVerdict::Wrong),
            (None, TokenVerdict::Missing),
        ] {
            assert_eq!(configured.judge(given), want, "{given:?}");
        }
        for given in [None, Some(""), Some(TOKEN)] {
            assert_eq!(access("").judge(given), TokenVerdict::NotConfigured);
            assert_eq!(access("[admin]\ntoken = \"ssm:/token\"").judge(given), TokenVerdict::Unread);
        }
    }

    #[test]
    fn a_token_is_renewed_and_a_bad_one_leaves_the_last() {
        let renewed = access("[admin]\ntoken = \"ssm:/token\"");
        let token = |text: &str| Secret::new(text.to_owned());
        renewed.renew(&token("another-token-0123\n")).unwrap();
        assert_eq!(renewed.judge(Some("another-token-0123")), TokenVerdict::Right);
        assert!(renewed.renew(&token("short")).is_err());
        assert_eq!(renewed.renew(&token("aaaaaaaaaaaaaaaaaaaaaaaa")), Err(BadToken::Repetitive));
        assert_eq!(renewed.renew(&token("abcdabcdabcdabcdabcdabcd")), Err(BadToken::Repetitive));
        assert_eq!(renewed.judge(Some("another-token-0123")), TokenVerdict::Right);
        assert_eq!(renewed.judge(Some("short")), TokenVerdict::Wrong);
    }

    #[test]
    fn names_of_the_proxy_are_its_public_one_and_localhost() {
        let named = access("[listen]\npublic_name = \"DW.example.com:5439\"");
        for (name, want) in [
            ("localhost", true),
            ("dw.example.com", true),
            ("example.com", false),
            ("dw.example.com.evil.test", false),
            ("", false),
        ] {
            assert_eq!(named.is_ours(name), want, "{name}");
        }
        assert!(!access("").is_ours(""));
    }
}
