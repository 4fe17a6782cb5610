// SPDX-License-Identifier: Apache-2.0
//! Which release of which distribution an image has.

use crate::advisory::Space;
use crate::catalog::OsRelease;

/// What an image says it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Distribution {
    /// `debian`, `alpine`, in lower case.
    pub id: String,
    /// `13`, `13.2`, `3.22.1`; empty if it says none.
    pub version: String,
    /// `trixie`; empty if it says none.
    pub codename: String,
}

/// What it takes to find the release in the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// This one.
    Space(Space),
    /// The release of Debian with this name: `trixie`.
    DebianNamed(String),
    /// Nothing that advisories are read of.
    Unknown,
}

impl From<&OsRelease> for Distribution {
    fn from(os: &OsRelease) -> Self {
        // Files that say the exact release stand in for one that says none.
        let other = match os.id.as_str() {
            "alpine" => os.alpine_release.as_deref(),
            // `forky/sid` is what testing and unstable have in the file.
            "debian" => os.debian_version.as_deref(),
            _ => None,
        };
        // Alpine's development tree has the version of the next release in os-release.
        let is_edge = os.alpine_release.as_deref().is_some_and(is_edge) && os.id == "alpine";
        let own = os.version_id.as_deref().filter(|_| !is_edge);
        Self {
            id: os.id.clone(),
            version: own.or(other).unwrap_or_default().to_owned(),
            codename: os.version_codename.clone().unwrap_or_default(),
        }
    }
}

fn is_edge(release: &str) -> bool {
    release.contains("_alpha") || release == "edge"
}

impl Distribution {
    /// Reads what package URLs have: `debian-13`, `alpine-3.22.1`, `debian`, `trixie` with `debian` as the namespace.
    pub fn of_qualifier(namespace: &str, text: &str) -> Self {
        let id = namespace.to_ascii_lowercase();
        let version = match text.strip_prefix(namespace).map(|rest| rest.strip_prefix('-')) {
            Some(Some(version)) => version,
            Some(None) => "",
            None => text,
        };
        let is_number = version.starts_with(|c: char| c.is_ascii_digit());
        let (version, codename) = if is_number { (version, "") } else { ("", version) };
        Self { id, version: version.to_owned(), codename: codename.to_ascii_lowercase() }
    }

    /// Returns where advisories about it are.
    pub fn claim(&self) -> Claim {
        match self.id.as_str() {
            "debian" => self.debian(),
            "alpine" => self.alpine(),
            "wolfi" => Claim::Space(Space::Wolfi),
            _ => Claim::Unknown,
        }
    }

    fn debian(&self) -> Claim {
        let number = self.version.split('.').next().unwrap_or_default();
        if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Claim::Space(Space::Debian(number.trim_start_matches('0').to_owned()));
        }
        let of_file = self.version.split('/').next().unwrap_or_default();
        let name = if self.codename.is_empty() { of_file } else { &self.codename };
        match name {
            "sid" | "unstable" => Claim::Space(Space::Debian("sid".to_owned())),
            "" => Claim::Unknown,
            name => Claim::DebianNamed(name.to_owned()),
        }
    }

    fn alpine(&self) -> Claim {
        if is_edge(&self.version) || self.codename == "edge" {
            return Claim::Space(Space::Alpine("edge".to_owned()));
        }
        let mut parts = self.version.split('.');
        let numbers = [parts.next(), parts.next()];
        let [Some(major), Some(minor)] = numbers else { return Claim::Unknown };
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !is_number(major) || !is_number(minor) {
            return Claim::Unknown;
        }
        Claim::Space(Space::Alpine(format!("{major}.{minor}")))
    }

    /// Returns whether both say the same, as far as both say something: `13` and `13.7` do, `13` and `12` do not.
    pub fn agrees(&self, other: &Self) -> bool {
        let is_within = |one: &str, other: &str| {
            one == other || other.strip_prefix(one).is_some_and(|rest| rest.starts_with('.'))
        };
        let versions = self.version.is_empty()
            || other.version.is_empty()
            || is_within(&self.version, &other.version)
            || is_within(&other.version, &self.version);
        let names = self.codename.is_empty()
            || other.codename.is_empty()
            || self.codename == other.codename;
        self.id == other.id && versions && names
    }
}

impl std::fmt::Display for Distribution {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let version = if self.version.is_empty() { &self.codename } else { &self.version };
        write!(f, "{}", self.id)?;
        if version.is_empty() { Ok(()) } else { write!(f, " {version}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(text: &str) -> Claim {
        Claim::Space(text.parse().unwrap())
    }

    #[test]
    fn releases_of_images() {
        let named = |name: &str| Claim::DebianNamed(name.to_owned());
        for (id, version_id, codename, debian, alpine, expected) in [
            ("debian", "13", "trixie", "13.7", "", space("debian:13")),
            ("debian", "12", "", "", "", space("debian:12")),
            ("debian", "", "", "13.2", "", space("debian:13")),
            ("debian", "", "forky", "forky/sid", "", named("forky")),
            ("debian", "", "", "forky/sid", "", named("forky")),
            ("debian", "", "sid", "", "", space("debian:sid")),
            ("debian", "", "", "", "", Claim::Unknown),
            ("alpine", "3.22.1", "", "", "3.22.1", space("alpine:3.22")),
            ("alpine", "3.22", "", "", "", space("alpine:3.22")),
            ("alpine", "", "", "", "3.9.6", space("alpine:3.9")),
            ("alpine", "3.23_alpha20250612", "", "", "", space("alpine:edge")),
            ("alpine", "3.23.0", "", "", "3.23.0_alpha20250612", space("alpine:edge")),
            ("alpine", "3", "", "", "", Claim::Unknown),
            ("alpine", "x.y", "", "", "", Claim::Unknown),
            ("wolfi", "20230201", "", "", "", space("wolfi")),
            ("ubuntu", "24.04", "noble", "trixie/sid", "", Claim::Unknown),
            ("dhi", "13", "trixie", "13.1", "", Claim::Unknown),
            ("", "13", "", "13.1", "", Claim::Unknown),
        ] {
            let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            let os = OsRelease {
                id: id.to_owned(),
                version_id: some(version_id),
                version_codename: some(codename),
                debian_version: some(debian),
                alpine_release: some(alpine),
                ..OsRelease::default()
            };
            let distribution = Distribution::from(&os);
            assert_eq!(distribution.claim(), expected, "{id} {version_id} {codename} {debian}");
        }
    }

    #[test]
    fn releases_of_package_urls() {
        for (namespace, text, expected) in [
            ("debian", "debian-13", space("debian:13")),
            ("debian", "debian-13.7", space("debian:13")),
            ("debian", "trixie", Claim::DebianNamed("trixie".to_owned())),
            ("debian", "debian-sid", space("debian:sid")),
            ("debian", "debian", Claim::Unknown),
            ("debian", "", Claim::Unknown),
            ("alpine", "alpine-3.22.1", space("alpine:3.22")),
            ("alpine", "3.22.1", space("alpine:3.22")),
            ("wolfi", "wolfi-20230201", space("wolfi")),
            ("ubuntu", "ubuntu-24.04", Claim::Unknown),
        ] {
            assert_eq!(Distribution::of_qualifier(namespace, text).claim(), expected, "{text}");
        }
    }

    #[test]
    fn what_agrees() {
        let of = |text| Distribution::of_qualifier("debian", text);
        for (one, other, expected) in [
            ("debian-13", "debian-13.7", true),
            ("debian-13.7", "debian-13", true),
            ("debian-13", "trixie", true),
            ("debian-1", "debian-13", false),
            ("debian-12", "debian-13", false),
            ("trixie", "bookworm", false),
        ] {
            assert_eq!(of(one).agrees(&of(other)), expected, "{one} {other}");
        }
        assert!(!of("debian-3.22").agrees(&Distribution::of_qualifier("alpine", "alpine-3.22")));
    }
}
