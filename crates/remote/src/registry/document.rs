// SPDX-License-Identifier: Apache-2.0
//! Manifests and indexes as a registry sends them.

use hardpan_image::media_type::{DOCKER_INDEX, DOCKER_MANIFEST, INDEX, MANIFEST};
use hardpan_tree::Digest;
use serde::Deserialize;

use super::error::RegistryError;
use crate::download::Downloaded;
use crate::error::RemoteError;
use crate::url::Url;

/// The kinds of documents that are understood; a registry may only choose among them.
pub(super) const ACCEPT: &str = concat!(
    "application/vnd.oci.image.index.v1+json, ",
    "application/vnd.oci.image.manifest.v1+json, ",
    "application/vnd.docker.distribution.manifest.list.v2+json, ",
    "application/vnd.docker.distribution.manifest.v2+json"
);

/// A manifest or index, with its exact bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteDocument {
    /// One of the four media types of indexes and manifests.
    pub media_type: &'static str,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Their digest.
    pub digest: Digest,
}

/// What tells documents apart.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    schema_version: Option<u32>,
    media_type: Option<String>,
    manifests: Option<serde::de::IgnoredAny>,
    layers: Option<serde::de::IgnoredAny>,
    config: Option<serde::de::IgnoredAny>,
}

/// Checks what came: the digest, if one was asked for or announced, and what it is.
pub(super) fn read(
    url: &Url,
    done: Downloaded,
    bytes: Vec<u8>,
    expected: Option<Digest>,
) -> Result<RemoteDocument, RegistryError> {
    let announced = match &done.content_digest {
        // Registries may use algorithms that nobody asked for.
        Some(text) if text.starts_with("sha256:") => {
            let digest = text.parse().map_err(|_| RemoteError::Protocol {
                url: url.clone(),
                problem: "Docker-Content-Digest is no digest".to_owned(),
            })?;
            Some(digest)
        }
        _ => None,
    };
    for expected in [expected, announced].into_iter().flatten() {
        if done.digest != expected {
            let (url, actual) = (url.clone(), done.digest);
            return Err(RemoteError::DigestMismatch { url, expected, actual }.into());
        }
    }
    let media_type = media_type(url, done.content_type.as_deref(), &bytes)?;
    Ok(RemoteDocument { media_type, bytes, digest: done.digest })
}

/// Says what a document is. Where it says so itself, the server must not say otherwise: else one document
/// could be two (CVE-2021-41190).
fn media_type(
    url: &Url,
    content_type: Option<&str>,
    bytes: &[u8],
) -> Result<&'static str, RegistryError> {
    let refuse =
        |problem: &str| RegistryError::Document { url: url.clone(), problem: problem.to_owned() };
    let shape: Shape = serde_json::from_slice(bytes).map_err(|_| refuse("it is not JSON"))?;
    let announced = content_type.and_then(|text| known(text.split(';').next()?.trim()));
    if shape.schema_version == Some(1) {
        return Err(RegistryError::SchemaOne { url: url.clone() });
    }
    let own = match shape.media_type.as_deref() {
        Some(text) => {
            let text = text.chars().take(100).collect::<String>();
            Some(known(&text).ok_or_else(|| refuse(&format!("its mediaType is {text:?}")))?)
        }
        None => None,
    };
    let found = match (own, announced) {
        (Some(own), Some(announced)) if own != announced => {
            return Err(refuse(&format!("it is {own}, and the registry says {announced}")));
        }
        (Some(found), _) | (None, Some(found)) => found,
        (None, None) if shape.manifests.is_some() => INDEX,
        (None, None) => MANIFEST,
    };
    let is_index = hardpan_image::media_type::is_index(found);
    if shape.manifests.is_some() != is_index
        || (shape.layers.is_some() || shape.config.is_some()) == is_index
    {
        return Err(refuse("it is neither an index nor a manifest, or both"));
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
        let url: Url = "https://registry.example/v2/a/manifests/1".parse().unwrap();
        let of = |content_type: Option<&str>, text: &str| {
            media_type(&url, content_type, text.as_bytes()).map_err(|error| error.to_string())
        };
        let index = r#"{"schemaVersion":2,"manifests":[]}"#;
        let manifest = r#"{"schemaVersion":2,"config":{},"layers":[]}"#;
        let own = format!(r#"{{"mediaType":"{DOCKER_INDEX}","schemaVersion":2,"manifests":[]}}"#);
        for (content_type, text, expected) in [
            (None, index, INDEX),
            (Some(DOCKER_INDEX), index, DOCKER_INDEX),
            (Some("application/json"), manifest, MANIFEST),
            (Some(&format!("{DOCKER_MANIFEST}; charset=utf-8")), manifest, DOCKER_MANIFEST),
            (None, own.as_str(), DOCKER_INDEX),
            (Some(DOCKER_INDEX), own.as_str(), DOCKER_INDEX),
        ] {
            assert_eq!(of(content_type, text).as_deref(), Ok(expected), "{text}");
        }
        let both = r#"{"schemaVersion":2,"manifests":[],"config":{},"layers":[]}"#;
        for (content_type, text, problem) in [
            (Some(INDEX), own.as_str(), "and the registry says"),
            (Some(MANIFEST), index, "neither an index nor a manifest"),
            (Some(INDEX), manifest, "neither an index nor a manifest"),
            (None, both, "neither an index nor a manifest"),
            (None, "{}", "neither an index nor a manifest"),
            (None, r#"{"mediaType":"text/html"}"#, "mediaType is \"text/html\""),
            (None, "<html>", "not JSON"),
            (None, r#"{"schemaVersion":1,"fsLayers":[]}"#, "schema 1"),
        ] {
            let error = of(content_type, text).unwrap_err();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }
}
