// SPDX-License-Identifier: Apache-2.0
//! Canonical JSON, and parsed documents that keep their bytes.

use std::io::{self, Read};

use hardpan_tree::Digest;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The largest document that is parsed, in bytes: what registries must accept as a manifest
/// (OCI distribution specification, "Pushing Manifests").
pub const DOCUMENT_SIZE_BYTES_MAX: usize = 4 << 20;

/// Why bytes are not the document that they should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// Longer than [`DOCUMENT_SIZE_BYTES_MAX`].
    #[error("the document has more than {DOCUMENT_SIZE_BYTES_MAX} bytes")]
    TooLarge,
    /// Could not be read.
    #[error("the document can't be read")]
    Read(#[source] io::Error),
    /// Not JSON, or not of the right shape.
    #[error("the document is malformed")]
    Malformed(#[source] serde_json::Error),
    /// The right shape, but a value that can't be.
    #[error("the document is wrong: {0}")]
    Invalid(String),
}

/// Writes a value as canonical JSON: no white space, keys sorted, shortest escapes; the form of
/// RFC 8785, but with integers always written out in full.
///
/// # Panics
/// If the value has a map whose keys are not strings, or a float that is not finite:
/// nothing that is serialised here has.
pub fn canonical_json<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let value = serde_json::to_value(value).expect("serialised values have string keys");
    let mut output = Vec::new();
    write_value(&value, &mut output);
    output
}

fn write_value(value: &Value, output: &mut Vec<u8>) {
    match value {
        Value::Null => output.extend_from_slice(b"null"),
        Value::Bool(true) => output.extend_from_slice(b"true"),
        Value::Bool(false) => output.extend_from_slice(b"false"),
        Value::Number(number) => write_number(number, output),
        Value::String(text) => write_string(text, output),
        Value::Array(items) => {
            output.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    output.push(b',');
                }
                write_value(item, output);
            }
            output.push(b']');
        }
        // Sorted here, because a feature that any crate can switch on makes the map unsorted.
        Value::Object(fields) => {
            let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
            fields.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            output.push(b'{');
            for (index, (key, value)) in fields.into_iter().enumerate() {
                if index > 0 {
                    output.push(b',');
                }
                write_string(key, output);
                output.push(b':');
                write_value(value, output);
            }
            output.push(b'}');
        }
    }
}

fn write_string(text: &str, output: &mut Vec<u8>) {
    serde_json::to_writer(output, text).expect("a string can be written to a vector");
}

/// Writes a number as ECMAScript does.
fn write_number(number: &serde_json::Number, output: &mut Vec<u8>) {
    let text = match number.as_f64() {
        Some(float) if number.is_f64() => {
            if float == 0.0 {
                "0".to_owned()
            } else if (1e-6..1e21).contains(&float.abs()) {
                float.to_string()
            } else {
                let text = format!("{float:e}");
                if float.abs() >= 1.0 { text.replace('e', "e+") } else { text }
            }
        }
        _ => number.to_string(),
    };
    output.extend_from_slice(text.as_bytes());
}

/// A parsed document together with the bytes that it was parsed from, which alone are what its
/// digest names. It is never written again from the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw<T> {
    bytes: Vec<u8>,
    digest: Digest,
    value: T,
}

impl<T> Raw<T> {
    /// Returns the bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the digest of the bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns the length in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Returns what the bytes say.
    pub fn value(&self) -> &T {
        &self.value
    }
}

impl<T: Serialize> Raw<T> {
    /// Writes a value of our own as canonical JSON.
    pub fn new(value: T) -> Self {
        let bytes = canonical_json(&value);
        Self { digest: Digest::of(&bytes), bytes, value }
    }
}

impl<T: DeserializeOwned> Raw<T> {
    /// Parses bytes from anywhere.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, DocumentError> {
        if bytes.len() > DOCUMENT_SIZE_BYTES_MAX {
            return Err(DocumentError::TooLarge);
        }
        let value = serde_json::from_slice(&bytes).map_err(DocumentError::Malformed)?;
        Ok(Self { digest: Digest::of(&bytes), bytes, value })
    }

    /// Reads a document to its end and parses it.
    pub fn read(input: impl Read) -> Result<Self, DocumentError> {
        let mut bytes = Vec::new();
        input
            .take(DOCUMENT_SIZE_BYTES_MAX as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(DocumentError::Read)?;
        Self::parse(bytes)
    }
}
