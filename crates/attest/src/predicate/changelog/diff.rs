// SPDX-License-Identifier: Apache-2.0
//! Comparing two builds.

use std::collections::BTreeMap;

use super::{
    Changelog, Changes, ConfigChange, FILES_LISTED_MAX, FileChanges, FileFacts, ImageFacts,
    PackageChange, SizeChange,
};

/// Compares two builds. A pure function: the same builds give the same changes, in one order.
pub fn diff(old: &ImageFacts, new: &ImageFacts) -> Changelog {
    Changelog {
        from: old.build.clone(),
        to: new.build.clone(),
        packages: packages(old, new),
        files: files(&old.files, &new.files),
        config: config(old, new),
        size: SizeChange {
            compressed_from: old.compressed_size_bytes,
            compressed_to: new.compressed_size_bytes,
            from: old.size_bytes,
            to: new.size_bytes,
        },
    }
}

/// Walks two sorted maps side by side.
fn side_by_side<'m, V>(
    old: &'m BTreeMap<String, V>,
    new: &'m BTreeMap<String, V>,
) -> impl Iterator<Item = (&'m String, Option<&'m V>, Option<&'m V>)> {
    let removed_or_both = old.iter().map(|(key, value)| (key, Some(value), new.get(key)));
    let added = new.iter().filter(|(key, _)| !old.contains_key(*key));
    removed_or_both.chain(added.map(|(key, value)| (key, None, Some(value))))
}

fn packages(old: &ImageFacts, new: &ImageFacts) -> Changes<PackageChange> {
    let mut changes = Changes { added: Vec::new(), removed: Vec::new(), changed: Vec::new() };
    for (name, old, new) in side_by_side(&old.packages, &new.packages) {
        let change = PackageChange {
            name: name.clone(),
            from: old.map(|package| package.version.clone()),
            to: new.map(|package| package.version.clone()),
        };
        match (old, new) {
            (None, _) => changes.added.push(change),
            (_, None) => changes.removed.push(change),
            (Some(old), Some(new)) if old != new => changes.changed.push(change),
            _ => {}
        }
    }
    changes
}

fn files(old: &BTreeMap<String, FileFacts>, new: &BTreeMap<String, FileFacts>) -> FileChanges {
    let mut changes = FileChanges::default();
    let note = |path: &String, count: &mut u64, list: &mut Vec<String>| {
        *count += 1;
        if list.len() < FILES_LISTED_MAX {
            list.push(path.clone());
        }
    };
    for (path, old, new) in side_by_side(old, new) {
        match (old, new) {
            (None, _) => note(path, &mut changes.added_count, &mut changes.added),
            (_, None) => note(path, &mut changes.removed_count, &mut changes.removed),
            (Some(old), Some(new)) if old.content != new.content => {
                note(path, &mut changes.changed_count, &mut changes.changed);
            }
            (Some(old), Some(new)) if (old.mode, old.owner) != (new.mode, new.owner) => {
                note(path, &mut changes.mode_changed_count, &mut changes.mode_changed);
            }
            _ => {}
        }
    }
    changes
}

fn config(old: &ImageFacts, new: &ImageFacts) -> Vec<ConfigChange> {
    let mut changes: Vec<ConfigChange> = side_by_side(&old.config, &new.config)
        .filter(|(_, old, new)| old != new)
        .map(|(key, old, new)| ConfigChange {
            key: key.clone(),
            from: old.cloned(),
            to: new.cloned(),
        })
        .collect();
    changes.sort_by(|a, b| a.key.cmp(&b.key));
    changes
}

#[cfg(test)]
mod tests {
    use hardpan_tree::Digest;
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::{BuildId, PackageFacts};
    use super::*;

    fn file(content: &str, mode: u32) -> FileFacts {
        FileFacts { content: content.to_owned(), mode, owner: (0, 0), size_bytes: 1 }
    }

    fn package(version: &str) -> PackageFacts {
        PackageFacts { version: version.to_owned(), sha256: None }
    }

    fn pair() -> (ImageFacts, ImageFacts) {
        let of = |name: &str| BuildId { name: name.to_owned(), ..BuildId::default() };
        let rebuilt = PackageFacts { sha256: Some(Digest::of(b"1")), ..package("1") };
        let old = ImageFacts {
            build: of("a:1"),
            packages: BTreeMap::from([
                ("gone".into(), package("1")),
                ("same".into(), package("1")),
                ("openssl".into(), package("3.5.7-1")),
                ("again".into(), rebuilt.clone()),
            ]),
            files: BTreeMap::from([
                ("bin/a".into(), file("1", 0o755)),
                ("bin/b".into(), file("1", 0o755)),
                ("bin/c".into(), file("1", 0o755)),
                ("bin/d".into(), file("1", 0o755)),
            ]),
            config: BTreeMap::from([("User".into(), json!("0")), ("Env.A".into(), json!("1"))]),
            compressed_size_bytes: 10_000_000,
            size_bytes: 30_000_000,
        };
        let new = ImageFacts {
            build: of("a:2"),
            packages: BTreeMap::from([
                ("same".into(), package("1")),
                ("new|`pkg`".into(), package("2")),
                ("openssl".into(), package("3.5.7-1+deb13u2")),
                ("again".into(), PackageFacts { sha256: Some(Digest::of(b"2")), ..rebuilt }),
            ]),
            files: BTreeMap::from([
                ("bin/a".into(), file("1", 0o755)),
                ("bin/b".into(), file("2", 0o755)),
                ("bin/c".into(), file("1", 0o4755)),
                ("bin/e".into(), file("1", 0o755)),
            ]),
            config: BTreeMap::from([("User".into(), json!("65532")), ("Cmd".into(), json!(["a"]))]),
            compressed_size_bytes: 9_000_000,
            size_bytes: 30_000_500,
        };
        (old, new)
    }

    #[test]
    fn all_kinds_of_changes() {
        let (old, new) = pair();
        let changes = diff(&old, &new);
        let names =
            |list: &[PackageChange]| list.iter().map(|c| c.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&changes.packages.added), ["new|`pkg`"]);
        assert_eq!(names(&changes.packages.removed), ["gone"]);
        assert_eq!(names(&changes.packages.changed), ["again", "openssl"]);
        let files = &changes.files;
        assert_eq!(
            (&files.added[..], &files.removed[..]),
            (&["bin/e".to_owned()][..], &["bin/d".to_owned()][..])
        );
        assert_eq!(
            (&files.changed[..], &files.mode_changed[..]),
            (&["bin/b".to_owned()][..], &["bin/c".to_owned()][..])
        );
        let keys: Vec<_> = changes.config.iter().map(|change| change.key.as_str()).collect();
        assert_eq!(keys, ["Cmd", "Env.A", "User"]);
        let value = serde_json::to_value(&changes).unwrap();
        assert_eq!(Changelog::from_value(&value).unwrap(), changes);
        assert!(!changes.is_empty() && diff(&old, &old).is_empty());
    }

    #[test]
    fn as_markdown() {
        let (old, new) = pair();
        insta::assert_snapshot!(diff(&old, &new).to_markdown(), @r##"
        # Changes of `a:2` since `a:1`

        ## Changed packages (2)

        - `again` `1` built again
        - `openssl` `3.5.7-1` → `3.5.7-1+deb13u2`

        ## New packages (1)

        - `` new|`pkg` `` `2`

        ## Packages that are gone (1)

        - `gone` `1`

        ## Configuration (3)

        - `Cmd` is new: `["a"]`
        - `Env.A` is gone: `"1"`
        - `User` `"0"` → `"65532"`

        ## New files (1)

        - `bin/e`

        ## Files that are gone (1)

        - `bin/d`

        ## Changed files (1)

        - `bin/b`

        ## Files with other permissions or owners (1)

        - `bin/c`

        ## Size

        - compressed: 10.0 MB → 9.0 MB (-1000000 bytes)
        - unpacked: 30.0 MB → 30.0 MB (+500 bytes)
        "##);
        insta::assert_snapshot!(diff(&old, &old).to_markdown(), @r##"
        # Changes of `a:1` since `a:1`

        Nothing changed.
        "##);
    }

    #[test]
    fn long_lists_are_cut_and_counted() {
        let many = (0..=FILES_LISTED_MAX).map(|i| (format!("f{i:05}"), file("1", 0o644))).collect();
        let new = ImageFacts { files: many, ..ImageFacts::default() };
        let changes = diff(&ImageFacts::default(), &new);
        assert_eq!(changes.files.added.len(), FILES_LISTED_MAX);
        assert_eq!(changes.files.added_count, FILES_LISTED_MAX as u64 + 1);
        let value = serde_json::to_value(&changes).unwrap();
        assert_eq!(Changelog::from_value(&value).unwrap(), changes);
    }

    #[test]
    fn what_can_t_be_is_refused() {
        let (old, new) = pair();
        let good = serde_json::to_value(diff(&old, &new)).unwrap();
        for (pointer, value) in [
            ("/files/addedCount", json!(0)),
            ("/files/added", json!(vec!["a"; FILES_LISTED_MAX + 1])),
            ("/files/changed", json!([1])),
            ("/packages/added/0", json!({"name": "a", "from": "1"})),
            ("/packages/removed/0", json!({"name": "a", "from": "1", "to": "2"})),
            ("/packages/changed/0", json!({"name": "a", "from": "1"})),
            ("/packages/changed/0", json!({"from": "1", "to": "2"})),
            ("/size/from", json!(-1)),
            ("/from/digest", json!("sha256:00")),
            ("/config", json!({})),
        ] {
            let mut document = good.clone();
            // A digest is not there and becomes so.
            match document.pointer_mut(pointer) {
                Some(place) => *place = value,
                None => document["from"]["digest"] = value,
            }
            assert!(Changelog::from_value(&document).is_err(), "{pointer}");
        }
    }

    proptest! {
        #[test]
        fn swapping_the_builds_swaps_the_changes(
            a in proptest::collection::btree_map("[a-c]{1,2}", "[12]", 0..6),
            b in proptest::collection::btree_map("[a-c]{1,2}", "[12]", 0..6),
        ) {
            let facts = |map: &BTreeMap<String, String>| ImageFacts {
                packages: map.iter().map(|(k, v)| (k.clone(), package(v))).collect(),
                files: map.iter().map(|(k, v)| (k.clone(), file(v, 0o644))).collect(),
                ..ImageFacts::default()
            };
            let (there, back) = (diff(&facts(&a), &facts(&b)), diff(&facts(&b), &facts(&a)));
            prop_assert_eq!(there.packages.added.len(), back.packages.removed.len());
            prop_assert_eq!(there.packages.changed.len(), back.packages.changed.len());
            prop_assert_eq!(&there.files.added, &back.files.removed);
            prop_assert_eq!(&there.files.changed, &back.files.changed);
            prop_assert_eq!(there.is_empty(), a == b);
        }
    }
}
