// SPDX-License-Identifier: Apache-2.0
//! Documents of images, and layouts.

use std::fs;
use std::path::Path;

use hardpan_image::{
    Document, ImageConfig, Index, Layout, Manifest, Raw, document_kind, media_type,
};
use hardpan_scan::secrets::{Rules, SecretOptions, SecretScanner};
use hardpan_tree::Digest;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::input::{join, pieces, text, texts};
use crate::{Part, Target};

pub(super) const TARGET: Target = Target {
    name: "image",
    bytes_max: 4 << 10,
    parts: &[
        Part::new("index", document::<Index>, || texts(&[INDEX])),
        Part::new("manifest", document::<Manifest>, || texts(&[MANIFEST])),
        Part::new("config", config, || texts(&[CONFIG])),
        Part::new("kind", kind, || {
            texts(&[INDEX, MANIFEST, r#"{"schemaVersion":1,"fsLayers":[]}"#])
        }),
        Part::new("layout", layout, || {
            vec![
                join(&[INDEX, MANIFEST, CONFIG].map(str::as_bytes)),
                join(&[NESTED, INDEX, MANIFEST].map(str::as_bytes)),
            ]
        }),
    ],
};

/// Stand for the digests of the second and the third file of a layout.
const SECOND: &str = "sha256:2222222222222222222222222222222222222222222222222222222222222222";
const THIRD: &str = "sha256:3333333333333333333333333333333333333333333333333333333333333333";

const INDEX: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:2222222222222222222222222222222222222222222222222222222222222222","size":@2@,"platform":{"architecture":"amd64","os":"linux","variant":"v8","os.version":"1","os.features":["a"]},"annotations":{"org.opencontainers.image.ref.name":"a"},"artifactType":"b"}],"annotations":{}}"#;
const NESTED: &str = r#"{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"sha256:2222222222222222222222222222222222222222222222222222222222222222","size":@2@}]}"#;
const MANIFEST: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:3333333333333333333333333333333333333333333333333333333333333333","size":@3@},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0}],"subject":{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":1},"annotations":{"a":"b"}}"#;
const CONFIG: &str = r#"{"architecture":"amd64","os":"linux","created":"2026-01-01T00:00:00Z","author":"a","config":{"User":"1000:1000","ExposedPorts":{"80/tcp":{}},"Env":["PATH=/bin","A=b"],"Entrypoint":["/a"],"Cmd":["b"],"Volumes":{"/c":{}},"WorkingDir":"/","Labels":{"a":"b"},"StopSignal":"SIGTERM","Healthcheck":{"Test":["CMD","x"]}},"rootfs":{"type":"layers","diff_ids":["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]},"history":[{"created":"2026-01-01T00:00:00Z","created_by":"RUN x","comment":"c"},{"empty_layer":true}]}"#;

/// Documents as they are where no lengths are filled in.
fn filled(bytes: &[u8]) -> Vec<u8> {
    text(bytes).replace("@2@", "22").replace("@3@", "33").into_bytes()
}

/// Reads a document, which keeps its bytes. What its values are written as is written so again: a health check is only read.
fn document<T: Document + Serialize + DeserializeOwned>(bytes: &[u8]) -> bool {
    let bytes = filled(bytes);
    let Ok(document) = Raw::<T>::parse(bytes.clone()) else { return false };
    assert_eq!(document.bytes(), bytes);
    let is_good = document.value().check().is_ok();
    let written = serde_json::to_vec(document.value()).expect("it is JSON");
    let again = Raw::<T>::parse(written.clone()).expect("what was written can be read");
    assert_eq!(serde_json::to_vec(again.value()).expect("it is JSON"), written);
    is_good
}

/// Reads a configuration, in which secrets are looked for, too.
fn config(bytes: &[u8]) -> bool {
    if let Ok(config) = Raw::<ImageConfig>::parse(bytes.to_vec()) {
        let rules =
            Rules::parse("[[rules]]\nid = \"a\"\nregex = 'A=(.+)'\n").expect("they are rules");
        let mut scanner = SecretScanner::new(&rules, SecretOptions::DEFAULT);
        scanner.config(config.value());
        let findings = scanner.finish().findings;
        let mut masked = config.value().clone();
        rules.mask_history(&mut masked);
        let mut scanner = SecretScanner::new(&rules, SecretOptions::DEFAULT);
        scanner.config(&masked);
        assert!(scanner.finish().findings.len() <= findings.len());
    }
    document::<ImageConfig>(bytes)
}

fn kind(bytes: &[u8]) -> bool {
    let bytes = filled(bytes);
    let announced = [None, Some(media_type::INDEX), Some(media_type::MANIFEST), Some("text/plain")];
    announced.into_iter().filter(|announced| document_kind(&bytes, *announced).is_ok()).count() > 0
}

/// Opens a layout whose files name one another by true digests and lengths.
fn layout(bytes: &[u8]) -> bool {
    let [index, second, third] = pieces(bytes);
    let folder = tempfile::tempdir().expect("there is room");
    let blob = |bytes: &[u8]| {
        write(folder.path(), &format!("blobs/sha256/{}", Digest::of(bytes).to_hex()), bytes);
    };
    blob(b"");
    blob(third);
    let fill = |bytes: &[u8], place: &str, length: &str, named: &[u8]| {
        let digest = Digest::of(named).to_string();
        text(bytes).replace(place, &digest).replace(length, &named.len().to_string()).into_bytes()
    };
    let second = fill(second, THIRD, "@3@", third);
    blob(&second);
    let index = fill(index, SECOND, "@2@", &second);
    write(folder.path(), "index.json", &index);
    write(folder.path(), "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
    let Ok(layout) = Layout::open(folder.path()) else { return false };
    layout.images().is_ok() & layout.verify().is_ok()
}

fn write(folder: &Path, path: &str, bytes: &[u8]) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().expect("it has a folder")).expect("there is room");
    fs::write(path, bytes).expect("there is room");
}
