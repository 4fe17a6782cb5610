// SPDX-License-Identifier: Apache-2.0
//! What each type of package URL demands beyond the common rules (purl-spec, "types").

use super::{PackageUrl, PurlProblem};

/// Types whose namespace is obligatory. Go modules are not here: `pkg:golang/stdlib` is what everybody writes.
const WITH_NAMESPACE: [&str; 6] = ["apk", "deb", "maven", "rpm", "swift", "vscode-extension"];
/// Types that have no namespace.
const WITHOUT_NAMESPACE: [&str; 6] = ["cargo", "cran", "oci", "otp", "pypi", "vcpkg"];
/// Types whose namespaces are not case-sensitive.
const LOWER_NAMESPACE: [&str; 13] = [
    "alpm",
    "apk",
    "bitbucket",
    "brew",
    "composer",
    "deb",
    "git",
    "github",
    "hex",
    "luarocks",
    "qpkg",
    "rpm",
    "vscode-extension",
];
/// Types whose names are not case-sensitive.
const LOWER_NAME: [&str; 16] = [
    "alpm",
    "apk",
    "bitbucket",
    "bitnami",
    "brew",
    "composer",
    "deb",
    "git",
    "github",
    "hex",
    "luarocks",
    "oci",
    "otp",
    "pub",
    "pypi",
    "vscode-extension",
];
/// Types whose versions are not case-sensitive.
const LOWER_VERSION: [&str; 4] = ["huggingface", "oci", "pypi", "vscode-extension"];

/// Checks what the type demands.
pub(super) fn check(purl: &PackageUrl) -> Result<(), PurlProblem> {
    let kind = purl.kind.as_str();
    if purl.namespace.is_none() && WITH_NAMESPACE.contains(&kind) {
        return Err(PurlProblem::NoNamespace(kind.to_owned()));
    }
    if purl.namespace.is_some() && WITHOUT_NAMESPACE.contains(&kind) {
        return Err(PurlProblem::Namespace(kind.to_owned()));
    }
    let demanded = match kind {
        "julia" => Some("uuid"),
        "swid" => Some("tag_id"),
        _ => None,
    };
    if let Some(key) = demanded.filter(|&key| purl.qualifier(key).is_none()) {
        return Err(PurlProblem::QualifierMissing { kind: kind.to_owned(), key });
    }
    let is_refused = match kind {
        "chrome-extension" => {
            purl.name.len() != 32 || !purl.name.chars().all(|c| matches!(c, 'a'..='p' | 'A'..='P'))
        }
        "cpan" => purl.name.contains("::"),
        _ => false,
    };
    if is_refused {
        return Err(PurlProblem::Refused("name"));
    }
    let is_chrome_version = |version: &str| {
        let parts: Vec<&str> = version.split('.').collect();
        parts.len() <= 4
            && parts.iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
    };
    match &purl.version {
        Some(version) if kind == "chrome-extension" && !is_chrome_version(version) => {
            Err(PurlProblem::Refused("version"))
        }
        _ => Ok(()),
    }
}

/// Writes the parts as the type wants them.
pub(super) fn normalize(purl: &mut PackageUrl) {
    let kind = purl.kind.as_str();
    if LOWER_NAMESPACE.contains(&kind) {
        purl.namespace.as_mut().into_iter().for_each(lower);
    }
    if LOWER_NAME.contains(&kind) {
        lower(&mut purl.name);
    }
    if LOWER_VERSION.contains(&kind) {
        purl.version.as_mut().into_iter().for_each(lower);
    }
    match kind {
        "pypi" if purl.name.contains('_') => purl.name = purl.name.replace('_', "-"),
        "pub" => {
            let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
            purl.name = purl.name.chars().map(plain).collect();
        }
        // Databricks' registry is not case-sensitive, Azure's is.
        "mlflow" => {
            let url = purl.qualifier("repository_url");
            if url.is_some_and(|url| url.contains("databricks")) {
                purl.name = purl.name.to_lowercase();
            }
        }
        _ => {}
    }
}

fn lower(text: &mut String) {
    if text.is_ascii() {
        text.make_ascii_lowercase();
    } else {
        *text = text.to_lowercase();
    }
}
