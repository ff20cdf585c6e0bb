//! Bytes both ways between a client and its session of PostgreSQL's.
//!
//! At `client_protocol_version` 1 and above Redshift adds to each column of a RowDescription, and
//! drivers that asked for it fail without; so there the backend's messages are told apart, and
//! those are rewritten. Section 3 of the project's notes on Redshift's protocol. Where statements
//! are to be read as Redshift reads them, the client's messages are told apart as well, and those
//! that hold one are put into PostgreSQL's words.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter};
use tokio::io::{copy_bidirectional_with_sizes, copy_buf, split};

use super::{Statements, dialect};
use crate::wire;

/// The size of the buffer of each direction, in bytes.
const BUFFER_BYTES: usize = 64 * 1024;

/// Longest message rewritten, in bytes: the RowDescription of 1600 columns with the longest of
/// names.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// The flag word of every column: searchable.
const FLAGS: u16 = 1 << 12;

/// Returns when both sides have ended their half, each end having been passed on.
pub(super) async fn run<C, B>(mut client: C, mut backend: B, level: u32, statements: Statements) -> io::Result<()>
where
    C: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    if level == 0 && statements == Statements::Untouched {
        return copy_bidirectional_with_sizes(&mut client, &mut backend, BUFFER_BYTES, BUFFER_BYTES)
            .await
            .map(drop);
    }
    let (from_client, to_client) = split(client);
    let (from_backend, mut to_backend) = split(backend);
    let up = async {
        match statements {
            Statements::Untouched => copy(from_client, &mut to_backend).await,
            Statements::Redshift => rewrite(from_client, to_backend, &STATEMENTS).await,
        }
    };
    let down = async {
        if level == 0 {
            copy(from_backend, to_client).await
        } else {
            rewrite(from_backend, to_client, &DESCRIPTIONS).await
        }
    };
    tokio::try_join!(up, down).map(drop)
}

async fn copy<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(from: R, mut to: W) -> io::Result<()> {
    copy_buf(&mut BufReader::with_capacity(BUFFER_BYTES, from), &mut to).await?;
    to.shutdown().await
}

/// Rewrites the messages of one direction of a session.
struct Rewriting {
    /// Whether a message of this kind and length is looked at; it is held as a whole then.
    wants: fn(kind: u8, length: u32) -> bool,
    /// Another body for it; `None`: its own.
    rewritten: fn(kind: u8, body: &[u8]) -> Rewritten,
}

type Rewritten = io::Result<Option<Vec<u8>>>;

const DESCRIPTIONS: Rewriting = Rewriting {
    wants: |kind, _| kind == b'T',
    rewritten: |_, body| {
        described(body)
            .map(Some)
            .ok_or_else(|| wire::malformed("RowDescription of PostgreSQL"))
    },
};

const STATEMENTS: Rewriting =
    Rewriting { wants: dialect::is_statement, rewritten: |kind, body| Ok(dialect::message(kind, body)) };

async fn rewrite<R, W>(from: R, to: W, rewriting: &Rewriting) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut from = BufReader::with_capacity(BUFFER_BYTES, from);
    let mut to = BufWriter::with_capacity(BUFFER_BYTES, to);
    loop {
        if from.buffer().is_empty() {
            // Nothing more is at hand, so what there is goes out.
            to.flush().await?;
            if from.fill_buf().await?.is_empty() {
                return to.shutdown().await;
            }
        }
        let (kind, length) = (from.read_u8().await?, from.read_u32().await?);
        if (rewriting.wants)(kind, length) {
            let body = wire::read_body(&mut from, length, 1, MAX_BODY_BYTES).await?;
            let body = (rewriting.rewritten)(kind, &body)?.unwrap_or(body);
            to.write_all(&wire::message(kind, &body)).await?;
        } else {
            to.write_u8(kind).await?;
            to.write_u32(length).await?;
            let left = usize::try_from(length.saturating_sub(4)).map_err(io::Error::other)?;
            pass(&mut from, &mut to, left).await?;
        }
    }
}

/// Passes a message's body on, however long, flushing only while the rest of it is on its way.
async fn pass<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    from: &mut BufReader<R>,
    to: &mut W,
    mut left: usize,
) -> io::Result<()> {
    while left > 0 {
        if from.buffer().is_empty() {
            to.flush().await?;
        }
        let chunk = from.fill_buf().await?;
        let chunk = chunk.get(..left.min(chunk.len())).unwrap_or(chunk);
        if chunk.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        to.write_all(chunk).await?;
        let passed = chunk.len();
        from.consume(passed);
        left -= passed;
    }
    Ok(())
}

/// Adds schema, table, column and catalog, and the flags, to every field. Only the column's name is
/// known here.
fn described(body: &[u8]) -> Option<Vec<u8>> {
    let (count, mut rest) = body.split_first_chunk::<2>()?;
    let mut extended = count.to_vec();
    for _ in 0..u16::from_be_bytes(*count) {
        let (name, after) = wire::text(rest)?;
        let (fixed, after) = after.split_at_checked(18)?;
        wire::push_text(&mut extended, name);
        extended.extend_from_slice(fixed);
        for text in ["", "", name, ""] {
            wire::push_text(&mut extended, text);
        }
        extended.extend(FLAGS.to_be_bytes());
        rest = after;
    }
    rest.is_empty().then_some(extended)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The level 0 description of one int4 column `n`, and what level 1 makes of it.
    #[tokio::test]
    async fn descriptions_are_extended_and_all_else_is_left_alone() {
        let fixed = b"\0\0\x40\0\0\x01\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0";
        let plain = wire::message(b'T', &[b"\0\x01n\0", fixed.as_slice()].concat());
        let rich = wire::message(b'T', &[b"\0\x01n\0", fixed.as_slice(), b"\0\0n\0\0\x10\0"].concat());
        let row = wire::message(b'D', &[b'T'; 200_000]);
        let mut out = Vec::new();
        rewrite([plain, row.clone()].concat().as_slice(), &mut out, &DESCRIPTIONS)
            .await
            .unwrap();
        assert!(out == [rich, row].concat());
    }

    #[tokio::test]
    async fn statements_are_put_into_postgresqls_words_and_all_else_is_left_alone() {
        let redshift = wire::message(b'Q', b"create table t (a varchar(max))\0");
        let postgres = wire::message(b'Q', b"create table t (a varchar(65535))\0");
        let (other, data) = (wire::message(b'Q', b"select 1\0"), wire::message(b'd', &[b'Q'; 200_000]));
        let long = wire::message(b'Q', &[b"varchar(max)", [b' '; 100_000].as_slice(), b"\0"].concat());
        let mut out = Vec::new();
        let said = [redshift, other.clone(), data.clone(), long.clone()].concat();
        rewrite(said.as_slice(), &mut out, &STATEMENTS)
            .await
            .unwrap();
        assert!(out == [postgres, other, data, long].concat());
    }
}
