// SPDX-License-Identifier: Apache-2.0
//! dpkg/source, dpkg/patch, dpkg/bump, dpkg/build, deb/build, deb/install, dhi/build-pkg.

use std::fs;

use crate::support::{Stage, source_package};

#[test]
/// It is also built, through `hardpan build`, in the tests of the command.
fn a_real_package_is_patched_and_bumped() {
    let Some(stage) = Stage::new() else { return };
    let Some(files) = source_package("figlet") else { return };
    let mut dsc = String::new();
    for file in &files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        stage.write(&name, fs::read(file).unwrap());
        if file.extension().is_some_and(|kind| kind == "dsc") {
            dsc = name;
        }
    }
    let step = format!(
        "uses: dpkg/source@v1\nwork-dir: ${{source.dir}}\nwith:\n  file: {dsc}\n  path: figlet\n"
    );
    stage.run(&step).ok();
    assert!(!stage.path(&format!("/work/source/{dsc}")).exists());
    let left: Vec<String> = fs::read_dir(stage.path("/work/source"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert!(left.iter().any(|name| name.contains(".orig.tar.")), "{left:?}");
    assert!(!left.iter().any(|name| name.contains(".debian.tar.")), "{left:?}");
    let text = stage.read("figlet/figlet.c");
    let old = text.lines().find(|line| line.starts_with("#define VERSION_INT ")).unwrap();
    let new = "#define VERSION_INT 4242";
    let line = text.lines().position(|line| line == old).unwrap();
    let (before, after) =
        (text.lines().nth(line - 1).unwrap(), text.lines().nth(line + 1).unwrap());
    stage.write(
        "number.patch",
        format!("--- a/figlet.c\n+++ b/figlet.c\n@@ -{line},3 +{line},3 @@\n {before}\n-{old}\n+{new}\n {after}\n"),
    );
    let in_package = "work-dir: ${source.dir}/figlet\n";
    stage
        .run(&format!(
            "uses: dpkg/patch@v1\n{in_package}with:\n  apply: true\n  patches: [${{source.dir}}/number.patch]\n"
        ))
        .ok();
    assert!(stage.read("figlet/figlet.c").contains(new));
    assert!(stage.read("figlet/debian/patches/series").ends_with("number.patch\n"));
    stage
        .run(&format!(
            "uses: dpkg/patch@v1\n{in_package}with:\n  patches: [${{source.dir}}/number.patch]\n"
        ))
        .fails("there is a patch number.patch already");
    stage
        .run(&format!(
            "uses: dpkg/bump@v1\n{in_package}with:\n  version: 2.2.5-9+own1\n  changelog: [\"Count (Closes: $(touch /gotcha))\", Second]\n"
        ))
        .ok();
    assert!(!stage.path("/gotcha").exists());
    let changelog = stage.read("figlet/debian/changelog");
    let entry = "figlet (2.2.5-9+own1) unstable; urgency=medium\n\n  * Count (Closes: $(touch /gotcha))\n  * Second\n\n -- hardpan <hardpan@localhost>  Sun, 15 Jun 2025 15:06:40 +0000\n\nfiglet (2.2.5-";
    assert!(changelog.starts_with(entry), "{changelog}");
}

#[test]
fn changed_sources_are_refused() {
    let Some(stage) = Stage::new() else { return };
    let Some(files) = source_package("figlet") else { return };
    let mut dsc = String::new();
    for file in &files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let mut bytes = fs::read(file).unwrap();
        if name.contains(".debian.tar.") {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        } else if file.extension().is_some_and(|kind| kind == "dsc") {
            dsc.clone_from(&name);
        }
        stage.write(&name, bytes);
    }
    stage
        .run(&format!("uses: dpkg/source@v1\nwith:\n  file: {dsc}\n  path: figlet\n"))
        .fails("checksum");
}

#[test]
fn packages_of_other_formats() {
    let Some(stage) = Stage::new() else { return };
    stage.write(
        "debian/control",
        "Source: tiny\n\nPackage: tiny\nArchitecture: all\nDescription: x\n",
    );
    stage.write("debian/source/format", "3.0 (native)");
    stage.write("text", "one\n");
    stage.write("fix.patch", "--- a/text\n+++ b/text\n@@ -1 +1 @@\n-one\n+two\n");
    stage.run("uses: dpkg/patch@v1\nwith:\n  patches: [fix.patch]\n").ok();
    assert_eq!(stage.read("text"), "two\n");
    stage.run("uses: dpkg/bump@v1\nwith:\n  version: 1:1.0~rc1\n").ok();
    assert!(
        stage
            .read("debian/changelog")
            .starts_with("tiny (1:1.0~rc1) unstable; urgency=medium\n\n  * Rebuild\n")
    );
    stage.run("uses: dpkg/bump@v1\nwith:\n  version: \"1.0) evil\"\n").fails("not a version");
    stage.run("uses: dpkg/bump@v1\nwith:\n  version: v1\n").fails("not a version");
}

const CONTROL: &str = "uses: deb/build@v1\nwith:\n  dir: ${source.dir}/deb\n  control: |\n    Section: text\n    Homepage: https://example.org/\n    Standards-Version: 3.9.2\n\n    Package: stand-in\n    Version: 1:2.0\n    Maintainer: A <a@example.org>\n    Maintainer: A <a@example.org>\n    Section: libs\n    Architecture: all\n    Description: short\n      long `touch /gotcha` $(touch /gotcha)\n";

#[test]
fn stand_ins_are_made_and_installed() {
    let Some(stage) = Stage::new() else { return };
    stage.run(CONTROL).ok();
    assert!(!stage.path("/gotcha").exists());
    let control = stage.sh("dpkg-deb --field deb/stand-in_2.0_all.deb").ok();
    assert_eq!(
        control,
        "Package: stand-in\nVersion: 1:2.0\nMaintainer: A <a@example.org>\nSection: libs\nArchitecture: all\nDescription: short\n  long `touch /gotcha` $(touch /gotcha)\nHomepage: https://example.org/\n"
    );
    let first = stage.bytes("deb/stand-in_2.0_all.deb");
    stage.sh("sleep 1; rm deb/*").ok();
    stage.run(CONTROL).ok();
    assert!(stage.bytes("deb/stand-in_2.0_all.deb") == first, "two builds differ");
    stage
        .run("uses: deb/install@v1\nwith:\n  files: [${source.dir}/deb/stand-in_2.0_all.deb]\n")
        .ok();
    assert_eq!(
        stage.sh("dpkg-query -W -f '${Package} ${Version} ${Status}' stand-in").ok(),
        "stand-in 1:2.0 install ok installed"
    );
    stage
        .run(
            &CONTROL
                .replace("    Section: libs\n", "    Depends: absent\n")
                .replace("stand-in", "needy"),
        )
        .ok();
    stage.run("uses: deb/install@v1\nwith:\n  files: [deb/needy_2.0_all.deb]\n").fails("absent");
}

const PACK: &str = r#"uses: dhi/build-pkg:0
with:
  name: tool
  version: 1.30
  rel: 2
  description: |
    A tool
    for all.

    More.
  license: MIT
  url: https://example.org/
  files:
    - usr/bin/tool
    - path: /etc/tool
      uid: 999
      gid: 100
    - path: usr/share/tool/data
      source: data.txt
      mode: "0600"
  depends: [bash, "libc6>=2.38", "tool-data=$pkg_full_version"]
  deb:
    depends: [zlib1g]
  provides: tool-abi=$pkg_full_version, other
  replaces: old-tool
  priority: "200"
  subpackages:
    - name: tool-dev
      files:
        - path: usr/bin/tool
          source: usr/bin/tool-dev
  oci-config:
    environment:
      TOOL: "1"
"#;

#[test]
fn files_are_packed() {
    let Some(stage) = Stage::new() else { return };
    let prepare = "cd /work/target && mkdir -p usr/bin etc/tool && echo tool >usr/bin/tool && echo dev >usr/bin/tool-dev &&
        chmod 755 usr/bin/* && echo data >data.txt && echo a >etc/tool/b && ln -s b etc/tool/a && mkdir -p /opt/docker/sbom/x && echo '{}' >/opt/docker/sbom/x/.spdx.x.json";
    stage.sh(prepare).ok();
    stage.run(PACK).ok();
    let list = stage
        .sh("cd packages && ls && dpkg-deb -c tool_1.30-2_amd64.deb | tr -s ' ' | cut -d ' ' -f 1-3,6- && dpkg-deb -f tool_1.30-2_amd64.deb")
        .ok();
    assert_eq!(
        list,
        "tool-dev_1.30-2_amd64.deb
tool-oci-config_1.30-2_amd64.deb
tool_1.30-2_amd64.deb
drwxr-xr-x 0/0 0 ./
drwxr-xr-x 0/0 0 ./etc/
drwxr-xr-x 0/0 0 ./opt/
drwxr-xr-x 0/0 0 ./opt/docker/
drwxr-xr-x 0/0 0 ./opt/docker/sbom/
drwxr-xr-x 0/0 0 ./opt/docker/sbom/tool/
-rw-r--r-- 0/0 3 ./opt/docker/sbom/tool/.spdx.x.json
drwxr-xr-x 0/0 0 ./usr/
drwxr-xr-x 0/0 0 ./usr/bin/
-rwxr-xr-x 0/0 5 ./usr/bin/tool
drwxr-xr-x 0/0 0 ./usr/share/
drwxr-xr-x 0/0 0 ./usr/share/doc/
drwxr-xr-x 0/0 0 ./usr/share/doc/tool/
-rw-r--r-- 0/0 13 ./usr/share/doc/tool/copyright
drwxr-xr-x 0/0 0 ./usr/share/tool/
-rw------- 0/0 5 ./usr/share/tool/data
drwxr-xr-x 999/100 0 ./etc/tool/
lrwxrwxrwx 999/100 0 ./etc/tool/a -> b
-rw-r--r-- 999/100 2 ./etc/tool/b
Package: tool
Version: 1.30-2
Architecture: amd64
Maintainer: hardpan <hardpan@localhost>
Installed-Size: 1
Depends: bash, libc6 (>= 2.38), tool-data (= 1.30-2), zlib1g
Replaces: old-tool
Provides: other, tool-abi (= 1.30-2)
Section: misc
Priority: optional
Homepage: https://example.org/
Description: A tool
 for all.
 .
 More.
"
    );
    let sums = stage.sh("cd packages && dpkg-deb -I tool_1.30-2_amd64.deb md5sums && mkdir /tmp/x && dpkg-deb --fsys-tarfile tool_1.30-2_amd64.deb | tar -x --no-same-owner -C /tmp/x && cd /tmp/x && dpkg-deb -I /work/source/packages/tool_1.30-2_amd64.deb md5sums | md5sum -c --quiet").ok();
    assert!(sums.contains("  usr/bin/tool\n"), "{sums}");
    let more = stage
        .sh("cd packages && dpkg-deb --fsys-tarfile tool-dev_1.30-2_amd64.deb | tar -xO ./usr/bin/tool && dpkg-deb --fsys-tarfile tool-oci-config_1.30-2_amd64.deb | tar -xO ./opt/docker/config/tool.yaml && dpkg-deb -f tool-oci-config_1.30-2_amd64.deb Depends")
        .ok();
    assert_eq!(more, "dev\n{\n  \"environment\": {\n    \"TOOL\": \"1\"\n  }\n}\ntool\n");
    // The same bytes for the same input, at another time and from files written in another order.
    let first = stage.bytes("packages/tool_1.30-2_amd64.deb");
    stage.sh(&format!("sleep 1; rm -r packages /work/target/*; umask 077; {prepare}; chmod -R u=rwX,go=rX /work/target; chmod 755 /work/target/usr/bin/*")).ok();
    stage.run(PACK).ok();
    assert!(stage.bytes("packages/tool_1.30-2_amd64.deb") == first, "two builds differ");
}

#[test]
fn what_can_not_be_packed() {
    let Some(stage) = Stage::new() else { return };
    stage.write("/work/target/file", "x");
    for (change, reason) in [
        ("files: [absent]", "there is no /work/target/absent"),
        ("files: [../source]", "not a path"),
        ("files: [{path: file, mode: \"9\"}]", "not an owner or mode"),
        ("depends: [\"a b\"]", "not a package"),
        ("subpackages: [{name: Upper}]", "not the name of a Debian package"),
    ] {
        let step = format!(
            "uses: dhi/build-pkg@0\nwith:\n  name: tool\n  version: 1.0\n  description: x\n  {change}\n"
        );
        stage.run(&step).fails(reason);
    }
}
