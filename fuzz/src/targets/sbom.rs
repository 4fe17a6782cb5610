// SPDX-License-Identifier: Apache-2.0
//! SBOMs of anybody.

use hardpan_attest::sbom::Component;
use hardpan_attest::sbom::read::read;
use hardpan_scan::drift;
use hardpan_scan::inventory::Inventory;
use hardpan_scan::matching::{MatchOptions, match_all};

use crate::input::texts;
use crate::{Part, Target};

pub(super) const TARGET: Target = Target {
    name: "sbom",
    bytes_max: 8 << 10,
    parts: &[Part::new("sbom", sbom, || texts(&[SPDX2, SPDX3, CYCLONEDX, WRAPPED])).shared(&[
        "vectors/cyclonedx",
        "vectors/spdx",
        "vuln",
    ])],
};

const SPDX2: &str = r#"{"spdxVersion":"SPDX-2.3","dataLicense":"CC0-1.0","SPDXID":"SPDXRef-DOCUMENT","name":"a","documentNamespace":"https://a.example/b","creationInfo":{"created":"2026-01-01T00:00:00Z","creators":["Tool: a"]},"documentDescribes":["SPDXRef-i"],"packages":[{"name":"i","SPDXID":"SPDXRef-i","primaryPackagePurpose":"CONTAINER","downloadLocation":"NOASSERTION"},{"name":"debian","SPDXID":"SPDXRef-os","versionInfo":"13","primaryPackagePurpose":"OPERATING-SYSTEM"},{"name":"glibc","SPDXID":"SPDXRef-a","versionInfo":"2.41-1","supplier":"Organization: Debian","originator":"Person: A (a@example.com)","checksums":[{"algorithm":"SHA256","checksumValue":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}],"licenseDeclared":"MIT","sourceInfo":"acquired package info from DPKG DB: /var/lib/dpkg/status","externalRefs":[{"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:deb/debian/glibc@2.41-1?arch=amd64&distro=debian-13&upstream=glibc%402.41-1"}]}],"files":[{"fileName":"/a","SPDXID":"SPDXRef-f","checksums":[{"algorithm":"SHA1","checksumValue":"da39a3ee5e6b4b0d3255bfef95601890afd80709"}]}],"relationships":[{"spdxElementId":"SPDXRef-DOCUMENT","relationshipType":"DESCRIBES","relatedSpdxElement":"SPDXRef-i"},{"spdxElementId":"SPDXRef-a","relationshipType":"CONTAINS","relatedSpdxElement":"SPDXRef-f"},{"spdxElementId":"SPDXRef-a","relationshipType":"DEPENDS_ON","relatedSpdxElement":"SPDXRef-os"}]}"#;
const SPDX3: &str = r#"{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld","@graph":[{"type":"CreationInfo","@id":"_:c","created":"2026-01-01T00:00:00Z","specVersion":"3.0.1","createdBy":["urn:a"]},{"type":"SpdxDocument","spdxId":"urn:d","creationInfo":"_:c","rootElement":["urn:s"]},{"type":"software_Sbom","spdxId":"urn:s","creationInfo":"_:c","rootElement":["urn:p"]},{"type":"software_Package","spdxId":"urn:p","name":"a","software_packageVersion":"1","software_packageUrl":"pkg:npm/a@1","creationInfo":"_:c","externalIdentifier":[{"type":"ExternalIdentifier","externalIdentifierType":"packageUrl","identifier":"pkg:npm/a@1"}],"verifiedUsing":[{"type":"Hash","algorithm":"sha256","hashValue":"e3b0"}]},{"type":"Relationship","spdxId":"urn:r","from":"urn:s","to":["urn:p"],"relationshipType":"contains","creationInfo":"_:c"}]}"#;
const CYCLONEDX: &str = r#"{"bomFormat":"CycloneDX","specVersion":"1.6","serialNumber":"urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79","version":1,"metadata":{"timestamp":"2026-01-01T00:00:00Z","component":{"type":"container","name":"i","bom-ref":"i"}},"components":[{"type":"operating-system","name":"debian","version":"13"},{"type":"library","bom-ref":"a","name":"glibc","version":"2.41-1","purl":"pkg:deb/debian/glibc@2.41-1?distro=debian-13","licenses":[{"license":{"id":"MIT"}},{"expression":"MIT OR ISC"}],"hashes":[{"alg":"SHA-256","content":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}],"supplier":{"name":"Debian"},"evidence":{"occurrences":[{"location":"/a"}]},"properties":[{"name":"aquasecurity:trivy:SrcName","value":"glibc"},{"name":"syft:location:0:path","value":"/a"}],"components":[{"type":"file","name":"/a"}]}],"dependencies":[{"ref":"i","dependsOn":["a"]}]}"#;
const WRAPPED: &str = r#"{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://spdx.dev/Document","subject":[{"name":"a","digest":{"sha256":"e3b0"}}],"predicate":{"spdxVersion":"SPDX-2.2","SPDXID":"SPDXRef-DOCUMENT","packages":[{"name":"a","SPDXID":"SPDXRef-a"}]}}"#;

/// Reads an SBOM and looks its packages up. Against itself nothing drifts.
fn sbom(bytes: &[u8]) -> bool {
    let Ok(listing) = read(bytes) else { return false };
    let inventory = Inventory::from(listing.clone());
    for package in &inventory.packages {
        assert_eq!(
            inventory.package(&package.id).map(|it| &it.id),
            Some(&package.id),
            "it is not found"
        );
    }
    let options = MatchOptions {
        allows_unknown_distribution: true,
        allows_nothing: true,
        today: Some(20_000),
        ..MatchOptions::default()
    };
    match_all(&inventory, &*super::database::MATCHED, &options).ok();
    let components = listing.components.iter();
    let found = components.map(|(id, one)| (id.clone(), Component::clone(one))).collect();
    let itself = drift::compare(&listing, &found);
    assert!(itself.is_empty(), "it drifts from itself: {itself:?}");
    !listing.components.is_empty()
}
