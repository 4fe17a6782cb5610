// SPDX-License-Identifier: Apache-2.0
//! Indexes that packages' triggers make, by the real programs.

use hardpan::definition::Platform;
use hardpan::{Error, SandboxedError, Work};
use hardpan_testkit::deb::{Deb, deb};

use crate::support::{How, World, ending, file, real, skip};

const BOTH: &str = "platforms: [linux/amd64, linux/arm64]\n";
const DESKTOP: [&str; 3] = ["shared-mime-info", "desktop-file-utils", "libgdk-pixbuf-2.0-0"];

const MIME: &str = "<?xml version=\"1.0\"?>\n\
    <mime-info xmlns=\"http://www.freedesktop.org/standards/shared-mime-info\">\n\
    <mime-type type=\"application/x-demo\"><glob pattern=\"*.demo\"/></mime-type></mime-info>\n";
const SCHEMA: &str = "<schemalist><schema id=\"org.demo\" path=\"/org/demo/\">\
    <key name=\"answer\" type=\"i\"><default>42</default></key></schema></schemalist>\n";
const ENTRY: &str =
    "[Desktop Entry]\nType=Application\nName=Demo\nExec=demo\nMimeType=application/x-demo;\n";

/// Files for every index of data.
fn demo() -> Deb {
    deb("demo", "1.0-1")
        .depends("shared-mime-info, desktop-file-utils, libgdk-pixbuf-2.0-0")
        .file("/usr/share/mime/packages/demo.xml", MIME)
        .file("/usr/share/glib-2.0/schemas/org.demo.gschema.xml", SCHEMA)
        .file("/usr/share/applications/demo.desktop", ENTRY)
}

/// The tools of another platform, which no test runs: only their versions count.
fn foreign(real: &[(Vec<u8>, String)]) -> Vec<Deb> {
    let field = |stanza: &str, name: &str| {
        stanza
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned))
    };
    let triplet = "/usr/lib/aarch64-linux-gnu";
    let mut packages = Vec::new();
    for (_, stanza) in real {
        let name = field(stanza, "Package").unwrap();
        let files: &[String] = match name.as_str() {
            "shared-mime-info" => &["/usr/bin/update-mime-database".to_owned()],
            "desktop-file-utils" => &["/usr/bin/update-desktop-database".to_owned()],
            "libglib2.0-0t64" => &[format!("{triplet}/glib-2.0/glib-compile-schemas")],
            "libgdk-pixbuf-2.0-0" => &[
                format!("{triplet}/gdk-pixbuf-2.0/gdk-pixbuf-query-loaders"),
                format!("{triplet}/gdk-pixbuf-2.0/2.10.0/loaders/libpixbufloader-bmp.so"),
                format!("{triplet}/gdk-pixbuf-2.0/2.10.0/loaders/libpixbufloader-gif.so"),
            ],
            _ => continue,
        };
        let package = deb(&name, &field(stanza, "Version").unwrap()).architecture("arm64");
        let package = match field(stanza, "Source") {
            Some(source) => package.field("Source", &source),
            None => package,
        };
        let package = match name.as_str() {
            "shared-mime-info" => package.depends("libglib2.0-0t64"),
            _ => package,
        };
        let add = |deb: Deb, path: &String| deb.file(path, "not for this machine\n").mode(0o755);
        packages.push(files.iter().fold(package, add));
    }
    packages
}

fn world(test: &str, head: &str) -> Option<World> {
    if cfg!(not(target_arch = "x86_64")) {
        skip(test, "its packages are for amd64");
        return None;
    }
    let packages = match real(&DESKTOP) {
        Ok(packages) => packages,
        Err(reason) => {
            skip(test, &reason);
            return None;
        }
    };
    let mut made = foreign(&packages);
    made.push(demo());
    let head = format!("variant: dev\ncmd: [/usr/bin/update-mime-database]\n{head}");
    Some(World::new(&head, &["demo"], &packages, &made))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn indexes_hold_what_packages_bring_and_are_the_same_everywhere() {
    let test = "indexes_hold_what_packages_bring_and_are_the_same_everywhere";
    let Some(world) = world(test, BOTH) else { return };
    let Some(first) = world.try_build(test, &How::default()) else { return };
    let [amd64, arm64] = first.trees.as_slice() else { panic!("two platforms") };

    // Data: the same bytes for both.
    for path in [
        "/usr/share/mime/mime.cache",
        "/usr/share/mime/globs2",
        "/usr/share/mime/application/x-demo.xml",
        "/usr/share/applications/mimeinfo.cache",
        "/usr/share/glib-2.0/schemas/gschemas.compiled",
    ] {
        let (node, bytes) = file(amd64, path);
        assert_eq!((node.metadata.mode, node.metadata.uid), (0o644, 0), "{path}");
        // The made-up package has not the types that the real one brings.
        if path.contains("x-demo") || !path.contains("/mime/") {
            assert_eq!(bytes, file(arm64, path).1, "{path}");
        }
    }
    assert!(
        text(&file(amd64, "/usr/share/mime/globs2").1).contains("50:application/x-demo:*.demo")
    );
    let entries = text(&file(amd64, "/usr/share/applications/mimeinfo.cache").1);
    assert_eq!(entries, "[MIME Cache]\napplication/x-demo=demo.desktop;\n");
    assert!(
        file(amd64, "/usr/share/glib-2.0/schemas/gschemas.compiled").1.starts_with(b"GVariant")
    );

    // Modules: those of the image, under its own paths.
    let path = |triplet| format!("/usr/lib/{triplet}/gdk-pixbuf-2.0/2.10.0/loaders.cache");
    let own = text(&file(amd64, &path("x86_64-linux-gnu")).1);
    assert!(own.contains(
        "\"/usr/lib/x86_64-linux-gnu/gdk-pixbuf-2.0/2.10.0/loaders/libpixbufloader-xpm.so\""
    ));
    let other = text(&file(arm64, &path("aarch64-linux-gnu")).1);
    let loaders: Vec<&str> = other.lines().filter(|line| line.starts_with("\"/")).collect();
    let directory = "/usr/lib/aarch64-linux-gnu/gdk-pixbuf-2.0/2.10.0/loaders";
    assert_eq!(
        loaders.iter().map(|line| line.trim_matches('"')).collect::<Vec<_>>(),
        [
            format!("{directory}/libpixbufloader-bmp.so"),
            format!("{directory}/libpixbufloader-gif.so")
        ]
    );
    assert!(!other.contains("x86_64"));

    let warm = world.build(&How::default()).unwrap();
    assert_eq!((warm.runs, warm.built.digest), (0, first.built.digest));
    for (store, threads) in [("store-1", 1), ("store-5", 5)] {
        let again = world.build(&How { store, threads, ..How::default() }).unwrap();
        assert_eq!(again.built.digest, first.built.digest, "{threads} threads");
    }
    let alone = How { store: "alone", platforms: vec![Platform::LinuxArm64], ..How::default() };
    let alone = world.build(&alone).unwrap();
    assert_eq!(alone.built.platforms[0].manifest, first.built.platforms[1].manifest);
}

#[test]
fn switched_off_there_are_none() {
    let test = "switched_off_there_are_none";
    let Some(world) = world(test, BOTH) else { return };
    world.workspace("[build]\ncaches = false\n");
    let done = world.build(&How::default()).unwrap();
    assert_eq!(done.runs, 0);
    for name in ["mime.cache", "mimeinfo.cache", "gschemas.compiled", "loaders.cache"] {
        assert!(ending(&done.trees[0], name).is_empty(), "{name}");
    }
    let lock = std::fs::read_to_string(world.fixture.lock()).unwrap();
    assert!(lock.contains("\"without\": [\"caches\"]"), "{lock}");
}

#[test]
fn without_a_program_that_runs_here_the_build_says_what_to_do() {
    let test = "without_a_program_that_runs_here_the_build_says_what_to_do";
    let Some(world) = world(test, "platforms: [linux/arm64]\n") else { return };
    let error = world.build(&How::default()).err().unwrap();
    let Error::Sandboxed(SandboxedError::NoRunner { work: Work::Caches, .. }) = &error else {
        panic!("{error}");
    };
    assert!(error.hints().join("\n").contains("caches: false"));
    world.fixture.edit("variant: dev\n", "variant: dev\nx-hardpan: {caches: false}\n");
    assert_eq!(world.build(&How::default()).unwrap().runs, 0);
}

#[test]
fn what_the_definition_puts_there_stays() {
    let test = "what_the_definition_puts_there_stays";
    let head = "platforms: [linux/amd64]\npaths:\n  - type: file\n    \
                path: /usr/share/applications/mimeinfo.cache\n    content: mine\n";
    let Some(world) = world(test, head) else { return };
    let Some(done) = world.try_build(test, &How::default()) else { return };
    assert_eq!(file(&done.trees[0], "/usr/share/applications/mimeinfo.cache").1, b"mine");
    assert!(!ending(&done.trees[0], "mime.cache").is_empty());
}
