// SPDX-License-Identifier: Apache-2.0
//! go/build, go/bump, go/hermetic: with vendored modules, and with modules from a folder.

use crate::support::Catalog;

const MAIN: &str = r#"package main

import (
	"fmt"

	"example.org/dep"
)

var version = "none"

func main() { fmt.Println(version, dep.Version) }
"#;

/// Makes a folder of modules, `/srv/proxy`, as a proxy serves it.
const PROXY: &str = r#"            set -eu
            for version in v1.0.0 v1.1.0 v1.2.0; do
              folder=/srv/proxy/example.org/dep/@v
              mkdir -p $folder /srv/dep
              printf 'module example.org/dep\n\ngo 1.19\n' >/srv/dep/go.mod
              printf 'package dep\n\nconst Version = "%s"\n' $version >/srv/dep/dep.go
              cp /srv/dep/go.mod $folder/$version.mod
              printf '{"Version":"%s"}' $version >$folder/$version.info
              echo $version >>$folder/list
              (cd /srv/dep && rm -rf .git && git init -q . && git add . &&
                git -c user.name=x -c user.email=x@example.org commit -qm x &&
                git archive --format=zip --prefix=example.org/dep@$version/ -o $folder/$version.zip HEAD)
            done
"#;

#[test]
fn programs_with_modules_and_no_network() {
    let Some(catalog) = Catalog::new("programs_with_modules_and_no_network") else { return };
    let module = "module example.org/app\n\ngo 1.19\n\nrequire example.org/dep v1.0.0\n";
    for folder in ["cached", "vendored"] {
        catalog.write(&format!("app/{folder}/main.go"), MAIN);
        catalog.write(&format!("app/{folder}/go.mod"), module);
    }
    catalog.write("app/vendored/go.mod", module);
    catalog.write(
        "app/vendored/vendor/example.org/dep/dep.go",
        "package dep\n\nconst Version = \"own\"\n",
    );
    catalog.write(
        "app/vendored/vendor/modules.txt",
        "# example.org/dep v1.0.0\n## explicit; go 1.19\nexample.org/dep\n",
    );
    let builds = format!(
        "    - name: programs
      contents: {{packages: [bash, coreutils, git, golang-go]}}
      environment: {{GOPROXY: 'file:///srv/proxy', GOSUMDB: 'off', CGO_ENABLED: '0'}}
      caches: [{{path: /root/.cache/go-build}}]
      paths:
        - {{type: directory, path: '${{source.dir}}/vendored', source: app/vendored}}
        - {{type: directory, path: '${{source.dir}}/cached', source: app/cached}}
      pipeline:
        - name: modules
          runs: |
{PROXY}        - name: vendored
          uses: go/build@v1
          work-dir: ${{source.dir}}/vendored
          with: {{output: '${{target.dir}}/usr/bin/vendored', ldflags: ['-X main.version=1.0']}}
        - name: bump
          uses: go/bump@v1
          work-dir: ${{source.dir}}/cached
          with: {{offline: true, download: true, deps: [example.org/dep@v1.2.0]}}
        - name: bump back
          uses: go/bump@v2
          work-dir: ${{source.dir}}/cached
          with: {{offline: true, download: true, downgrade: true, deps: [example.org/dep@v1.1.0]}}
        - name: hermetic
          uses: go/hermetic@v1
          work-dir: ${{source.dir}}/cached
          HERMETIC
        - name: cached
          uses: go/build@v1
          work-dir: ${{source.dir}}/cached
          environment: {{GOPROXY: 'off'}}
          with: {{output: '${{target.dir}}/usr/bin/cached'}}
      outputs:
        - {{source: '${{target.dir}}/usr/bin', target: /usr/bin}}
"
    );
    catalog.define("base-files", &builds.replace("HERMETIC", "with: {offline: true}"));
    catalog.build().expect(0, &["example.org/dep v1.2.0 becomes v1.1.0"]);
    assert_eq!(catalog.run(&["/usr/bin/vendored"]), "1.0 own\n");
    assert_eq!(catalog.run(&["/usr/bin/cached"]), "none v1.1.0\n");
    // Without being told to do without network they would fetch, and are refused by their names.
    catalog.define("base-files", &builds.replace("HERMETIC", "with: {offline: false}"));
    catalog.build().expect(1, &["(the action go/hermetic@v1 fetches)", "--no-network"]);
}
