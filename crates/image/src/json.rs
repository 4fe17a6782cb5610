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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn text(value: &impl Serialize) -> String {
        String::from_utf8(canonical_json(value)).unwrap()
    }

    #[test]
    fn canonical_forms() {
        for (value, form) in [
            (json!(null), "null"),
            (json!([true, false, []]), "[true,false,[]]"),
            (json!({"b": 1, "a": {"d": {}, "c": -1}}), r#"{"a":{"c":-1,"d":{}},"b":1}"#),
            (json!({"B": 1, "a": 2, "": 3, "é": 4}), r#"{"":3,"B":1,"a":2,"é":4}"#),
            // By UTF-16 code units, as RFC 8785 wants: U+1F600 starts with 0xd83d, before U+FB33.
            (json!({"\u{fb33}": 1, "\u{1f600}": 2}), "{\"\u{1f600}\":2,\"\u{fb33}\":1}"),
            (json!("\"\\\n\u{8}\u{1f}/é\u{2028}"), "\"\\\"\\\\\\n\\b\\u001f/é\u{2028}\""),
            (json!(u64::MAX), "18446744073709551615"),
            (json!(i64::MIN), "-9223372036854775808"),
        ] {
            assert_eq!(text(&value), form);
        }
    }

    /// The examples of RFC 8785, appendix B, but for those that are too large to be exact.
    #[test]
    fn numbers_are_written_as_in_ecmascript() {
        for (bits, form) in [
            (0x0000_0000_0000_0000, "0"),
            (0x8000_0000_0000_0000, "0"),
            (0x0000_0000_0000_0001, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
            (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x41b3_de43_5555_5557, "333333333.33333343"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
        ] {
            assert_eq!(text(&f64::from_bits(bits)), form);
        }
        assert_eq!(text(&9.8), "9.8");
        assert_eq!(text(&7.0), "7");
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 30, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::hash_map(".{0,4}", inner, 0..5)
                    .prop_map(|fields| fields.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn canonical_json_is_the_same_value_and_a_fixed_point(value in any_json()) {
            let bytes = canonical_json(&value);
            let again: Value = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(&again, &value);
            prop_assert_eq!(canonical_json(&again), bytes);
        }
    }

    #[test]
    fn raw_keeps_the_bytes() {
        let bytes = b" { \"b\" : 1, \"a\" : 2 } ".to_vec();
        let raw: Raw<Value> = Raw::read(&bytes[..]).unwrap();
        assert_eq!(raw.bytes(), bytes);
        assert_eq!(raw.digest(), Digest::of(&bytes));
        assert_eq!(raw.value()["a"], 2);
        assert_eq!(Raw::new(raw.value().clone()).bytes(), br#"{"a":2,"b":1}"#);
    }

    #[test]
    fn bad_documents_are_refused() {
        let parse = |bytes: &[u8]| Raw::<Value>::parse(bytes.to_vec()).map(|_| ());
        for bytes in [&b""[..], b"{", b"{} {}", b"\xff", b"{\"a\":1e999}", b"[1,]", b"nul"] {
            let error = parse(bytes).unwrap_err();
            assert!(matches!(error, DocumentError::Malformed(_)), "{bytes:?}");
        }
        let deep = "[".repeat(100_000);
        assert!(matches!(parse(deep.as_bytes()), Err(DocumentError::Malformed(_))));
        let large = vec![b' '; DOCUMENT_SIZE_BYTES_MAX + 1];
        assert!(matches!(parse(&large), Err(DocumentError::TooLarge)));
        let endless = std::io::repeat(b' ');
        assert!(matches!(Raw::<Value>::read(endless), Err(DocumentError::TooLarge)));
    }
}
