// SPDX-License-Identifier: Apache-2.0
//! Registries that deny for a moment what they have.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[allow(dead_code, reason = "each test uses a part")]
mod push_support;

use hardpan_image::ImageName;
use hardpan_remote::registry::{Pushed, Reference, RegistryError};
use hardpan_testkit::registry::{Auth, Fault, Logged, Registry};
use hardpan_tree::Digest;

use push_support::{
    content, everything_said, image, open, push_bytes, push_document, push_image, with_watch,
};

fn name(registry: &Registry, repository: &str) -> ImageName {
    format!("{}/{repository}", registry.name()).parse().unwrap()
}

fn methods(log: &[Logged]) -> Vec<&str> {
    log.iter().map(|logged| logged.request.method.as_str()).collect()
}

fn is_refused(error: &RegistryError) -> bool {
    matches!(error, RegistryError::Refused { .. })
}

#[test]
fn refused_digests_are_doubted() {
    let begun = |registry: &Registry| {
        let log = registry.take_log();
        methods(&log).iter().filter(|method| **method == "POST").count()
    };
    for code in ["DIGEST_INVALID", "SIZE_INVALID", "BLOB_UPLOAD_INVALID"] {
        for length in [5_000, 100_000] {
            let registry = Registry::start(Auth::Open);
            let (name, bytes) = (name(&registry, "app"), content(length));
            registry.fault("digest=", Fault::Refuse(400, code), 2);
            assert_eq!(push_bytes(&open(), &name, &bytes).unwrap(), Pushed::Uploaded, "{code}");
            assert_eq!(begun(&registry), 3, "{code} {length}");
            assert_eq!(registry.blob("app", &Digest::of(&bytes)), Some(bytes));
        }
    }
    // Somebody else brought it meanwhile.
    let registry = Registry::start(Auth::Open);
    let (target, bytes) = (name(&registry, "app"), content(5_000));
    push_bytes(&open(), &target, &bytes).unwrap();
    registry.take_log();
    registry.fault("HEAD ", Fault::Status(404, None), 1);
    registry.fault("digest=", Fault::Refuse(400, "DIGEST_INVALID"), 1);
    push_bytes(&open(), &target, &bytes).unwrap();
    assert_eq!(begun(&registry), 1);
    // Who says so all the time is believed, and so is who says something else.
    for (code, most) in [("DIGEST_INVALID", 20), ("UNSUPPORTED", 1)] {
        let registry = Registry::start(Auth::Open);
        registry.fault("digest=", Fault::Refuse(400, code), usize::MAX);
        let error = push_bytes(&open(), &name(&registry, "app"), &bytes).unwrap_err();
        assert!(is_refused(&error) && everything_said(&error).contains(code), "{error:?}");
        assert!(begun(&registry) <= most, "{code}");
    }
}

#[test]
fn documents_whose_parts_are_not_seen_yet_are_sent_again() {
    let image = image();
    let push = |registry: &Registry| {
        let reference = Reference::Digest(image.digest());
        push_document(&open(), &name(registry, "app"), reference, &image.media_type, &image.root)
    };
    let prepared = || {
        let registry = Registry::start(Auth::Open);
        image.blobs.values().for_each(|bytes| {
            push_bytes(&open(), &name(&registry, "app"), bytes).unwrap();
        });
        registry.take_log();
        registry
    };
    let of_parts = ["MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_UNKNOWN", "DIGEST_INVALID"];
    for (status, code) in
        of_parts.map(|code| (400, code)).into_iter().chain([(404, "MANIFEST_BLOB_UNKNOWN")])
    {
        let registry = prepared();
        registry.fault("PUT ", Fault::Refuse(status, code), 3);
        push(&registry).unwrap_or_else(|error| panic!("{status} {code}: {error:?}"));
        assert_eq!(registry.take_log().len(), 4, "{status} {code}");
        registry.fault("PUT ", Fault::Refuse(status, code), usize::MAX);
        let error = push(&registry).unwrap_err();
        assert!(matches!(error, RegistryError::Incomplete { .. }), "{status} {code}: {error:?}");
        assert!(registry.take_log().len() < 12, "{status} {code}");
    }
    for code in ["MANIFEST_INVALID", "DENIED", "UNSUPPORTED"] {
        let registry = prepared();
        registry.fault("PUT ", Fault::Refuse(400, code), usize::MAX);
        let error = push(&registry).unwrap_err();
        assert!(is_refused(&error), "{code}: {error:?}");
        assert_eq!(registry.take_log().len(), 1, "{code}");
    }
}

#[test]
fn documents_that_are_just_being_written_are_read_again() {
    let (registry, image) = (Registry::start(Auth::Open), image());
    let target = name(&registry, "app");
    push_image(&open(), &target, "1", &image).unwrap();
    let by_tag = target.with_tag("1").unwrap();
    let read = || with_watch(|watch| open().document(&by_tag, watch));
    let digest = image.digest().to_string();
    let half = image.root[..image.root.len() / 2].to_vec();
    registry.fault("GET ", Fault::Bytes(half.clone()), 2);
    assert_eq!(read().unwrap().digest.to_string(), digest);
    // Half of it is never taken for the whole.
    registry.fault("GET ", Fault::Bytes(half), usize::MAX);
    assert!(read().unwrap_err().is_trust());
}
