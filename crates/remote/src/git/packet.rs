// SPDX-License-Identifier: Apache-2.0
//! Packet lines (gitprotocol-common, "pkt-line Format").

use std::io::{self, Read};

/// The longest packet, its length included.
const PACKET_BYTES_MAX: usize = 65520;

/// A packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet<'b> {
    /// `0000`: the end of a message.
    Flush,
    /// `0001`: the end of a section.
    Delimiter,
    /// `0002`: the end of a response.
    End,
    /// Bytes.
    Data(&'b [u8]),
}

impl<'b> Packet<'b> {
    /// Returns the text of a line without its end; other packets have none.
    pub(super) fn line(&self) -> Option<&'b str> {
        match self {
            Self::Data(bytes) => {
                std::str::from_utf8(bytes).ok().map(|text| text.trim_end_matches('\n'))
            }
            _ => None,
        }
    }
}

/// Reads packets.
pub(super) struct PacketReader<R> {
    inner: R,
    buffer: Vec<u8>,
}

impl<R: Read> PacketReader<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, buffer: Vec::new() }
    }

    /// Returns the next packet. The end of the stream is an error: every message has its own end.
    pub(super) fn next(&mut self) -> io::Result<Packet<'_>> {
        let mut length = [0; 4];
        self.inner.read_exact(&mut length)?;
        let length = std::str::from_utf8(&length)
            .ok()
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|text| usize::from_str_radix(text, 16).ok())
            .ok_or_else(|| bad("a packet without a length"))?;
        match length {
            0 => Ok(Packet::Flush),
            1 => Ok(Packet::Delimiter),
            2 => Ok(Packet::End),
            4..=PACKET_BYTES_MAX => {
                self.buffer.resize(length - 4, 0);
                self.inner.read_exact(&mut self.buffer)?;
                Ok(Packet::Data(&self.buffer))
            }
            _ => Err(bad("a packet of an impossible length")),
        }
    }
}

fn bad(problem: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

/// Adds a line to a request.
pub(super) fn push_line(request: &mut Vec<u8>, line: &str) {
    request.extend_from_slice(format!("{:04x}{line}\n", line.len() + 5).as_bytes());
}

/// Ends a section of a request.
pub(super) fn push_delimiter(request: &mut Vec<u8>) {
    request.extend_from_slice(b"0001");
}

/// Ends a request.
pub(super) fn push_flush(request: &mut Vec<u8>) {
    request.extend_from_slice(b"0000");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_back() {
        let mut message = Vec::new();
        push_line(&mut message, "want x");
        push_delimiter(&mut message);
        push_flush(&mut message);
        assert!(message.starts_with(b"000bwant x\n0001"));
        let mut reader = PacketReader::new(message.as_slice());
        assert_eq!(reader.next().unwrap().line(), Some("want x"));
        assert_eq!(reader.next().unwrap(), Packet::Delimiter);
        assert_eq!(reader.next().unwrap(), Packet::Flush);
        assert!(reader.next().is_err());
    }

    #[test]
    fn bad_packets_are_refused() {
        for bytes in [&b"0003"[..], b"zzzz", b"+123", b"000", b"0009abc", b"ffff", b""] {
            assert!(PacketReader::new(bytes).next().is_err(), "{bytes:?}");
        }
    }
}
