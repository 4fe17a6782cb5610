// SPDX-License-Identifier: Apache-2.0
//! Reads SBOMs of this and other programs: SPDX 2 and CycloneDX in JSON, bare, in an in-toto statement, or in a DSSE
//! envelope. What can't be understood of a component is left out; what is no SBOM at all is an error.

mod collected;
mod cyclonedx;
mod shape;
mod spdx;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::purl::PackageUrl;
use super::{Component, ComponentKind};
use serde::de::DeserializeOwned;
use shape::{Any, Wrapper};

/// The largest SBOM that is read, in bytes. Syft's of an image with 32,000 files has 21 MB.
pub const SBOM_BYTES_MAX: usize = 64 << 20;
/// The most components that are read. Images have a few thousand, and lists of what a whole fleet runs 100,000.
pub const COMPONENTS_MAX: usize = 250_000;
/// The most objects of JSON that an SBOM may have, at ten for each component: empty ones take a hundred times their length
/// in memory.
const OBJECTS_MAX: usize = 10 * COMPONENTS_MAX;
/// What SPDX has where nothing is known.
const UNKNOWN: [&str; 2] = ["NOASSERTION", "NONE"];

/// A format of SBOMs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Format {
    /// SPDX 2.2 or 2.3.
    Spdx2,
    /// CycloneDX 1.x.
    CycloneDx,
}

/// What an SBOM says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Its format.
    pub format: Format,
    /// The programs that made it, as they name themselves.
    pub tools: Vec<String>,
    /// What it is about, if it says so.
    pub name: Option<String>,
    /// The components, by their ids in the document.
    pub components: BTreeMap<String, Box<Component>>,
    /// Whose a file is, by its path without a slash in front: the id of a component. Only SPDX says it.
    pub files: BTreeMap<String, String>,
    /// How many things in it are not components that can be known: without a name, or files.
    pub skipped: usize,
}

/// Why bytes are no SBOM.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// More than [`SBOM_BYTES_MAX`].
    #[error("the SBOM has {0} bytes, more than {SBOM_BYTES_MAX}")]
    TooLarge(usize),
    /// More than [`COMPONENTS_MAX`].
    #[error("the SBOM has more than {COMPONENTS_MAX} components")]
    TooMany,
    /// More objects than so many components have.
    #[error("the SBOM has more than {OBJECTS_MAX} objects")]
    TooManyObjects,
    /// Not JSON of the right shape.
    #[error("the SBOM is malformed")]
    Malformed(#[source] serde_json::Error),
    /// The payload of an envelope is no base64.
    #[error("the payload of the envelope is malformed")]
    Payload(#[source] base64::DecodeError),
    /// Nothing that is known here.
    #[error("neither SPDX 2 nor CycloneDX in JSON")]
    Format,
    /// A version that is not known here.
    #[error("{0:?} is no version of SPDX that is read: only SPDX-2.2 and SPDX-2.3 are")]
    Version(String),
}

/// Reads an SBOM.
pub fn read(bytes: &[u8]) -> Result<Listing, ReadError> {
    let any = unwrapped(bytes)?;
    if let Some(version) = &any.spdx_version {
        if !matches!(version.as_str(), "SPDX-2.2" | "SPDX-2.3") {
            return Err(ReadError::Version(version.chars().take(40).collect()));
        }
        return spdx::read(any);
    }
    if any.bom_format.as_deref() == Some("CycloneDX") {
        return cyclonedx::read(any);
    }
    Err(ReadError::Format)
}

/// Takes the document out of what it is in. Each is read with a type that can't have itself in it, so that nobody can
/// nest them.
fn unwrapped(bytes: &[u8]) -> Result<Any, ReadError> {
    let any: Any = parse(bytes)?;
    if any.spdx_version.is_some() || any.bom_format.is_some() {
        return Ok(any);
    }
    let wrapper: Wrapper = parse(bytes)?;
    let wrapper = match &wrapper.payload {
        Some(payload) => parse(&STANDARD.decode(payload).map_err(ReadError::Payload)?)?,
        None => wrapper,
    };
    wrapper.predicate.ok_or(ReadError::Format)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ReadError> {
    if bytes.len() > SBOM_BYTES_MAX {
        return Err(ReadError::TooLarge(bytes.len()));
    }
    // Those in texts count as well, of which no SBOM has as many.
    if memchr::memchr_iter(b'{', bytes).count() > OBJECTS_MAX {
        return Err(ReadError::TooManyObjects);
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    serde_json::from_slice(bytes).map_err(ReadError::Malformed)
}

/// A stated text that says something.
fn known<T: AsRef<str> + Into<String>>(text: Option<T>) -> Option<String> {
    let is_known = |text: &T| {
        let text = text.as_ref().trim();
        !text.is_empty() && !UNKNOWN.contains(&text)
    };
    text.filter(is_known).map(Into::into)
}

/// Returns the kind of what a package URL names.
fn kind_of(purl: Option<&PackageUrl>) -> Option<ComponentKind> {
    Some(match purl?.kind() {
        "deb" => ComponentKind::Deb,
        "apk" => ComponentKind::Apk,
        "golang" => ComponentKind::Golang,
        "cargo" => ComponentKind::Cargo,
        "pypi" => ComponentKind::Pypi,
        "npm" => ComponentKind::Npm,
        "maven" => ComponentKind::Maven,
        "oci" | "docker" => ComponentKind::Oci,
        "generic" => ComponentKind::Download,
        _ => return None,
    })
}

/// Returns the source that a package URL names: `upstream=glibc`, `upstream=glibc@2.41-12`. Without a version it is
/// the package's.
fn upstream(purl: Option<&PackageUrl>) -> Option<(String, String)> {
    let purl = purl?;
    let upstream = purl.qualifier("upstream")?;
    let (name, version) =
        upstream.split_once('@').unwrap_or((upstream, purl.version().unwrap_or_default()));
    (!name.is_empty()).then(|| (name.to_owned(), version.to_owned()))
}

#[cfg(test)]
mod tests;
