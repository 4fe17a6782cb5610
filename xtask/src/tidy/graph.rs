// SPDX-License-Identifier: Apache-2.0
//! Which crate may use which.

use std::collections::BTreeMap;

use cargo_metadata::{DependencyKind, Metadata, PackageId};

use super::Violation;

/// The direction of dependencies inside the workspace, as the design has it.
const DIRECTION: [(&str, &[&str]); 11] = [
    ("hardpan-definition", &[]),
    ("hardpan-tree", &[]),
    ("hardpan-package", &["hardpan-tree"]),
    ("hardpan-image", &["hardpan-tree"]),
    ("hardpan-attest", &["hardpan-tree", "hardpan-image"]),
    ("hardpan-scan", &["hardpan-tree", "hardpan-package", "hardpan-image", "hardpan-attest"]),
    ("hardpan-policy", &["hardpan-tree", "hardpan-attest"]),
    ("hardpan-remote", &["hardpan-tree", "hardpan-image"]),
    (
        "hardpan",
        &[
            "hardpan-definition",
            "hardpan-tree",
            "hardpan-package",
            "hardpan-image",
            "hardpan-attest",
            "hardpan-policy",
            "hardpan-scan",
            "hardpan-remote",
        ],
    ),
    ("hardpan-serve", &["hardpan"]),
    ("hardpan-cli", &["hardpan", "hardpan-serve"]),
];

/// Members that are not shipped; others may use them in tests only.
const TOOLS: [&str; 3] = ["hardpan-fuzz", "hardpan-testkit", "xtask"];

/// Dependencies that belong to some members only.
const ONLY_IN: [(&str, &[&str]); 14] = [
    ("ureq", &["hardpan-remote"]),
    ("clap", &["hardpan-cli", "xtask"]),
    ("clap_complete", &["hardpan-cli", "xtask"]),
    ("clap_mangen", &["xtask"]),
    // Functions that regorus calls return its errors.
    ("anyhow", &["hardpan-cli", "hardpan-policy", "xtask"]),
    ("regorus", &["hardpan-policy"]),
    ("indicatif", &["hardpan-cli"]),
    ("serde-saphyr", &["hardpan-definition"]),
    ("resolvo", &["hardpan-package"]),
    // System calls are made by the sandbox only.
    ("libc", &["hardpan"]),
    ("pgp", &["hardpan-package", "hardpan-testkit"]),
    ("cargo_metadata", &["xtask"]),
    ("tokio", &["hardpan-serve"]),
    ("axum", &["hardpan-serve"]),
];

/// Crates that may be nowhere, and the crates that may have them nevertheless.
const BANNED: [(&str, &[&str]); 6] = [
    ("openssl-sys", &[]),
    ("native-tls", &[]),
    ("aws-lc-sys", &[]),
    // debversion is a test's oracle and never shipped.
    ("chrono", &["debversion"]),
    ("serde_yaml", &[]),
    ("libz-ng-sys", &[]),
];

/// Crates whose encoders write bytes that are part of an image's digest.
const PINNED: [&str; 2] = ["libdeflater", "zstd"];

/// A member of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Crate {
    pub(super) name: String,
    /// Its manifest, from the root of the repository.
    pub(super) manifest: String,
    pub(super) dependencies: Vec<Dependency>,
}

/// What a member's manifest says of one dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dependency {
    pub(super) name: String,
    pub(super) requirement: String,
    pub(super) is_for_tests: bool,
}

/// Returns the members of the workspace.
pub(super) fn crates(metadata: &Metadata) -> Vec<Crate> {
    metadata
        .workspace_packages()
        .into_iter()
        .map(|package| {
            let root = &metadata.workspace_root;
            let manifest = package.manifest_path.strip_prefix(root);
            let dependencies = package.dependencies.iter().map(|dependency| Dependency {
                name: dependency.name.clone(),
                requirement: dependency.req.to_string(),
                is_for_tests: dependency.kind == DependencyKind::Development,
            });
            Crate {
                name: package.name.to_string(),
                manifest: manifest.unwrap_or(&package.manifest_path).to_string(),
                dependencies: dependencies.collect(),
            }
        })
        .collect()
}

/// Checks direction, crates that belong to some members, and pins.
pub(super) fn check(crates: &[Crate], files: &BTreeMap<String, String>) -> Vec<Violation> {
    let mut violations = Vec::new();
    let members: Vec<&str> = crates.iter().map(|member| member.name.as_str()).collect();
    for member in crates {
        let text = files.get(&member.manifest).map_or("", String::as_str);
        let is_tool = TOOLS.contains(&member.name.as_str());
        let allowed = DIRECTION.iter().find(|(name, _)| *name == member.name);
        if allowed.is_none() && !is_tool {
            let message = format!("{} has no place in the table of directions", member.name);
            violations.push(Violation::new(&member.manifest, 1, message));
            continue;
        }
        for dependency in &member.dependencies {
            let mut report = |message: String| {
                let line = line_of(text, &dependency.name);
                violations.push(Violation::new(&member.manifest, line, message));
            };
            let name = dependency.name.as_str();
            let both = || format!("{} must not depend on {name}", member.name);
            let is_allowed = is_tool
                || allowed.is_some_and(|(_, allowed)| allowed.contains(&name))
                || (dependency.is_for_tests
                    && (TOOLS.contains(&name) || is_below(&member.name, name)));
            if members.contains(&name) && !is_allowed {
                report(both());
            }
            if let Some((_, owners)) = ONLY_IN.iter().find(|(only, _)| *only == name)
                && !owners.contains(&member.name.as_str())
            {
                report(format!("{}; it belongs to {}", both(), owners.join(", ")));
            }
            if PINNED.contains(&name) && !dependency.requirement.starts_with('=') {
                report(format!("{name} must be pinned exactly (\"=…\"): its bytes are in digests"));
            }
        }
    }
    violations
}

/// Returns whether the direction leads from one member to another: its tests may then use it directly,
/// to look at what came out.
fn is_below(member: &str, other: &str) -> bool {
    let direct = DIRECTION.iter().find(|(name, _)| *name == member).map_or(&[][..], |(_, to)| to);
    direct.iter().any(|next| *next == other || is_below(next, other))
}

/// Checks that no banned crate is anywhere.
pub(super) fn check_banned(metadata: &Metadata) -> Vec<Violation> {
    let Some(resolve) = &metadata.resolve else { return Vec::new() };
    let name = |id: &PackageId| {
        metadata
            .packages
            .iter()
            .find(|package| package.id == *id)
            .map(|package| package.name.as_str())
    };
    let edges = resolve.nodes.iter().flat_map(|node| {
        node.deps
            .iter()
            .filter_map(move |dependency| Some((name(&node.id)?, name(&dependency.pkg)?)))
    });
    banned_edges(edges)
}

fn banned_edges<'a>(edges: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<Violation> {
    edges
        .filter(|(user, used)| {
            BANNED.iter().any(|(name, users)| name == used && !users.contains(user))
        })
        .map(|(user, used)| {
            let message = format!("{used} is banned and comes with {user}");
            Violation::new("Cargo.lock", 0, message)
        })
        .collect()
}

/// Checks that the table of dependencies has one row for each that the workspace declares, with the
/// declared version, and no other.
pub(super) fn check_documented(manifest: &str, document: &str) -> Vec<Violation> {
    const DOCUMENT: &str = "docs/dependencies.md";
    let declared = declared(manifest);
    let mut violations = Vec::new();
    let mut rows: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for (index, line) in document.lines().enumerate() {
        let mut cells = line.split('|').skip(1).map(str::trim);
        let (Some(name), Some(version)) = (cells.next(), cells.next()) else { continue };
        let Some(name) = name.strip_prefix('`').and_then(|name| name.strip_suffix('`')) else {
            continue;
        };
        if rows.insert(name, (index + 1, version)).is_some() {
            violations.push(Violation::new(DOCUMENT, index + 1, format!("{name} stands twice")));
        }
    }
    for (name, (line, version)) in &declared {
        match rows.remove(name.as_str()) {
            None => {
                let message = format!("{name} has no row in {DOCUMENT}");
                violations.push(Violation::new("Cargo.toml", *line, message));
            }
            Some((line, written)) if written != version => {
                let message = format!("{name} is declared as {version}, not {written}");
                violations.push(Violation::new(DOCUMENT, line, message));
            }
            Some(_) => {}
        }
    }
    for (name, (line, _)) in rows {
        let message = format!("{name} is no dependency of the workspace");
        violations.push(Violation::new(DOCUMENT, line, message));
    }
    violations
}

/// Returns name, line and version of what `[workspace.dependencies]` declares from elsewhere.
fn declared(manifest: &str) -> BTreeMap<String, (usize, String)> {
    let mut declared = BTreeMap::new();
    let mut is_inside = false;
    for (index, line) in manifest.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            is_inside = line == "[workspace.dependencies]";
            continue;
        }
        let Some((name, value)) = line.split_once('=').filter(|_| is_inside) else { continue };
        if line.starts_with('#') || value.contains("path =") {
            continue;
        }
        // `name = "1"` or `name = { version = "1", … }`: the first quoted text.
        let version = value.split('"').nth(1).unwrap_or_default();
        declared.insert(name.trim().to_owned(), (index + 1, version.to_owned()));
    }
    declared
}

/// Returns the line on which a manifest names a dependency.
fn line_of(manifest: &str, name: &str) -> usize {
    let is_named = |line: &str| {
        line.trim_start()
            .strip_prefix(name)
            .is_some_and(|rest| rest.trim_start().starts_with(['.', '=']))
    };
    manifest.lines().position(is_named).map_or(0, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, dependencies: &[(&str, &str, bool)]) -> Crate {
        Crate {
            name: name.to_owned(),
            manifest: format!("crates/{name}/Cargo.toml"),
            dependencies: dependencies
                .iter()
                .map(|&(name, requirement, is_for_tests)| Dependency {
                    name: name.to_owned(),
                    requirement: requirement.to_owned(),
                    is_for_tests,
                })
                .collect(),
        }
    }

    #[test]
    fn directions_owners_and_pins() {
        let others = ["hardpan-tree", "hardpan-package", "hardpan-definition", "hardpan-testkit"];
        for (summary, name, dependency, expected) in [
            ("downwards", "hardpan-package", ("hardpan-tree", "*", false), None),
            (
                "sideways",
                "hardpan-package",
                ("hardpan-definition", "*", false),
                Some("hardpan-package must not depend on hardpan-definition"),
            ),
            (
                "sideways in tests",
                "hardpan-tree",
                ("hardpan-package", "*", true),
                Some("hardpan-tree must not depend on hardpan-package"),
            ),
            ("test support in tests", "hardpan-tree", ("hardpan-testkit", "*", true), None),
            (
                "test support in the product",
                "hardpan-tree",
                ("hardpan-testkit", "*", false),
                Some("hardpan-tree must not depend on hardpan-testkit"),
            ),
            ("tools may use all", "xtask", ("hardpan-package", "*", false), None),
            ("at home", "hardpan-remote", ("ureq", "^3", false), None),
            (
                "not at home",
                "hardpan-image",
                ("ureq", "^3", false),
                Some("hardpan-image must not depend on ureq; it belongs to hardpan-remote"),
            ),
            ("pinned", "hardpan-image", ("zstd", "=0.14.3", false), None),
            (
                "not pinned",
                "hardpan-image",
                ("zstd", "^0.14.3", false),
                Some("zstd must be pinned exactly (\"=…\"): its bytes are in digests"),
            ),
            (
                "unknown member",
                "hardpan-new",
                ("serde", "^1", false),
                Some("hardpan-new has no place in the table of directions"),
            ),
        ] {
            let mut crates: Vec<Crate> = others.iter().map(|name| member(name, &[])).collect();
            crates.retain(|other| other.name != name);
            crates.push(member(name, &[dependency]));
            let found = check(&crates, &BTreeMap::new());
            let found: Vec<&str> = found.iter().map(|found| found.message.as_str()).collect();
            assert_eq!(found, Vec::from_iter(expected), "{summary}");
        }
    }

    #[test]
    fn violations_name_the_line() {
        let crates = [member("hardpan-tree", &[("ureq", "^3", false)])];
        let text = "[dependencies]\nureq-proto.workspace = true\nureq.workspace = true\n";
        let files = BTreeMap::from([(crates[0].manifest.clone(), text.to_owned())]);
        assert_eq!(check(&crates, &files)[0].line, 3);
    }

    #[test]
    fn banned_crates() {
        let found = |edge| banned_edges(std::iter::once(edge)).len();
        assert_eq!(found(("reqwest", "native-tls")), 1);
        assert_eq!(found(("debversion", "chrono")), 0);
        assert_eq!(found(("debversion", "openssl-sys")), 1);
        assert_eq!(found(("a", "chrono")), 1);
        assert_eq!(found(("a", "serde")), 0);
    }

    #[test]
    fn table_of_dependencies() {
        let manifest = "[package]\nx = \"1\"\n[workspace.dependencies]\n\
            own = { path = \"a\" }\n# b = \"1\"\nserde = { version = \"1.0\", features = [\"x\"] }\n\
            ring = \"0.17\"\n[other]\ny = \"1\"\n";
        let check = |document: &str| -> Vec<String> {
            check_documented(manifest, document).iter().map(ToString::to_string).collect()
        };
        let good = "| crate | version |\n|---|---|\n| `serde` | 1.0 | w |\n| `ring` | 0.17 |\n";
        assert!(check(good).is_empty());
        assert_eq!(
            check("| `serde` | 2.0 |\n| `old` | 1 |\n| `old` | 1 |\n"),
            [
                "docs/dependencies.md:3: old stands twice",
                "Cargo.toml:7: ring has no row in docs/dependencies.md",
                "docs/dependencies.md:1: serde is declared as 1.0, not 2.0",
                "docs/dependencies.md:3: old is no dependency of the workspace",
            ]
        );
    }
}
