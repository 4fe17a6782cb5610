// SPDX-License-Identifier: Apache-2.0
//! When a store is opened, and what is said where none can be.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use hardpan_tree::Digest;

use super::*;

/// A use of a store, and what it is called.
type Use = (&'static str, fn(&Store) -> Result<(), StoreError>);

fn key() -> Digest {
    Digest::of(b"key")
}

const USES: [Use; 14] = [
    ("temporary file", |store| store.temporary().map(drop)),
    ("temporary directory", |store| store.temporary_directory().map(drop)),
    ("scratch directory", |store| store.scratch_directory().map(drop)),
    ("cache", |store| store.cache_directory(&key(), SystemTime::now()).map(drop)),
    ("name", |store| store.lock_name(&key()).map(drop)),
    ("blob read", |store| store.read_blob(&key()).map(drop)),
    ("blob opened", |store| store.open_blob(&key()).map(drop)),
    ("blob removed", |store| store.remove_blob(&key())),
    ("blob written", |store| store.put_blob(b"key").map(drop)),
    ("record read", |store| store.read_record::<u8>("builds", &key()).map(drop)),
    ("record written", |store| store.write_record("builds", &key(), &1)),
    ("index", |store| store.open_index(&key()).map(drop)),
    ("segment", |store| store.segment_writer(hardpan_image::Compression::None).map(drop)),
    ("verified", |store| store.verify(false).map(drop)),
];

/// Collects garbage once nobody has the store. What another test starts has its lock, too, until it is another program.
fn collect_when_free(root: &Path, options: GcOptions) -> GcReport {
    let start = Instant::now();
    loop {
        match Store::collect_garbage(root, options) {
            Err(StoreError::Busy { .. }) if start.elapsed() < Duration::from_secs(10) => {
                thread::sleep(Duration::from_millis(20));
            }
            collected => return collected.unwrap(),
        }
    }
}

#[test]
fn what_first_needs_it_opens_it_and_holds_it() {
    let options =
        GcOptions { now: SystemTime::now(), unused_for: Duration::from_mins(1), dry_run: true };
    for (name, use_it) in USES {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("deep/store");
        let store = Store::at(&root);
        let clone = store.clone();
        assert!(!root.exists(), "{name}");
        use_it(&store).unwrap();
        assert!(root.join("lock").exists(), "{name}");
        drop(store);
        // The clone has the lock, too.
        let busy = Store::collect_garbage(&root, options);
        assert!(matches!(busy, Err(StoreError::Busy { .. })), "{name}");
        drop(clone);
        collect_when_free(&root, options);
    }
}

#[test]
fn where_none_can_be_every_use_says_so_and_nothing_is_there() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let store = Store::at(&folder.path().join("file/store"));
    for (name, use_it) in USES {
        let failed = use_it(&store);
        assert!(matches!(failed, Err(StoreError::Unusable { .. })), "{name}: {failed:?}");
        let hints = crate::Error::from(failed.unwrap_err()).hints();
        assert!(hints[0].contains("`--store` or HARDPAN_STORE"), "{name}: {hints:?}");
    }
    assert!(!store.has_blob(&key(), 3));
    assert!(store.segment(&key()).is_none());
    assert!(Store::open(store.root()).is_err());
}

#[test]
fn what_is_looked_at_has_a_spare_place() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let none = Store::at(&folder.path().join("file/store"));
    assert!(matches!(none.viewing_directory(), Err(StoreError::Unusable { .. })));
    let spare = folder.path().join("spare");
    fs::create_dir(&spare).unwrap();
    let store = none.with_spare(spare.clone());
    let made = store.viewing_directory().unwrap();
    assert_eq!(made.path().parent(), Some(spare.as_path()));
    drop(made);
    assert_eq!(fs::read_dir(&spare).unwrap().count(), 0);
    // What is kept never goes there, nor anything while there is a store.
    assert!(store.temporary_directory().is_err());
    let good = Store::at(&folder.path().join("store")).with_spare(spare);
    assert!(good.viewing_directory().unwrap().path().starts_with(good.root()));
}
