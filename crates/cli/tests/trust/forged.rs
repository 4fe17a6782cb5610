// SPDX-License-Identifier: Apache-2.0
//! Proofs of logs and timestamps, forged in every way.

use hardpan_testkit::authority::{Authority, CODE_SIGNING, Wanted};
use hardpan_testkit::timestamps::{Manner, TimestampAuthority, question};
use hardpan_testkit::transparency::TransparencyLog;
use serde_json::{Value, json};

use crate::damage::{bundle, flip};
use crate::others::{decode, encode};
use crate::witnesses::{DAY, Others, now, period, verify};
use crate::world::Edited;

/// What becomes of an image all of whose bundles were changed.
pub(crate) struct Row<'r> {
    pub(crate) what: &'static str,
    pub(crate) change: Box<dyn Fn(&mut Value) + 'r>,
    pub(crate) code: i32,
    says: &'static str,
}

fn row<'r>(
    what: &'static str,
    code: i32,
    says: &'static str,
    change: impl Fn(&mut Value) + 'r,
) -> Row<'r> {
    Row { what, change: Box::new(change), code, says }
}

fn entry(bundle: &mut Value) -> &mut Value {
    &mut bundle["verificationMaterial"]["tlogEntries"][0]
}

fn stamp(bundle: &mut Value) -> &mut Value {
    let stamps = &mut bundle["verificationMaterial"]["timestampVerificationData"];
    &mut stamps["rfc3161Timestamps"][0]["signedTimestamp"]
}

fn signature(bundle: &Value) -> Vec<u8> {
    decode(bundle["dsseEnvelope"]["signatures"][0]["sig"].as_str().unwrap())
}

/// Changes what is logged, and proves that a log with the right key has it.
fn relogged(bundle: &mut Value, change: impl Fn(&mut Value)) {
    let body = decode(entry(bundle)["canonicalizedBody"].as_str().unwrap());
    let mut body: Value = serde_json::from_slice(&body).unwrap();
    change(&mut body["spec"]["hashedRekordV002"]);
    let mut log = TransparencyLog::new("127.0.0.1", "log");
    log.add(b"something".to_vec());
    *entry(bundle) = log.add(body.to_string().into_bytes());
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

pub(crate) fn of_logs<'r>() -> Vec<Row<'r>> {
    let mut all = of_proofs();
    all.extend(of_entries());
    all
}

fn of_proofs<'r>() -> Vec<Row<'r>> {
    vec![
        row("no entry", 1, "it has no entry in a transparency log", |bundle| {
            bundle["verificationMaterial"]["tlogEntries"] = json!([]);
        }),
        row("another root", 4, "does not lead to the log's root", |bundle| {
            flip(&mut entry(bundle)["inclusionProof"]["rootHash"]);
        }),
        row("a hash more", 4, "does not lead to the log's root", |bundle| {
            let hashes = &mut entry(bundle)["inclusionProof"]["hashes"];
            hashes.as_array_mut().unwrap().push(encode(&[7; 32]).into());
        }),
        row("another place", 4, "does not lead to the log's root", |bundle| {
            entry(bundle)["inclusionProof"]["logIndex"] = "99".into();
            entry(bundle)["logIndex"] = "99".into();
        }),
        row("another index", 4, "index can't be read", |bundle| {
            entry(bundle)["logIndex"] = "99".into();
        }),
        row("another size", 4, "the entry's proof", |bundle| {
            let size = text(&entry(bundle)["inclusionProof"]["treeSize"]).parse::<u64>().unwrap();
            entry(bundle)["inclusionProof"]["treeSize"] = (4 * size + 64).to_string().into();
        }),
        row("no proof", 4, "proof can't be read", |bundle| {
            entry(bundle).as_object_mut().unwrap().remove("inclusionProof");
        }),
        row("a root of another checkpoint", 4, "another root than the checkpoint's", |bundle| {
            let log = TransparencyLog::new("127.0.0.1", "log");
            let checkpoint = log.checkpoint(1_000, &[7; 32]);
            entry(bundle)["inclusionProof"]["checkpoint"]["envelope"] = checkpoint.into();
        }),
        row("a checkpoint's signature", 4, "does not verify with the log's key", |bundle| {
            let envelope = &mut entry(bundle)["inclusionProof"]["checkpoint"]["envelope"];
            let whole = text(envelope);
            let (head, signature) = whole.trim_end().rsplit_once(' ').unwrap();
            let mut signature = Value::from(signature);
            flip(&mut signature);
            *envelope = format!("{head} {}\n", text(&signature)).into();
        }),
        row("a checkpoint by somebody else", 4, "is not signed by the log's key", |bundle| {
            let proof = entry(bundle)["inclusionProof"].clone();
            let mut root = [0; 32];
            root.copy_from_slice(&decode(&text(&proof["rootHash"])));
            let size = text(&proof["treeSize"]).parse().unwrap();
            let checkpoint = TransparencyLog::new("127.0.0.1", "other").checkpoint(size, &root);
            entry(bundle)["inclusionProof"]["checkpoint"]["envelope"] = checkpoint.into();
        }),
        row("a checkpoint without a signature", 4, "checkpoint is malformed", |bundle| {
            let envelope = &mut entry(bundle)["inclusionProof"]["checkpoint"]["envelope"];
            *envelope = text(envelope).split("\n\n").next().unwrap().into();
        }),
    ]
}

fn of_entries<'r>() -> Vec<Row<'r>> {
    vec![
        row("the entry of a log that nobody trusts", 1, "does not name", |bundle| {
            let body = decode(&text(&entry(bundle)["canonicalizedBody"]));
            *entry(bundle) = TransparencyLog::new("127.0.0.1", "other").add(body);
        }),
        row("a body with a space more", 4, "does not lead to the log's root", |bundle| {
            let body = decode(&text(&entry(bundle)["canonicalizedBody"]));
            entry(bundle)["canonicalizedBody"] = encode(&[&body[..], b" "].concat()).into();
        }),
        row("another digest in the log", 4, "about another digest", |bundle| {
            relogged(bundle, |body| flip(&mut body["data"]["digest"]));
        }),
        row("another signature in the log", 4, "about another signature", |bundle| {
            relogged(bundle, |body| flip(&mut body["signature"]["content"]));
        }),
        row("another key in the log", 4, "about another key", |bundle| {
            relogged(bundle, |body| {
                flip(&mut body["signature"]["verifier"]["publicKey"]["rawBytes"]);
            });
        }),
        row("an entry of another kind", 1, "only hashedrekord 0.0.2 is read", |bundle| {
            entry(bundle)["kindVersion"]["version"] = "0.0.1".into();
        }),
        row("an entry that is none", 4, "is no entry of a log", |bundle| {
            *entry(bundle) = json!({"logIndex": []});
        }),
        row("too many entries", 4, "can't be verified", |bundle| {
            let one = entry(bundle).clone();
            bundle["verificationMaterial"]["tlogEntries"] = vec![one; 100].into();
        }),
        row("a good entry and a bad one", 4, "does not lead to the log's root", |bundle| {
            let mut bad = entry(bundle).clone();
            flip(&mut bad["inclusionProof"]["rootHash"]);
            bundle["verificationMaterial"]["tlogEntries"].as_array_mut().unwrap().push(bad);
        }),
    ]
}

fn of_timestamps(others: &Others) -> Vec<Row<'_>> {
    let restamp = |bundle: &mut Value, authority: &TimestampAuthority, manner: Manner| {
        let answer = authority.answer(&question(&signature(bundle)), &manner);
        *stamp(bundle) = encode(&answer).into();
    };
    let unnamed = Manner { names_certificate: false, ..Manner::at(now()) };
    let bare = Manner { has_certificate: false, ..Manner::at(now()) };
    let good = &others.authority;
    vec![
        row("none", 1, "it has no timestamp", |bundle| {
            let material = bundle["verificationMaterial"].as_object_mut().unwrap();
            material.remove("timestampVerificationData");
        }),
        row("made again", 0, "verified", move |bundle| restamp(bundle, good, Manner::at(now()))),
        row("its certificate only in the root", 0, "verified", move |bundle| {
            restamp(bundle, good, bare);
        }),
        row("of another signature", 4, "is of another signature", move |bundle| {
            let answer = good.answer(&question(b"another"), &Manner::at(now()));
            *stamp(bundle) = encode(&answer).into();
        }),
        row("altered", 4, "imestamp", |bundle| flip(stamp(bundle))),
        row("with another time", 4, "was altered", |bundle| {
            let mut der = decode(stamp(bundle).as_str().unwrap());
            let year =
                der.windows(5).position(|bytes| bytes == [24, 15, b'2', b'0', b'2']).unwrap();
            der[year + 5] ^= 1;
            *stamp(bundle) = encode(&der).into();
        }),
        row("by an authority that nobody trusts", 1, "no timestamp authority", move |bundle| {
            let other = TimestampAuthority::new("other", period());
            restamp(bundle, &other, Manner::at(now()));
        }),
        row("by one with the name of another", 1, "no timestamp authority", move |bundle| {
            // The same names and numbers, and other keys.
            let root = Authority::new("tsa  root", period());
            let other = TimestampAuthority::with(root, &Wanted::timestamps("tsa", period()));
            restamp(bundle, &other, Manner::at(now()));
        }),
        row("before the certificate was valid", 1, "was not valid yet", move |bundle| {
            restamp(bundle, good, Manner::at(now() - 3 * DAY));
        }),
        row("before the authority itself was", 1, "authority's own", move |bundle| {
            restamp(bundle, good, Manner::at(now() - 500 * DAY));
        }),
        row("after the certificate had expired", 1, "expired", move |bundle| {
            restamp(bundle, good, Manner::at(now() + 3 * DAY));
        }),
        row("by a certificate for something else", 1, "for another use", move |bundle| {
            let wanted = Wanted { usage: CODE_SIGNING, ..Wanted::timestamps("tsa", period()) };
            let other = TimestampAuthority::with(good.root.clone(), &wanted);
            restamp(bundle, &other, Manner::at(now()));
        }),
        row("that does not name its certificate", 4, "attributes", move |bundle| {
            restamp(bundle, good, unnamed);
        }),
        row("that is none", 4, "is no timestamp", |bundle| {
            *stamp(bundle) = encode(b"0123").into();
        }),
        row("a good one and a bad one", 4, "is of another signature", move |bundle| {
            let answer = good.answer(&question(b"another"), &Manner::at(now()));
            let data = &mut bundle["verificationMaterial"]["timestampVerificationData"];
            let all = data["rfc3161Timestamps"].as_array_mut().unwrap();
            all.push(json!({"signedTimestamp": encode(&answer)}));
        }),
    ]
}

#[test]
fn what_can_be_forged_is_refused() {
    let others = Others::start();
    let world = others.signed();
    others.build(&world, "out", &["--signature-format", "bundle"]);
    verify(&world, &world.text("out"), &[]).expect(0, &["verified"]);
    let (of_logs, of_stamps) = (of_logs(), of_timestamps(&others));
    for (number, row) in of_logs.iter().chain(&of_stamps).enumerate() {
        let name = format!("forged{number}");
        let layout = world.layout(&name);
        bundle(&mut Edited::open(&layout), &row.change);
        let ran = verify(&world, &world.text(&name), &[]);
        assert!(
            ran.code == row.code && format!("{}{}", ran.stdout, ran.stderr).contains(row.says),
            "{}: expected {} and {:?}: {ran}",
            row.what,
            row.code,
            row.says
        );
    }
}
