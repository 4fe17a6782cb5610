// SPDX-License-Identifier: Apache-2.0
//! Which rules of `hardpan.toml` came into a build, for its provenance: what they change, and not where anything is on
//! the machine that built.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_attest::predicate::provenance::WorkspaceRule;
use hardpan_definition::Definition;
use hardpan_tree::Digest;

use crate::built::Built;
use crate::config::{
    AddedKind, ArchiveSubstitution, PackageSubstitution, PathAddition, Pins, Workspace,
};
use crate::distribution::Family;
use crate::error::Error;
use crate::lock::{Lock, LockedPlatform};

/// Returns the rules that changed something, each once. `definitions` are those of the images and of their stages.
pub(super) fn rules(
    workspace: &Workspace,
    definitions: &[Definition],
    lock: &Lock,
    built: &Built,
) -> Result<Vec<WorkspaceRule>, Error> {
    let mut rules = BTreeSet::new();
    for definition in definitions {
        // Charts have neither packages nor archives.
        let Ok(family) = Family::of(definition.syntax.distribution) else { continue };
        for uri in family.named_archives(definition)? {
            let rule = workspace.archive_substitution(&uri);
            rules.extend(rule.map(|(rule, _)| of_archive(rule)));
        }
        for request in &definition.contents.packages {
            let rule = workspace.package_substitution(&request.name, family.name());
            rules.extend(rule.map(of_package));
        }
        for file in &definition.contents.files {
            // Another place for the same bytes is a fact of the machine.
            let rule = workspace.download_override(&file.url);
            rules.extend(rule.and_then(|(_, rule)| {
                let checksum = rule.checksum?.to_string();
                Some(table(
                    "downloads.override",
                    [("from", rule.from.clone()), ("checksum", checksum)],
                ))
            }));
        }
        let wanted = |rule: &&PathAddition| {
            let only = rule.distribution.as_deref();
            only.is_none_or(|only| family.name() == only)
                && has_package(lock, definition.platform.name(), &rule.package)
        };
        rules.extend(workspace.paths.add.iter().filter(wanted).map(of_addition));
    }
    for locked in lock.platforms.values() {
        let of_stages = locked.stages.values().flat_map(|stage| &stage.images);
        for image in locked.images.iter().chain(of_stages).filter(|it| it.substitute.is_some()) {
            let rule = workspace.image_rule(&image.name);
            rules.extend(rule.map(|rule| {
                table("images.substitute", [("from", rule.from.clone()), ("to", rule.to.clone())])
            }));
        }
    }
    let made: BTreeSet<&str> = (built.platforms.iter())
        .flat_map(|platform| platform.aliases.iter().map(|path| path.trim_start_matches('/')))
        .collect();
    let is_made = |from: &str| made.contains(from.trim_start_matches('/'));
    let aliases = workspace.paths.alias.iter().filter(|rule| is_made(&rule.from));
    rules.extend(
        aliases.map(|rule| {
            table("paths.alias", [("from", rule.from.clone()), ("to", rule.to.clone())])
        }),
    );
    Ok(rules.into_iter().collect())
}

fn table<const N: usize>(name: &str, values: [(&str, String); N]) -> WorkspaceRule {
    let values = values.into_iter().filter(|(_, value)| !value.is_empty());
    let values: BTreeMap<String, String> =
        values.map(|(key, value)| (key.to_owned(), value)).collect();
    WorkspaceRule { table: name.to_owned(), values }
}

fn of_archive(rule: &ArchiveSubstitution) -> WorkspaceRule {
    let pins = match rule.pins {
        Pins::Keep => "keep",
        Pins::Relax => "relax",
    };
    table(
        "archives.substitute",
        [("from", rule.from.clone()), ("to", rule.to.clone()), ("pins", pins.to_owned())],
    )
}

fn of_package(rule: &PackageSubstitution) -> WorkspaceRule {
    table(
        "packages.substitute",
        [
            ("from", rule.from.clone()),
            ("to", rule.to.clone().unwrap_or_default()),
            ("drop", if rule.drop { "true".to_owned() } else { String::new() }),
            ("exclude", rule.exclude.join(" ")),
            ("distribution", rule.distribution.clone().unwrap_or_default()),
        ],
    )
}

fn of_addition(rule: &PathAddition) -> WorkspaceRule {
    let kind = match rule.kind {
        AddedKind::Directory => "directory",
        AddedKind::File => "file",
        AddedKind::Symlink => "symlink",
    };
    // Of a text its digest: it may be long.
    let content = rule.content.as_ref().map(|text| Digest::of(text.as_bytes()).to_string());
    table(
        "paths.add",
        [
            ("package", rule.package.clone()),
            ("type", kind.to_owned()),
            ("path", rule.path.clone()),
            ("source", rule.source.clone().unwrap_or_default()),
            ("content", content.unwrap_or_default()),
            ("mode", rule.mode.clone().unwrap_or_default()),
            ("uid", rule.uid.to_string()),
            ("gid", rule.gid.to_string()),
        ],
    )
}

/// Returns whether an image, or a stage of it, has a package.
fn has_package(lock: &Lock, platform: &str, name: &str) -> bool {
    let nothing = LockedPlatform::default();
    let locked = lock.platforms.get(platform).unwrap_or(&nothing);
    let of_stages = locked.stages.values().flat_map(|stage| &stage.packages);
    locked.packages.iter().chain(of_stages).any(|package| package.name == name)
}
