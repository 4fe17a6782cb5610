// SPDX-License-Identifier: Apache-2.0
use super::testing::Fixture;
use super::*;
use hardpan_package::deb::merge::{Member, merge};
use hardpan_package::deb::unpack::{UnpackOptions, unpack};
use hardpan_tree::Kind;
use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

#[test]
fn truth() {
    let root = std::path::Path::new("/tmp/finishers/truth");
    let mut fixture = Fixture { strip: StripPolicy::none(), exact: true, ..Fixture::default() };
    fixture.yaml("variant: dev\n");
    let mut names: Vec<_> = std::fs::read_dir("/tmp/finishers/dl/debs").unwrap().map(|e| e.unwrap().path()).collect();
    names.sort();
    for name in names {
        let bytes = std::fs::read(&name).unwrap();
        let mut segment = Vec::new();
        let options = UnpackOptions { strip: StripPolicy::none(), ..UnpackOptions::default() };
        let unpacked = unpack(&mut bytes.as_slice(), &options, &mut segment).unwrap();
        fixture.contents.insert(unpacked.segment_digest, segment);
        fixture.packages.push(Arc::new(unpacked));
    }
    let members: Vec<Member<'_>> = fixture.packages.iter().map(|u| Member { unpacked: u, segment: u.segment_digest }).collect();
    let mut tree = merge(&members).unwrap().tree;
    let finished = run_all(&mut tree, &fixture.inputs()).unwrap();
    for w in &finished.warnings { println!("W {w:?}"); }
    let mut real: BTreeMap<String, String> = BTreeMap::new();
    let mut stack = vec![root.to_path_buf()];
    while let Some(d) = stack.pop() {
        for e in std::fs::read_dir(d).unwrap() {
            let p = e.unwrap().path();
            let m = p.symlink_metadata().unwrap();
            let rel = format!("/{}", p.strip_prefix(root).unwrap().display());
            let desc = if m.is_dir() { stack.push(p.clone()); format!("d {:o} {}:{}", m.permissions().mode() & 0o7777, m.uid(), m.gid()) }
              else if m.is_symlink() { format!("l {}", std::fs::read_link(&p).unwrap().display()) }
              else { format!("f {:o} {}:{} {}", m.permissions().mode() & 0o7777, m.uid(), m.gid(), hardpan_tree::Digest::of(&std::fs::read(&p).unwrap())) };
            real.insert(rel, desc);
        }
    }
    let mut ours = BTreeMap::new();
    for (p, n) in tree.walk() {
        if p.is_root() { continue; }
        let (n2, k) = match &n.kind { Kind::HardLink(t) => { let n = tree.get(t).unwrap(); (n, &n.kind) } k => (n, k) };
        let m = &n2.metadata;
        let desc = match k { Kind::Directory => format!("d {:o} {}:{}", m.mode, m.uid, m.gid), Kind::Symlink(t) => format!("l {}", String::from_utf8_lossy(t)),
          Kind::File(f) => format!("f {:o} {}:{} {}", m.mode, m.uid, m.gid, f.digest), _ => unreachable!() };
        ours.insert(p.to_string(), desc);
    }
    for (p, d) in &real { match ours.get(p) { None => println!("- {p} {d}"), Some(o) if o != d => println!("~ {p}\n    real {d}\n    ours {o}"), _ => {} } }
    for (p, d) in &ours { if !real.contains_key(p) { println!("+ {p} {d}"); } }
    for p in ["var/lib/dpkg/status", "var/lib/dpkg/triggers/File", "var/lib/dpkg/info/base-files.list", "var/lib/dpkg/info/libc6:amd64.list", "var/lib/dpkg/info/perl-base.list", "etc/passwd", "etc/group", "etc/gshadow", "etc/shells","etc/pam.d/common-auth"] {
        std::fs::write(format!("/tmp/finishers/ours-{}", p.replace('/', "_")), fixture.text(&tree, p)).unwrap();
    }
}
