// SPDX-License-Identifier: Apache-2.0
//! Everything that a server can do wrong, over a real socket.
#![expect(clippy::unwrap_used, reason = "these are tests, their helpers too")]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use hardpan_remote::{
    Cancel, Client, Event, Fetched, FileSink, Job, MemorySink, Options, RemoteError, Request,
    Silent, Validators,
};
use hardpan_testkit::server::{Fault, LAST_MODIFIED, Logged, Server};
use hardpan_tree::Digest;

const LIMIT: u64 = 1 << 20;

fn options() -> Options {
    Options {
        connect_timeout: Duration::from_secs(5),
        // On a busy machine an answer may take a while, and whoever waits too little asks once more.
        read_timeout: Duration::from_secs(10),
        attempt_timeout: Duration::from_mins(1),
        attempts_max: 3,
        retry_delay: Duration::from_millis(2),
        retry_delay_max: Duration::from_millis(20),
        ..Options::default()
    }
}

fn client() -> Client {
    Client::new(options()).unwrap()
}

fn content() -> Vec<u8> {
    (0..300_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn server() -> Server {
    let files = [("file", content()), ("small", b"hello".to_vec()), ("empty", Vec::new())];
    Server::start(files.into_iter().map(|(n, b)| (n.to_owned(), b)).collect::<BTreeMap<_, _>>())
}

fn exactly(server: &Server, path: &str, bytes: &[u8]) -> Request {
    Request::exactly(&server.url(path), Digest::of(bytes), bytes.len() as u64).unwrap()
}

fn get(client: &Client, request: &Request) -> Result<Fetched, RemoteError> {
    client.get(request, &Silent, &Cancel::new())
}

fn bytes(fetched: Result<Fetched, RemoteError>) -> Vec<u8> {
    match fetched.unwrap() {
        Fetched::Fresh { bytes, digest, .. } => {
            assert_eq!(digest, Digest::of(&bytes));
            bytes
        }
        other => panic!("{other:?}"),
    }
}

/// Downloads into memory; returns the result and what the sink holds.
fn download(
    client: &Client,
    request: &Request,
    present: &[u8],
) -> (Result<(), RemoteError>, Vec<u8>) {
    let mut sink = MemorySink::new(present.to_vec());
    let result = client.download(request, &mut sink, &Silent, &Cancel::new());
    (result.map(|_| ()), sink.into_bytes())
}

fn ranges(log: &[Logged]) -> Vec<(&str, u16)> {
    log.iter().map(|logged| (logged.header("range"), logged.status)).collect()
}

#[test]
fn small_things_come_as_bytes() {
    let server = server();
    for path in ["small", "file", "empty"] {
        let request = Request::new(&server.url(path), LIMIT).unwrap();
        let expected = if path == "small" {
            b"hello".to_vec()
        } else if path == "file" {
            content()
        } else {
            vec![]
        };
        assert_eq!(bytes(get(&client(), &request)), expected);
        assert_eq!(bytes(get(&client(), &exactly(&server, path, &expected))), expected);
    }
    let log = server.take_log();
    assert!(log[0].header("user-agent").starts_with("hardpan/"));
    assert_eq!(log[0].header("accept-encoding"), "identity");
}

#[test]
fn what_is_current_is_not_sent_again() {
    let server = server();
    let request = Request::new(&server.url("small"), LIMIT).unwrap();
    let Fetched::Fresh { validators, .. } = get(&client(), &request).unwrap() else { panic!() };
    assert_eq!(validators.last_modified.as_deref(), Some(LAST_MODIFIED));
    let by_tag = Validators { last_modified: None, ..validators.clone() };
    let by_date = Validators { etag: None, ..validators.clone() };
    for validators in [validators, by_tag, by_date] {
        let request = Request { conditional: Some(validators), ..request.clone() };
        assert_eq!(get(&client(), &request).unwrap(), Fetched::NotModified);
    }
    let old = Validators { etag: Some("\"old\"".into()), last_modified: None };
    let request = Request { conditional: Some(old), ..request };
    assert_eq!(bytes(get(&client(), &request)), b"hello");
}

#[test]
fn answers_that_do_not_change_are_not_asked_for_again() {
    let server = server();
    for (status, message) in [
        (404, "not found"),
        (410, "not found"),
        (403, "the server answered with status 403"),
        (401, "the server answered with status 401"),
        (501, "the server answered with status 501"),
        (204, "the server answered with status 204"),
        (206, "the server answered with status 206"),
        (304, "the server answered with status 304"),
        (416, "the server answered with status 416"),
    ] {
        server.fault("small", Fault::Status(status, usize::MAX, None));
        let url = server.url("small");
        let error = get(&client(), &Request::new(&url, LIMIT).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), format!("{url}: {message}"));
        assert_eq!(server.take_log().len(), 1, "{status}");
        assert_eq!(error.is_not_found(), matches!(status, 404 | 410));
        server.heal("small");
    }
    let missing = Request::new(&server.url("missing"), LIMIT).unwrap();
    assert!(get(&client(), &missing).unwrap_err().is_not_found());
}

#[test]
fn passing_failures_are_tried_again() {
    let server = server();
    for fault in [
        Fault::Status(500, 2, None),
        Fault::Status(503, 2, Some("0")),
        Fault::Status(429, 2, Some("1000")),
        Fault::Status(408, 2, Some("Thu, 02 Jan 2025 00:00:00 GMT")),
        Fault::Close(2),
        Fault::Truncate(1, 2),
        Fault::HangAfter(1, 2),
    ] {
        server.fault("small", fault.clone());
        let request = Request::new(&server.url("small"), LIMIT).unwrap();
        let read_timeout =
            Duration::from_secs(if fault == Fault::HangAfter(1, 2) { 2 } else { 10 });
        let client = Client::new(Options { read_timeout, ..options() }).unwrap();
        let start = Instant::now();
        assert_eq!(bytes(get(&client, &request)), b"hello", "{fault:?}");
        // Not as long as a server that asks for a thousand seconds wants it.
        assert!(start.elapsed() < Duration::from_secs(30), "{fault:?}");
        assert_eq!(server.take_log().len(), 3, "{fault:?}");
        server.heal("small");
    }
}

#[test]
fn attempts_are_bounded_and_their_delays_known() {
    let server = server();
    server.fault("small", Fault::Status(500, usize::MAX, None));
    let request = Request::new(&server.url("small"), LIMIT).unwrap();
    let delays = Mutex::new(Vec::new());
    let observer = |event: &Event<'_>| {
        if let Event::Retrying { attempt, delay, .. } = event {
            delays.lock().unwrap().push((*attempt, *delay));
        }
    };
    let client = Client::new(Options { attempts_max: 6, ..options() }).unwrap();
    let error = client.get(&request, &observer, &Cancel::new()).unwrap_err();
    assert!(matches!(error, RemoteError::Status { status: 500, .. }));
    assert_eq!(server.take_log().len(), 6);
    let millis = |(attempt, delay): &(u32, Duration)| (*attempt, delay.as_millis());
    let delays: Vec<_> = delays.lock().unwrap().iter().map(millis).collect();
    assert_eq!(delays, [(2, 2), (3, 4), (4, 8), (5, 16), (6, 20)]);
}

#[test]
fn nothing_hangs() {
    let server = server();
    let once = Options { attempts_max: 1, ..options() };
    let client = Client::new(once.clone()).unwrap();
    // Of each only the time that is to pass is short.
    let silence = Options { read_timeout: Duration::from_millis(400), ..once.clone() };
    let whole = Options { attempt_timeout: Duration::from_millis(300), ..once.clone() };
    for (fault, phase, options) in [
        (Fault::Hang, "timeout", silence.clone()),
        (Fault::HangAfter(3, 9), "timeout", silence),
        (Fault::Drip(1, Duration::from_millis(100)), "timeout: the whole transfer", whole),
        (Fault::Garbage, "malformed", once),
    ] {
        server.fault("file", fault.clone());
        let start = Instant::now();
        let request = Request::new(&server.url("file"), LIMIT).unwrap();
        let error = get(&Client::new(options).unwrap(), &request).unwrap_err();
        assert!(error.to_string().contains(phase), "{fault:?}: {error}");
        assert!(start.elapsed() < Duration::from_secs(9), "{fault:?}");
        server.heal("file");
    }
    // Nobody listens there any more.
    let url = server.url("file");
    drop(server);
    let error = get(&client, &Request::new(&url, LIMIT).unwrap()).unwrap_err();
    assert!(matches!(error, RemoteError::Connect { .. }), "{error:?}");
}

#[test]
fn sizes_are_bounded() {
    let server = server();
    let url = server.url("file");
    let small = Request::new(&url, 1000).unwrap();
    let announced = get(&client(), &small).unwrap_err();
    assert_eq!(announced.to_string(), format!("{url}: larger than 1000 bytes"));
    for fault in [Fault::Endless, Fault::NoLength] {
        server.fault("file", fault.clone());
        let error = get(&client(), &small).unwrap_err();
        assert!(matches!(error, RemoteError::TooLarge { limit_bytes: 1000, .. }), "{fault:?}");
        let error =
            get(&client(), &Request { limit_bytes: LIMIT, ..exactly(&server, "file", b"hello") });
        assert!(matches!(error.unwrap_err(), RemoteError::SizeMismatch { expected_bytes: 5, .. }));
        server.heal("file");
    }
    assert_eq!(server.take_log().len(), 5, "no second attempts");
    // Without announced size the whole is still read.
    server.fault("file", Fault::NoLength);
    assert_eq!(bytes(get(&client(), &Request::new(&url, LIMIT).unwrap())), content());
}

#[test]
fn wrong_bytes_are_refused_and_removed() {
    let server = server();
    let mut wrong = content();
    wrong[7] ^= 1;
    let request = exactly(&server, "file", &content());
    for (body, kind) in [(wrong, "digest"), (b"short".to_vec(), "size"), (vec![0; 300_001], "size")]
    {
        server.fault("file", Fault::Body(body));
        let (result, left) = download(&client(), &request, b"");
        let error = result.unwrap_err();
        assert!(error.is_mismatch());
        assert_eq!(matches!(error, RemoteError::DigestMismatch { .. }), kind == "digest");
        assert_eq!((left.len(), server.take_log().len()), (0, 1));
        server.heal("file");
    }
}

#[test]
fn a_broken_download_goes_on_where_it_stopped() {
    let server = server();
    let request = exactly(&server, "file", &content());
    server.fault("file", Fault::Truncate(100_000, 2));
    let (result, left) = download(&client(), &request, b"");
    result.unwrap();
    assert_eq!(left, content());
    let log = server.take_log();
    assert_eq!(ranges(&log), [("", 200), ("bytes=100000-", 206), ("bytes=200000-", 206)]);
    // The server is asked to send the rest only of the same version.
    assert!(log[1].header("if-range").starts_with('"'));

    // What an earlier run left is continued, too.
    let (result, left) = download(&client(), &request, &content()[..1234]);
    result.unwrap();
    assert_eq!(left, content());
    assert_eq!(ranges(&server.take_log()), [("bytes=1234-", 206)]);

    // And what is complete is not asked for at all.
    let (result, left) = download(&client(), &request, &content());
    result.unwrap();
    assert_eq!((left, server.take_log().len()), (content(), 0));
}

#[test]
fn a_download_begins_again_if_it_can_not_go_on() {
    let server = server();
    let request = exactly(&server, "file", &content());
    let part = &content()[..1000];

    server.fault("file", Fault::NoRanges);
    let (result, left) = download(&client(), &request, part);
    result.unwrap();
    assert_eq!(left, content());
    assert_eq!(ranges(&server.take_log()), [("bytes=1000-", 200)]);
    server.heal("file");

    server.fault("file", Fault::WrongRange(5));
    let (result, left) = download(&client(), &request, part);
    result.unwrap();
    assert_eq!(left, content());
    assert_eq!(ranges(&server.take_log()), [("bytes=1000-", 206), ("", 200)]);
    server.heal("file");

    // The part is of another version: found out at the end, then all is fetched once more.
    let (result, left) = download(&client(), &request, &[0; 1000]);
    result.unwrap();
    assert_eq!(left, content());
    assert_eq!(ranges(&server.take_log()), [("bytes=1000-", 206), ("", 200)]);

    // More than there is, or as much but wrong.
    for present in [vec![0; 300_001], vec![0; 300_000]] {
        let (result, left) = download(&client(), &request, &present);
        result.unwrap();
        assert_eq!(left, content());
        assert_eq!(ranges(&server.take_log()), [("", 200)]);
    }

    // The file changed between two attempts.
    server.set_file("file", b"new".to_vec());
    let request = exactly(&server, "file", &content());
    let (result, left) = download(&client(), &request, part);
    assert!(matches!(result.unwrap_err(), RemoteError::SizeMismatch { .. }));
    assert_eq!(left, b"");
    assert_eq!(ranges(&server.take_log()), [("bytes=1000-", 416), ("", 200)]);
}

#[test]
fn without_a_digest_nothing_old_is_used() {
    let server = server();
    let request = Request::new(&server.url("file"), LIMIT).unwrap();
    let (result, left) = download(&client(), &request, &content()[..1000]);
    result.unwrap();
    assert_eq!(left, content());
    // But what came in this run is continued, as long as the version stays the same.
    server.fault("file", Fault::Truncate(100_000, 1));
    let (result, left) = download(&client(), &request, b"");
    result.unwrap();
    assert_eq!(left, content());
    assert_eq!(ranges(&server.take_log()), [("", 200), ("", 200), ("bytes=100000-", 206)]);
}

#[test]
fn files_keep_what_arrived() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.partial");
    let request = exactly(&server, "file", &content());
    server.fault("file", Fault::Truncate(50_000, usize::MAX));
    let one = Client::new(Options { attempts_max: 1, ..options() }).unwrap();
    let mut sink = FileSink::new(&path);
    let error = one.download(&request, &mut sink, &Silent, &Cancel::new()).unwrap_err();
    assert!(matches!(error, RemoteError::Interrupted { received_bytes: 50_000, .. }), "{error:?}");
    assert_eq!(std::fs::read(&path).unwrap(), &content()[..50_000]);
    server.heal("file");
    let mut sink = FileSink::new(&path);
    one.download(&request, &mut sink, &Silent, &Cancel::new()).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), content());
    // Wrong bytes leave no file.
    server.fault("file", Fault::Body(vec![1; 300_000]));
    std::fs::remove_file(&path).unwrap();
    let mut sink = FileSink::new(&path);
    assert!(one.download(&request, &mut sink, &Silent, &Cancel::new()).unwrap_err().is_mismatch());
    assert!(!path.exists());
    // A folder that is not there is the caller's problem, not the server's.
    server.heal("file");
    let mut sink = FileSink::new(folder.path().join("missing/file"));
    let error = one.download(&request, &mut sink, &Silent, &Cancel::new()).unwrap_err();
    assert!(matches!(error, RemoteError::Local { .. }));
    // An empty file is a file.
    let mut sink = FileSink::new(&path);
    let request = exactly(&server, "empty", b"");
    one.download(&request, &mut sink, &Silent, &Cancel::new()).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"");
}

#[test]
fn redirects_are_bounded() {
    let server = server();
    let request = |path: &str| Request::new(&server.url(path), LIMIT).unwrap();
    server.fault("a", Fault::Redirect(302, "small".into()));
    server.fault("b", Fault::Redirect(308, server.url("a")));
    assert_eq!(bytes(get(&client(), &request("b"))), b"hello");
    for (to, message) in [
        ("loop", "more than 5 redirects"),
        ("file:///etc/passwd", "redirect to a local file refused"),
        ("ftp://example.org/", "redirect to something that is no URL"),
        ("http://", "redirect to something that is no URL"),
    ] {
        server.fault("loop", Fault::Redirect(301, to.into()));
        let error = get(&client(), &request("loop")).unwrap_err();
        assert!(error.to_string().ends_with(message), "{error}");
        server.heal("loop");
    }
    // A redirect keeps the range.
    server.take_log();
    let (result, left) = download(
        &client(),
        &Request { url: request("b").url, ..exactly(&server, "small", b"hello") },
        b"he",
    );
    result.unwrap();
    assert_eq!(left, b"hello");
    assert_eq!(ranges(&server.take_log()).last(), Some(&("bytes=2-", 206)));
}

#[test]
fn credentials_are_sent_but_not_told() {
    let server = server();
    let url = format!("http://user:secret@{}/missing", server.address());
    let error = get(&client(), &Request::new(&url, LIMIT).unwrap()).unwrap_err();
    assert_eq!(error.to_string(), format!("http://{}/missing: not found", server.address()));
    assert!(!format!("{error:?}").contains("secret"));
    assert_eq!(server.take_log()[0].header("authorization"), "Basic dXNlcjpzZWNyZXQ=");
    let error = Request::new("htp://user:secret@host/x", 1).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secret"));
}

#[test]
fn many_downloads_run_at_once_in_any_order() {
    let files: BTreeMap<_, _> =
        (0..20_u8).map(|n| (format!("f{n}"), vec![n; 10_000 + usize::from(n)])).collect();
    let server = Server::start(files.clone());
    server.fault("f3", Fault::Truncate(5_000, 1));
    server.fault("f4", Fault::Status(503, 1, None));
    let mut sinks = vec![MemorySink::default(); files.len()];
    let jobs = files
        .iter()
        .zip(&mut sinks)
        .map(|((path, bytes), sink)| Job { request: exactly(&server, path, bytes), sink })
        .collect();
    let done = client().download_all(jobs, &Silent, &Cancel::new()).unwrap();
    let digests: Vec<_> = files.values().map(|bytes| Digest::of(bytes)).collect();
    assert_eq!(done.iter().map(|done| done.digest).collect::<Vec<_>>(), digests);
    assert!(files.values().zip(sinks).all(|(bytes, sink)| *bytes == sink.into_bytes()));
    assert!(client().download_all(Vec::new(), &Silent, &Cancel::new()).unwrap().is_empty());
}

#[test]
fn the_first_error_stops_the_others() {
    let files: BTreeMap<_, _> = (0..30_u8).map(|n| (format!("f{n:02}"), vec![n; 10_000])).collect();
    let server = Server::start(files.clone());
    server.remove_file("f01");
    for n in (0..30).filter(|n| *n != 1) {
        // Each of them takes twenty seconds.
        server.fault(&format!("f{n:02}"), Fault::Drip(100, Duration::from_millis(200)));
    }
    let mut sinks = vec![MemorySink::default(); files.len()];
    let jobs = files
        .iter()
        .zip(&mut sinks)
        .map(|((path, bytes), sink)| Job { request: exactly(&server, path, bytes), sink })
        .collect();
    let start = Instant::now();
    let client = Client::new(Options { parallel: 4, ..options() }).unwrap();
    let error = client.download_all(jobs, &Silent, &Cancel::new()).unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert!(start.elapsed() < Duration::from_secs(15));
    assert!(server.log().len() <= 8, "the rest is not even asked for");
}

#[test]
fn cancelling_stops() {
    let server = server();
    server.fault("file", Fault::Drip(100, Duration::from_millis(2)));
    let cancel = Cancel::new();
    let observer = |event: &Event<'_>| {
        if matches!(event, Event::Received { .. }) {
            cancel.cancel();
        }
    };
    let request = exactly(&server, "file", &content());
    let mut sink = MemorySink::default();
    let error = client().download(&request, &mut sink, &observer, &cancel).unwrap_err();
    assert!(error.is_cancelled());
    assert!(!sink.into_bytes().is_empty(), "what came is kept");
    // Also while waiting for the next attempt.
    let slow = Options {
        retry_delay: Duration::from_mins(1),
        retry_delay_max: Duration::from_mins(1),
        ..options()
    };
    server.fault("small", Fault::Status(500, usize::MAX, None));
    let cancel = Cancel::new();
    let observer = |_: &Event<'_>| cancel.cancel();
    let request = Request::new(&server.url("small"), LIMIT).unwrap();
    let start = Instant::now();
    let error = Client::new(slow).unwrap().get(&request, &observer, &cancel).unwrap_err();
    assert!(error.is_cancelled() && start.elapsed() < Duration::from_secs(5));
}

#[test]
fn local_files_have_the_same_limits() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a b"), "hello").unwrap();
    let url = |name: &str| format!("file://{}/{name}", folder.path().display());
    assert_eq!(bytes(get(&client(), &Request::new(&url("a%20b"), 5).unwrap())), b"hello");
    let error = get(&client(), &Request::new(&url("a%20b"), 4).unwrap()).unwrap_err();
    assert!(matches!(error, RemoteError::TooLarge { .. }));
    let error = get(&client(), &Request::new(&url("missing"), 4).unwrap()).unwrap_err();
    assert!(error.is_not_found());
    for special in [folder.path().display().to_string(), "/dev/zero".to_owned()] {
        let error = get(&client(), &Request::new(&format!("file://{special}"), 4).unwrap());
        assert!(matches!(error.unwrap_err(), RemoteError::Local { .. }), "{special}");
    }
    let exact = Request::exactly(&url("a%20b"), Digest::of(b"hello"), 5).unwrap();
    let (result, left) = download(&client(), &exact, b"he");
    result.unwrap();
    assert_eq!(left, b"hello");
    let wrong = Request::exactly(&url("a%20b"), Digest::of(b"other"), 5).unwrap();
    let (result, left) = download(&client(), &wrong, b"");
    assert!(result.unwrap_err().is_mismatch() && left.is_empty());
}

#[test]
fn options_are_checked() {
    let bad_proxy = Options {
        proxies: hardpan_remote::ProxyOptions {
            http: Some("gopher://user:secret@proxy".into()),
            ..Default::default()
        },
        ..options()
    };
    let error = Client::new(bad_proxy).unwrap_err();
    assert!(matches!(error, RemoteError::BadOption { option: "http proxy", .. }));
    assert!(!error.to_string().contains("secret"));
    for pem in ["", "nonsense", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"] {
        let roots = hardpan_remote::RootCertificates::Pem(pem.into());
        let error = Client::new(Options { roots, ..options() }).unwrap_err();
        assert!(
            matches!(error, RemoteError::BadOption { option: "root certificates", .. }),
            "{pem}"
        );
    }
}
