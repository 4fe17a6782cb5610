// SPDX-License-Identifier: Apache-2.0
//! Package URLs of what images have in them, as scanners write and understand them.

use hardpan_tree::Digest;

use super::{PackageUrl, PurlProblem};

/// A package of a distribution.
#[derive(Debug, Clone, Copy)]
pub struct DistroPackage<'p> {
    /// `ID` of os-release: `debian`, `alpine`.
    pub distro: &'p str,
    /// `VERSION_ID` of os-release: `13`, `3.22.1`; empty if it has none.
    pub distro_version: &'p str,
    /// Its name.
    pub name: &'p str,
    /// Its version.
    pub version: &'p str,
    /// Its architecture; empty if unknown.
    pub arch: &'p str,
    /// Name and version of its source (Debian) or origin (Alpine).
    pub source: Option<(&'p str, &'p str)>,
}

impl DistroPackage<'_> {
    /// `distro=debian-13`: ID and version, by which scanners choose the data to match with.
    fn release(&self) -> String {
        match (self.distro, self.distro_version) {
            ("", _) => String::new(),
            (distro, "") => distro.to_owned(),
            (distro, version) => format!("{distro}-{version}"),
        }
    }

    /// `upstream=glibc`: the source where it has another name, with its version where that differs.
    fn upstream(&self) -> String {
        match self.source {
            Some((name, version)) if !version.is_empty() && version != self.version => {
                format!("{name}@{version}")
            }
            Some((name, _)) if name != self.name => name.to_owned(),
            _ => String::new(),
        }
    }

    fn purl(&self, kind: &str) -> Result<PackageUrl, PurlProblem> {
        Ok(PackageUrl::new(kind, self.distro, self.name)?
            .with_version(self.version)
            .with("arch", self.arch)
            .with("distro", &self.release())
            .with("upstream", &self.upstream()))
    }
}

impl PackageUrl {
    /// A Debian package: `pkg:deb/debian/libc6@2.41-12?arch=amd64&distro=debian-13&upstream=glibc`.
    pub fn deb(package: &DistroPackage<'_>) -> Result<Self, PurlProblem> {
        package.purl("deb")
    }

    /// An Alpine package: `pkg:apk/alpine/libssl3@3.5.1-r0?arch=x86_64&distro=alpine-3.22.1&upstream=openssl`.
    pub fn apk(package: &DistroPackage<'_>) -> Result<Self, PurlProblem> {
        package.purl("apk")
    }

    /// The source of a Debian package: `pkg:deb/debian/glibc@2.41-12?arch=source&distro=debian-13`.
    pub fn source_of(&self, name: &str, version: &str) -> Result<Self, PurlProblem> {
        let namespace = self.namespace.as_deref().unwrap_or_default();
        let distro = self.qualifier("distro").unwrap_or_default().to_owned();
        Ok(Self::new(&self.kind, namespace, name)?
            .with_version(version)
            .with("arch", "source")
            .with("distro", &distro))
    }

    /// A Go module, or a package in it: `pkg:golang/github.com/gorilla/context@v1.1.2#api`.
    pub fn golang(module: &str, version: &str) -> Result<Self, PurlProblem> {
        let (namespace, name) = module.rsplit_once('/').unwrap_or(("", module));
        Ok(Self::new("golang", namespace, name)?.with_version(version))
    }

    /// A Python distribution: `pkg:pypi/ruamel-yaml@0.18.6`. Its name is normalized as indexes do (PEP 503).
    pub fn pypi(name: &str, version: &str) -> Result<Self, PurlProblem> {
        let words: Vec<&str> =
            name.split(['-', '_', '.']).filter(|word| !word.is_empty()).collect();
        Ok(Self::new("pypi", "", &words.join("-"))?.with_version(version))
    }

    /// A package of npm, with its scope if it has one: `pkg:npm/%40angular/animation@12.3.1`.
    pub fn npm(name: &str, version: &str) -> Result<Self, PurlProblem> {
        let (scope, name) = match name.split_once('/') {
            Some((scope, name)) if scope.starts_with('@') => (scope, name),
            _ => ("", name),
        };
        Ok(Self::new("npm", scope, name)?.with_version(version))
    }

    /// A Java archive: `pkg:maven/org.apache.commons/commons-lang3@3.14.0`.
    pub fn maven(group: &str, artifact: &str, version: &str) -> Result<Self, PurlProblem> {
        Ok(Self::new("maven", group, artifact)?.with_version(version))
    }

    /// A crate: `pkg:cargo/serde@1.0.228`.
    pub fn cargo(name: &str, version: &str) -> Result<Self, PurlProblem> {
        Ok(Self::new("cargo", "", name)?.with_version(version))
    }

    /// An image by its digest: `pkg:oci/python@sha256:…?arch=amd64&repository_url=registry.example%2Fteam%2Fpython`.
    /// The name is the last part of the repository.
    pub fn oci(
        repository: &str,
        digest: &Digest,
        arch: &str,
        tag: &str,
    ) -> Result<Self, PurlProblem> {
        let name = repository.rsplit('/').next().unwrap_or(repository);
        // A name without a registry says nothing that the name does not.
        let url = if repository.contains('/') { repository } else { "" };
        Ok(Self::new("oci", "", name)?
            .with_version(&digest.to_string())
            .with("arch", arch)
            .with("repository_url", &url.to_lowercase())
            .with("tag", tag))
    }

    /// The same image in one repository: `registry.example/team/python`.
    pub fn placed(self, repository: &str) -> Self {
        self.with("repository_url", &repository.to_lowercase())
    }

    /// Something that no registry has: `pkg:generic/openssl@3.5.1?checksum=sha256:…&download_url=https:%2F%2F…`.
    pub fn generic(
        name: &str,
        version: &str,
        download_url: &str,
        sha256: Option<&Digest>,
    ) -> Result<Self, PurlProblem> {
        let checksum = sha256.map(Digest::to_string).unwrap_or_default();
        Ok(Self::new("generic", "", name)?
            .with_version(version)
            .with("checksum", &checksum)
            .with("download_url", download_url))
    }
}
