// SPDX-License-Identifier: Apache-2.0
//! What servers answer: packs of git, registries' headers and documents, scanners' verdicts; and files with logins.

use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _, SeekFrom, Write as _};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use hardpan::malware::clamd_protocol::{ClamdVersion, Verdict, read_answer};
use hardpan_remote::git::{
    Checkout, Commit, ObjectId, ObjectKind, Pack, PackLimits, read_capabilities, read_references,
    repository_files,
};
use hardpan_remote::registry::answer;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use crate::input::{text, texts};
use crate::{Part, Target};

pub(super) const TARGET: Target = Target {
    name: "remote",
    bytes_max: 4 << 10,
    parts: &[
        Part::new("pack", pack, || vec![seed().0]),
        Part::new("objects", objects, || vec![seed().1]),
        Part::new("commit", |bytes| Commit::parse(bytes).is_ok(), || texts(&[&commit(&[7; 20])])),
        Part::new(
            "packets",
            |bytes| read_capabilities(bytes).is_ok_and(|found| found.is_some()),
            || {
                let lines = [
                    "# service=git-upload-pack\n",
                    "",
                    "version 2\n",
                    "agent=git/2.39\n",
                    "ls-refs=unborn",
                    "fetch=shallow\n",
                    "",
                ];
                vec![lines.map(packet).concat().into_bytes()]
            },
        ),
        Part::new("references", references, || {
            let id = "0123456789abcdef0123456789abcdef01234567";
            let lines = [
                format!("{id} HEAD symref-target:refs/heads/main\n"),
                format!("{id} refs/tags/v1 peeled:{}\n", id.replace('0', "f")),
                "unborn refs/heads/new\n".to_owned(),
            ];
            let lines: String = lines.iter().map(|line| packet(line)).collect();
            texts(&[&format!("{lines}0000"), &format!("{}0000", packet("ERR no\n"))])
        }),
        Part::new("challenge", challenge, || {
            texts(&[
                "Bearer realm=\"https://auth.example/token\",service=\"registry.example\",scope=\"a:b:c\", Basic realm=x\nNegotiate",
            ])
        }),
        Part::new(
            "token",
            |bytes| answer::token(bytes).is_some(),
            || texts(&[r#"{"token":"a","access_token":"b","expires_in":300}"#]),
        ),
        Part::new(
            "link",
            |bytes| answer::next_link(&text(bytes)).is_some(),
            || {
                texts(&[
                    "</v2/a/tags/list?last=b&n=1>; rel=\"prev next\"; title=\"a;b,c\", <x>; rel=y",
                ])
            },
        ),
        Part::new("referrers", referrers, || {
            texts(&[
                r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":1,"artifactType":"a","annotations":{"b":"c"}},{"digest":"sha512:00"}]}"#,
            ])
        }),
        Part::new("logins", logins, || {
            texts(&[
                r#"{"auths":{"https://registry.example/v1/":{"auth":"dXNlcjpwYXNz"},"r.example/a":{"username":"u","password":"p","identitytoken":"t"}},"credsStore":"s","credHelpers":{"h.example":"x"}}"#,
            ])
        }),
        Part::new("clamd", clamd, || {
            texts(&[
                "ClamAV 1.4.6/27691/Tue Jul  7 04:45:00 2026\0",
                "stream: OK\0",
                "stream: Eicar-Test-Signature FOUND\0",
                "stream: Can't allocate memory ERROR\0",
                "INSTREAM size limit exceeded. ERROR\0",
            ])
        }),
    ],
};

const BLOB: u8 = 3;
const TREE: u8 = 2;
const COMMIT: u8 = 1;
const OFFSET: u8 = 6;

/// A packet; one with nothing in it ends a message.
fn packet(line: &str) -> String {
    if line.is_empty() { "0000".to_owned() } else { format!("{:04x}{line}", line.len() + 4) }
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

fn sha1(bytes: &[u8]) -> [u8; 20] {
    let mut hash = [0; 20];
    hash.copy_from_slice(digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref());
    hash
}

fn id(kind: &str, bytes: &[u8]) -> [u8; 20] {
    sha1(&[format!("{kind} {}\0", bytes.len()).as_bytes(), bytes].concat())
}

fn commit(tree: &[u8; 20]) -> String {
    let tree = ObjectId::from_bytes(*tree);
    format!(
        "tree {tree}\nauthor A <a@example.com> 1700000000 +0100\ncommitter C <c@example.com> 1700000100 +0000\n\nmessage\n"
    )
}

/// A pack of a commit, a directory, and files of which one is a difference; and the same as an input of `objects`.
fn seed() -> (Vec<u8>, Vec<u8>) {
    let blob = b"hello hello hello".to_vec();
    // The base's 17 bytes, and one more.
    let delta = vec![17, 18, 0x90, 17, 1, b'!'];
    let changed = b"hello hello hello!".to_vec();
    let mut tree = b"100644 a\0".to_vec();
    tree.extend(id("blob", &blob));
    tree.extend(b"100755 b\0");
    tree.extend(id("blob", &changed));
    let commit = commit(&id("tree", &tree)).into_bytes();
    let objects: [(u8, &[u8]); 4] =
        [(COMMIT, &commit), (TREE, &tree), (BLOB, &blob), (OFFSET, &delta)];
    let mut input = Vec::new();
    for (kind, data) in objects {
        input.push(kind);
        input.extend(u16::try_from(data.len()).expect("it is short").to_le_bytes());
        input.extend(data);
    }
    (made(&input), input)
}

/// Makes a pack of pieces: a kind, a length of two bytes, and that many bytes, compressed. A difference is to the object before.
fn made(mut input: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut count, mut before) = (0_u32, 0);
    while let [kind, low, high, rest @ ..] = input {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (data, rest) = rest.split_at(length);
        input = rest;
        let start = bytes.len();
        let mut size = length >> 4;
        let mut byte = (kind & 7) << 4 | u8::try_from(length & 15).expect("four bits");
        while size > 0 {
            bytes.push(byte | 0x80);
            byte = u8::try_from(size & 0x7f).expect("seven bits");
            size >>= 7;
        }
        bytes.push(byte);
        if kind & 7 == OFFSET {
            let distance = start - before;
            // The first of two counts one more than it says.
            if let Some(high) = (distance >> 7).checked_sub(1) {
                bytes.push(0x80 | u8::try_from(high.min(0x7f)).expect("seven bits"));
            }
            bytes.push(u8::try_from(distance & 0x7f).expect("seven bits"));
        }
        bytes.extend(zlib(data));
        before = start;
        count += 1;
    }
    let head = [b"PACK\0\0\0\x02".as_slice(), &count.to_be_bytes()].concat();
    let pack = [head, bytes].concat();
    let trailer = sha1(&pack);
    [pack, trailer.to_vec()].concat()
}

/// Limits that an input can reach.
const LIMITS: PackLimits = PackLimits {
    objects_max: 1_000,
    object_bytes_max: 1 << 20,
    memory_bytes_max: 1 << 20,
    total_bytes_max: 4 << 20,
    depth_max: 16,
};

/// Opens a pack and reads all that its commits name.
fn open(bytes: &[u8], ids: &[[u8; 20]]) -> bool {
    let mut file: File = tempfile::tempfile().expect("there is room");
    file.write_all(bytes).and_then(|()| file.seek(SeekFrom::Start(0))).expect("there is room");
    let Ok(pack) = Pack::open(file, LIMITS) else { return false };
    for id in ids {
        let id = ObjectId::from_bytes(*id);
        if pack.read(id, ObjectKind::Commit).is_err() {
            continue;
        }
        let Ok(checkout) = Checkout::read(&pack, id, 1_000) else { continue };
        repository_files(&pack, &checkout, "https://forge.example/a").ok();
        for entry in &checkout.entries {
            let mut content = Vec::new();
            if pack.copy_blob(entry.id, &mut content).is_ok() {
                assert_eq!(content.len() as u64, entry.size_bytes, "it has another length");
            }
        }
    }
    true
}

/// Reads a pack whose last bytes are its checksum.
fn pack(bytes: &[u8]) -> bool {
    let mut bytes = bytes.to_vec();
    if let Some(end) = bytes.len().checked_sub(20) {
        let trailer = sha1(&bytes[..end]);
        bytes[end..].copy_from_slice(&trailer);
    }
    let (_, input) = seed();
    open(&bytes, &commits(&input))
}

/// The ids of what may be commits.
fn commits(mut input: &[u8]) -> Vec<[u8; 20]> {
    let mut ids = Vec::new();
    while let [_, low, high, rest @ ..] = input {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (data, rest) = rest.split_at(length);
        ids.push(id("commit", data));
        input = rest;
    }
    ids
}

fn objects(bytes: &[u8]) -> bool {
    open(&made(bytes), &commits(bytes))
}

/// Reads a list of references. Each has a name without a blank.
fn references(bytes: &[u8]) -> bool {
    let Ok(found) = read_references(bytes) else { return false };
    assert!(found.keys().all(|name| !name.contains(' ')), "{found:?}");
    !found.is_empty()
}

fn challenge(bytes: &[u8]) -> bool {
    let headers: Vec<String> = text(bytes).lines().map(str::to_owned).collect();
    !answer::challenges(&headers).is_empty()
}

fn referrers(bytes: &[u8]) -> bool {
    let Ok(index) = serde_json::from_slice(bytes) else { return false };
    answer::referrers(&index).is_ok_and(|found| !found.is_empty())
}

fn logins(bytes: &[u8]) -> bool {
    answer::check_login_file(bytes).is_ok()
}

/// Reads an answer of `clamd`, however it is cut into pieces. Only one says that nothing was found, and no name that is
/// shown has control characters.
fn clamd(bytes: &[u8]) -> bool {
    let whole = read_answer(bytes).ok();
    let cut = bytes.len() / 2;
    let in_pieces = read_answer(BufReader::with_capacity(3, &bytes[..cut]).chain(&bytes[cut..]));
    assert_eq!(whole, in_pieces.ok(), "pieces are read differently");
    let Some(said) = whole else { return false };
    assert!(!said.contains('\0'), "{said:?}");
    let is_plain = |text: &String| !text.contains(char::is_control);
    let verdict = Verdict::parse(&said);
    match &verdict {
        Some(Verdict::Clean) => assert_eq!(said, "stream: OK"),
        Some(Verdict::Found(name)) => {
            assert!(is_plain(name) && said == format!("stream: {name} FOUND"), "{said:?}");
        }
        Some(Verdict::Unread(reason)) => assert!(is_plain(reason), "{reason:?}"),
        None => {}
    }
    let version = ClamdVersion::parse(&said);
    if let Some(ClamdVersion { engine, signatures, built }) = &version {
        let fields = [Some(engine), signatures.as_ref(), built.as_ref()];
        assert!(fields.into_iter().flatten().all(is_plain), "{version:?}");
        assert!(verdict.is_none(), "{said:?} is two things");
    }
    verdict.is_some() || version.is_some()
}
