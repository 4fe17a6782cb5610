// SPDX-License-Identifier: Apache-2.0
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use hardpan_attest::Subject;
use hardpan_attest::key::service::{Header, Kind, Reply, Rules};
use hardpan_attest::key::{PrivateKey, Signer, sign_and_check};
use hardpan_attest::signature::{
    PAYLOAD_TYPE, SimpleSigning, pre_authentication_encoding, signature_statement,
};
use hardpan_image::{Descriptor, Index, canonical_json, media_type};
use hardpan_tree::Digest;
use serde_json::json;

use super::answer::Desk;
use super::layout::Roots;
use super::*;

fn key() -> PrivateKey {
    PrivateKey::generate(&mut |bytes| {
        bytes.fill(7);
        Ok(())
    })
    .unwrap()
}

fn statement(digest: Digest) -> Vec<u8> {
    signature_statement(vec![Subject::new("registry.example/app", digest)]).to_bytes()
}

fn message(digest: Digest) -> Vec<u8> {
    pre_authentication_encoding(PAYLOAD_TYPE, &statement(digest))
}

fn options(folder: &Path) -> ServiceOptions {
    ServiceOptions { socket: folder.join("signer.sock"), ..ServiceOptions::default() }
}

/// Runs a service while `ask` asks; returns what was written down.
fn with(service: Service, ask: impl FnOnce(&Path)) -> Vec<Audit> {
    let (stop, stopped) = UnixStream::pair().unwrap();
    let (key, log) = (key(), Mutex::new(Vec::new()));
    let socket = service.socket().to_owned();
    std::thread::scope(|scope| {
        let (service, stopped, log) = (&service, &stopped, &log);
        let running = scope.spawn(move || {
            let record = |audit: &Audit| {
                log.lock().unwrap().push(audit.clone());
                Ok(())
            };
            service.serve(&key, stopped, &record).unwrap();
        });
        let asked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| ask(&socket)));
        (&stop).write_all(b"x").unwrap();
        running.join().unwrap();
        asked.unwrap();
    });
    drop(service);
    assert!(!socket.exists(), "the socket goes away with the service");
    log.into_inner().unwrap()
}

#[test]
fn statements_and_signatures_of_images_are_signed() {
    let folder = tempfile::tempdir().unwrap();
    let digest = Digest::of(b"image");
    let simple = SimpleSigning { identity: "registry.example/app".to_owned(), digest }.to_bytes();
    let service = Service::listen(options(folder.path())).unwrap();
    let log = with(service, |socket| {
        assert_eq!(fs::metadata(socket).unwrap().permissions().mode() & 0o777, 0o600);
        let signer = connect(socket, None).unwrap();
        assert_eq!(signer.public_key(), key().public_key());
        // Far more than a socket's buffer holds.
        let long = json!({"_type": "https://in-toto.io/Statement/v1", "predicateType": "p",
            "subject": [Subject::new("", digest)], "predicate": "x".repeat(4 << 20)});
        let long = pre_authentication_encoding(PAYLOAD_TYPE, &canonical_json(&long));
        for message in [&message(digest), &simple, &long] {
            let signature = sign_and_check(&*signer, message).unwrap();
            assert_eq!(signature, key().sign(message).unwrap());
        }
        std::thread::scope(|scope| {
            for _ in 0..24 {
                scope.spawn(|| {
                    let signer = connect(socket, None).unwrap();
                    sign_and_check(&*signer, &message(digest)).unwrap();
                });
            }
        });
    });
    assert_eq!(log.len(), 27);
    let own = rustix::process::geteuid().as_raw();
    assert!(
        log.iter().all(|it| it.result == "signed" && it.peer.uid == own && it.reason.is_none())
    );
    assert!(log.iter().all(|it| it.subjects == [digest]));
    assert_eq!(log[0].payload, Some(Digest::of(&statement(digest))));
    assert_eq!(log[0].predicate_type.as_deref(), Some("https://sigstore.dev/cosign/sign/v1"));
    assert_eq!((log[0].kind, log[1].kind), (Some("statement"), Some("simple-signing")));
}

fn piece(bytes: &[u8]) -> Vec<u8> {
    let mut piece = Vec::new();
    write_piece(&mut piece, bytes).unwrap();
    piece
}

/// Sends bytes and returns the reason that comes back.
fn refusal(socket: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    // Who is refused early is not heard to the end.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let reply = read_piece(&mut stream, 1 << 16).unwrap();
    Reply::parse(&reply).unwrap_err().to_string()
}

#[test]
fn hostile_questions_are_refused_and_the_next_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let digest = Digest::of(b"image");
    let sign = Header::Sign { kind: Kind::Statement, layout: None }.to_bytes();
    let asked = |payload: &[u8]| [piece(&sign), piece(payload)].concat();
    let good = asked(&statement(digest));
    let no_subject =
        br#"{"_type":"https://in-toto.io/Statement/v1","predicateType":"p","subject":[]}"#;
    let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
    let cases: [(&[u8], &str); 13] = [
        (b"", "can't be read"),
        (b"\0\0", "can't be read"),
        (b"\xff\xff\xff\xff", "more than 32768"),
        (b"\0\0\0\x05abc", "can't be read"),
        (&piece(b"GET / HTTP/1.1"), "can't be read"),
        (&piece(br#"{"version":1,"ask":"signature","kind":"bytes"}"#), "can't be read"),
        (&piece(&sign), "can't be read"),
        (&[&piece(&sign)[..], b"\xff\xff\xff\xff"].concat(), "more than 41943040"),
        (&good[..good.len() - 1], "can't be read"),
        (&asked(b"not JSON"), "not an in-toto statement"),
        (&asked(no_subject), "no subject"),
        (&asked(&deep), "not an in-toto statement"),
        (&asked(&Digest::of(b"bytes").as_bytes()[..]), "not an in-toto statement"),
    ];
    let log = with(Service::listen(options(folder.path())).unwrap(), |socket| {
        for (bytes, expected) in cases {
            let reason = refusal(socket, bytes);
            assert!(reason.contains(expected), "{expected}: {reason}");
            let signer = connect(socket, None).unwrap();
            sign_and_check(&*signer, &message(digest)).unwrap();
        }
        // Gone before the answer.
        UnixStream::connect(socket).unwrap().write_all(&good).unwrap();
        sign_and_check(&*connect(socket, None).unwrap(), &message(digest)).unwrap();
    });
    assert_eq!(log.iter().filter(|it| it.result == "refused").count(), cases.len());
}

#[test]
fn nobody_holds_the_service_up() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::listen(options(folder.path())).unwrap();
    let log = with(service.with_time_max(Duration::from_secs(2)), |socket| {
        // As many as are taken at once, one of which sends a byte now and then.
        let mut idle: Vec<UnixStream> =
            (0..8).map(|_| UnixStream::connect(socket).unwrap()).collect();
        let started = Instant::now();
        let mut slow = idle[0].try_clone().unwrap();
        let dripping = std::thread::spawn(move || {
            while slow.write_all(b"\0").is_ok() {
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let signer = connect(socket, None).unwrap();
        sign_and_check(&*signer, &message(Digest::of(b"image"))).unwrap();
        assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
        dripping.join().unwrap();
        for stream in &mut idle {
            let _ = stream.read_to_end(&mut Vec::new());
        }
        // One is open when the service is stopped.
        std::mem::forget(UnixStream::connect(socket).unwrap());
    });
    assert_eq!(log.iter().filter(|it| it.result == "signed").count(), 1);
}

/// A stream that has a question, and takes the answer.
struct Wire(std::io::Cursor<Vec<u8>>, Vec<u8>);

impl Read for Wire {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn others_are_not_let_in_and_nothing_is_signed_unseen() {
    let question = || {
        let header = Header::Sign { kind: Kind::Statement, layout: None };
        let bytes = [piece(&header.to_bytes()), piece(&statement(Digest::of(b"image")))].concat();
        Wire(std::io::Cursor::new(bytes), Vec::new())
    };
    let (rules, roots, key) = (Rules::default(), Roots::default(), key());
    let ask = |uid: u32, record: &(dyn Fn(&Audit) -> io::Result<()> + Sync)| {
        let desk = Desk { signer: &key, uids: &[1000, 1001], rules: &rules, roots: &roots, record };
        let mut wire = question();
        desk.answer(Peer { uid, gid: 0, pid: 1 }, &mut wire);
        Reply::parse(&wire.1[4..]).map_err(|error| error.to_string())
    };
    let fine = |_: &Audit| Ok(());
    let full = |_: &Audit| Err(io::ErrorKind::StorageFull.into());
    assert!(matches!(ask(1001, &fine), Ok(Reply::Signature(_))));
    for (uid, record, expected) in [
        (0, &fine as &(dyn Fn(&Audit) -> io::Result<()> + Sync), "user 0 is not let in"),
        (65_534, &fine, "user 65534 is not let in"),
        (1001, &full, "can't write its log"),
        (0, &full, "user 0 is not let in"),
    ] {
        let error = ask(uid, record).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

/// Writes a layout with one image below an index, and returns the digests of both, and of its layer.
fn layout(folder: &Path) -> [Digest; 3] {
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let write = |kind: &str, bytes: &[u8]| {
        let digest = Digest::of(bytes);
        fs::write(blobs.join(digest.to_hex()), bytes).unwrap();
        Descriptor::new(kind, digest, bytes.len() as u64)
    };
    let config = write(media_type::CONFIG, br#"{"architecture":"amd64","os":"linux"}"#);
    let layer = write(media_type::LAYER_GZIP, b"layer");
    let manifest = json!({"schemaVersion": 2, "mediaType": media_type::MANIFEST,
        "config": config, "layers": [layer]});
    let manifest = write(media_type::MANIFEST, &canonical_json(&manifest));
    let index = Index::new(vec![manifest.clone()], std::collections::BTreeMap::new());
    let index = write(media_type::INDEX, &canonical_json(&index));
    let top = Index::new(vec![index.clone()], std::collections::BTreeMap::new());
    fs::write(folder.join("index.json"), canonical_json(&top)).unwrap();
    fs::write(folder.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    [index.digest, manifest.digest, layer.digest]
}

#[test]
fn only_what_is_in_a_layout_is_signed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let [index, manifest, layer] = layout(&at("images/out"));
    layout(&at("elsewhere"));
    symlink(at("elsewhere"), at("images/link")).unwrap();
    let lost = layout(&at("images/lost"))[2];
    fs::remove_file(at("images/lost/blobs/sha256").join(lost.to_hex())).unwrap();
    layout(&at("images/changed"));
    fs::write(at("images/changed/blobs/sha256").join(manifest.to_hex()), b"{}").unwrap();
    let roots = Roots::open(&[at("images")]).unwrap();
    let check =
        |path: &str, subjects: &[Digest]| roots.check(Some(at(path).to_str().unwrap()), subjects);
    assert_eq!(check("images/out", &[index, manifest]), Ok(()));
    assert_eq!(check("images/../images/out/", &[manifest]), Ok(()));
    assert_eq!(Roots::default().check(None, &[Digest::of(b"any")]), Ok(()));
    for (path, subjects, expected) in [
        ("images/out", &[Digest::of(b"other")][..], "is no image of the layout"),
        ("images/out", &[index, Digest::of(b"other")], "is no image of the layout"),
        ("images/out", &[layer], "is no image of the layout"),
        ("elsewhere", &[index], "is not where it looks"),
        ("images/link", &[index], "is not where it looks"),
        ("images/../elsewhere", &[index], "is not where it looks"),
        ("images", &[index], "can't be looked into"),
        ("images/missing", &[index], "can't be looked into"),
        ("images/lost", &[manifest], "can't be looked into"),
        ("images/changed", &[manifest], "can't be looked into"),
    ] {
        let error = check(path, subjects).unwrap_err();
        assert!(error.contains(expected), "{path}: {error}");
    }
    assert!(roots.check(None, &[index]).unwrap_err().contains("none is named"));
    assert!(matches!(Roots::open(&[at("nowhere")]), Err(ServeError::Root { .. })));
    // And the same through the socket.
    let options = ServiceOptions { layout_roots: vec![at("images")], ..options(folder.path()) };
    let log = with(Service::listen(options).unwrap(), |socket| {
        let path = at("images/out");
        let signer = connect(socket, Some(&path)).unwrap();
        sign_and_check(&*signer, &message(index)).unwrap();
        assert!(signer.sign(&message(Digest::of(b"other"))).is_err());
        assert!(connect(socket, None).unwrap().sign(&message(index)).is_err());
    });
    let results: Vec<&str> = log.iter().map(|it| it.result).collect();
    assert_eq!(results, ["signed", "refused", "refused"]);
}

/// Listens once nobody else does. What another test starts has a socket that is closed here until it is another program.
fn listen_when_free(folder: &Path) -> Service {
    let start = Instant::now();
    loop {
        match Service::listen(options(folder)) {
            Err(ServeError::InUse(_)) if start.elapsed() < Duration::from_secs(5) => {
                std::thread::sleep(Duration::from_millis(100));
            }
            service => return service.unwrap(),
        }
    }
}

#[test]
fn the_socket_is_one_service_s() {
    let folder = tempfile::tempdir().unwrap();
    let socket: PathBuf = folder.path().join("signer.sock");
    let shared = ServiceOptions { allowed_uids: vec![65_534], ..options(folder.path()) };
    let service = Service::listen(shared).unwrap();
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o660);
    let second = Service::listen(options(folder.path()));
    assert!(matches!(second, Err(ServeError::InUse(_))), "{second:?}");
    assert!(socket.exists());
    // Somebody else has the name by now.
    fs::remove_file(&socket).unwrap();
    let other = UnixListener::bind(&socket).unwrap();
    drop(service);
    assert!(socket.exists());
    // What a killed service leaves.
    drop(other);
    drop(listen_when_free(folder.path()));
    assert!(!socket.exists());
    fs::write(&socket, "mine").unwrap();
    let error = Service::listen(options(folder.path())).unwrap_err();
    assert!(matches!(error, ServeError::NotASocket(_)), "{error}");
    assert_eq!(fs::read(&socket).unwrap(), b"mine");
    let nowhere =
        ServiceOptions { socket: folder.path().join("no/s"), ..ServiceOptions::default() };
    assert!(matches!(Service::listen(nowhere), Err(ServeError::Socket { .. })));
    let error = connect(&folder.path().join("no.sock"), None).err().unwrap();
    assert!(matches!(error, ServiceError::Io(_)), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing temporary is left");
}
