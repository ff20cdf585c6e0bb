//! The messages of the protocol that a console reads and writes (PostgreSQL, "Message Formats").
//!
//! Framing is [`wire`]'s; the bodies are read here, since pgwire's decoders panic on short ones.

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};

use super::answer::{Column, Value};
use super::error::ConsoleError;
use super::text::harmless;
use super::value::Format;
use crate::wire::{self, Frame};

/// Most parameters and formats of one Bind that are read: more than a table has columns.
const MAX_LISTED: u16 = 100;

/// A message of the client's.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Asked<'f> {
    /// A text of commands, in the simple protocol.
    Query(&'f str),
    /// A text that becomes a prepared statement of this name, with the number of its parameters'
    /// types.
    Parse { name: &'f str, text: &'f str, types: u16 },
    /// A prepared statement that becomes a portal.
    Bind { portal: &'f str, statement: &'f str, formats: Vec<Format>, parameters: u16 },
    /// A question for the columns of a statement or portal.
    Describe(Object<'f>),
    /// A portal that is to be run, with the most rows that the client wants; 0: all.
    Execute { portal: &'f str, max_rows: u32 },
    /// A statement or portal that is to be forgotten.
    Close(Object<'f>),
    /// The client waits for what it has asked so far.
    Flush,
    /// The client has asked all that belongs together.
    Sync,
    /// A function call, which PostgreSQL itself keeps for old clients alone.
    FunctionCall,
    /// Data of a COPY, which PostgreSQL ignores where there is none.
    Copy,
    /// The client ends the session.
    Terminate,
}

/// A statement or a portal, by its name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Object<'f> {
    Statement(&'f str),
    Portal(&'f str),
}

impl<'f> Asked<'f> {
    /// Reads a message. `None`: there is no message of this type, or it has no place behind a
    /// login.
    pub(super) fn read(frame: &'f Frame) -> Option<Result<Self, ConsoleError>> {
        let mut body = Body(frame.body());
        let read = match frame.tag() {
            b'Q' => body.text().map(Self::Query),
            b'P' => body.parse(),
            b'B' => body.bind(),
            b'D' => body.object().map(Self::Describe),
            b'E' => body.execute(),
            b'C' => body.object().map(Self::Close),
            b'H' => Some(Self::Flush),
            b'S' => Some(Self::Sync),
            b'X' => Some(Self::Terminate),
            b'F' => return Some(Ok(Self::FunctionCall)),
            b'd' | b'c' | b'f' => return Some(Ok(Self::Copy)),
            _ => return None,
        };
        let whole = read.filter(|_| body.0.is_empty());
        Some(whole.ok_or_else(|| ConsoleError::protocol("invalid message format, or text that is not UTF-8")))
    }
}

/// The rest of a message's body.
struct Body<'f>(&'f [u8]);

impl<'f> Body<'f> {
    fn text(&mut self) -> Option<&'f str> {
        wire::take_cstr(&mut self.0)
    }

    fn bytes(&mut self, count: usize) -> Option<&'f [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.bytes(2)?.try_into().ok()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.bytes(4)?.try_into().ok()?))
    }

    fn object(&mut self) -> Option<Object<'f>> {
        match self.bytes(1)? {
            b"S" => self.text().map(Object::Statement),
            b"P" => self.text().map(Object::Portal),
            _ => None,
        }
    }

    fn parse(&mut self) -> Option<Asked<'f>> {
        let (name, text, types) = (self.text()?, self.text()?, self.u16()?);
        self.bytes(4 * usize::from(types))?;
        Some(Asked::Parse { name, text, types })
    }

    fn bind(&mut self) -> Option<Asked<'f>> {
        let (portal, statement) = (self.text()?, self.text()?);
        self.formats()?;
        let parameters = self.u16()?;
        for _ in 0..parameters {
            let length = self.u32()?.cast_signed();
            // -1 is NULL.
            self.bytes(usize::try_from(length.max(0)).ok()?)?;
        }
        let formats = self.formats()?;
        Some(Asked::Bind { portal, statement, formats, parameters })
    }

    fn formats(&mut self) -> Option<Vec<Format>> {
        let count = Some(self.u16()?).filter(|count| *count <= MAX_LISTED)?;
        let format = |code| match code {
            0 => Some(Format::Text),
            1 => Some(Format::Binary),
            _ => None,
        };
        (0..count).map(|_| self.u16().and_then(format)).collect()
    }

    fn execute(&mut self) -> Option<Asked<'f>> {
        Some(Asked::Execute { portal: self.text()?, max_rows: self.u32()? })
    }
}

/// Writes a message of a type byte, the length, and the body that `write` writes.
fn put(into: &mut BytesMut, tag: u8, write: impl FnOnce(&mut BytesMut)) {
    into.put_u8(tag);
    let at = into.len();
    into.put_u32(0);
    write(into);
    let length = u32::try_from(into.len() - at).unwrap_or(u32::MAX);
    if let Some(place) = into.get_mut(at..at + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

/// Writes a message without a body.
pub(super) fn put_bare(into: &mut BytesMut, tag: u8) {
    put(into, tag, |_| {});
}

/// ParseComplete.
pub(super) const PARSE_COMPLETE: u8 = b'1';
/// BindComplete.
pub(super) const BIND_COMPLETE: u8 = b'2';
/// CloseComplete.
pub(super) const CLOSE_COMPLETE: u8 = b'3';
/// NoData.
pub(super) const NO_DATA: u8 = b'n';
/// EmptyQueryResponse.
pub(super) const EMPTY_QUERY: u8 = b'I';
/// PortalSuspended.
pub(super) const PORTAL_SUSPENDED: u8 = b's';

/// Writes a C string, in which no NUL may stand.
fn put_text(into: &mut BytesMut, text: &str) {
    into.put_slice(harmless(text).as_bytes());
    into.put_u8(0);
}

fn count(of: usize) -> u16 {
    // Tables have a few dozen columns.
    u16::try_from(of).unwrap_or(u16::MAX)
}

/// Writes a ParameterStatus.
pub(super) fn put_parameter_status(into: &mut BytesMut, name: &str, value: &str) {
    put(into, b'S', |into| {
        put_text(into, name);
        put_text(into, value);
    });
}

/// Writes a BackendKeyData.
pub(super) fn put_backend_key_data(into: &mut BytesMut, pid: u32, secret: [u8; 4]) {
    put(into, b'K', |into| {
        into.put_u32(pid);
        into.put_slice(&secret);
    });
}

/// Writes a ParameterDescription without parameters.
pub(super) fn put_no_parameters(into: &mut BytesMut) {
    put(into, b't', |into| into.put_u16(0));
}

/// Writes a RowDescription.
pub(super) fn put_row_description(into: &mut BytesMut, columns: &[Column], format: impl Fn(usize) -> Format) {
    put(into, b'T', |into| {
        into.put_u16(count(columns.len()));
        for (at, Column { name, kind }) in columns.iter().enumerate() {
            put_text(into, name);
            into.put_u32(0); // of no table
            into.put_u16(0);
            into.put_u32(kind.oid());
            into.put_i16(kind.size());
            into.put_i32(-1); // no modifier
            into.put_u16(u16::from(format(at) == Format::Binary));
        }
    });
}

/// Writes a DataRow. A value that is missing is NULL.
pub(super) fn put_data_row(into: &mut BytesMut, columns: &[Column], row: &[Value], format: impl Fn(usize) -> Format) {
    put(into, b'D', |into| {
        into.put_u16(count(columns.len()));
        for (at, column) in columns.iter().enumerate() {
            let value = row.get(at).unwrap_or(&Value::Null);
            match value.encode(column.kind, format(at)) {
                Some(bytes) => {
                    into.put_u32(u32::try_from(bytes.len()).unwrap_or_default());
                    into.put_slice(&bytes);
                }
                None => into.put_i32(-1),
            }
        }
    });
}

/// Writes a CommandComplete.
pub(super) fn put_command_complete(into: &mut BytesMut, tag: &str) {
    put(into, b'C', |into| put_text(into, tag));
}

/// Writes a ReadyForQuery.
pub(super) fn put_ready_for_query(into: &mut BytesMut, is_in_transaction: bool) {
    put(into, b'Z', |into| into.put_u8(if is_in_transaction { b'T' } else { b'I' }));
}

/// Writes an ErrorResponse.
pub(super) fn put_error(into: &mut BytesMut, error: &ConsoleError) {
    put_fields(into, b'E', &error.fields());
}

/// Writes a NoticeResponse.
pub(super) fn put_notice(into: &mut BytesMut, message: &str) {
    let notice = [(b'S', "NOTICE"), (b'V', "NOTICE"), (b'C', "00000")];
    let mut fields = notice.map(|(field, text)| (field, text.into())).to_vec();
    fields.push((b'M', harmless(message)));
    put_fields(into, b'N', &fields);
}

/// Writes an ErrorResponse or a NoticeResponse of these fields, in which no NUL stands.
fn put_fields(into: &mut BytesMut, tag: u8, fields: &[(u8, Cow<'_, str>)]) {
    put(into, tag, |into| {
        for (field, text) in fields {
            into.put_u8(*field);
            into.put_slice(text.as_bytes());
            into.put_u8(0);
        }
        into.put_u8(0);
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::console::answer::Kind;

    fn frame(tag: u8, body: &[u8]) -> Frame {
        Frame::from_bytes(&wire::message(tag, body))
    }

    #[test]
    fn messages_are_read_whole_or_not_at_all() {
        let bind = b"p\0s\0\0\x01\0\x01\0\x01\xff\xff\xff\xff\0\x02\0\0\0\x01";
        let formats = vec![Format::Text, Format::Binary];
        for (tag, body, want) in [
            (b'Q', &b"SHOW HELP\0"[..], Asked::Query("SHOW HELP")),
            (b'P', b"s\0SHOW HELP\0\0\0", Asked::Parse { name: "s", text: "SHOW HELP", types: 0 }),
            (b'P', b"\0x\0\0\x01\0\0\0\x17", Asked::Parse { name: "", text: "x", types: 1 }),
            (b'B', bind, Asked::Bind { portal: "p", statement: "s", formats, parameters: 1 }),
            (b'D', b"Ss\0", Asked::Describe(Object::Statement("s"))),
            (b'C', b"P\0", Asked::Close(Object::Portal(""))),
            (b'E', b"p\0\0\0\0\x07", Asked::Execute { portal: "p", max_rows: 7 }),
            (b'H', b"", Asked::Flush),
            (b'S', b"", Asked::Sync),
            (b'X', b"", Asked::Terminate),
        ] {
            assert_eq!(Asked::read(&frame(tag, body)).unwrap(), Ok(want), "{body:?}");
            // Cut anywhere, and with a byte too much.
            let longer = [body, b"\0"].concat();
            for bad in (0..body.len()).map(|end| &body[..end]).chain([&longer[..]]) {
                let refused = Asked::read(&frame(tag, bad)).unwrap().unwrap_err();
                assert_eq!(refused.sqlstate(), "08P01", "{bad:?}");
            }
        }
        assert!(Asked::read(&frame(b'Q', b"\xff\0")).unwrap().is_err(), "not UTF-8");
        assert!(Asked::read(&frame(b'p', b"x\0")).is_none() && Asked::read(&frame(0, b"")).is_none());
    }

    #[test]
    fn rows_are_written_with_their_types() {
        let columns = [Column { name: "id", kind: Kind::Text }, Column { name: "is", kind: Kind::Bool }];
        let mut bytes = BytesMut::new();
        put_row_description(&mut bytes, &columns, |at| if at == 1 { Format::Binary } else { Format::Text });
        put_data_row(&mut bytes, &columns, &[Value::Null, Value::Bool(true)], |_| Format::Text);
        put_command_complete(&mut bytes, "SHOW");
        put_ready_for_query(&mut bytes, false);
        let described = b"\0\x02id\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0is\0\0\0\0\0\0\0\0\0\0\x10\0\x01\xff\xff\xff\xff\0\x01";
        let want = [
            wire::message(b'T', described),
            wire::message(b'D', b"\0\x02\xff\xff\xff\xff\0\0\0\x01t"),
            wire::message(b'C', b"SHOW\0"),
            wire::message(b'Z', b"I"),
        ];
        assert_eq!(bytes[..], want.concat());
    }

    proptest! {
        #[test]
        fn no_body_panics(tag: u8, body in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = Asked::read(&frame(tag, &body));
        }
    }
}
