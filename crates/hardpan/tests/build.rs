// SPDX-License-Identifier: Apache-2.0
//! Builds through the facade: what is in the layers, and what is done only once.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use hardpan::store::{GcOptions, Store};
use hardpan::{
    BuildRequest, BuildSettings, Built, Client, ClientOptions, Event, LockState, Mirrors, Observer,
    Project, Session, StageOptions, read_workspace,
};
use hardpan_image::{Compression, Layout, decompress};
use hardpan_testkit::deb;
use hardpan_testkit::deb::Deb;
use hardpan_testkit::fixture::{DEFINITION, DEFINITION_TEXT, Fixture, packages};
use hardpan_tree::{Origin, TarEntryKind, TarLimits, TarReader, Tree, TreePath};

/// Counts what was done.
#[derive(Default)]
struct Counts {
    fetched: AtomicUsize,
    written: AtomicUsize,
}

impl Observer for Counts {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Downloads { files, .. } => {
                self.fetched.fetch_add(files, Ordering::Relaxed);
            }
            Event::Layer => {
                self.written.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

impl Counts {
    fn take(&self) -> (usize, usize) {
        (self.fetched.swap(0, Ordering::Relaxed), self.written.swap(0, Ordering::Relaxed))
    }
}

/// Builds the fixture's definition into `output`.
fn build(fixture: &Fixture, output: &str, counts: &Counts) -> (Built, LockState) {
    let project = Project::open(&fixture.definition(), &[]).unwrap();
    let (workspace, _) = read_workspace(&project.root).unwrap();
    let mirrors = Mirrors {
        debian: fixture.server.url("debian"),
        debian_security: fixture.server.url("debian-security"),
        alpine: None,
    };
    let store = Store::open(&fixture.path("store")).unwrap();
    let client = Client::new(ClientOptions::default()).unwrap();
    let session = Session {
        store: &store,
        workspace: &workspace,
        mirrors: &mirrors,
        remote: Some(&client),
        now: SystemTime::now(),
        stages: &StageOptions::default(),
        threads: NonZeroUsize::new(2).unwrap(),
        observer: counts,
    };
    let settings = BuildSettings::of(project.any_definition(), &workspace);
    let (lock, state) = session.fitting_lock(&project, &settings, false).unwrap();
    let layout = Some(fixture.path(output));
    let request = BuildRequest { layout, ..BuildRequest::default() };
    (session.build(&project, &lock, &settings, &request).unwrap(), state)
}

/// Returns the tar bytes of each layer of a layout's first platform, lowest first.
fn layers(layout: &Path) -> Vec<Vec<u8>> {
    let layout = Layout::open(layout).unwrap();
    let images = layout.images().unwrap();
    let manifest = images[0].manifest.value();
    let layers = manifest.layers.iter().map(|layer| {
        let mut raw = Vec::new();
        let file = std::io::BufReader::new(layout.open_blob(layer).unwrap());
        decompress(file, Compression::Gzip).unwrap().read_to_end(&mut raw).unwrap();
        raw
    });
    layers.collect()
}

/// Checks each layer by itself, and returns all of them as one tree.
#[track_caller]
fn union(layout: &Path) -> Tree {
    let mut all = Vec::new();
    for layer in layers(layout) {
        let mut tar = TarReader::new(&layer[..], TarLimits::default());
        let mut paths: BTreeSet<TreePath> = BTreeSet::new();
        while let Some(entry) = tar.next_entry().unwrap() {
            let name = entry.path.to_string();
            assert!(!name.contains(".wh."), "{name} would remove something");
            if let TarEntryKind::HardLink(target) = &entry.kind {
                assert!(
                    paths.contains(target),
                    "{name} leads to {target}, not in its layer before it"
                );
            }
            std::io::copy(&mut tar, &mut std::io::sink()).unwrap();
            assert!(paths.insert(entry.path), "{name} stands twice in one layer");
        }
        tar.finish().unwrap();
        // Without the end of the archive.
        all.extend_from_slice(&layer[..layer.len() - 1024]);
    }
    all.extend([0; 1024]);
    Tree::from_tar(&all[..], TarLimits::default(), Origin::Definition).unwrap()
}

/// A fixture with more in the definition and more packages.
fn fixture_with(more: &str, also: &[Deb]) -> Fixture {
    let mut all = packages();
    all.extend_from_slice(also);
    let fixture = Fixture::with(&all);
    fixture.write(&format!("catalog/{DEFINITION}"), format!("{DEFINITION_TEXT}{more}"));
    fixture
}

fn line<'d>(dump: &'d str, path: &str) -> &'d str {
    let prefix = format!("{path} ");
    dump.lines().find(|line| line.starts_with(&prefix)).unwrap_or_default()
}

const OVERWRITE: &str = "\
paths:
  - type: file
    path: /etc/app.conf
    content: |
      colour = red
    mode: '0640'
  - type: delete
    path: /usr/share/app/text.txt
";
const RECURSIVE: &str = "\
paths:
  - type: directory
    path: /usr/share/app
    uid: 65532
    gid: 65532
    mode: '0750'
    recursive: true
";
const DELETE_FIRST_NAME: &str = "\
paths:
  - type: delete
    path: /usr/share/app/data.bin
";
const DELETE_SECOND_NAME: &str = "\
paths:
  - type: delete
    path: /usr/share/app/data-again.bin
";
const DELETE_PACKAGE: &str = "\
paths:
  - type: delete
    path: /usr/share/app
";
const LINKS: &str = "\
paths:
  - type: symlink
    path: /usr/bin/other
    source: app
  - type: directory
    path: /data/empty
    uid: 65532
    gid: 65532
    mode: '0700'
  - type: emptyfile
    path: /data/file
";

#[test]
fn squashed_and_layered_are_the_same_tree() {
    for (what, more) in [
        ("plain", ""),
        ("overwrite and delete", OVERWRITE),
        ("chmod -R", RECURSIVE),
        ("first name of a hard link goes", DELETE_FIRST_NAME),
        ("second name goes", DELETE_SECOND_NAME),
        ("a whole directory goes", DELETE_PACKAGE),
        ("links and empty things", LINKS),
    ] {
        let layered = fixture_with(more, &[]);
        build(&layered, "out", &Counts::default());
        let squashed = fixture_with(&format!("output: squashed\n{more}"), &[]);
        build(&squashed, "out", &Counts::default());
        assert_eq!(layers(&squashed.path("out")).len(), 1);
        assert!(layers(&layered.path("out")).len() > 1);
        // The image's own word of its layers is no difference that counts.
        let (one, other) =
            (union(&layered.path("out")).dump(), union(&squashed.path("out")).dump());
        let contents = |dump: &str| dump.lines().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(contents(&one), contents(&other), "{what}");
    }
}

#[test]
fn what_the_definition_changes_is_changed() {
    let fixture = fixture_with(OVERWRITE, &[]);
    build(&fixture, "out", &Counts::default());
    let tree = union(&fixture.path("out"));
    let dump = tree.dump();
    assert!(line(&dump, "/etc/app.conf").contains("0640"), "{dump}");
    let digest = hardpan_tree::Digest::of(b"colour = red\n").to_hex();
    assert!(line(&dump, "/etc/app.conf").contains(&digest[..12]), "{dump}");
    assert_eq!(line(&dump, "/usr/share/app/text.txt"), "");
    assert_ne!(line(&dump, "/usr/share/app/data.bin"), "");
    assert_ne!(line(&dump, "/usr/share/app/empty"), "", "an empty directory of a package");
    // What is gone or replaced is not in any layer, under any other name either.
    for layer in layers(&fixture.path("out")) {
        for gone in ["colour = blue", "some text\nsome text"] {
            assert!(!layer.windows(gone.len()).any(|part| part == gone.as_bytes()), "{gone}");
        }
    }
}

#[test]
fn recursive_modes_and_hard_links_across_a_cut() {
    let fixture = fixture_with(RECURSIVE, &[]);
    build(&fixture, "out", &Counts::default());
    let dump = union(&fixture.path("out")).dump();
    for path in [
        "/usr/share/app",
        "/usr/share/app/text.txt",
        "/usr/share/app/data-again.bin",
        "/usr/share/app/empty",
    ] {
        assert!(line(&dump, path).contains("0750 65532:65532"), "{path}: {dump}");
    }
    for (more, gone, stays) in [
        (DELETE_FIRST_NAME, "/usr/share/app/data.bin", "/usr/share/app/data-again.bin"),
        (DELETE_SECOND_NAME, "/usr/share/app/data-again.bin", "/usr/share/app/data.bin"),
    ] {
        let fixture = fixture_with(more, &[]);
        build(&fixture, "out", &Counts::default());
        let dump = union(&fixture.path("out")).dump();
        assert_eq!(line(&dump, gone), "");
        assert!(line(&dump, stays).contains(" file "), "{dump}");
    }
}

#[test]
fn a_directory_only_image_part_is_there() {
    let hollow = deb("hollow", "1").directory("/var/lib/hollow/deep");
    let fixture = fixture_with("", &[hollow]);
    fixture.edit("    - app\n", "    - app\n    - hollow\n");
    build(&fixture, "out", &Counts::default());
    let dump = union(&fixture.path("out")).dump();
    assert!(line(&dump, "/var/lib/hollow/deep").contains("directory"), "{dump}");
}

#[test]
fn nothing_is_done_twice() {
    let fixture = Fixture::new();
    let counts = Counts::default();
    let (built, state) = build(&fixture, "out", &counts);
    assert!(matches!(state, LockState::Written { had_lock: false, .. }) && !built.was_unchanged);
    let (fetched, written) = counts.take();
    assert_eq!(fetched, 7, "every package once, for both platforms");
    assert!(written >= 4);

    let (again, state) = build(&fixture, "out", &counts);
    assert_eq!((state, again.was_unchanged), (LockState::Fitted, true));
    assert_eq!(Built { was_unchanged: false, ..again }, built);
    assert_eq!(counts.take(), (0, 0));

    // Another output: nothing is fetched, and the image is the same.
    let (other, _) = build(&fixture, "other", &counts);
    assert_eq!(other, built);
    assert_eq!(counts.take().0, 0);

    // A layer that went missing is written again.
    let layout = Layout::open(&fixture.path("out")).unwrap();
    let layer = layout.images().unwrap()[0].manifest.value().layers[0].digest;
    fs::remove_file(layout.blob_path(&layer)).unwrap();
    let (mended, _) = build(&fixture, "out", &counts);
    assert_eq!(mended, built);
    assert!(layout.blob_path(&layer).exists());
    assert_eq!(counts.take().0, 0);
}

#[test]
fn after_garbage_collection_everything_is_made_again() {
    let fixture = Fixture::new();
    let counts = Counts::default();
    let (built, _) = build(&fixture, "out", &counts);
    counts.take();
    let options = GcOptions { now: SystemTime::now(), unused_for: Duration::ZERO, dry_run: false };
    let report = Store::collect_garbage(&fixture.path("store"), options).unwrap();
    assert_eq!(report.files_kept, 0);
    let (again, state) = build(&fixture, "other", &counts);
    assert_eq!((again, state), (built, LockState::Fitted));
    assert_eq!(counts.take().0, 7);
    assert_eq!(union(&fixture.path("out")).dump(), union(&fixture.path("other")).dump());
}

#[test]
fn local_files_count_as_inputs() {
    let more = "paths:\n  - type: file\n    path: /etc/motd\n    source: files/motd\n";
    let fixture = fixture_with(more, &[]);
    fixture.write("catalog/files/motd", "hello\n");
    let counts = Counts::default();
    let (first, _) = build(&fixture, "out", &counts);
    assert!(build(&fixture, "out", &counts).0.was_unchanged);
    fixture.write("catalog/files/motd", "good bye\n");
    let (second, state) = build(&fixture, "out", &counts);
    assert_eq!(state, LockState::Fitted);
    assert_ne!(first.digest, second.digest);
    let digest = hardpan_tree::Digest::of(b"good bye\n").to_hex();
    assert!(line(&union(&fixture.path("out")).dump(), "/etc/motd").contains(&digest[..12]));
}
