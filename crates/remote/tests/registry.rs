// SPDX-License-Identifier: Apache-2.0
//! Pulling from a registry that wants logins, redirects, lies and breaks.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::time::Duration;

use hardpan_image::ImageName;
use hardpan_remote::registry::{
    HelperReply, Logins, Mirror, Registries, RegistryError, RegistryOptions, Watch,
};
use hardpan_remote::{Cancel, Client, MemorySink, Options, RemoteError, Silent};
use hardpan_testkit::oci::{Layer, MANIFEST, OciImage, Tar};
use hardpan_testkit::registry::{Auth, Fault, Registry};
use hardpan_tree::Digest;

/// `user:secret`
const LOGIN: &str = "Basic dXNlcjpzZWNyZXQ=";

fn image() -> OciImage {
    let tar = Tar::default().file("etc/motd", &vec![b'x'; 100_000]).end();
    OciImage::new("amd64", &[Layer::plain(tar)], &[])
}

fn registries(logins: Logins, options: RegistryOptions) -> Registries {
    let client = Client::new(Options {
        retry_delay: Duration::from_millis(1),
        retry_delay_max: Duration::from_millis(50),
        ..Options::default()
    });
    Registries::new(client.unwrap(), options, logins)
}

fn logins(registry: &Registry, entry: &str) -> Logins {
    let mut logins = Logins::default();
    let text = format!(r#"{{"auths": {{"{}": {entry}}}}}"#, registry.name());
    logins.add_file("/home/user/.docker/config.json", text.as_bytes());
    logins
}

/// Pulls the image's manifest and its largest blob.
fn pull(registries: &Registries, name: &str, image: &OciImage) -> Result<(), RegistryError> {
    let (observer, cancel) = (Silent, Cancel::new());
    let watch = Watch { observer: &observer, cancel: &cancel };
    let name: ImageName = name.parse().unwrap();
    let document = registries.document(&name, watch)?;
    assert_eq!((document.digest, document.media_type), (image.digest(), MANIFEST));
    let (digest, blob) = image.blobs.iter().max_by_key(|(_, blob)| blob.len()).unwrap();
    let mut sink = MemorySink::default();
    registries.blob(&name, *digest, blob.len() as u64, &mut sink, watch)?;
    assert_eq!(sink.into_bytes(), *blob);
    Ok(())
}

fn everything_said(error: &RegistryError) -> String {
    let first: &(dyn std::error::Error + 'static) = error;
    let causes = std::iter::successors(Some(first), |error| error.source());
    causes.map(|cause| format!("{cause} {cause:?}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn open_registries_are_asked_for_nothing() {
    let (registry, image) = (Registry::start(Auth::Open), image());
    let name = registry.add("team/app", "1", &image);
    let registries = registries(Logins::default(), RegistryOptions::default());
    pull(&registries, &name, &image).unwrap();
    pull(&registries, name.split('@').next().unwrap(), &image).unwrap();
    let log = registry.take_log();
    assert_eq!(log.len(), 4);
    assert!(log[0].request.header("accept").contains("vnd.oci.image.index"));
    assert!(log.iter().all(|logged| logged.request.header("authorization").is_empty()));
    assert!(log[0].request.path.ends_with(&image.digest().to_string()), "by digest, not by tag");
}

#[test]
fn registries_let_in_who_logs_in() {
    let password = r#"{"auth": "dXNlcjpzZWNyZXQ="}"#;
    let identity = r#"{"identitytoken": "i-am-me"}"#;
    let token = |basic, identity| Auth::Token { basic, identity, uses: 100 };
    for (auth, entry, is_let_in) in [
        (Auth::Basic(LOGIN), password, true),
        (Auth::Basic(LOGIN), r#"{"auth": "dXNlcjp3cm9uZw=="}"#, false),
        (Auth::Basic(LOGIN), "{}", false),
        (Auth::Basic(LOGIN), identity, false),
        (token(None, None), "{}", true),
        (token(Some(LOGIN), None), password, true),
        (token(Some(LOGIN), None), "{}", false),
        (token(None, Some("i-am-me")), identity, true),
        (token(None, Some("i-am-somebody-else")), identity, false),
        (Auth::Nobody, password, false),
        (Auth::Nobody, "{}", false),
    ] {
        let (registry, image) = (Registry::start(auth.clone()), image());
        registry.redirect_blobs();
        let name = registry.add("team/app", "1", &image);
        let registries = registries(logins(&registry, entry), RegistryOptions::default());
        let pulled = pull(&registries, &name, &image);
        assert_eq!(pulled.is_ok(), is_let_in, "{auth:?} {entry}: {pulled:?}");
        let log = registry.take_log();
        assert!(log.len() < 10, "{auth:?} {entry}: {} requests", log.len());
        let storage = log.iter().filter(|logged| logged.is_storage).collect::<Vec<_>>();
        assert!(storage.iter().all(|logged| logged.request.header("authorization").is_empty()));
        if let Err(error) = pulled {
            let RegistryError::Denied(denial) = &error else { panic!("{error:?}") };
            assert_eq!(denial.login.is_some(), entry != "{}");
            assert_eq!(denial.looked, ["/home/user/.docker/config.json"]);
            assert_eq!(denial.repository, "team/app");
            let said = everything_said(&error);
            for secret in ["secret", "dXNlcjp", "i-am-me", "wrong", "token-"] {
                assert!(!said.contains(secret), "{secret}: {said}");
            }
        } else {
            assert_eq!(storage.len(), 1);
        }
    }
}

#[test]
fn registries_that_hide_what_is_private_are_told() {
    let (registry, image) = (Registry::start(Auth::Hidden(LOGIN)), image());
    let name = registry.add("app", "1", &image);
    let with = |entry: &str| registries(logins(&registry, entry), RegistryOptions::default());
    pull(&with(r#"{"auth": "dXNlcjpzZWNyZXQ="}"#), &name, &image).unwrap();
    let log = registry.take_log();
    let paths: Vec<&str> = log.iter().map(|logged| logged.request.path.as_str()).collect();
    assert_eq!((paths[1], paths.len()), ("/v2/", 4), "{paths:?}");
    // Who has no login hears what the registry says, and so does whom it does not know.
    assert!(pull(&with("{}"), &name, &image).unwrap_err().is_not_found());
    assert_eq!(registry.take_log().len(), 1);
    assert!(
        pull(&with(r#"{"auth": "dXNlcjp3cm9uZw=="}"#), &name, &image).unwrap_err().is_not_found()
    );
    assert_eq!(registry.take_log().len(), 3);
}

#[test]
fn where_a_storage_is_stays_a_secret() {
    let (registry, image) = (Registry::start(Auth::Open), image());
    let name = registry.add("app", "1", &image);
    registry.redirect_blobs();
    let registries = registries(Logins::default(), RegistryOptions::default());
    for target in [
        "http://127.0.0.1:1/blob?signature=hunter2",
        "ftp://127.0.0.1/blob?signature=hunter2",
        "file:///etc/passwd?hunter2",
    ] {
        registry.fault("/blobs/", Fault::Header("Location", target.to_owned()), 4);
        let error = pull(&registries, &name, &image).unwrap_err();
        let said = everything_said(&error);
        assert!(!said.contains("hunter2") && said.contains("/v2/app/blobs/"), "{said}");
        registry.heal();
    }
}

#[test]
fn credential_helpers_are_asked() {
    let (registry, image) = (Registry::start(Auth::Basic(LOGIN)), image());
    let name = registry.add("app", "1", &image);
    let server = registry.name();
    let mut logins = Logins::new(move |helper, asked| {
        assert_eq!((helper, asked), ("vault", server.as_str()));
        Ok(HelperReply::Output(br#"{"Username":"user","Secret":"secret"}"#.to_vec()))
    });
    logins.add_file("config.json", br#"{"credsStore": "vault"}"#);
    pull(&registries(logins, RegistryOptions::default()), &name, &image).unwrap();

    let mut logins = Logins::new(|_, _| Err("docker-credential-vault is not there".to_owned()));
    logins.add_file("config.json", br#"{"credsStore": "vault"}"#);
    let error = pull(&registries(logins, RegistryOptions::default()), &name, &image).unwrap_err();
    let RegistryError::Denied(denial) = error else { panic!("{error:?}") };
    assert_eq!(denial.login, None);
    assert_eq!(denial.problems, ["docker-credential-vault is not there"]);
}

#[test]
fn tokens_are_kept_and_renewed() {
    let auth = |uses| Auth::Token { basic: None, identity: None, uses };
    for (uses, tokens) in [(100, 1), (2, 3), (1, 6)] {
        let (registry, image) = (Registry::start(auth(uses)), image());
        let name = registry.add("app", "1", &image);
        let registries = registries(Logins::default(), RegistryOptions::default());
        for _ in 0..3 {
            pull(&registries, &name, &image).unwrap();
        }
        let log = registry.take_log();
        let asked: Vec<_> = log.iter().filter(|l| l.request.path == "/token").collect();
        assert_eq!(asked.len(), tokens, "{uses} uses");
        assert_eq!(asked[0].request.query, "service=test%20registry&scope=repository:app:pull");
    }
}

#[test]
fn many_transfers_share_a_token() {
    let auth = Auth::Token { basic: None, identity: None, uses: 100 };
    let (registry, image) = (Registry::start(auth), image());
    let name = registry.add("app", "1", &image);
    let registries = registries(Logins::default(), RegistryOptions::default());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| pull(&registries, &name, &image).unwrap());
        }
    });
    let log = registry.take_log();
    assert_eq!(log.iter().filter(|l| l.request.path == "/token").count(), 1);
}

#[test]
fn faults_that_pass_are_waited_for() {
    for (path, fault) in [
        ("/manifests/", Fault::Status(429, Some("0"))),
        ("/manifests/", Fault::Status(503, None)),
        ("/token", Fault::Status(500, None)),
        ("/blobs/", Fault::Status(500, None)),
        ("/blobs/", Fault::Break(40_000)),
        ("/manifests/", Fault::Break(10)),
    ] {
        let auth = Auth::Token { basic: None, identity: None, uses: 100 };
        let (registry, image) = (Registry::start(auth), image());
        let name = registry.add("app", "1", &image);
        registry.fault(path, fault.clone(), 2);
        let registries = registries(Logins::default(), RegistryOptions::default());
        pull(&registries, &name, &image).unwrap_or_else(|error| panic!("{fault:?}: {error:?}"));
        if fault == Fault::Break(40_000) {
            let log = registry.take_log();
            assert!(log.iter().any(|l| l.request.header("range") == "bytes=40000-"), "continued");
        }
    }
}

/// A path, what is wrong there, and whether an error is about that.
type Lie = (&'static str, Fault, fn(&RegistryError) -> bool);

#[test]
fn lies_are_found_out() {
    let other = Digest::of(b"other").to_string();
    let cases: [Lie; 10] = [
        ("/manifests/", Fault::Bytes(br#"{"schemaVersion":2}"#.to_vec()), is_digest),
        ("/manifests/", Fault::Header("Docker-Content-Digest", other), is_digest),
        ("/manifests/", Fault::Header("Docker-Content-Digest", "sha256:0".into()), |error| {
            matches!(error, RegistryError::Remote(RemoteError::Protocol { .. }))
        }),
        ("/manifests/", Fault::Bytes(vec![b' '; (4 << 20) + 1]), |error| {
            matches!(error, RegistryError::Remote(RemoteError::TooLarge { .. }))
        }),
        (
            "/manifests/",
            Fault::Header("Content-Type", "application/vnd.oci.image.index.v1+json".into()),
            |error| matches!(error, RegistryError::Document { .. }),
        ),
        ("/blobs/", Fault::Bytes(vec![b'y'; 102_400]), |error| error.is_trust()),
        ("/blobs/", Fault::Bytes(b"short".to_vec()), |error| error.is_trust()),
        ("/blobs/", Fault::Status(404, None), RegistryError::is_not_found),
        ("/token", Fault::Bytes(b"<html>".to_vec()), |error| {
            matches!(error, RegistryError::BadToken { .. })
        }),
        ("/token", Fault::Status(404, None), |error| matches!(error, RegistryError::Token { .. })),
    ];
    for (path, fault, is_expected) in cases {
        let auth = Auth::Token { basic: None, identity: None, uses: 100 };
        let (registry, image) = (Registry::start(auth), image());
        let name = registry.add("app", "1", &image);
        registry.fault(path, fault.clone(), 100);
        let registries = registries(Logins::default(), RegistryOptions::default());
        let error = pull(&registries, &name, &image).unwrap_err();
        assert!(is_expected(&error), "{path} {fault:.100?}: {error:?}");
    }
}

fn is_digest(error: &RegistryError) -> bool {
    matches!(error, RegistryError::Remote(RemoteError::DigestMismatch { .. }))
}

#[test]
fn schema_one_is_refused_with_words() {
    let registry = Registry::start(Auth::Open);
    let old = OciImage {
        root: br#"{"schemaVersion":1,"name":"app","fsLayers":[],"history":[]}"#.to_vec(),
        media_type: "application/vnd.docker.distribution.manifest.v1+prettyjws".into(),
        ..OciImage::default()
    };
    let name = registry.add("app", "1", &old);
    let registries = registries(Logins::default(), RegistryOptions::default());
    let error = pull(&registries, &name, &old).unwrap_err();
    assert!(everything_said(&error).contains("schema 1") && !error.is_trust(), "{error:?}");
}

#[test]
fn realms_that_leak_are_not_asked() {
    let (registry, image) = (Registry::start(Auth::Nobody), image());
    let name = registry.add("app", "1", &image);
    for realm in ["file:///etc/passwd", "not a url", "ftp://127.0.0.1/"] {
        let header = format!("Bearer realm=\"{realm}\"");
        registry.fault("/manifests/", Fault::Header("WWW-Authenticate", header), 1);
        let registries = registries(Logins::default(), RegistryOptions::default());
        let error = pull(&registries, &name, &image).unwrap_err();
        assert!(matches!(error, RegistryError::Realm { .. }), "{realm}: {error:?}");
    }
}

#[test]
fn mirrors_are_asked_in_place_of_others() {
    let (registry, image) = (Registry::start(Auth::Open), image());
    registry.add("copies/team/app", "1", &image);
    let to = format!("{}/copies", registry.name());
    let mirrors = vec![Mirror { from: "registry.example".into(), to }];
    let options = RegistryOptions { plain_http: Vec::new(), mirrors };
    pull(&registries(Logins::default(), options), "registry.example/team/app:1", &image).unwrap();
}

#[test]
fn a_transfer_can_be_cancelled() {
    let (registry, image) = (Registry::start(Auth::Open), image());
    let name = registry.add("app", "1", &image);
    let registries = registries(Logins::default(), RegistryOptions::default());
    let (observer, cancel) = (Silent, Cancel::new());
    cancel.cancel();
    let watch = Watch { observer: &observer, cancel: &cancel };
    let error = registries.document(&name.parse().unwrap(), watch).unwrap_err();
    assert!(error.is_cancelled());
    assert!(registry.take_log().is_empty());
}
