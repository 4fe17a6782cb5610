// SPDX-License-Identifier: Apache-2.0
//! What a definition says of its downloads (`spdx`), as files beside them: `/opt/docker/sbom/NAME/.spdx.NAME.json`,
//! an SPDX 2.3 document. Outputs of stages take the folder into the image, where the SBOM includes it.

use std::collections::BTreeMap;

use hardpan_definition::{FileSource, Spanned, SpdxPackage};
use hardpan_image::{canonical_json, rfc3339};
use hardpan_tree::{Digest, TreePath};
use serde_json::{Map, Value, json};

use super::error::DownloadProblem;
use super::place::PlacedFile;

/// Where documents go; each has a folder of its own.
const FOLDER: &str = "/opt/docker/sbom";
/// The longest name, in bytes: the file's is 11 bytes longer, and 255 are the most that a path's part may have.
const NAME_BYTES_MAX: usize = 244;
/// What SPDX has where nothing is known.
const UNKNOWN: &str = "NOASSERTION";

/// A document and its place.
pub(super) struct Document<'f> {
    pub path: TreePath,
    pub bytes: Vec<u8>,
    /// The first download that it is about.
    pub about: &'f Spanned<FileSource>,
}

/// Returns where the document of a name goes. Not every text can be a folder's name.
pub(super) fn document_path(name: &str) -> Result<TreePath, DownloadProblem> {
    let is_plain = |c: char| !c.is_control() && c != '/';
    let is_name = !matches!(name, "" | "." | "..") && name.len() <= NAME_BYTES_MAX;
    let path = TreePath::parse(format!("{FOLDER}/{name}/.spdx.{name}.json")).ok();
    path.filter(|_| is_name && name.chars().all(is_plain))
        .ok_or_else(|| DownloadProblem::SpdxName { name: name.to_owned() })
}

/// Writes the documents of downloads: one for each name, about all that have it.
pub(super) fn documents<'f>(
    files: &'f [Spanned<FileSource>],
    placed: &[PlacedFile],
    epoch: i64,
) -> Vec<Document<'f>> {
    let mut by_name: BTreeMap<&str, Vec<(&Spanned<FileSource>, &PlacedFile)>> = BTreeMap::new();
    for (file, placed) in files.iter().zip(placed) {
        if let Some(name) = placed.spdx.as_ref().and_then(|spdx| spdx.name.as_deref()) {
            by_name.entry(name).or_default().push((file, placed));
        }
    }
    let mut documents = Vec::new();
    for (name, downloads) in by_name {
        let Some((about, _)) = downloads.first() else { continue };
        let packages: Vec<Value> =
            downloads.iter().flat_map(|(_, placed)| packages(name, placed)).collect();
        // Names were checked when the downloads were placed.
        let Ok(path) = document_path(name) else { continue };
        documents.push(Document { path, bytes: document(name, packages, epoch), about });
    }
    documents
}

fn document(name: &str, mut packages: Vec<Value>, epoch: i64) -> Vec<u8> {
    // The same downloads have the same document, and no others have.
    let own = Digest::of(&canonical_json(&packages));
    let mut relationships = Vec::new();
    for (number, package) in packages.iter_mut().enumerate() {
        let id = format!("SPDXRef-Package-{}", number + 1);
        relationships.push(json!({
            "spdxElementId": "SPDXRef-DOCUMENT",
            "relationshipType": "DESCRIBES",
            "relatedSpdxElement": id,
        }));
        package["SPDXID"] = Value::from(id);
    }
    let mut text = canonical_json(&json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": format!("https://spdx.org/spdxdocs/hardpan/{}", own.to_hex()),
        "creationInfo": {"created": rfc3339(epoch), "creators": ["Tool: hardpan"]},
        "packages": packages,
        "relationships": relationships,
    }));
    text.push(b'\n');
    text
}

/// Returns the packages of a download. One that names none is a package itself.
fn packages(name: &str, placed: &PlacedFile) -> Vec<Value> {
    let Some(spdx) = &placed.spdx else { return Vec::new() };
    let itself = [SpdxPackage::default()];
    let packages = if spdx.packages.is_empty() { &itself[..] } else { &spdx.packages[..] };
    let is_only = packages.len() == 1;
    let package = |package: &SpdxPackage| {
        let mut fields = Map::new();
        let mut field = |key: &str, value: Value| fields.insert(key.to_owned(), value);
        field("name", package.name.as_deref().unwrap_or(name).into());
        if let Some(version) = &spdx.version {
            field("versionInfo", version.as_str().into());
        }
        if let Some(path) = &package.path {
            field("packageFileName", path.as_str().into());
        }
        field("downloadLocation", location(placed).into());
        field("filesAnalyzed", false.into());
        field("licenseConcluded", UNKNOWN.into());
        field("licenseDeclared", package.license.as_deref().unwrap_or(UNKNOWN).into());
        field("copyrightText", UNKNOWN.into());
        // Of a repository it is that of our own archive, which nobody else has.
        if is_only && placed.commit.is_none() {
            let checksum = placed.sha256.to_hex();
            field("checksums", json!([{"algorithm": "SHA256", "checksumValue": checksum}]));
        }
        if let Some(purl) = &package.purl {
            let reference = json!([{
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": purl.value,
            }]);
            field("externalRefs", reference);
        }
        Value::Object(fields)
    };
    packages.iter().map(package).collect()
}

/// Returns where a download is from, as SPDX writes it.
fn location(placed: &PlacedFile) -> String {
    let url = placed.url.replace(' ', "%20");
    if placed.is_substitute || url.starts_with("file:") {
        return UNKNOWN.to_owned();
    }
    match &placed.commit {
        Some(commit) => {
            let repository = url.split('#').next().unwrap_or(&url);
            format!("{repository}@{commit}")
        }
        None => url,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_folders() {
        for name in ["a", "dhi-build", "libstdc++", "..a", "a b", "ä", &"x".repeat(NAME_BYTES_MAX)]
        {
            let path = document_path(name).unwrap().to_string();
            assert_eq!(path, format!("/opt/docker/sbom/{name}/.spdx.{name}.json"));
        }
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        for name in ["", ".", "..", "a/b", "/", "../../etc", "a\0", "a\nb", &long] {
            assert!(document_path(name).is_err(), "{name:?}");
        }
    }
}
