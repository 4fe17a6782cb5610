// SPDX-License-Identifier: Apache-2.0
//! Whole images, in memory.

mod go_cryptography;
mod images;
mod layers;
mod limits;
mod programs;

use hardpan_testkit::deb::RawEntry;

use super::*;

/// Makes a layer. A path with a slash at its end is a directory, `a -> b` a link, `a = b` a hard link.
pub(crate) fn tar(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (path, data) in entries {
        let entry = if path.ends_with('/') {
            RawEntry::new(path, b'5')
        } else if let Some((path, target)) = path.split_once(" -> ") {
            RawEntry::new(path, b'2').target(target)
        } else if let Some((path, target)) = path.split_once(" = ") {
            RawEntry::new(path, b'1').target(target)
        } else {
            RawEntry::new(path, b'0').data(data)
        };
        entry.write(&mut tar);
    }
    tar
}

/// Makes a catalog of layers, the lowest first.
fn catalog(layers: &[Vec<u8>]) -> Catalog {
    let mut builder = CatalogBuilder::new(CatalogOptions::default());
    for layer in layers.iter().rev() {
        builder.layer(layer.as_slice()).unwrap();
    }
    builder.finish().unwrap()
}

fn ids(catalog: &Catalog) -> Vec<&str> {
    catalog.packages.iter().map(|package| package.id.as_str()).collect()
}
