//! A stream in its smallest pieces.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Sends every byte by itself.
pub(crate) struct Drip<S> {
    stream: S,
    wait: bool,
}

impl<S> Drip<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, wait: false }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Drip<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.wait = !self.wait;
        if self.wait {
            // What was taken goes out by itself, and the proxy has its turn.
            cx.waker().wake_by_ref();
            return match Pin::new(&mut self.stream).poll_flush(cx)? {
                Poll::Ready(()) | Poll::Pending => Poll::Pending,
            };
        }
        let one = bytes.len().min(1);
        Pin::new(&mut self.stream).poll_write(cx, &bytes[..one])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Drip<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}
