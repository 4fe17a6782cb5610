// SPDX-License-Identifier: Apache-2.0
//! Compiled Python modules.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use hardpan::definition::Platform;
use hardpan::sandbox::{Exit, Identity, Limits, Network, Program, Root, Sandbox, Stream, Streams};
use hardpan::{Error, SandboxedError, Work};
use hardpan_testkit::deb::{Deb, deb};
use hardpan_tree::{Tree, TreePath};

use crate::support::{How, World, ending, file, real, skip, write_tree};

const BOTH: &str = "platforms: [linux/amd64, linux/arm64]\n";
const HEAD: &str = "cmd: [/usr/bin/python3.13]\n";

/// A package of modules with all that a compiler may stumble upon.
fn app(depends: &str) -> Deb {
    let script = "#!/bin/sh\nset -e\nif command -v py3compile >/dev/null 2>&1; then\n\
                  \tpy3compile -p python3-app /usr/share/app\nfi\n";
    deb("python3-app", "1.0-1")
        .depends(depends)
        .file("/usr/lib/python3/dist-packages/app/__init__.py", "'''Text.'''\nANSWER = 42\n")
        .file(
            "/usr/lib/python3/dist-packages/app/rich.py",
            "import os.path\nNAMES = frozenset({'b', 'a', 'c', 'answer', 'x y'})\n\
             BIG = 123456789012345678901234567890\nPAIR = (1.5, 2j, None, ..., b'bytes', 'é', 'a')\n\
             class A:\n    def f(self, a, *, b=('x', 'x')):\n        return [lambda: (a, b, os.path)]\n",
        )
        .mode(0o755)
        .file("/usr/lib/python3/dist-packages/app/bad.py", "print 'two'\n")
        .file("/usr/share/app/private.py", "import app\n")
        .file("/usr/share/other/data.py", "x = 1\n")
        .script("postinst", script)
}

/// Another platform's interpreter, which no test runs: only its version counts.
fn foreign_interpreter(version: &str) -> Vec<Deb> {
    vec![
        deb("python3.13-minimal", version)
            .architecture("arm64")
            .field("Source", "python3.13")
            .file("/usr/bin/python3.13", "not for this machine\n")
            .mode(0o755),
    ]
}

/// A world with a real interpreter for one platform and a made-up one for the other; `None`, with a word,
/// where there is none to be had.
fn world(test: &str, head: &str, version: Option<&str>) -> Option<World> {
    if cfg!(not(target_arch = "x86_64")) {
        skip(test, "its packages are for amd64");
        return None;
    }
    let packages = match real(&["python3.13-minimal"]) {
        Ok(packages) => packages,
        Err(reason) => {
            skip(test, &reason);
            return None;
        }
    };
    let stanza = packages.iter().find(|(_, stanza)| stanza.contains("Package: python3.13-minimal"));
    let own = stanza.and_then(|(_, stanza)| {
        stanza.lines().find_map(|line| line.strip_prefix("Version: ")).map(str::to_owned)
    });
    let version = version.map_or(own.unwrap(), str::to_owned);
    let mut made = foreign_interpreter(&version);
    made.push(app("python3.13-minimal"));
    made.push(deb("late", "1").timestamp(1_790_000_000).file("/usr/share/late/file", "x\n"));
    let head = format!("{HEAD}{head}");
    Some(World::new(&head, &["python3.13-minimal", "python3-app"], &packages, &made))
}

fn modules(tree: &Tree, directory: &str) -> BTreeMap<String, Vec<u8>> {
    let paths = ending(tree, ".pyc").into_iter().filter(|path| path.starts_with(directory));
    paths.map(|path| (path.clone(), file(tree, &path).1)).collect()
}

#[test]
fn one_compile_gives_the_same_bytes_for_every_platform_and_everywhere() {
    let test = "one_compile_gives_the_same_bytes_for_every_platform_and_everywhere";
    let Some(world) = world(test, BOTH, None) else { return };
    let Some(first) = world.try_build(test, &How::default()) else { return };
    assert!(first.runs > 0);
    let [amd64, arm64] = first.trees.as_slice() else { panic!("two platforms") };
    let app = modules(amd64, "/usr/lib/python3/dist-packages");
    let names: Vec<&str> = app.keys().map(|path| path.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["__init__.cpython-313.pyc", "rich.cpython-313.pyc"]);
    assert_eq!(app, modules(arm64, "/usr/lib/python3/dist-packages"));
    let private = "/usr/share/app/__pycache__/private.cpython-313.pyc";
    assert_eq!(file(amd64, private).1, file(arm64, private).1);
    assert!(modules(amd64, "/usr/share/other").is_empty());
    assert!(modules(amd64, "/usr/lib/python3.13").len() > 50);
    assert!(modules(arm64, "/usr/lib/python3.13").is_empty(), "it has no library");

    // As the source, but for the right to run it.
    let (node, bytes) =
        file(amd64, "/usr/lib/python3/dist-packages/app/__pycache__/rich.cpython-313.pyc");
    let (source, _) = file(amd64, "/usr/lib/python3/dist-packages/app/rich.py");
    assert_eq!((node.metadata.mode, node.metadata.mtime), (0o644, source.metadata.mtime));
    assert_eq!(bytes[4..8], [1, 0, 0, 0], "a hash that is not checked");

    // What is no Python of this version is said.
    let warnings = &first.built.platforms[0].warnings;
    let expected = "python3-app: /usr/lib/python3/dist-packages/app/bad.py: is not compiled: SyntaxError: line 1";
    assert_eq!(warnings, &[expected]);

    // Warm: nothing runs. Elsewhere, with other threads: the same digest.
    let warm = world.build(&How::default()).unwrap();
    assert_eq!((warm.runs, warm.built.digest), (0, first.built.digest));
    for threads in [1, 5] {
        let store = if threads == 1 { "store-1" } else { "store-5" };
        let other = world.build(&How { store, threads, ..How::default() }).unwrap();
        assert_eq!(other.built.digest, first.built.digest, "{threads} threads");
    }
    // The other platform alone: this machine's packages of the lock do it, fetched for that.
    let alone =
        How { store: "store-alone", platforms: vec![Platform::LinuxArm64], ..How::default() };
    let alone = world.build(&alone).unwrap();
    assert_eq!(alone.built.platforms[0].manifest, first.built.platforms[1].manifest);
}

#[test]
fn the_interpreter_takes_them() {
    let test = "the_interpreter_takes_them";
    let Some(world) = world(test, "platforms: [linux/amd64]\n", None) else { return };
    let Some(done) = world.try_build(test, &How::default()) else { return };
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    std::fs::create_dir(&root).unwrap();
    write_tree(&done.trees[0], &root);
    own(&root);
    // Every module is what compiling its source gives; and without its source's text it still counts.
    let program = "\
import sys, marshal
sys.path.append('/usr/lib/python3/dist-packages')
import app.rich, importlib.util, os
assert app.ANSWER == 42 and app.rich.A().f(1)[0]()[1] == ('x', 'x')
count = 0
for module in list(sys.modules.values()):
    spec = getattr(module, '__spec__', None)
    if not spec or not spec.cached or not os.path.exists(spec.cached): continue
    data = open(spec.cached, 'rb').read()
    source = open(spec.origin, 'rb').read()
    assert data[:4] == importlib.util.MAGIC_NUMBER, spec.cached
    assert data[8:16] == importlib.util.source_hash(source), spec.cached
    assert marshal.loads(data[16:]) == compile(source, spec.origin, 'exec', dont_inherit=True), spec.cached
    count += 1
print(count)
";
    let printed = python(&root, &["-I", "-c", program]);
    assert!(printed.trim().parse::<usize>().unwrap() > 5, "{printed}");
    let verbose = python(
        &root,
        &[
            "-I",
            "-v",
            "-c",
            "import sys; sys.path.append('/usr/lib/python3/dist-packages'); import app.rich",
        ],
    );
    assert!(verbose.contains("app/__pycache__/rich.cpython-313.pyc matches"), "{verbose}");
}

#[test]
fn images_of_the_same_modules_share_their_layer() {
    let test = "images_of_the_same_modules_share_their_layer";
    let Some(world) = world(test, "platforms: [linux/amd64]\n", None) else { return };
    let Some(one) = world.try_build(test, &How::default()) else { return };
    // A newer package and another epoch, and another configuration.
    world.fixture.edit("    - python3-app\n", "    - python3-app\n    - late\n");
    world.fixture.edit("cmd:", "environment: {COLOUR: red}\ncmd:");
    let other = world.build(&How::default()).unwrap();
    assert_eq!(other.runs, 0);
    let path = "/usr/lib/python3/dist-packages/app/__pycache__/rich.cpython-313.pyc";
    assert_eq!(file(&one.trees[0], path), file(&other.trees[0], path));
    // The layers before the last one: packages, then modules.
    let compiled = one.layers[one.layers.len() - 2];
    assert!(other.layers.contains(&compiled), "{:?}\n{:?}", one.layers, other.layers);
    assert_ne!(one.layers.last(), other.layers.last());
}

#[test]
fn switched_off_there_are_none_and_nothing_runs() {
    let test = "switched_off_there_are_none_and_nothing_runs";
    let Some(world) = world(test, BOTH, None) else { return };
    world.workspace("[build]\npyc = false\n");
    let off = world.build(&How::default()).unwrap();
    assert_eq!(off.runs, 0);
    assert!(off.trees.iter().all(|tree| ending(tree, ".pyc").is_empty()));
    let lock = std::fs::read_to_string(world.fixture.lock()).unwrap();
    assert!(lock.contains("\"without\": [\"pyc\"]"), "{lock}");

    // The definition has the last word, both ways.
    world.fixture.edit(BOTH, &format!("{BOTH}x-hardpan:\n  pyc: true\n"));
    let Some(on) = world.try_build(test, &How::default()) else { return };
    assert!(!ending(&on.trees[0], ".pyc").is_empty());
    world.workspace("");
    world.fixture.edit("pyc: true", "pyc: false");
    let again = world.build(&How::default()).unwrap();
    assert_eq!(again.built.digest, off.built.digest);
}

#[test]
fn without_an_interpreter_that_runs_here_the_build_says_what_to_do() {
    let test = "without_an_interpreter_that_runs_here_the_build_says_what_to_do";
    for (head, version) in [
        ("platforms: [linux/arm64]\n", None),
        // Of another version: what it compiles may differ.
        (BOTH, Some("3.13.0-1")),
    ] {
        let Some(world) = world(test, head, version) else { return };
        let alone = How { platforms: vec![Platform::LinuxArm64], ..How::default() };
        let error = world.build(&alone).err().unwrap();
        let Error::Sandboxed(SandboxedError::NoRunner { work: Work::Pyc, .. }) = &error else {
            panic!("{error}");
        };
        let hints = error.hints().join("\n");
        assert!(hints.contains("pyc = false") && hints.contains("platforms"), "{hints}");
        world.workspace("[build]\npyc = false\n");
        assert_eq!(world.build(&alone).unwrap().runs, 0);
    }
}

#[test]
fn images_without_an_interpreter_have_none() {
    let app = app("base-files");
    let head = "platforms: [linux/amd64]\ncmd: [/usr/lib/python3/dist-packages/app/rich.py]\n";
    let world = World::new(head, &["python3-app"], &[], &[app, deb("base-files", "13")]);
    let done = world.build(&How::default()).unwrap();
    assert_eq!((done.runs, ending(&done.trees[0], ".pyc").len()), (0, 0));
}

fn own(root: &Path) {
    let Some((uid, gid)) = hardpan::sandbox::host_owner() else { return };
    let mut todo = vec![root.to_path_buf()];
    while let Some(path) = todo.pop() {
        std::os::unix::fs::lchown(&path, Some(uid), Some(gid)).unwrap();
        if path.symlink_metadata().unwrap().is_dir() {
            todo.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    let mode = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
    std::fs::set_permissions(root.parent().unwrap(), mode).unwrap();
}

/// Runs an image's interpreter; returns what it prints.
#[track_caller]
fn python(root: &Path, arguments: &[&str]) -> String {
    let sandbox = Sandbox {
        root: Root::ReadOnly(root.to_path_buf()),
        mounts: Vec::new(),
        identity: Identity { uid: 65532, gid: 65532 },
        network: Network::None,
        limits: Limits { time: Some(Duration::from_mins(1)), ..Limits::default() },
        emulators: BTreeMap::new(),
        hostname: "test".to_owned(),
    };
    let mut all = vec!["/usr/bin/python3.13"];
    all.extend(arguments);
    let program = Program {
        arguments: all.iter().map(Into::into).collect(),
        environment: BTreeMap::from([("LC_ALL".into(), "C.UTF-8".into())]),
        work_dir: TreePath::root(),
    };
    let mut text = Vec::new();
    let finished = sandbox
        .run(
            &program,
            Streams::Captured(&mut |_: Stream, bytes: &[u8]| text.extend_from_slice(bytes)),
        )
        .unwrap();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert_eq!(finished.exit, Exit::Code(0), "{text}");
    text
}
