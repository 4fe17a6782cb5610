// SPDX-License-Identifier: Apache-2.0
//! The outer shape of a `.deb`: an `ar` archive of compressed members (deb(5)).

use std::io::{self, BufReader, Read};

/// The longest `debian-binary` that is read, in bytes. It holds one short line.
const FORMAT_BYTES_MAX: u64 = 1024;
/// How much memory a decompressor of xz or lzma data may take: `xz -9` needs 65 MiB, and Debian's
/// own packages about 9.
const XZ_MEMORY_BYTES_MAX: u64 = 100 << 20;
/// The base-two logarithm of the largest window of zstd data: 128 MiB, as `zstd -d` has it.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// Why an archive is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArError {
    /// The bytes can't be read.
    #[error("can't read")]
    Io(#[from] io::Error),
    /// It ends in the middle.
    #[error("cut short")]
    Truncated,
    /// It does not begin as an `ar` archive does.
    #[error("not an ar archive")]
    Magic,
    /// A member's header is bad.
    #[error("bad member header at byte {offset_bytes}: {problem}")]
    Header {
        /// Where.
        offset_bytes: u64,
        /// What is wrong.
        problem: &'static str,
    },
    /// A version of the format that is not 2.
    #[error("unsupported format version {0:?}")]
    Version(String),
    /// A member that should not be there.
    #[error("member {actual:?} where {expected} is expected")]
    Member {
        /// What should be there.
        expected: &'static str,
        /// What is.
        actual: String,
    },
    /// A member is missing.
    #[error("no {0}")]
    Missing(&'static str),
}

/// A member's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArMember {
    /// Its name.
    pub name: String,
    /// Seconds since the epoch.
    pub timestamp: i64,
    /// Length in bytes.
    pub size_bytes: u64,
}

/// Reads members one after another. The data of the last one is read through [`Read`]; what is not
/// read is skipped.
#[derive(Debug)]
pub struct ArReader<R> {
    inner: R,
    offset_bytes: u64,
    data_bytes: u64,
    has_padding: bool,
}

impl<R: Read> ArReader<R> {
    /// Starts to read an archive.
    pub fn new(mut inner: R) -> Result<Self, ArError> {
        let mut magic = [0; 8];
        let count = fill(&mut inner, &mut magic)?;
        if magic[..count] != b"!<arch>\n"[..count] || count == 0 {
            return Err(ArError::Magic);
        }
        if count < magic.len() {
            return Err(ArError::Truncated);
        }
        Ok(Self { inner, offset_bytes: 8, data_bytes: 0, has_padding: false })
    }

    /// Returns the next member's header, or nothing at the end.
    pub fn next_member(&mut self) -> Result<Option<ArMember>, ArError> {
        self.skip_data()?;
        let mut header = [0; 60];
        let count = fill(&mut self.inner, &mut header)?;
        let offset_bytes = self.offset_bytes;
        self.offset_bytes += count as u64;
        match count {
            0 => return Ok(None),
            60 => {}
            _ => return Err(ArError::Truncated),
        }
        let bad = |problem| ArError::Header { offset_bytes, problem };
        if &header[58..] != b"`\n" {
            return Err(bad("wrong end"));
        }
        let name = std::str::from_utf8(&header[..16]).map_err(|_| bad("name is not text"))?;
        let name = name.trim_end_matches(' ');
        let name = name.strip_suffix('/').unwrap_or(name).to_owned();
        let size_bytes = decimal(&header[48..58]).ok_or(bad("bad size"))?;
        let timestamp = decimal(&header[16..28]).ok_or(bad("bad time"))?;
        let timestamp = i64::try_from(timestamp).map_err(|_| bad("bad time"))?;
        self.data_bytes = size_bytes;
        self.has_padding = size_bytes % 2 == 1;
        Ok(Some(ArMember { name, timestamp, size_bytes }))
    }

    /// Returns how many bytes of the archive have been read.
    pub fn offset_bytes(&self) -> u64 {
        self.offset_bytes
    }

    fn skip_data(&mut self) -> Result<(), ArError> {
        let mut buffer = [0; 16 * 1024];
        while self.data_bytes > 0 {
            match self.read(&mut buffer) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(ArError::Truncated);
                }
                Err(error) => return Err(error.into()),
            }
        }
        // The last member's padding is missing in some packages, which dpkg accepts.
        if std::mem::take(&mut self.has_padding) {
            self.offset_bytes += fill(&mut self.inner, &mut buffer[..1])? as u64;
        }
        Ok(())
    }
}

/// Reads the data of the member that was returned last.
impl<R: Read> Read for ArReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = buffer.len().min(usize::try_from(self.data_bytes).unwrap_or(usize::MAX));
        if want == 0 {
            return Ok(0);
        }
        let count = fill_some(&mut self.inner, &mut buffer[..want])?;
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "ar archive is cut short"));
        }
        self.offset_bytes += count as u64;
        self.data_bytes -= count as u64;
        Ok(count)
    }
}

/// Reads `debian-binary`, which every `.deb` begins with; returns its timestamp, which is when the
/// package was made.
pub fn read_format<R: Read>(archive: &mut ArReader<R>) -> Result<i64, ArError> {
    let member = archive.next_member()?.ok_or(ArError::Missing("debian-binary"))?;
    if member.name != "debian-binary" {
        return Err(ArError::Member { expected: "debian-binary", actual: member.name });
    }
    let mut text = Vec::new();
    archive.by_ref().take(FORMAT_BYTES_MAX).read_to_end(&mut text).map_err(truncated)?;
    let line = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
    match line.strip_prefix(b"2.") {
        Some(minor) if !minor.is_empty() && minor.iter().all(u8::is_ascii_digit) => {
            Ok(member.timestamp)
        }
        _ => Err(ArError::Version(String::from_utf8_lossy(&line[..line.len().min(40)]).into())),
    }
}

/// Goes to the member `control.tar` or `data.tar` and returns its header and compression. Members
/// whose names begin with `_` are passed over, as deb(5) says.
pub fn find_tar<R: Read>(
    archive: &mut ArReader<R>,
    expected: &'static str,
) -> Result<(ArMember, Compression), ArError> {
    loop {
        let member = archive.next_member()?.ok_or(ArError::Missing(expected))?;
        if member.name.starts_with('_') {
            continue;
        }
        let compression = member.name.strip_prefix(expected).and_then(Compression::from_suffix);
        return match compression {
            // deb(5) has these two for data only.
            Some(Compression::Bzip2 | Compression::Lzma) if expected == "control.tar" => {
                Err(ArError::Member { expected, actual: member.name })
            }
            Some(compression) => Ok((member, compression)),
            None => Err(ArError::Member { expected, actual: member.name }),
        };
    }
}

fn truncated(error: io::Error) -> ArError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ArError::Truncated,
        _ => ArError::Io(error),
    }
}

/// How a member is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// xz.
    Xz,
    /// zstd.
    Zstd,
    /// bzip2.
    Bzip2,
    /// lzma, the format before xz.
    Lzma,
}

impl Compression {
    /// Returns the compression that a file name's suffix stands for.
    pub fn from_suffix(suffix: &str) -> Option<Self> {
        Some(match suffix {
            "" => Self::None,
            ".gz" => Self::Gzip,
            ".xz" => Self::Xz,
            ".zst" => Self::Zstd,
            ".bz2" => Self::Bzip2,
            ".lzma" => Self::Lzma,
            _ => return None,
        })
    }

    /// Wraps a reader of compressed data.
    pub fn decoder<'a>(self, reader: &'a mut dyn Read) -> io::Result<Box<dyn Read + 'a>> {
        let reader = BufReader::with_capacity(32 * 1024, reader);
        Ok(match self {
            Self::None => Box::new(reader),
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(reader)),
            Self::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(reader)),
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(reader)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                Box::new(decoder)
            }
            Self::Xz => {
                let flags = liblzma::stream::CONCATENATED;
                let stream =
                    liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY_BYTES_MAX, flags)?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(reader, stream))
            }
            Self::Lzma => {
                let stream = liblzma::stream::Stream::new_lzma_decoder(XZ_MEMORY_BYTES_MAX)?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(reader, stream))
            }
        })
    }
}

/// Reads decimal digits that may be followed by spaces.
fn decimal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?.trim_end_matches(' ');
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Reads until the buffer is full or the reader ends; returns how much there was.
fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match fill_some(reader, &mut buffer[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

/// Reads once, or again when a signal came between.
fn fill_some(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
