// SPDX-License-Identifier: Apache-2.0
//! Images from registries and layouts, by tag and digest, for platforms.

use hardpan_remote::registry::Logins;
use hardpan_testkit::registry::{Auth, Fault, Registry};

use super::*;
use crate::artifact::demand_line;

fn image(architecture: &str) -> OciImage {
    let tar = Tar::default().file("etc/arch", architecture.as_bytes()).end();
    let second = Tar::default().file("etc/second", b"2").end();
    OciImage::new(architecture, &[Layer::gzip(&tar), Layer::zstd(&second)], &[])
}

fn index() -> OciImage {
    OciImage::index(&[
        ("unknown/unknown", &image("none")),
        ("linux/amd64", &image("amd64")),
        ("linux/arm64", &image("arm64")),
    ])
}

#[test]
fn indexes_and_tags_are_pinned_to_manifests() {
    let registry = Registry::start(Auth::Token { basic: None, identity: None, uses: 99 });
    registry.redirect_blobs();
    let full = registry.add("team/app", "1", &index());
    let tagged = full.split('@').next().unwrap();
    let desk = Desk::online();
    for (platform, architecture) in [(AMD64, "amd64"), (Platform::LinuxArm64, "arm64")] {
        for name in [full.as_str(), tagged] {
            let locked = desk.pin(name, platform).unwrap();
            let expected = LockedArtifact {
                name: name.to_owned(),
                manifest: image(architecture).digest(),
                index: Some(index().digest()),
                substitute: None,
            };
            assert_eq!(locked, expected);
            assert_eq!(
                demand_line(&reference(name).value, &desk.workspace),
                format!("image {name}")
            );
            desk.session().fetch_images(std::slice::from_ref(&locked), platform).unwrap();
            let tree = desk.session().image_tree(&locked, ORIGIN).unwrap().tree;
            assert_eq!(desk.text(&tree, "etc/arch"), architecture);
        }
    }
    let json = serde_json::to_string(&desk.pin(tagged, AMD64).unwrap()).unwrap();
    assert_eq!(
        json,
        format!(
            r#"{{"name":"{tagged}","manifest":"{}","index":"{}"}}"#,
            image("amd64").digest(),
            index().digest()
        )
    );
    assert!(serde_json::from_str::<LockedArtifact>(&json.replace("index", "idx")).is_err());
}

#[test]
fn indexes_that_do_not_say_for_what_are_looked_into() {
    let mut desk = Desk::new();
    desk.add_layout(
        &OciImage::index(&[("", &image("arm64")), ("", &image("amd64"))]),
        "example/app:1",
    );
    desk.add_layout(&OciImage::index(&[("", &image("arm64"))]), "example/app:2");
    let locked = desk.pin("example/app:1", AMD64).unwrap();
    assert_eq!(locked.manifest, image("amd64").digest());
    let error = desk.pin("example/app:2", AMD64).unwrap_err();
    assert_eq!(error.hints(), ["it is for linux/arm64"]);
}

#[test]
fn what_is_in_the_store_is_not_asked_for_again() {
    let registry = Registry::start(Auth::Open);
    let name = registry.add("app", "1", &index());
    let mut desk = Desk::online();
    let error = Desk::new().pull(&name).unwrap_err();
    assert!(matches!(&error, Error::Offline { what } if what.contains("app")), "{error:?}");
    let locked = desk.pin(&name, AMD64).unwrap();
    assert_eq!(registry.take_log().len(), 3, "index, manifest, configuration");
    // Pinned, but not fetched.
    let client = desk.client.take();
    let error = desk.session().fetch_images(std::slice::from_ref(&locked), AMD64).unwrap_err();
    assert!(matches!(error, Error::Offline { .. }));
    desk.client = client;
    desk.session().fetch_images(&[locked.clone(), locked.clone()], AMD64).unwrap();
    assert_eq!(registry.take_log().len(), 2, "two layers");
    desk.client = None;
    desk.pull(&name).unwrap();
    assert!(registry.take_log().is_empty());
}

#[test]
fn damage_of_the_store_is_mended() {
    let registry = Registry::start(Auth::Open);
    let name = registry.add("app", "1", &image("amd64"));
    let desk = Desk::online();
    let locked = desk.pin(&name, AMD64).unwrap();
    let layers = image("amd64");
    // A manifest and a layer that something has changed since.
    for digest in layers.blobs.keys().chain([&layers.digest()]) {
        let path = desk.store.blob_path(digest);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let length = layers.blobs.get(digest).map_or(layers.root.len(), Vec::len);
        std::fs::write(path, vec![b'x'; length]).unwrap();
    }
    desk.session().fetch_images(std::slice::from_ref(&locked), AMD64).unwrap();
    let tree = desk.session().image_tree(&locked, ORIGIN).unwrap().tree;
    assert_eq!(desk.text(&tree, "etc/arch"), "amd64");
}

#[test]
fn layouts_come_before_registries() {
    let registry = Registry::start(Auth::Nobody);
    let name = registry.add("team/app", "1", &index());
    let tagged = name.split('@').next().unwrap().to_owned();
    let mut desk = Desk::online();
    desk.add_layout(&image("amd64"), "example/other:1");
    desk.add_layout(&index(), &tagged);
    for name in [&name, &tagged] {
        assert_eq!(desk.text(&desk.pull(name).unwrap().tree, "etc/arch"), "amd64");
    }
    assert!(registry.take_log().is_empty());
    // Another tag is another image.
    let error = desk.pull(&tagged.replace(":1", ":2")).unwrap_err();
    assert!(!registry.take_log().is_empty(), "{error:?}");
    desk.stages.artifact_layouts.push(desk.folder.path().join("none"));
    assert!(words(&desk.pull(&name).unwrap_err()).contains("is not an image layout"));
}

#[test]
fn layouts_of_hardpan_are_read() {
    use hardpan_image::{
        BytesPart, Compression, ContainerConfig, Image, ImageIndex, ImageSettings, Layer,
        LayoutWriter, Platform,
    };
    let mut desk = Desk::new();
    let directory = desk.folder.path().join("ours");
    let writer = LayoutWriter::create(&directory).unwrap();
    let tar = Tar::default().file("etc/motd", b"hello").end();
    let part = BytesPart::new(tar[..tar.len() - 1024].to_vec(), Compression::Zstd).unwrap();
    let summary = writer.write_layer(&[&part], Compression::Zstd).unwrap();
    let settings = ImageSettings {
        platform: Platform::linux("amd64"),
        epoch: 0,
        config: ContainerConfig { env: vec!["A=b".into()], ..ContainerConfig::default() },
        annotations: std::collections::BTreeMap::default(),
    };
    let image = Image::new(settings, vec![Layer { summary, created_by: "test".into() }]).unwrap();
    let index = ImageIndex::new(vec![image], std::collections::BTreeMap::default()).unwrap();
    writer.commit(&index, &["example/app:1".parse().unwrap()]).unwrap();
    desk.stages.artifact_layouts.push(directory);
    for name in ["example/app:1".to_owned(), format!("any/name@{}", index.raw().digest())] {
        let tree = desk.pull(&name).unwrap().tree;
        assert_eq!(desk.text(&tree, "etc/motd"), "hello", "{name}");
    }
}

#[test]
fn errors_say_what_to_do() {
    let only_arm = OciImage::index(&[
        ("linux/arm64", &image("arm64")),
        ("linux/s390x", &image("s390x")),
        ("unknown/unknown", &image("none")),
    ]);
    let nested = OciImage::index(&[("linux/amd64", &index())]);
    let registry = Registry::start(Auth::Open);
    let host = registry.name();
    let arm = registry.add("arm", "1", &only_arm);
    let single = registry.add("single", "1", &image("arm64"));
    let nested = registry.add("nested", "1", &nested);
    let digest = image("amd64").digest();
    for (name, expected, hint, trouble) in [
        (arm.as_str(), "is not for linux/amd64", "linux/arm64, linux/s390x", Trouble::Usage),
        (&single, "is not for linux/amd64", "it is for linux/arm64", Trouble::Usage),
        (&nested, "is not for linux/amd64", "", Trouble::Usage),
        (&format!("{host}/none:1"), "not found", "private", Trouble::Network),
        (&format!("{host}/arm@{digest}"), "not found", "private", Trouble::Network),
        (
            &format!("{host}/arm@sha512:{}", "0".repeat(128)),
            "not a sha256 digest",
            "",
            Trouble::Usage,
        ),
        ("127.0.0.1:1/a:1", "no connection", "", Trouble::Network),
    ] {
        let desk = Desk::online();
        let error = desk.pull(name).unwrap_err();
        let (words, hints) = (words(&error), error.hints().join("\n"));
        assert!(words.contains(expected), "{name}: {words}");
        assert!(hints.contains(hint), "{name}: {hints}");
        assert_eq!(error.trouble(), trouble, "{name}");
        assert_eq!(error.spans(), [Span::new(0, 3..9)], "{name}");
    }
}

#[test]
fn who_is_not_let_in_hears_where_a_login_was_looked_for() {
    let registry = Registry::start(Auth::Basic("Basic dXNlcjpzZWNyZXQ="));
    let name = registry.add("app", "1", &image("amd64"));
    let mut desk = Desk::online();
    let mut logins = Logins::default();
    logins.add_missing_file("/home/user/.docker/config.json");
    logins.add_file("/run/auth.json", b"{}");
    desk.stages.logins = logins;
    let error = desk.pull(&name).unwrap_err();
    let hints = error.hints().join("\n");
    assert!(hints.contains("in /home/user/.docker/config.json, /run/auth.json"), "{hints}");
    assert!(hints.contains("docker login 127.0.0.1:"), "{hints}");
    assert_eq!(error.trouble(), Trouble::Network);
    let login =
        |auth: &str| format!(r#"{{"auths":{{"{}":{{"auth":"{auth}"}}}}}}"#, registry.name());
    desk.stages.logins = Logins::default();
    desk.stages.logins.add_file("/run/auth.json", login("dXNlcjp3cm9uZw==").as_bytes());
    let error = desk.pull(&name).unwrap_err();
    let said = format!("{:?} {} {error:?}", error.hints(), words(&error));
    assert!(said.contains("from /run/auth.json was refused"), "{said}");
    assert!(!said.contains("wrong") && !said.contains("dXNlcjp"), "{said}");
    desk.stages.logins = Logins::default();
    desk.stages.logins.add_file("/run/auth.json", login("dXNlcjpzZWNyZXQ=").as_bytes());
    desk.pull(&name).unwrap();
}

#[test]
fn registries_that_lie_are_a_matter_of_trust() {
    let other = image("arm64").root;
    for (path, fault) in
        [("/manifests/", Fault::Bytes(other)), ("/blobs/", Fault::Bytes(b"{}".to_vec()))]
    {
        let registry = Registry::start(Auth::Open);
        let name = registry.add("app", "1", &image("amd64"));
        registry.fault(path, fault, 99);
        let desk = Desk::online();
        let error = desk.pull(&name).unwrap_err();
        assert_eq!(error.trouble(), Trouble::Trust, "{error:?}");
    }
}

#[test]
fn workspaces_say_where_registries_are() {
    let registry = Registry::start(Auth::Open);
    registry.add("copies/team/app", "1", &image("amd64"));
    let mut desk = Desk::online();
    let text = format!(
        "[[registries.mirror]]\nfrom = \"registry.example\"\nto = \"{}/copies\"\n",
        registry.name()
    );
    desk.workspace = Workspace::parse(&text).unwrap();
    let tree = desk.pull("registry.example/team/app:1").unwrap().tree;
    assert_eq!(desk.text(&tree, "etc/second"), "2");
}

#[test]
fn another_image_stands_in() {
    let wanted = format!("private.example/app:1@{}", index().digest());
    let other =
        OciImage::index(&[("linux/amd64", &image("another")), ("linux/arm64", &image("arm64"))]);
    let used = format!("localhost/app@{}", other.digest());
    let mut desk = Desk::new();
    desk.add_layout(&other, "localhost/app:1");
    let rule = |to: &str| {
        let text = format!("[[images.substitute]]\nfrom = \"private.example/*\"\nto = \"{to}\"\n");
        Workspace::parse(&text).unwrap()
    };
    // Without a rule nothing stands in, whatever is at hand.
    assert_eq!(desk.pin(&wanted, AMD64).unwrap_err().trouble(), Trouble::Network);
    desk.workspace = rule(&used);
    let locked = desk.pin(&wanted, AMD64).unwrap();
    let expected = LockedArtifact {
        name: wanted.clone(),
        manifest: image("another").digest(),
        index: Some(other.digest()),
        substitute: Some(used.clone()),
    };
    assert_eq!(locked, expected);
    let json = serde_json::to_string(&locked).unwrap();
    assert!(json.ends_with(&format!("\"substitute\":\"{used}\"}}")), "{json}");
    assert_eq!(serde_json::from_str::<LockedArtifact>(&json).unwrap(), locked);
    let line = demand_line(&reference(&wanted).value, &desk.workspace);
    assert_eq!(line, format!("image {wanted} as {used}"));
    let tree = desk.pull(&wanted).unwrap().tree;
    assert_eq!(desk.text(&tree, "etc/arch"), "another");
    // What is said of it is said of the image that is used.
    desk.workspace = rule("localhost/none:1");
    let error = desk.pin(&wanted, AMD64).unwrap_err();
    assert!(error.to_string().contains("localhost/none:1"), "{error}");
}
