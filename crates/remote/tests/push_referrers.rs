// SPDX-License-Identifier: Apache-2.0
//! Attaching to images, on registries with a list, without one, and with a bad one.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[allow(dead_code, reason = "each test uses a part")]
mod push_support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hardpan_image::{Descriptor, ImageName, media_type};
use hardpan_remote::RemoteError;
use hardpan_remote::registry::{Indexed, Logins, Referrer, Referrers, Registries, RegistryError};
use hardpan_testkit::http::{HttpServer, Reply};
use hardpan_testkit::oci::{INDEX, MANIFEST};
use hardpan_testkit::registry::{Auth, Etags, Fault, ReferrersApi, Registry, Settings};
use serde_json::{Value, json};

use push_support::{
    EMPTY, image, note, open, push_bytes, push_image, registries, texts, with_watch,
};

const TYPE: &str = "application/vnd.test.note+json";
const OTHER_TYPE: &str = "application/vnd.test.other";

/// A registry with an image, and what is needed to attach something to it.
struct Scene {
    registry: Registry,
    name: ImageName,
    subject: Descriptor,
    tag: String,
}

impl Scene {
    fn new(settings: Settings) -> Self {
        let registry = Registry::with(Auth::Open, settings);
        let name: ImageName = format!("{}/team/app", registry.name()).parse().unwrap();
        let subject = push_image(&open(), &name, "1", &image()).unwrap();
        push_bytes(&open(), &name, EMPTY).unwrap();
        let tag = format!("sha256-{}", subject.digest.to_hex());
        registry.take_log();
        Self { registry, name, subject, tag }
    }

    fn with_api(referrers: ReferrersApi) -> Self {
        Self::new(Settings { referrers, ..Settings::default() })
    }

    fn attach_by(
        &self,
        registries: &Registries,
        artifact_type: &str,
        text: &str,
        seed: u64,
    ) -> Result<Indexed, RegistryError> {
        let bytes = note(&self.subject, artifact_type, text);
        let referrer = Referrer { media_type: MANIFEST, bytes: &bytes };
        with_watch(|watch| registries.push_referrer(&self.name, referrer, seed, watch))
    }

    fn attach(&self, text: &str) -> Result<Indexed, RegistryError> {
        self.attach_by(&open(), TYPE, text, 1)
    }

    fn list(&self, artifact_type: Option<&str>) -> Result<Referrers, RegistryError> {
        let digest = self.subject.digest;
        with_watch(|watch| open().referrers(&self.name, digest, artifact_type, watch))
    }

    /// The index under the tag.
    fn tagged(&self) -> Option<Value> {
        let (kind, bytes) = self.registry.manifest("team/app", &self.tag)?;
        assert_eq!(kind, INDEX);
        Some(serde_json::from_slice(&bytes).unwrap())
    }

    fn puts(&self) -> usize {
        let log = self.registry.take_log();
        log.iter().filter(|logged| logged.request.method == "PUT").count()
    }
}

#[test]
fn what_is_attached_is_found() {
    for (referrers, expected) in [
        (ReferrersApi::On, Indexed::ByRegistry),
        (ReferrersApi::Quiet, Indexed::ByRegistry),
        (ReferrersApi::Off, Indexed::UnderTag),
    ] {
        for page in [None, Some(1), Some(2)] {
            let scene = Scene::new(Settings { referrers, page, ..Settings::default() });
            assert!(scene.list(None).unwrap().manifests.is_empty());
            for text in ["a", "b", "c"] {
                assert_eq!(scene.attach(text).unwrap(), expected, "{referrers:?}");
            }
            let found = scene.list(None).unwrap();
            assert_eq!(found.api, referrers != ReferrersApi::Off);
            assert_eq!(found.manifests.len(), 3, "{referrers:?} {page:?}");
            if referrers != ReferrersApi::Quiet {
                assert_eq!(texts(&found.manifests), ["a", "b", "c"]);
                assert!(found.manifests.iter().all(|it| it.artifact_type.as_deref() == Some(TYPE)));
            }
            assert_eq!(scene.tagged().is_some(), expected == Indexed::UnderTag);
            scene.registry.assert_tags_complete();
        }
    }
}

#[test]
fn lists_are_filtered_by_whoever_can() {
    for (referrers, filters) in
        [(ReferrersApi::On, true), (ReferrersApi::On, false), (ReferrersApi::Off, true)]
    {
        let settings = Settings { referrers, filters, page: Some(2), ..Settings::default() };
        let scene = Scene::new(settings);
        for text in ["a", "b", "c"] {
            scene.attach_by(&open(), TYPE, text, 1).unwrap();
            scene.attach_by(&open(), OTHER_TYPE, &format!("other {text}"), 1).unwrap();
        }
        let list = |wanted| texts(&scene.list(wanted).unwrap().manifests);
        assert_eq!(list(Some(TYPE)), ["a", "b", "c"], "{referrers:?} {filters}");
        assert_eq!(list(Some(OTHER_TYPE)), ["other a", "other b", "other c"]);
        assert_eq!(list(Some("application/none")), [""; 0]);
        assert_eq!(list(None).len(), 6);
    }
}

#[test]
fn lists_and_tags_are_merged() {
    let scene = Scene::with_api(ReferrersApi::Off);
    for text in ["a", "b"] {
        scene.attach(text).unwrap();
    }
    let (_, index) = scene.registry.manifest("team/app", &scene.tag).unwrap();
    // A registry that has learned to list, with a tag from before, and one more in each.
    let later = Scene::with_api(ReferrersApi::On);
    assert_eq!(later.subject, scene.subject);
    for text in ["b", "c"] {
        assert_eq!(later.attach(text).unwrap(), Indexed::ByRegistry);
    }
    later.registry.put("team/app", &later.tag, INDEX, &index);
    let found = later.list(None).unwrap();
    assert!(found.api);
    assert_eq!(texts(&found.manifests), ["a", "b", "c"]);
    assert_eq!(texts(&later.list(Some(TYPE)).unwrap().manifests), ["a", "b", "c"]);
    assert!(later.list(Some(OTHER_TYPE)).unwrap().manifests.is_empty());
}

#[test]
fn what_is_not_an_answer_is_no_empty_list() {
    let scene = Scene::with_api(ReferrersApi::Off);
    scene.attach("before").unwrap();
    let before = scene.tagged();
    for (request, fault) in [
        ("/referrers/", Fault::Status(303, None)),
        ("/referrers/", Fault::Status(429, Some("0"))),
        ("/referrers/", Fault::Status(500, None)),
        ("/referrers/", Fault::Status(503, None)),
        ("/referrers/", Fault::Status(501, None)),
        ("/referrers/", Fault::Status(400, None)),
        ("/referrers/", Fault::Status(401, None)),
        ("/referrers/", Fault::Status(403, None)),
        ("/referrers/", Fault::Status(204, None)),
        ("/referrers/", Fault::Unheard),
        ("/manifests/sha256-", Fault::Status(429, Some("0"))),
        ("/manifests/sha256-", Fault::Status(500, None)),
        ("/manifests/sha256-", Fault::Status(302, None)),
        ("/manifests/sha256-", Fault::Status(403, None)),
        ("/manifests/sha256-", Fault::Unheard),
        ("/manifests/sha256-", Fault::Bytes(b"<html>".to_vec())),
        ("/manifests/sha256-", Fault::Break(10)),
    ] {
        scene.registry.fault(request, fault.clone(), 100);
        assert!(scene.list(None).is_err(), "{request} {fault:?}");
        assert!(scene.attach("new").is_err(), "{request} {fault:?}");
        scene.registry.heal();
        assert_eq!(scene.tagged(), before, "{request} {fault:?}: nothing was overwritten");
    }
}

#[test]
fn lists_that_are_none_are_no_empty_lists() {
    for fault in [
        Fault::Break(5),
        Fault::Bytes(b"<html>sign in</html>".to_vec()),
        Fault::Bytes(Vec::new()),
        Fault::Bytes(b"{}".to_vec()),
        Fault::Bytes(b"[]".to_vec()),
        Fault::Bytes(b"{\"errors\":[]}".to_vec()),
        Fault::Bytes(b"{\"manifests\":null}".to_vec()),
        Fault::Bytes(b"{\"manifests\":[{}]}".to_vec()),
        Fault::Bytes(vec![b' '; 5 << 20]),
    ] {
        // One that does not say that it lists is asked whether it does.
        let scene = Scene::with_api(ReferrersApi::Quiet);
        scene.registry.fault("/referrers/", fault.clone(), 100);
        assert!(scene.list(None).is_err(), "{fault:.60?}");
        assert!(scene.attach("new").is_err(), "{fault:.60?}");
        assert_eq!(scene.tagged(), None, "{fault:.60?}");
    }
}

/// A server that answers a list with so many redirects, and then with an empty list.
fn redirecting(to: &str, times: usize) -> HttpServer {
    let (to, left) = (to.to_owned(), AtomicUsize::new(times));
    HttpServer::start(move |request| {
        if !request.path.contains("/referrers/") {
            return Reply::status(404);
        }
        let less = |left: usize| left.checked_sub(1);
        if left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok() {
            return Reply::status(303).with("Location", &to);
        }
        let empty = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []});
        Reply::body(INDEX, empty.to_string().into_bytes())
    })
}

#[test]
fn lists_elsewhere_are_no_lists() {
    let scene = Scene::with_api(ReferrersApi::On);
    scene.attach("a").unwrap();
    scene.registry.take_log();
    let elsewhere = format!("http://{}/v2/team/app/referrers/x", scene.registry.name());
    let here = "/v2/team/app/referrers/again";
    for (to, times, is_list) in [
        (&*elsewhere, 100, false),
        (here, 100, false),
        ("file:///etc/passwd", 100, false),
        ("ftp://127.0.0.1/", 100, false),
        // Four attempts are made, and five redirects followed.
        (&*elsewhere, 3, true),
        (&*elsewhere, 4, false),
        (here, 5, true),
        (here, 6, false),
    ] {
        let server = redirecting(to, times);
        let name: ImageName = format!("{}/team/app", server.address()).parse().unwrap();
        let digest = scene.subject.digest;
        match with_watch(|watch| open().referrers(&name, digest, None, watch)) {
            Ok(list) => assert!(is_list && list.api, "{to} {times}"),
            Err(RegistryError::Remote(RemoteError::Redirect { .. })) => {
                assert!(!is_list, "{to} {times}");
            }
            Err(error) => panic!("{to} {times}: {error:?}"),
        }
    }
    assert!(scene.registry.take_log().is_empty(), "nobody asked there");
}

#[test]
fn pages_stay_at_the_registry() {
    let elsewhere = Registry::start(Auth::Open);
    let scene = Scene::with_api(ReferrersApi::On);
    scene.attach("a").unwrap();
    let link = format!("<http://{}/v2/x>; rel=\"next\"", elsewhere.name());
    scene.registry.fault("/referrers/", Fault::Header("Link", link), 100);
    let error = scene.list(None).unwrap_err();
    assert!(matches!(error, RegistryError::Remote(RemoteError::Protocol { .. })), "{error:?}");
    assert!(elsewhere.take_log().is_empty());
}

#[test]
fn other_things_under_the_tag_are_left_alone() {
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []});
    for (summary, kind, bytes) in [
        ("an image", MANIFEST, image().root),
        ("a list of Docker", media_type::DOCKER_INDEX, {
            let list =
                json!({"schemaVersion": 2, "mediaType": media_type::DOCKER_INDEX, "manifests": []});
            list.to_string().into_bytes()
        }),
        ("something", "text/plain", b"hello".to_vec()),
        ("an index that says that it is none", MANIFEST, index.to_string().into_bytes()),
        ("nothing", INDEX, Vec::new()),
        ("an index with bad entries", INDEX, {
            json!({"schemaVersion": 2, "manifests": [{"digest": 7}]}).to_string().into_bytes()
        }),
    ] {
        for referrers in [ReferrersApi::Off, ReferrersApi::On] {
            let scene = Scene::with_api(referrers);
            scene.registry.put("team/app", &scene.tag, kind, &bytes);
            let error = scene.list(None).unwrap_err();
            assert!(matches!(error, RegistryError::FallbackTag { .. }), "{summary}: {error:?}");
            if referrers == ReferrersApi::Off {
                let error = scene.attach("a").unwrap_err();
                assert!(matches!(error, RegistryError::FallbackTag { .. }), "{summary}: {error:?}");
            }
            let there = scene.registry.manifest("team/app", &scene.tag).unwrap();
            assert_eq!(there, (kind.to_owned(), bytes.clone()), "{summary}");
        }
    }
}

#[test]
fn what_others_wrote_badly_is_put_right() {
    let scene = Scene::with_api(ReferrersApi::Off);
    scene.attach("a").unwrap();
    let mut index = scene.tagged().unwrap();
    // What a widely used client writes: no annotations, and another type.
    index["manifests"][0]["artifactType"] = json!("application/vnd.oci.empty.v1+json");
    index["manifests"][0].as_object_mut().unwrap().remove("annotations");
    index["annotations"] = json!({"theirs": "kept"});
    scene.registry.put("team/app", &scene.tag, INDEX, index.to_string().as_bytes());
    assert!(scene.list(Some(TYPE)).unwrap().manifests.is_empty());
    scene.attach("a").unwrap();
    let found = scene.list(Some(TYPE)).unwrap();
    assert_eq!(texts(&found.manifests), ["a"]);
    assert_eq!(scene.tagged().unwrap()["annotations"], json!({"theirs": "kept"}));
}

#[test]
fn attaching_again_changes_nothing() {
    let scene = Scene::with_api(ReferrersApi::Off);
    scene.attach("a").unwrap();
    let first = scene.tagged();
    assert_eq!(scene.puts(), 2, "the manifest and the index");
    scene.attach("a").unwrap();
    assert_eq!(scene.puts(), 1, "the manifest");
    assert_eq!(scene.tagged(), first);
}

#[test]
fn many_at_once_are_one_change() {
    let scene = Scene::with_api(ReferrersApi::Off);
    let notes: Vec<Vec<u8>> =
        (0..12).map(|number| note(&scene.subject, TYPE, &format!("{number:02}"))).collect();
    let referrers: Vec<Referrer<'_>> =
        notes.iter().map(|bytes| Referrer { media_type: MANIFEST, bytes }).collect();
    let indexed =
        with_watch(|watch| open().push_referrers(&scene.name, &referrers, 1, watch)).unwrap();
    assert_eq!(indexed, [Indexed::UnderTag; 12]);
    assert_eq!(scene.puts(), 13);
    assert_eq!(scene.list(None).unwrap().manifests.len(), 12);
    assert!(
        with_watch(|watch| open().push_referrers(&scene.name, &[], 1, watch)).unwrap().is_empty()
    );
}

#[test]
fn registries_that_list_something_else_are_asked() {
    // It says that it has listed this, and names another image.
    let scene = Scene::with_api(ReferrersApi::Off);
    for header in [scene.tag.as_str(), "", "yes"] {
        let fault = Fault::Header("OCI-Subject", header.to_owned());
        scene.registry.fault("PUT ", fault, 1);
        assert_eq!(scene.attach(header).unwrap(), Indexed::UnderTag, "{header}");
    }
    assert_eq!(scene.list(None).unwrap().manifests.len(), 3);
}

#[test]
fn what_is_no_referrer_is_not_pushed() {
    let scene = Scene::with_api(ReferrersApi::Off);
    let root = image().root;
    let referrer = Referrer { media_type: MANIFEST, bytes: &root };
    let result = with_watch(|watch| open().push_referrer(&scene.name, referrer, 1, watch));
    assert!(matches!(result, Err(RegistryError::NotReferrer { .. })), "{result:?}");
    assert!(scene.registry.take_log().is_empty());
}

#[test]
fn versions_are_obeyed_where_there_are_any() {
    for etags in [Etags::Obeyed, Etags::Ignored, Etags::None] {
        let scene =
            Scene::new(Settings { etags, referrers: ReferrersApi::Off, ..Settings::default() });
        for text in ["a", "b"] {
            scene.attach(text).unwrap();
        }
        let log = scene.registry.take_log();
        let with_condition =
            log.iter().filter(|logged| !logged.request.header("if-match").is_empty()).count();
        assert_eq!(with_condition, usize::from(etags != Etags::None), "{etags:?}");
        // A version that was overtaken: the writer reads again.
        scene.registry.fault("PUT /v2/team/app/manifests/sha256-", Fault::Status(412, None), 3);
        scene.attach("c").unwrap();
        assert_eq!(texts(&scene.list(None).unwrap().manifests), ["a", "b", "c"]);
    }
}

#[test]
fn a_tag_whose_parts_are_not_seen_yet_is_written_again() {
    let put = "PUT /v2/team/app/manifests/sha256-";
    for code in ["MANIFEST_BLOB_UNKNOWN", "DIGEST_INVALID"] {
        let scene = Scene::with_api(ReferrersApi::Off);
        scene.registry.fault(put, Fault::Refuse(400, code), 3);
        scene.attach("a").unwrap();
        assert_eq!(texts(&scene.list(None).unwrap().manifests), ["a"], "{code}");
        scene.registry.fault(put, Fault::Refuse(400, code), usize::MAX);
        scene.registry.take_log();
        let error = scene.attach("b").unwrap_err();
        assert!(matches!(error, RegistryError::Incomplete { .. }), "{code}: {error:?}");
        assert!(scene.registry.take_log().len() < 40);
        assert_eq!(texts(&scene.list(None).unwrap().manifests), ["a"], "{code}");
    }
}

#[test]
fn who_always_loses_gives_up() {
    let scene = Scene::with_api(ReferrersApi::Off);
    // A registry that takes everything and keeps nothing.
    let put = "PUT /v2/team/app/manifests/sha256-";
    scene.registry.fault(put, Fault::Status(412, None), usize::MAX);
    let error = scene.attach("a").unwrap_err();
    assert!(matches!(error, RegistryError::Contended { .. }), "{error:?}");
    assert!(scene.registry.take_log().len() < 250);
}

/// Eight writers attach eight notes each to the same image.
fn attach_at_once(scene: &Scene, registries: &[Registries], notes: u64) {
    std::thread::scope(|scope| {
        for (writer, registries) in (0_u64..).zip(registries) {
            scope.spawn(move || {
                for number in 0..notes {
                    let text = format!("writer {writer} note {number}");
                    let seed = writer * 100 + number;
                    scene.attach_by(registries, TYPE, &text, seed).unwrap();
                }
            });
        }
    });
}

#[test]
fn writers_in_eight_processes_lose_nothing() {
    for (etags, latency) in [(Etags::None, 0), (Etags::None, 15), (Etags::Obeyed, 5)] {
        let scene = Scene::new(Settings {
            referrers: ReferrersApi::Off,
            etags,
            latency: Duration::from_millis(latency),
            ..Settings::default()
        });
        // Each with locks of its own, as in a process of its own.
        let writers: Vec<Registries> = (0..8).map(|_| open()).collect();
        attach_at_once(&scene, &writers, 1);
        let found = scene.list(None).unwrap();
        assert_eq!(found.manifests.len(), 8, "{etags:?} {latency}: {:?}", texts(&found.manifests));
        scene.registry.assert_tags_complete();
    }
}

#[test]
fn writers_in_one_process_need_not_race() {
    let scene = Scene::with_api(ReferrersApi::Off);
    let shared = open();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (scene, shared) = (&scene, &shared);
            scope.spawn(move || {
                scene.attach_by(shared, TYPE, &format!("{writer}"), writer).unwrap();
            });
        }
    });
    assert_eq!(texts(&scene.list(None).unwrap().manifests), ["0", "1", "2", "3"]);
    assert_eq!(scene.puts(), 8, "each manifest once, and the index once for each");
}

#[test]
fn attaching_converges_although_much_fails() {
    for (seed, referrers) in [
        (1, ReferrersApi::Off),
        (2, ReferrersApi::Off),
        (3, ReferrersApi::On),
        (4, ReferrersApi::Quiet),
    ] {
        let scene = Scene::with_api(referrers);
        scene.registry.misbehave(30, seed);
        let writers: Vec<Registries> = (0..4).map(|_| registries(20, Logins::default())).collect();
        attach_at_once(&scene, &writers, 1);
        scene.registry.heal();
        assert_eq!(scene.list(None).unwrap().manifests.len(), 4, "{referrers:?}");
        scene.registry.assert_tags_complete();
    }
}
