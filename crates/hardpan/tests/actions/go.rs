// SPDX-License-Identifier: Apache-2.0
//! go/build, go/bump, go/hermetic.

use crate::support::Stage;

const MAIN: &str = r#"package main

import (
	"fmt"
	"os"

	"example.org/dep"
)

var version = "none"

func main() {
	fmt.Fprintln(os.Stdout, version, dep.Version, extra)
}
"#;

/// A stage with a module `example.org/app`, and with a folder of modules that stands in for the network.
fn stage_at(source: &str) -> Option<Stage> {
    let mut stage = Stage::with_source(source)?;
    stage.environment.insert("GOPROXY".into(), "file:///srv/proxy".into());
    stage.environment.insert("GOSUMDB".into(), "off".into());
    for version in ["v1.0.0", "v1.1.0-rc.1", "v1.1.0", "v1.2.0"] {
        let folder = "/srv/proxy/example.org/dep/@v";
        let go_mod = "module example.org/dep\n\ngo 1.19\n";
        stage.write(&format!("{folder}/{version}.info"), format!("{{\"Version\":\"{version}\"}}"));
        stage.write(&format!("{folder}/{version}.mod"), go_mod);
        stage.write("/srv/dep/go.mod", go_mod);
        stage.write("/srv/dep/dep.go", format!("package dep\n\nconst Version = \"{version}\"\n"));
        stage
            .sh(&format!(
                "cd /srv/dep && rm -rf .git && git init -q . && git add . &&
                 git -c user.name=x -c user.email=x@example.org commit -qm x &&
                 git archive --format=zip --prefix=example.org/dep@{version}/ -o {folder}/{version}.zip HEAD"
            ))
            .ok();
    }
    stage.write("/srv/proxy/example.org/dep/@v/list", "v1.0.0\nv1.1.0-rc.1\nv1.1.0\nv1.2.0\n");
    stage.write("go.mod", "module example.org/app\n\ngo 1.19\n\nrequire example.org/dep v1.0.0\n");
    stage.write("main.go", MAIN);
    stage.write("extra.go", "//go:build !loud\n\npackage main\n\nconst extra = \"quiet\"\n");
    stage.write("loud.go", "//go:build loud && very\n\npackage main\n\nconst extra = \"loud\"\n");
    Some(stage)
}

fn stage() -> Option<Stage> {
    stage_at("/work/source")
}

const BUMP: &str = "uses: go/bump@v2\nwith:\n  offline: true\n  download: true\n";
const BUILD: &str = "uses: go/build@v1\nwith:\n  output: ${target.dir}/usr/bin/app\n";

#[test]
fn programs_are_built_and_run() {
    let Some(stage) = stage() else { return };
    stage.run(&format!("{BUMP}  deps: [example.org/dep@v1.1.0]\n")).ok();
    let step = format!(
        "{BUILD}  ldflags:\n    - -X 'main.version=1.0'\n    - -X main.version=2.0-$(date -ud @${{SOURCE_DATE_EPOCH}} +'%F')\n  tags: loud,very\n"
    );
    stage.run(&step).ok();
    let said = stage.sh("/work/target/usr/bin/app").ok();
    assert_eq!(said, "2.0-2025-06-15 v1.1.0 loud\n");
    // Other ways to say the same.
    let step =
        format!("{BUILD}  tags: [loud, very]\n  packages: [.]\n  ldflags: -X main.version=3\n");
    stage.run(&step).ok();
    assert_eq!(stage.sh("/work/target/usr/bin/app").ok(), "3 v1.1.0 loud\n");
    stage.run("uses: go/build@v1\nwith:\n  output: ./app\n  tags: ~\n").ok();
    assert_eq!(stage.sh("./app").ok(), "none v1.1.0 quiet\n");
}

#[test]
fn symbols_go_unless_they_are_kept() {
    let Some(mut stage) = stage() else { return };
    stage.packages = vec!["gcc", "libc6-dev"];
    stage.run(&format!("{BUMP}  deps: []\n")).ok();
    let mut sizes = Vec::new();
    for more in ["", "  strip: false\n"] {
        stage.run(&format!("{BUILD}  cgo_enabled: 0\n{more}")).ok();
        sizes.push(stage.bytes("/work/target/usr/bin/app").len());
    }
    assert!(sizes[0] * 10 < sizes[1] * 9, "{sizes:?}");
    // C takes part where it is asked for.
    stage.write(
        "c.go",
        "package main\n\n// int one(void) { return 1; }\nimport \"C\"\n\nvar _ = C.one()\n",
    );
    stage.run(&format!("{BUILD}  cgo_enabled: 1\n")).ok();
    stage.sh("readelf -d /work/target/usr/bin/app | grep libc.so").ok();
    stage.run(&format!("{BUILD}  cgo_enabled: 0\n")).ok();
    stage.sh("! readelf -d /work/target/usr/bin/app | grep libc.so").ok();
}

#[test]
fn the_folder_leaves_no_trace() {
    let mut programs = Vec::new();
    for source in ["/work/source", "/srv/elsewhere/deep"] {
        let Some(mut stage) = stage_at(source) else { return };
        // Nothing may come from the other build.
        stage.environment.insert("GOCACHE".into(), "/tmp/cache".into());
        stage.run(&format!("{BUMP}  deps: []\n")).ok();
        stage.run(&format!("{BUILD}  strip: false\n")).ok();
        programs.push(stage.bytes("/work/target/usr/bin/app"));
    }
    assert!(programs[0] == programs[1], "two folders give two programs");
}

#[test]
fn versions_go_up_and_not_down() {
    let Some(stage) = stage() else { return };
    let version = |stage: &Stage| {
        let text = stage.read("go.mod");
        let line = text.lines().find(|line| line.contains("example.org/dep v")).unwrap();
        line.rsplit(' ').next().unwrap().to_owned()
    };
    for (dep, expected) in [
        ("v1.1.0-rc.1", "v1.1.0-rc.1"),
        ("v1.1.0", "v1.1.0"),
        ("v1.1.0-rc.1", "v1.1.0"),
        ("v1.0.0", "v1.1.0"),
        ("v1.2.0", "v1.2.0"),
    ] {
        for action in ["go/bump@v1", "go/bump@v2"] {
            let step = format!(
                "uses: {action}\nwith:\n  offline: true\n  deps: [example.org/dep@{dep}]\n"
            );
            stage.run(&step).ok();
            assert_eq!(version(&stage), expected, "{action} {dep}");
        }
    }
    stage.run(&format!("{BUMP}  downgrade: true\n  deps: [example.org/dep@v1.0.0]\n")).ok();
    assert_eq!(version(&stage), "v1.0.0");
    stage.run("uses: go/bump@v1\nwith:\n  offline: true\n  upgrade: true\n  tidy: true\n").ok();
    assert_eq!(version(&stage), "v1.2.0");
    stage.run(&format!("{BUMP}  deps: [example.org/dep@v9.0.0]\n")).fails("v9.0.0");
    stage.run(&format!("{BUMP}  deps: [example.org/dep]\n")).fails("is not MODULE@VERSION");
}

#[test]
fn replaced_and_vendored_modules() {
    let Some(stage) = stage() else { return };
    stage
        .run("uses: go/bump@v2\nwith:\n  offline: true\n  replaces: [example.org/dep=example.org/dep@v1.2.0]\n")
        .ok();
    stage.run(BUILD).ok();
    assert_eq!(stage.sh("/work/target/usr/bin/app").ok(), "none v1.2.0 quiet\n");
    stage.sh("go mod edit -dropreplace=example.org/dep && go mod tidy && go mod vendor").ok();
    stage.run("uses: go/bump@v1\nwith:\n  offline: true\n  dir: .\n  deps: [example.org/dep@v1.1.0]\n").ok();
    assert!(stage.read("vendor/example.org/dep/dep.go").contains("v1.1.0"));
    // From vendor, without a cache and without a proxy.
    stage.sh("chmod -R u+w /go && rm -rf /go/pkg/mod").ok();
    stage
        .run(&format!("environment:\n  GOPROXY: \"off\"\n{BUILD}  extra-args: -mod=vendor\n"))
        .ok();
    assert_eq!(stage.sh("/work/target/usr/bin/app").ok(), "none v1.1.0 quiet\n");
}

#[test]
fn later_steps_need_no_network() {
    let Some(mut stage) = stage() else { return };
    stage.run(&format!("{BUMP}  deps: []\n  tidy: true\n")).ok();
    stage.sh("chmod -R u+w /go && rm -rf /go/pkg/mod").ok();
    stage.run("uses: go/hermetic@v1\nwith:\n  offline: true\n").ok();
    stage.environment.insert("GOPROXY".into(), "off".into());
    stage.run(BUILD).ok();
    // So that steps which call go themselves find the modules as well.
    stage.sh("go vet . && go build -o /dev/null .").ok();
}

#[test]
fn network_is_only_for_fetching() {
    let Some(stage) = stage() else { return };
    for (step, expected) in [
        ("uses: go/bump@v1\nwith:\n  deps: []\n", vec![true]),
        ("uses: go/bump@v2\nwith:\n  offline: true\n", vec![false]),
        ("uses: go/hermetic@v1\n", vec![true]),
        (BUILD, vec![false]),
        ("uses: go/build@v1\nwith:\n  output: x\n  tidy: true\n", vec![true, false]),
        ("uses: go/build@v1\nprivileged: true\nwith:\n  output: x\n", vec![true]),
    ] {
        let expanded = stage.expand(step);
        let found: Vec<bool> = expanded.steps.iter().map(|step| step.privileged).collect();
        assert_eq!(found, expected, "{step}");
    }
}

#[test]
fn inputs_are_never_code() {
    let Some(stage) = stage() else { return };
    stage.run(&format!("{BUMP}  deps: []\n")).ok();
    let evil = "x'; touch /gotcha; '$(touch /gotcha)`touch /gotcha`";
    for key in ["output", "tags", "packages", "extra-args", "experiments"] {
        let output = if key == "output" { "" } else { "  output: x\n" };
        let step = format!("uses: go/build@v1\nwith:\n{output}  {key}: \"{evil}\"\n");
        let _ = stage.run(&step);
        assert!(!stage.path("/gotcha").exists(), "{key}");
    }
    for key in ["deps", "replaces"] {
        let step = format!("uses: go/bump@v2\nwith:\n  offline: true\n  {key}: [\"{evil}@v1\"]\n");
        let _ = stage.run(&step);
        assert!(!stage.path("/gotcha").exists(), "{key}");
    }
    // ldflags are evaluated like a script, as the reference says, but nothing else is: no end of the text, no quote.
    let step = format!("{BUILD}  ldflags: [\"-X main.version=INPUT_END';touch\"]\n");
    stage.run(&step).ok();
    assert_eq!(stage.sh("/work/target/usr/bin/app").ok(), "INPUT_END';touch v1.0.0 quiet\n");
}
