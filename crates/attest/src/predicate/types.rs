// SPDX-License-Identifier: Apache-2.0
//! The table of known predicates.

/// The URIs of all predicates that are known.
pub mod uri {
    pub use super::super::audit::URI as AUDIT;
    pub use super::super::audit_exceptions::URI as AUDIT_EXCEPTIONS;
    pub use super::super::changelog::URI as CHANGELOG;
    pub use super::super::image_sources::URI as IMAGE_SOURCES;
    pub use super::super::provenance::{URI as PROVENANCE, URI_V0_2 as PROVENANCE_V0_2};
    pub use super::super::secrets::URI as SECRETS;
    pub use super::super::sign::URI as SIGN;
    pub use super::super::test_result::{URI as TEST_RESULT, URI_CTRF as TESTS};
    pub use super::super::vex::URI as VEX;
    pub use super::super::virus::URI as VIRUS;
    pub use super::super::vsa::URI as VSA;

    /// Results of a scan by a security guide, as DHI attests them.
    pub const STIG: &str = "https://docker.com/dhi/stig/v0.1";
    /// Which cryptographic modules there are, as DHI attests them.
    pub const FIPS: &str = "https://docker.com/dhi/fips/v0.1";
    /// An SBOM in CycloneDX 1.6.
    pub const CYCLONEDX: &str = "https://cyclonedx.org/bom/v1.6";
    /// An SBOM in SPDX 2.3.
    pub const SPDX: &str = "https://spdx.dev/Document";
    /// An SBOM in SPDX 3.
    pub const SPDX_3: &str = "https://spdx.dev/Document/v3";
    /// What a scan for vulnerabilities found.
    pub const VULNS: &str = "https://in-toto.io/attestation/vulns/v0.1";
}

/// A kind of predicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PredicateType {
    /// Its URI, as it stands in statements.
    pub uri: &'static str,
    /// Short names, the first is shown. Several types may share one: `sbom` stands for every format.
    pub aliases: &'static [&'static str],
    /// What it holds.
    pub what: &'static str,
    /// Whether hardpan writes it.
    pub is_written: bool,
}

const fn kind(
    uri: &'static str,
    aliases: &'static [&'static str],
    what: &'static str,
    is_written: bool,
) -> PredicateType {
    PredicateType { uri, aliases, what, is_written }
}

/// All types that are known. Where several share a name, the one that is preferred comes first.
pub const TYPES: &[PredicateType] = &[
    kind(uri::SPDX, &["spdx", "sbom"], "an SBOM in SPDX 2", true),
    kind(uri::CYCLONEDX, &["cyclonedx", "sbom"], "an SBOM in CycloneDX 1.6", true),
    kind(
        "https://cyclonedx.org/bom/v1.7",
        &["cyclonedx", "sbom"],
        "an SBOM in CycloneDX 1.7",
        false,
    ),
    kind(
        "https://cyclonedx.org/bom/v1.5",
        &["cyclonedx", "sbom"],
        "an SBOM in CycloneDX 1.5",
        false,
    ),
    kind(
        "https://cyclonedx.org/bom",
        &["cyclonedx", "sbom"],
        "an SBOM in CycloneDX, as cosign calls it",
        false,
    ),
    kind(uri::SPDX_3, &["spdx3", "sbom"], "an SBOM in SPDX 3", false),
    kind(uri::PROVENANCE, &["provenance", "slsa"], "how and from what the image was built", true),
    kind(
        uri::PROVENANCE_V0_2,
        &["provenance-v0.2", "provenance", "slsa"],
        "the same in the older form",
        true,
    ),
    kind(uri::VEX, &["vex", "openvex"], "which vulnerabilities matter and which don't", true),
    kind("https://openvex.dev/ns", &["vex", "openvex"], "the same, as cosign calls it", false),
    kind(uri::TESTS, &["tests", "ctrf"], "every test with what came of it (CTRF)", true),
    kind(uri::TEST_RESULT, &["test-result", "tests"], "which tests passed and which failed", true),
    kind(
        uri::VSA,
        &["vsa", "verification-summary"],
        "that somebody verified the image, against what",
        true,
    ),
    kind(uri::IMAGE_SOURCES, &["sources", "image-sources"], "the source of every package", true),
    kind(
        "https://docker.com/dhi/source/v0.1",
        &["source-image", "sources"],
        "an image with the sources",
        false,
    ),
    kind(uri::CHANGELOG, &["changelog"], "what changed since an older build", true),
    kind(uri::AUDIT, &["audit"], "how the image is hardened", true),
    kind(
        uri::AUDIT_EXCEPTIONS,
        &["audit-exceptions"],
        "which findings of audits somebody accepts, and why",
        true,
    ),
    kind(uri::SIGN, &["signature", "sign"], "nothing but the signature", true),
    kind(uri::VULNS, &["vulns", "cves"], "what a scan for vulnerabilities found", true),
    kind(
        "https://in-toto.io/attestation/vulns/v0.2",
        &["vulns", "cves"],
        "the same in the newer form",
        false,
    ),
    kind(
        "https://cosign.sigstore.dev/attestation/vuln/v1",
        &["vulns", "cves"],
        "the same, as cosign writes it",
        false,
    ),
    kind(uri::SECRETS, &["secrets"], "what a scan for secrets found", true),
    kind(uri::VIRUS, &["virus", "malware"], "what a scan for malware found", true),
    kind("https://scout.docker.com/sbom/v0.1", &["scout-sbom"], "Docker Scout's own SBOM", false),
    kind(
        "https://scout.docker.com/provenance/v0.1",
        &["scout-provenance"],
        "Docker Scout's own provenance",
        false,
    ),
    kind(
        "https://scout.docker.com/vulnerabilities/v0.1",
        &["scout-vulns"],
        "Docker Scout's list of vulnerabilities",
        false,
    ),
    kind("https://scout.docker.com/health/v0.1", &["scout-health"], "Docker Scout's score", false),
    kind(uri::STIG, &["stig"], "results of a STIG scan", true),
    kind(uri::FIPS, &["fips"], "which cryptographic modules are validated", true),
    kind(
        "https://in-toto.io/attestation/svr/v0.2",
        &["svr"],
        "a verification in in-toto's simple form",
        false,
    ),
];

/// Returns the types that a short name or a URI stands for, the preferred one first.
pub fn find_all(text: &str) -> Vec<&'static PredicateType> {
    (TYPES.iter()).filter(|kind| kind.uri == text || kind.aliases.contains(&text)).collect()
}

/// Returns the type of a URI.
pub fn find_uri(uri: &str) -> Option<&'static PredicateType> {
    TYPES.iter().find(|kind| kind.uri == uri)
}

/// Returns all short names, sorted, for messages.
pub fn known_aliases() -> Vec<&'static str> {
    let mut names: Vec<_> = TYPES.iter().flat_map(|kind| kind.aliases.iter().copied()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Returns the command with which cosign verifies statements of a type on an image.
///
/// It names the type by its URI: cosign compares the whole text, and its own short names stand for other URIs
/// (`openvex` for one without a version) or write predicates anew when they sign. `root` is a trusted root, where the
/// signature is in a log of it.
pub fn cosign_command(predicate_type: &str, image: &str, key: &str, root: Option<&str>) -> String {
    let what = if predicate_type == uri::SIGN {
        "verify".to_owned()
    } else {
        format!("verify-attestation --type {}", quoted(predicate_type))
    };
    // Without a public log there is no entry to look for.
    let log = root.map_or_else(
        || "--insecure-ignore-tlog".to_owned(),
        |root| format!("--trusted-root {}", quoted(root)),
    );
    format!("cosign {what} --key {} {log} {}", quoted(key), quoted(image))
}

/// Writes a text as one word of a shell.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@=+,%".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_table_is_in_order() {
        let uris: BTreeSet<_> = TYPES.iter().map(|kind| kind.uri).collect();
        assert_eq!(uris.len(), TYPES.len(), "a URI stands twice");
        let first: BTreeSet<_> = TYPES.iter().map(|kind| kind.aliases[0]).collect();
        for kind in TYPES {
            assert!(kind.uri.starts_with("https://") && !kind.aliases.is_empty(), "{}", kind.uri);
            assert!(!kind.what.is_empty(), "{}", kind.uri);
            for alias in kind.aliases {
                assert!(!uris.contains(alias) && alias.chars().all(|c| c != ':' && c != '/'));
            }
        }
        assert!(first.len() > 15);
    }

    #[test]
    fn the_reference_has_the_table() {
        let page = include_str!("../../../../docs/reference/predicates.md");
        let rows = page.lines().filter(|line| line.starts_with("| `https://")).count();
        assert_eq!(rows, TYPES.len());
        for kind in TYPES {
            let names: Vec<String> = kind.aliases.iter().map(|name| format!("`{name}`")).collect();
            let mark = if kind.is_written { "" } else { " ¹" };
            let row = format!("| `{}` | {} | {}{mark} |", kind.uri, names.join(", "), kind.what);
            assert!(page.lines().any(|line| line == row), "{row}");
        }
    }

    #[test]
    fn names_stand_for_types() {
        let uris = |text| find_all(text).iter().map(|kind| kind.uri).collect::<Vec<_>>();
        assert_eq!(uris("provenance"), [uri::PROVENANCE, uri::PROVENANCE_V0_2]);
        assert_eq!(uris("vex"), [uri::VEX, "https://openvex.dev/ns"]);
        assert_eq!(uris("tests"), [uri::TESTS, uri::TEST_RESULT]);
        assert_eq!(uris("sbom")[0], uri::SPDX);
        assert_eq!(uris(uri::VSA), [uri::VSA]);
        assert!(uris("signature").contains(&uri::SIGN));
        for nothing in ["", "SBOM", "https://slsa.dev/provenance/v1/", "sbom "] {
            assert!(uris(nothing).is_empty(), "{nothing}");
        }
        assert!(known_aliases().contains(&"changelog"));
        assert!(find_uri("sbom").is_none() && find_uri(uri::CHANGELOG).is_some());
    }

    #[test]
    fn commands_name_the_whole_uri() {
        assert_eq!(
            cosign_command(uri::VEX, "registry.example/a@sha256:00", "k.pub", None),
            "cosign verify-attestation --type https://openvex.dev/ns/v0.2.0 --key k.pub \
             --insecure-ignore-tlog registry.example/a@sha256:00"
        );
        assert_eq!(
            cosign_command(uri::SIGN, "a", "my key.pub", None),
            "cosign verify --key 'my key.pub' --insecure-ignore-tlog a"
        );
        assert!(cosign_command("x", "$(a)'", "k", None).ends_with("'$(a)'\\'''"));
    }
}
