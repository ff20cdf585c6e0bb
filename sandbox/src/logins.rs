//! The book of database logins: what GetCredentials and its kin minted and the warehouse accepts.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use base64::Engine;

/// A password with no more life than this left is not handed out again.
const REISSUE_FLOOR: Duration = Duration::from_secs(60);

/// A database user with a temporary password.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Login {
    /// The user that a client gives at login, for example `IAMR:rs01` or `IAMA:adam:readers`.
    pub user: String,
    /// The user that a session of it is in the database: `IAMR:rs01`, `adam`.
    pub role: String,
    /// Base64 text, as long as AWS's are.
    pub password: String,
    /// Checked at login only.
    pub expires_at: SystemTime,
}

/// Called with each new login before it is handed out; it may create the user in a real database.
pub type Provision = Arc<dyn Fn(Login) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// All logins that are honoured, and the clock they are judged by.
pub struct Logins {
    provision: Option<Provision>,
    fixed: Option<Fixed>,
    book: Mutex<Book>,
}

/// The one login that every caller gets.
struct Fixed {
    user: String,
    password: String,
}

#[derive(Default)]
struct Book {
    by_user: HashMap<String, Vec<Login>>,
    clock_ahead: Duration,
    rotate: bool,
    life: Option<Duration>,
}

impl Logins {
    /// An empty book. `provision` sees every login before its first use.
    #[must_use]
    pub fn new(provision: Option<Provision>) -> Arc<Self> {
        Arc::new(Self { provision, fixed: None, book: Mutex::default() })
    }

    /// A book with one user and one password, which every mint yields, whoever it is for. Only the
    /// expiry is new, each time.
    #[must_use]
    pub fn fixed(user: impl Into<String>, password: impl Into<String>) -> Arc<Self> {
        let fixed = Some(Fixed { user: user.into(), password: password.into() });
        Arc::new(Self { provision: None, fixed, book: Mutex::default() })
    }

    /// The sandbox's idea of now: the wall clock, plus what [`Logins::advance`] added.
    pub fn now(&self) -> SystemTime {
        self.book().now()
    }

    /// Moves the sandbox's clock forward.
    pub fn advance(&self, by: Duration) {
        self.book().clock_ahead += by;
    }

    /// Lets every mint yield a new password from now on, also where an old one has life left.
    pub fn rotate(&self) {
        self.book().rotate = true;
    }

    /// Sets the life of passwords minted from now on. `None`: as long as the caller asks for.
    pub fn set_life(&self, life: Option<Duration>) {
        self.book().life = life;
    }

    /// Forgets every login: the warehouse refuses them from now on, and the next mint makes a new
    /// one.
    pub fn revoke_all(&self) {
        self.book().by_user.clear();
    }

    /// A login for `user` that lives for `life`: the last one again while over 60 s of it are left.
    pub async fn mint(&self, user: &str, life: Duration) -> Login {
        self.mint_as(user, user, life).await
    }

    /// Mints a login whose sessions are `role`'s in the database.
    pub async fn mint_as(&self, user: &str, role: &str, life: Duration) -> Login {
        if let Some(Fixed { user, password }) = &self.fixed {
            return self.book().enter(user, user, password, life);
        }
        let (login, is_new) = self.book().mint(user, role, life);
        if let (true, Some(provision)) = (is_new, &self.provision) {
            provision(login.clone()).await;
        }
        login
    }

    /// A login that looks like any other and is not honoured: what AWS gives for a database user
    /// that does not exist.
    #[must_use]
    pub fn hollow(&self, user: &str, role: &str, life: Duration) -> Login {
        let book = self.book();
        let expires_at = book.now() + book.life.unwrap_or(life);
        Login { user: user.to_owned(), role: role.to_owned(), password: password(), expires_at }
    }

    /// The passwords that would be accepted for `user` now.
    pub fn valid(&self, user: &str) -> Vec<Login> {
        let book = self.book();
        let now = book.now();
        book.by_user
            .get(user)
            .into_iter()
            .flatten()
            .filter(|login| login.expires_at > now)
            .cloned()
            .collect()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn now(&self) -> SystemTime {
        SystemTime::now() + self.clock_ahead
    }

    fn mint(&mut self, user: &str, role: &str, life: Duration) -> (Login, bool) {
        let floor = self.now() + REISSUE_FLOOR;
        let last = self.by_user.get(user).and_then(|issued| issued.last());
        match last.filter(|last| !self.rotate && last.expires_at > floor && last.role == role) {
            Some(last) => (last.clone(), false),
            None => (self.enter(user, role, &password(), life), true),
        }
    }

    /// A new entry; the expired ones of this user go.
    fn enter(&mut self, user: &str, role: &str, password: &str, life: Duration) -> Login {
        let now = self.now();
        let expires_at = now + self.life.unwrap_or(life);
        let (user, role, password) = (user.to_owned(), role.to_owned(), password.to_owned());
        let login = Login { user, role, password, expires_at };
        let issued = self.by_user.entry(login.user.clone()).or_default();
        // One entry a password: the same one anew lives on.
        issued.retain(|old| old.expires_at > now && old.password != login.password);
        issued.push(login.clone());
        login
    }
}

impl fmt::Debug for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logins").finish_non_exhaustive()
    }
}

/// 150 random bytes: base64 with `+ / =`, longer than the fixed buffers that have bitten others.
fn password() -> String {
    let mut bytes = [0; 151];
    // Fails only where the system has no entropy source; a constant would still be a working
    // password here.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(900);

    #[tokio::test]
    async fn a_password_is_handed_out_again_while_over_a_minute_is_left() {
        let logins = Logins::new(None);
        let first = logins.mint("IAMR:a", LIFE).await;
        logins.advance(Duration::from_secs(800));
        assert_eq!(logins.mint("IAMR:a", LIFE).await, first);
        logins.advance(Duration::from_secs(50));
        let second = logins.mint("IAMR:a", LIFE).await;
        assert_ne!(second.password, first.password);
        assert_eq!(logins.valid("IAMR:a").len(), 2, "the old one works until it expires");
    }

    #[tokio::test]
    async fn an_expired_or_revoked_login_is_not_valid() {
        let logins = Logins::new(None);
        logins.mint("IAMR:a", LIFE).await;
        logins.advance(LIFE);
        assert_eq!(logins.valid("IAMR:a"), []);
        logins.mint("IAMR:a", LIFE).await;
        logins.revoke_all();
        assert_eq!(logins.valid("IAMR:a"), []);
    }

    #[tokio::test]
    async fn a_fixed_login_is_everybody_s_and_lives_anew_with_each_mint() {
        let logins = Logins::fixed("up", "secret");
        let first = logins.mint("IAMR:a", LIFE).await;
        assert_eq!((first.user.as_str(), first.password.as_str()), ("up", "secret"));
        logins.advance(Duration::from_secs(10));
        let second = logins.mint("IAMR:b", LIFE).await;
        assert_eq!((second.user.as_str(), second.password.as_str()), ("up", "secret"));
        assert!(second.expires_at >= first.expires_at + Duration::from_secs(10));
        assert_eq!((logins.valid("up"), logins.valid("IAMR:a")), (vec![second], vec![]));
    }

    #[tokio::test]
    async fn rotation_makes_a_new_password_each_time() {
        let logins = Logins::new(None);
        logins.rotate();
        assert_ne!(logins.mint("IAMR:a", LIFE).await.password, logins.mint("IAMR:a", LIFE).await.password);
    }

    #[tokio::test]
    async fn a_hollow_login_is_not_honoured() {
        let logins = Logins::new(None);
        let hollow = logins.hollow("IAM:eve", "eve", LIFE);
        assert!(hollow.password.len() > 100 && hollow.expires_at > logins.now());
        assert_eq!(logins.valid("IAM:eve"), []);
    }

    #[tokio::test]
    async fn one_user_may_have_several_names_in_the_database() {
        let logins = Logins::new(None);
        let first = logins.mint("IAM:proxy", LIFE).await;
        let second = logins.mint_as("IAM:proxy", "proxy", LIFE).await;
        assert_eq!((first.role.as_str(), second.role.as_str()), ("IAM:proxy", "proxy"));
        assert_ne!(first.password, second.password);
    }
}
