// SPDX-License-Identifier: Apache-2.0
//! Debian's own archive and keys, as this machine finds them. Skipped where they are not.
#![expect(clippy::print_stderr, reason = "a skipped test says so")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hardpan_package::deb::archive::{
    Fetch, FetchError, FetchRequest, load_packages, load_release, verify_inrelease,
};
use hardpan_package::deb::sources::{self, Source, mirror_of};
use hardpan_package::openpgp::Keyring;

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// The check time: `Valid-Until` is not a matter of this test, and it must not depend on the day.
const OPTIONS: &str = "[check-valid-until=no]";

/// Fetches by plain HTTP/1.1; remembers what it got.
#[derive(Default)]
struct Plain {
    got: RefCell<BTreeMap<String, Vec<u8>>>,
}

impl Fetch for Plain {
    fn get(&self, request: &FetchRequest<'_>) -> Result<Vec<u8>, FetchError> {
        let bytes = fetch(request.url, request.limit_bytes)
            .map_err(|error| FetchError::Failed(error.into()))?
            .ok_or(FetchError::NotFound)?;
        self.got.borrow_mut().insert(request.url.to_owned(), bytes.clone());
        Ok(bytes)
    }
}

/// Fetches, three times at most: a network may have a hiccup.
fn fetch(url: &str, limit_bytes: u64) -> std::io::Result<Option<Vec<u8>>> {
    for seconds in [1, 3] {
        match fetch_once(url, limit_bytes) {
            Err(_) => std::thread::sleep(Duration::from_secs(seconds)),
            fetched => return fetched,
        }
    }
    fetch_once(url, limit_bytes)
}

fn fetch_once(url: &str, limit_bytes: u64) -> std::io::Result<Option<Vec<u8>>> {
    let other = |problem: &str| std::io::Error::other(problem.to_owned());
    let rest = url.strip_prefix("http://").ok_or_else(|| other("not plain http"))?;
    let (host, path) = rest.split_once('/').ok_or_else(|| other("no path"))?;
    let target = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let address = target.to_socket_addrs()?.next().ok_or_else(|| other("no address"))?;
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(limit_bytes + 65_536).read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").ok_or_else(|| other("no head"))?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    if head.to_ascii_lowercase().contains("transfer-encoding") {
        return Err(other("this simple client knows no chunks"));
    }
    match head.split(' ').nth(1) {
        Some("200") => Ok(Some(answer.split_off(end + 4))),
        Some("404") => Ok(None),
        _ => Err(other(&head)),
    }
}

/// Returns the texts of this machine's apt sources.
fn host_sources() -> Vec<String> {
    let mut paths = vec!["/etc/apt/sources.list".into()];
    if let Ok(folder) = std::fs::read_dir("/etc/apt/sources.list.d") {
        paths.extend(folder.flatten().map(|entry| entry.path()));
    }
    paths.sort();
    paths.into_iter().filter_map(|path| std::fs::read_to_string(path).ok()).collect()
}

/// Returns the source and the keyring to check it with, or why there is none.
fn setup(suite: &str) -> Result<(Source, Keyring), String> {
    let keyring = std::fs::read(KEYRING).map_err(|error| format!("{KEYRING}: {error}"))?;
    let keyring = Keyring::parse(&keyring).expect("Debian's keyring is well formed");
    let texts = host_sources();
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    let uri = mirror_of(suite, &texts).ok_or("the apt sources name no archive of Debian")?;
    let line = format!("deb {OPTIONS} {uri} {suite} main");
    let source = sources::parse(&line).into_result().expect("a source of a known URI").remove(0);
    fetch(&source.suite_url("InRelease"), 1 << 20)
        .map_err(|error| format!("the mirror does not answer: {error}"))?
        .ok_or("the mirror does not have the suite")?;
    Ok((source, keyring))
}

fn check(suite: &str, signatures: usize) {
    let (source, keyring) = match setup(suite) {
        Ok(setup) => setup,
        Err(reason) => {
            eprintln!("skipped: {suite} is not verified, because {reason}");
            return;
        }
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs();
    let now = i64::try_from(now).expect("it is before the end of time");
    let fetch = Plain::default();
    let signed = load_release(&fetch, &source, &keyring, now).expect("the archive is signed");
    assert_eq!(signed.release.codename.as_deref(), Some(suite));
    assert!(signed.evidence.signatures.len() >= signatures, "{:?}", signed.evidence);
    let subkeys = signed.evidence.signatures.iter().filter(|s| s.subkey.is_some()).count();
    assert!(subkeys >= 1, "Debian signs with subkeys: {:?}", signed.evidence);

    let inrelease = fetch.got.borrow().values().next().expect("it was fetched").clone();
    // Beyond that the file is taken for what it is, one letter is enough.
    let position = inrelease.windows(9).position(|w| w == b"\nCodename").expect("a field") + 12;
    let mut tampered = inrelease.clone();
    tampered[position] ^= 1;
    let error = verify_inrelease(&tampered, &source, &keyring, now).expect_err("a letter changed");
    assert!(error.is_trust());
    // Other keys do not count.
    let stranger = Keyring::parse(&hardpan_testkit::pgp::Key::new(1).public()).expect("a key");
    assert!(verify_inrelease(&inrelease, &source, &stranger, now).is_err());
    // In 30 years all of today's keys are expired.
    assert!(verify_inrelease(&inrelease, &source, &keyring, now + 30 * 365 * 86_400).is_err());
    // And before they were made, nothing was signed.
    assert!(verify_inrelease(&inrelease, &source, &keyring, 1_000_000_000).is_err());

    for architecture in ["amd64", "arm64"] {
        let indexes = load_packages(&fetch, &source, &signed, architecture).expect("an index");
        assert_eq!(indexes.len(), 1);
        assert!(indexes[0].text.starts_with("Package: "));
    }
    assert!(fetch.got.borrow().keys().any(|url| url.contains("/by-hash/SHA256/")));
}

#[test]
fn trixie_is_verified() {
    check("trixie", 2);
}

#[test]
fn trixie_security_is_verified() {
    check("trixie-security", 1);
}
