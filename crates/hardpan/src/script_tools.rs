// SPDX-License-Identifier: Apache-2.0
//! What maintainer scripts run with in images that have no shell of their own.
//!
//! Scripts may call the programs of essential packages without naming them. An image without a shell has
//! none of those. So where a definition asks for its scripts to be run, the lock has them beside the
//! image's packages: out of the same archives, in versions that go together with the image's.

use std::collections::BTreeMap;

use hardpan_definition::{Definition, Distribution, Scripts, Span};
use hardpan_package::deb::segment::Unpacked;
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
