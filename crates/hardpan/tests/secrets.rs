// SPDX-License-Identifier: Apache-2.0
//! Secrets in whole images: layouts, archives and root file systems.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::SystemTime;

use hardpan::config::Workspace;
use hardpan::secrets::{ImageSecrets, Rules, SecretOptions};
use hardpan::store::Store;
use hardpan::{
    Error, Location, Mirrors, SbomChoice, SbomSource, Session, Silent, StageOptions, Trouble,
};
use hardpan_testkit::oci::{Layer, OciImage, Tar};
use serde_json::json;

/// A token, put together here so that nothing in this file looks like one.
fn token() -> String {
    format!("gh{}_{}", "p", "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1eF3hJ5")
}

fn secrets(
    folder: &Path,
    source: &SbomSource,
    options: SecretOptions,
) -> Result<ImageSecrets, Error> {
    let store = Store::open(&folder.join("store")).unwrap();
    let mirrors = Mirrors { debian: String::new(), debian_security: String::new(), alpine: None };
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
    let choice = SbomChoice::default();
    session.secrets(source, choice, &Rules::builtin(), options)
}

fn image() -> OciImage {
    let text = format!("first line\ntoken: {}\n", token());
    let lower = Tar::default().file("app/.env", text.as_bytes()).end();
    let upper = Tar::default().file("app/.wh..env", b"").file("app/other", b"nothing").end();
    let layers = [Layer::gzip(&lower), Layer::zstd(&upper)];
    let diff_ids: Vec<_> = layers.iter().map(|layer| layer.diff_id).collect();
    let config = json!({
        "architecture": "amd64", "os": "linux",
        "config": {"Env": [format!("DEPLOY_TOKEN={}", token())]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [{"created_by": "COPY . /app"}, {"created_by": "RUN rm /app/.env"}],
    });
    OciImage::with_config(&config, &layers)
}

fn told(found: &ImageSecrets) -> Vec<String> {
    found.report.findings.iter().map(ToString::to_string).collect()
}

#[test]
fn layouts_and_root_file_systems() {
    let folder = tempfile::tempdir().unwrap();
    let layout = folder.path().join("layout");
    image().write_layout(&layout, "example.com/app:1");
    let source = SbomSource::Image(Location::Layout(layout));
    let found = secrets(folder.path(), &source, SecretOptions::DEFAULT).unwrap();
    let text = "a token of GitHub: ghp_… (40 bytes) [github-token]";
    assert_eq!(
        told(&found),
        [
            format!("/app/.env:2 (layer 0): {text}, deleted in layer 1"),
            format!("environment: DEPLOY_TOKEN: {text}"),
        ]
    );
    assert_eq!(found.image.platform.as_deref(), Some("linux/amd64"));
    assert_eq!(found.image.digest, Some(image().digest()));
    let predicate = found.predicate().unwrap();
    assert!(predicate.check_passed().is_err());
    let json = serde_json::to_string(&found).unwrap() + &serde_json::to_string(&predicate).unwrap();
    assert!(!json.contains(&token()[5..15]), "{json}");
    assert!(json.contains("\"deletedInLayer\":1"), "{json}");

    let root = folder.path().join("root");
    fs::create_dir_all(root.join("srv")).unwrap();
    fs::write(root.join("srv/a"), token()).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", root.join("link")).unwrap();
    let found = secrets(folder.path(), &SbomSource::Rootfs(root), SecretOptions::DEFAULT).unwrap();
    assert_eq!(told(&found), [format!("/srv/a:1 (layer 0): {text}")]);
}

#[test]
fn an_image_without_secrets_is_stated_as_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let layer = Layer::plain(Tar::default().file("a", b"nothing at all").end());
    let layout = folder.path().join("layout");
    OciImage::new("amd64", &[layer], &["PATH=/usr/bin"]).write_layout(&layout, "a:1");
    let source = SbomSource::Image(Location::Layout(layout));
    let found = secrets(folder.path(), &source, SecretOptions::DEFAULT).unwrap();
    assert_eq!(serde_json::to_value(found.predicate().unwrap()).unwrap(), json!({}));
    // But not if something was left out.
    let small = SecretOptions { file_bytes_max: 5, ..SecretOptions::DEFAULT };
    let found = secrets(folder.path(), &source, small).unwrap();
    assert_eq!(found.report.skipped.len(), 1);
    let error = found.predicate().unwrap_err();
    assert_eq!(error.trouble(), Trouble::No);
    assert!(error.to_string().contains("1 files were not looked at"), "{error}");
}

#[test]
fn images_with_other_bytes_than_they_say_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (number, break_it) in [
        |bytes: &mut Vec<u8>| bytes[40] ^= 1,
        |bytes: &mut Vec<u8>| bytes.truncate(30),
        |bytes: &mut Vec<u8>| bytes.push(0),
    ]
    .into_iter()
    .enumerate()
    {
        let layout = folder.path().join(number.to_string());
        let image = image();
        image.write_layout(&layout, "a:1");
        let layer = image.blobs.iter().find(|(_, bytes)| bytes.starts_with(&[0x1f, 0x8b])).unwrap();
        let path = layout.join("blobs/sha256").join(layer.0.to_hex());
        let mut bytes = fs::read(&path).unwrap();
        break_it(&mut bytes);
        fs::write(&path, bytes).unwrap();
        let source = SbomSource::Image(Location::Layout(layout));
        let error = secrets(folder.path(), &source, SecretOptions::DEFAULT).unwrap_err();
        assert_eq!(error.trouble(), Trouble::Trust, "{number}: {error}");
    }
}
