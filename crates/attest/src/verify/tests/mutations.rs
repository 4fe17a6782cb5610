// SPDX-License-Identifier: Apache-2.0
//! Whatever is changed, nothing is accepted that was not signed.

use hardpan_image::{Manifest, Raw, canonical_json};
use hardpan_tree::Digest;
use proptest::prelude::*;

use super::*;
use crate::verify::Accepted;

/// What is accepted of a list.
fn accepted(found: &[Found], keys: &Keyring) -> Vec<Accepted> {
    check(found, keys).into_iter().filter_map(|one| one.outcome.ok()).collect()
}

/// Gives a layer other content and makes all digests fit: what somebody can do who writes to the registry.
fn replace(found: &mut Found, at: usize, content: Vec<u8>) {
    let manifest: Raw<Manifest> = Raw::parse(found.manifest.clone()).unwrap();
    let mut manifest = manifest.value().clone();
    let layer = &mut manifest.layers[at];
    (layer.digest, layer.size_bytes) = (Digest::of(&content), content.len() as u64);
    found.blobs.insert(layer.digest, content);
    found.manifest = canonical_json(&manifest);
    found.listed = None;
}

fn everything() -> (Vec<Found>, Keyring, Vec<Accepted>) {
    let key = key(1);
    let found = found(&artifacts(&key, &image(), options(Format::Both, true)));
    let keys = keyring(&key);
    let good = accepted(&found, &keys);
    assert_eq!(good.len(), 9);
    (found, keys, good)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_byte_of_a_content(which: prop::sample::Index, at: prop::sample::Index, bits in 1u8..) {
        let (mut all, keys, good) = everything();
        let layers: Vec<(usize, usize)> = (all.iter().enumerate())
            .flat_map(|(index, found)| {
                let manifest: Raw<Manifest> = Raw::parse(found.manifest.clone()).unwrap();
                (0..manifest.value().layers.len()).map(move |layer| (index, layer))
            })
            .collect();
        let (index, layer) = layers[which.index(layers.len())];
        let manifest: Raw<Manifest> = Raw::parse(all[index].manifest.clone()).unwrap();
        let mut content = all[index].blobs[&manifest.value().layers[layer].digest].clone();
        let at = at.index(content.len());
        content[at] ^= bits;
        replace(&mut all[index], layer, content);
        for one in accepted(&all, &keys) {
            prop_assert!(good.contains(&one), "{one:?}");
        }
    }

    #[test]
    fn a_changed_byte_of_a_manifest(which: prop::sample::Index, at: prop::sample::Index, bits in 1u8..) {
        let (mut all, keys, good) = everything();
        let index = which.index(all.len());
        let at = at.index(all[index].manifest.len());
        all[index].manifest[at] ^= bits;
        all[index].listed = None;
        for one in accepted(&all, &keys) {
            prop_assert!(good.contains(&one), "{one:?}");
        }
    }

    #[test]
    fn any_bytes_at_all(manifest: Vec<u8>, content: Vec<u8>) {
        let (all, keys, _) = everything();
        let mut one = all[0].clone();
        replace(&mut one, 0, content);
        let other = Found { manifest, listed: None, ..all[0].clone() };
        prop_assert_eq!(accepted(&[one, other], &keys), []);
    }
}

/// Every byte of a bundle, of a signature's payload and of a statement that is signed by its manifest.
#[test]
fn every_byte_of_every_content() {
    let (all, keys, good) = everything();
    for (index, found) in all.iter().enumerate() {
        let manifest: Raw<Manifest> = Raw::parse(found.manifest.clone()).unwrap();
        let content = &found.blobs[&manifest.value().layers[0].digest];
        for at in 0..content.len() {
            let mut changed = content.clone();
            changed[at] ^= 1;
            let mut one = found.clone();
            replace(&mut one, 0, changed);
            // Only what is about it, so that this takes no minutes.
            for one in accepted(&[one], &keys) {
                assert!(good.contains(&one), "{index} {at}: {one:?}");
            }
        }
    }
}
