// SPDX-License-Identifier: Apache-2.0
//! What lies in somebody's project, and archives of `docker save` on a disk.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::SystemTime;

use hardpan::config::Workspace;
use hardpan::lock::Lock;
use hardpan::store::Store;
use hardpan::{Location, Mirrors, SbomChoice, SbomSource, Session, Silent, StageOptions};
use hardpan_definition::{DataFile, Source};
use hardpan_scan::audit::ProfileFile;
use hardpan_scan::audit::exceptions::{of_label, read_baseline, to_label};
use hardpan_testkit::oci::Tar;
use hardpan_tree::Digest;

use crate::input::{join, layer, pieces, text, texts, with_checksums};
use crate::{Part, Target};

pub(super) const TARGET: Target = Target {
    name: "project",
    bytes_max: 8 << 10,
    parts: &[
        Part::new("lock", lock, || texts(&[LOCK])),
        Part::new("workspace", workspace, || {
            texts(&[include_str!("../../../examples/dhi/hardpan.toml"), WORKSPACE])
        }),
        Part::new("audit-profile", audit_profile, || texts(&[PROFILE])),
        Part::new("audit-exceptions", audit_exceptions, || {
            let exceptions = r#"[{"control":"shell","path":"bin/sh","message":"is a shell","reason":"wanted","until":"2027-01-31"},{"control":"user-root","reason":"a"}]"#;
            let baseline =
                format!(r#"{{"format":"hardpan-audit-baseline/v1","findings":{exceptions}}}"#);
            texts(&[exceptions, &baseline])
        }),
        Part::new("docker-archive", docker_archive, || {
            let root = layer(&[("etc/os-release", b"ID=debian\nVERSION_ID=13\n")]);
            vec![join(&[MANIFEST, CONFIG, &root[..2048]])]
        }),
    ],
};

const LOCK: &str = r#"{"version":1,"compressor":"none","epoch":1700000000,"strip":["docs"],"without":["pyc"],"archives":[{"archive":"debian","suite":"trixie","date":"2026-01-01T00:00:00Z","release":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","signed-by":["0123456789ABCDEF0123456789ABCDEF01234567"]}],"platforms":{"linux/amd64":{"demand":["debian trixie: a"],"packages":[{"name":"a","version":"1:1.0-1","architecture":"amd64","archive":"debian","path":"pool/a.deb","sha256":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size-bytes":10,"source":"b","source-version":"1.0"},{"name":"c","version":"2","architecture":"all","archive":"debian","path":"pool/c.deb","sha256":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size-bytes":1}],"files":[{"url":"https://a.example/b","sha256":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size-bytes":5}]}}}"#;
const WORKSPACE: &str = "[archives]\n[[archives.substitute]]\nfrom = \"https://a.example/*\"\nto = \"debian\"\n[[packages.substitute]]\nfrom = \"a\"\nto = \"b\"\n[build]\nkeep = [\"docs\"]\n[[downloads.override]]\nfrom = \"https://a.example/x\"\nto = \"https://b.example/x\"\n";
const PROFILE: &str = "name: ours\nextends: runtime\ngrade: B\ncontrols:\n  shell: off\n  setuid-file: fail\nexceptions:\n  - control: shell\n    path: /bin/sh\n    reason: wanted\n    until: 2027-01-31\n";
const MANIFEST: &[u8] = br#"[{"Config":"config.json","RepoTags":["a:1"],"Layers":["layer.tar"]}]"#;
const CONFIG: &[u8] = br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:1111111111111111111111111111111111111111111111111111111111111111"]}}"#;
/// Stands for the digest of the layer.
const LAYER: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";

/// Reads a lock. What it is written as is the same, and the same once more.
fn lock(bytes: &[u8]) -> bool {
    let Ok(lock) = Lock::parse(&text(bytes)) else { return false };
    let written = lock.to_text();
    let again = Lock::parse(&written).expect("what was written can be read");
    assert_eq!(again, lock);
    assert_eq!(again.to_text(), written);
    true
}

/// Reads a workspace file. What is wrong with it is in it.
fn workspace(bytes: &[u8]) -> bool {
    let text = text(bytes);
    match Workspace::parse(&text) {
        Ok(_) => true,
        Err(error) => {
            assert!(!error.message.is_empty(), "it is refused without a word");
            assert!(error.span.is_none_or(|span| text.get(span).is_some()), "it is somewhere else");
            false
        }
    }
}

/// Reads a profile for audits.
fn audit_profile(bytes: &[u8]) -> bool {
    let source = Source::new("profile.yaml", text(bytes));
    let Ok(data) = DataFile::parse(&source) else { return false };
    match ProfileFile::of_value(&data.value()) {
        Ok(profile) => !profile.name.trim().is_empty(),
        Err(error) => {
            assert!(!error.to_string().is_empty(), "it is refused without a word");
            let _ = data.span_of(&error.pointer());
            false
        }
    }
}

/// Reads what a label or a baseline accepts. What it is written as is the same.
fn audit_exceptions(bytes: &[u8]) -> bool {
    let Ok(found) = of_label(&text(bytes)).or_else(|_| read_baseline(bytes)) else { return false };
    let written = to_label(&found);
    let again = of_label(&written).expect("what was written can be read");
    assert_eq!(to_label(&again), written);
    !found.is_empty()
}

/// A folder for the archive and for a store.
static FOLDER: LazyLock<tempfile::TempDir> =
    LazyLock::new(|| tempfile::tempdir().expect("there is room"));

/// Makes an archive of a list of images, a configuration and a layer, and the SBOM of that.
fn docker_archive(bytes: &[u8]) -> bool {
    let [manifest, config, layer] = pieces(bytes);
    let layer = with_checksums(layer);
    let config = text(config).replace(LAYER, &Digest::of(&layer).to_string());
    let archive = Tar::default()
        .file("manifest.json", manifest)
        .file("config.json", config.as_bytes())
        .file("layer.tar", &layer)
        .symlink("other/layer.tar", "../layer.tar")
        .end();
    // Tests run at the same time.
    let name = format!("{:?}.tar", std::thread::current().id());
    let path: PathBuf = FOLDER.path().join(name);
    std::fs::write(&path, archive).expect("there is room");
    let store = Store::open(&FOLDER.path().join("store")).expect("there is room");
    let mirrors = Mirrors {
        debian: "https://mirror.invalid/debian".to_owned(),
        debian_security: "https://mirror.invalid/security".to_owned(),
        alpine: None,
    };
    let session = Session {
        store: &store,
        workspace: &Workspace::default(),
        mirrors: &mirrors,
        remote: None,
        now: SystemTime::UNIX_EPOCH,
        stages: &StageOptions::default(),
        threads: NonZeroUsize::MIN,
        observer: &Silent,
    };
    let source = SbomSource::Image(Location::Archive(path));
    session.sbom(&source, SbomChoice::default()).is_ok()
}
