// SPDX-License-Identifier: Apache-2.0
//! An image or a root file system, layer by layer, for whoever looks at all of its files.

use std::io::Read;

use hardpan_image::ImageConfig;
use hardpan_tree::{Digest, TarEntry};
use serde::Serialize;

use super::{SbomChoice, SbomSource};
use crate::error::Error;
use crate::session::Session;

/// Who looks.
pub(crate) trait LayerVisitor {
    /// Takes the configuration, before all layers. A root file system has none.
    fn config(&mut self, config: &ImageConfig);
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
        target.visit(visitor)?;
        Ok(ScannedImage { name: target.name, platform: target.platform, digest: target.digest })
    }
}
