// SPDX-License-Identifier: Apache-2.0
//! Inventories of SBOMs as this and other programs write them.

use hardpan_attest::sbom::read::read;
use serde_json::{Value, json};

use super::*;

fn of(document: &Value) -> Inventory {
    Inventory::from(read(document.to_string().as_bytes()).unwrap())
}

fn cyclonedx(components: &Value) -> Inventory {
    of(&json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components}))
}

fn lines(inventory: &Inventory) -> Vec<String> {
    let line = |package: &Package| {
        let (source, version) = package.source_or_own();
        format!("{:?} {} {source} {}", package.kind, package.name, version.unwrap_or("-"))
    };
    inventory.packages.iter().map(line).collect()
}

#[test]
fn syft_spdx_has_the_release_in_package_urls_alone() {
    let purl = |purl: &str| json!([{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}]);
    let inventory = of(&json!({
        "spdxVersion": "SPDX-2.3",
        "packages": [
            {"SPDXID": "SPDXRef-a", "name": "libc6", "versionInfo": "2.41-12+b1",
             "externalRefs": purl("pkg:deb/debian/libc6@2.41-12%2Bb1?arch=amd64&distro=debian-13&upstream=glibc%402.41-12")},
            {"SPDXID": "SPDXRef-b", "name": "bash", "versionInfo": "5.2-1",
             "externalRefs": purl("pkg:deb/debian/bash@5.2-1?arch=amd64&distro=debian-13")},
            {"SPDXID": "SPDXRef-c", "name": "Ruamel_Yaml", "versionInfo": "0.18",
             "externalRefs": purl("pkg:pypi/ruamel-yaml@0.18")},
            {"SPDXID": "SPDXRef-d", "name": "an idea"},
        ],
    }));
    assert_eq!(
        lines(&inventory),
        ["Deb libc6 glibc 2.41-12", "Deb bash bash 5.2-1", "Pypi ruamel-yaml ruamel-yaml 0.18",]
    );
    let distribution = inventory.distribution.unwrap();
    assert_eq!(distribution.claim(), Claim::Space("debian:13".parse().unwrap()));
}

#[test]
fn trivy_cyclonedx_has_sources_with_epochs_in_properties() {
    let property = |name: &str, value: &str| json!({"name": format!("aquasecurity:trivy:{name}"), "value": value});
    let inventory = cyclonedx(&json!([
        {"bom-ref": "os", "type": "operating-system", "name": "debian", "version": "13.7"},
        {"bom-ref": "p", "type": "library", "name": "libcups2t64", "version": "2.4.10-3",
         "purl": "pkg:deb/debian/libcups2t64@2.4.10-3?arch=amd64&distro=debian-13.7&epoch=1",
         "properties": [property("SrcName", "cups"), property("SrcVersion", "2.4.10"),
                        property("SrcRelease", "3"), property("SrcEpoch", "1")]},
        {"bom-ref": "n", "type": "library", "group": "@angular", "name": "core", "version": "1.0.0",
         "purl": "pkg:npm/%40angular/core@1.0.0"},
        {"bom-ref": "m", "type": "library", "group": "org.apache", "name": "log4j", "version": "2.0",
         "purl": "pkg:maven/org.apache/log4j@2.0"},
        {"bom-ref": "g", "type": "library", "name": "github.com/BurntSushi/toml", "version": "v1.0.0",
         "purl": "pkg:golang/github.com/burntsushi/toml@v1.0.0"},
    ]));
    let distribution = inventory.distribution.clone().unwrap();
    assert_eq!(distribution.claim(), Claim::Space("debian:13".parse().unwrap()));
    assert_eq!(
        lines(&inventory),
        [
            "Golang github.com/BurntSushi/toml github.com/BurntSushi/toml v1.0.0",
            "Maven org.apache:log4j org.apache:log4j 2.0",
            "Npm @angular/core @angular/core 1.0.0",
            "Deb libcups2t64 cups 1:2.4.10-3",
        ]
    );
}

#[test]
fn who_brought_a_package_is_in_our_sboms() {
    let inventory = cyclonedx(&json!([
        {"bom-ref": "deb/python3-a/all", "type": "library", "name": "python3-a", "version": "1-1",
         "purl": "pkg:deb/debian/python3-a@1-1?distro=debian-13",
         "components": [{"bom-ref": "pypi/a", "type": "library", "name": "a", "version": "1", "purl": "pkg:pypi/a@1"}]},
        {"bom-ref": "x", "type": "application", "name": "app", "purl": "pkg:npm/app@1", "version": "1",
         "components": [{"bom-ref": "npm/b", "type": "library", "name": "b", "version": "1", "purl": "pkg:npm/b@1"}]},
    ]));
    let owner = |id: &str| inventory.package(id).unwrap().owned_by.as_deref();
    assert_eq!(owner("pypi/a"), Some("deb/python3-a/all"));
    assert_eq!(owner("npm/b"), None);
    assert_eq!(owner("x"), None);
}

#[test]
fn modules_of_python_in_debians_directory_are_debians_in_sboms_of_others() {
    let pypi = |name: &str, place: &str| {
        json!({"bom-ref": name, "type": "library", "name": name, "version": "1", "purl": format!("pkg:pypi/{name}@1"),
               "properties": [{"name": "syft:location:0:path", "value": place}]})
    };
    let deb = |name: &str| {
        json!({"bom-ref": format!("d-{name}"), "type": "library", "name": name, "version": "1",
               "purl": format!("pkg:deb/debian/{name}@1?distro=debian-13")})
    };
    let site = "/usr/lib/python3/dist-packages";
    let inventory = cyclonedx(&json!([
        deb("python3-idna"),
        pypi("idna", &format!("{site}/idna-1.dist-info/METADATA")),
        pypi("pyyaml", &format!("{site}/PyYAML-1.egg-info")),
        pypi("flask", "/usr/local/lib/python3.13/dist-packages/flask-1.dist-info/METADATA"),
        pypi("venv", "/opt/venv/lib/python3.13/site-packages/venv-1.dist-info/METADATA"),
    ]));
    let owner = |id: &str| inventory.package(id).unwrap().owned_by.as_deref();
    assert_eq!(owner("idna"), Some("d-python3-idna"));
    assert_eq!(owner("pyyaml"), Some("usr/lib/python3/dist-packages/"));
    assert_eq!((owner("flask"), owner("venv")), (None, None));
    // Without dpkg the directory is anybody's.
    let inventory = cyclonedx(&json!([pypi("idna", &format!("{site}/idna-1.dist-info/METADATA"))]));
    assert_eq!(inventory.packages[0].owned_by, None);
}

#[test]
fn what_says_nothing_of_a_release_has_none() {
    for components in [
        json!([]),
        json!([{"bom-ref": "n", "type": "library", "name": "a", "purl": "pkg:npm/a@1"}]),
        json!([{"bom-ref": "n", "type": "library", "name": "a"}]),
    ] {
        assert_eq!(cyclonedx(&components).distribution, None, "{components}");
    }
    // A namespace alone names the distribution and not its release.
    let deb =
        json!([{"bom-ref": "a", "type": "library", "name": "a", "purl": "pkg:deb/debian/a@1"}]);
    assert_eq!(cyclonedx(&deb).distribution.unwrap().claim(), Claim::Unknown);
}

#[test]
fn the_release_is_what_most_packages_say() {
    let deb = |name: &str, distro: &str| {
        json!({"bom-ref": name, "type": "library", "name": name, "version": "1",
               "purl": format!("pkg:deb/debian/{name}@1?distro={distro}")})
    };
    let inventory = cyclonedx(&json!([
        deb("a", "debian-12"),
        deb("b", "debian-13"),
        deb("c", "debian-13"),
        deb("d", "debian-11"),
    ]));
    let claim = inventory.distribution.unwrap().claim();
    assert_eq!(claim, Claim::Space("debian:13".parse().unwrap()));
}

#[test]
fn components_that_no_advisories_are_about_are_counted() {
    let library = |name: &str, purl: Value| json!({"type": "library", "name": name, "version": "1", "purl": purl});
    let inventory = cyclonedx(&json!([
        library("openssl", json!("pkg:rpm/fedora/openssl@3-1?distro=fedora-40")),
        library("bash", json!("pkg:rpm/fedora/bash@5")),
        library("rails", json!("pkg:gem/rails@7")),
        library("django", json!("pkg:pypi/django@5")),
        library("libc6", json!("pkg:deb")),
        library("an idea", Value::Null),
        {"type": "operating-system", "name": "fedora", "version": "40"},
        {"type": "file", "name": "/etc/passwd"},
    ]));
    assert_eq!(lines(&inventory), ["Pypi django django 1"]);
    let uncovered: Vec<_> = inventory.uncovered.into_iter().collect();
    assert_eq!(uncovered, [("gem".to_owned(), 1), ("rpm".to_owned(), 2)]);
    assert_eq!(inventory.unnamed, 2);
}

#[test]
fn what_differs_only_in_its_id_is_one_package() {
    let library = |id: &str, version: &str, place: Option<&str>| {
        let places: Vec<Value> = place.iter().map(|place| json!({"location": place})).collect();
        json!({"bom-ref": id, "type": "library", "name": "a", "version": version,
               "purl": format!("pkg:npm/a@{version}"), "evidence": {"occurrences": places}})
    };
    let inventory = cyclonedx(&json!([
        library("1", "1", None),
        library("2", "1", None),
        library("3", "1", Some("srv/a")),
        library("4", "1", Some("srv/b")),
        library("5", "1", Some("srv/b")),
        library("6", "2", None),
    ]));
    let ids: Vec<&str> = inventory.packages.iter().map(|package| package.id.as_str()).collect();
    assert_eq!(ids, ["1", "3", "4", "6"]);
}

#[test]
fn what_a_copy_owns_is_the_one_that_stays() {
    let docker = |id: &str, place: &str| {
        json!({"bom-ref": id, "type": "library", "name": "docker-ce-cli", "version": "5:27-1",
               "purl": "pkg:deb/debian/docker-ce-cli@5%3A27-1?distro=debian-13",
               "supplier": {"name": "Docker <support@docker.com>"},
               "components": [{"bom-ref": format!("{id}/moby"), "type": "library", "name": "github.com/moby/moby",
                               "version": "v27.0.0", "purl": "pkg:golang/github.com/moby/moby@v27.0.0",
                               "evidence": {"occurrences": [{"location": place}]}}]})
    };
    // Both have the module in the same file, or the second one in another.
    for (place, expected) in [("usr/bin/docker", 1), ("usr/libexec/docker", 2)] {
        let inventory = cyclonedx(&json!([docker("a", "usr/bin/docker"), docker("b", place)]));
        let modules: Vec<&Package> =
            inventory.packages.iter().filter(|it| it.kind == PackageKind::Golang).collect();
        assert_eq!(modules.len(), expected, "{place}");
        for module in modules {
            let owner = module.owned_by.as_deref().unwrap();
            let owner = inventory.package(owner).unwrap();
            assert!(owner.maintainer.as_deref().unwrap().contains("docker.com"), "{place}");
        }
    }
}
