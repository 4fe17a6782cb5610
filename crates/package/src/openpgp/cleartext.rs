// SPDX-License-Identifier: Apache-2.0
//! The cleartext signature framework (RFC 9580, section 7) and signature blocks.
//!
//! Read strictly: where two readers could disagree about what was signed, there is an error.

use std::io::{BufReader, Read};

use pgp::armor::{BlockType, Dearmor, DearmorOptions};
use pgp::packet::{Packet, PacketParser, Signature};

use super::{SIGNATURE_BYTES_MAX, SIGNATURES_MAX, SIGNED_BYTES_MAX, VerifyError};

const BEGIN_MESSAGE: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const BEGIN_SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";
const END_SIGNATURE: &str = "-----END PGP SIGNATURE-----";

/// A cleartext-signed message, taken apart.
pub(super) struct Message<'m> {
    /// The lines that were signed: without dash escapes and trailing white space.
    pub(super) lines: Vec<&'m str>,
    /// The armoured signature block.
    pub(super) signatures: String,
}

/// Takes a message apart.
pub(super) fn split(message: &[u8]) -> Result<Message<'_>, VerifyError> {
    if message.len() > SIGNED_BYTES_MAX + SIGNATURE_BYTES_MAX {
        let limit_bytes = SIGNED_BYTES_MAX + SIGNATURE_BYTES_MAX;
        return Err(VerifyError::TooLarge { what: "the signed message", limit_bytes });
    }
    let text = std::str::from_utf8(message).map_err(|_| VerifyError::NotUtf8)?;
    let mut lines = Lines { rest: text, number: 0 };
    skip_to_message(&mut lines, text)?;
    skip_headers(&mut lines)?;
    let signed = read_signed_lines(&mut lines)?;
    let signatures = read_block(&mut lines)?;
    while let Some(line) = lines.next() {
        if !line.trim().is_empty() {
            return Err(VerifyError::TextOutside { line: lines.number });
        }
    }
    Ok(Message { lines: signed, signatures })
}

/// Yields lines without their line ends, and counts them.
struct Lines<'m> {
    rest: &'m str,
    number: usize,
}

impl<'m> Lines<'m> {
    fn next(&mut self) -> Option<&'m str> {
        if self.rest.is_empty() {
            return None;
        }
        self.number += 1;
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        self.rest = rest;
        Some(line.strip_suffix('\r').unwrap_or(line))
    }

    fn problem(&self, problem: &'static str) -> VerifyError {
        VerifyError::Malformed { line: self.number, problem }
    }
}

/// Reads up to and with the line that begins the message.
fn skip_to_message(lines: &mut Lines<'_>, text: &str) -> Result<(), VerifyError> {
    while let Some(line) = lines.next() {
        if line == BEGIN_MESSAGE {
            return Ok(());
        }
        if !line.trim().is_empty() {
            let signed = text.lines().any(|line| line == BEGIN_MESSAGE);
            return Err(if signed {
                VerifyError::TextOutside { line: lines.number }
            } else {
                VerifyError::NotSigned
            });
        }
    }
    Err(VerifyError::NotSigned)
}

/// Reads the armour headers up to and with the empty line. Only `Hash` may stand here; it is a
/// hint for readers in one pass, so its value does not matter.
fn skip_headers(lines: &mut Lines<'_>) -> Result<(), VerifyError> {
    while let Some(line) = lines.next() {
        if line.is_empty() {
            return Ok(());
        }
        if !line.starts_with("Hash: ") {
            return Err(lines.problem("expected an empty line or a Hash header"));
        }
    }
    Err(lines.problem("the message ends early"))
}

/// Reads the signed lines up to and with the line that begins the signature block.
fn read_signed_lines<'m>(lines: &mut Lines<'m>) -> Result<Vec<&'m str>, VerifyError> {
    let mut signed = Vec::new();
    while let Some(line) = lines.next() {
        if line == BEGIN_SIGNATURE {
            return Ok(signed);
        }
        let line = match line.strip_prefix('-') {
            None => line,
            Some(escaped) => escaped
                .strip_prefix(' ')
                .ok_or_else(|| lines.problem("a line that begins with \"-\" is not escaped"))?,
        };
        // A lone carriage return is a line end to some readers and not to others.
        if line.contains(['\r', '\0']) {
            return Err(lines.problem("control character in the signed text"));
        }
        signed.push(line.trim_end_matches([' ', '\t']));
    }
    Err(lines.problem("the message ends early"))
}

/// Reads the rest of the signature block, and returns it whole.
fn read_block<'m>(lines: &mut Lines<'m>) -> Result<String, VerifyError> {
    let start: &'m str = lines.rest;
    while let Some(line) = lines.next() {
        if line == END_SIGNATURE {
            let length = start.len() - lines.rest.len();
            return Ok(format!("{BEGIN_SIGNATURE}\n{}", &start[..length]));
        }
        if line.starts_with('-') {
            return Err(lines.problem("unexpected line in the signature block"));
        }
    }
    Err(lines.problem("the signature block ends early"))
}

/// Reads the signatures of one block, armoured or binary.
pub(super) fn read_signatures(block: &[u8]) -> Result<Vec<Signature>, VerifyError> {
    if block.len() > SIGNATURE_BYTES_MAX {
        return Err(VerifyError::TooLarge {
            what: "the signature block",
            limit_bytes: SIGNATURE_BYTES_MAX,
        });
    }
    if block.iter().all(u8::is_ascii_whitespace) {
        return Err(VerifyError::NotSigned);
    }
    let packets = if is_armoured(block) {
        dearmour(block, &BlockType::Signature)
            .map_err(|problem| VerifyError::SignatureBlock { problem })?
    } else {
        block.to_vec()
    };
    let mut signatures = Vec::new();
    for packet in PacketParser::new(packets.as_slice()) {
        if signatures.len() == SIGNATURES_MAX {
            let problem = format!("more than {SIGNATURES_MAX} signatures");
            return Err(VerifyError::SignatureBlock { problem });
        }
        match packet {
            Ok(Packet::Signature(signature)) => signatures.push(signature),
            Ok(Packet::Marker(_) | Packet::Padding(_)) => {}
            Ok(_) => {
                let problem = "it holds something else than signatures".to_owned();
                return Err(VerifyError::SignatureBlock { problem });
            }
            Err(error) => {
                return Err(VerifyError::SignatureBlock { problem: error.to_string() });
            }
        }
    }
    if signatures.is_empty() { Err(VerifyError::NotSigned) } else { Ok(signatures) }
}

/// Whether the bytes are ASCII armour: binary packets begin with a byte above 127.
pub(super) fn is_armoured(bytes: &[u8]) -> bool {
    bytes.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| *byte == b'-')
}

/// Decodes one armoured block of the given type, with nothing before or after it.
pub(super) fn dearmour(block: &[u8], expected: &BlockType) -> Result<Vec<u8>, String> {
    let options = DearmorOptions::new().set_limit(block.len() + 1024);
    let mut armour = Dearmor::with_options(block.trim_ascii(), options);
    armour.read_header().map_err(|error| error.to_string())?;
    if armour.typ.as_ref() != Some(expected) {
        return Err(format!("expected a block of type {expected}"));
    }
    let mut bytes = Vec::new();
    let mut reader = BufReader::new(armour);
    reader.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let (_, _, _, mut rest) = reader.into_inner().into_parts();
    let mut after = Vec::new();
    rest.read_to_end(&mut after).map_err(|error| error.to_string())?;
    if after.iter().all(u8::is_ascii_whitespace) {
        Ok(bytes)
    } else {
        Err("text after the armoured block".to_owned())
    }
}
