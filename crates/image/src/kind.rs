// SPDX-License-Identifier: Apache-2.0
//! Telling indexes and manifests apart.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::media_type::{DOCKER_INDEX, DOCKER_MANIFEST, INDEX, MANIFEST, is_index};

/// Why bytes are neither an index nor a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KindError {
    /// Not JSON.
    #[error("it is not JSON")]
    NotJson,
    /// A manifest of the first kind, which has no digests that can be relied on.
    #[error("it is a manifest of schema 1, which registries have not taken since 2017")]
    SchemaOne,
    /// It says that it is something else.
    #[error("its mediaType is {0:?}")]
    MediaType(String),
    /// It says that it is one thing, and who sent it says that it is another.
    #[error("it says that it is {own}, and the registry says {announced}")]
    Disagree {
        /// What it says.
        own: &'static str,
        /// What is said of it.
        announced: &'static str,
    },
    /// It has the fields of neither or of both.
    #[error("it is neither an index nor a manifest, or both")]
    Neither,
}

/// What tells documents apart.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    schema_version: Option<u32>,
    media_type: Option<String>,
    manifests: Option<IgnoredAny>,
    layers: Option<IgnoredAny>,
    config: Option<IgnoredAny>,
}

/// Returns which of the four media types of indexes and manifests a document has. `announced` is what whoever sent
/// it says of it; where the document says so itself, the two must agree: else one document could be two
/// (CVE-2021-41190).
pub fn document_kind(bytes: &[u8], announced: Option<&str>) -> Result<&'static str, KindError> {
    let shape: Shape = serde_json::from_slice(bytes).map_err(|_| KindError::NotJson)?;
    if shape.schema_version == Some(1) {
        return Err(KindError::SchemaOne);
    }
    let own = match shape.media_type.as_deref() {
        Some(text) => {
            let error = || KindError::MediaType(text.chars().take(100).collect());
            Some(known(text).ok_or_else(error)?)
        }
        None => None,
    };
    let announced = announced.and_then(|text| known(text.split(';').next()?.trim()));
    let found = match (own, announced) {
        (Some(own), Some(announced)) if own != announced => {
            return Err(KindError::Disagree { own, announced });
        }
        (Some(found), _) | (None, Some(found)) => found,
        (None, None) if shape.manifests.is_some() => INDEX,
        (None, None) => MANIFEST,
    };
    let has_layers = shape.layers.is_some() || shape.config.is_some();
    if shape.manifests.is_some() != is_index(found) || has_layers == is_index(found) {
        return Err(KindError::Neither);
    }
    Ok(found)
}

fn known(text: &str) -> Option<&'static str> {
    [INDEX, MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST].into_iter().find(|known| *known == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_told_apart() {
        let index = r#"{"schemaVersion":2,"manifests":[]}"#;
        let manifest = r#"{"schemaVersion":2,"config":{},"layers":[]}"#;
        let own = format!(r#"{{"mediaType":"{DOCKER_INDEX}","schemaVersion":2,"manifests":[]}}"#);
        for (announced, text, expected) in [
            (None, index, INDEX),
            (Some(DOCKER_INDEX), index, DOCKER_INDEX),
            (Some("application/json"), manifest, MANIFEST),
            (Some(&format!("{DOCKER_MANIFEST}; charset=utf-8")), manifest, DOCKER_MANIFEST),
            (None, own.as_str(), DOCKER_INDEX),
            (Some(DOCKER_INDEX), own.as_str(), DOCKER_INDEX),
        ] {
            assert_eq!(document_kind(text.as_bytes(), announced), Ok(expected), "{text}");
        }
        let both = r#"{"schemaVersion":2,"manifests":[],"config":{},"layers":[]}"#;
        let disagree = KindError::Disagree { own: DOCKER_INDEX, announced: INDEX };
        for (announced, text, error) in [
            (Some(INDEX), own.as_str(), disagree),
            (Some(MANIFEST), index, KindError::Neither),
            (Some(INDEX), manifest, KindError::Neither),
            (None, both, KindError::Neither),
            (None, "{}", KindError::Neither),
            (None, r#"{"mediaType":"text/html"}"#, KindError::MediaType("text/html".into())),
            (None, "<html>", KindError::NotJson),
            (None, "", KindError::NotJson),
            (None, r#"{"schemaVersion":1,"fsLayers":[]}"#, KindError::SchemaOne),
        ] {
            assert_eq!(document_kind(text.as_bytes(), announced), Err(error), "{text}");
        }
    }
}
