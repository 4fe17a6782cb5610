// SPDX-License-Identifier: Apache-2.0
//! An image or a root file system, layer by layer, for whoever looks at all of its files.

use std::collections::BTreeMap;
use std::io::Read;

use hardpan_image::ImageConfig;
use hardpan_tree::{Digest, TarEntry, TreePath};
use serde::Serialize;

use super::{SbomChoice, SbomSource, Target};
use crate::error::Error;
use crate::session::Session;

/// Who looks.
pub(crate) trait LayerVisitor {
    /// Takes the configuration, before all layers. A root file system has none.
    fn config(&mut self, config: &ImageConfig);
    /// Takes the annotations of manifest and index, before all layers. Most look at what a container sees.
    fn annotations(&mut self, _annotations: &BTreeMap<String, String>) {}
    /// Takes the next higher layer, an uncompressed tar archive. The lowest comes first.
    fn layer(&mut self, reader: &mut dyn Read) -> Result<(), Error>;
    /// Takes an entry of a root file system, which is one layer.
    fn entry(&mut self, entry: TarEntry, data: &mut dyn Read) -> Result<(), Error>;
}

/// What was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScannedImage {
    /// Its name, or where it lies.
    pub name: String,
    /// Its platform; a root file system has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The digest of its manifest, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Directories of a root file system that were not looked at, because the kernel makes up what is in them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<TreePath>,
}

impl ScannedImage {
    /// Says what was not looked at, if anything.
    pub fn left_out_text(&self) -> Option<String> {
        left_out_text(&self.left_out)
    }
}

/// Says what was not looked at, if anything.
pub(crate) fn left_out_text(left_out: &[TreePath]) -> Option<String> {
    let paths: Vec<String> = left_out.iter().map(ToString::to_string).collect();
    (!paths.is_empty()).then(|| {
        format!("not looked at, since the kernel makes up what is there: {}", paths.join(", "))
    })
}

impl Session<'_> {
    /// Shows an image to a visitor. What it saw counts only if this does not fail: digests are checked at the end of each layer.
    pub(crate) fn visit_layers(
        &self,
        source: &SbomSource,
        choice: SbomChoice<'_>,
        visitor: &mut dyn LayerVisitor,
    ) -> Result<ScannedImage, Error> {
        let target = self.target(source, choice)?;
        let left_out = target.visit(visitor)?;
        let Target { name, platform, digest, .. } = target;
        Ok(ScannedImage { name, platform, digest, left_out })
    }
}
