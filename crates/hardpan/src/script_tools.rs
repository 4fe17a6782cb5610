// SPDX-License-Identifier: Apache-2.0
//! What maintainer scripts run with in images that have no shell of their own.
//!
//! Scripts may call the programs of essential packages without naming them. An image without a shell has
//! none of those. So where a definition asks for its scripts to be run, the lock has them beside the
//! image's packages: out of the same archives, in versions that go together with the image's.

use std::collections::BTreeMap;

use hardpan_definition::{Definition, Distribution, Scripts, Span};
use hardpan_package::segment::Unpacked;
use hardpan_package::solve::SolveError;

use crate::demand::{Demand, PackageDemand};
use crate::error::Error;
use crate::lock::LockedPackage;

/// Debian's essential packages, as far as scripts call their programs. Left out is what finishers and shims
/// do (`base-files`, `base-passwd`, `init-system-helpers`), and what is for terminals, logins, disks and
/// processes (`ncurses-bin`, `login`, `util-linux`, `sysvinit-utils`), which an image being built has not.
const DEBIAN: [&str; 15] = [
    "bash",
    "coreutils",
    "dash",
    "debianutils",
    "diffutils",
    "dpkg",
    "findutils",
    "grep",
    "gzip",
    "hostname",
    "libc-bin",
    "mawk",
    "perl-base",
    "sed",
    "tar",
];
/// Where packages have the shell that scripts name.
const SHELLS: [&[u8]; 2] = [b"bin/sh", b"usr/bin/sh"];

/// Returns the packages that a definition's scripts run with, if its image has no shell; nothing where no
/// script runs.
pub(crate) fn wanted(definition: &Definition) -> &'static [&'static str] {
    match (definition.x_hardpan.scripts, definition.syntax.distribution) {
        (Scripts::Sandbox, Distribution::Debian { .. }) => &DEBIAN,
        _ => &[],
    }
}

/// Returns the demand as a canonical line for the lock.
pub(crate) fn demand_line(tools: &[&str]) -> Option<String> {
    (!tools.is_empty()).then(|| format!("tools {}", tools.join(" ")))
}

/// Returns whether packages have scripts of an installation, and none has a shell for them.
pub(crate) fn are_needed<'p>(packages: impl Iterator<Item = &'p Unpacked>) -> bool {
    let mut has_scripts = false;
    for package in packages {
        if package.entries.iter().any(|entry| SHELLS.contains(&entry.path.as_bytes())) {
            return false;
        }
        has_scripts |=
            ["preinst", "postinst"].iter().any(|name| package.scripts.contains_key(*name));
    }
    has_scripts
}

/// Chooses tools and all that they depend on. `demand` is the image's, `own` what came of it: a package of
/// both has one version, since of a file of both the image's is used.
pub(crate) fn choose(
    tools: &[&str],
    demand: &Demand,
    own: &[LockedPackage],
    solve: impl Fn(&Demand) -> Result<Vec<LockedPackage>, Error>,
) -> Result<Vec<LockedPackage>, Error> {
    let own: BTreeMap<&str, &str> =
        own.iter().map(|package| (package.name.as_str(), package.version.as_str())).collect();
    let mut demand = demand.clone();
    // What must not come into the image may be beside it.
    demand.exclusions.clear();
    demand.packages = tools.iter().map(|name| request(name, own.get(name).copied())).collect();
    loop {
        let chosen = solve(&demand).map_err(explained)?;
        let is_asked = |name: &str| demand.packages.iter().any(|package| package.name == name);
        let others: Vec<PackageDemand> = chosen
            .iter()
            .filter_map(|package| {
                let version = own.get(package.name.as_str())?;
                let differs = package.version != *version && !is_asked(&package.name);
                differs.then(|| request(&package.name, Some(version)))
            })
            .collect();
        // Every round asks for more names of the image's, so there is a last one.
        if others.is_empty() {
            return Ok(chosen);
        }
        demand.packages.extend(others);
    }
}

fn request(name: &str, version: Option<&str>) -> PackageDemand {
    PackageDemand {
        name: name.to_owned(),
        version: version.map(str::to_owned),
        operator: None,
        is_relaxed: false,
        span: Span::default(),
    }
}

/// Says whose packages are missing, since no line of the definition asks for them.
fn explained(error: Error) -> Error {
    match error {
        // That one is about the archive.
        Error::Solve { ref source, .. } if matches!(**source, SolveError::Index { .. }) => error,
        Error::Solve { platform, source, .. } => Error::ScriptTools { platform, source },
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finish::testing::Fixture;
    use hardpan_definition::Platform;
    use hardpan_package::segment::Format;
    use hardpan_testkit::deb::deb;
    use hardpan_tree::Digest;
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    fn locked(name: &str, version: &str) -> LockedPackage {
        LockedPackage {
            name: name.to_owned(),
            version: version.to_owned(),
            architecture: "amd64".to_owned(),
            archive: "debian".to_owned(),
            path: format!("pool/{name}.deb"),
            sha256: Digest::of(name.as_bytes()),
            size_bytes: 4,
            source: None,
            source_version: None,
            scripts: None,
        }
    }

    fn demand() -> Demand {
        Demand {
            format: Format::Deb,
            architecture: "amd64",
            archives: Vec::new(),
            packages: vec![request("app", None)],
            exclusions: BTreeSet::from(["dash".to_owned()]),
            others: Vec::new(),
        }
    }

    /// Chooses `dash` with an archive that has version 2 of everything, and others if asked for; returns what
    /// was asked for in each round, and the answer.
    fn rounds(own: &[LockedPackage]) -> (Vec<Vec<String>>, Vec<String>) {
        let rounds = RefCell::new(Vec::new());
        let solve = |demand: &Demand| {
            assert!(demand.exclusions.is_empty());
            let version = |name: &str| {
                let asked = demand.packages.iter().find(|package| package.name == name);
                asked.and_then(|package| package.version.clone()).unwrap_or_else(|| "2".to_owned())
            };
            let mut names = vec!["dash", "libc6"];
            // The old library needs something that the new one does not.
            if version("libc6") == "1" {
                names.push("libold");
            }
            rounds.borrow_mut().push(demand.lines());
            Ok(names.into_iter().map(|name| locked(name, &version(name))).collect())
        };
        let chosen = choose(&["dash"], &demand(), own, solve).unwrap();
        let chosen = chosen.iter().map(|p| format!("{} {}", p.name, p.version)).collect();
        (rounds.into_inner(), chosen)
    }

    #[test]
    fn what_image_and_tools_share_has_the_images_version() {
        let (rounds_, chosen) = rounds(&[]);
        assert_eq!((rounds_.len(), chosen.join(", ").as_str()), (1, "dash 2, libc6 2"));
        let (rounds_, chosen) = rounds(&[locked("app", "1"), locked("libc6", "2")]);
        assert_eq!((rounds_.len(), chosen.join(", ").as_str()), (1, "dash 2, libc6 2"));
        let own = [locked("dash", "1"), locked("libc6", "1"), locked("libold", "0")];
        let (rounds_, chosen) = rounds(&own);
        assert_eq!(chosen, ["dash 1", "libc6 1", "libold 0"]);
        assert_eq!(
            rounds_,
            [
                vec!["package dash =1"],
                vec!["package dash =1", "package libc6 =1"],
                vec!["package dash =1", "package libc6 =1", "package libold =0"],
            ]
        );
    }

    #[test]
    fn an_archive_without_tools_is_called_that() {
        for source in [SolveError::Requests(Vec::new()), SolveError::Limit(1)] {
            let source = RefCell::new(Some(Box::new(source)));
            let solve = |_: &Demand| {
                let (platform, spans) = (Platform::LinuxAmd64, Vec::new());
                Err(Error::Solve { platform, spans, source: source.take().unwrap() })
            };
            let error = choose(&["dash"], &demand(), &[], solve).unwrap_err();
            assert!(matches!(error, Error::ScriptTools { .. }), "{error:?}");
            assert!(error.hints()[0].contains("the definition's own archives"));
        }
        let solve = |_: &Demand| Err(Error::Offline { what: "x".to_owned() });
        let error = choose(&["dash"], &demand(), &[], solve).unwrap_err();
        assert!(matches!(error, Error::Offline { .. }), "{error:?}");
    }

    #[test]
    fn tools_are_needed_where_scripts_are_and_no_shell() {
        let script = || deb("a", "1").script("postinst", "#!/bin/sh\ntrue\n");
        let early = || deb("a", "1").script("preinst", "#!/bin/sh\ntrue\n");
        let shell = |path| deb("b", "1").file(path, "x");
        let late = || deb("c", "1").script("prerm", "#!/bin/sh\ntrue\n");
        for (packages, expected) in [
            (vec![], false),
            (vec![script()], true),
            (vec![early()], true),
            (vec![late()], false),
            (vec![script(), shell("/usr/bin/sh")], false),
            (vec![shell("/bin/sh"), script()], false),
            (vec![script(), deb("b", "1").symlink("/usr/bin/sh", "dash")], false),
            (vec![script(), shell("/usr/lib/sh"), deb("d", "1").file("/usr/bin/bash", "x")], true),
        ] {
            let mut fixture = Fixture::default();
            fixture.install(&packages);
            let found = are_needed(fixture.packages.iter().map(|package| &**package));
            assert_eq!(found, expected, "{packages:?}");
        }
    }
}
