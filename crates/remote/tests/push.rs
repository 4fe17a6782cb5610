// SPDX-License-Identifier: Apache-2.0
//! Pushing blobs and documents to a registry that wants logins, breaks and lies.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[allow(dead_code, reason = "each test uses a part")]
mod push_support;

use std::io::{self, Read};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use hardpan_image::{Descriptor, ImageName, media_type};
use hardpan_remote::registry::{
    Logins, Mirror, Pushed, Reference, Registries, RegistryError, RegistryOptions, Watch,
};
use hardpan_remote::{Cancel, Event, RemoteError, Silent};
use hardpan_testkit::oci::{INDEX, OciImage};
use hardpan_testkit::registry::{Auth, Fault, Logged, Registry, Settings};
use hardpan_tree::Digest;

use push_support::{
    blob, client, content, event_name, everything_said, image, open, push_bytes, push_document,
    push_image, registries, with_watch,
};

/// `user:secret`
const LOGIN: &str = "Basic dXNlcjpzZWNyZXQ=";

fn name(registry: &Registry, repository: &str) -> ImageName {
    format!("{}/{repository}", registry.name()).parse().unwrap()
}

fn logins(registry: &Registry, entry: &str) -> Logins {
    let mut logins = Logins::default();
    let text = format!(r#"{{"auths": {{"{}": {entry}}}}}"#, registry.name());
    logins.add_file("/home/user/.docker/config.json", text.as_bytes());
    logins
}

fn methods(log: &[Logged]) -> Vec<&str> {
    log.iter().map(|logged| logged.request.method.as_str()).collect()
}

fn secrets_are_not_in(error: &RegistryError) {
    let said = everything_said(error);
    for secret in ["secret", "dXNlcjp", "token-", "hunter2"] {
        assert!(!said.contains(secret), "{secret}: {said}");
    }
}

#[test]
fn blobs_of_all_sizes_arrive() {
    for (size, settings, expected) in [
        (0, Settings::default(), "HEAD POST PUT"),
        (1, Settings::default(), "HEAD POST PUT"),
        (10_000, Settings::default(), "HEAD POST PUT"),
        (10_001, Settings::default(), "HEAD POST PATCH PUT"),
        (40_000, Settings::default(), "HEAD POST PATCH PUT"),
        (80_001, Settings::default(), "HEAD POST PATCH PATCH PATCH PUT"),
        (
            80_001,
            Settings { piece_bytes_min: Some(50_000), ..Settings::default() },
            "HEAD POST PATCH PATCH PUT",
        ),
        (
            50_000,
            Settings { piece_bytes_min: Some(1 << 40), ..Settings::default() },
            "HEAD POST PATCH PUT",
        ),
        (
            80_000,
            Settings { absolute_locations: true, ..Settings::default() },
            "HEAD POST PATCH PATCH PUT",
        ),
    ] {
        let registry = Registry::with(Auth::Open, settings);
        let (name, bytes) = (name(&registry, "team/app"), content(size));
        assert_eq!(push_bytes(&open(), &name, &bytes).unwrap(), Pushed::Uploaded, "{size}");
        assert_eq!(registry.blob("team/app", &Digest::of(&bytes)).as_ref(), Some(&bytes));
        assert_eq!(methods(&registry.take_log()).join(" "), expected, "{size}");
        assert_eq!(push_bytes(&open(), &name, &bytes).unwrap(), Pushed::AlreadyThere);
        assert_eq!(methods(&registry.take_log()), ["HEAD"]);
    }
}

/// Whether the registry mounts, from where, what else is there to be done, and what comes of it.
type Mounting = (bool, &'static str, fn(&Registry), Pushed);

#[test]
fn blobs_of_neighbours_are_mounted() {
    let none = |_: &Registry| {};
    let cases: [Mounting; 5] = [
        (true, "team/base", none, Pushed::Mounted),
        (true, "team/other", none, Pushed::Uploaded),
        (false, "team/base", none, Pushed::Uploaded),
        (true, "team/app", none, Pushed::Uploaded),
        (
            true,
            "team/base",
            |registry| registry.fault("mount=", Fault::Status(405, None), 1),
            Pushed::Uploaded,
        ),
    ];
    for (mounts, from, prepare, expected) in cases {
        let auth = Auth::Token { basic: None, identity: None, uses: 100 };
        let registry = Registry::with(auth, Settings { mounts, ..Settings::default() });
        let bytes = content(20_000);
        push_bytes(&open(), &name(&registry, "team/base"), &bytes).unwrap();
        registry.take_log();
        prepare(&registry);
        let (target, from) = (name(&registry, "team/app"), name(&registry, from));
        let source = || Ok(Box::new(bytes.as_slice()) as Box<dyn Read>);
        let pushed = with_watch(|watch| {
            open().push_blob(&target, &blob(&bytes), &source, Some(&from), watch)
        });
        assert_eq!(pushed.unwrap(), expected, "{mounts} {from}");
        assert!(registry.blob("team/app", &Digest::of(&bytes)).is_some());
        let log = registry.take_log();
        let asked: Vec<&str> = log
            .iter()
            .filter(|logged| logged.request.path == "/token")
            .map(|logged| logged.request.query.as_str())
            .collect();
        assert!(asked[0].ends_with("&scope=repository:team/app:pull%2Cpush"), "{asked:?}");
        // Whoever was told "not here" before was not asked who it is.
        let is_asked = log.iter().any(|it| it.request.query.contains("mount") && it.status == 401);
        assert!(is_asked || from.repository() == "team/app" || expected == Pushed::Uploaded);
        if is_asked {
            let both = format!("&scope=repository:{}:pull", from.repository());
            assert!(asked[1].ends_with(&both), "{asked:?}");
        }
    }
    // A repository of another registry is no neighbour.
    let (registry, other) = (Registry::start(Auth::Open), Registry::start(Auth::Open));
    let bytes = content(10);
    push_bytes(&open(), &name(&other, "team/base"), &bytes).unwrap();
    let source = || Ok(Box::new(bytes.as_slice()) as Box<dyn Read>);
    let (target, from) = (name(&registry, "app"), name(&other, "team/base"));
    let pushed =
        with_watch(|watch| open().push_blob(&target, &blob(&bytes), &source, Some(&from), watch));
    assert_eq!(pushed.unwrap(), Pushed::Uploaded);
    assert!(!registry.take_log().iter().any(|logged| logged.request.query.contains("mount")));
}

#[test]
fn uploads_go_on_where_they_broke() {
    for (request, fault, times) in [
        ("PATCH ", Fault::Half, 1),
        ("PATCH ", Fault::Half, 3),
        ("PATCH ", Fault::Unheard, 2),
        ("PATCH ", Fault::Unanswered, 2),
        ("PATCH ", Fault::Status(500, None), 3),
        ("PATCH ", Fault::Status(429, Some("0")), 3),
        ("digest=", Fault::Unheard, 2),
        ("digest=", Fault::Unanswered, 1),
        ("digest=", Fault::Status(503, None), 1),
        ("POST ", Fault::Unanswered, 3),
        ("POST ", Fault::Status(502, None), 3),
        ("HEAD ", Fault::Unanswered, 3),
    ] {
        let registry = Registry::start(Auth::Open);
        let (name, bytes) = (name(&registry, "app"), content(200_000));
        registry.fault(request, fault.clone(), times);
        push_bytes(&open(), &name, &bytes).unwrap_or_else(|e| panic!("{request} {fault:?}: {e:?}"));
        assert_eq!(registry.blob("app", &Digest::of(&bytes)), Some(bytes));
        let log = registry.take_log();
        if request == "PATCH " {
            let begun = methods(&log).iter().filter(|method| **method == "POST").count();
            assert_eq!(begun, 1, "{fault:?}: the upload went on");
        }
        if fault == Fault::Half {
            let ranges: Vec<&str> = log.iter().map(|l| l.request.header("content-range")).collect();
            assert!(ranges.contains(&"20000-59999"), "{ranges:?}");
        }
    }
    // Small blobs that broke go on, too.
    let registry = Registry::start(Auth::Open);
    let (name, bytes) = (name(&registry, "app"), content(9_000));
    registry.fault("PUT ", Fault::Half, 1);
    push_bytes(&open(), &name, &bytes).unwrap();
    assert_eq!(methods(&registry.take_log()).join(" "), "HEAD POST PUT GET PATCH PUT");
    assert_eq!(registry.blob("app", &Digest::of(&bytes)), Some(bytes));
}

#[test]
fn lost_uploads_begin_again() {
    for (request, fault) in [
        // The registry forgot it, does not know how to say where it is, or says nonsense.
        ("GET ", Fault::Status(404, None)),
        ("GET ", Fault::Status(405, None)),
        ("GET ", Fault::Header("Range", "5-9".to_owned())),
        ("GET ", Fault::Header("Range", "0-999999999".to_owned())),
        ("GET ", Fault::Header("Range", "all".to_owned())),
    ] {
        let registry = Registry::start(Auth::Open);
        let (name, bytes) = (name(&registry, "app"), content(100_000));
        registry.fault("PATCH ", Fault::Unanswered, 1);
        registry.fault(request, fault.clone(), 1);
        push_bytes(&open(), &name, &bytes).unwrap_or_else(|e| panic!("{fault:?}: {e:?}"));
        let log = registry.take_log();
        let begun = methods(&log).iter().filter(|method| **method == "POST").count();
        assert_eq!(begun, 2, "{fault:?}");
    }
}

#[test]
fn pieces_that_were_mixed_up_are_sent_again_once() {
    // A registry that kept other bytes than it says: the digest is found wrong, by it.
    let registry = Registry::start(Auth::Open);
    let (name, bytes) = (name(&registry, "app"), content(100_000));
    registry.fault("PATCH ", Fault::Half, 1);
    registry.fault("digest=", Fault::Status(400, None), 1);
    push_bytes(&open(), &name, &bytes).unwrap();
    // What is refused without such a reason stays refused.
    registry.fault("digest=", Fault::Status(400, None), 1);
    let error = push_bytes(&open(), &name, &content(100_001)).unwrap_err();
    assert!(matches!(error, RegistryError::Refused { status: 400, .. }), "{error:?}");
}

/// A request, what goes wrong with it, and whether an error is about that.
type Failing = (&'static str, Fault, fn(&RegistryError) -> bool);

#[test]
fn faults_that_stay_are_errors() {
    let cases: [Failing; 11] = [
        ("POST ", Fault::Status(500, None), is_status),
        ("POST ", Fault::Status(429, Some("0")), is_status),
        ("POST ", Fault::Unheard, is_interrupted),
        ("PATCH ", Fault::Unheard, is_interrupted),
        ("PATCH ", Fault::Status(503, None), is_status),
        ("PATCH ", Fault::Status(413, None), is_refused),
        ("POST ", Fault::Status(400, None), is_refused),
        ("POST ", Fault::Status(403, None), |e| matches!(e, RegistryError::Denied(_))),
        ("POST ", Fault::Status(404, None), RegistryError::is_not_found),
        ("POST ", Fault::Status(307, None), is_redirect),
        ("POST ", Fault::WithoutHeader("Location"), is_redirect),
    ];
    for (request, fault, is_expected) in cases {
        let registry = Registry::start(Auth::Open);
        let (name, bytes) = (name(&registry, "app"), content(100_000));
        registry.fault(request, fault.clone(), 1000);
        let error = push_bytes(&open(), &name, &bytes).unwrap_err();
        assert!(is_expected(&error), "{request} {fault:?}: {error:?}");
        assert!(registry.take_log().len() < 40, "{request} {fault:?}");
        assert_eq!(registry.blob("app", &Digest::of(&bytes)), None);
    }
}

fn is_status(error: &RegistryError) -> bool {
    matches!(error, RegistryError::Remote(RemoteError::Status { .. }))
}

fn is_interrupted(error: &RegistryError) -> bool {
    matches!(error, RegistryError::Remote(RemoteError::Interrupted { .. }))
}

fn is_refused(error: &RegistryError) -> bool {
    matches!(error, RegistryError::Refused { .. })
}

fn is_redirect(error: &RegistryError) -> bool {
    matches!(error, RegistryError::Remote(RemoteError::Redirect { .. }))
}

#[test]
fn uploads_that_get_nowhere_end() {
    // A registry that takes a little and always says that it broke.
    let registry = Registry::start(Auth::Open);
    let (name, bytes) = (name(&registry, "app"), content(200_000));
    registry.fault("PATCH ", Fault::Half, usize::MAX);
    registry.fault("GET ", Fault::Header("Range", "0-0".to_owned()), usize::MAX);
    push_bytes(&open(), &name, &bytes).unwrap_err();
    assert!(registry.take_log().len() < 200);
}

#[test]
fn wrong_blobs_are_never_complete() {
    let right = content(100_000);
    let mut wrong = right.clone();
    wrong[99_999] ^= 1;
    let mut longer = right.clone();
    longer.push(0);
    for (summary, bytes) in [
        ("other bytes", wrong),
        ("fewer bytes", right[..99_999].to_vec()),
        ("more bytes", longer),
        ("no bytes", Vec::new()),
    ] {
        let registry = Registry::start(Auth::Open);
        let name = name(&registry, "app");
        let source = || Ok(Box::new(bytes.as_slice()) as Box<dyn Read>);
        let error = with_watch(|watch| {
            open().push_blob(&name, &blob(&right), &source, None, watch).unwrap_err()
        });
        assert!(matches!(error, RegistryError::Changed { .. }), "{summary}: {error:?}");
        let log = registry.take_log();
        assert!(!log.iter().any(|logged| logged.request.query.contains("digest=")), "{summary}");
    }
    for small in [&b"x"[..], b"", b"12345678901"] {
        let registry = Registry::start(Auth::Open);
        let name = name(&registry, "app");
        let source = || Ok(Box::new(small) as Box<dyn Read>);
        let right = blob(b"1234567890");
        let error =
            with_watch(|watch| open().push_blob(&name, &right, &source, None, watch).unwrap_err());
        assert!(matches!(error, RegistryError::Changed { .. }), "{error:?}");
        assert_eq!(registry.blob("app", &right.digest), None);
    }
}

/// Fails after some bytes.
struct Breaking<'f>(&'f [u8]);

impl Read for Breaking<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.len() < 50_000 {
            return Err(io::Error::other("the disk is gone"));
        }
        self.0.read(buffer)
    }
}

#[test]
fn sources_that_fail_are_the_error() {
    let registry = Registry::start(Auth::Open);
    let (name, bytes) = (name(&registry, "app"), content(100_000));
    let source = || Ok(Box::new(Breaking(&bytes)) as Box<dyn Read>);
    let push = |source: &hardpan_remote::registry::Source<'_>| {
        with_watch(|watch| open().push_blob(&name, &blob(&bytes), source, None, watch))
    };
    let error = push(&source).unwrap_err();
    assert!(matches!(error, RegistryError::Source { .. }), "{error:?}");
    assert!(everything_said(&error).contains("the disk is gone"));
    let error = push(&|| Err(io::ErrorKind::NotFound.into())).unwrap_err();
    assert!(matches!(error, RegistryError::Source { .. }), "{error:?}");
}

#[test]
fn logins_are_used_for_writing() {
    let password = r#"{"auth": "dXNlcjpzZWNyZXQ="}"#;
    let token = |basic, uses| Auth::Token { basic, identity: None, uses };
    for (auth, entry, is_let_in) in [
        (Auth::Basic(LOGIN), password, true),
        (Auth::Basic(LOGIN), r#"{"auth": "dXNlcjp3cm9uZw=="}"#, false),
        (Auth::Basic(LOGIN), "{}", false),
        (token(Some(LOGIN), 100), password, true),
        // A token that is good for one request runs out before each piece, also in the middle of an upload.
        (token(Some(LOGIN), 1), password, true),
        (token(Some(LOGIN), 2), password, true),
        (token(Some(LOGIN), 3), password, true),
        (token(Some(LOGIN), 100), "{}", false),
        (token(Some(LOGIN), 0), password, false),
        (Auth::Hidden(LOGIN), password, true),
        (Auth::Hidden(LOGIN), "{}", false),
        (Auth::Nobody, password, false),
    ] {
        let registry = Registry::start(auth.clone());
        let (name, image) = (name(&registry, "team/app"), image());
        let registries = registries(4, logins(&registry, entry));
        let pushed = push_image(&registries, &name, "1", &image);
        assert_eq!(pushed.is_ok(), is_let_in, "{auth:?} {entry}: {pushed:?}");
        match pushed {
            Ok(_) => assert_eq!(registry.tags("team/app"), ["1"]),
            Err(error) => secrets_are_not_in(&error),
        }
        registry.assert_tags_complete();
    }
}

#[test]
fn tokens_are_asked_for_once() {
    let registry = Registry::start(Auth::Token { basic: None, identity: None, uses: 1000 });
    let name = name(&registry, "app");
    let registries = open();
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let (registries, name) = (&registries, &name);
            scope.spawn(move || {
                for number in 0..20 {
                    let bytes = format!("blob {thread} {number}").into_bytes();
                    push_bytes(registries, name, &bytes).unwrap();
                }
            });
        }
    });
    let log = registry.take_log();
    let asked = log.iter().filter(|logged| logged.request.path == "/token").count();
    assert_eq!(asked, 1);
    assert!(log.len() <= 6 * 20 * 3 + 1 + 6, "{}", log.len());
}

#[test]
fn nobody_else_hears_who_asks() {
    // The registry wants the upload elsewhere: that place gets the bytes, and no login.
    let elsewhere = Registry::start(Auth::Open);
    let registry = Registry::start(Auth::Basic(LOGIN));
    let (name, bytes) = (name(&registry, "app"), content(5_000));
    let location = format!("http://{}/v2/app/blobs/uploads/1?hunter2", elsewhere.name());
    registry.fault("POST ", Fault::Header("Location", location), 1);
    let registries = registries(2, logins(&registry, r#"{"auth": "dXNlcjpzZWNyZXQ="}"#));
    let error = push_bytes(&registries, &name, &bytes).unwrap_err();
    secrets_are_not_in(&error);
    let log = elsewhere.take_log();
    assert!(!log.is_empty());
    assert!(log.iter().all(|logged| logged.request.header("authorization").is_empty()));
    // Places that nothing is sent to.
    for location in ["file:///etc/passwd", "ftp://127.0.0.1/", "http://["] {
        registry.fault("POST ", Fault::Header("Location", location.to_owned()), 1);
        let error = push_bytes(&registries, &name, &content(6_000)).unwrap_err();
        assert!(is_redirect(&error), "{location}: {error:?}");
    }
    // Blobs that are in a storage are there, which is asked without a login.
    push_bytes(&registries, &name, &bytes).unwrap();
    registry.redirect_blobs();
    registry.take_log();
    assert_eq!(push_bytes(&registries, &name, &bytes).unwrap(), Pushed::AlreadyThere);
    let log = registry.take_log();
    assert!(log.iter().any(|logged| logged.is_storage));
    let storage = log.iter().filter(|logged| logged.is_storage);
    assert!(storage.into_iter().all(|logged| logged.request.header("authorization").is_empty()));
}

#[test]
fn documents_are_pushed_by_tag_and_digest() {
    let registry = Registry::start(Auth::Open);
    let (target, image) = (name(&registry, "team/app"), image());
    let registries = open();
    let descriptor = push_image(&registries, &target, "1", &image).unwrap();
    registry.assert_tags_complete();
    let exists = |reference| with_watch(|watch| registries.exists(&target, reference, watch));
    assert_eq!(exists(Reference::Tag("1")).unwrap(), Some(descriptor.clone()));
    assert_eq!(exists(Reference::Digest(image.digest())).unwrap(), Some(descriptor));
    assert_eq!(exists(Reference::Tag("2")).unwrap(), None);
    assert_eq!(exists(Reference::Digest(Digest::of(b"other"))).unwrap(), None);
    let long = "x".repeat(129);
    for tag in ["", "a/b", "../x", "a b", "-a", "a?b", &long] {
        let error = exists(Reference::Tag(tag)).unwrap_err();
        assert!(matches!(error, RegistryError::Reference(_)), "{tag}: {error:?}");
    }
    for (fault, is_expected) in [
        (Fault::Status(401, None), (|e| matches!(e, RegistryError::Denied(_))) as fn(&_) -> bool),
        (Fault::Status(403, None), |e| matches!(e, RegistryError::Denied(_))),
        (Fault::Status(500, None), is_status),
        (Fault::Status(302, None), is_redirect),
        (Fault::Status(400, None), is_refused),
        (Fault::Header("Docker-Content-Digest", Digest::of(b"x").to_string()), |e| {
            matches!(e, RegistryError::Remote(RemoteError::DigestMismatch { .. }))
        }),
    ] {
        registry.fault("HEAD ", fault.clone(), 10);
        let error = exists(Reference::Digest(image.digest())).unwrap_err();
        assert!(is_expected(&error), "{fault:?}: {error:?}");
        registry.heal();
    }
    // Who leaves headers out is asked for the whole.
    registry.fault("HEAD ", Fault::WithoutHeader("Docker-Content-Digest"), 1);
    assert_eq!(exists(Reference::Tag("1")).unwrap().unwrap().digest, image.digest());
}

#[test]
fn documents_that_are_wrong_are_refused() {
    let registry = Registry::start(Auth::Open);
    let (target, image) = (name(&registry, "app"), image());
    let push = |reference, bytes: &[u8]| {
        push_document(&open(), &target, reference, media_type::MANIFEST, bytes)
    };
    // Blobs are missing: the registry's words are passed on.
    let error = push(Reference::Digest(image.digest()), &image.root).unwrap_err();
    assert!(matches!(error, RegistryError::Incomplete { .. }), "{error:?}");
    assert!(everything_said(&error).contains("MANIFEST_BLOB_UNKNOWN"));
    push_image(&open(), &target, "1", &image).unwrap();
    let error = push(Reference::Digest(Digest::of(b"x")), &image.root).unwrap_err();
    assert!(matches!(error, RegistryError::OtherDocument { .. }), "{error:?}");
    let error = push(Reference::Tag("a/b"), &image.root).unwrap_err();
    assert!(matches!(error, RegistryError::Reference(_)), "{error:?}");
    let error = push(Reference::Tag("2"), &vec![b' '; (4 << 20) + 1]).unwrap_err();
    assert!(matches!(error, RegistryError::Remote(RemoteError::TooLarge { .. })), "{error:?}");
    let error = push(Reference::Tag("2"), b"<html>").unwrap_err();
    assert!(everything_said(&error).contains("MANIFEST_INVALID not JSON"), "{error:?}");
    // A registry that has understood something else.
    for (header, is_expected) in [
        (Digest::of(b"x").to_string(), (|e| e.is_trust()) as fn(&RegistryError) -> bool),
        ("sha256:0".to_owned(), |e| {
            matches!(e, RegistryError::Remote(RemoteError::Protocol { .. }))
        }),
    ] {
        registry.fault("PUT ", Fault::Header("Docker-Content-Digest", header), 1);
        let error = push(Reference::Tag("2"), &image.root).unwrap_err();
        assert!(is_expected(&error), "{error:?}");
    }
    let other = format!("sha512:{}", "0".repeat(128));
    registry.fault("PUT ", Fault::Header("Docker-Content-Digest", other), 1);
    assert!(!push(Reference::Tag("2"), &image.root).unwrap());
    registry.fault("PUT ", Fault::WithoutHeader("Docker-Content-Digest"), 1);
    push(Reference::Tag("2"), &image.root).unwrap();
}

#[test]
fn tags_come_in_pages() {
    for (page, count) in [(None, 7), (Some(1), 7), (Some(3), 7), (Some(7), 7), (Some(8), 7)] {
        let registry = Registry::with(Auth::Open, Settings { page, ..Settings::default() });
        let (name, image) = (name(&registry, "app"), image());
        for number in 0..count {
            registry.add("app", &format!("v{number}"), &image);
        }
        let tags = with_watch(|watch| open().tags(&name, watch)).unwrap();
        assert_eq!(tags, ["v0", "v1", "v2", "v3", "v4", "v5", "v6"], "{page:?}");
        let missing: ImageName = format!("{}/other", registry.name()).parse().unwrap();
        assert!(with_watch(|watch| open().tags(&missing, watch)).unwrap_err().is_not_found());
    }
    let registry = Registry::start(Auth::Open);
    let (name, other) = (name(&registry, "app"), Registry::start(Auth::Open));
    registry.add("app", "1", &image());
    let link = |to: &str| Fault::Header("Link", format!("<{to}>; rel=\"next\""));
    let elsewhere = format!("http://{}/v2/app/tags/list", other.name());
    for fault in [
        link("/v2/app/tags/list"),
        link(&elsewhere),
        link("http://["),
        Fault::Bytes(b"<html>".to_vec()),
        Fault::Bytes(br#"{"tags": "all"}"#.to_vec()),
        Fault::Bytes(br#"{"tags": ["a/../b"]}"#.to_vec()),
        Fault::Bytes(vec![b' '; 5 << 20]),
        Fault::Status(500, None),
        Fault::Status(302, None),
    ] {
        registry.fault("/tags/", fault.clone(), 20);
        let result = with_watch(|watch| open().tags(&name, watch));
        assert!(result.is_err(), "{fault:.80?}");
        registry.heal();
    }
    assert!(other.take_log().is_empty(), "nobody asked elsewhere");
    registry.fault("/tags/", Fault::Bytes(br#"{"name": "app", "tags": null}"#.to_vec()), 1);
    assert!(with_watch(|watch| open().tags(&name, watch)).unwrap().is_empty());
}

#[test]
fn pushing_converges_although_much_fails() {
    let (one, two) = (image(), OciImage::new("arm64", &[], &["A=b"]));
    let index = OciImage::index(&[("linux/amd64", &one), ("linux/arm64", &two)]);
    for seed in 0..8 {
        let settings = Settings {
            absolute_locations: seed % 2 == 0,
            piece_bytes_min: (seed % 3 == 0).then_some(50_000),
            ..Settings::default()
        };
        let auth = Auth::Token { basic: None, identity: None, uses: 5 };
        let registry = Registry::with(auth, settings);
        let name = name(&registry, "team/app");
        registry.misbehave(30, seed);
        let registries = registries(20, Logins::default());
        push_image(&registries, &name, "latest", &index)
            .unwrap_or_else(|error| panic!("seed {seed}: {error:?}"));
        registry.heal();
        registry.assert_tags_complete();
        let (kind, root) = registry.manifest("team/app", "latest").unwrap();
        assert_eq!((kind.as_str(), &root), (INDEX, &index.root));
        for (digest, bytes) in &index.blobs {
            assert_eq!(registry.blob("team/app", digest).as_ref(), Some(bytes));
        }
    }
}

#[test]
fn mirrors_are_not_written_to() {
    let (registry, mirror) = (Registry::start(Auth::Open), Registry::start(Auth::Open));
    let name = name(&registry, "team/app");
    let to = format!("{}/copies", mirror.name());
    let mirrors = vec![Mirror { from: registry.name(), to }];
    let options = RegistryOptions { plain_http: Vec::new(), mirrors };
    let registries = Registries::new(client(2), options, Logins::default());
    push_image(&registries, &name, "1", &image()).unwrap();
    assert!(mirror.take_log().is_empty());
    // Who reads, reads from the mirror.
    let found = with_watch(|watch| registries.exists(&name, Reference::Tag("1"), watch));
    assert_eq!(found.unwrap(), None);
    assert_eq!(methods(&mirror.take_log()), ["HEAD"]);
}

#[test]
fn observers_hear_of_uploads() {
    let registry = Registry::start(Auth::Open);
    let (name, bytes) = (name(&registry, "app"), content(100_000));
    registry.fault("PATCH ", Fault::Unheard, 1);
    let events = Mutex::new(Vec::new());
    let sent = AtomicU64::new(0);
    let observer = |event: &Event<'_>| {
        if let Event::Sent { bytes, .. } = event {
            sent.fetch_add(*bytes, Ordering::Relaxed);
        }
        events.lock().unwrap().push(event_name(event));
    };
    let (source, cancel) = (|| Ok(Box::new(bytes.as_slice()) as Box<dyn Read>), Cancel::new());
    let watch = Watch { observer: &observer, cancel: &cancel };
    open().push_blob(&name, &blob(&bytes), &source, None, watch).unwrap();
    let mut events = events.into_inner().unwrap();
    events.dedup();
    assert_eq!(events, ["started", "sent", "retrying", "sent", "finished"]);
    assert_eq!(sent.into_inner(), 140_000, "a piece of 40,000 bytes went twice");
}

#[test]
fn pushing_can_be_cancelled() {
    let registry = Registry::start(Auth::Open);
    let (name, bytes) = (name(&registry, "app"), content(100_000));
    let cancel = Cancel::new();
    let observer = |event: &Event<'_>| {
        if matches!(event, Event::Sent { .. }) {
            cancel.cancel();
        }
    };
    let source = || Ok(Box::new(bytes.as_slice()) as Box<dyn Read>);
    let watch = Watch { observer: &observer, cancel: &cancel };
    let error = open().push_blob(&name, &blob(&bytes), &source, None, watch).unwrap_err();
    assert!(error.is_cancelled(), "{error:?}");
    registry.take_log();
    let watch = Watch { observer: &Silent, cancel: &cancel };
    let error = open().push_blob(&name, &blob(&bytes), &source, None, watch).unwrap_err();
    assert!(error.is_cancelled() && registry.take_log().is_empty());
}

#[test]
fn incomplete_tags_are_seen() {
    // The test of the test: a registry that checks nothing, and a tag that comes first.
    let registry = Registry::with(Auth::Open, Settings { checks: false, ..Settings::default() });
    let (name, image) = (name(&registry, "app"), image());
    let kind = &image.media_type;
    push_document(&open(), &name, Reference::Tag("1"), kind, &image.root).unwrap();
    assert_eq!(registry.violations().len(), 1, "{:?}", registry.violations());
    let by_digest = Registry::with(Auth::Open, Settings { checks: false, ..Settings::default() });
    let target: ImageName = format!("{}/app", by_digest.name()).parse().unwrap();
    let reference = Reference::Digest(image.digest());
    push_document(&open(), &target, reference, kind, &image.root).unwrap();
    by_digest.assert_tags_complete();
}

#[test]
fn default_pieces_are_large() {
    // What most blobs go in: one request for the place, one for all bytes.
    let registry = Registry::start(Auth::Open);
    let (name, bytes) = (name(&registry, "app"), content(300_000));
    let registries = Registries::new(client(1), RegistryOptions::default(), Logins::default());
    push_bytes(&registries, &name, &bytes).unwrap();
    assert_eq!(methods(&registry.take_log()), ["HEAD", "POST", "PUT"]);
    let descriptor: Descriptor = blob(&bytes);
    assert_eq!(registry.blob("app", &descriptor.digest), Some(bytes));
}
