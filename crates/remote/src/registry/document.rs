// SPDX-License-Identifier: Apache-2.0
//! Manifests and indexes as a registry sends them.

use hardpan_image::document_kind;
use hardpan_tree::Digest;

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
    let media_type = document_kind(&bytes, done.content_type.as_deref())
        .map_err(|source| RegistryError::Document { url: url.clone(), source })?;
    Ok(RemoteDocument { media_type, bytes, digest: done.digest })
}
