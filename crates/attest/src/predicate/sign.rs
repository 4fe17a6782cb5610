// SPDX-License-Identifier: Apache-2.0
//! "This is signed": the statement that a signature of the newer kind signs. It says nothing more.
//!
//! What a signer wants to add stands in the annotations of the statement's subject.

use serde::Serialize;
use serde_json::Value;

use super::resource::PredicateError;

/// Its type.
pub const URI: &str = "https://sigstore.dev/cosign/sign/v1";
const KIND: &str = "signature";

/// The predicate, which is empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Sign {}

impl Sign {
    /// Reads the predicate.
    pub fn from_value(value: &Value) -> Result<Self, PredicateError> {
        match value {
            Value::Null => Ok(Self {}),
            Value::Object(fields) if fields.is_empty() => Ok(Self {}),
            _ => Err(PredicateError::invalid(KIND, "predicate", "it is not empty")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_empty() {
        assert_eq!(serde_json::to_value(Sign {}).unwrap(), json!({}));
        assert!(Sign::from_value(&json!({})).is_ok() && Sign::from_value(&Value::Null).is_ok());
        for value in [json!({"a": 1}), json!([]), json!("x"), json!(0)] {
            assert!(Sign::from_value(&value).is_err(), "{value}");
        }
    }
}
