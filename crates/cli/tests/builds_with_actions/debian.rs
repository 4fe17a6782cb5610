// SPDX-License-Identifier: Apache-2.0
//! dpkg/source, dpkg/patch, dpkg/bump, dpkg/build, deb/build, deb/install, dhi/build-pkg.

use std::path::Path;

use crate::support::{Catalog, source_package};

/// A real source package, patched and rebuilt offline, is in an image that dpkg's own tools understand.
#[test]
fn a_rebuilt_package_is_used_by_an_image() {
    let test = "a_rebuilt_package_is_used_by_an_image";
    let Some(catalog) = Catalog::new(test) else { return };
    let Some(files) = source_package(test, "figlet") else { return };
    let mut downloads = String::new();
    let mut dsc = String::new();
    for (name, bytes) in &files {
        catalog.write(&format!("app/source/{name}"), bytes);
        let line = "          - {url: 'file:app/source/NAME', path: '${source.dir}/NAME'}\n";
        downloads += &line.replace("NAME", name);
        if Path::new(name).extension().is_some_and(|end| end == "dsc") {
            dsc.clone_from(name);
        }
    }
    catalog.write("app/number.sed", "s/VERSION_INT 20205/VERSION_INT 4242/\n");
    let builds = format!(
        "    - name: figlet
      contents:
        packages: [bash, coreutils, debhelper, diffutils, gcc, libc6-dev, make, sed]
        files:
{downloads}      paths:
        - {{type: file, path: '${{source.dir}}/number.sed', source: app/number.sed}}
      pipeline:
        - uses: dpkg/source@v1
          with: {{file: {dsc}, path: figlet}}
        - name: make the patch
          runs: |
            set -eu
            cp -r figlet a && cp -r figlet b
            sed -i -f number.sed b/figlet.c
            diff -u a/figlet.c b/figlet.c >number.patch || test $? = 1
            rm -r a b
            test -s number.patch
        - uses: dpkg/patch@v1
          work-dir: ${{source.dir}}/figlet
          with: {{patches: ['${{source.dir}}/number.patch']}}
        - uses: dpkg/bump@v1
          work-dir: ${{source.dir}}/figlet
          with: {{version: 2.2.5-99+own1, changelog: [Another number]}}
        - uses: dpkg/build@v1
          work-dir: ${{source.dir}}/figlet
          with: {{args: '--build=any -uc -us -d', options: 'nocheck noautodbgsym'}}
        - uses: deb/build@v1
          with:
            dir: ${{source.dir}}
            control: |
              Package: stand-in
              Version: 3.0
              Architecture: all
              Description: stands for nothing
        - uses: deb/install@v1
          with:
            root: ${{target.dir}}
            files: [figlet_2.2.5-99+own1_amd64.deb, stand-in_3.0_all.deb]
      outputs:
        - {{source: '${{target.dir}}', target: /}}
"
    );
    catalog.define("base-files, libc6, dpkg, sed, figlet", &builds);
    let said = ["the script postinst of figlet is not run", "unpacked figlet 2.2.5-99+own1"];
    catalog.build().expect(0, &said);
    let image = catalog.image();
    let status = image.text("var/lib/dpkg/status");
    let stanza = status.split("\n\n").find(|text| text.starts_with("Package: figlet\n")).unwrap();
    assert!(stanza.contains("\nVersion: 2.2.5-99+own1\n"), "{stanza}");
    assert!(stanza.contains("\nStatus: install ok installed\n"), "{stanza}");
    assert_eq!(status.matches("Package: figlet\n").count(), 1);
    assert!(image.text("var/lib/dpkg/info/figlet.list").contains("/usr/bin/figlet-figlet\n"));
    assert!(!image.dump().contains("status.d"), "{}", image.dump());
    assert_eq!(catalog.run(&["/usr/bin/figlet-figlet", "-I1"]), "4242\n");
    let query = ["/usr/bin/dpkg-query", "--show", "figlet", "stand-in"];
    assert_eq!(catalog.run(&query), "figlet\t2.2.5-99+own1\nstand-in\t3.0\n");
    // dpkg finds every file as the package says.
    assert_eq!(catalog.run(&["/usr/bin/dpkg", "--verify", "figlet"]), "");
    assert_eq!(catalog.run(&["/usr/bin/dpkg", "--audit"]), "");
}

/// Packages of a stage's files, installed by the real dpkg in another step, and what is in them in the image.
#[test]
fn files_become_packages() {
    let Some(catalog) = Catalog::new("files_become_packages") else { return };
    let builds = "    - name: tool
      contents: {packages: [bash, coreutils, dpkg]}
      pipeline:
        - name: make
          runs: |
            set -eu
            mkdir -p ${target.dir}/usr/bin ${target.dir}/etc/tool
            printf '#!/bin/sh\\necho I am a tool\\n' >${target.dir}/usr/bin/tool
            chmod 755 ${target.dir}/usr/bin/tool
            echo a >${target.dir}/etc/tool/a
        - uses: dhi/build-pkg:0
          with:
            name: tool
            version: '1.5'
            rel: '2'
            description: A tool
            license: MIT
            files: [usr/bin/tool, {path: etc/tool, uid: 999, gid: 100}]
        - name: look
          runs: |
            set -eu
            cd packages
            dpkg-deb --field tool_1.5-2_amd64.deb >/work/control
            dpkg-deb --contents tool_1.5-2_amd64.deb | tr -s ' ' | cut -d ' ' -f 1-3,6- >/work/contents
        - uses: deb/install@v1
          with: {files: packages/tool_1.5-2_amd64.deb}
        - name: run
          runs: |
            set -eu
            tool >/work/said
            dpkg-query --show tool >>/work/said
      outputs:
        - {source: /work/control, target: /control}
        - {source: /work/contents, target: /contents}
        - {source: /work/said, target: /said}
        - {source: '${source.dir}/packages/*.deb', target: /packages}
        - {source: /etc/tool, target: /etc/tool}
";
    catalog.define("base-files", builds);
    let image = catalog.image();
    assert_eq!(image.text("said"), "I am a tool\ntool\t1.5-2\n");
    let control = image.text("control");
    assert!(
        control.starts_with("Package: tool\nVersion: 1.5-2\nArchitecture: amd64\n"),
        "{control}"
    );
    let contents = image.text("contents");
    for line in ["-rwxr-xr-x 0/0 27 ./usr/bin/tool\n", "-rw-r--r-- 999/100 2 ./etc/tool/a\n"] {
        assert!(contents.contains(line), "{line:?} is not in\n{contents}");
    }
    assert!(image.bytes("packages/tool_1.5-2_amd64.deb").starts_with(b"!<arch>\ndebian-binary"));
    // dpkg's chown is in the image.
    assert!(image.dump().contains("\n/etc/tool/a file 0644 999:100 "), "{}", image.dump());
}
