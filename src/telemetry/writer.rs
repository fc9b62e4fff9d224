//! Writes lines on a thread of its own, so that nobody waits for a disk or a
//! pipe.
//!
//! # Design
//! `tracing-appender` is not used: it sends each line by itself, in memory of its
//! own, and wakes its thread for nearly each of them, which cost a busy service
//! more than everything else about a line. Here a line is copied behind those
//! that wait already, and all of them are written together. The lock is held for
//! that copy, or for the exchange of two pointers.

use std::{
    io::{self, ErrorKind, Write},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::Duration,
};

use prometheus_client::metrics::counter::Counter;
use tracing_subscriber::fmt::MakeWriter;

/// How many bytes of lines may wait.
const MOST: usize = 8 << 20;

/// What is kept of the memory for them when they have been written.
const KEPT: usize = 1 << 20;

/// How long the thread rests after it has written: what comes meanwhile is
/// written together. A line that comes later is written at once.
const REST: Duration = Duration::from_millis(5);

/// How long the end waits for what is left to be written.
const PATIENCE: Duration = Duration::from_secs(1);

/// Takes lines. Copies write to the same place.
#[derive(Clone)]
pub(super) struct LineWriter(Arc<Shared>);

struct Shared {
    most: usize,
    waiting: Mutex<Waiting>,
    /// Told to a thread that has nothing to do.
    more: Condvar,
    dropped: Counter,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    /// Whether the thread has nothing to do.
    is_idle: bool,
    is_closed: bool,
}

impl LineWriter {
    /// Lines go to `out`, and are counted as `dropped` where they cannot.
    ///
    /// # Errors
    /// Where there can be no thread.
    pub(super) fn start(
        out: impl Write + Send + 'static,
        dropped: Counter,
    ) -> io::Result<(Self, WriterGuard)> {
        Self::start_with(MOST, out, dropped)
    }

    fn start_with(
        most: usize,
        out: impl Write + Send + 'static,
        dropped: Counter,
    ) -> io::Result<(Self, WriterGuard)> {
        let shared = Arc::new(Shared {
            most,
            waiting: Mutex::default(),
            more: Condvar::new(),
            dropped,
        });
        let writer = Self(Arc::clone(&shared));
        let (end, ended) = mpsc::channel();
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || {
                shared.write_to(out);
                drop(end);
            })?;
        let guard = WriterGuard {
            writer: writer.clone(),
            ended,
        };
        Ok((writer, guard))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Whole after each step, a panic included.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: &[u8]) {
        let mut waiting = self.lock();
        if waiting.lines.len() + line.len() > self.most {
            self.dropped.inc();
            return;
        }
        waiting.lines.extend_from_slice(line);
        if mem::take(&mut waiting.is_idle) {
            self.more.notify_one();
        }
    }

    /// Takes all lines that wait, or waits for one; false where no more will come.
    fn take(&self, lines: &mut Vec<u8>) -> bool {
        let mut waiting = self.lock();
        while waiting.lines.is_empty() && !waiting.is_closed {
            waiting.is_idle = true;
            let woken = self.more.wait(waiting);
            waiting = woken.unwrap_or_else(PoisonError::into_inner);
        }
        mem::swap(&mut waiting.lines, lines);
        !waiting.is_closed
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the log's own thread: no arbiter, and nothing depends on when it writes"
    )]
    fn write_to(&self, mut out: impl Write) {
        let mut lines = Vec::new();
        let mut is_cut = false;
        while self.take(&mut lines) {
            self.write_lines(&mut out, &mut lines, &mut is_cut);
            thread::sleep(REST);
        }
        self.write_lines(&mut out, &mut lines, &mut is_cut);
    }

    /// Writes all `lines`, or counts those that were not written to their ends.
    /// They are not tried again: the next ones would wait behind them. Where one
    /// was cut, it is ended before the next ones.
    fn write_lines(&self, out: &mut impl Write, lines: &mut Vec<u8>, is_cut: &mut bool) {
        let mut written = 0;
        if !*is_cut || put(out, b"\n") == 1 {
            written = put(out, lines);
            *is_cut = written > 0 && lines[written - 1] != b'\n';
        }
        let lost = lines[written..].iter().filter(|byte| **byte == b'\n');
        let lost = u64::try_from(lost.count()).unwrap_or(u64::MAX);
        self.dropped.inc_by(lost);
        lines.clear();
        lines.shrink_to(KEPT);
    }
}

/// Writes `bytes` and tells how many of them; all, if there was no error.
#[expect(clippy::disallowed_methods, reason = "the log's own thread, as above")]
fn put(out: &mut impl Write, bytes: &[u8]) -> usize {
    let mut written = 0;
    while written < bytes.len() {
        match out.write(&bytes[written..]) {
            Ok(0) => break,
            Ok(more) => written += more,
            Err(error) => match error.kind() {
                ErrorKind::Interrupted => {}
                // Somebody has made standard error one that does not wait.
                ErrorKind::WouldBlock => thread::sleep(REST),
                _ => break,
            },
        }
    }
    written
}

impl Write for &LineWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LineWriter {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

/// Dropping it writes what is left, if that takes no longer than a second.
pub(super) struct WriterGuard {
    writer: LineWriter,
    /// Disconnected when the thread has ended.
    ended: mpsc::Receiver<()>,
}

impl Drop for WriterGuard {
    fn drop(&mut self) {
        self.writer.0.lock().is_closed = true;
        self.writer.0.more.notify_one();
        // Nothing is ever sent: it has ended, or hangs, and then what it has not
        // written is lost with the process.
        self.ended.recv_timeout(PATIENCE).unwrap_or_default();
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::{
        collections::VecDeque,
        io::{self, ErrorKind, Write},
        sync::{Arc, Condvar, Mutex, mpsc},
        thread,
    };

    use prometheus_client::metrics::counter::Counter;

    use super::{LineWriter, Shared};

    /// What has been written.
    #[derive(Clone, Default)]
    pub(in crate::telemetry) struct Written(Arc<Mutex<Vec<u8>>>);

    impl Written {
        pub(in crate::telemetry) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_line_is_written_whole_and_in_the_order_of_its_thread() {
        let (written, dropped) = (Written::default(), Counter::default());
        let (writer, guard) = LineWriter::start(written.clone(), dropped.clone()).unwrap();

        thread::scope(|scope| {
            for name in ["a", "b", "c", "d"] {
                let mut writer = &writer;
                scope.spawn(move || {
                    for number in 0..5_000 {
                        let line = format!("{name} {number}\n");
                        writer.write_all(line.as_bytes()).unwrap();
                    }
                });
            }
        });
        drop(guard);

        let text = written.text();
        for name in ["a", "b", "c", "d"] {
            let of_one = text.lines().filter_map(|line| line.strip_prefix(name));
            let numbers = of_one.map(|number| number[1..].parse::<usize>().unwrap());
            assert!(numbers.eq(0..5_000), "{name}");
        }
        assert_eq!(text.lines().count(), 20_000);
        assert_eq!(dropped.get(), 0);
    }

    /// Says when it is asked to write, and does so when it is told to.
    struct Held {
        asked: mpsc::Sender<()>,
        told: mpsc::Receiver<io::Result<()>>,
        written: Written,
    }

    impl Write for Held {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.asked.send(()).unwrap();
            // One who is gone has nothing against it.
            self.told.recv().unwrap_or(Ok(()))?;
            self.written.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Takes as much as is told, in turn, and all that comes after.
    struct Partly {
        told: VecDeque<io::Result<usize>>,
        written: Written,
    }

    impl Write for Partly {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let most = self.told.pop_front().unwrap_or(Ok(bytes.len()))?;
            self.written.write(&bytes[..most.min(bytes.len())])
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_was_cut_is_ended_and_only_what_is_missing_is_lost() {
        let error = |kind: ErrorKind| Err(kind.into());
        for (told, text, lost) in [
            (vec![], "one\ntwo\nthree\n", 0),
            (vec![Ok(1), Ok(5)], "one\ntwo\nthree\n", 0),
            (
                vec![
                    Ok(1),
                    error(ErrorKind::WouldBlock),
                    error(ErrorKind::Interrupted),
                ],
                "one\ntwo\nthree\n",
                0,
            ),
            (vec![error(ErrorKind::StorageFull)], "three\n", 2),
            (
                vec![Ok(4), error(ErrorKind::StorageFull)],
                "one\nthree\n",
                1,
            ),
            (
                vec![Ok(6), error(ErrorKind::StorageFull)],
                "one\ntw\nthree\n",
                1,
            ),
            (
                vec![Ok(6), Ok(0), error(ErrorKind::StorageFull)],
                "one\ntw",
                2,
            ),
        ] {
            let (written, dropped) = (Written::default(), Counter::default());
            let mut out = Partly {
                told: told.into(),
                written: written.clone(),
            };
            let shared = Shared {
                most: 0,
                waiting: Mutex::default(),
                more: Condvar::new(),
                dropped: dropped.clone(),
            };
            let mut is_cut = false;

            for lines in ["one\ntwo\n", "three\n"] {
                shared.write_lines(&mut out, &mut lines.into(), &mut is_cut);
            }

            assert_eq!((written.text().as_str(), dropped.get()), (text, lost));
        }
    }

    #[test]
    fn lines_that_have_no_room_or_cannot_be_written_are_counted() {
        let (written, dropped) = (Written::default(), Counter::default());
        let ((asked, was_asked), (tell, told)) = (mpsc::channel(), mpsc::channel());
        let held = Held {
            asked,
            told,
            written: written.clone(),
        };
        let (writer, guard) = LineWriter::start_with(10, held, dropped.clone()).unwrap();
        let mut writer = &writer;

        writer.write_all(b"first\n").unwrap();
        was_asked.recv().unwrap();
        writer.write_all(b"1234\n").unwrap();
        writer.write_all(b"5678\n").unwrap();
        writer.write_all(b"\n").unwrap();
        assert_eq!(
            dropped.get(),
            1,
            "ten bytes wait, and there is no room for one"
        );

        tell.send(Ok(())).unwrap();
        was_asked.recv().unwrap();
        tell.send(Err(ErrorKind::StorageFull.into())).unwrap();
        writer.write_all(b"last\n").unwrap();
        drop(tell);
        drop(guard);

        assert_eq!(written.text(), "first\nlast\n");
        assert_eq!(dropped.get(), 3, "and two were lost together");
    }
}
