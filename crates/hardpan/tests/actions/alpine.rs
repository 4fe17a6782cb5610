// SPDX-License-Identifier: Apache-2.0
//! Packages for Alpine by dhi/build-pkg: read back with hardpan's own reader, and with tar.

use std::fmt::Write as _;

use hardpan_package::apk::package::identify;
use hardpan_package::apk::unpack::unpack;
use hardpan_package::segment::Unpacked;
use hardpan_package::strip::StripPolicy;
use hardpan_package::unpack::{Limits, UnpackOptions};

use crate::support::{Stage, indented};

const PACK: &str = r#"uses: dhi/build-pkg:0
with:
  name: tool
  version: 1.30
  rel: 2
  description: |
    A tool
    for all.
  license: MIT
  url: https://example.org/
  files:
    - usr/bin/tool
    - usr/bin/link
    - path: /etc/tool
      uid: 999
      gid: 100
    - path: usr/share/tool/data
      source: data.txt
      mode: "0600"
  depends: [bash, "musl >= 1.2", "tool-data=$pkg_full_version"]
  apk:
    depends: [so:libz.so.1]
    provides: cmd:tool=$pkg_full_version
  deb:
    depends: [libc6]
  provides: tool-abi=$pkg_full_version, other
  replaces: old-tool
  conflicts: bad-tool
  priority: "200"
  subpackages:
    - name: tool-meta
      depends: [tool]
    - name: tool-empty
      files: [empty]
      description: nothing
  oci-config:
    environment:
      TOOL: "1"
"#;

const PREPARE: &str = "cd /work/target && mkdir -p usr/bin etc/tool && echo tool >usr/bin/tool && chmod 755 usr/bin/tool &&
    ln usr/bin/tool usr/bin/link && echo data >data.txt && echo a >etc/tool/b && ln -s b etc/tool/a && : >empty &&
    mkdir -p /opt/docker/sbom/x && echo '{}' >/opt/docker/sbom/x/.spdx.x.json";

const CONTROL: &str = "pkgname = tool
pkgver = 1.30-r2
pkgdesc = A tool for all.
url = https://example.org/
builddate = 1750000000
size = 20
arch = x86_64
origin = tool
license = MIT
provider_priority = 200
replaces = old-tool
depend = bash
depend = musl>=1.2
depend = so:libz.so.1
depend = tool-data=1.30-r2
depend = !bad-tool
provides = cmd:tool=1.30-r2
provides = other
provides = tool-abi=1.30-r2
datahash = ";

/// Reads a package, of which nothing may be wrong.
fn read(bytes: &[u8]) -> Unpacked {
    identify(&mut &bytes[..], &Limits::default(), None).expect("the package is sound");
    let options = UnpackOptions { strip: StripPolicy::none(), ..UnpackOptions::default() };
    let mut segment = Vec::new();
    unpack(&mut &bytes[..], &options, &mut segment).expect("the package unpacks")
}

fn list(package: &Unpacked) -> String {
    let mut text = String::new();
    for entry in &package.entries {
        let metadata = &entry.metadata;
        let (mode, uid, gid) = (metadata.mode, metadata.uid, metadata.gid);
        writeln!(text, "{} {mode:o} {uid}:{gid} {}", entry.path, metadata.mtime).unwrap();
    }
    text
}

#[test]
fn files_are_packed_for_alpine() {
    let Some(stage) = Stage::alpine() else { return };
    stage.write("/usr/lib/apk/db/installed", "");
    stage.sh(PREPARE).ok();
    stage.run(PACK).ok();
    let made = stage.sh("cd packages && find . -type f | sort").ok();
    assert_eq!(
        made,
        "./x86_64/tool-1.30-r2.apk\n./x86_64/tool-empty-1.30-r2.apk\n./x86_64/tool-meta-1.30-r2.apk\n./x86_64/tool-oci-config-1.30-r2.apk\n"
    );
    let first = stage.bytes("packages/x86_64/tool-1.30-r2.apk");
    let package = read(&first);
    assert_eq!((package.name.as_str(), package.version.as_str()), ("tool", "1.30-r2"));
    assert_eq!((package.architecture.as_str(), package.timestamp), ("x86_64", 1_750_000_000));
    let control = package.control.trim_end();
    assert_eq!(&control[..control.len() - 64], CONTROL);
    assert_eq!(
        list(&package),
        "/etc 755 0:0 1750000000
/opt 755 0:0 1750000000
/opt/docker 755 0:0 1750000000
/opt/docker/sbom 755 0:0 1750000000
/opt/docker/sbom/tool 755 0:0 1750000000
/opt/docker/sbom/tool/.spdx.x.json 644 0:0 1750000000
/usr 755 0:0 1750000000
/usr/bin 755 0:0 1750000000
/usr/bin/link 755 0:0 1750000000
/usr/bin/tool 755 0:0 1750000000
/usr/share 755 0:0 1750000000
/usr/share/tool 755 0:0 1750000000
/usr/share/tool/data 600 0:0 1750000000
/etc/tool 755 999:100 1750000000
/etc/tool/a 777 999:100 1750000000
/etc/tool/b 644 999:100 1750000000
"
    );
    // What tar says of it, which is told of members one after another as of one archive.
    let names = stage.sh("cd packages/x86_64 && tar -tzf tool-1.30-r2.apk 2>&1").ok();
    assert_eq!(
        names,
        ".PKGINFO\netc/\nopt/\nopt/docker/\nopt/docker/sbom/\nopt/docker/sbom/tool/\nopt/docker/sbom/tool/.spdx.x.json\nusr/\nusr/bin/\nusr/bin/link\nusr/bin/tool\nusr/share/\nusr/share/tool/\nusr/share/tool/data\netc/tool/\netc/tool/a\netc/tool/b\n"
    );
    // Packages without files, and with one that is empty.
    for (name, size, files) in
        [("tool-meta", "0", 0), ("tool-empty", "1", 1), ("tool-oci-config", "43", 4)]
    {
        let package = read(&stage.bytes(&format!("packages/x86_64/{name}-1.30-r2.apk")));
        assert!(package.control.contains(&format!("\nsize = {size}\n")), "{}", package.control);
        assert_eq!(package.entries.len(), files, "{name}");
        assert!(package.control.contains("\norigin = tool\n") && !package.control.contains("sbom"));
    }
    // The same bytes for the same input, at another time and from files written in another order; on Debian, too.
    stage.sh(&format!("sleep 1; rm -r packages /work/target/*; umask 077; {PREPARE}; chmod -R u=rwX,go=rX /work/target; chmod 755 /work/target/usr/bin/*")).ok();
    stage.run(PACK).ok();
    assert!(stage.bytes("packages/x86_64/tool-1.30-r2.apk") == first, "two builds differ");
    let Some(debian) = Stage::new() else { return };
    debian.sh(PREPARE).ok();
    debian.run(&format!("{PACK}  formats: [deb, apk]\n")).ok();
    assert!(debian.bytes("packages/x86_64/tool-1.30-r2.apk") == first, "Debian's differs");
    let depends =
        debian.sh("dpkg-deb -f packages/tool_1.30-2_amd64.deb Depends Provides Priority").ok();
    assert_eq!(
        depends,
        "Depends: bash, libc6, musl (>= 1.2), tool-data (= 1.30-2)\nProvides: other, tool-abi (= 1.30-2)\nPriority: optional\n"
    );
}

#[test]
fn what_can_not_be_packed_for_alpine() {
    let Some(stage) = Stage::alpine() else { return };
    stage.write("/work/target/file", "x");
    for (change, reason) in [
        ("files: [absent]", "there is no /work/target/absent"),
        ("files: [{path: file, uid: \"0\\n1\"}]", "not an owner or mode"),
        ("version: 1-2", "not a version of Alpine"),
        ("version: \"1\\nprovides = x\"", "not a version of Alpine"),
        ("rel: x", "not a version of Alpine"),
        ("name: a/b", "not the name of an Alpine package"),
        ("name: \"a\\nb\"", "not the name of an Alpine package"),
        ("license: \"MIT\\nprovides = x\"", "more than a line: license"),
        ("depends: [\"a b\"]", "not a package"),
        ("provides: [\"a\\ndepend = b\"]", "not a package"),
        ("formats: []", "formats lists nothing"),
    ] {
        let mut lines = vec!["name: tool", "version: 1.0", "description: x"];
        let key = change.split(':').next().unwrap();
        lines.retain(|line| line.split(':').next() != Some(key));
        lines.push(change);
        if key != "formats" {
            lines.push("formats: [apk]");
        }
        let with = indented(&lines.join(
            "
",
        ));
        stage.run(&format!("uses: dhi/build-pkg@0\nwith:\n{with}")).fails(reason);
        assert_eq!(stage.sh("find packages -name '*.apk'").ok(), "", "{change}");
    }
}
