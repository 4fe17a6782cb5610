// SPDX-License-Identifier: Apache-2.0
//! `build --sign --vex`: documents of people, as one document about the image that was built.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::Path;

use hardpan_attest::predicate::vex::{
    ID_BASE, InstalledImage, Text, VEX_BYTES_MAX, VexDocument, VexError, VexHeader, VexRead,
    document_id, for_image, read_any,
};
use hardpan_attest::predicate::{Time, uri};
use hardpan_attest::{Statement, Subject};
use hardpan_tree::Digest;
use serde::Serialize;

use super::TrustError;
use super::attest::statement;
use crate::error::Error;
use crate::finish::CatalogSource;
use crate::project::Project;

/// What came of VEX documents.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct VexSummary {
    /// How many statements the image's document has; without any there is none.
    pub statements: usize,
    /// How many statements are about nothing that is in the image.
    pub left_out: usize,
}

/// Reads a VEX document of somebody: OpenVEX, CSAF or CycloneDX.
pub fn read_vex(path: &Path) -> Result<VexRead, TrustError> {
    let wrap = |source| TrustError::Vex { path: path.to_owned(), source };
    let file = super::read_file(path, VEX_BYTES_MAX)?;
    read_any(&file).map_err(wrap)
}

/// Reads the documents that a definition names, in the order of their paths.
pub fn read_vex_of(project: &Project) -> Result<Vec<(String, VexRead)>, Error> {
    let named = project.definitions.values().flat_map(|definition| &definition.x_hardpan.vex);
    let paths: BTreeSet<&str> = named.map(|path| path.value.as_str()).collect();
    let mut documents = Vec::new();
    for path in paths {
        let unread = |source| TrustError::Read { path: path.into(), source };
        let bytes = match project.root.read(path).map_err(unread)? {
            CatalogSource::File { bytes, .. } => bytes,
            CatalogSource::Directory(_) => {
                return Err(unread(std::io::ErrorKind::IsADirectory.into()).into());
            }
        };
        let wrap = |source| TrustError::Vex { path: path.into(), source };
        documents.push((path.to_owned(), read_any(&bytes).map_err(wrap)?));
    }
    Ok(documents)
}

/// Makes one statement of documents, about the image, its index, and each platform that they say something of; `None` if they
/// say nothing of it.
pub(super) fn vex_statement(
    documents: &[VexRead],
    image: &InstalledImage,
    root: &Digest,
    epoch: i64,
) -> Result<(Option<Statement>, VexSummary), Error> {
    let wrap = |source| TrustError::Image { source };
    let found = for_image(documents, image).map_err(wrap)?;
    let summary = VexSummary { statements: found.statements.len(), left_out: found.left_out };
    if found.statements.is_empty() {
        return Ok((None, summary));
    }
    // The version grows with each document's, and both times are theirs: who signs again changes nothing.
    let version = documents.iter().map(|document| document.version.unwrap_or(1));
    let version = version.fold(0, u32::saturating_add).max(1);
    let time = documents.iter().filter_map(|document| document.time).max();
    let newest = found.statements.iter().map(|statement| statement.time).max();
    let time = time.into_iter().chain(newest).max().filter(|time| *time > Time::EPOCH);
    let authors: BTreeSet<&str> = (documents.iter())
        .map(|document| document.author.as_str())
        .filter(|author| !author.is_empty())
        .collect();
    let author = authors.into_iter().collect::<Vec<_>>().join(", ");
    let header = || -> Result<VexHeader, VexError> {
        Ok(VexHeader {
            id: document_id(ID_BASE, &image.name, root, version)?,
            author: Text::new(if author.is_empty() { "unknown" } else { &author })?,
            role: None,
            time: time.unwrap_or_else(|| Time::from_seconds(epoch)),
            last_updated: None,
            version: NonZeroU32::new(version).unwrap_or(NonZeroU32::MIN),
            tooling: Some(Text::new(concat!("hardpan ", env!("CARGO_PKG_VERSION")))?),
        })
    };
    let document = header().and_then(|header| VexDocument::new(header, found.statements));
    let document = document.map_err(wrap)?;
    let subjects = found.about.iter().map(|digest| Subject::new(&image.name, *digest)).collect();
    Ok((Some(statement(subjects, uri::VEX, &document)?), summary))
}
