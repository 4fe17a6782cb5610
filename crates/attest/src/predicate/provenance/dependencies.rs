// SPDX-License-Identifier: Apache-2.0
//! A build's inputs as descriptors.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use hardpan_tree::Digest;
use serde_json::{Value, json};

use super::super::resource::{PredicateError, ResourceDescriptor, sha256};
use super::KIND;
use super::record::{
    BuildRecord, DownloadInput, FileRole, ImageInput, IndexInput, PackageInput, PackageUse, Source,
    SourceFile,
};
use crate::sbom::purl::PackageUrl;

/// Which annotation says what an input is.
pub(super) const ROLE: &str = "role";
/// Which annotation says that a file is a program.
pub(super) const EXECUTABLE: &str = "executable";

/// Returns all inputs, each once, in one order.
pub(super) fn dependencies(
    record: &BuildRecord,
) -> Result<Vec<ResourceDescriptor>, PredicateError> {
    let mut all = Vec::new();
    if let Some(source) = &record.source {
        let of_source = ResourceDescriptor {
            uri: Some(source.uri.clone()),
            digest: source.digest.clone(),
            ..ResourceDescriptor::default()
        };
        all.push(of_source.with(ROLE, "source"));
    }
    for file in &record.files {
        all.push(of_file(file, record.source.as_ref()));
    }
    all.extend(record.indexes.iter().map(of_index));
    for package in &record.packages {
        all.push(of_package(package)?);
    }
    all.extend(record.downloads.iter().map(of_download));
    all.extend(record.images.iter().map(of_image));
    let key = |resource: &ResourceDescriptor| {
        let role = resource.annotation(ROLE).unwrap_or_default().to_owned();
        // Descriptors have text keys only, so this is the same each time.
        let text = serde_json::to_string(resource).unwrap_or_default();
        (role, resource.name.clone(), resource.uri.clone(), text)
    };
    all.sort_by_cached_key(key);
    all.dedup();
    Ok(all)
}

pub(super) fn role_name(role: FileRole) -> &'static str {
    match role {
        FileRole::Definition => "definition",
        FileRole::Lock => "lock",
        FileRole::Include => "include",
        FileRole::Workspace => "workspace",
        FileRole::Local => "local",
    }
}

/// Returns the record with plain paths: `./a//b` is `a/b`.
///
/// # Errors
/// If a path leads out of the source, or a text has another digest than its file.
pub(super) fn with_plain_paths(
    record: &BuildRecord,
) -> Result<Cow<'_, BuildRecord>, PredicateError> {
    let mut record = Cow::Borrowed(record);
    for number in 0..record.files.len() {
        let file = &record.files[number];
        if file.text.as_ref().is_some_and(|text| Digest::of(text) != file.digest) {
            let reason = "its text has another digest than it";
            return Err(PredicateError::invalid(KIND, file.path.as_str(), reason));
        }
        let parts = file.path.split('/').filter(|part| !matches!(*part, "" | "."));
        let path = parts.collect::<Vec<_>>().join("/");
        check_path(&path)?;
        if path != file.path {
            record.to_mut().files[number].path = path;
        }
    }
    Ok(record)
}

/// Refuses paths that lead out of where they are put.
pub(super) fn check_path(path: &str) -> Result<(), PredicateError> {
    let is_plain = |name: &str| !matches!(name, "" | "." | "..");
    if path.chars().any(char::is_control) || !path.split('/').all(is_plain) {
        return Err(PredicateError::invalid(KIND, path, "it is not a path below a folder"));
    }
    Ok(())
}

fn of_file(file: &SourceFile, source: Option<&Source>) -> ResourceDescriptor {
    let mut resource =
        ResourceDescriptor::of(&file.path, &file.digest).with(ROLE, role_name(file.role));
    if file.is_executable {
        resource = resource.with(EXECUTABLE, "yes");
    }
    resource.uri = source.map(|source| format!("{}#{}", source.uri, file.path));
    resource
}

fn of_index(index: &IndexInput) -> ResourceDescriptor {
    let name = format!("{} {}", index.archive, index.suite);
    let mut resource = ResourceDescriptor::of(name.trim_end(), &index.release)
        .with(ROLE, "package-index")
        .with("archive", index.archive.as_str())
        .with("suite", index.suite.as_str())
        .with("date", index.date.as_str())
        .with("signedBy", json!(index.signed_by));
    // A name such as `debian` is no URI: where it is fetched from is a fact of a machine.
    resource.uri = Some(&index.archive).filter(|archive| archive.contains("://")).cloned();
    resource
}

fn of_package(package: &PackageInput) -> Result<ResourceDescriptor, PredicateError> {
    let purl: PackageUrl = package
        .purl
        .parse()
        .map_err(|error| PredicateError::invalid(KIND, &package.name, format!("{error}")))?;
    let mut resource = ResourceDescriptor::of(&package.name, &package.sha256)
        .with("archive", package.archive.as_str())
        .with("path", package.path.as_str());
    resource.uri = Some(purl.to_string());
    let is_tool = package.uses.iter().all(|(_, used)| *used == PackageUse::ScriptTool);
    let is_in_image = package.uses.iter().any(|(_, used)| *used == PackageUse::Image);
    let role = match (is_in_image, is_tool) {
        (true, _) => "package",
        (false, true) => "script-tool",
        (false, false) => "stage-package",
    };
    let stages = package.uses.iter().filter_map(|(platform, used)| match used {
        PackageUse::Stage(stage) => Some((platform.clone(), Some(stage.clone()))),
        PackageUse::Image | PackageUse::ScriptTool => None,
    });
    let platforms = package.uses.iter().map(|(platform, _)| platform.clone()).collect();
    Ok(with_uses(resource.with(ROLE, role), platforms, &stages.collect()))
}

fn of_download(download: &DownloadInput) -> ResourceDescriptor {
    let mut resource = ResourceDescriptor {
        name: Some(download.url.clone()),
        uri: Some(download.url.clone()),
        ..ResourceDescriptor::default()
    };
    match &download.commit {
        // A digest set names one artifact, which is the commit; the archive of it is another.
        Some(commit) => {
            resource.digest = BTreeMap::from([("gitCommit".to_owned(), commit.clone())]);
            resource = resource.with("archiveSha256", download.sha256.to_hex());
        }
        None => resource.digest = sha256(&download.sha256),
    }
    let platforms = download.uses.iter().map(|(platform, _)| platform.clone()).collect();
    with_uses(resource.with(ROLE, "download"), platforms, &download.uses)
}

fn of_image(image: &ImageInput) -> ResourceDescriptor {
    let used = image.substitute.as_ref().unwrap_or(&image.name);
    let repository = repository(used);
    let mut resource = ResourceDescriptor::of(&image.name, &image.manifest).with(ROLE, "image");
    // A name that no image can have stays what it is called by.
    let purl = PackageUrl::oci(repository, &image.manifest, "", "").ok();
    resource.uri = purl.map(|purl| purl.to_string());
    if let Some(index) = &image.index {
        resource = resource.with("index", index.to_string());
    }
    if let Some(substitute) = &image.substitute {
        resource = resource.with("substitute", substitute.as_str());
    }
    let platforms = image.uses.iter().map(|(platform, _)| platform.clone()).collect();
    with_uses(resource, platforms, &image.uses)
}

/// Returns an image's name without tag and digest.
fn repository(name: &str) -> &str {
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    match name.rsplit_once(':') {
        // A colon before a slash is in front of a port.
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}

fn with_uses(
    resource: ResourceDescriptor,
    platforms: BTreeSet<String>,
    uses: &BTreeSet<(String, Option<String>)>,
) -> ResourceDescriptor {
    let stages: BTreeSet<&String> = uses.iter().filter_map(|(_, stage)| stage.as_ref()).collect();
    let resource = resource.with("platforms", Value::from_iter(platforms));
    if stages.is_empty() { resource } else { resource.with("stages", json!(stages)) }
}

#[cfg(test)]
mod tests {
    use super::repository;

    #[test]
    fn names_without_tags() {
        for (name, expected) in [
            ("registry.example:5000/a:1", "registry.example:5000/a"),
            ("registry.example:5000/a", "registry.example:5000/a"),
            ("a:1@sha256:00", "a"),
            ("a/b@sha256:00", "a/b"),
            ("a", "a"),
        ] {
            assert_eq!(repository(name), expected);
        }
    }
}
