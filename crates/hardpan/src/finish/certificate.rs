// SPDX-License-Identifier: Apache-2.0
//! Certificates out of PEM files, and the hash of the subject by which OpenSSL finds them in a directory.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, PAD};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::der::{
    BIT_STRING, CONTEXT_0, DerError, INTEGER, OBJECT_IDENTIFIER, Reader, SEQUENCE, SET,
    UTF8_STRING, encode,
};

/// The largest PEM file that is read, in bytes. Debian's have at most 3 KiB; bundles of a company
/// are larger.
pub(super) const PEM_BYTES_MAX: usize = 4 << 20;
/// The most certificates in one file.
const CERTIFICATES_MAX: usize = 4096;

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Certificate {
    /// The certificate in DER.
    pub(super) der: Vec<u8>,
    /// What `openssl x509 -subject_hash` says of it.
    pub(super) subject_hash: u32,
}

/// Why a file is not a PEM file of certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// It is too large.
    #[error("{size_bytes} bytes are too many")]
    TooLarge {
        /// Its length.
        size_bytes: usize,
    },
    /// It has too many certificates.
    #[error("more than {CERTIFICATES_MAX} certificates")]
    TooMany,
    /// It has none.
    #[error("no PEM certificate")]
    None,
    /// A `BEGIN` without its `END`.
    #[error("no END for the BEGIN in line {line}")]
    NoEnd {
        /// The line of the `BEGIN`, from 1.
        line: usize,
    },
    /// Something else than base64 between the two.
    #[error("bad base64 after the BEGIN in line {line}")]
    Base64 {
        /// The line of the `BEGIN`, from 1.
        line: usize,
    },
    /// The certificate is malformed.
    #[error("malformed certificate")]
    Der(#[from] DerError),
    /// A text in the subject has bytes that its type does not allow.
    #[error("malformed text of type {tag} in the subject")]
    Text {
        /// The type's universal tag.
        tag: u8,
    },
}

/// Reads all certificates of a PEM file; at least one has to be there. What stands outside of them,
/// and what is no certificate, is skipped as OpenSSL does.
pub(super) fn parse_pem(bytes: &[u8]) -> Result<Vec<Certificate>, CertificateError> {
    if bytes.len() > PEM_BYTES_MAX {
        return Err(CertificateError::TooLarge { size_bytes: bytes.len() });
    }
    let mut certificates = Vec::new();
    let mut lines = bytes.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii_end).enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(label) = boundary(line, b"-----BEGIN ") else { continue };
        let line = number + 1;
        let mut text = Vec::new();
        loop {
            let (_, next) = lines.next().ok_or(CertificateError::NoEnd { line })?;
            match boundary(next, b"-----END ") {
                Some(end) if end == label => break,
                _ if next.starts_with(b"-----") => return Err(CertificateError::NoEnd { line }),
                _ => text.extend_from_slice(next.trim_ascii()),
            }
        }
        if !matches!(label, b"CERTIFICATE" | b"X509 CERTIFICATE" | b"TRUSTED CERTIFICATE") {
            continue;
        }
        let der = decode_base64(&text).ok_or(CertificateError::Base64 { line })?;
        let mut reader = Reader::new(&der);
        let certificate = reader.expect(SEQUENCE)?.whole;
        // OpenSSL's own form has trust settings after the certificate.
        if label != b"TRUSTED CERTIFICATE" {
            reader.finish()?;
        }
        if certificates.len() == CERTIFICATES_MAX {
            return Err(CertificateError::TooMany);
        }
        let subject_hash = subject_hash(certificate)?;
        certificates.push(Certificate { der: certificate.to_vec(), subject_hash });
    }
    if certificates.is_empty() { Err(CertificateError::None) } else { Ok(certificates) }
}

/// Returns what stands between `start` and `-----` in a line that has nothing else.
fn boundary<'l>(line: &'l [u8], start: &[u8]) -> Option<&'l [u8]> {
    line.strip_prefix(start)?.strip_suffix(b"-----")
}

/// Decodes base64 that may not have anything else in it; bits after the last byte mean nothing.
fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    const PADDED: GeneralPurpose =
        GeneralPurpose::new(&STANDARD, PAD.with_decode_allow_trailing_bits(true));
    PADDED.decode(text).ok()
}

/// Finds the subject of a certificate (RFC 5280, 4.1) and hashes it.
fn subject_hash(certificate: &[u8]) -> Result<u32, CertificateError> {
    let mut outer = Reader::new(Reader::new(certificate).expect(SEQUENCE)?.content);
    let mut body = Reader::new(outer.expect(SEQUENCE)?.content);
    outer.expect(SEQUENCE)?;
    outer.expect(BIT_STRING)?;
    outer.finish()?;
    if body.is_next(CONTEXT_0) {
        body.any()?;
    }
    body.expect(INTEGER)?;
    for _signature_issuer_validity in 0..3 {
        body.expect(SEQUENCE)?;
    }
    let subject = body.expect(SEQUENCE)?;
    body.expect(SEQUENCE)?;
    let canonical = canonical_name(subject.content)?;
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, &canonical);
    let first = digest.as_ref().first_chunk().expect("SHA-1 has 20 bytes");
    Ok(u32::from_le_bytes(*first))
}

/// Encodes a name's content as OpenSSL compares names: texts as lower-case UTF-8 with single
/// spaces, without the header of the outer sequence.
fn canonical_name(name: &[u8]) -> Result<Vec<u8>, CertificateError> {
    let mut canonical = Vec::with_capacity(name.len());
    let mut sets = Reader::new(name);
    while !sets.is_empty() {
        let mut attributes = Reader::new(sets.expect(SET)?.content);
        let mut encoded: Vec<Vec<u8>> = Vec::new();
        while !attributes.is_empty() {
            let mut attribute = Reader::new(attributes.expect(SEQUENCE)?.content);
            let mut content = attribute.expect(OBJECT_IDENTIFIER)?.whole.to_vec();
            let value = attribute.any()?;
            attribute.finish()?;
            match canonical_text(value.tag, value.content)? {
                Some(text) => encode(UTF8_STRING, &text, &mut content),
                None => content.extend_from_slice(value.whole),
            }
            let mut whole = Vec::new();
            encode(SEQUENCE, &content, &mut whole);
            encoded.push(whole);
        }
        // A set of no attributes is not carried over.
        if !encoded.is_empty() {
            encoded.sort();
            encode(SET, &encoded.concat(), &mut canonical);
        }
    }
    Ok(canonical)
}

/// Returns a text's canonical form, or nothing if it is not of a type that has one.
fn canonical_text(tag: u8, bytes: &[u8]) -> Result<Option<Vec<u8>>, CertificateError> {
    let bad = || CertificateError::Text { tag };
    let text: String = match tag {
        12 => std::str::from_utf8(bytes).map_err(|_| bad())?.to_owned(),
        // PrintableString, TeletexString, IA5String, VisibleString: one byte is one character.
        19 | 20 | 22 | 26 => bytes.iter().map(|&byte| char::from(byte)).collect(),
        // UniversalString and BMPString: four and two bytes are one character.
        28 | 30 => {
            let width = if tag == 28 { 4 } else { 2 };
            let units = bytes.chunks_exact(width);
            if !units.remainder().is_empty() {
                return Err(bad());
            }
            units
                .map(|unit| unit.iter().fold(0_u32, |value, &byte| value << 8 | u32::from(byte)))
                .map(|value| char::from_u32(value).ok_or_else(bad))
                .collect::<Result<_, _>>()?
        }
        _ => return Ok(None),
    };
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let mut canonical = Vec::with_capacity(text.len());
    for word in text.as_bytes().split(is_space).filter(|word| !word.is_empty()) {
        if !canonical.is_empty() {
            canonical.push(b' ');
        }
        canonical.extend(word.iter().map(u8::to_ascii_lowercase));
    }
    Ok(Some(canonical))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EC_SAMPLE: &str = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";

    /// Makes a certificate that has a subject and else only what has to be there.
    fn with_subject(subject: &[u8]) -> Vec<u8> {
        let mut body = vec![0x02, 1, 1];
        for content in [&[][..], &[], &[], subject, &[]] {
            encode(SEQUENCE, content, &mut body);
        }
        let mut outer = Vec::new();
        encode(SEQUENCE, &body, &mut outer);
        encode(SEQUENCE, &[], &mut outer);
        encode(BIT_STRING, &[0], &mut outer);
        let mut whole = Vec::new();
        encode(SEQUENCE, &outer, &mut whole);
        whole
    }

    fn name(attributes: &[(u8, &[u8])]) -> Vec<u8> {
        let mut set = Vec::new();
        for (tag, value) in attributes {
            let mut attribute = vec![OBJECT_IDENTIFIER, 3, 0x55, 4, 3];
            encode(*tag, value, &mut attribute);
            encode(SEQUENCE, &attribute, &mut set);
        }
        let mut name = Vec::new();
        encode(SET, &set, &mut name);
        name
    }

    #[test]
    fn texts_become_canonical() {
        for (tag, bytes, expected) in [
            (19, &b"  Foo \t Bar\n"[..], Some("foo bar")),
            (12, "Ä  É".as_bytes(), Some("Ä É")),
            (20, b"caf\xe9", Some("café")),
            (22, b"", Some("")),
            (26, b" \x0b ", Some("")),
            (30, &[0, b'A', 1, 0x51], Some("aő")),
            (28, &[0, 0, 0, b'A', 0, 1, 0xf6, 0], Some("a😀")),
            (18, b"1 2", None),
            (3, b"\0", None),
        ] {
            let canonical = canonical_text(tag, bytes).unwrap();
            assert_eq!(canonical.as_deref(), expected.map(str::as_bytes), "{tag} {bytes:?}");
        }
        for (tag, bytes) in
            [(12, &b"\xff"[..]), (30, b"a"), (30, &[0xd8, 0]), (28, &[0, 0x11, 0, 0])]
        {
            assert_eq!(canonical_text(tag, bytes), Err(CertificateError::Text { tag }));
        }
    }

    #[test]
    fn equal_names_have_equal_hashes() {
        let hash = |attributes: &[(u8, &[u8])]| subject_hash(&with_subject(&name(attributes)));
        let one = hash(&[(19, b"Some  CA")]).unwrap();
        assert_eq!(hash(&[(12, b"some ca ")]).unwrap(), one);
        assert_ne!(hash(&[(12, b"someca")]).unwrap(), one);
        // The order of a set does not matter.
        assert_eq!(hash(&[(12, b"b"), (12, b"A")]), hash(&[(12, b"a"), (12, b"B")]));
        // An empty subject is the hash of nothing.
        assert_eq!(subject_hash(&with_subject(&[])), Ok(0xeea3_39da));
    }

    #[test]
    fn bad_files_are_refused() {
        let none = CertificateError::None;
        for (text, expected) in [
            ("", none),
            ("hello\n", none),
            ("-----BEGIN CERTIFICATE----\nMAA=\n-----END CERTIFICATE----\n", none),
            (" -----BEGIN CERTIFICATE-----\nMAA=\n", none),
            ("-----BEGIN CRL-----\nMAA=\n-----END CRL-----\n", none),
            ("\n-----BEGIN CERTIFICATE-----\nMAA=\n", CertificateError::NoEnd { line: 2 }),
            (
                "-----BEGIN CERTIFICATE-----\nMAA=\n-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----",
                CertificateError::NoEnd { line: 1 },
            ),
            (
                "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CRL-----",
                CertificateError::NoEnd { line: 1 },
            ),
            (&EC_SAMPLE.replace("MAA=", "M*A="), CertificateError::Base64 { line: 1 }),
            (&EC_SAMPLE.replace("MAA=", "MAA"), CertificateError::Base64 { line: 1 }),
            (&EC_SAMPLE.replace("MAA=", "A==="), CertificateError::Base64 { line: 1 }),
            (&EC_SAMPLE.replace("MAA=", "MA=A"), CertificateError::Base64 { line: 1 }),
            (&EC_SAMPLE.replace("MAA=", "MAAw"), DerError::Trailing.into()),
            (&EC_SAMPLE.replace("MAA=", ""), DerError::Truncated.into()),
            (EC_SAMPLE, DerError::Truncated.into()),
        ] {
            assert_eq!(parse_pem(text.as_bytes()), Err(expected), "{text}");
        }
        let huge = vec![b'\n'; PEM_BYTES_MAX + 1];
        let size_bytes = huge.len();
        assert_eq!(parse_pem(&huge), Err(CertificateError::TooLarge { size_bytes }));
    }

    #[test]
    fn a_certificate_cut_anywhere_is_refused() {
        let whole = with_subject(&name(&[(12, b"x")]));
        assert!(subject_hash(&whole).is_ok());
        for end in 0..whole.len() {
            assert!(subject_hash(&whole[..end]).is_err(), "{end}");
        }
        for position in 0..whole.len() {
            let mut changed = whole.clone();
            changed[position] ^= 0xff;
            let _ = subject_hash(&changed);
        }
    }
}
