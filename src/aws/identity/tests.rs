//! Keys on a paused clock, from a source that is told what to answer.

use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::advance;

use super::held_keys::{AHEAD, ENDLESS_LIFE, LEAST_LIFE};
use super::*;
use crate::clock::TokioClock;

/// A source that answers what it was told last.
struct Scripted {
    says: std::sync::Mutex<Result<(&'static str, Option<Duration>), &'static str>>,
    loads: AtomicUsize,
    files: Vec<PathBuf>,
    clock: Arc<TokioClock>,
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

impl KeySource for Arc<Scripted> {
    fn load(&self) -> BoxFuture<'_, Loaded> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        let says = *self.says.lock().unwrap();
        let end = |life: Option<Duration>| life.map(|life| self.clock.now() + life);
        let keys = says.map(|(id, life)| Credentials::new(id, "secret", None, end(life), "test"));
        if says == Err(HANGS) {
            return futures_util::future::pending().boxed();
        }
        async move { keys.map_err(CredentialsError::provider_error) }.boxed()
    }

    fn file_marks(&self) -> BoxFuture<'_, Vec<FileMark>> {
        async { file_marks(&self.files) }.boxed()
    }

    /// The letter that the id begins with.
    fn principal<'a>(&'a self, keys: &'a Credentials) -> BoxFuture<'a, Option<String>> {
        let letter = keys
            .access_key_id()
            .chars()
            .next()
            .filter(|letter| *letter != '?')
            .map(String::from);
        async move { letter }.boxed()
    }
}

fn identity(id: &'static str, life: Option<Duration>, files: Vec<PathBuf>) -> (BaseIdentity, Arc<Scripted>) {
    let clock = Arc::new(TokioClock::start());
    let (says, loads) = (std::sync::Mutex::new(Ok((id, life))), AtomicUsize::new(0));
    let scripted = Arc::new(Scripted { says, loads, files, clock: Arc::clone(&clock) });
    (BaseIdentity::new(Box::new(Arc::clone(&scripted)), clock), scripted)
}

impl Scripted {
    fn say(&self, says: Result<(&'static str, Option<Duration>), &'static str>) {
        *self.says.lock().unwrap() = says;
    }

    fn loads(&self) -> usize {
        self.loads.load(Ordering::Relaxed)
    }
}

async fn id(identity: &BaseIdentity) -> Result<String, ()> {
    identity
        .provide_credentials()
        .await
        .map(|keys| keys.access_key_id().to_owned())
        .map_err(|_why| ())
}

/// A source that says this never ends.
const HANGS: &str = "hangs";

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn keys_are_held_and_replaced_ahead_of_their_end() {
    let (identity, scripted) = identity("A", Some(HOUR), Vec::new());
    for _ in 0..3 {
        assert_eq!(id(&identity).await.as_deref(), Ok("A"));
    }
    assert_eq!(scripted.loads(), 1);
    advance(HOUR - AHEAD - Duration::from_secs(1)).await;
    scripted.say(Ok(("B", None)));
    assert_eq!(id(&identity).await.as_deref(), Ok("A"));
    advance(Duration::from_secs(2)).await;
    assert_eq!(id(&identity).await.as_deref(), Ok("B"));
    advance(ENDLESS_LIFE).await;
    scripted.say(Ok(("C", None)));
    assert_eq!(id(&identity).await.as_deref(), Ok("C"));
    assert_eq!((scripted.loads(), identity.generation()), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn keys_that_cannot_be_replaced_serve_to_their_end() {
    let (identity, scripted) = identity("A", Some(HOUR), Vec::new());
    id(&identity).await.unwrap();
    scripted.say(Err("away"));
    advance(HOUR - AHEAD).await;
    for loads in 2..=4 {
        assert_eq!(id(&identity).await.as_deref(), Ok("A"));
        assert_eq!(id(&identity).await.as_deref(), Ok("A"), "a pause is kept");
        assert_eq!(scripted.loads(), loads);
        advance(PAUSE).await;
    }
    advance(AHEAD - PAUSE * 3 - LEAST_LIFE).await;
    assert_eq!(id(&identity).await, Err(()));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_changes_is_read_again_within_half_a_minute() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let (identity, scripted) = identity("A", None, vec![file.path().to_owned()]);
    id(&identity).await.unwrap();
    advance(FILES_INTERVAL).await;
    assert_eq!(id(&identity).await.as_deref(), Ok("A"));
    assert_eq!(scripted.loads(), 1, "it has not changed");
    // Half written at first.
    std::fs::write(file.path(), "half").unwrap();
    scripted.say(Err("it does not parse"));
    advance(FILES_INTERVAL).await;
    assert_eq!(id(&identity).await.as_deref(), Ok("A"));
    scripted.say(Ok(("B", None)));
    advance(PAUSE).await;
    assert_eq!(id(&identity).await.as_deref(), Ok("B"));
    assert_eq!(scripted.loads(), 3);
}

#[tokio::test(start_paused = true)]
async fn keys_that_aws_refuses_are_loaded_again_once_in_a_while() {
    let (identity, scripted) = identity("A", None, Vec::new());
    id(&identity).await.unwrap();
    let seen = identity.generation();
    assert!(!identity.renew(seen).await, "the same ones again");
    scripted.say(Ok(("B", None)));
    assert!(!identity.renew(seen).await);
    assert_eq!(scripted.loads(), 2, "a pause is kept");
    advance(PAUSE).await;
    assert!(identity.renew(seen).await);
    assert_eq!(id(&identity).await.as_deref(), Ok("B"));
    // Another call that was made under the old ones.
    assert!(identity.renew(seen).await);
    assert_eq!(scripted.loads(), 3);
}

#[tokio::test(start_paused = true)]
async fn good_keys_serve_while_a_load_hangs() {
    let (identity, scripted) = identity("A", Some(HOUR), Vec::new());
    id(&identity).await.unwrap();
    scripted.say(Err(HANGS));
    advance(HOUR - AHEAD).await;
    let began = Instant::now();
    for _ in 0..100 {
        assert_eq!(id(&identity).await.as_deref(), Ok("A"));
    }
    assert_eq!(
        (began.elapsed().as_secs(), scripted.loads()),
        (RENEWAL_WAIT.as_secs(), 2),
        "who is first waits a little"
    );
    tokio::time::sleep(LOAD_TIMEOUT).await;
    scripted.say(Ok(("B", None)));
    assert_eq!(id(&identity).await.as_deref(), Ok("A"), "a pause is kept");
    advance(PAUSE).await;
    assert_eq!(id(&identity).await.as_deref(), Ok("B"));
}

#[tokio::test(start_paused = true)]
async fn a_source_without_keys_is_not_stormed() {
    let (identity, scripted) = identity("A", None, Vec::new());
    scripted.say(Err("away"));
    for _ in 0..3 {
        assert_eq!(id(&identity).await, Err(()));
    }
    assert_eq!(scripted.loads(), 1);
    advance(PAUSE).await;
    scripted.say(Ok(("A", None)));
    assert_eq!(id(&identity).await.as_deref(), Ok("A"));
    assert_eq!((scripted.loads(), identity.generation(), identity.number()), (2, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_load_goes_on_after_its_caller_left() {
    let (identity, scripted) = identity("A", None, Vec::new());
    let mut left = Box::pin(identity.provide_credentials());
    assert!(futures_util::poll!(&mut left).is_pending());
    drop(left);
    let both = tokio::join!(id(&identity), id(&identity));
    assert_eq!((both.0.as_deref(), both.1.as_deref(), scripted.loads()), (Ok("A"), Ok("A"), 1));
}

/// Where the role was skipped that the base identity was, a login under the next one would be
/// somebody else's.
#[tokio::test(start_paused = true)]
async fn another_identity_has_another_number_and_other_keys_of_the_same_have_not() {
    let (identity, scripted) = identity("A1", None, Vec::new());
    id(&identity).await.unwrap();
    for (keys, generation, number) in
        [("A2", 1, 0), ("B1", 2, 1), ("B1", 2, 1), ("B2", 3, 1), ("?", 4, 2), ("?1", 5, 3)]
    {
        scripted.say(Ok((keys, None)));
        advance(ENDLESS_LIFE).await;
        assert_eq!(id(&identity).await.as_deref(), Ok(keys));
        assert_eq!((identity.generation(), identity.number()), (generation, number), "{keys}");
    }
}
