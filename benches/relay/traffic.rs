//! The bytes that are sent: whole messages, again and again.

use std::fmt;

use redshift_sandbox::wire::message;

/// A kind of stream.
#[derive(Clone, Copy)]
pub(crate) enum Traffic {
    /// DataRows of 8 KiB.
    WideRows,
    /// DataRows of 60 bytes: three or four numbers each.
    NarrowRows,
    /// CopyData of 8 KiB.
    Copy,
    /// Answers to `pgbench -S`: RowDescription, DataRow, CommandComplete, ReadyForQuery.
    Answers,
}

impl Traffic {
    pub(crate) const ALL: [Self; 4] = [Self::WideRows, Self::NarrowRows, Self::Copy, Self::Answers];

    /// Makes a stream of as many messages as fit into `bytes`, and counts them.
    pub(crate) fn stream(self, bytes: usize) -> (Vec<u8>, usize) {
        let unit = self.unit();
        let times = bytes / unit.concat().len();
        (unit.concat().repeat(times), unit.len() * times)
    }

    /// The messages that are repeated: one row, or one answer.
    pub(crate) fn unit(self) -> Vec<Vec<u8>> {
        match self {
            Self::WideRows => vec![message(b'D', &[7; 8192 - 5])],
            Self::NarrowRows => vec![message(b'D', &[7; 60 - 5])],
            Self::Copy => vec![message(b'd', &[7; 8192 - 5])],
            Self::Answers => vec![
                message(b'T', &[7; 29]),
                message(b'D', b"\0\x01\0\0\0\x0512345"),
                message(b'C', b"SELECT 1\0"),
                message(b'Z', b"I"),
            ],
        }
    }
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WideRows => "rows of 8 KiB",
            Self::NarrowRows => "rows of 60 B",
            Self::Copy => "CopyData of 8 KiB",
            Self::Answers => "query answers",
        })
    }
}

/// The query of `pgbench -S`.
pub(crate) fn query() -> Vec<u8> {
    message(b'Q', b"SELECT abalance FROM pgbench_accounts WHERE aid = 12345;\0")
}
