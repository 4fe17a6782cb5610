// SPDX-License-Identifier: Apache-2.0
//! Signed Debian archives in memory.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use hardpan_tree::Digest;

use crate::pgp::{self, Key, SignOptions};

/// The files of an archive: their paths, relative to its root, and their bytes.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The date of the `Release` file, unless told otherwise: 2025-01-02, in seconds since 1970.
pub const DATE_SECONDS: i64 = 1_735_776_000;

/// One suite of an archive.
#[derive(Debug, Clone)]
pub struct Archive {
    codename: String,
    suite: String,
    date_seconds: i64,
    valid_until_seconds: Option<i64>,
    by_hash: bool,
    architectures: Vec<String>,
    /// Stanzas by component and architecture.
    stanzas: BTreeMap<(String, String), String>,
    pool: Files,
    extra_fields: String,
    compressions: Vec<&'static str>,
    index_overrides: Files,
}

impl Archive {
    /// Makes an empty suite, for amd64 and arm64, with the component `main`.
    pub fn new(codename: &str) -> Self {
        let mut archive = Self {
            codename: codename.to_owned(),
            suite: "stable".to_owned(),
            date_seconds: DATE_SECONDS,
            valid_until_seconds: None,
            by_hash: true,
            architectures: vec!["amd64".to_owned(), "arm64".to_owned()],
            stanzas: BTreeMap::new(),
            pool: Files::new(),
            extra_fields: String::new(),
            compressions: vec![".xz", ".gz", ""],
            index_overrides: Files::new(),
        };
        archive.add_component("main");
        archive
    }

    /// Sets `Suite`.
    pub fn suite(mut self, suite: &str) -> Self {
        suite.clone_into(&mut self.suite);
        self
    }

    /// Sets `Date`, in seconds since 1970.
    pub fn date(mut self, seconds: i64) -> Self {
        self.date_seconds = seconds;
        self
    }

    /// Sets `Valid-Until`, in seconds since 1970.
    pub fn valid_until(mut self, seconds: i64) -> Self {
        self.valid_until_seconds = Some(seconds);
        self
    }

    /// Whether the archive has `by-hash` files and says so.
    pub fn by_hash(mut self, by_hash: bool) -> Self {
        self.by_hash = by_hash;
        self
    }

    /// Sets which forms of an index there are, of `.xz`, `.gz` and the empty ending.
    pub fn compressions(mut self, endings: &[&'static str]) -> Self {
        self.compressions = endings.to_vec();
        self
    }

    /// Adds lines to the `Release` file.
    pub fn release_fields(mut self, lines: &str) -> Self {
        self.extra_fields.push_str(lines);
        self
    }

    /// Adds an empty component.
    pub fn component(mut self, component: &str) -> Self {
        self.add_component(component);
        self
    }

    /// Adds a package to `main`; see [`Archive::package_in`].
    pub fn package(self, deb: Vec<u8>, stanza: &str) -> Self {
        self.package_in("main", deb, stanza)
    }

    /// Adds a package to a component: the bytes of the `.deb`, and its control stanza, to which
    /// `Filename`, `Size` and `SHA256` are added. A package for `all` stands in every index.
    pub fn package_in(mut self, component: &str, deb: Vec<u8>, stanza: &str) -> Self {
        self.add_component(component);
        let field = |name: &str| {
            let prefix = format!("{name}: ");
            let line = stanza.lines().find_map(|line| line.strip_prefix(&prefix));
            line.unwrap_or_else(|| panic!("the stanza has no {name}")).trim().to_owned()
        };
        let (name, version, architecture) =
            (field("Package"), field("Version"), field("Architecture"));
        let version = version.split_once(':').map_or(version.as_str(), |(_, version)| version);
        let path = format!("pool/{component}/{name}/{name}_{version}_{architecture}.deb");
        let entry = format!(
            "{}\nFilename: {path}\nSize: {}\nSHA256: {}\n\n",
            stanza.trim_end(),
            deb.len(),
            Digest::of(&deb).to_hex()
        );
        for ((of_component, of_architecture), stanzas) in &mut self.stanzas {
            if of_component == component
                && (architecture == "all" || *of_architecture == architecture)
            {
                stanzas.push_str(&entry);
            }
        }
        self.pool.insert(path, deb);
        self
    }

    /// Puts other bytes in the place of an index, such as `main/binary-amd64/Packages.xz`. The
    /// `Release` file fits them: it is the signer who is up to no good.
    pub fn index_bytes(mut self, name: &str, bytes: Vec<u8>) -> Self {
        self.index_overrides.insert(name.to_owned(), bytes);
        self
    }

    /// Returns all files, signed by several keys as `InRelease` and as `Release.gpg`.
    pub fn build(&self, keys: &[&Key]) -> Files {
        let created = u32::try_from(self.date_seconds).expect("a date that OpenPGP can express");
        let options = SignOptions { created_seconds: created, ..SignOptions::default() };
        self.build_with(&keys.iter().map(|key| (*key, options.clone())).collect::<Vec<_>>())
    }

    /// Returns all files, signed in any way.
    pub fn build_with(&self, signers: &[(&Key, SignOptions)]) -> Files {
        let mut files = self.pool.clone();
        let (release, indexes) = self.release();
        let root = format!("dists/{}", self.codename);
        for (name, bytes) in indexes {
            if self.by_hash {
                let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
                let digest = Digest::of(&bytes).to_hex();
                files.insert(format!("{root}/{folder}/by-hash/SHA256/{digest}"), bytes.clone());
            }
            files.insert(format!("{root}/{name}"), bytes);
        }
        let binary: Vec<_> = signers
            .iter()
            .map(|(key, options)| (*key, SignOptions { text: false, ..options.clone() }))
            .collect();
        if !signers.is_empty() {
            files.insert(format!("{root}/InRelease"), pgp::cleartext(&release, signers));
            let signature = pgp::detached(release.as_bytes(), &binary);
            files.insert(format!("{root}/Release.gpg"), signature);
        }
        files.insert(format!("{root}/Release"), release.into_bytes());
        files
    }

    /// Returns the text of the `Release` file, and the indexes by their names.
    pub fn release(&self) -> (String, Files) {
        let indexes = self.indexes();
        let mut components: Vec<&str> = self.stanzas.keys().map(|(c, _)| c.as_str()).collect();
        components.dedup();
        let mut text = format!(
            "Origin: Example\nLabel: Example\nSuite: {}\nCodename: {}\nDate: {}\n",
            self.suite,
            self.codename,
            date(self.date_seconds)
        );
        if let Some(seconds) = self.valid_until_seconds {
            writeln!(text, "Valid-Until: {}", date(seconds)).expect("text can be written to");
        }
        if self.by_hash {
            text.push_str("Acquire-By-Hash: yes\n");
        }
        text.push_str("No-Support-for-Architecture-all: Packages\n");
        text.push_str(&self.extra_fields);
        let architectures = self.architectures.join(" ");
        writeln!(text, "Architectures: all {architectures}\nComponents: {}", components.join(" "))
            .expect("text can be written to");
        text.push_str("MD5Sum:\n 00000000000000000000000000000000 0 weak\nSHA256:\n");
        for (name, bytes) in &indexes {
            writeln!(text, " {} {:>8} {name}", Digest::of(bytes).to_hex(), bytes.len())
                .expect("text can be written to");
        }
        (text, indexes)
    }

    fn indexes(&self) -> Files {
        let mut files = Files::new();
        for ((component, architecture), stanzas) in &self.stanzas {
            let plain = format!("{component}/binary-{architecture}/Packages");
            for ending in &self.compressions {
                let name = format!("{plain}{ending}");
                let bytes = match (self.index_overrides.get(&name), *ending) {
                    (Some(bytes), _) => bytes.clone(),
                    (None, ".xz") => xz(stanzas.as_bytes()),
                    (None, ".gz") => gzip(stanzas.as_bytes()),
                    (None, _) => stanzas.clone().into_bytes(),
                };
                files.insert(name, bytes);
            }
        }
        files
    }

    fn add_component(&mut self, component: &str) {
        for architecture in &self.architectures {
            self.stanzas.entry((component.to_owned(), architecture.clone())).or_default();
        }
    }
}

/// Compresses with xz.
pub fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory can be written to")
}

/// Compresses with gzip.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory can be written to")
}

/// Writes seconds since 1970 as `Release` files do: `Thu, 02 Jan 2025 00:00:00 UTC`.
pub fn date(seconds: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let weekday = DAYS[usize::try_from(days.rem_euclid(7)).expect("less than 7")];
    // Days since 1 March of year 0, in eras of 400 years: leap days then come last.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_shifted + 2) / 5 + 1;
    let month = (month_shifted + 2) % 12;
    let year = era * 400 + year_of_era + i64::from(month < 2);
    format!(
        "{weekday}, {day:02} {} {year} {:02}:{:02}:{:02} UTC",
        MONTHS[usize::try_from(month).expect("less than 12")],
        rest / 3_600,
        rest / 60 % 60,
        rest % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written() {
        for (seconds, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 UTC"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 UTC"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 UTC"),
            (1_757_154_979, "Sat, 06 Sep 2025 10:36:19 UTC"),
            (DATE_SECONDS, "Thu, 02 Jan 2025 00:00:00 UTC"),
        ] {
            assert_eq!(date(seconds), text);
        }
    }

    #[test]
    fn an_archive_has_its_files() {
        let files = Archive::new("trixie")
            .package(b"deb".to_vec(), "Package: a\nVersion: 1:2-3\nArchitecture: all\n")
            .build(&[&Key::new(1)]);
        let names: Vec<_> = files.keys().filter(|name| !name.contains("by-hash")).collect();
        assert_eq!(
            names,
            [
                "dists/trixie/InRelease",
                "dists/trixie/Release",
                "dists/trixie/Release.gpg",
                "dists/trixie/main/binary-amd64/Packages",
                "dists/trixie/main/binary-amd64/Packages.gz",
                "dists/trixie/main/binary-amd64/Packages.xz",
                "dists/trixie/main/binary-arm64/Packages",
                "dists/trixie/main/binary-arm64/Packages.gz",
                "dists/trixie/main/binary-arm64/Packages.xz",
                "pool/main/a/a_2-3_all.deb",
            ]
        );
        let index = String::from_utf8(files["dists/trixie/main/binary-arm64/Packages"].clone());
        assert!(index.unwrap().contains("Filename: pool/main/a/a_2-3_all.deb\nSize: 3\nSHA256: "));
    }
}
