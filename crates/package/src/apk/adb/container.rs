// SPDX-License-Identifier: Apache-2.0
//! The outer shape: compression, the header, blocks. All numbers are little-endian.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

use flate2::{Decompress, FlushDecompress, Status};

use super::AdbError;

/// Blocks begin at multiples of this, from the start of the uncompressed file.
const ALIGNMENT: usize = 8;
/// Signatures over one file; packages have one or two.
const SIGNATURES_MAX: usize = 32;
/// The longest signature block, as apk has it: enough for RSA with 8192 bits.
const SIGNATURE_BYTES_MAX: u64 = 2048;
/// The base-two logarithm of the largest window of zstd data: 128 MiB, as `zstd -d` has it.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;
const INPUT_BUFFER_BYTES: usize = 32 * 1024;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Schema(pub(super) [u8; 4]);

impl Schema {
    pub(super) const INDEX: Self = Self(*b"indx");
    pub(super) const PACKAGE: Self = Self(*b"pckg");

    fn text(self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

/// How much a file may unpack to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Growth {
    /// How many times larger it may be than what was read, once it is larger than the floor.
    pub(super) ratio_max: u64,
    pub(super) floor_bytes: u64,
}

/// The values of a file, as bytes, and the signatures over them.
#[derive(Debug)]
pub(super) struct Values {
    pub(super) bytes: Vec<u8>,
    pub(super) signatures: Vec<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Values,
    Signature,
    Data,
}

#[derive(Debug, Clone, Copy)]
struct Block {
    kind: Kind,
    size_bytes: u64,
    offset_bytes: u64,
}

/// Reads a file block by block. The content of the last block is read through [`Read`]; what is not read is
/// skipped.
pub(super) struct Container<'a> {
    input: Input<'a>,
    read_bytes: Rc<Cell<u64>>,
    growth: Growth,
    offset_bytes: u64,
    left_bytes: u64,
    padding_bytes: usize,
    /// A block that was read too far, as its kind ends the one before.
    pending: Option<Block>,
}

impl<'a> Container<'a> {
    /// Reads the header.
    pub(super) fn open(
        reader: &'a mut dyn Read,
        expected: Schema,
        growth: Growth,
    ) -> Result<Self, AdbError> {
        let read_bytes = Rc::new(Cell::new(0));
        let counted = Counted { inner: reader, read_bytes: Rc::clone(&read_bytes) };
        let mut input = BufReader::with_capacity(INPUT_BUFFER_BYTES, counted);
        let mut magic = [0; 4];
        let count = fill(&mut input, &mut magic)?;
        if magic[..count.min(3)] != super::MAGIC[..count.min(3)] || count == 0 {
            return Err(AdbError::Magic);
        }
        if count < magic.len() {
            return Err(AdbError::Truncated);
        }
        let (input, has_magic) = match magic[3] {
            b'.' => (Input::Plain(input), true),
            b'd' => (Input::deflate(input), false),
            b'c' => {
                let mut algorithm_and_level = [0; 2];
                exactly(&mut input, &mut algorithm_and_level)?;
                match algorithm_and_level[0] {
                    0 => (Input::Plain(input), false),
                    1 => (Input::deflate(input), false),
                    2 => (Input::zstd(input)?, false),
                    algorithm => return Err(AdbError::Compression(algorithm)),
                }
            }
            other => return Err(AdbError::Compression(other)),
        };
        let (left_bytes, padding_bytes, offset_bytes) = (0, 0, if has_magic { 4 } else { 0 });
        let pending = None;
        let mut container =
            Self { input, read_bytes, growth, offset_bytes, left_bytes, padding_bytes, pending };
        container.header(has_magic, expected)?;
        Ok(container)
    }

    fn header(&mut self, has_magic: bool, expected: Schema) -> Result<(), AdbError> {
        let mut word = [0; 4];
        if !has_magic {
            self.exactly(&mut word)?;
            if word != *b"ADB." {
                return Err(AdbError::Magic);
            }
        }
        self.exactly(&mut word)?;
        if Schema(word) != expected {
            let (expected, actual) = (expected.text(), Schema(word).text());
            return Err(AdbError::Schema { expected, actual });
        }
        Ok(())
    }

    /// Reads the values and the signatures.
    pub(super) fn values(&mut self, size_bytes_max: u64) -> Result<Values, AdbError> {
        let block = self.next_block()?.ok_or(AdbError::Truncated)?;
        let offset_bytes = block.offset_bytes;
        if block.kind != Kind::Values {
            return Err(AdbError::Block { offset_bytes, problem: "the values have to come first" });
        }
        let what = "bytes of values";
        let bytes = self.content(block, size_bytes_max, what)?;
        let mut signatures = Vec::new();
        while let Some(block) = self.next_block()? {
            match block.kind {
                Kind::Signature if signatures.len() < SIGNATURES_MAX => {
                    let what = "bytes of a signature";
                    signatures.push(self.content(block, SIGNATURE_BYTES_MAX, what)?);
                }
                Kind::Signature => {
                    let maximum = SIGNATURES_MAX as u64;
                    return Err(AdbError::Limit { what: "signatures", maximum });
                }
                Kind::Data => {
                    self.pending = Some(block);
                    break;
                }
                Kind::Values => {
                    let (problem, offset_bytes) = ("values a second time", block.offset_bytes);
                    return Err(AdbError::Block { offset_bytes, problem });
                }
            }
        }
        Ok(Values { bytes, signatures })
    }

    /// Returns the length of the next block of content, or nothing at the end of the file, at which everything was
    /// read.
    pub(super) fn next_data(&mut self) -> Result<Option<u64>, AdbError> {
        let block = match self.pending.take() {
            Some(block) => block,
            None => match self.next_block()? {
                Some(block) => block,
                None => return Ok(None),
            },
        };
        if block.kind != Kind::Data {
            let problem = "nothing but content may follow content";
            return Err(AdbError::Block { offset_bytes: block.offset_bytes, problem });
        }
        Ok(Some(block.size_bytes))
    }

    /// Reads bytes of the block's content.
    pub(super) fn read_exactly(&mut self, buffer: &mut [u8]) -> Result<(), AdbError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read_content(&mut buffer[filled..])? {
                0 => return Err(AdbError::Truncated),
                count => filled += count,
            }
        }
        Ok(())
    }

    /// Reads some of the block's content; nothing at its end.
    pub(super) fn read_content(&mut self, buffer: &mut [u8]) -> Result<usize, AdbError> {
        let want = buffer.len().min(usize::try_from(self.left_bytes).unwrap_or(usize::MAX));
        if want == 0 {
            return Ok(0);
        }
        let count = self.some(&mut buffer[..want])?;
        if count == 0 {
            return Err(AdbError::Truncated);
        }
        self.left_bytes -= count as u64;
        Ok(count)
    }

    fn content(
        &mut self,
        block: Block,
        maximum: u64,
        what: &'static str,
    ) -> Result<Vec<u8>, AdbError> {
        if block.size_bytes > maximum {
            return Err(AdbError::Limit { what, maximum });
        }
        // As much memory as there are bytes, not as a header promises.
        let mut bytes = Vec::new();
        let mut buffer = [0; 16 * 1024];
        loop {
            match self.read_content(&mut buffer)? {
                0 => return Ok(bytes),
                count => bytes.extend_from_slice(&buffer[..count]),
            }
        }
    }

    fn next_block(&mut self) -> Result<Option<Block>, AdbError> {
        self.skip()?;
        let offset_bytes = self.offset_bytes;
        let bad = |problem| AdbError::Block { offset_bytes, problem };
        let mut word = [0; 4];
        match self.fill(&mut word)? {
            0 => {
                self.input.finish()?;
                return Ok(None);
            }
            4 => {}
            _ => return Err(AdbError::Truncated),
        }
        let word = u32::from_le_bytes(word);
        let (low, high) = (word & 0x3fff_ffff, word >> 30);
        let (kind, total_bytes, header_bytes) = if high == 3 {
            let mut rest = [0; 12];
            self.exactly(&mut rest)?;
            let [r0, r1, r2, r3, size @ ..] = rest;
            if [r0, r1, r2, r3] != [0; 4] {
                return Err(bad("reserved bytes are in use"));
            }
            (low, u64::from_le_bytes(size), 16)
        } else {
            (high, u64::from(low), 4)
        };
        let kind = match kind {
            0 => Kind::Values,
            1 => Kind::Signature,
            2 => Kind::Data,
            _ => return Err(bad("unknown kind")),
        };
        let size_bytes =
            total_bytes.checked_sub(header_bytes).ok_or(bad("shorter than its header"))?;
        self.left_bytes = size_bytes;
        let alignment = ALIGNMENT as u64;
        self.padding_bytes = (0..ALIGNMENT)
            .find(|padding| (total_bytes % alignment + *padding as u64).is_multiple_of(alignment))
            .unwrap_or_default();
        Ok(Some(Block { kind, size_bytes, offset_bytes }))
    }

    /// Reads what is left of a block. Its padding is covered by no signature and has to be zeros.
    fn skip(&mut self) -> Result<(), AdbError> {
        let mut buffer = [0; 16 * 1024];
        while self.read_content(&mut buffer)? > 0 {}
        let mut padding = [0; ALIGNMENT];
        let padding = &mut padding[..std::mem::take(&mut self.padding_bytes)];
        let offset_bytes = self.offset_bytes;
        self.exactly(padding)?;
        if padding.iter().any(|&byte| byte != 0) {
            return Err(AdbError::Block { offset_bytes, problem: "padding that is not zeros" });
        }
        Ok(())
    }

    fn exactly(&mut self, buffer: &mut [u8]) -> Result<(), AdbError> {
        if self.fill(buffer)? < buffer.len() {
            return Err(AdbError::Truncated);
        }
        Ok(())
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, AdbError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.some(&mut buffer[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(filled)
    }

    fn some(&mut self, buffer: &mut [u8]) -> Result<usize, AdbError> {
        let count = some(&mut self.input, buffer)?;
        self.offset_bytes += count as u64;
        let Growth { ratio_max, floor_bytes } = self.growth;
        if self.offset_bytes > self.read_bytes.get().saturating_mul(ratio_max).max(floor_bytes) {
            return Err(AdbError::Ratio { ratio_max });
        }
        Ok(count)
    }
}

/// Counts what is read.
struct Counted<'a> {
    inner: &'a mut dyn Read,
    read_bytes: Rc<Cell<u64>>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read_bytes.set(self.read_bytes.get() + count as u64);
        Ok(count)
    }
}

type Raw<'a> = BufReader<Counted<'a>>;

enum Input<'a> {
    Plain(Raw<'a>),
    Deflate(Inflater<Raw<'a>>),
    Zstd(zstd::stream::read::Decoder<'static, Raw<'a>>),
}

impl<'a> Input<'a> {
    fn deflate(input: Raw<'a>) -> Self {
        Self::Deflate(Inflater { input, state: Decompress::new(false), is_at_end: false })
    }

    fn zstd(input: Raw<'a>) -> io::Result<Self> {
        let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
        decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
        Ok(Self::Zstd(decoder))
    }

    /// Checks that nothing follows, once there is nothing more to read.
    fn finish(&mut self) -> Result<(), AdbError> {
        let raw = match self {
            Self::Plain(raw) => raw,
            Self::Deflate(inflater) => &mut inflater.input,
            Self::Zstd(decoder) => decoder.get_mut(),
        };
        if some(raw, &mut [0])? > 0 {
            return Err(AdbError::TrailingData);
        }
        Ok(())
    }
}

impl Read for Input<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(raw) => raw.read(buffer),
            Self::Deflate(inflater) => inflater.read(buffer),
            Self::Zstd(decoder) => decoder.read(buffer),
        }
    }
}

/// Reads deflate data without a header. flate2's reader takes the end of its input for the end of the data; this
/// one doesn't.
struct Inflater<R> {
    input: R,
    state: Decompress,
    is_at_end: bool,
}

impl<R: BufRead> Read for Inflater<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.is_at_end && !buffer.is_empty() {
            let input = self.input.fill_buf()?;
            let (is_exhausted, before_in, before_out) =
                (input.is_empty(), self.state.total_in(), self.state.total_out());
            let status = self.state.decompress(input, buffer, FlushDecompress::None)?;
            // Neither can be more than the buffers that were given.
            let count = |count: u64| usize::try_from(count).map_err(io::Error::other);
            let consumed = count(self.state.total_in() - before_in)?;
            let produced = count(self.state.total_out() - before_out)?;
            self.input.consume(consumed);
            self.is_at_end = status == Status::StreamEnd;
            if produced > 0 {
                return Ok(produced);
            }
            if !self.is_at_end && (is_exhausted || consumed == 0) {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "deflate data is cut short",
                ));
            }
        }
        Ok(0)
    }
}

fn exactly(reader: &mut dyn Read, buffer: &mut [u8]) -> Result<(), AdbError> {
    if fill(reader, buffer)? < buffer.len() {
        return Err(AdbError::Truncated);
    }
    Ok(())
}

fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> Result<usize, AdbError> {
    let mut filled = 0;
    while filled < buffer.len() {
        match some(reader, &mut buffer[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

/// Reads once, or again when a signal came between.
fn some(reader: &mut dyn Read, buffer: &mut [u8]) -> Result<usize, AdbError> {
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Decompressors say so of data that ends too early.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(AdbError::Truncated);
            }
            result => return Ok(result?),
        }
    }
}
