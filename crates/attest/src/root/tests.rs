// SPDX-License-Identifier: Apache-2.0
use hardpan_testkit::authority::Authority;
use hardpan_testkit::transparency::{RootFile, TransparencyLog};
use serde_json::{Value, json};

use super::*;

fn file() -> RootFile {
    let authority = Authority::new("authority", (0, 1 << 31));
    RootFile::default()
        .log("https://log.example:8080/path", &TransparencyLog::new("log.example", "log"))
        .timestamps("https://tsa.example", &[authority.certificate()])
        .certificates("https://fulcio.example", &[authority.certificate()])
}

#[test]
fn what_is_in_a_file() {
    let root = TrustedRoot::parse(&file().to_bytes()).unwrap();
    let [log] = root.logs() else { panic!("{root:?}") };
    assert_eq!(log.host(), "log.example");
    assert_eq!(log.key.as_ref().unwrap().algorithm(), crate::key::KeyAlgorithm::Ed25519);
    assert!(log.is_called("log.example") && log.is_called("log.example/other"));
    assert!(!log.is_called("log.example.org") && !log.is_called("other") && !log.is_called(""));
    assert_eq!(root.timestamp_authorities()[0].url, "https://tsa.example");
    assert_eq!(root.certificate_authorities()[0].chain.len(), 1);
    assert!(root.certificate_logs().is_empty());
    let empty = TrustedRoot::parse(&RootFile::default().to_bytes()).unwrap();
    assert_eq!(empty, TrustedRoot::default());
}

#[test]
fn a_time_is_within() {
    let of = |start, end| Validity { start, end };
    for (validity, time, expected) in [
        (of(None, None), i64::MIN, true),
        (of(Some(5), None), 5, true),
        (of(Some(5), None), 4, false),
        (of(None, Some(5)), 5, true),
        (of(None, Some(5)), 6, false),
        (of(Some(7), Some(5)), 6, false),
    ] {
        assert_eq!(validity.contains(time), expected, "{validity:?} {time}");
    }
}

#[test]
fn hosts_of_urls() {
    for (url, expected) in [
        ("https://log.example", "log.example"),
        ("http://127.0.0.1:3003/api", "127.0.0.1"),
        ("log.example", "log.example"),
        ("https://user:word@log.example:1?x", "log.example"),
        ("http://[::1]:80/", "::1"),
        ("", ""),
    ] {
        assert_eq!(host(url), expected, "{url}");
    }
}

#[test]
fn other_files_are_refused() {
    type Change = fn(&mut Value);
    let rows: [(&str, Change); 12] = [
        ("type", |root| root["mediaType"] = "text/plain".into()),
        ("type", |root| {
            root["mediaType"] = "application/vnd.dev.sigstore.trustedroot+json;version=9".into();
        }),
        ("no trusted root", |root| root["mediaType"] = Value::Null),
        ("no trusted root", |root| root["tlogs"] = json!({})),
        ("no trusted root", |root| root["tlogs"][0]["logId"] = Value::Null),
        ("too many logs", |root| root["tlogs"] = vec![root["tlogs"][0].clone(); 65].into()),
        ("key", |root| root["tlogs"][0]["publicKey"]["rawBytes"] = "!".into()),
        ("id", |root| root["tlogs"][0]["logId"]["keyId"] = "!".into()),
        ("no trusted root", |root| {
            root["tlogs"][0]["publicKey"]["validFor"]["start"] = "yesterday".into();
        }),
        ("certificate", |root| {
            root["timestampAuthorities"][0]["certChain"]["certificates"] = json!([]);
        }),
        ("certificate", |root| {
            root["certificateAuthorities"][0]["certChain"]["certificates"][0]["rawBytes"] =
                "!".into();
        }),
        ("certificates of one", |root| {
            let one = json!({"rawBytes": "AAAA"});
            root["timestampAuthorities"][0]["certChain"]["certificates"] = vec![one; 11].into();
        }),
    ];
    for (says, change) in rows {
        let error = TrustedRoot::parse(&file().change(change).to_bytes()).unwrap_err();
        assert!(error.to_string().contains(says), "{says}: {error}");
    }
    let long = vec![b' '; ROOT_BYTES_MAX + 1];
    for bytes in [&b""[..], b"[]", b"{", b"null", &long] {
        assert!(TrustedRoot::parse(bytes).is_err(), "{} bytes", bytes.len());
    }
}
