use std::collections::VecDeque;
use std::io::ErrorKind;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use super::queue::MAX_WAITING;
use super::*;

/// The result of one write to a scripted standard error.
enum Does {
    /// Takes so many bytes at most.
    Takes(usize),
    Fails(ErrorKind),
}

/// Standard error by a script; at its end it takes all. Says when a write begins, and waits until
/// it may go on.
struct Scripted {
    script: Arc<Mutex<VecDeque<Does>>>,
    written: Arc<Mutex<Vec<u8>>>,
    began: Sender<()>,
    go_on: Receiver<()>,
}

impl Write for Scripted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.began.send(());
        // At the end of a test all writes go on.
        let _ = self.go_on.recv();
        match self.script.lock().unwrap().pop_front() {
            Some(Does::Fails(kind)) => Err(kind.into()),
            Some(Does::Takes(most)) => {
                self.written
                    .lock()
                    .unwrap()
                    .extend_from_slice(&bytes[..most.min(bytes.len())]);
                Ok(most.min(bytes.len()))
            }
            None => {
                self.written.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Test {
    lines: LogLines,
    flush: Flush,
    written: Arc<Mutex<Vec<u8>>>,
    began: Receiver<()>,
    go_on: Sender<()>,
}

impl Test {
    fn start(script: impl IntoIterator<Item = Does>) -> Self {
        let ((began, begins), (go_on, may_go_on)) = (channel(), channel());
        let (script, written) = (Arc::new(Mutex::new(script.into_iter().collect())), Arc::default());
        let sink = Scripted { script, written: Arc::clone(&written), began, go_on: may_go_on };
        let lines = LogLines::default();
        let noted = lines.clone();
        let tell = move |dropped, total| {
            noted
                .0
                .note(format!("dropped {dropped}, {total} in all\n").as_bytes())
        };
        let flush = lines.write_with(sink, tell).unwrap();
        Self { lines, flush, written, began: begins, go_on }
    }

    /// All that is written in the end.
    fn end(self) -> String {
        drop(self.go_on);
        drop(self.flush);
        String::from_utf8(std::mem::take(&mut *self.written.lock().unwrap())).unwrap()
    }
}

/// A quarter of the queue.
fn quarter(of: u8) -> Vec<u8> {
    let mut line = vec![of; MAX_WAITING / 4];
    line[MAX_WAITING / 4 - 1] = b'\n';
    line
}

#[test]
fn lines_are_written_in_their_order_and_flushed_at_the_end() {
    let test = Test::start([]);
    for number in 0..100 {
        test.lines.0.push(format!("{number}\n").as_bytes());
    }
    let wanted: String = (0..100).map(|number| format!("{number}\n")).collect();
    assert_eq!(test.end(), wanted);
}

#[test]
fn lines_not_read_in_time_are_dropped_and_counted_where_they_are_missing() {
    let test = Test::start([]);
    test.lines.0.push(b"first\n");
    test.began.recv().unwrap();
    // The first write goes on for ever: nobody reads.
    for of in b'a'..b'g' {
        test.lines.0.push(&quarter(of));
    }
    // Nothing overtakes what was dropped.
    test.lines.0.push(b"short\n");
    assert_eq!(test.lines.0.dropped(), 3);
    test.go_on.send(()).unwrap();
    test.began.recv().unwrap();
    test.lines.0.push(b"later\n");
    let lines = test.lines.clone();
    let written = test.end();
    let starts: Vec<_> = written
        .lines()
        .map(|line| line.get(..30).unwrap_or(line))
        .collect();
    let letters = ["a", "b", "c", "d"].map(|letter| letter.repeat(30));
    let [a, b, c, d] = letters.each_ref().map(String::as_str);
    assert_eq!(starts, ["first", a, b, c, d, "dropped 3, 3 in all", "later"]);
    assert_eq!(lines.0.dropped(), 3);
}

#[test]
fn a_line_larger_than_the_queue_is_dropped_and_counted() {
    let test = Test::start([]);
    test.lines.0.push(&[b'x'; MAX_WAITING + 1]);
    assert_eq!(test.end(), "dropped 1, 1 in all\n");
}

#[test]
fn an_error_loses_the_lines_of_its_write_and_no_more() {
    for kind in [ErrorKind::StorageFull, ErrorKind::BrokenPipe, ErrorKind::Other] {
        let test = Test::start([Does::Fails(kind), Does::Takes(8), Does::Fails(kind)]);
        test.lines.0.push(b"lost\n");
        test.began.recv().unwrap();
        test.lines.0.push(b"whole\nhalf a line\n");
        test.go_on.send(()).unwrap();
        // The write of eight bytes, and the one that fails behind it.
        for _ in 0..2 {
            test.began.recv().unwrap();
            test.go_on.send(()).unwrap();
        }
        test.lines.0.push(b"later\n");
        let lines = test.lines.clone();
        assert_eq!(test.end(), "whole\nha\nlater\ndropped 2, 2 in all\n", "{kind}");
        assert_eq!(lines.0.dropped(), 2);
    }
}

#[test]
fn a_lost_note_is_written_again_with_the_lines_lost_since() {
    let fails = || Does::Fails(ErrorKind::StorageFull);
    let test = Test::start([fails(), Does::Takes(100), fails()]);
    test.lines.0.push(b"lost\n");
    test.began.recv().unwrap();
    test.lines.0.push(b"one\n");
    test.go_on.send(()).unwrap();
    test.began.recv().unwrap();
    // Written with the note of the first, and lost with it.
    test.lines.0.push(b"lost too\n");
    test.go_on.send(()).unwrap();
    test.began.recv().unwrap();
    test.lines.0.push(b"two\n");
    assert_eq!(test.end(), "one\ntwo\ndropped 2, 2 in all\n");
}

#[test]
fn a_pipe_that_is_full_and_does_not_block_is_waited_for() {
    let full = || Does::Fails(ErrorKind::WouldBlock);
    let test = Test::start([full(), Does::Takes(3), full(), Does::Fails(ErrorKind::Interrupted)]);
    test.lines.0.push(b"a line\n");
    let lines = test.lines.clone();
    assert_eq!(test.end(), "a line\n");
    assert_eq!(lines.0.dropped(), 0);
}

#[test]
fn the_end_does_not_wait_for_a_reader_that_never_comes() {
    let Test { lines, flush, written, began, go_on } = Test::start([]);
    lines.0.push(b"nobody reads this\n");
    began.recv().unwrap();
    drop(flush);
    assert!(written.lock().unwrap().is_empty());
    drop(go_on);
}
