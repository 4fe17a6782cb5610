// SPDX-License-Identifier: Apache-2.0
//! What the tests of pushing share.

use std::io::Read;
use std::time::Duration;

use hardpan_image::{Descriptor, ImageName, media_type};
use hardpan_remote::registry::{
    Logins, Pushed, Reference, Registries, RegistryError, RegistryOptions, UploadOptions, Watch,
};
use hardpan_remote::{Cancel, Client, Event, Options, Silent};
use hardpan_testkit::oci::{Layer, OciImage, Tar};
use hardpan_tree::Digest;
use serde_json::json;

/// The blob that stands for a configuration that there is none of (`{}`).
pub(crate) const EMPTY: &[u8] = b"{}";

/// Who is told nothing and stops nothing.
pub(crate) fn with_watch<T>(work: impl FnOnce(Watch<'_>) -> T) -> T {
    work(Watch { observer: &Silent, cancel: &Cancel::new() })
}

pub(crate) fn client(attempts_max: u32) -> Client {
    Client::new(Options {
        attempts_max,
        retry_delay: Duration::from_millis(1),
        retry_delay_max: Duration::from_millis(20),
        ..Options::default()
    })
    .unwrap()
}

/// A client that goes in small pieces, so that small blobs do for tests.
pub(crate) fn registries(attempts_max: u32, logins: Logins) -> Registries {
    Registries::new(client(attempts_max), RegistryOptions::default(), logins)
        .with_uploads(UploadOptions { whole_bytes_max: 10_000, piece_bytes: 40_000 })
}

pub(crate) fn open() -> Registries {
    registries(4, Logins::default())
}

pub(crate) fn content(length: usize) -> Vec<u8> {
    (0_u32..).take(length).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
}

pub(crate) fn blob(bytes: &[u8]) -> Descriptor {
    Descriptor::new("application/octet-stream", Digest::of(bytes), bytes.len() as u64)
}

pub(crate) fn push_bytes(
    registries: &Registries,
    name: &ImageName,
    bytes: &[u8],
) -> Result<Pushed, RegistryError> {
    let source = || Ok(Box::new(bytes) as Box<dyn Read>);
    with_watch(|watch| registries.push_blob(name, &blob(bytes), &source, None, watch))
}

pub(crate) fn push_document(
    registries: &Registries,
    name: &ImageName,
    reference: Reference<'_>,
    media_type: &str,
    bytes: &[u8],
) -> Result<bool, RegistryError> {
    with_watch(|watch| registries.push_document(name, reference, media_type, bytes, watch))
        .map(|pushed| pushed.subject_is_indexed)
}

pub(crate) fn image() -> OciImage {
    let tar = Tar::default().file("etc/motd", &content(120_000)).end();
    OciImage::new("amd64", &[Layer::plain(tar)], &[])
}

/// An image as clients of others like them.
pub(crate) fn gzip_image() -> OciImage {
    let tar = Tar::default().file("etc/motd", &content(120_000)).end();
    OciImage::new("amd64", &[Layer::gzip(&tar)], &[])
}

/// Pushes an image: all that it consists of, and then the tag.
pub(crate) fn push_image(
    registries: &Registries,
    name: &ImageName,
    tag: &str,
    image: &OciImage,
) -> Result<Descriptor, RegistryError> {
    for bytes in image.blobs.values() {
        push_bytes(registries, name, bytes)?;
    }
    for (media_type, bytes) in &image.manifests {
        let reference = Reference::Digest(Digest::of(bytes));
        push_document(registries, name, reference, media_type, bytes)?;
    }
    let reference = Reference::Digest(image.digest());
    push_document(registries, name, reference, &image.media_type, &image.root)?;
    push_document(registries, name, Reference::Tag(tag), &image.media_type, &image.root)?;
    Ok(Descriptor::new(&image.media_type, image.digest(), image.root.len() as u64))
}

/// A manifest that is attached to something: a note of one type with one text.
pub(crate) fn note(subject: &Descriptor, artifact_type: &str, text: &str) -> Vec<u8> {
    let empty = hardpan_testkit::oci::descriptor("application/vnd.oci.empty.v1+json", EMPTY);
    let document = json!({
        "schemaVersion": 2,
        "mediaType": media_type::MANIFEST,
        "artifactType": artifact_type,
        "config": empty,
        "layers": [empty],
        "subject": subject,
        "annotations": {"test.note": text},
    });
    document.to_string().into_bytes()
}

/// The texts of notes, sorted.
pub(crate) fn texts(manifests: &[Descriptor]) -> Vec<String> {
    let text = |it: &Descriptor| it.annotations.get("test.note").cloned().unwrap_or_default();
    let mut texts: Vec<String> = manifests.iter().map(text).collect();
    texts.sort_unstable();
    texts
}

/// An event's name, for tests that count.
pub(crate) fn event_name(event: &Event<'_>) -> &'static str {
    match event {
        Event::Started { .. } => "started",
        Event::Sent { .. } => "sent",
        Event::Retrying { .. } => "retrying",
        Event::Restarted { .. } => "restarted",
        Event::Finished { .. } => "finished",
        _ => "other",
    }
}

/// Everything that an error says, of all its causes.
pub(crate) fn everything_said(error: &RegistryError) -> String {
    let first: &(dyn std::error::Error + 'static) = error;
    let causes = std::iter::successors(Some(first), |error| error.source());
    causes.map(|cause| format!("{cause} {cause:?}")).collect::<Vec<_>>().join(" ")
}
