// SPDX-License-Identifier: Apache-2.0
//! Manifests and indexes: pushed, and looked for.

use hardpan_image::{Descriptor, ImageName};
use hardpan_tree::Digest;
use serde::Deserialize;
use ureq::http::Method;

use super::super::document::ACCEPT;
use super::super::error::RegistryError;
use super::super::{DOCUMENT_BYTES_MAX, Registries, Watch};
use super::doubt::{self, Doubt};
use super::{Call, Door, protocol, refused};
use crate::error::RemoteError;
use crate::exchange::Reply;
use crate::url::Url;

/// What a document is called in its repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference<'r> {
    /// By a tag, which may be moved to another document.
    Tag(&'r str),
    /// By its digest.
    Digest(Digest),
}

/// A document that a registry has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DocumentPushed {
    /// The document's digest.
    pub digest: Digest,
    /// Whether the registry says that it lists the document among what is attached to its subject (`OCI-Subject`).
    pub subject_is_indexed: bool,
}

/// What is read of a document that is pushed.
#[derive(Deserialize)]
struct Subject {
    subject: Option<Named>,
}

#[derive(Deserialize)]
struct Named {
    digest: String,
}

impl Registries {
    /// Pushes a manifest or index. All that it names must be there before.
    ///
    /// Only the registry and repository of `name` count. Bytes that have another digest than the `reference` are
    /// refused, and so is the answer of a registry that has understood another document. A registry that does not know
    /// what the document names is given some time, and then this is [`RegistryError::Incomplete`].
    pub fn push_document(
        &self,
        name: &ImageName,
        reference: Reference<'_>,
        media_type: &str,
        bytes: &[u8],
        watch: Watch<'_>,
    ) -> Result<DocumentPushed, RegistryError> {
        let door = Door::to_write(self, name)?;
        let (actual, version) = (Digest::of(bytes), version(name, reference)?);
        if let Reference::Digest(expected) = reference
            && expected != actual
        {
            return Err(RegistryError::OtherDocument { expected, actual });
        }
        let url = door.url("manifests", &version)?;
        if bytes.len() as u64 > DOCUMENT_BYTES_MAX {
            return Err(RemoteError::TooLarge { url, limit_bytes: DOCUMENT_BYTES_MAX }.into());
        }
        let headers = [("content-type", media_type)];
        let call = Call { headers: &headers, ..Call::new(Method::PUT, &url) };
        let mut doubt = Doubt::new(0);
        let reply = loop {
            let reply = self.ask(&door, &call, bytes, watch)?;
            match doubt::of_parts(&url, &reply) {
                Some(error) if !doubt.again(&self.client, watch.cancel) => return Err(error),
                Some(_) => {}
                None => break reply,
            }
        };
        if !matches!(reply.status, 200..=204) {
            return Err(refused(&url, &reply));
        }
        if let Some(taken) = content_digest(&url, &reply)?
            && taken != actual
        {
            let error = RemoteError::DigestMismatch { url, expected: actual, actual: taken };
            return Err(error.into());
        }
        let subject = serde_json::from_slice(bytes).ok().and_then(|it: Subject| it.subject);
        let subject = subject.map(|subject| subject.digest);
        let subject_is_indexed =
            subject.is_some() && subject.as_deref() == reply.header("oci-subject");
        Ok(DocumentPushed { digest: actual, subject_is_indexed })
    }

    /// Returns what a document is if the registry has it. Nothing of it is fetched, so this is the registry's word.
    pub fn exists(
        &self,
        name: &ImageName,
        reference: Reference<'_>,
        watch: Watch<'_>,
    ) -> Result<Option<Descriptor>, RegistryError> {
        let door = Door::to_read(self, name)?;
        let url = door.url("manifests", &version(name, reference)?)?;
        let headers = [("accept", ACCEPT)];
        let call = Call { headers: &headers, ..Call::new(Method::HEAD, &url) };
        let reply = match self.ask(&door, &call, &[], watch) {
            Err(error) if error.is_not_found() => return Ok(None),
            reply => reply?,
        };
        if reply.status != 200 {
            return Err(refused(&url, &reply));
        }
        let expected = match reference {
            Reference::Digest(digest) => Some(digest),
            Reference::Tag(_) => None,
        };
        let actual = content_digest(&url, &reply)?;
        if let (Some(expected), Some(actual)) = (expected, actual)
            && expected != actual
        {
            return Err(RemoteError::DigestMismatch { url, expected, actual }.into());
        }
        let media_type = reply.header("content-type").unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        let size_bytes = reply.header("content-length").and_then(|text| text.parse().ok());
        match (expected.or(actual), size_bytes) {
            (Some(digest), Some(size_bytes)) if !media_type.is_empty() => {
                Ok(Some(Descriptor::new(media_type, digest, size_bytes)))
            }
            // Registries may leave these out, and then only the document itself can say.
            _ => {
                let name = match reference {
                    Reference::Digest(digest) => name.with_digest(digest),
                    Reference::Tag(tag) => name.with_tag(tag).map_err(RegistryError::Reference)?,
                };
                let document = self.document(&name, watch)?;
                let size_bytes = document.bytes.len() as u64;
                Ok(Some(Descriptor::new(document.media_type, document.digest, size_bytes)))
            }
        }
    }
}

/// Returns what stands in a URL for a reference.
pub(super) fn version(name: &ImageName, reference: Reference<'_>) -> Result<String, RegistryError> {
    match reference {
        Reference::Digest(digest) => Ok(digest.to_string()),
        Reference::Tag(tag) => {
            // Only what is a tag may become a part of a URL.
            name.with_tag(tag).map_err(RegistryError::Reference)?;
            Ok(tag.to_owned())
        }
    }
}

/// Returns the digest that a registry says something has. Registries may use algorithms that nobody asked for.
pub(super) fn content_digest(url: &Url, reply: &Reply) -> Result<Option<Digest>, RegistryError> {
    let header = reply.header("docker-content-digest");
    let Some(text) = header.filter(|text| text.starts_with("sha256:")) else { return Ok(None) };
    match text.parse() {
        Ok(digest) => Ok(Some(digest)),
        Err(_) => Err(protocol(url, "Docker-Content-Digest is no digest")),
    }
}
