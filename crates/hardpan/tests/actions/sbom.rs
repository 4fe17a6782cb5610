// SPDX-License-Identifier: Apache-2.0
//! sbom, spdx, strip.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::Stage;

/// Package URLs of a document with the declared licenses.
fn packages(document: &str) -> BTreeMap<String, String> {
    let document: Value = serde_json::from_str(document).unwrap();
    assert_eq!(document["spdxVersion"], "SPDX-2.3");
    assert_eq!(document["creationInfo"]["created"], "2025-06-15T15:06:40Z");
    let list = document["packages"].as_array().unwrap();
    assert_eq!(document["relationships"].as_array().unwrap().len(), list.len());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (list.iter())
        .map(|found| {
            (text(&found["externalRefs"][0]["referenceLocator"]), text(&found["licenseDeclared"]))
        })
        .collect()
}

#[test]
fn a_package_of_ones_own() {
    let Some(stage) = Stage::new() else { return };
    let step = "uses: spdx@v1\nwith:\n  name: tool\n  version: 14.24\n  purl: pkg:generic/tool@14.24\n  license: MIT AND \"X\"\n";
    stage.run(step).ok();
    let text = stage.read("/opt/docker/sbom/tool/.spdx.tool.json");
    let expected =
        BTreeMap::from([("pkg:generic/tool@14.24".to_owned(), "MIT AND \"X\"".to_owned())]);
    assert_eq!(packages(&text), expected);
    stage.run(step).ok();
    assert_eq!(stage.read("/opt/docker/sbom/tool/.spdx.tool.json"), text);
    stage.run(&step.replace("name: tool", "name: ../tool")).fails("not a name for a folder");
}

#[test]
fn packages_of_languages() {
    let Some(stage) = Stage::new() else { return };
    stage.write(
        "app/node_modules/left/package.json",
        r#"{"name":"left","version":"1.0.0","license":"MIT"}"#,
    );
    stage.write(
        "app/node_modules/@a/b/package.json",
        r#"{"name":"@a/b","version":"2.0.0","license":{"type":"ISC"}}"#,
    );
    stage.write(
        "app/node_modules/left/test/package.json",
        r#"{"name":"fixture","version":"0.0.0"}"#,
    );
    stage.write(
        "app/node_modules/odd/package.json",
        r#"{"name":"odd","version":"1.0.0","license":"see (file)"}"#,
    );
    stage.write(
        "app/package-lock.json",
        r#"{"packages":{"":{"version":"9.0.0"},"node_modules/dev":{"version":"3.0.0"}}}"#,
    );
    stage.write("yarn/yarn.lock", "# yarn lockfile v1\n\n\"@c/d@^1.0.0\", \"@c/d@^1.1.0\":\n  version \"1.1.1\"\n\nplain@1:\n  version \"1.0.2\"\n");
    stage.write(
        "venv/lib/python3.13/site-packages/Foo_Bar-1.0.dist-info/METADATA",
        "Metadata-Version: 2.4\r\nName: Foo_Bar\r\nVersion: 1.0\r\nLicense-Expression: BSD-3-Clause\r\n\r\nName: not this\r\n",
    );
    stage.write("rust/Cargo.lock", "version = 4\n\n[[package]]\nname = \"anyhow\"\nversion = \"1.0.1\"\n\n[[package]]\nname = \"serde\"\nversion = \"1.0.2\"\n");
    stage.write("gems/specifications/rack-test-2.1.0.gemspec", "");
    stage.write("gems/specifications/nokogiri-1.16.0-x86_64-linux.gemspec", "");
    stage
        .sh("mkdir -p j/META-INF/maven/org.x/lib && cd j &&
             printf 'version=3.1\\r\\ngroupId=org.x\\r\\nartifactId=lib\\r\\n' >META-INF/maven/org.x/lib/pom.properties &&
             git init -q . && git add . && git -c user.name=x -c user.email=x commit -qm x &&
             mkdir ../jars && git archive --format=zip -o ../jars/shaded.jar HEAD && rm -rf .git META-INF &&
             echo >x && git init -q . && git add . && git -c user.name=x -c user.email=x commit -qm x &&
             git archive --format=zip -o ../jars/commons-io-2.11.jar HEAD && cd .. && rm -r j")
        .ok();
    let step = "uses: sbom@v1\nwith:\n  source: ${source.dir}\n  prefix: all\n  extra-scanners: python-package-cataloger\n";
    stage.run(step).ok();
    let text = stage.read("/opt/docker/sbom/all/.spdx.all.json");
    let found: Vec<String> =
        packages(&text).into_iter().map(|(purl, license)| format!("{purl} {license}")).collect();
    assert_eq!(
        found,
        [
            "pkg:cargo/anyhow@1.0.1 NOASSERTION",
            "pkg:cargo/serde@1.0.2 NOASSERTION",
            "pkg:gem/nokogiri@1.16.0 NOASSERTION",
            "pkg:gem/rack-test@2.1.0 NOASSERTION",
            "pkg:maven/commons-io@2.11 NOASSERTION",
            "pkg:maven/org.x/lib@3.1 NOASSERTION",
            "pkg:npm/%40a/b@2.0.0 ISC",
            "pkg:npm/left@1.0.0 MIT",
            "pkg:npm/odd@1.0.0 NOASSERTION",
            "pkg:pypi/foo-bar@1.0 BSD-3-Clause",
        ]
    );
    let lock = step.replace("python-package-cataloger", "[javascript-lock-cataloger]");
    stage.run(&lock).ok();
    let found = packages(&stage.read("/opt/docker/sbom/all/.spdx.all.json"));
    for purl in ["pkg:npm/%40c/d@1.1.1", "pkg:npm/plain@1.0.2", "pkg:npm/dev@3.0.0"] {
        assert!(found.contains_key(purl), "{purl}: {found:?}");
    }
    // Without anything installed the lock files are what there is.
    stage.run("uses: sbom@v1\nwith:\n  source: yarn\n  prefix: y\n").ok();
    assert_eq!(packages(&stage.read("/opt/docker/sbom/y/.spdx.y.json")).len(), 2);
    stage
        .run("uses: sbom@v1\nwith:\n  source: absent\n  prefix: y\n")
        .fails("there is no directory");
}

#[test]
fn modules_in_go_programs() {
    let Some(stage) = Stage::new() else { return };
    stage.write("dep/go.mod", "module example.org/dep\n");
    stage.write("dep/dep.go", "package dep\n");
    stage.write(
        "app/go.mod",
        "module example.org/app\n\ngo 1.19\n\nrequire example.org/dep v1.4.2\n\nreplace example.org/dep => ../dep\n",
    );
    stage.write("app/main.go", "package main\n\nimport _ \"example.org/dep\"\n\nfunc main() {}\n");
    stage
        .run("uses: go/build@v1\nwork-dir: ${source.dir}/app\nwith:\n  output: ${target.dir}/app\n")
        .ok();
    stage.run("uses: sbom@v1\nwith:\n  source: ${target.dir}\n  prefix: go\n").ok();
    // What was replaced by a folder has no version of its own.
    assert_eq!(packages(&stage.read("/opt/docker/sbom/go/.spdx.go.json")).len(), 0);
    stage.write("line", "x\u{ff}Go buildinf:\nmod\texample.org/app\t(devel)\t\ndep\ta.org/b\tv1.0.0\th1:x\ndep\ta.org/c\tv1.0.0\n=>\ta.org/d\tv2.0.0\th1:y\n");
    stage.run("uses: sbom@v1\nwith:\n  source: .\n  prefix: go\n").ok();
    let found: Vec<String> =
        packages(&stage.read("/opt/docker/sbom/go/.spdx.go.json")).into_keys().collect();
    assert_eq!(found, ["pkg:golang/a.org/b@v1.0.0", "pkg:golang/a.org/d@v2.0.0"]);
}

#[test]
fn programs_and_libraries_are_stripped() {
    let Some(stage) = Stage::new() else { return };
    stage.write("main.c", "int helper(void);\nint main(void) { return helper(); }\n");
    stage.write(
        "lib.c",
        "static int hidden(void) { return 0; }\nint helper(void) { return hidden(); }\n",
    );
    let build = "mkdir -p out/sub && cd out &&
        gcc -g -O0 -shared -fPIC -o libhelper.so.1 ../lib.c && gcc -g -o sub/program ../main.c ../lib.c &&
        gcc -g -c -o lib.o ../lib.c && ar r libhelper.a lib.o && echo '#!/bin/sh' >script && chmod 755 script";
    stage.sh(build).ok();
    stage.run("uses: strip@v1\nwith:\n  dir: ${source.dir}/out\n").ok();
    let log = stage
        .sh("cd out; for f in libhelper.so.1 sub/program libhelper.a; do readelf -S $f | grep -c -e debug_info -e 'comment' || :; done
             nm sub/program 2>&1; nm -D libhelper.so.1 | grep helper; nm libhelper.a | grep helper; ./sub/program && cat script && readelf -S lib.o | grep -c debug_info")
        .ok();
    assert!(log.starts_with("0\n0\n"), "{log}");
    for text in ["no symbols", "T helper", "#!/bin/sh"] {
        assert!(log.contains(text), "{text}: {log}");
    }
    let archive = stage.bytes("out/libhelper.a");
    stage.sh(&format!("sleep 1; rm -r out; {build}")).ok();
    stage.run("uses: strip@v1\nwith:\n  dir: ${source.dir}/out\n").ok();
    assert!(stage.bytes("out/libhelper.a") == archive, "the archive has times in it");
}
