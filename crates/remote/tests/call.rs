// SPDX-License-Identifier: Apache-2.0
//! Questions in JSON, over a real socket.
#![expect(clippy::unwrap_used, reason = "these are tests, their helpers too")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hardpan_remote::{Authorization, Call, Cancel, Client, Options, RemoteError, Silent};
use hardpan_testkit::http::{HttpServer, Reply, Request};

const TOKEN: &[u8] = b"s.hunter2";

fn client() -> Client {
    Client::new(Options {
        attempts_max: 3,
        retry_delay: Duration::from_millis(2),
        ..Options::default()
    })
    .unwrap()
}

fn ask(url: &str, body: Option<&[u8]>) -> Result<Vec<u8>, RemoteError> {
    let mut call = Call::new(url, body.map(<[u8]>::to_vec), 1000)?;
    call.authorization = Authorization::bearer(TOKEN);
    assert!(!format!("{call:?}").contains("hunter2"));
    client().call(&call, &Silent, &Cancel::new())
}

fn json(status: u16, text: &str) -> Reply {
    Reply { status, ..Reply::body("application/json", text.into()) }
}

#[test]
fn questions_and_answers() {
    let seen: Arc<Mutex<Vec<Request>>> = Arc::default();
    let log = Arc::clone(&seen);
    let server = HttpServer::start(move |request| {
        let attempt = log.lock().unwrap().len();
        log.lock().unwrap().push(request);
        if attempt == 0 { json(503, "{}") } else { json(200, "{\"a\":1}") }
    });
    let url = format!("http://{}/v1/x", server.address());
    assert_eq!(ask(&url, None).unwrap(), b"{\"a\":1}");
    assert_eq!(ask(&url, Some(b"{\"b\":2}")).unwrap(), b"{\"a\":1}");
    let seen = seen.lock().unwrap();
    let methods: Vec<&str> = seen.iter().map(|request| request.method.as_str()).collect();
    assert_eq!(methods, ["GET", "GET", "POST"], "what may pass is tried again");
    assert!(seen.iter().all(|request| request.header("authorization") == "Bearer s.hunter2"));
    assert_eq!((seen[2].body.as_slice(), seen[2].path.as_str()), (&b"{\"b\":2}"[..], "/v1/x"));
    assert_eq!(seen[2].header("content-type"), "application/json");
}

#[test]
fn answers_that_are_errors() {
    let other = Arc::new(Mutex::new(0));
    let asked = Arc::clone(&other);
    let elsewhere = HttpServer::start(move |_| {
        *asked.lock().unwrap() += 1;
        json(200, "{}")
    });
    let target = format!("http://{}/", elsewhere.address());
    let server = HttpServer::start(move |request| match request.path.as_str() {
        "/400" => json(400, "{\"errors\":[\"bad\"]}"),
        "/403" => json(403, "{}"),
        "/404" => json(404, "{}"),
        "/500" => json(500, "{}"),
        "/long" => json(200, &"x".repeat(1001)),
        "/lost" => Reply { is_lost: true, ..Reply::default() },
        _ => Reply::status(307).with("Location", &target),
    });
    let at = |path: &str| ask(&format!("http://{}/{path}", server.address()), Some(b"{}"));
    // It is an answer, whose reason the caller knows to read.
    assert_eq!(at("400").unwrap(), b"{\"errors\":[\"bad\"]}");
    for (path, expected) in [
        ("403", "status 403"),
        ("404", "not found"),
        ("500", "status 500"),
        ("long", "larger than 1000 bytes"),
        ("lost", ""),
        ("307", "redirects to another server"),
    ] {
        let error = at(path).unwrap_err();
        assert!(error.to_string().contains(expected), "{path}: {error}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
    assert_eq!(*other.lock().unwrap(), 0, "nobody else hears who asks");
    let error = ask("http://vault.example:8200/v1/x", None).unwrap_err().to_string();
    assert!(error.contains("without TLS"), "{error}");
    assert!(ask("file:///etc/passwd", None).is_err());
    assert!(ask("ftp://a.example/", None).is_err());
}
