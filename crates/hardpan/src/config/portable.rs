// SPDX-License-Identifier: Apache-2.0
//! What of a workspace file can change an image, apart from where things are on a machine.

use std::path::Path;

use hardpan_tree::Digest;

use super::{
    AlpineArchive, ArchivesSection, AuditSection, DebianArchives, DownloadOverride,
    DownloadsSection, KeyringsSection, RegistriesSection, ScanSection, SigningSection,
    StoreSection, Workspace,
};

impl Workspace {
    /// Returns the digest of what can change an image: everything but where things are on this machine.
    pub fn digest(&self) -> Digest {
        Digest::of(&hardpan_image::canonical_json(&self.portable()))
    }

    /// Returns what can change an image as a workspace file, for who builds it again; nothing if nothing can.
    pub(crate) fn portable_text(&self) -> Result<Option<String>, toml::ser::Error> {
        let portable = self.portable();
        if portable == Self::default() {
            return Ok(None);
        }
        toml::to_string(&portable).map(Some)
    }

    /// Returns what can change an image as it is here, and where things are as another file says, which lies in `folder`.
    pub fn with_places_of(self, other: &Self, folder: &Path) -> Self {
        let join = |path: &String| folder.join(path).to_string_lossy().into_owned();
        let own = self.downloads.overrides.into_iter().map(|rule| {
            let is_same = |local: &&DownloadOverride| {
                local.from == rule.from && local.checksum == rule.checksum
            };
            other.downloads.overrides.iter().find(is_same).cloned().unwrap_or(rule)
        });
        // Another place for the same bytes.
        let places = other.downloads.overrides.iter().filter(|rule| rule.checksum.is_none());
        let overrides = own.chain(places.cloned()).collect();
        let RegistriesSection { plain_http, layouts, mirror } = other.registries.clone();
        Self {
            store: StoreSection { path: other.store.path.as_ref().map(join) },
            archives: ArchivesSection {
                debian: other.archives.debian.clone(),
                alpine: other.archives.alpine.clone(),
                substitute: self.archives.substitute,
            },
            keyrings: KeyringsSection {
                debian: other.keyrings.debian.as_ref().map(join),
                alpine: other.keyrings.alpine.as_ref().map(join),
            },
            downloads: DownloadsSection { overrides },
            registries: RegistriesSection {
                plain_http,
                layouts: layouts.iter().map(join).collect(),
                mirror,
            },
            ..self
        }
    }

    fn portable(&self) -> Self {
        Self {
            store: StoreSection::default(),
            archives: ArchivesSection {
                debian: DebianArchives::default(),
                alpine: AlpineArchive::default(),
                substitute: self.archives.substitute.clone(),
            },
            keyrings: KeyringsSection::default(),
            downloads: DownloadsSection {
                overrides: self.downloads.overrides.iter().filter_map(portable).collect(),
            },
            registries: RegistriesSection::default(),
            // Who signs is nothing of an image.
            signing: SigningSection::default(),
            // Nor is what is found in it.
            scan: ScanSection::default(),
            audit: AuditSection::default(),
            ..self.clone()
        }
    }
}

/// What of an override can change an image: not where a file is, but which file it is.
fn portable(rule: &DownloadOverride) -> Option<DownloadOverride> {
    let checksum = Some(rule.checksum?);
    Some(DownloadOverride { to: rule.from.clone(), checksum, ..rule.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_portable_is_read_again_and_has_no_places() {
        let rules = format!(
            "[[archives.substitute]]\nfrom = \"https://a.example/*\"\nto = \"debian\"\npins = \"relax\"\n\
             [[packages.substitute]]\nfrom = \"a*\"\nto = \"b*\"\nexclude = [\"c\"]\n\
             [[paths.add]]\npackage = \"a\"\ntype = \"file\"\npath = \"/a\"\ncontent = \"x\\ny\"\n\
             [[paths.alias]]\nfrom = \"/a\"\nto = \"/b\"\n\
             [[images.substitute]]\nfrom = \"a:*\"\nto = \"b.example/a:*\"\n\
             [build]\ncompression = \"zstd\"\nkeep = [\"docs\"]\npyc = false\n\
             [[downloads.override]]\nfrom = \"https://d.example/x\"\nto = \"file:place/x\"\nchecksum = \"sha256:{}\"\n",
            "ab".repeat(32)
        );
        let places = "[archives.debian]\nmirror = \"https://place.example/debian\"\n\
             [archives.alpine]\nmirror = \"https://place.example/alpine\"\n\
             [store]\npath = \"place\"\n[keyrings]\ndebian = \"place/key.asc\"\n\
             [registries]\nplain-http = [\"place.example\"]\nlayouts = [\"place\"]\n";
        let only_places = format!(
            "{places}[[downloads.override]]\nfrom = \"https://e.example/*\"\nto = \"file:place/*\"\n"
        );
        let whole = Workspace::parse(&format!("{places}{rules}")).unwrap();
        let text = whole.portable_text().unwrap().unwrap();
        assert!(!text.contains("place"), "{text}");
        let again = Workspace::parse(&text).unwrap();
        assert_eq!(again, whole.portable());
        assert_eq!(again.digest(), whole.digest());
        assert_eq!(again.portable_text().unwrap().unwrap(), text);
        let local = Workspace::parse(&only_places).unwrap();
        assert_eq!(local.portable_text().unwrap(), None);
        // The rules of one and the places of the other.
        let both = again.with_places_of(&local, Path::new("/here"));
        assert_eq!(both.digest(), whole.digest());
        assert_eq!(both.keyrings.debian.as_deref(), Some("/here/place/key.asc"));
        assert_eq!(both.archives.debian, local.archives.debian);
        assert_eq!(both.registries.layouts, ["/here/place"]);
        assert_eq!(both.download_override("https://e.example/x").unwrap().0, "file:place/x");
        assert_eq!(both.download_override("https://d.example/x").unwrap().0, "https://d.example/x");
        let with_place = Workspace::parse(&rules).unwrap();
        let both = both.with_places_of(&with_place, Path::new("/here"));
        assert_eq!(both.download_override("https://d.example/x").unwrap().0, "file:place/x");
    }
}
