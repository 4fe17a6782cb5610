// SPDX-License-Identifier: Apache-2.0
//! Databases of imports, and what they say in a line.

use std::path::PathBuf;

use hardpan_scan::advisory::database::{Database, write};
use hardpan_scan::advisory::import::{ImportError, Imported};
use hardpan_scan::advisory::{Advisories, Advisory, Collected, End, Urgency, Verdict};

/// A database that is whole.
pub(crate) type Data = Database<Vec<u8>>;

/// An importer of bytes.
pub(crate) type Import = fn(&[u8], &mut Collected) -> Result<Imported, ImportError>;

/// Makes a database of all that was imported.
pub(crate) fn database(collected: &Collected) -> Data {
    let database = Database::open(write(collected).unwrap()).unwrap();
    database.verify_all().unwrap();
    database
}

/// Makes a database of imports, one after another.
pub(crate) fn imported(imports: &[(Import, &str)]) -> Data {
    let mut collected = Collected::new();
    for (import, text) in imports {
        import(text.as_bytes(), &mut collected).unwrap();
    }
    database(&collected)
}

/// Returns what a database says of a package, a line for each record.
pub(crate) fn said(database: &Data, space: &str, package: &str) -> Vec<String> {
    let mut lines = Vec::new();
    database.each(&space.parse().unwrap(), package, &mut |one| lines.push(line(&one)));
    lines
}

/// `CVE-2026-0001 fixed in 1.2, low, no-dsa (Minor issue), DSA-1-1, alias GHSA-…`
pub(crate) fn line(one: &Advisory<'_>) -> String {
    let mut parts = vec![format!("{} {}", one.id, verdict(&one.verdict))];
    if one.urgency != Urgency::Unstated {
        parts.push(format!("{:?}", one.urgency).to_lowercase());
    }
    if let Some(decision) = &one.decision {
        parts.push(format!("{:?} ({})", decision.kind, decision.reason));
    }
    parts.extend(one.announcements.iter().map(|name| name.clone().into_owned()));
    parts.extend(one.aliases.iter().map(|name| format!("alias {name}")));
    parts.join(", ")
}

fn verdict(verdict: &Verdict<'_>) -> String {
    let (ranges, versions) = match verdict {
        Verdict::NotAffected => return "not affected".to_owned(),
        Verdict::Undetermined => return "undetermined".to_owned(),
        Verdict::Affected { ranges, versions } => (ranges, versions),
    };
    let mut parts = Vec::new();
    for range in ranges {
        let end = match &range.end {
            End::Open => "open".to_owned(),
            End::Fixed(version) => format!("fixed in {version}"),
            End::LastAffected(version) => format!("up to {version}"),
        };
        let start = range.introduced.as_ref().map(|version| format!("from {version} "));
        parts.push(format!("{}{end}", start.unwrap_or_default()));
    }
    if !versions.is_empty() {
        parts.push(format!(
            "in {}",
            versions.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(" ")
        ));
    }
    parts.join(" and ")
}

/// Returns a file of the data that is not part of the project, or says that it is not there.
pub(crate) fn shared(name: &str) -> Option<Vec<u8>> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let root = std::env::var_os("HARDPAN_SHARED").map_or_else(beside, PathBuf::from);
    let bytes = std::fs::read(root.join("vuln").join(name));
    if bytes.is_err() {
        eprintln!("skipped: {name} is not there: ../shared/vuln, or HARDPAN_SHARED");
    }
    let bytes = bytes.ok()?;
    if bytes.starts_with(b"\xfd7zXZ") {
        let mut unpacked = Vec::new();
        let mut reader = liblzma::read::XzDecoder::new(bytes.as_slice());
        std::io::Read::read_to_end(&mut reader, &mut unpacked).unwrap();
        return Some(unpacked);
    }
    Some(bytes)
}

/// A generator of numbers that are the same each time (xorshift).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end.max(1) as u64).unwrap()
    }
}
