// SPDX-License-Identifier: Apache-2.0
//! Statements of ours, applied by go-vex: what it suppresses is what we suppress, whatever a scanner calls packages and
//! images.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use hardpan_attest::predicate::Time;
use hardpan_attest::predicate::vex::{
    Assessment, ImageProducts, Justification, PackagePurl, Reason, Scope, Status, Text, Trust,
    VexDocument, VexHeader, VexStatement, Vulnerability, assess, merge, merge_of_image, read_any,
};
use hardpan_testkit::go_vex::{GoVex, Question};
use hardpan_tree::Digest;
use serde_json::{Value, json};

use super::own::FixedWanted;
use super::own_tests;
use super::{ImageNames, Suppression, VexPolicy, VexSource, apply};
use crate::inventory::{Inventory, Package};
use crate::matching::memory::{Memory, also, record};
use crate::matching::tests::inventory;
use crate::matching::{MatchOptions, Standing, match_all};

const IMAGE: &str = "registry.example/team/app";

/// What a scanner calls things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    /// hardpan's own SBOM.
    Hardpan,
    /// Syft's, which Grype matches.
    Syft,
    /// As Syft, with everything escaped that may be.
    Escaped,
    /// Trivy's.
    Trivy,
}

impl Names {
    const ALL: [Self; 4] = [Self::Hardpan, Self::Syft, Self::Escaped, Self::Trivy];

    /// What it calls an image.
    fn image(self, digest: &Digest) -> String {
        let place = IMAGE.replace('/', "%2F");
        match self {
            Self::Hardpan => format!("pkg:oci/app@{digest}"),
            Self::Syft => format!("pkg:oci/app@{digest}?repository_url={IMAGE}"),
            Self::Escaped => {
                let digest = digest.to_string().replace(':', "%3A");
                format!("pkg:oci/app@{digest}?repository_url={place}&tag=1.0")
            }
            Self::Trivy => format!("pkg:oci/app@{digest}?arch=amd64&repository_url={place}"),
        }
    }

    /// What it calls a package.
    fn package(self, package: &Package) -> String {
        let purl = package.purl.as_ref().unwrap();
        let text = purl.to_string();
        let (plain, qualifiers) = text.split_once('?').unwrap_or((&text, ""));
        let arch = qualifiers.split('&').find(|it| it.starts_with("arch=")).unwrap_or_default();
        if arch.is_empty() {
            return plain.to_owned();
        }
        let (source, _) = package.source_or_own();
        let (namespace, release) = match purl.namespace() {
            Some("alpine") => ("alpine", ["3.22.1", "3.22.1"]),
            _ => ("debian", ["13", "13.7"]),
        };
        match self {
            Self::Hardpan => text,
            Self::Syft | Self::Escaped => {
                let (kind, version) = plain.rsplit_once('@').unwrap();
                let (kind, name) = kind.rsplit_once('/').unwrap();
                let (name, version) = if self == Self::Syft {
                    (name.to_owned(), version.to_owned())
                } else {
                    (name.replace('+', "%2B"), version.replace(':', "%3A").replace('~', "%7E"))
                };
                let upstream = source.replace('+', "%2B");
                format!(
                    "{kind}/{name}@{version}?{arch}&distro={namespace}-{}&upstream={upstream}",
                    release[0]
                )
            }
            Self::Trivy => format!("{plain}?{arch}&distro={namespace}-{}", release[1]),
        }
    }
}

/// What both look at.
struct World {
    inventory: Inventory,
    memory: Memory,
    digests: Vec<Digest>,
}

impl World {
    fn new(inventory: Inventory, memory: Memory) -> Self {
        Self { inventory, memory, digests: vec![Digest::of(b"index"), Digest::of(b"amd64")] }
    }

    /// Packages whose names, versions and kinds have what is written differently.
    fn odd() -> Self {
        let packages = inventory(
            "debian-13",
            &[
                "deb libssl3t64 3.5.1-1+deb13u2 openssl 3.5.1-1+deb13u2",
                "deb openssl 3.5.1-1+deb13u2",
                "deb libstdc++6 14.2.0-19 gcc-14",
                "deb bsdutils 1:2.41-5 util-linux 2.41-5",
                "deb git 1:2.47.3-0+deb13u1~bpo1",
                "npm lodash 4.17.20",
                "pypi django 5.1",
            ],
        );
        let mut memory = Memory::about(&[("debian:13", "trixie"), ("npm", ""), ("pypi", "")]);
        for source in ["openssl", "gcc-14", "util-linux", "git"] {
            for number in 1..4 {
                let id = format!("CVE-2026-{}{number}", source.len());
                memory = memory.with("debian:13", source, record(&id, "*"));
            }
        }
        let memory = memory
            .with("npm", "lodash", also(record("GHSA-1", "<5"), &["CVE-2026-90"]))
            .with("npm", "lodash", record("GHSA-9", "<5"))
            .with("pypi", "django", record("CVE-2026-91", "<6"));
        Self::new(packages, memory)
    }

    /// What stays of what is found, and what is suppressed: `PACKAGE ID`. Without an image as where only files are
    /// scanned.
    fn ours(&self, documents: &[&[u8]], with_image: bool) -> Split {
        let mut findings =
            match_all(&self.inventory, &self.memory, &MatchOptions::default()).unwrap();
        let name = IMAGE.to_owned();
        let image = ImageNames { name, digests: self.digests.clone() };
        let image = if with_image { image } else { ImageNames::default() };
        let source = |document: &&[u8]| VexSource {
            name: "a document".into(),
            trust: Trust::User,
            is_signed: false,
            document: read_any(document).unwrap(),
        };
        let sources: Vec<VexSource> = documents.iter().map(source).collect();
        apply(&mut findings, &self.inventory, &image, &sources, &VexPolicy::default());
        let mut split = Split::default();
        for finding in &findings.findings {
            let row = format!("{} {}", finding.package, finding.id);
            // What a rule leaves out is no statement's doing.
            let stated =
                matches!(finding.standing, Standing::Suppressed(Suppression::Statement(_)));
            if stated { &mut split.suppressed } else { &mut split.open }.insert(row);
        }
        split
    }

    /// The same by go-vex, as scanners ask it: for the package itself, and for the package as a part of the image
    /// under each of its digests; by each name of a vulnerability. Of the statements that match, the newest counts.
    fn theirs(&self, go_vex: &GoVex, documents: &[&[u8]], names: Names, with_image: bool) -> Split {
        let findings = match_all(&self.inventory, &self.memory, &MatchOptions::default()).unwrap();
        let packages: BTreeMap<&str, &Package> =
            self.inventory.packages.iter().map(|it| (it.id.as_str(), it)).collect();
        let mut questions = Vec::new();
        let mut rows = Vec::new();
        for finding in &findings.findings {
            let package = names.package(packages[&*finding.package]);
            for id in std::iter::once(&finding.id).chain(&finding.aliases) {
                let images = self.digests.iter().filter(|_| with_image);
                let images = images.map(|it| (names.image(it), vec![package.clone()]));
                let asked = std::iter::once((package.clone(), Vec::new())).chain(images);
                for (product, parts) in asked {
                    rows.push(format!("{} {}", finding.package, finding.id));
                    questions.push(Question { vulnerability: id.clone(), product, parts });
                }
            }
        }
        let answers = go_vex.answers(documents, &questions);
        let mut split = Split::default();
        for (row, statuses) in rows.iter().zip(answers) {
            let last = statuses.last().map(String::as_str);
            if matches!(last, Some("not_affected" | "fixed")) {
                split.suppressed.insert(row.clone());
            }
        }
        split.open = rows.into_iter().filter(|it| !split.suppressed.contains(it)).collect();
        split
    }

    /// Compares all ways to ask, and returns what is suppressed with an image, and without.
    #[track_caller]
    fn agreed(&self, go_vex: &GoVex, documents: &[&[u8]], summary: &str) -> [Vec<String>; 2] {
        [true, false].map(|with_image| {
            let ours = self.ours(documents, with_image);
            for names in Names::ALL {
                let theirs = self.theirs(go_vex, documents, names, with_image);
                let text = || {
                    let texts = documents.iter().map(|it| String::from_utf8_lossy(it));
                    texts.collect::<Vec<_>>().join("\n")
                };
                assert_eq!(theirs, ours, "{summary}: {names:?}, image {with_image}: {}", text());
            }
            ours.suppressed.into_iter().collect()
        })
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Split {
    open: BTreeSet<String>,
    suppressed: BTreeSet<String>,
}

fn go_vex(test: &str) -> Option<GoVex> {
    let found = GoVex::find();
    if found.is_none() {
        println!("skipped: {test}, because there is no go-vex: ./run-tests gets it");
    }
    found
}

fn written(statements: Vec<VexStatement>) -> Vec<u8> {
    let header = VexHeader {
        id: "https://vex.example/1".parse().unwrap(),
        author: Text::new("A").unwrap(),
        role: None,
        time: Time::from_seconds(1_790_000_000),
        last_updated: None,
        version: NonZeroU32::MIN,
        tooling: None,
    };
    VexDocument::new(header, statements).unwrap().to_bytes()
}

fn image(digests: &[Digest]) -> ImageProducts {
    ImageProducts::new(IMAGE, digests, &[]).unwrap()
}

/// What somebody found out about a package: vulnerability, status, package URL, scope, and the day.
fn found_out(id: &str, status: &str, package: &str, scope: Scope, day: i64) -> Assessment {
    let text = |text: &str| Text::new(text).unwrap();
    let aliases = (id == "CVE-2026-90").then(|| "GHSA-1".to_owned()).into_iter().collect();
    let status = match status {
        "not_affected" => {
            let why = Justification::VulnerableCodeNotPresent;
            Status::NotAffected(Reason::justified(why, Some(text("it is not there"))).unwrap())
        }
        "affected" => Status::Affected { action: text("update"), action_time: None },
        "fixed" => Status::Fixed,
        _ => Status::UnderInvestigation,
    };
    Assessment {
        // As what is stated of an image has them: all names, under the CVE's.
        vulnerability: Vulnerability { aliases, ..Vulnerability::new(id) },
        status,
        packages: [package.parse::<PackagePurl>().unwrap()].into(),
        scope,
        time: Time::from_seconds(1_767_225_600 + day * 86_400),
        notes: None,
    }
}

/// Returns a document of each assessment, and all in one, of which a newer one takes back what an older one says.
fn documents(world: &World, assessments: &[Assessment]) -> (Vec<Vec<u8>>, Vec<u8>) {
    let products = image(&world.digests);
    let each: Vec<Vec<VexStatement>> = assessments
        .iter()
        .map(|one| assess(&products, std::slice::from_ref(one)).unwrap())
        .collect();
    let all = merge_of_image(each.iter().map(|one| (Trust::User, one.as_slice())));
    (each.into_iter().map(written).collect(), written(all))
}

#[test]
fn what_is_stated_of_an_image_is_what_go_vex_finds() {
    let Some(go_vex) = go_vex("what_is_stated_of_an_image_is_what_go_vex_finds") else { return };
    let catalog = own_tests::catalog(&[]);
    let globs = own_tests::globs(&["usr/bin/openssl"]);
    let claim = own_tests::claim("CVE-OPEN", "openssl", super::own::Absent::Component(globs));
    let own = own_tests::stated(&catalog, &[claim], FixedWanted::All);
    // A scanner that takes everything for a finding, as those do that have less data.
    let mut naive = Memory::about(&[("debian:13", "trixie")]);
    for one in &own.assessments {
        let source = if one.vulnerability.name == "CVE-KERNEL" { "linux" } else { "openssl" };
        naive = naive.with("debian:13", source, record(&one.vulnerability.name, "*"));
    }
    let mut world = World::new(Inventory::from(&catalog), naive);
    let document = written(assess(&image(&world.digests), &own.assessments).unwrap());
    let row = |id: &str| format!("deb/libssl3t64/amd64 {id}");
    let everywhere = ["CVE-BACKPORT", "CVE-NEVER", "CVE-OLD"].map(row);
    let in_image = [
        row("CVE-BACKPORT"),
        row("CVE-NEVER"),
        row("CVE-OLD"),
        row("CVE-OPEN"),
        "deb/linux-libc-dev/all CVE-KERNEL".to_owned(),
    ];
    let found = world.agreed(&go_vex, &[&document], "own");
    assert_eq!(found, [in_image.to_vec(), everywhere.to_vec()]);
    // In another image only what is the packages' own reason holds.
    world.digests = vec![Digest::of(b"another")];
    let found = world.agreed(&go_vex, &[&document], "another image");
    assert_eq!(found, [everywhere.to_vec(), everywhere.to_vec()]);
}

#[test]
fn what_is_about_something_else_suppresses_nothing_for_either() {
    let Some(go_vex) = go_vex("what_is_about_something_else_suppresses_nothing_for_either") else {
        return;
    };
    let ssl = "pkg:deb/debian/libssl3t64@3.5.1-1%2Bdeb13u2?arch=amd64";
    let git = "pkg:deb/debian/git@1:2.47.3-0%2Bdeb13u1~bpo1?arch=amd64";
    let world = World::odd();
    let (image, package) = (Scope::Image, Scope::Package);
    let of = |status, scope, day| found_out("CVE-2026-71", status, ssl, scope, day);
    let fixed = |id, purl: &str| vec![found_out(id, "fixed", purl, package, 1)];
    let ssl_fixed = |from: &str, to: &str| fixed("CVE-2026-71", &ssl.replace(from, to));
    for (summary, said, in_image, in_files) in [
        ("the image's", vec![of("not_affected", image, 1)], true, false),
        ("the package's", vec![of("fixed", package, 1)], true, true),
        ("an odd version", fixed("CVE-2026-31", git), true, true),
        ("another version", ssl_fixed("u2", "u3"), false, false),
        ("another architecture", ssl_fixed("amd64", "arm64"), false, false),
        ("another distribution", ssl_fixed("debian/", "ubuntu/"), false, false),
        ("another kind", ssl_fixed("deb/", "apk/"), false, false),
        ("another package", fixed("CVE-2026-71", git), false, false),
        ("another vulnerability", fixed("CVE-2026-79", ssl), false, false),
        ("affected", vec![of("affected", package, 1)], false, false),
        ("investigated", vec![of("under_investigation", package, 1)], false, false),
        (
            "taken back",
            vec![of("not_affected", package, 1), of("affected", package, 2)],
            false,
            false,
        ),
        (
            "found to be well",
            vec![of("affected", package, 1), of("not_affected", package, 2)],
            true,
            true,
        ),
        (
            "taken back in this image",
            vec![of("fixed", package, 1), of("affected", image, 2)],
            false,
            false,
        ),
        (
            "found to be well in this image",
            vec![of("affected", package, 1), of("not_affected", image, 2)],
            true,
            false,
        ),
        (
            "well in this image, until it was not anywhere",
            vec![of("not_affected", image, 1), of("under_investigation", package, 2)],
            false,
            false,
        ),
    ] {
        let (_, merged) = documents(&world, &said);
        let found = world.agreed(&go_vex, &[&merged], summary);
        let row = match said[0].vulnerability.name.as_str() {
            "CVE-2026-31" => "deb/git CVE-2026-31",
            _ => "deb/libssl3t64 CVE-2026-71",
        };
        let expected =
            [in_image, in_files].map(|is| if is { vec![row.to_owned()] } else { vec![] });
        assert_eq!(found, expected, "{summary}");
    }
}

#[test]
fn whatever_is_stated_go_vex_and_we_suppress_the_same() {
    let Some(go_vex) = go_vex("whatever_is_stated_go_vex_and_we_suppress_the_same") else { return };
    let world = World::odd();
    let matched = match_all(&world.inventory, &world.memory, &MatchOptions::default()).unwrap();
    let packages = world.inventory.packages.iter().map(|it| {
        let purl = PackagePurl::trimmed(it.purl.as_ref().unwrap()).unwrap();
        (it.id.as_str(), purl.to_string())
    });
    let packages: BTreeMap<&str, String> = packages.collect();
    let of = |package: &str| packages[package].clone();
    let mut about: Vec<(String, String)> =
        matched.findings.iter().map(|it| (it.id.clone(), of(&it.package))).collect();
    // Of another package and version, and what is nobody's.
    about.push(("CVE-2026-404".into(), of("npm/lodash")));
    about.push(("CVE-2026-71".into(), of("deb/git")));
    let others = about.iter().map(|(id, purl)| (id.clone(), purl.replace('1', "9")));
    let others: Vec<_> = others.step_by(4).collect();
    about.extend(others);
    let statuses = ["not_affected", "fixed", "affected", "under_investigation"];
    // The same for ever: what it finds can be looked at.
    let mut seed = 7_u64;
    let mut any = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    let (mut suppressed, mut rows) = (0, 0);
    for round in 0..60_u32 {
        let one_scope = [Scope::Image, Scope::Package][any(2)];
        let is_mixed = round % 2 == 0;
        let assessments: Vec<Assessment> = (0..10 + any(40))
            .map(|day| {
                let scope =
                    if is_mixed { [Scope::Image, Scope::Package][any(2)] } else { one_scope };
                let (id, purl) = &about[any(about.len())];
                found_out(id, statuses[any(4)], purl, scope, i64::try_from(day).unwrap())
            })
            .collect();
        let (each, merged) = documents(&world, &assessments);
        let [of_image, of_files] = world.agreed(&go_vex, &[&merged], &format!("round {round}"));
        suppressed += of_image.len() + of_files.len();
        rows += 2 * matched.findings.len();
        if is_mixed {
            continue;
        }
        // Documents that nobody merged, which go-vex does then, are those that we merged.
        let each: Vec<&[u8]> = each.iter().map(Vec::as_slice).collect();
        let unmerged = world.agreed(&go_vex, &each, &format!("round {round}, each"));
        assert_eq!(unmerged, [of_image, of_files], "round {round}");
    }
    // Neither everything nor nothing.
    assert!(suppressed > rows / 8 && suppressed < rows * 3 / 4, "{suppressed} of {rows}");
}

/// A document as others write them.
fn foreign(statements: &Value) -> Vec<u8> {
    json!({
        "@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://a.example/1", "author": "A",
        "timestamp": "2026-01-01T00:00:00Z", "version": 1, "statements": statements,
    })
    .to_string()
    .into_bytes()
}

#[test]
fn where_we_differ_from_go_vex_it_is_meant() {
    let Some(go_vex) = go_vex("where_we_differ_from_go_vex_it_is_meant") else { return };
    let world = World::odd();
    let (digest, other) = (Digest::of(b"index"), Digest::of(b"other"));
    let ssl = "pkg:deb/debian/libssl3t64@3.5.1-1%2Bdeb13u2";
    let fixed = |product: Value| json!([{"vulnerability": {"name": "CVE-2026-71"}, "status": "fixed", "products": [product]}]);
    let purl = |text: &str| fixed(json!({"@id": text}));
    let named = |names: Value| json!([{"vulnerability": names, "status": "fixed", "products": [{"@id": ssl}]}]);
    let risk = json!([{
        "vulnerability": {"name": "CVE-2026-71"}, "status": "not_affected", "products": [{"@id": ssl}],
        "impact_statement": "Marked no-dsa by Debian",
    }]);
    let both_times = json!([
        {"vulnerability": {"name": "CVE-2026-71"}, "status": "fixed", "products": [{"@id": ssl}]},
        {"vulnerability": {"name": "CVE-2026-71"}, "status": "under_investigation", "products": [{"@id": ssl}]},
    ]);
    for (summary, statements, ours, syft, trivy) in [
        ("the same", purl(ssl), true, true, true),
        (
            "a release in one's spelling",
            purl(&format!("{ssl}?distro=debian-13")),
            true,
            true,
            false,
        ),
        ("and in another's", purl(&format!("{ssl}?distro=debian-13.7")), true, false, true),
        ("another release", purl(&format!("{ssl}?distro=debian-12")), false, false, false),
        (
            "what DHI writes",
            purl(&format!("{ssl}?os_name=debian&os_version=13")),
            true,
            false,
            false,
        ),
        (
            "a source, said to be one",
            purl("pkg:deb/debian/openssl@3.5.1-1%2Bdeb13u2?arch=source"),
            true,
            false,
            false,
        ),
        ("fixed in every version", purl("pkg:deb/debian/libssl3t64"), false, true, true),
        (
            "a copy under another name",
            purl(&format!("pkg:oci/mirror@{digest}")),
            true,
            false,
            false,
        ),
        ("another image", purl(&format!("pkg:oci/app@{other}")), false, false, false),
        (
            "a hash",
            fixed(json!({"@id": "https://a.example/app", "hashes": {"sha-256": digest.to_hex()}})),
            true,
            false,
            false,
        ),
        ("an accepted risk", risk, false, true, true),
        (
            "two in one",
            named(json!({"name": "CVE-2026-404", "aliases": ["CVE-2026-71"]})),
            false,
            true,
            true,
        ),
        ("two that contradict", both_times, false, true, true),
    ] {
        let document = foreign(&statements);
        let row = "deb/libssl3t64 CVE-2026-71";
        let found = [
            world.ours(&[&document], true),
            world.theirs(&go_vex, &[&document], Names::Syft, true),
            world.theirs(&go_vex, &[&document], Names::Trivy, true),
        ];
        let found = found.map(|split| split.suppressed.contains(row));
        assert_eq!(found, [ours, syft, trivy], "{summary}");
    }
}

#[test]
fn a_package_alone_is_not_well_where_the_image_says_worse() {
    let Some(go_vex) = go_vex("a_package_alone_is_not_well_where_the_image_says_worse") else {
        return;
    };
    let world = World::odd();
    let ssl = "pkg:deb/debian/libssl3t64@3.5.1-1%2Bdeb13u2?arch=amd64";
    let said = [
        found_out("CVE-2026-71", "fixed", ssl, Scope::Package, 1),
        found_out("CVE-2026-71", "affected", ssl, Scope::Image, 2),
    ];
    let products = image(&world.digests);
    let statements = assess(&products, &said).unwrap();
    // As a document of several images has it: whoever asks for the package alone does not see the newer one.
    let plain = written(merge([(Trust::User, &statements[..])]));
    assert!(world.ours(&[&plain], true).suppressed.is_empty());
    assert_eq!(world.theirs(&go_vex, &[&plain], Names::Trivy, true).suppressed.len(), 1);
    // As a document of this image has it.
    let own = written(merge_of_image([(Trust::User, &statements[..])]));
    assert_eq!(world.agreed(&go_vex, &[&own], "of this image"), [[""; 0]; 2]);
}

#[test]
fn what_go_vex_does_not_take_as_a_document_is_told() {
    let Some(go_vex) = go_vex("what_go_vex_does_not_take_as_a_document_is_told") else { return };
    let asked = [Question {
        vulnerability: "CVE-1".into(),
        product: "pkg:npm/a@1".into(),
        parts: Vec::new(),
    }];
    let status = |status: &str| {
        foreign(
            &json!([{"vulnerability": {"name": "CVE-1"}, "status": status, "products": [{"@id": "pkg:npm/a"}]}]),
        )
    };
    assert_eq!(go_vex.ask(&[&status("fixed")], &asked).unwrap(), [["fixed"]]);
    for (document, expected) in [
        (b"{}".to_vec(), "unable to detect"),
        (b"not JSON".to_vec(), "invalid"),
        (status("well"), "invalid status"),
        (status("not_affected"), "either justification or impact"),
        (status("affected"), "action statement must be set"),
    ] {
        let error = go_vex.ask(&[&document], &asked).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}
