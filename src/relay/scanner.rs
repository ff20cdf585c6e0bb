//! A scanner that finds where the messages of one direction begin. It reads headers and skips
//! bodies; it keeps no byte of them and changes none.

/// The size of a header: type byte and length.
const HEADER_BYTES: usize = 5;

/// The position in the messages of one direction.
#[derive(Default)]
pub(super) struct Scanner {
    header: [u8; HEADER_BYTES],
    /// The number of bytes of the header that have come.
    have: usize,
    /// The number of bytes of the body that are still to come.
    left: u64,
    /// The first byte of the body is still to come.
    fresh: bool,
    /// An impossible length has come: no boundary is known from then on.
    lost: bool,
}

/// The beginning of one message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mark {
    /// The header has come, with this type byte.
    Begins(u8),
    /// The body has begun: type byte and first byte of the body.
    Body(u8, u8),
}

impl Scanner {
    /// Follows the next bytes of the stream, however they are cut.
    pub(super) fn follow(&mut self, mut bytes: &[u8], mut mark: impl FnMut(Mark)) {
        while !self.lost {
            if self.is_between() {
                bytes = follow_whole(bytes, &mut mark);
            }
            let Some((&first, rest)) = bytes.split_first() else { break };
            if self.left > 0 {
                if std::mem::take(&mut self.fresh) {
                    mark(Mark::Body(self.header[0], first));
                }
                let skipped = usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
                self.left -= skipped as u64;
                bytes = bytes.get(skipped..).unwrap_or_default();
                continue;
            }
            if let Some(byte) = self.header.get_mut(self.have) {
                *byte = first;
            }
            self.have += 1;
            bytes = rest;
            if self.have == HEADER_BYTES {
                let [tag, length @ ..] = self.header;
                let length = u32::from_be_bytes(length);
                self.have = 0;
                self.lost = length < 4;
                self.left = u64::from(length.saturating_sub(4));
                self.fresh = true;
                mark(Mark::Begins(tag));
            }
        }
    }

    /// Whether the last byte ended a message.
    pub(super) fn is_between(&self) -> bool {
        self.have == 0 && self.left == 0 && !self.lost
    }
}

/// Follows messages that are complete, as most are. Nothing is remembered of them, so that each
/// takes a third of the time (`make micro` shows it with narrow rows). The rest that is returned
/// begins with half a message or an impossible one.
fn follow_whole<'b>(mut bytes: &'b [u8], mark: &mut impl FnMut(Mark)) -> &'b [u8] {
    while let Some((&[tag, length @ ..], behind)) = bytes.split_first_chunk::<HEADER_BYTES>()
        && let Some(length) = u32::from_be_bytes(length).checked_sub(4)
        && let Some((body, rest)) = behind.split_at_checked(length as usize)
    {
        mark(Mark::Begins(tag));
        if let Some(&first) = body.first() {
            mark(Mark::Body(tag, first));
        }
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn cuts_do_not_matter(
            messages in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..20)), 0..20),
            // Within headers, and with several whole messages between them.
            cuts in prop::collection::vec(prop_oneof![1usize..9, 9usize..90], 1..50),
        ) {
            let (mut stream, mut expected) = (Vec::new(), Vec::new());
            for (tag, body) in &messages {
                stream.push(*tag);
                stream.extend(u32::try_from(4 + body.len()).unwrap().to_be_bytes());
                stream.extend(body);
                expected.push(Mark::Begins(*tag));
                expected.extend(body.first().map(|first| Mark::Body(*tag, *first)));
            }
            let (mut scanner, mut marks, mut rest) = (Scanner::default(), Vec::new(), &stream[..]);
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                scanner.follow(now, |mark| marks.push(mark));
                rest = later;
            }
            prop_assert_eq!(marks, expected);
            prop_assert!(scanner.is_between());
        }
    }
}
