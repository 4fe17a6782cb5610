// SPDX-License-Identifier: Apache-2.0
//! Real packages of Alpine and Wolfi, finished: what apk itself recorded of them is what stands in the database.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "test code: panics and output are for the one who runs it"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hardpan::definition::{NoIncludes, Platform, Source, parse};
use hardpan::finish::{ArchiveSettings, Finished, Inputs, run_all};
use hardpan_package::apk::unpack::unpack;
use hardpan_package::merge::{Member, merge};
use hardpan_package::segment::Unpacked;
use hardpan_package::strip::StripPolicy;
use hardpan_package::unpack::UnpackOptions;
use hardpan_tree::{Content, Contents, Digest, File, InlineContents, Tree, TreePath};

#[derive(Default)]
struct Segments(BTreeMap<Digest, Vec<u8>>);

impl Contents for Segments {
    fn read(&self, file: &File) -> io::Result<Arc<[u8]>> {
        let Content::Segment { segment, offset_bytes } = &file.content else {
            return InlineContents.read(file);
        };
        let start = usize::try_from(*offset_bytes).unwrap();
        let end = start + usize::try_from(file.size_bytes).unwrap();
        Ok(self.0[segment][start..end].into())
    }
}

/// Returns the folder with real packages, if it is there.
fn shared() -> Option<PathBuf> {
    let root = std::env::var_os("HARDPAN_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let folder = root.join("alpine");
    if !folder.is_dir() {
        eprintln!("skipped: the packages are not there: ../shared/alpine, or HARDPAN_SHARED");
    }
    folder.is_dir().then_some(folder)
}

fn finish(files: &[PathBuf], variant: &str, platform: Platform) -> (Segments, Tree, Finished) {
    let mut segments = Segments::default();
    let options = UnpackOptions { strip: StripPolicy::none(), ..UnpackOptions::default() };
    let packages: Vec<Arc<Unpacked>> = files
        .iter()
        .map(|file| {
            let mut segment = Vec::new();
            let bytes = fs::read(file).unwrap();
            let unpacked = unpack(&mut &bytes[..], &options, &mut segment).unwrap();
            segments.0.insert(unpacked.segment_digest, segment);
            Arc::new(unpacked)
        })
        .collect();
    let members: Vec<Member<'_>> = packages
        .iter()
        .map(|unpacked| Member { unpacked, segment: unpacked.segment_digest })
        .collect();
    let mut tree = merge(&members).unwrap().tree;
    let text = format!(
        "# syntax=dhi.io/build:2-alpine3.24\nimage: example.org/real\nvariant: {variant}\n"
    );
    let definition = parse(&Source::new("real.yaml", text), &NoIncludes).render(platform).unwrap();
    let archives = ArchiveSettings {
        urls: vec!["https://example.org/v3.24/main".to_owned()],
        ..ArchiveSettings::default()
    };
    let inputs = Inputs {
        definition: &definition,
        packages: &packages,
        contents: &segments,
        epoch: 1_750_000_000,
        catalog: &|path| Err(io::Error::new(io::ErrorKind::NotFound, path)),
        aliases: &[],
        strip: &options.strip,
        archives: &archives,
        exact: false,
    };
    let finished = run_all(&mut tree, &inputs).unwrap();
    (segments, tree, finished)
}

fn text(segments: &Segments, tree: &Tree, path: &str) -> String {
    let place = tree.resolve(&TreePath::parse(path).unwrap()).unwrap();
    let (_, file) = tree.file(&place).unwrap();
    String::from_utf8(segments.read(file).unwrap().to_vec()).unwrap()
}

/// Lines that apk 2.12 wrote of alpine-baselayout 3.2.0 for aarch64 when it installed it.
const RECORDED: &str = "\
F:dev/shm
F:etc/crontabs
R:root
a:0:0:600
Z:Q1vfk1apUWI4yLJGhhNRd0kJixfvY=
F:etc/init.d
F:etc/modprobe.d
R:aliases.conf
Z:Q1WUbh6TBYNVK7e4Y+uUvLs/7viqk=
R:blacklist.conf
Z:Q14TdgFHkTdt3uQC+NBtrntOnm9n4=
R:i386.conf
Z:Q1pnay/njn6ol9cCssL7KiZZ8etlc=
R:kms.conf
Z:Q1ynbLn3GYDpvajba/ldp1niayeog=
F:etc/modules-load.d
F:root
M:0:0:700
F:run
F:tmp
M:0:0:1777
F:usr
F:var/empty
M:0:0:555
F:var/spool
R:mail
a:0:0:777
Z:Q1dzbdazYZA2nTzSIG3YyNw7d4Juc=
F:var/spool/cron
R:crontabs
a:0:0:777
Z:Q1OFZt+ZMp7j0Gny0rqSKuWJyqYmA=
F:var/tmp
M:0:0:1777
";

#[test]
fn the_base_layout_is_recorded_as_apk_does() {
    let Some(shared) = shared() else { return };
    let files = [shared.join("3.16/alpine-baselayout-3.2.0-r23.apk")];
    let (segments, tree, finished) = finish(&files, "dev", Platform::LinuxArm64);
    let installed = text(&segments, &tree, "lib/apk/db/installed");
    // All of these lines, in this order.
    let mut lines = installed.lines();
    for expected in RECORDED.lines() {
        assert!(lines.any(|line| line == expected), "{expected}\n{installed}");
    }
    let fields = "P:alpine-baselayout\nV:3.2.0-r23\nA:aarch64\n";
    assert!(installed.contains(fields), "{installed}");
    let depends = "D:alpine-baselayout-data=3.2.0-r23 /bin/sh so:libc.musl-aarch64.so.1\np:cmd:mkmntdirs=3.2.0-r23\n";
    assert!(installed.contains(depends), "{installed}");
    assert_eq!(text(&segments, &tree, "etc/apk/arch"), "aarch64\n");
    assert!(text(&segments, &tree, "lib/apk/db/scripts.tar").contains(".post-install"));
    // Its scripts have nothing to do where nothing of what they change is there.
    assert_eq!(finished.warnings, [], "{:?}", finished.scripts);
    assert!(!finished.scripts.is_empty());
}

#[test]
fn stanzas_agree_with_the_archives_index() {
    let Some(shared) = shared() else { return };
    for (folder, platform) in
        [("melange/x86_64", Platform::LinuxAmd64), ("melange/aarch64", Platform::LinuxArm64)]
    {
        let folder = shared.join(folder);
        let mut files: Vec<PathBuf> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "apk"))
            .collect();
        files.sort();
        assert!(files.len() >= 3, "{}", folder.display());
        let mut seen = BTreeSet::new();
        for file in files {
            let (segments, tree, _) = finish(std::slice::from_ref(&file), "runtime", platform);
            let installed = text(&segments, &tree, "lib/apk/db/installed");
            let ours: BTreeSet<&str> = installed.lines().collect();
            let index = index(&folder.join("APKINDEX.tar.gz"));
            let identity = installed.lines().next().unwrap().to_owned();
            let stanza = index.split("\n\n").find(|stanza| stanza.contains(&identity));
            let stanza = stanza.unwrap_or_else(|| panic!("{identity} is not in the index"));
            for line in stanza.lines().filter(|line| !line.is_empty() && *line != "t:0") {
                assert!(ours.contains(line), "{}: {line}\n{installed}", file.display());
            }
            seen.insert(identity);
        }
        assert!(seen.len() >= 3);
    }
}

fn index(path: &Path) -> String {
    let mut text = String::new();
    let bytes = fs::read(path).unwrap();
    let decoder = flate2::read::MultiGzDecoder::new(&bytes[..]);
    let mut archive = tar::Archive::new(decoder);
    archive.set_ignore_zeros(true);
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.path().unwrap() == Path::new("APKINDEX") {
            entry.read_to_string(&mut text).unwrap();
        }
    }
    text
}
