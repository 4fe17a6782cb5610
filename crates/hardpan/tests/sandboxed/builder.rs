// SPDX-License-Identifier: Apache-2.0
//! Maintainer scripts of images that have no shell: they run with tools of the lock, and nothing of those
//! gets into the image.

use std::fs;

use hardpan::definition::Platform;
use hardpan::lock::Lock;
use hardpan::sandbox::SandboxError;
use hardpan::{Error, SandboxedError, Trouble, Work};
use hardpan_testkit::deb::{Deb, deb};
use hardpan_tree::Tree;

use crate::support::{Done, How, World, skip};

const BUSYBOX: &str = "/bin/busybox";
const HEAD: &str = "variant: runtime\nplatforms: [linux/amd64]\nentrypoint: [/usr/bin/app]\n";
const SANDBOX: &str = "x-hardpan:\n  scripts: sandbox\n";

/// The packages that the lock asks for, with what they bring in the archive of these tests.
const TOOLS: [(&str, &[&str]); 15] = [
    ("bash", &[]),
    (
        "coreutils",
        &["cat", "chmod", "chown", "cp", "cut", "ln", "mkdir", "mv", "rm", "touch", "tr"],
    ),
    ("dash", &["sh"]),
    ("debianutils", &[]),
    ("diffutils", &["cmp"]),
    ("dpkg", &[]),
    ("findutils", &["find"]),
    ("grep", &["grep"]),
    ("gzip", &[]),
    ("hostname", &[]),
    ("libc-bin", &[]),
    // As in Debian, the program's own name is a link that only a script makes.
    ("mawk", &[]),
    ("perl-base", &[]),
    ("sed", &["sed"]),
    ("tar", &[]),
];

/// Returns the tools of an architecture: links to one program.
fn tools(architecture: &str) -> Option<Vec<Deb>> {
    let busybox = fs::read(BUSYBOX).ok()?;
    let program = deb("tools-program", "1")
        .architecture(architecture)
        .file("/usr/lib/tools/busybox", busybox)
        .mode(0o755)
        .file("/usr/lib/tools/words", "one\ntwo\n")
        .file("/etc/tools.conf", "the tools' own\n")
        .file("/usr/share/tools/data", "the tools' own\n")
        .directory("/var/lib/tools");
    let link =
        |deb: Deb, name: &&str| deb.symlink(&format!("/usr/bin/{name}"), "../lib/tools/busybox");
    let mut debs = vec![program];
    for (name, links) in TOOLS {
        let tool = deb(name, "1").architecture(architecture).depends("tools-program");
        debs.push(links.iter().fold(tool, link));
    }
    let mawk = debs.iter_mut().find(|deb| deb.control().contains("Package: mawk\n"))?;
    *mawk = mawk
        .clone()
        .symlink("/usr/bin/mawk", "../lib/tools/awk")
        .symlink("/usr/lib/tools/awk", "busybox")
        .script(
            "postinst",
            "#!/bin/sh\nset -e\nupdate-alternatives --install /usr/bin/awk awk /usr/bin/mawk 5\n",
        );
    Some(debs)
}

fn app(postinst: &str) -> Deb {
    deb("app", "1.0-1")
        .file("/usr/bin/app", "a program\n")
        .mode(0o755)
        .file("/etc/app/main.conf", "colour = blue\nlevel = 1\n")
        .file("/usr/share/app/a.module", "a\n")
        .file("/usr/share/app/b.module", "b\n")
        .script("postinst", postinst)
}

/// Makes a world whose image is `app` alone.
fn world(test: &str, head: &str, made: &[Deb]) -> Option<World> {
    world_of(test, head, &["app"], made)
}

fn world_of(test: &str, head: &str, packages: &[&str], made: &[Deb]) -> Option<World> {
    if cfg!(not(target_arch = "x86_64")) {
        skip(test, "its packages are for amd64");
        return None;
    }
    let Some(mut all) = tools("amd64") else {
        skip(test, "busybox-static is not installed");
        return None;
    };
    all.push(deb("base-files", "13"));
    all.extend_from_slice(made);
    Some(World::new(&format!("{HEAD}{head}"), packages, &[], &all))
}

fn lock(world: &World) -> Lock {
    Lock::parse(&fs::read_to_string(world.fixture.lock()).unwrap()).unwrap()
}

fn names(lock: &Lock) -> Vec<&str> {
    lock.platforms["linux/amd64"].tools.iter().map(|package| package.name.as_str()).collect()
}

/// Returns whether this machine allows no sandbox.
fn is_forbidden(error: &Error) -> bool {
    let Error::Sandboxed(SandboxedError::Sandbox { source, .. }) = error else { return false };
    matches!(source, SandboxError::Forbidden { .. })
}

/// Returns the lines of a tree's dump that another one has not, without digests.
fn more(tree: &Tree, than: &Tree) -> Vec<String> {
    let (dump, other) = (tree.dump(), than.dump());
    let old: Vec<&str> = other.lines().collect();
    let new = dump.lines().filter(|line| !old.contains(line));
    new.map(|line| line.split(" sha256:").next().unwrap_or_default().to_owned()).collect()
}

/// What no finisher covers, with much that shells can do.
const POSTINST: &str = r#"#!/bin/sh
set -e
target=/var/lib/app
write() {
  cat >"$target/$1" <<END
name=$1
modules=$2
END
}
if [ "$1" = configure ] && [ -z "$2" ]; then
  mkdir -p -m 0750 "$target/cache"
  modules=
  for module in /usr/share/app/*.module; do
    name=${module##*/}
    modules="$modules ${name%.module}"
  done
  write index "$(echo $modules | tr a-z A-Z)"
  grep -c . /etc/app/main.conf | awk '{ print "lines " $1 }' >"$target/lines"
  sed -i -e 's/^colour = .*/colour = red/' /etc/app/main.conf
  chown 123:124 "$target/cache" "$target/index"
  chmod 0640 "$target/index"
  ln -sf "$target/index" /etc/app/index
  ln "$target/lines" "$target/lines-again"
  [ ! -e /etc/tools.conf ] && [ ! -e /usr/share/tools ] && [ ! -e /var/lib/tools ] || exit 9
  if ! unknown-thing; then touch /usr/bin/sed; fi
fi
"#;

#[test]
fn an_image_without_a_shell_gets_what_its_scripts_did_and_nothing_of_their_tools() {
    let test = "an_image_without_a_shell_gets_what_its_scripts_did_and_nothing_of_their_tools";
    let none = "x-hardpan:\n  scripts: none\n";
    let Some(plain) = world(test, none, &[app(POSTINST)]) else { return };
    let before = plain.build(&How::default()).unwrap();
    assert!(names(&lock(&plain)).is_empty());
    let Some(world) = world(test, SANDBOX, &[app(POSTINST)]) else { return };
    let Some(done) = world.try_build(test, &How::default()) else { return };

    let (old, new) = (&before.trees[0], &done.trees[0]);
    assert_eq!(
        more(new, old),
        [
            "/etc/app/index symlink 0777 0:0 -> /var/lib/app/index",
            "/etc/app/main.conf file 0644 0:0 23",
            "/var/lib/app directory 0755 0:0",
            "/var/lib/app/cache directory 0750 123:124",
            "/var/lib/app/index file 0640 123:124 23",
            "/var/lib/app/lines file 0644 0:0 8",
            "/var/lib/app/lines-again hardlink -> /var/lib/app/lines",
        ]
    );
    assert_eq!(more(old, new), ["/etc/app/main.conf file 0644 0:0 24"]);
    let text = |path| String::from_utf8(crate::support::file(new, path).1).unwrap();
    assert_eq!(text("/var/lib/app/index"), "name=index\nmodules=A B\n");
    assert_eq!(text("/var/lib/app/lines"), "lines 2\n");
    assert_eq!(text("/etc/app/main.conf"), "colour = red\nlevel = 1\n");
    assert!(!text("/var/lib/dpkg/status").contains("Package: sed"));

    // Effects are counted, and nothing else is said of the image than without.
    let platform = &done.built.platforms[0];
    assert_eq!(platform.actions.get("sandbox"), Some(&5), "{:?}", platform.actions);
    assert_eq!((platform.packages, &platform.warnings[..]), (1, &[][..]));

    // Known results are not made again; on another machine they are the same.
    let warm = world.build(&How::default()).unwrap();
    assert_eq!((warm.runs, warm.built.digest), (0, done.built.digest));
    let other = world.build(&How { store: "other", threads: 1, ..How::default() }).unwrap();
    assert_eq!((other.runs, other.built.digest), (1, done.built.digest));
}

#[test]
fn the_lock_has_tools_only_where_scripts_would_need_them() {
    let test = "the_lock_has_tools_only_where_scripts_would_need_them";
    let quiet = deb("app", "1").file("/usr/bin/app", "a program\n").mode(0o755);
    let covered = "#!/bin/sh\nset -e\nldconfig\n";
    for (summary, head, packages, made, expected) in [
        ("nothing is run", "", &["app"][..], app(covered), 0),
        ("there is no script", SANDBOX, &["app"], quiet, 0),
        ("the image has a shell", SANDBOX, &["app", "dash"], app(covered), 0),
        ("there is a script and no shell", SANDBOX, &["app", "sed"], app(covered), 16),
    ] {
        let head = head.replace("x-hardpan", "tests: []\nx-hardpan");
        let Some(world) = world_of(test, &head, packages, &[made]) else { return };
        // A shell in a runtime image ends the build, after the lock was written.
        let built = world.build(&How::default());
        assert!(matches!(built, Ok(_) | Err(Error::Hardening { .. })), "{summary}");
        let lock = lock(&world);
        assert_eq!(names(&lock).len(), expected, "{summary}: {:?}", names(&lock));
        let has_line = lock.platforms["linux/amd64"].demand.iter().any(|line| {
            line == "tools bash coreutils dash debianutils diffutils dpkg findutils grep gzip hostname \
                     libc-bin mawk perl-base sed tar"
        });
        assert_eq!(has_line, !head.is_empty(), "{summary}");
        assert_eq!(
            built.map_or(0, |done| done.runs),
            0,
            "{summary}: a covered script does not run"
        );
    }
}

#[test]
fn what_belongs_to_tools_can_not_be_changed() {
    let test = "what_belongs_to_tools_can_not_be_changed";
    let changes = |path: &str, tool: &str| {
        format!(
            "the postinst of app changes {path}, which is not the image's but that of the tool {tool}"
        )
    };
    let copy = |path: &str, of: &str| {
        format!(
            "a script of app left {path}: it is a copy of /usr/lib/tools/{of}, which is a tool's"
        )
    };
    for (command, expected) in [
        ("rm /usr/bin/cut", changes("/usr/bin/cut", "tools-program")),
        ("echo x >>/usr/lib/tools/words", changes("/usr/lib/tools/words", "tools-program")),
        ("chmod 0700 /usr/lib/tools/busybox", changes("/usr/lib/tools/busybox", "tools-program")),
        ("chown 5:5 /usr/lib/tools", changes("/usr/lib/tools", "tools-program")),
        ("ln -sf /usr/bin/app /usr/bin/cut", changes("/usr/bin/cut", "tools-program")),
        ("mv /usr/bin/cut /usr/bin/mine", changes("/usr/bin/cut", "tools-program")),
        ("rm /usr/lib/tools/words", changes("/usr/lib/tools/words", "tools-program")),
        ("mv /usr/lib/tools /usr/lib/mine", copy("/usr/lib/mine/busybox", "busybox")),
        ("cp -p /usr/lib/tools/busybox /usr/bin/mine", copy("/usr/bin/mine", "busybox")),
        ("ln /usr/lib/tools/words /usr/bin/mine", copy("/usr/bin/mine", "words")),
        ("cat /usr/lib/tools/words >/etc/words", copy("/etc/words", "words")),
    ] {
        let script = format!("#!/bin/sh\nset -e\nif ! unknown-thing; then {command}; fi\n");
        let Some(world) = world(test, SANDBOX, &[app(&script)]) else { return };
        let error = world.build(&How::default()).err().unwrap();
        if is_forbidden(&error) {
            return skip(test, "there is no sandbox");
        }
        assert_eq!(error.to_string(), expected, "{command}: {:?}", error.hints());
        assert_eq!(error.trouble(), Trouble::Step, "{command}");
        assert!(error.hints().join("\n").contains("scripts: declarative"), "{command}");
    }
}

#[test]
fn what_the_image_has_wins_and_what_scripts_make_beside_tools_is_the_images() {
    let test = "what_the_image_has_wins_and_what_scripts_make_beside_tools_is_the_images";
    // All of it below a condition that nobody can answer without running it.
    let script = "#!/bin/sh\nset -e\nif ! unknown-thing; then\n\
                  mkdir -p /usr/lib/tools\n/usr/bin/cut >/usr/lib/tools/made\n\
                  cp /usr/bin/cut /usr/bin/cut-too\necho '# more' >>/usr/bin/cut\n\
                  cp /usr/bin/cut /tmp/gone\ncp /usr/lib/tools/busybox /tmp/gone-too\nfi\n";
    let own =
        deb("own", "1").file("/usr/bin/cut", "#!/bin/sh\necho the image has it\n").mode(0o755);
    let Some(world) = world_of(test, SANDBOX, &["app", "own"], &[app(script), own]) else { return };
    let Some(done) = world.try_build(test, &How::default()) else { return };
    let tree = &done.trees[0];
    let text = |path| String::from_utf8(crate::support::file(tree, path).1).unwrap();
    assert_eq!(text("/usr/lib/tools/made"), "the image has it\n");
    assert_eq!(text("/usr/bin/cut-too"), "#!/bin/sh\necho the image has it\n");
    assert_eq!(text("/usr/bin/cut"), "#!/bin/sh\necho the image has it\n# more\n");
    let dump = tree.dump();
    let below: Vec<&str> = dump.lines().filter(|line| line.starts_with("/usr/lib/tools")).collect();
    assert_eq!(below.len(), 2, "{below:?}");
    assert!(!dump.contains("/gone"), "{dump}");
}

#[test]
fn a_script_that_fails_ends_the_build() {
    let test = "a_script_that_fails_ends_the_build";
    for (script, how, word) in [
        ("#!/bin/sh\nset -e\nfrobnicate\n", "ended with exit code 127", "frobnicate"),
        (
            "#!/bin/sh\nunknown-thing || true\ngrep red /etc/app/main.conf\n",
            "ended with exit code 1",
            "declarative",
        ),
        ("#!/usr/bin/python3\nprint('x')\n", "", ""),
    ] {
        let Some(world) = world(test, SANDBOX, &[app(script)]) else { return };
        let error = world.build(&How::default()).err().unwrap();
        match &error {
            error if is_forbidden(error) => return skip(test, "there is no sandbox"),
            Error::Sandboxed(SandboxedError::Failed { program, how: end, .. }) => {
                assert_eq!((program.as_str(), end.as_str()), ("postinst of app", how));
            }
            Error::Sandboxed(SandboxedError::Sandbox { .. }) if how.is_empty() => {}
            error => panic!("{error}"),
        }
        assert!(error.hints().join("\n").contains(word), "{:?}", error.hints());
        assert_eq!(error.trouble(), Trouble::Step);
    }
}

#[test]
fn archives_without_tools_end_the_resolution() {
    let test = "archives_without_tools_end_the_resolution";
    for missing in ["sed", "tools-program"] {
        let made = [app(POSTINST), deb("base-files", "13")];
        let Some(mut all) = tools("amd64") else {
            return skip(test, "busybox-static is not installed");
        };
        all.retain(|deb| !deb.control().contains(&format!("Package: {missing}\n")));
        all.extend(made);
        let world = World::new(&format!("{HEAD}{SANDBOX}"), &["app"], &[], &all);
        let error = world.build(&How::default()).err().unwrap();
        assert!(matches!(error, Error::ScriptTools { .. }), "{missing}: {error}");
        assert_eq!(
            error.to_string(),
            "no tools for the maintainer scripts of linux/amd64, whose image has no shell"
        );
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains(missing), "{cause}");
        assert_eq!((error.trouble(), error.spans().len()), (Trouble::Usage, 0));
        assert!(error.hints().join("\n").contains("declarative"));
        assert!(!world.fixture.lock().exists());
    }
}

#[test]
fn an_image_that_excludes_a_tool_has_it_beside_itself_all_the_same() {
    let test = "an_image_that_excludes_a_tool_has_it_beside_itself_all_the_same";
    let script =
        "#!/bin/sh\nset -e\nunknown-thing || true\nsed -n 1p /etc/app/main.conf >/etc/first\n";
    let needy = app(script).depends("sed, dash, tools-program");
    let packages = ["app", "'!sed'", "'!dash'", "'!tools-program'"];
    let Some(world) = world_of(test, SANDBOX, &packages, &[needy]) else { return };
    let Some(done) = world.try_build(test, &How::default()) else { return };
    assert_eq!(crate::support::file(&done.trees[0], "/etc/first").1, b"colour = blue\n");
    assert!(!done.trees[0].dump().contains("/usr/bin/sed"));
    assert_eq!(done.built.platforms[0].packages, 1);
}

#[test]
fn a_platform_that_this_machine_can_not_run_is_refused() {
    let test = "a_platform_that_this_machine_can_not_run_is_refused";
    if cfg!(not(target_arch = "x86_64")) {
        return skip(test, "its packages are for amd64");
    }
    let Some(mut all) = tools("arm64") else {
        return skip(test, "busybox-static is not installed");
    };
    all.push(app(POSTINST));
    let head = HEAD.replace("amd64", "arm64");
    let world = World::new(&format!("{head}{SANDBOX}"), &["app"], &[], &all);
    let error = world.build(&How::default()).err().unwrap();
    let Error::Sandboxed(SandboxedError::NoRunner { work, platform, .. }) = &error else {
        panic!("{error}");
    };
    assert_eq!((*work, *platform), (Work::Scripts, Platform::LinuxArm64));
}

/// What was built says the same whether a shell was there or not.
#[test]
fn a_lock_of_before_does_not_fit_any_more() {
    let test = "a_lock_of_before_does_not_fit_any_more";
    let Some(world) = world(test, "", &[app("#!/bin/sh\nset -e\nldconfig\n")]) else { return };
    let before: Done = world.build(&How::default()).unwrap();
    let old = lock(&world);
    let definition = world.fixture.definition();
    let text = fs::read_to_string(&definition).unwrap();
    fs::write(&definition, format!("{text}{SANDBOX}")).unwrap();
    let after = world.build(&How::default()).unwrap();
    let new = lock(&world);
    assert_eq!((names(&old).len(), names(&new).len()), (0, 16));
    // No script had to run, and tools do not date the image.
    assert_eq!((new.epoch, after.built.digest), (old.epoch, before.built.digest));
}
