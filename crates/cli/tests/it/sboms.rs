// SPDX-License-Identifier: Apache-2.0
//! `hardpan sbom` of images of others: archives of docker and podman, several images in one, and images that mean ill.

use std::path::{Path, PathBuf};

use hardpan_testkit::deb::RawEntry;
use hardpan_testkit::elf::elf;
use hardpan_testkit::fixture::Fixture;
use hardpan_testkit::oci::{Layer, OciImage, Tar};
use hardpan_testkit::zip::zip;
use hardpan_tree::Digest;
use serde_json::{Value, json};

use crate::support::{Ran, hardpan, run};

const STATUS: &[u8] =
    b"Package: a\nStatus: install ok installed\nVersion: 1-1\nArchitecture: amd64\n\n\
Package: b\nStatus: install ok installed\nVersion: 2-1\nArchitecture: amd64\n";

fn sbom(fixture: &Fixture, path: &Path, arguments: &[&str]) -> Ran {
    let mut command = hardpan(fixture, &["sbom", "--offline"]);
    command.arg(path).args(arguments);
    run(command)
}

/// Names and versions of components.
fn components(ran: &Ran) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let row = |one: &Value| format!("{} {}", text(&one["name"]), text(&one["version"]));
    ran.json()["components"].as_array().unwrap().iter().map(row).collect()
}

/// The layers of an image that removes a package's file and changes another.
fn layers() -> [Vec<u8>; 2] {
    let lower = Tar::default()
        .file("var/lib/dpkg/status", b"Package: old\nVersion: 1\n")
        .file("opt/gone/x.dist-info/METADATA", b"Name: gone\nVersion: 1\n")
        .file("opt/here/y.dist-info/METADATA", b"Name: here\nVersion: 2\n")
        .end();
    let upper = Tar::default().file("var/lib/dpkg/status", STATUS).file("opt/.wh.gone", b"").end();
    [lower, upper]
}

fn config(layers: &[Vec<u8>]) -> Vec<u8> {
    let diff_ids: Vec<Digest> = layers.iter().map(|layer| Digest::of(layer)).collect();
    json!({
        "architecture": "amd64", "os": "linux", "created": "2025-01-02T03:04:05Z",
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    })
    .to_string()
    .into_bytes()
}

/// An archive with these files and links.
fn archive(files: &[(&str, &[u8])], links: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, data) in files {
        RawEntry::new(name, b'0').data(data).write(&mut bytes);
    }
    for (name, target) in links {
        RawEntry::new(name, b'2').target(target).write(&mut bytes);
    }
    bytes.extend([0; 1024]);
    bytes
}

fn manifest(images: &[(&str, &[&str], &[&str])]) -> Vec<u8> {
    let entry = |(config, names, layers): &(&str, &[&str], &[&str])| json!({"Config": config, "RepoTags": names, "Layers": layers});
    let entries: Vec<Value> = images.iter().map(entry).collect();
    serde_json::to_vec(&entries).unwrap()
}

/// Writes archives of one image with Docker's names, podman's links, and layers that somebody compressed.
pub(crate) fn docker_archives(fixture: &Fixture) -> Vec<(&'static str, PathBuf)> {
    let [lower, upper] = layers();
    let config = config(&[lower.clone(), upper.clone()]);
    let config_name = format!("{}.json", Digest::of(&config).to_hex());
    let gzip = Layer::gzip(&upper).bytes;
    let zstd = Layer::zstd(&upper).bytes;
    let link = [("v/layer.tar", "../u/layer.tar")];
    let mut written = Vec::new();
    for (summary, top, upper_bytes, links) in [
        ("docker", "u/layer.tar", &upper, &[][..]),
        ("links", "v/layer.tar", &upper, &link[..]),
        ("gzip", "u/layer.tar", &gzip, &[]),
        ("zstd", "u/layer.tar", &zstd, &[]),
    ] {
        let names = ["l/layer.tar", top];
        let manifest = manifest(&[(&config_name, &["example.org/app:1.2"], &names)]);
        let files: [(&str, &[u8]); 4] = [
            ("l/layer.tar", &lower),
            ("u/layer.tar", upper_bytes),
            (&config_name, &config),
            ("manifest.json", &manifest),
        ];
        let path = fixture.path(format!("work/{summary}.tar"));
        std::fs::write(&path, archive(&files, links)).unwrap();
        written.push((summary, path));
    }
    written
}

#[test]
fn archives_of_docker_and_podman_are_read() {
    let fixture = Fixture::new();
    for (summary, path) in docker_archives(&fixture) {
        let ran = sbom(&fixture, &path, &["--json"]).expect(0, &[]);
        assert_eq!(components(&ran), ["a 1-1", "b 2-1", "here 2"], "{summary}: {ran}");
        let ran = sbom(&fixture, &path, &["-o", "spdx"]).expect(0, &["example.org/app"]);
        let document = ran.json();
        assert_eq!(document["creationInfo"]["created"], "2025-01-02T03:04:05Z");
        assert_eq!(document["packages"][0]["versionInfo"], "1.2", "{ran}");
        sbom(&fixture, &path, &["--platform", "linux/arm64"])
            .expect(2, &["is not for linux/arm64", "--platform linux/amd64"]);
    }
    // Nothing was unpacked, and so no store was needed.
    assert!(!fixture.path("store").exists());
}

/// What is wrong, `manifest.json`, the configuration, options, the exit code, and what is said.
type Case<'c> = (&'c str, &'c [u8], &'c [u8], &'c [&'c str], i32, &'c [&'c str]);

#[test]
fn broken_archives_are_refused() {
    let fixture = Fixture::new();
    let [lower, upper] = layers();
    let config = config(&[lower.clone(), upper.clone()]);
    let name = format!("{}.json", Digest::of(&config).to_hex());
    let both: &[&str] = &["l.tar", "u.tar"];
    let good = manifest(&[(&name, &["a:1"], both)]);
    let twice = manifest(&[(&name, &["a:1"], both), (&name, &["b:1"], both)]);
    let one = manifest(&[(&name, &["a:1"], &["l.tar"])]);
    let lost = manifest(&[(&name, &["a:1"], &["l.tar", "x.tar"])]);
    let swapped = manifest(&[(&name, &["a:1"], &["u.tar", "l.tar"])]);
    let up = manifest(&[(&name, &["a:1"], &["l.tar", "../u.tar"])]);
    let cases: [Case<'_>; 12] = [
        ("several", &twice, &config, &[], 2, &["has 2 images: a:1, b:1", "--image NAME"]),
        ("one of several", &twice, &config, &["--image", "b:1"], 0, &["3 components"]),
        (
            "none of several",
            &twice,
            &config,
            &["--image", "c:1"],
            2,
            &["no image \"c:1\"", "a:1, b:1"],
        ),
        ("not the only one", &good, &config, &["--image", "c:1"], 2, &["no image \"c:1\"", "a:1"]),
        ("no images", b"[]", &config, &[], 2, &["has no image"]),
        ("no list", b"{\"a\": 1}", &config, &[], 2, &["no list of images", "podman save"]),
        ("too few layers", &one, &config, &[], 4, &["1 layers", "2"]),
        ("a lost layer", &lost, &config, &[], 2, &["\"x.tar\", which is not there"]),
        ("layers in another order", &swapped, &config, &[], 4, &["has the digest"]),
        ("a path out of it", &up, &config, &[], 2, &["which is not there"]),
        ("another configuration", &good, b"{}", &[], 4, &["has the digest"]),
        ("other names", b"[{\"Config\":\"x.json\",\"Layers\":[]}]", &config, &[], 2, &["x.json"]),
    ];
    for (summary, manifest, config, arguments, code, expected) in cases {
        let files: [(&str, &[u8]); 4] =
            [("l.tar", &lower), ("u.tar", &upper), (&name, config), ("manifest.json", manifest)];
        let path = fixture.path("work/broken.tar");
        std::fs::write(&path, archive(&files, &[("x.json", "x.json")])).unwrap();
        let ran = sbom(&fixture, &path, arguments);
        assert_eq!(ran.code, code, "{summary}: {ran}");
        ran.expect(code, expected);
    }
    // A layer that was changed, and an archive that is cut off.
    let files: [(&str, &[u8]); 4] =
        [("l.tar", &lower), ("u.tar", &upper), (&name, &config), ("manifest.json", &good)];
    let whole = archive(&files, &[]);
    let path = fixture.path("work/broken.tar");
    let mut changed = whole.clone();
    let at = whole.windows(10).position(|bytes| bytes == b"Package: b").unwrap();
    changed[at + 9] = b'c';
    std::fs::write(&path, changed).unwrap();
    sbom(&fixture, &path, &[]).expect(4, &["has the digest", "help: the image was changed"]);
    for length in [0, 100, 512, 700, 3000, whole.len() / 2] {
        std::fs::write(&path, &whole[..length]).unwrap();
        let ran = sbom(&fixture, &path, &[]);
        assert!(matches!(ran.code, 2 | 4), "{length}: {ran}");
    }
}

#[test]
fn forms_that_are_no_root_file_system_are_told() {
    let fixture = Fixture::new();
    fixture.write("work/dir/manifest.json", "{}");
    fixture.write("work/dir/version", "Directory Transport Version: 1.1\n");
    sbom(&fixture, &fixture.path("work/dir"), &[]).expect(2, &["form `dir`", "oci:LAYOUT"]);
    fixture.write("work/unpacked/manifest.json", "[]");
    sbom(&fixture, &fixture.path("work/unpacked"), &[]).expect(2, &["an unpacked archive"]);
    fixture.write("work/root/manifest.json", "{}");
    fixture.write("work/root/etc/os-release", "ID=debian\nVERSION_ID=13\n");
    sbom(&fixture, &fixture.path("work/root"), &[]).expect(0, &["debian", "1 component"]);
    sbom(&fixture, Path::new("gone.tar"), &[]).expect(2, &["there is no gone.tar"]);
}

#[test]
fn images_that_mean_ill_give_warnings() {
    let fixture = Fixture::new();
    let program = elf().section(".dep-v0", [0x78, 0x9c, 0xff, 0xff]).build();
    let bomb = vec![0; 64 << 20];
    let inner = zip(&[("META-INF/MANIFEST.MF", &bomb, true)]);
    let jar = zip(&[("a.jar", &inner, true), ("b.jar", &inner[..inner.len() / 2], true)]);
    let long = format!("Package: {}\nVersion: 1\n", "x".repeat(100_000));
    let cases: [(&str, &str, &[u8], &str); 8] = [
        ("a program cut short", "usr/bin/a", &program[..program.len() / 2], ""),
        ("a program with a broken list", "usr/bin/a", &program, "warning: /usr/bin/a"),
        ("a bomb", "opt/a.jar", &jar, "warning: /opt/a.jar"),
        ("a status of noise", "var/lib/dpkg/status", &[0xff; 4000], ""),
        (
            "a status without versions",
            "var/lib/dpkg/status",
            b"Package: a\n",
            "warning: /var/lib/dpkg/status",
        ),
        ("a name without end", "var/lib/dpkg/status", long.as_bytes(), ""),
        ("an SBOM that is none", "x/a.spdx.json", b"[[[[", "warning: /x/a.spdx.json"),
        ("a database of noise", "lib/apk/db/installed", &[b':'; 4000], ""),
    ];
    for (summary, path, bytes, warning) in cases {
        let image =
            OciImage::new("amd64", &[Layer::gzip(&Tar::default().file(path, bytes).end())], &[]);
        let layout = fixture.path(format!("work/{}", summary.replace(' ', "-")));
        image.write_layout(&layout, "x:1");
        let ran = sbom(&fixture, &layout, &[]);
        assert_eq!(ran.code, 0, "{summary}: {ran}");
        assert!(ran.stderr.contains(warning), "{summary}: {ran}");
        sbom(&fixture, &layout, &["-o", "spdx"]).expect(0, &["SPDX-2.3"]).json();
        sbom(&fixture, &layout, &["-o", "cyclonedx"]).expect(0, &["CycloneDX"]).json();
    }
    // More layers than anything has.
    let empty = Layer::plain(Tar::default().file("a", b"").end());
    let many = vec![empty; 1025];
    let layout = fixture.path("work/many");
    OciImage::new("amd64", &many, &[]).write_layout(&layout, "x:1");
    let ran = sbom(&fixture, &layout, &[]);
    assert!(matches!(ran.code, 2 | 4), "{ran}");
    // An unknown kind of layer.
    let mut encrypted = Layer::plain(Tar::default().end());
    encrypted.media_type = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted".to_owned();
    let layout = fixture.path("work/encrypted");
    OciImage::new("amd64", &[encrypted], &[]).write_layout(&layout, "x:1");
    sbom(&fixture, &layout, &[]).expect(4, &["unknown media type", "decrypt the image first"]);
}

#[test]
fn mistyped_places_are_guessed() {
    let fixture = Fixture::new();
    let [lower, upper] = layers();
    let image = OciImage::new("amd64", &[Layer::plain(lower), Layer::plain(upper)], &[]);
    for layout in ["out/python", "images/base/1.2"] {
        image.write_layout(&fixture.path("work").join(layout), "1");
    }
    fixture.write("work/app.tar", "");
    fixture.write("work/out/pythom", "no image");
    fixture.write("work/src/main.rs", "");
    let said = |arguments: &[&str], code: i32, expected: &[&str]| {
        run(hardpan(&fixture, arguments)).expect(code, expected)
    };
    for (name, expected) in [
        ("./out/pyton", "did you mean ./out/python?"),
        ("./oot/python", "did you mean ./out/python?"),
        ("images/bse/1.2.tar", "there is no images/bse/1.2.tar"),
        ("ap.tar", "did you mean app.tar?"),
    ] {
        said(&["sbom", "--offline", name], 2, &[expected]);
        said(&["copy", "--offline", name, "./x"], 2, &[expected]);
    }
    // What may be an image of a registry is one: what is near is said only where there is none.
    for (name, expected) in [
        ("out/pyton", "there is no layout at out/pyton; did you mean out/python?"),
        ("out/pyton:1", "did you mean out/python?"),
        ("out/python:2", "did you mean out/python?"),
        ("Out/python", "did you mean out/python?"),
        ("images/base/1.3", "did you mean images/base/1.2?"),
        ("src/other", "there is no layout at src/other, so it was taken for"),
    ] {
        let ran = run(hardpan(&fixture, &["sbom", "--offline", name]));
        assert!(ran.code != 0 && ran.stderr.contains(expected), "{name}: {ran}");
    }
    for name in
        ["registry.example/python:1", "elsewhere/python", "alpine", "./zzz/python", "zzz.tar"]
    {
        let ran = run(hardpan(&fixture, &["sbom", "--offline", name]));
        assert!(ran.code != 0, "{name}: {ran}");
        assert!(!ran.stderr.contains("did you mean") && !ran.stderr.contains("no layout"), "{ran}");
    }
    // Layouts, archives and definitions that are there need no guess.
    said(&["sbom", "--offline", "out/python"], 0, &["3 components"]);
}

#[test]
fn the_only_image_is_not_one_for_every_platform() {
    let fixture = Fixture::new();
    let [lower, upper] = layers();
    let image = OciImage::new("amd64", &[Layer::gzip(&lower), Layer::zstd(&upper)], &[]);
    let layout = fixture.path("work/layout");
    image.write_layout(&layout, "1");
    sbom(&fixture, &layout, &["--platform", "linux/amd64"]).expect(0, &["3 components"]);
    for command in ["sbom", "secrets", "audit"] {
        let arguments = [command, "--offline", "--platform", "linux/arm64", "layout"];
        let help = "choose one: `--platform linux/amd64`";
        run(hardpan(&fixture, &arguments)).expect(2, &["linux/arm64", help]);
    }
}

#[test]
fn the_index_says_which_variant_an_image_is_for() {
    let fixture = Fixture::new();
    let [lower, _] = layers();
    for (architecture, variant, good, bad) in [
        (
            "arm",
            Some("v7"),
            &["linux/arm/v7"][..],
            &["linux/arm", "linux/arm/v6", "linux/amd64"][..],
        ),
        ("arm64", None, &["linux/arm64", "linux/arm64/v8"], &["linux/arm64/v9", "linux/arm"]),
        ("arm64", Some("v8"), &["linux/arm64", "linux/arm64/v8"], &["linux/arm64/v9", "what/"]),
    ] {
        let image = OciImage::new(architecture, &[Layer::plain(lower.clone())], &[]);
        let mut index = OciImage::index(&[(&format!("linux/{architecture}"), &image)]);
        let mut root: Value = serde_json::from_slice(&index.root).unwrap();
        if let Some(variant) = variant {
            root["manifests"][0]["platform"]["variant"] = variant.into();
        }
        index.root = root.to_string().into_bytes();
        let layout = fixture.path(format!("work/{architecture}-{}", variant.unwrap_or("none")));
        index.write_layout(&layout, "1");
        for platform in good {
            sbom(&fixture, &layout, &["--platform", platform]).expect(0, &["components"]);
        }
        for platform in bad {
            let help = format!("choose one: `--platform {}`", good[0]);
            sbom(&fixture, &layout, &["--platform", platform]).expect(2, &[&help]);
        }
    }
}

#[test]
fn layers_that_were_damaged_are_told_by_their_digests() {
    let tar = layers()[1].clone();
    // No tar archive at all, and more than is read ahead: who reads it gives up long before its end.
    let long: Vec<u8> = (0..4_000_000_u32).flat_map(u32::to_le_bytes).collect();
    for (layer, what) in [
        (Layer::gzip(&tar), "gzip"),
        (Layer::zstd(&tar), "zstd"),
        (Layer::plain(long.clone()), "long"),
        (Layer::gzip(&long), "long gzip"),
        (Layer::zstd(&long), "long zstd"),
    ] {
        let fixture = Fixture::new();
        let layout = fixture.path("work/layout");
        OciImage::new("amd64", &[layer], &[]).write_layout(&layout, "1");
        let blobs = std::fs::read_dir(layout.join("blobs/sha256")).unwrap();
        let is_layer = |bytes: &[u8]| !bytes.starts_with(b"{");
        for blob in blobs {
            let path = blob.unwrap().path();
            let mut bytes = std::fs::read(&path).unwrap();
            if is_layer(&bytes) {
                let place =
                    if what.starts_with("long") { bytes.len() - 1 } else { bytes.len() / 2 };
                bytes[place] ^= 0x55;
                std::fs::write(&path, bytes).unwrap();
            }
        }
        for command in ["sbom", "secrets", "audit"] {
            let ran = run(hardpan(&fixture, &[command, "--offline", "layout"]));
            assert_eq!(ran.code, 4, "{what}, {command}: {ran}");
            assert!(ran.stderr.contains("the image was changed, or broken on its way"), "{ran}");
        }
    }
}

#[test]
fn every_form_says_the_same() {
    let fixture = Fixture::new();
    let [lower, upper] = layers();
    let image = OciImage::new("amd64", &[Layer::plain(lower), Layer::plain(upper)], &[]);
    let layout = fixture.path("work/layout");
    image.write_layout(&layout, "1");
    let expected: Vec<(String, String)> = [("a", "1-1"), ("b", "2-1"), ("here", "2")]
        .map(|(name, version)| (name.to_owned(), version.to_owned()))
        .into();
    // The form, how it says so, where its components are, and what their versions are called.
    for (form, mark, mark_text, list, version) in [
        ("spdx", "/spdxVersion", "SPDX-2.3", "packages", "versionInfo"),
        (
            "spdx3",
            "/@context",
            "https://spdx.org/rdf/3.0.1/spdx-context.jsonld",
            "@graph",
            "software_packageVersion",
        ),
        ("cyclonedx", "/specVersion", "1.6", "components", "version"),
        ("cyclonedx-1.7", "/specVersion", "1.7", "components", "version"),
    ] {
        let ran = sbom(&fixture, &layout, &["-o", form]).expect(0, &[]);
        let document = ran.json();
        assert_eq!(document.pointer(mark).unwrap(), mark_text);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mut found: Vec<(String, String)> = (document[list].as_array().unwrap().iter())
            .filter(|one| one.get(version).is_some() && one["name"] != "1")
            .map(|one| (text(&one["name"]), text(&one[version])))
            .collect();
        found.sort();
        found.dedup();
        assert_eq!(found, expected, "{form}: {ran}");
        let mut elsewhere = hardpan(&fixture, &["sbom", "--offline", "--threads", "1", "-o", form]);
        elsewhere.arg(&layout).env("TZ", "Asia/Tokyo").env("LC_ALL", "C").current_dir("/");
        assert_eq!(run(elsewhere).stdout, ran.stdout, "{form}: the same image, other bytes");
    }
    sbom(&fixture, &layout, &["-o", "cyclonedx-1.5"]).expect(2, &["cyclonedx-1.7"]);
}
