// SPDX-License-Identifier: Apache-2.0
//! One image, shown to several visitors at the same time: it is decompressed and checked once, and each visitor has a thread
//! of its own.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use hardpan_image::ImageConfig;
use hardpan_tree::{TarEntry, TarEntryKind, TreePath};

use super::AuditError;
use crate::error::Error;
use crate::sbom::{LayerVisitor, Target};

/// How much is handed on at a time, in bytes.
const CHUNK_BYTES: usize = 256 << 10;
/// How many pieces a slow visitor may be behind the others.
const PIECES_MAX: usize = 16;

/// Shows an image to all visitors. What they saw counts only if this does not fail. Returns what they did not see.
pub(super) fn visit(
    target: &Target<'_>,
    visitors: Vec<&mut (dyn LayerVisitor + Send)>,
) -> Result<Vec<TreePath>, Error> {
    thread::scope(|scope| {
        let mut senders = Vec::new();
        let mut threads = Vec::new();
        for visitor in visitors {
            let (sender, receiver) = sync_channel(PIECES_MAX);
            senders.push(sender);
            threads.push(scope.spawn(move || listen(&receiver, visitor)));
        }
        let mut broadcast = Broadcast { senders, layer: 0 };
        let visited = target.visit(&mut broadcast);
        // Those that still wait learn that nothing more comes.
        drop(broadcast);
        let mut results = Vec::new();
        for thread in threads {
            results.push(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        match visited {
            // That the rest was not read is because of a visitor, which says why.
            Err(error) if is_deserted(&error) => {
                results.into_iter().collect::<Result<(), Error>>().and(Err(error))
            }
            // Bytes that are not what they are to be are also why visitors don't understand them.
            Err(error) => Err(error),
            Ok(left_out) => results.into_iter().collect::<Result<(), Error>>().map(|()| left_out),
        }
    })
}

fn is_deserted(error: &Error) -> bool {
    matches!(error, Error::Audit(error) if matches!(**error, AuditError::Deserted))
}

/// What visitors are told.
#[derive(Clone)]
enum Piece {
    Config(Arc<ImageConfig>),
    Annotations(Arc<BTreeMap<String, String>>),
    Layer,
    Entry(TarEntry),
    Bytes(Arc<Vec<u8>>),
    /// Of a layer or an entry.
    End,
}

/// Tells all of them.
struct Broadcast {
    senders: Vec<SyncSender<Piece>>,
    layer: usize,
}

impl Broadcast {
    fn tell(&mut self, piece: &Piece) -> Result<(), Error> {
        for sender in &self.senders {
            if sender.send(piece.clone()).is_err() {
                // One of them failed, and so the whole does.
                return Err(AuditError::Deserted.into());
            }
        }
        Ok(())
    }

    fn tell_all(
        &mut self,
        reader: &mut dyn Read,
        fail: impl FnOnce(io::Error) -> AuditError,
    ) -> Result<(), Error> {
        loop {
            let mut bytes = Vec::with_capacity(CHUNK_BYTES);
            let read = Read::take(&mut *reader, CHUNK_BYTES as u64).read_to_end(&mut bytes);
            match read {
                Ok(0) => return self.tell(&Piece::End),
                Ok(_) => self.tell(&Piece::Bytes(Arc::new(bytes)))?,
                Err(error) => return Err(fail(error).into()),
            }
        }
    }
}

impl LayerVisitor for Broadcast {
    fn config(&mut self, config: &ImageConfig) {
        // Whoever is gone is missed when the first layer comes.
        let _ = self.tell(&Piece::Config(Arc::new(config.clone())));
    }

    fn annotations(&mut self, annotations: &BTreeMap<String, String>) {
        let _ = self.tell(&Piece::Annotations(Arc::new(annotations.clone())));
    }

    fn layer(&mut self, reader: &mut dyn Read) -> Result<(), Error> {
        let layer = self.layer;
        self.layer += 1;
        self.tell(&Piece::Layer)?;
        self.tell_all(reader, |source| AuditError::Layer { layer, source })
    }

    fn entry(&mut self, entry: TarEntry, data: &mut dyn Read) -> Result<(), Error> {
        let path = entry.path.clone();
        let is_file = matches!(entry.kind, TarEntryKind::File(_));
        self.tell(&Piece::Entry(entry))?;
        if is_file {
            self.tell_all(data, |source| AuditError::File { path, source })
        } else {
            self.tell(&Piece::End)
        }
    }
}

/// Shows a visitor what comes, until nothing more does.
fn listen(
    receiver: &Receiver<Piece>,
    visitor: &mut (dyn LayerVisitor + Send),
) -> Result<(), Error> {
    while let Ok(piece) = receiver.recv() {
        let mut pieces = Pieces { receiver, bytes: Arc::default(), offset: 0, is_at_end: false };
        match piece {
            Piece::Config(config) => {
                visitor.config(&config);
                continue;
            }
            Piece::Annotations(annotations) => {
                visitor.annotations(&annotations);
                continue;
            }
            Piece::Layer => visitor.layer(&mut pieces)?,
            Piece::Entry(entry) => visitor.entry(entry, &mut pieces)?,
            Piece::Bytes(_) | Piece::End => continue,
        }
        pieces.skip();
    }
    Ok(())
}

/// The bytes of one layer or entry.
struct Pieces<'r> {
    receiver: &'r Receiver<Piece>,
    bytes: Arc<Vec<u8>>,
    offset: usize,
    is_at_end: bool,
}

impl Pieces<'_> {
    /// Takes the next bytes; `false` at the end.
    fn advance(&mut self) -> io::Result<bool> {
        match self.receiver.recv() {
            Ok(Piece::Bytes(bytes)) => {
                (self.bytes, self.offset) = (bytes, 0);
                Ok(true)
            }
            Ok(_) => {
                self.is_at_end = true;
                Ok(false)
            }
            Err(_) => {
                self.is_at_end = true;
                Err(io::Error::from(io::ErrorKind::UnexpectedEof))
            }
        }
    }

    /// Takes all that nobody wants.
    fn skip(&mut self) {
        while !self.is_at_end {
            // That nothing more comes is the end, too.
            let _ = self.advance();
        }
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.offset == self.bytes.len() {
            if self.is_at_end || !self.advance()? {
                return Ok(0);
            }
        }
        let count = buffer.len().min(self.bytes.len() - self.offset);
        buffer[..count].copy_from_slice(&self.bytes[self.offset..self.offset + count]);
        self.offset += count;
        Ok(count)
    }
}
