// SPDX-License-Identifier: Apache-2.0

use hardpan_image::{History, ImageConfig};
use hardpan_testkit::deb::RawEntry;
use hardpan_testkit::elf::elf;
use hardpan_tree::{Content, Kind, Origin, TreePath};

use super::*;
use crate::controls::traits::ContentTraits;
use crate::controls::{ControlId, ControlPolicy, Finding, measure};

/// Makes a layer of lines: `0755 f path content`, `0755 d path`, `l path target`, `h path target`, `c path`, `p path`.
/// `\0` in contents is a NUL.
fn layer(lines: &[&str]) -> Vec<u8> {
    let mut tar = Vec::new();
    for line in lines {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        let entry = match words[..] {
            ["l", path, target] => RawEntry::new(path, b'2').target(target),
            ["h", path, target] => RawEntry::new(path, b'1').target(target),
            ["c", path] => RawEntry::new(path, b'3'),
            ["p", path] => RawEntry::new(path, b'6'),
            [mode, kind, path, ref content @ ..] => {
                let content =
                    content.first().unwrap_or(&"").replace("\\0", "\0").replace("\\n", "\n");
                let flag = if kind == "d" { b'5' } else { b'0' };
                let mut entry = RawEntry::new(path, flag).data(content);
                entry.mode = u32::from_str_radix(mode, 8).unwrap();
                entry
            }
            _ => panic!("{line}"),
        };
        entry.write(&mut tar);
    }
    tar
}

fn of(layers: &[&[&str]]) -> Evidence {
    let layers: Vec<Vec<u8>> = layers.iter().map(|lines| layer(lines)).collect();
    of_layers(None, &layers).unwrap()
}

fn path(text: &'static str) -> TreePath {
    TreePath::literal(text)
}

fn findings(evidence: &Evidence, control: ControlId) -> Vec<Finding> {
    let measured = measure(&evidence.inspection(Profile::Runtime), &ControlPolicy::default());
    measured.findings.into_iter().filter(|finding| finding.control == control).collect()
}

#[test]
fn what_a_container_sees_and_where_it_comes_from() {
    let evidence = of(&[
        &["0755 d etc", "0644 f etc/a one", "0644 f etc/b two", "4755 f bin/su x"],
        &["0755 d etc", "0644 f etc/.wh.a", "0755 f bin/su x", "h etc/c etc/b"],
    ]);
    let tree = &evidence.tree;
    assert!(!tree.contains(&path("etc/a")) && !tree.contains(&path("etc/.wh.a")));
    let introduced = |text: &'static str| evidence.image.introduced[&path(text)];
    // A layer names the directories above what it has.
    assert_eq!((introduced("etc"), introduced("etc/b"), introduced("bin/su")), (0, 0, 1));
    assert_eq!(tree.get(&path("bin/su")).unwrap().origin, Origin::Layer(1));
    assert_eq!(tree.get(&path("etc/c")).unwrap().kind, Kind::HardLink(path("etc/b")));
    let (_, file) = tree.file(&path("etc/c")).unwrap();
    assert_eq!(file.content, Content::Inline(b"two"[..].into()));
    let image = &evidence.image;
    let hidden: Vec<_> = image.hidden_files.iter().map(|one| one.path.to_string()).collect();
    assert_eq!(hidden, ["/etc/a", "/bin/su"]);
    assert_eq!(image.hidden_bytes, 4);
    let setuid = &image.hidden_setuid[..];
    assert!(matches!(setuid, [one] if (one.layer, one.hidden_in) == (0, 1)), "{setuid:?}");
    assert_eq!(image.layers.iter().map(|layer| layer.files_bytes).collect::<Vec<_>>(), [7, 1]);
    assert!(image.whiteouts.is_empty() && evidence.warnings.is_empty(), "{:?}", evidence.warnings);
}

#[test]
fn what_no_tree_can_hold() {
    let evidence = of(&[
        &[
            "c dev/null",
            "p run/pipe",
            "0644 f a/.wh.b",
            "0644 f .wh..wh.plnk",
            "0644 f .wh.dir/x y",
        ],
        &["0644 f .wh.nothing", "0644 f dev/.wh.null"],
    ]);
    let special: Vec<String> =
        evidence.image.special.iter().map(|one| format!("{} {}", one.path, one.what)).collect();
    assert_eq!(special, ["/run/pipe named pipe"]);
    let whiteouts: Vec<String> = evidence.image.whiteouts.iter().map(ToString::to_string).collect();
    assert_eq!(whiteouts, ["/.wh..wh.plnk", "/.wh.dir", "/.wh.nothing", "/a/.wh.b"]);
}

#[test]
fn programs_tell_what_they_are() {
    let shell = elf().data(".rodata", b"PS2=> \0PS4=+ \0OPTIND=1\0").build();
    let mut tar = Vec::new();
    for (name, mode) in [("usr/lib/helper", 0o755), ("usr/lib/data", 0o644)] {
        let mut entry = RawEntry::new(name, b'0').data(&shell);
        entry.mode = mode;
        entry.write(&mut tar);
    }
    let evidence = of_layers(None, &[tar]).unwrap();
    let (_, file) = evidence.tree.file(&path("usr/lib/helper")).unwrap();
    assert!(file.facts.is_some());
    assert!(evidence.image.content_traits[&file.digest].has(ContentTraits::SHELL));
    let found = findings(&evidence, ControlId::Shell);
    assert!(
        matches!(&found[..], [one] if one.message == "/usr/lib/helper is a shell by its content"
            && one.help.starts_with("put there by layer 0; ") && one.layer == Some(0)),
        "{found:?}"
    );
}

fn dpkg(content: &str) -> Vec<Vec<u8>> {
    let shell = "\u{7f}ELF BusyBox v";
    let status = "0644 f var/lib/dpkg/status Package: box\\nVersion: 1\\nArchitecture: amd64\\nStatus: install ok installed\\n";
    let sums = format!("0644 f var/lib/dpkg/info/box.md5sums {:x}  bin/helper\\n", {
        use md5::{Digest as _, Md5};
        Md5::digest(shell)
    });
    let helper = format!("0755 f bin/helper {shell}");
    vec![
        layer(&[&helper, status, "0644 f var/lib/dpkg/info/box.list /bin/helper\\n", &sums]),
        layer(&[&format!("0755 f bin/helper {content}")]),
    ]
}

#[test]
fn files_are_of_a_package_as_long_as_they_are_what_it_brought() {
    for (content, is_packaged) in [("\u{7f}ELF BusyBox v", true), ("\u{7f}ELF BusyBox w", false)] {
        let evidence = of_layers(None, &dpkg(content)).unwrap();
        let origin = evidence.tree.get(&path("bin/helper")).unwrap().origin;
        assert_eq!(origin == Origin::Package(0), is_packaged, "{content}: {origin:?}");
        assert_eq!(evidence.packages.len(), 1);
    }
    let evidence = of_layers(None, &dpkg("x")).unwrap();
    let unlisted = evidence.image.unlisted.unwrap();
    assert!(!unlisted.contains(&path("bin/helper")));
}

#[test]
fn the_history_tells_who_made_a_layer() {
    let entry = |text: &str, empty_layer| History {
        created_by: Some(text.to_owned()),
        empty_layer,
        ..History::default()
    };
    let mut config: ImageConfig = serde_json::from_value(serde_json::json!({
        "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []},
    }))
    .unwrap();
    config.history = vec![
        entry("ADD rootfs", false),
        entry("ENV a=b", true),
        entry("RUN /bin/sh -c make\n  install # buildkit", false),
    ];
    let layers = [layer(&["0644 f a x"]), layer(&["0666 f b x"])];
    let evidence = of_layers(Some(&config), &layers).unwrap();
    let found = findings(&evidence, ControlId::WorldWritableFile);
    assert!(found[0].help.starts_with("put there by layer 1: make install; "), "{found:?}");
    // A history of other layers says nothing.
    config.history.pop();
    let evidence = of_layers(Some(&config), &layers).unwrap();
    assert_eq!(evidence.image.layers[1].created_by, None);
}

#[test]
fn secrets_are_facts() {
    let key = "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzzKEY";
    let evidence =
        of(&[&[&format!("0644 f app/credentials {key}")], &["0644 f app/.wh.credentials"]]);
    let secrets = evidence.image.secrets.unwrap();
    assert!(
        matches!(&secrets[..], [one] if one.path == Some(path("app/credentials"))
            && one.place == "/app/credentials:1" && (one.layer, one.deleted_in) == (Some(0), Some(1))),
        "{secrets:?}"
    );
}

#[test]
fn each_name_of_a_file_is_told_with_its_layer() {
    let told = |layers: &[&[&str]], accepted: Option<&'static str>| -> Vec<String> {
        let exceptions = accepted.map(|accepted| crate::controls::Exception {
            control: ControlId::SetuidFile,
            path: Some(path(accepted)),
            message: None,
            reason: "wanted".to_owned(),
        });
        let policy =
            ControlPolicy { exceptions: exceptions.into_iter().collect(), ..Default::default() };
        let evidence = of(layers);
        let findings = measure(&evidence.inspection(Profile::Runtime), &policy).findings;
        let setuid = findings.iter().filter(|one| one.control == ControlId::SetuidFile);
        setuid
            .map(|one| format!("{} {} {:?}", one.severity, one.message, one.layer.unwrap()))
            .collect()
    };
    let file = "4755 f usr/bin/suid x";
    for (layers, accepted, expected) in [
        (&[&[file][..]][..], None, &["fail /usr/bin/suid is setuid 0 0"][..]),
        (
            &[&[file], &["h bin/aa usr/bin/suid"]],
            None,
            &["fail /bin/aa is setuid 0 1", "fail /usr/bin/suid is setuid 0 0"],
        ),
        (
            &[&[file, "h bin/aa usr/bin/suid"]],
            None,
            &["fail /bin/aa is setuid 0 (and 1 more: /usr/bin/suid) 0"],
        ),
        (
            &[&[file, "h bin/aa usr/bin/suid"]],
            Some("usr/bin/suid"),
            &["fail /bin/aa is setuid 0 0", "info /usr/bin/suid is setuid 0 0"],
        ),
        (
            &[&[file, "h bin/aa usr/bin/suid"]],
            Some("bin/aa"),
            &["fail /usr/bin/suid is setuid 0 0", "info /bin/aa is setuid 0 0"],
        ),
        // The name that it came with is gone.
        (
            &[&[file], &["h bin/aa usr/bin/suid"], &["0644 f usr/bin/.wh.suid"]],
            None,
            &["fail /bin/aa is setuid 0 1"],
        ),
        // The name is another file's now.
        (
            &[&[file], &["h bin/aa usr/bin/suid"], &["4711 f bin/aa y"]],
            None,
            &["fail /bin/aa is setuid 0 2", "fail /usr/bin/suid is setuid 0 0"],
        ),
        // By way of a link of directories.
        (
            &[&[file, "l bin usr/bin"], &["h bin/zz bin/suid"]],
            Some("usr/bin/suid"),
            &["fail /usr/bin/zz is setuid 0 1", "info /usr/bin/suid is setuid 0 0"],
        ),
    ] {
        assert_eq!(told(layers, accepted), expected, "{layers:?}");
    }
}

#[test]
fn layers_are_told_without_secrets() {
    let token = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
    let config = serde_json::from_value(serde_json::json!({
        "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []},
        "history": [{"created_by": format!("RUN export TOKEN={token} && x")}],
    }))
    .unwrap();
    let layers = [layer(&["4755 f bin/su x"])];
    let evidence = super::of_layers(Some(&config), &layers).unwrap();
    let told = evidence.image.layers[0].created_by.as_deref();
    assert_eq!(told, Some("RUN export TOKEN=ghp_… && x"));
    assert!(!format!("{:?}", evidence.image).contains(token));
    let measured = crate::controls::measure(
        &evidence.inspection(crate::controls::Profile::Runtime),
        &crate::controls::ControlPolicy::default(),
    );
    let setuid = measured.findings.iter().find(|one| one.help.contains("layer 0")).unwrap();
    assert!(setuid.help.contains("export TOKEN=ghp_…"), "{}", setuid.help);
    let place = "history entry 0 has what a secret looks like";
    assert!(measured.findings.iter().any(|one| one.message.starts_with(place)));
    assert!(!format!("{:?}", measured.findings).contains(&token[4..]));
}

#[test]
fn hostile_layers_end_in_errors_or_warnings() {
    let small = EvidenceOptions { entries_max: 3, ..EvidenceOptions::DEFAULT };
    let mut builder = EvidenceBuilder::new(small);
    let lines: Vec<String> = (0..4).map(|number| format!("0644 f {number}")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    assert!(matches!(
        builder.layer(layer(&lines).as_slice()),
        Err(EvidenceError::Tar { .. } | EvidenceError::TooMany { what: "entries", max: 3 })
    ));
    // Directories that no entry names count, too.
    let deep = format!("0644 f {}", ["d"; 20].join("/"));
    let mut builder = EvidenceBuilder::new(small);
    assert!(matches!(
        builder.layer(layer(&[&deep]).as_slice()),
        Err(EvidenceError::TooMany { what: "entries", max: 3 })
    ));
    let deep = format!("0644 f {}", ["d"; 300].join("/"));
    let mut builder = EvidenceBuilder::new(EvidenceOptions::DEFAULT);
    let deep = RawEntry::new(&deep[7..], b'0');
    let mut tar = Vec::new();
    deep.write(&mut tar);
    assert!(builder.layer(tar.as_slice()).is_err());
    // Cut in the middle of a file.
    let whole = layer(&["0644 f a content"]);
    let mut builder = EvidenceBuilder::new(EvidenceOptions::DEFAULT);
    assert!(matches!(builder.layer(&whole[..515]), Err(EvidenceError::Tar { layer: 0, .. })));
    // Links in a circle, hard links to nothing, and files in the place of directories.
    let evidence =
        of(&[&["l a b", "l b a", "0644 f a/x y", "h c nothing", "0644 f d x", "0644 f d/e y"]]);
    assert_eq!(evidence.warnings.len(), 2, "{:?}", evidence.warnings);
    assert!(evidence.tree.contains(&path("d/e")));
}

#[test]
fn a_catalog_is_the_same_in_either_order() {
    let layers = dpkg("x");
    let catalog = |options, layers: &mut dyn Iterator<Item = &Vec<u8>>| {
        let mut builder = CatalogBuilder::new(options);
        layers.for_each(|layer| builder.layer(layer.as_slice()).unwrap());
        builder.finish().unwrap()
    };
    let options = CatalogOptions { lowest_first: true, ..CatalogOptions::DEFAULT };
    let one = catalog(options, &mut layers.iter());
    assert_eq!(one, catalog(CatalogOptions::DEFAULT, &mut layers.iter().rev()));
    assert_eq!(one.packages.len(), 1);
}
