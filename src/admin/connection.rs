//! One connection to an admin address: one request, one answer, each bounded in size and time.

use std::convert::Infallible;
use std::future::pending;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::debug;

use super::handler::Handler;
use super::places::Place;
use super::progress::Progress;

/// The most bytes of a request's head: request line and headers.
const MAX_HEAD: usize = 16 * 1024;

/// The most headers of a request.
const MAX_HEADERS: usize = 64;

/// The time for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The time from the head of a request until its answer is made; of an answer that comes line by
/// line, from its last line to its end.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The time for an answer to be read, however short it is.
const SENDING_TIMEOUT: Duration = Duration::from_secs(5);

/// The bytes of an answer that a client reads in a second at least, beyond [`SENDING_TIMEOUT`].
const SLOWEST: u64 = 64 * 1024;

/// How long, and how many bytes, a client may go on sending what is not read, so that it reads the
/// answer before the connection is reset.
const LINGER: (Duration, u64) = (Duration::from_secs(1), 64 * 1024);

/// Serves a connection until its one request is answered, its time is over, or its place is lost.
pub(super) async fn serve(stream: TcpStream, from: IpAddr, handler: Arc<Handler>, place: Place) {
    // In this order they are dropped too if the task is: the place is free when the socket is closed.
    let (place, mut stream) = (place, stream);
    // The other side may be gone while lines are still to come.
    if let Err(error) = SockRef::from(&stream).set_tcp_user_timeout(Some(ANSWER_TIMEOUT)) {
        debug!(error = error.to_string().as_str(), "an admin connection was lost");
        return;
    }
    let (progress, watched) = watch::channel(Progress::Head);
    let place = &place;
    let answer = |request: Request<Incoming>| {
        progress.send_replace(Progress::Answer);
        let (handler, progress) = (Arc::clone(&handler), progress.clone());
        async move {
            let answer = handler.answer(request, from, place, progress.clone()).await;
            if let Some(bytes) = answer.body().size_hint().exact() {
                progress.send_replace(Progress::Sending(bytes));
            }
            Ok::<_, Infallible>(answer)
        }
    };
    let connection = http1::Builder::new()
        // One request for each connection: its bounds are then those of the connection.
        .keep_alive(false)
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_header_size(MAX_HEAD)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(&mut stream), service_fn(answer));
    let is_over = tokio::select! {
        served = connection => {
            if let Err(error) = served {
                debug!(client_addr = from.to_string().as_str(), error = error.to_string().as_str(), "an admin request failed");
            }
            true
        }
        () = time_is_over(watched) => false,
        () = place.lost() => false,
    };
    if is_over {
        place.answered();
        // Whoever takes the place closes the socket at once.
        tokio::select! {
            () = linger(&mut stream) => {}
            () = place.lost() => {}
        }
    }
    // The place is free when the socket is closed.
    drop(stream);
}

/// Resolves when the request has taken too long.
async fn time_is_over(mut progress: watch::Receiver<Progress>) {
    loop {
        let now = *progress.borrow_and_update();
        let over = async {
            match now {
                Progress::Answer => sleep(ANSWER_TIMEOUT).await,
                Progress::Sending(bytes) => sleep(SENDING_TIMEOUT + Duration::from_secs(bytes / SLOWEST)).await,
                Progress::Head | Progress::Action => pending().await,
            }
        };
        tokio::select! {
            () = over => return,
            changed = progress.changed() => if changed.is_err() {
                // The request is over, and its answer is being sent.
                return sleep(ANSWER_TIMEOUT).await;
            }
        }
    }
}

/// Reads what a client still sends, so that it is not reset before it has read its answer.
async fn linger(stream: &mut TcpStream) {
    let (time, bytes) = LINGER;
    // It fails where the other side is gone.
    let _gone = stream.shutdown().await;
    let mut rest = stream.take(bytes);
    let mut read = [0; 1024];
    let reading = async { while rest.read(&mut read).await.is_ok_and(|count| count > 0) {} };
    let _late = timeout(time, reading).await;
}
