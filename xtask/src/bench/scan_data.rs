// SPDX-License-Identifier: Apache-2.0
//! What a scan is measured with: as much as is known of Debian's releases, and an SBOM of what many images have. All of it
//! is made of the names and versions in a lock.

use hardpan::lock::LockedPackage;
use serde_json::{Map, Value, json};

/// Releases that something is known of.
const RELEASES: [&str; 3] = ["bookworm", "trixie", "forky"];
/// How many sources the data is about: so many of Debian's had vulnerabilities.
const SOURCES: usize = 4_000;
/// How many vulnerabilities of each are known.
const ISSUES: usize = 20;
/// Of so many one is not fixed.
const ONE_OPEN_IN: usize = 10;
/// How many versions of a package a fleet has at a time.
const VERSIONS: usize = 20;

/// Makes data in the format of Debian's tracker.
pub(super) fn tracker(packages: &[LockedPackage]) -> Vec<u8> {
    let own = packages.iter().map(|package| source(package).0.to_owned());
    let others = (0..).map(|number| format!("other-{number}"));
    let mut all = Map::new();
    for name in own.chain(others) {
        if all.len() == SOURCES {
            break;
        }
        let first = all.len() * ISSUES;
        all.entry(name).or_insert_with(|| issues(first));
    }
    Value::Object(all).to_string().into_bytes()
}

fn issues(first: usize) -> Value {
    let mut issues = Map::new();
    for number in first..first + ISSUES {
        let is_open = number.is_multiple_of(ONE_OPEN_IN);
        let release = if is_open {
            json!({"status": "open", "repositories": {}, "urgency": "not yet assigned"})
        } else {
            // Long before any version that anybody has.
            json!({"status": "resolved", "repositories": {}, "urgency": "low", "fixed_version": "0~1"})
        };
        let releases: Map<String, Value> =
            RELEASES.iter().map(|name| ((*name).to_owned(), release.clone())).collect();
        let id = format!("CVE-{}-{}", 2000 + number % 26, 10_000 + number);
        issues.insert(id, json!({"description": "Something is wrong.", "releases": releases}));
    }
    Value::Object(issues)
}

/// Makes an SBOM in CycloneDX, as Syft writes it, with so many components: the packages again and again, each time in another
/// image, and in one of a few versions. No two are equal: those would count as one.
pub(super) fn sbom(packages: &[LockedPackage], rows: usize) -> Vec<u8> {
    let components = packages.iter().cycle().take(rows).enumerate();
    let component = |(number, package)| component(number, number / packages.len().max(1), package);
    let components: Vec<Value> = components.map(component).collect();
    let system = json!({"type": "operating-system", "name": "debian", "version": "13"});
    let components: Vec<Value> = std::iter::once(system).chain(components).collect();
    let document =
        json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components});
    document.to_string().into_bytes()
}

fn component(number: usize, image: usize, package: &LockedPackage) -> Value {
    let LockedPackage { name, version, architecture, .. } = package;
    let (source, source_version) = source(package);
    let rebuilt = |version: &str| format!("{version}+b{}", image % VERSIONS);
    let (version, source_version) = (rebuilt(version), rebuilt(source_version));
    let encoded = |text: &str| text.replace('+', "%2B").replace(':', "%3A");
    let purl = format!(
        "pkg:deb/debian/{}@{}?arch={architecture}&distro=debian-13&upstream={}%40{}",
        encoded(name),
        encoded(&version),
        encoded(source),
        encoded(&source_version),
    );
    json!({
        "type": "library",
        "bom-ref": format!("{purl}&package-id={number:016x}"),
        "name": name,
        "version": version,
        "purl": purl,
        "licenses": [{"license": {"id": "GPL-2.0-only"}}],
        "properties": [
            {"name": "syft:package:foundBy", "value": "dpkg-db-cataloger"},
            {"name": "syft:location:0:path", "value": format!("/image-{image}/var/lib/dpkg/status")},
        ],
    })
}

/// Returns name and version of a package's source.
fn source(package: &LockedPackage) -> (&str, &str) {
    (
        package.source.as_deref().unwrap_or(&package.name),
        package.source_version.as_deref().unwrap_or(&package.version),
    )
}
