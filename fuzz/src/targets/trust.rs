// SPDX-License-Identifier: Apache-2.0
//! Who is trusted, and what others prove: keys, certificates, logs, timestamps, and the protocols of those who hold keys.

use std::sync::LazyLock;

use hardpan_attest::certificate::SignerCertificate;
use hardpan_attest::key::plugin::{self, Method};
use hardpan_attest::key::service::{self, Header, Kind, Signable};
use hardpan_attest::key::{Keyring, PrivateKey, PublicKey, transit};
use hardpan_attest::log::{Checkpoint, LogEntry};
use hardpan_attest::root::TrustedRoot;
use hardpan_attest::timestamp::{Timestamp, TimestampRequest};
use hardpan_testkit::authority::{Authority, KeyPair, Wanted};
use hardpan_testkit::timestamps::{Manner, TimestampAuthority, question};
use hardpan_testkit::transparency::{RootFile, TransparencyLog};

use crate::input::{join, pieces, text, texts};
use crate::{Part, Target};

pub(super) const TARGET: Target = Target {
    name: "trust",
    bytes_max: 4 << 10,
    parts: &[
        Part::new("public-key", public_key, || {
            vec![
                key!("cosign.pub"),
                key!("rsa.pub"),
                key!("ed25519.pub"),
                key!("p384.pub"),
                key!("compressed.pub"),
            ]
        }),
        Part::new("public-key-der", public_key_der, || {
            vec![KeyPair::new("a").spki(), log().spki()]
        }),
        Part::new("private-key", private_key, || {
            vec![
                key!("pkcs8.pem"),
                key!("sec1.pem"),
                key!("cosign.key"),
                key!("pbes2.pem"),
                key!("ed25519.pem"),
            ]
        }),
        Part::new("keyring", keyring, || {
            let standings = br#"{"version":1,"keys":{"1.pub":{"notBefore":"2026-01-01T00:00:00Z","revoked":"x"}}}"#;
            vec![
                join(&[&key!("cosign.pub"), &key!("p384.pub"), &[]]),
                join(&[&key!("cosign.pub"), &[], standings]),
            ]
        }),
        Part::new("certificate", certificate, || {
            let wanted = Wanted::identity("a@example.com", "https://issuer.example", PERIOD);
            vec![Authority::new("ca", PERIOD).issue(&KeyPair::new("b").spki(), &wanted)]
        }),
        Part::new("root", |bytes| TrustedRoot::parse(bytes).is_ok(), || vec![root_file()]),
        Part::new("checkpoint", checkpoint, || vec![log().checkpoint(1, &[7; 32]).into_bytes()]),
        Part::new("log-entry", log_entry, || {
            vec![log().add(b"body".to_vec()).to_string().into_bytes()]
        }),
        Part::new("timestamp", timestamp, || {
            let question = question(b"signature");
            let bare = Manner { has_certificate: false, ..Manner::at(NOW) };
            vec![TSA.answer(&question, &Manner::at(NOW)), TSA.answer(&question, &bare)]
        }),
        Part::new("plugin", plugin_reply, || {
            texts(&[
                r#"{"publicKey":{"publicKeyPEM":"a"}}"#,
                r#"{"signMessage":{"signature":"YQ=="}}"#,
                r#"{"errorMessage":"no"}"#,
                r#"{"createKey":{"publicKeyPEM":"a"}}"#,
                r#"{"defaultAlgorithm":{"defaultAlgorithm":"ecdsa-p256"}}"#,
            ])
        }),
        Part::new("vault", vault, || {
            texts(&[
                r#"{"data":{"latest_version":1,"type":"ecdsa-p256","keys":{"1":{"public_key":"a"}}}}"#,
                r#"{"data":{"signature":"vault:v1:YQ=="}}"#,
            ])
        }),
        Part::new("service", service_messages, || {
            texts(&[
                r#"{"version":1,"ask":"public-key"}"#,
                r#"{"version":1,"ask":"signature","kind":"statement","layout":"/a"}"#,
                r#"{"version":1,"signature":"YQ=="}"#,
                r#"{"version":1,"error":"no"}"#,
            ])
        }),
        Part::new("signable", signable, || {
            let statement = r#"{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"a","digest":{"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}}],"predicateType":"https://a.example/v1","predicate":{}}"#;
            let message =
                format!("DSSEv1 28 application/vnd.in-toto+json {} {statement}", statement.len());
            let simple = include_str!("../../../crates/attest/testdata/cosign/sig.0.json");
            texts(&[statement, &message, simple])
        }),
    ],
};

macro_rules! key {
    ($name:literal) => {
        include_bytes!(concat!("../../../crates/attest/testdata/keys/", $name)).to_vec()
    };
}
use key;

const NOW: i64 = 1_795_651_200;
const PERIOD: (i64, i64) = (NOW - 86_400, NOW + 86_400);

static TSA: LazyLock<TimestampAuthority> = LazyLock::new(|| TimestampAuthority::new("tsa", PERIOD));
static ROOT: LazyLock<TrustedRoot> =
    LazyLock::new(|| TrustedRoot::parse(&root_file()).expect("it is a root"));

fn log() -> TransparencyLog {
    TransparencyLog::new("log.example", "log")
}

fn root_file() -> Vec<u8> {
    RootFile::default()
        .log("https://log.example", &log())
        .timestamps("https://tsa.example", &TSA.chain())
        .certificates("https://ca.example", &[Authority::new("ca", PERIOD).certificate()])
        .to_bytes()
}

fn public_key(bytes: &[u8]) -> bool {
    let Ok(key) = PublicKey::parse_pem(bytes) else { return false };
    let again =
        PublicKey::parse_pem(key.to_pem().as_bytes()).expect("what was written can be read");
    assert_eq!(again.id(), key.id());
    assert!(key.verify(b"message", b"signature").is_err(), "nobody signed it");
    true
}

fn public_key_der(bytes: &[u8]) -> bool {
    let Ok(key) = PublicKey::parse_der(bytes) else { return false };
    assert!(key.verify(b"message", bytes).is_err(), "nobody signed it");
    true
}

/// Reads a key without a password: deriving a key from one takes a second for each input.
fn private_key(bytes: &[u8]) -> bool {
    PrivateKey::parse(bytes, None).is_ok()
}

fn keyring(bytes: &[u8]) -> bool {
    let [one, two, standings] = pieces(bytes);
    let all = [("1.pub", one), ("2.pub", two), ("keyring.json", standings)];
    let Ok(keyring) = Keyring::parse(all.into_iter().filter(|(_, bytes)| !bytes.is_empty())) else {
        return false;
    };
    let files = keyring.to_files();
    let files = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
    let again = Keyring::parse(files).expect("what was written can be read");
    assert_eq!(again.keys(), keyring.keys());
    true
}

fn certificate(bytes: &[u8]) -> bool {
    let Ok(certificate) = SignerCertificate::parse(bytes) else { return false };
    certificate.verify(&ROOT, NOW).is_ok()
}

fn checkpoint(bytes: &[u8]) -> bool {
    Checkpoint::parse(&text(bytes)).is_ok()
}

fn log_entry(bytes: &[u8]) -> bool {
    let Ok(entry) = LogEntry::parse_answer(bytes) else { return false };
    let again = LogEntry::parse(entry.json()).expect("what was read can be read");
    assert_eq!((again.index(), again.origin()), (entry.index(), entry.origin()));
    true
}

fn timestamp(bytes: &[u8]) -> bool {
    let asked = TimestampRequest::new(b"signature", [0; 16]);
    asked.read_answer(bytes).ok();
    let Ok(timestamp) = Timestamp::parse(bytes) else { return false };
    let verified = timestamp.verify(b"signature", &ROOT);
    if let Ok(time) = &verified {
        assert_eq!(time.seconds, NOW, "nobody said that time");
    }
    assert!(timestamp.verify(b"another", &ROOT).is_err(), "nobody said it of another");
    verified.is_ok()
}

fn plugin_reply(bytes: &[u8]) -> bool {
    let methods = [
        Method::DefaultAlgorithm,
        Method::SupportedAlgorithms,
        Method::PublicKey,
        Method::CreateKey { algorithm: "ecdsa-p256".to_owned() },
        Method::SignMessage { digest: None },
    ];
    methods.iter().filter(|method| plugin::Reply::parse(bytes, method).is_ok()).count() > 0
}

fn vault(bytes: &[u8]) -> bool {
    transit::parse_key(bytes).is_ok() | transit::parse_signature(bytes, 1).is_ok()
}

fn service_messages(bytes: &[u8]) -> bool {
    let reply = service::Reply::parse(bytes);
    let Ok(header) = Header::parse(bytes) else { return reply.is_ok() };
    assert_eq!(Header::parse(&header.to_bytes()).ok(), Some(header), "it is read as another");
    true
}

/// Reads what a signer is asked to sign. What it composes of that is what it was asked.
fn signable(bytes: &[u8]) -> bool {
    let kinds = [Kind::Statement, Kind::SimpleSigning];
    let read = kinds.map(|kind| Signable::parse(kind, bytes.to_vec()).is_ok());
    Signable::of_message(bytes).is_ok() | read[0] | read[1]
}
