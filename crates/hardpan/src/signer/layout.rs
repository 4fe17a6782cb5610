// SPDX-License-Identifier: Apache-2.0
//! Whether what is signed is there: the digests of an OCI layout, computed anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hardpan_image::{
    Descriptor, Index, Layout, LayoutError, MANIFESTS_MAX, Manifest, Raw, media_type,
};
use hardpan_tree::Digest;

use super::ServeError;

/// How deep indexes may lie in each other, as in `hardpan_image`.
const DEPTH_MAX: usize = 4;

/// Directories with layouts that the service looks into.
#[derive(Debug, Clone, Default)]
pub(super) struct Roots(Vec<PathBuf>);

impl Roots {
    pub(super) fn open(paths: &[PathBuf]) -> Result<Self, ServeError> {
        let resolve = |path: &PathBuf| {
            path.canonicalize().map_err(|source| ServeError::Root { path: path.clone(), source })
        };
        Ok(Self(paths.iter().map(resolve).collect::<Result<_, _>>()?))
    }

    /// Checks that a layout below one of the directories has all of these manifests and indexes, with all that they
    /// name; says why not. Without directories everything is fine.
    pub(super) fn check(&self, layout: Option<&str>, subjects: &[Digest]) -> Result<(), String> {
        if self.0.is_empty() {
            return Ok(());
        }
        let Some(layout) = layout else {
            return Err(
                "it signs only what is in an OCI layout of its own, and none is named".to_owned()
            );
        };
        // What it is, not what it is called: links and `..` lead nowhere else.
        let Ok(path) = Path::new(layout).canonicalize() else {
            return Err(format!("the layout {layout} can't be looked into"));
        };
        if !self.0.iter().any(|root| path.starts_with(root)) {
            return Err(format!("the layout {layout} is not where it looks"));
        }
        let wanted: BTreeSet<Digest> = subjects.iter().copied().collect();
        let found = find(&path, &wanted)
            .map_err(|error| format!("the layout {layout} can't be looked into: {error}"))?;
        match wanted.difference(&found).next() {
            Some(missing) => Err(format!("{missing} is no image of the layout {layout}")),
            None => Ok(()),
        }
    }
}

fn find(path: &Path, wanted: &BTreeSet<Digest>) -> Result<BTreeSet<Digest>, LayoutError> {
    let layout = Layout::open(path)?;
    let mut search = Search { layout: &layout, wanted, found: BTreeSet::new(), looked_at: 0 };
    search.among(&layout.index().value().manifests, 0)?;
    Ok(search.found)
}

struct Search<'s> {
    layout: &'s Layout,
    wanted: &'s BTreeSet<Digest>,
    found: BTreeSet<Digest>,
    looked_at: usize,
}

impl Search<'_> {
    fn among(&mut self, descriptors: &[Descriptor], depth: usize) -> Result<(), LayoutError> {
        for descriptor in descriptors {
            self.looked_at += 1;
            if self.looked_at > MANIFESTS_MAX || depth > DEPTH_MAX {
                return Err(LayoutError::TooDeep);
            }
            if media_type::is_index(&descriptor.media_type) {
                let index: Raw<Index> = self.layout.document(descriptor)?;
                self.among(&index.value().manifests, depth + 1)?;
                self.found.insert(descriptor.digest);
            } else if media_type::is_manifest(&descriptor.media_type)
                && self.wanted.contains(&descriptor.digest)
            {
                let manifest: Raw<Manifest> = self.layout.document(descriptor)?;
                let manifest = manifest.value();
                for blob in [&manifest.config].into_iter().chain(&manifest.layers) {
                    self.layout.open_blob(blob)?;
                }
                self.found.insert(descriptor.digest);
            }
        }
        Ok(())
    }
}
