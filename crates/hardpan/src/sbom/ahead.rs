// SPDX-License-Identifier: Apache-2.0
//! Bytes that one thread makes and another reads: decompressing beside what is done with the bytes.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// How much is handed on at a time, in bytes.
const PIECE_BYTES: usize = 256 << 10;
/// How many pieces the thread that makes them may be ahead.
const PIECES_MAX: usize = 8;

/// Runs `write` in a thread of its own while `read` reads what it sends, and returns what both return. Bytes end when `write`
/// does.
pub(super) fn read_ahead<W: Send, R>(
    write: impl FnOnce(&Pieces) -> W + Send,
    read: impl FnOnce(&mut dyn Read) -> R,
) -> (W, R) {
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(PIECES_MAX);
        let writer = scope.spawn(move || write(&Pieces { sender }));
        let mut reader = Ahead { receiver, piece: Vec::new(), offset: 0 };
        let read = read(&mut reader);
        // Who still writes learns that nobody listens.
        drop(reader);
        let written = writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (written, read)
    })
}

/// Where bytes are sent to.
pub(super) struct Pieces {
    sender: SyncSender<io::Result<Vec<u8>>>,
}

impl Pieces {
    /// Sends all bytes of a source, or why there are no more; an error is the last that is sent.
    pub(super) fn send_all(&self, source: io::Result<impl Read>) -> Sent {
        let mut source = match source {
            Ok(source) => source,
            Err(error) => return self.fail(error),
        };
        loop {
            let mut piece = Vec::with_capacity(PIECE_BYTES);
            let read = Read::take(&mut source, PIECE_BYTES as u64).read_to_end(&mut piece);
            // What came before an error is read before it.
            if !piece.is_empty() && self.sender.send(Ok(piece)).is_err() {
                return Sent::Unheard;
            }
            match read {
                Ok(0) => return Sent::All,
                Ok(_) => {}
                Err(error) => return self.fail(error),
            }
        }
    }

    fn fail(&self, error: io::Error) -> Sent {
        // Nobody may listen any more.
        let _ = self.sender.send(Err(io::Error::new(error.kind(), error.to_string())));
        Sent::Failed(error)
    }
}

/// What became of a source.
#[derive(Debug)]
pub(super) enum Sent {
    /// All of it was sent.
    All,
    /// It can't be read to its end. The reader was told.
    Failed(io::Error),
    /// Nobody reads any more.
    Unheard,
}

/// Reads what was sent.
struct Ahead {
    receiver: Receiver<io::Result<Vec<u8>>>,
    piece: Vec<u8>,
    offset: usize,
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.offset == self.piece.len() {
            let Ok(piece) = self.receiver.recv() else { return Ok(0) };
            (self.piece, self.offset) = (piece?, 0);
        }
        let rest = &self.piece[self.offset..];
        let count = buffer.len().min(rest.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.offset += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ends with an error.
    struct Broken<'b>(&'b [u8]);

    impl Read for Broken<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(io::Error::other("broken")),
                count => Ok(count),
            }
        }
    }

    fn bytes() -> Vec<u8> {
        (0..3 * PIECE_BYTES + 5).map(|at| u8::try_from(at % 251).unwrap()).collect()
    }

    #[test]
    fn all_bytes_come_in_their_order() {
        for length in [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES + 5] {
            let all = &bytes()[..length];
            let (sent, read) = read_ahead(
                |pieces| pieces.send_all(Ok(all)),
                |reader| {
                    let mut read = Vec::new();
                    reader.read_to_end(&mut read).map(|_| read)
                },
            );
            assert!(matches!(sent, Sent::All), "{sent:?}");
            assert_eq!(read.unwrap(), all);
        }
    }

    #[test]
    fn errors_come_after_what_was_before_them() {
        let all = bytes();
        let (sent, read) = read_ahead(
            |pieces| pieces.send_all(Ok(Broken(&all))),
            |reader| {
                let mut read = Vec::new();
                let error = reader.read_to_end(&mut read).unwrap_err();
                (read, error.to_string())
            },
        );
        assert!(matches!(&sent, Sent::Failed(error) if error.to_string() == "broken"), "{sent:?}");
        assert_eq!(read, (all, "broken".to_owned()));
        let source: io::Result<&[u8]> = Err(io::Error::other("no such format"));
        let (_, read) = read_ahead(
            |pieces| pieces.send_all(source),
            |reader| reader.read(&mut [0]).unwrap_err().to_string(),
        );
        assert_eq!(read, "no such format");
    }

    #[test]
    fn who_reads_no_more_ends_who_writes() {
        let (sent, ()) = read_ahead(
            |pieces| pieces.send_all(Ok(io::repeat(7))),
            |reader| {
                reader.read_exact(&mut [0; 10]).unwrap();
            },
        );
        assert!(matches!(sent, Sent::Unheard), "{sent:?}");
    }
}
