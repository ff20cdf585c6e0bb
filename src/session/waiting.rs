//! A client that is logged in and waits for its warehouse: it is watched for leaving, and sent a
//! notice if it waits for long.

use std::pin::pin;
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::{sleep, timeout};

use super::error::SessionError;
use super::facts::Stage;
use super::stalled::Stalled;
use crate::wire::Wire;
use crate::wire::notice::Notice;

/// How long the client waits, from AuthenticationOk on, before it is told what it waits for.
/// Drivers take no notice before AuthenticationOk.
const NOTICE_AFTER: Duration = Duration::from_secs(5);

/// The NoticeResponse that tells the client what its login waits for.
pub(super) fn notice(stage: Stage, conn_id: &str) -> BytesMut {
    let notice = match stage {
        Stage::AwaitsWarehouse => Notice::waiting_for_warehouse,
        Stage::LoggingIn | Stage::AwaitsCredential | Stage::Relays(_) | Stage::Console(_) => {
            Notice::waiting_for_credential
        }
    };
    notice(conn_id).encode()
}

/// Goes on with `work` as long as the client is there, and sends it `notice` once if that takes a
/// while. A client that has not taken the notice after `max_wait` is given up.
pub(super) async fn attended<T>(
    client: &mut Wire,
    max_wait: Duration,
    notice: impl Fn() -> BytesMut,
    work: impl Future<Output = Result<T, SessionError>>,
) -> Result<T, SessionError> {
    let mut work = pin!(work);
    tokio::select! {
        biased;
        outcome = &mut work => return outcome,
        gone = client.gone() => return Err(SessionError::ClientGone(gone)),
        () = sleep(NOTICE_AFTER) => {}
    }
    // Nothing else goes on meanwhile: half a notice would be taken for the beginning of whatever
    // comes next.
    let told = timeout(max_wait, client.send_bytes(&notice())).await;
    told.map_err(|_elapsed| SessionError::StartupTimeout(Stalled::Notice))?
        .map_err(SessionError::ClientGone)?;
    tokio::select! {
        biased;
        outcome = work => outcome,
        gone = client.gone() => Err(SessionError::ClientGone(gone)),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::pending;

    use tokio::io::{AsyncReadExt, DuplexStream};
    use tokio::time::Instant;

    use super::*;
    use crate::stream::Io;
    use crate::wire;

    const MAX_WAIT: Duration = Duration::from_secs(15);

    /// A client whose connection holds this many bytes, and its other end.
    fn client(holds: usize) -> (Wire, DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(holds);
        (Wire::new(Box::new(Io(ours))), theirs)
    }

    fn waits_for_credential() -> BytesMut {
        notice(Stage::AwaitsCredential, "sales")
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_of_less_than_5_s_sends_no_notice() {
        let (mut wire, mut theirs) = client(4096);
        let work = async {
            sleep(NOTICE_AFTER).await;
            Ok(1)
        };
        assert_eq!(
            attended(&mut wire, MAX_WAIT, waits_for_credential, work)
                .await
                .unwrap(),
            1
        );
        drop(wire);
        assert_eq!(theirs.read(&mut [0]).await.unwrap(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_longer_wait_sends_one_notice_with_its_cause() {
        let (mut wire, mut theirs) = client(4096);
        let stage = Cell::new(Stage::AwaitsCredential);
        let work = async {
            sleep(Duration::from_secs(4)).await;
            stage.set(Stage::AwaitsWarehouse);
            sleep(Duration::from_secs(600)).await;
            Ok(())
        };
        attended(&mut wire, MAX_WAIT, || notice(stage.get(), "sales"), work)
            .await
            .unwrap();
        drop(wire);
        let mut told = Vec::new();
        theirs.read_to_end(&mut told).await.unwrap();
        let fields =
            b"SNOTICE\0VNOTICE\0C00000\0Mwaiting for the warehouse of \"sales\": an idle one takes a while to wake\0\0";
        assert_eq!(told, wire::message(b'N', fields));
        assert!(waits_for_credential().ends_with(b"Mwaiting for a credential for \"sales\"\0\0"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_nothing_is_given_up() {
        let ((mut wire, theirs), began) = (client(8), Instant::now());
        let ended = attended(&mut wire, MAX_WAIT, waits_for_credential, pending::<Result<(), _>>()).await;
        assert!(matches!(ended, Err(SessionError::StartupTimeout(Stalled::Notice))), "{ended:?}");
        assert_eq!(began.elapsed(), NOTICE_AFTER + MAX_WAIT);
        drop(theirs);
    }

    #[tokio::test(start_paused = true)]
    async fn work_ends_when_the_client_leaves() {
        for after in [0, 60] {
            let ((mut wire, theirs), began) = (client(4096), Instant::now());
            let leave = async move {
                sleep(Duration::from_secs(after)).await;
                drop(theirs);
            };
            let (ended, ()) =
                tokio::join!(attended(&mut wire, MAX_WAIT, waits_for_credential, pending::<Result<(), _>>()), leave);
            assert!(matches!(ended, Err(SessionError::ClientGone(_))), "{ended:?}");
            assert_eq!(began.elapsed().as_secs(), after);
        }
    }
}
