// SPDX-License-Identifier: Apache-2.0
//! An image as `docker save` wrote it before version 25: layers that are not compressed.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter};
use std::path::Path;

use anyhow::Context as _;
use hardpan_image::{Compression, Layout, decompress};
use serde_json::json;

/// Writes the first image of a layout as an archive.
pub(super) fn save(layout: &Path, archive: &Path) -> anyhow::Result<()> {
    let layout = Layout::open(layout)?;
    let image = layout.images()?.into_iter().next().context("the layout has no image")?;
    let manifest = image.manifest.value();
    let mut writer = tar::Builder::new(BufWriter::new(File::create(archive)?));
    let mut add = |name: &str, size_bytes: u64, data: &mut dyn io::Read| {
        let mut header = tar::Header::new_gnu();
        header.set_size(size_bytes);
        header.set_mode(0o644);
        writer.append_data(&mut header, name, data)
    };
    let mut names = Vec::new();
    for (number, layer) in manifest.layers.iter().enumerate() {
        let compression =
            Compression::of_media_type(&layer.media_type).context("a layer of no known kind")?;
        let compressed = BufReader::new(File::open(layout.blob_path(&layer.digest))?);
        let raw = archive.with_extension("layer");
        let size_bytes =
            io::copy(&mut decompress(compressed, compression)?, &mut File::create(&raw)?)?;
        let name = format!("{number}/layer.tar");
        add(&name, size_bytes, &mut File::open(&raw)?)?;
        fs::remove_file(&raw)?;
        names.push(name);
    }
    let config = fs::read(layout.blob_path(&manifest.config.digest))?;
    add("config.json", config.len() as u64, &mut config.as_slice())?;
    let list = json!([{"Config": "config.json", "RepoTags": ["bench:1"], "Layers": names}]);
    let list = list.to_string();
    add("manifest.json", list.len() as u64, &mut list.as_bytes())?;
    writer.into_inner()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(())
}
