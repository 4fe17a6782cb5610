// SPDX-License-Identifier: Apache-2.0
//! Trees of hashes (RFC 6962, section 2.1).

use hardpan_tree::Digest;

/// The hash of a leaf or of a node.
pub(super) type Hash = [u8; 32];

/// The most hashes of a proof: the depth of a tree with as many leaves as can be counted.
pub(super) const HASHES_MAX: usize = 64;

/// Returns the hash of a leaf.
pub(super) fn leaf(content: &[u8]) -> Hash {
    *Digest::of(&[&[0], content].concat()).as_bytes()
}

fn node(left: &Hash, right: &Hash) -> Hash {
    *Digest::of(&[&[1], &left[..], right].concat()).as_bytes()
}

/// Returns the root of the tree of `size` leaves that a proof leads to from a leaf; `None` if the proof is not one of that
/// leaf in that tree (RFC 9162, section 2.1.3.2).
pub(super) fn root(leaf: Hash, index: u64, size: u64, proof: &[Hash]) -> Option<Hash> {
    if index >= size || proof.len() > HASHES_MAX {
        return None;
    }
    // `at` and `last` are the numbers of the node and of the last one of its level.
    let (mut at, mut last, mut hash) = (index, size - 1, leaf);
    for sibling in proof {
        if last == 0 {
            return None;
        }
        if at % 2 == 1 || at == last {
            hash = node(sibling, &hash);
            // The last node of a level may have no sibling there: it goes up as it is.
            while at % 2 == 0 && at != 0 {
                at /= 2;
                last /= 2;
            }
        } else {
            hash = node(&hash, sibling);
        }
        at /= 2;
        last /= 2;
    }
    (last == 0).then_some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The root of a tree by its definition.
    fn root_of(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => *Digest::of(b"").as_bytes(),
            [one] => *one,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node(&root_of(left), &root_of(right))
            }
        }
    }

    /// A proof by its definition.
    fn proof(leaves: &[Hash], index: usize) -> Vec<Hash> {
        if leaves.len() < 2 {
            return Vec::new();
        }
        let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
        let (mut path, sibling) = if index < left.len() {
            (proof(left, index), root_of(right))
        } else {
            (proof(right, index - left.len()), root_of(left))
        };
        path.push(sibling);
        path
    }

    #[test]
    fn every_leaf_of_every_small_tree() {
        let leaves: Vec<Hash> = (0..33_u8).map(|number| leaf(&[number])).collect();
        for size in 1..=leaves.len() {
            let tree = &leaves[..size];
            let expected = root_of(tree);
            for index in 0..size {
                let path = proof(tree, index);
                let of = |at: usize, size: usize, path: &[Hash]| {
                    root(tree[index], at as u64, size as u64, path)
                };
                assert_eq!(of(index, size, &path), Some(expected), "{index} of {size}");
                // Another leaf, a proof with more or with less, and one that was altered.
                for other in (0..=size).filter(|other| *other != index) {
                    assert_ne!(of(other, size, &path), Some(expected), "{other} of {size}");
                }
                let longer = [&path[..], &[expected]].concat();
                assert_ne!(of(index, size, &longer), Some(expected), "{index} of {size}");
                if let Some((_, shorter)) = path.split_last() {
                    assert_ne!(of(index, size, shorter), Some(expected), "{index} of {size}");
                }
                for at in 0..path.len() {
                    let mut altered = path.clone();
                    altered[at][7] ^= 1;
                    assert_ne!(of(index, size, &altered), Some(expected), "{index} of {size}");
                }
            }
        }
    }

    #[test]
    fn no_proof_is_too_long() {
        let hash = leaf(b"");
        assert_eq!(root(hash, 0, 0, &[]), None);
        assert_eq!(root(hash, u64::MAX, u64::MAX, &[]), None);
        assert_eq!(root(hash, 0, u64::MAX, &[hash; HASHES_MAX + 1]), None);
        assert!(root(hash, 0, u64::MAX, &[hash; HASHES_MAX]).is_some());
    }
}
