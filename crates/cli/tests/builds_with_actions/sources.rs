// SPDX-License-Identifier: Apache-2.0
//! git/checkout, git/patch, patch, strip, sbom, spdx: on a small C project.

use serde_json::Value;

use crate::support::Catalog;

const HELLO: &str =
    "#include <stdio.h>\n\nint main(void) {\n  puts(\"hello world\");\n  return 0;\n}\n";

fn patch(from: &str, to: &str) -> String {
    format!(
        "--- a/hello.c\n+++ b/hello.c\n@@ -3,4 +3,4 @@\n int main(void) {{\n-  puts(\"{from}\");\n+  puts(\"{to}\");\n   return 0;\n }}\n"
    )
}

/// A repository is checked out at a commit, patched twice, compiled, stripped and described.
#[test]
fn a_program_from_a_repository() {
    let Some(catalog) = Catalog::new("a_program_from_a_repository") else { return };
    catalog.write("app/hello.c", HELLO);
    catalog.write("app/moon.patch", patch("hello world", "hello moon"));
    catalog.write("app/sun.patch", patch("hello moon", "hello sun"));
    catalog.write(
        "app/package-lock.json",
        r#"{"packages":{"node_modules/left-pad":{"version":"1.3.0","license":"WTFPL"}}}"#,
    );
    let builds = "    - name: hello
      contents: {packages: [bash, coreutils, gcc, git, libc6-dev]}
      paths:
        - {type: file, path: '${source.dir}/repo/hello.c', source: app/hello.c}
        - {type: file, path: '${source.dir}/moon.patch', source: app/moon.patch}
        - {type: file, path: '${source.dir}/sun.patch', source: app/sun.patch}
        - {type: file, path: '${source.dir}/js/package-lock.json', source: app/package-lock.json}
      environment:
        GIT_AUTHOR_DATE: '1700000000 +0000'
        GIT_COMMITTER_DATE: '1700000000 +0000'
      pipeline:
        - name: commit
          runs: |
            set -eu
            git init -q -b main repo && cd repo
            git config user.name x && git config user.email x@example.org
            git add . && git commit -qm one
            echo '#error no' >hello.c && git commit -qam two
            git rev-parse HEAD^
        - name: at commit
          uses: git/checkout@v1
          with: {dir: repo, expected-commit: EXPECTED}
        - uses: git/patch@v1
          work-dir: ${source.dir}/repo
          with: {patch: '${source.dir}/moon.patch'}
        - uses: patch@v1
          work-dir: ${source.dir}/repo
          with: {patches: ['${source.dir}/sun.patch']}
        - name: compile
          runs: |
            set -eu
            mkdir -p ${target.dir}/usr/bin
            gcc -g -o ${target.dir}/usr/bin/hello repo/hello.c
        - uses: strip@v1
          with: {dir: '${target.dir}/usr/bin'}
        - uses: sbom@v1
          with: {source: '${source.dir}/js', prefix: app}
        - uses: spdx@v1
          with: {name: hello, version: '1.0', purl: 'pkg:generic/hello@1.0', license: MIT}
      outputs:
        - {source: '${target.dir}/usr/bin/hello', target: /usr/bin/hello}
        - {source: /opt/docker/sbom, target: /opt/docker/sbom}
";
    let commit = "8f8a8c9a0b2c33e5c6a6d1e0f7b8a9c0d1e2f3a4";
    catalog.define("base-files, libc6", &builds.replace("EXPECTED", commit));
    // A commit that is not there; git says which one is.
    let said = catalog.build().expect(5, &["step at commit failed with exit code 128", commit]);
    let line = said.lines().find_map(|line| line.split_once("hello/commit │ ")).unwrap().1;
    catalog.define("base-files, libc6", &builds.replace("EXPECTED", line.trim()));
    let image = catalog.image();
    assert_eq!(catalog.run(&["/usr/bin/hello"]), "hello sun\n");
    let program = image.bytes("usr/bin/hello");
    assert!(!program.windows(11).any(|text| text == b".debug_info"), "it is not stripped");
    assert!(!program.windows(7).any(|text| text == b".symtab"), "it is not stripped");
    let document = |path: &str| serde_json::from_str::<Value>(&image.text(path)).unwrap();
    let sbom = document("opt/docker/sbom/app/.spdx.app.json");
    assert_eq!(sbom["packages"][0]["name"], "left-pad");
    assert_eq!(
        sbom["packages"][0]["externalRefs"][0]["referenceLocator"],
        "pkg:npm/left-pad@1.3.0"
    );
    let spdx = document("opt/docker/sbom/hello/.spdx.hello.json");
    assert_eq!(spdx["packages"][0]["licenseDeclared"], "MIT");
    assert!(image.dump().contains("/opt/docker/sbom/hello/.spdx.hello.json file 0644 0:0 "));
}
