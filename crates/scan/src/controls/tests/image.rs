// SPDX-License-Identifier: Apache-2.0
//! What needs more than a tree: told of an image, and not measured in a build. Whole images are in
//! `tests/audit_corpus`.

use hardpan_image::{ContainerConfig, ImageConfig};

use super::check;
use crate::controls::image::{ImageFacts, VulnerabilityFacts};
use crate::controls::testing::{Image, elf, library};
use crate::controls::{ControlId, Severity, controls};
use hardpan_tree::{ElfProtection, Origin};

fn facts(config: Option<ContainerConfig>) -> ImageFacts {
    let config = config.map(|config| ImageConfig {
        config,
        ..serde_json::from_value(serde_json::json!({
            "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []},
        }))
        .unwrap()
    });
    ImageFacts { config, ..ImageFacts::default() }
}

#[test]
fn a_build_measures_only_its_tree() {
    let measured = Image::new().package("app").program("/usr/bin/app").entrypoint("app").measure();
    assert_eq!(measured.findings, []);
    let needs_more = [
        ControlId::SpecialFile,
        ControlId::WritablePath,
        ControlId::SecretDeleted,
        ControlId::SecretConfiguration,
        ControlId::FixedAddress,
        ControlId::HealthcheckBroken,
        ControlId::SystemVolume,
        ControlId::StopSignal,
        ControlId::Labels,
        ControlId::ImageAge,
        ControlId::Signature,
        ControlId::SbomIncomplete,
        ControlId::DistributionEnd,
        ControlId::VulnerabilityFixable,
        ControlId::WastedBytes,
    ];
    for control in needs_more {
        assert_eq!(measured.unmeasured[&control], "the image is not made yet", "{control}");
    }
    for control in controls().iter().map(|control| control.id) {
        let is_measured = !measured.unmeasured.contains_key(&control);
        let is_known =
            matches!(control, ControlId::Shell | ControlId::UserRoot | ControlId::Password);
        assert!(is_measured || !is_known, "{control}");
    }
}

#[test]
fn what_is_missing_is_said() {
    let image = || Image::new().package("app").program("/usr/bin/app").entrypoint("app");
    let why = |image: &Image, control| image.measure().unmeasured.get(&control).cloned();
    let root = image().facts(facts(None));
    for (control, expected) in [
        (ControlId::UserRoot, "a root file system has no user"),
        (ControlId::UserUnknown, "a root file system has no user"),
        (ControlId::EntrypointMissing, "a root file system has no entrypoint"),
        (ControlId::UnsafePath, "a root file system has no environment"),
        (ControlId::SystemVolume, "a root file system has no configuration"),
        (ControlId::HealthcheckBroken, "a root file system has no configuration"),
        (ControlId::ImageAge, "no day is given"),
        (ControlId::Signature, "nobody's key or name is trusted here"),
        (ControlId::VulnerabilityFixable, "there is no advisory database"),
        (ControlId::SbomIncomplete, "nobody looked which files are listed"),
        (ControlId::SecretDeleted, "nobody looked for secrets"),
    ] {
        assert_eq!(why(&root, control).as_deref(), Some(expected), "{control}");
    }
    let mut known = facts(Some(ContainerConfig::default()));
    known.today = Some(20_000);
    known.vulnerabilities =
        Some(VulnerabilityFacts { rows: Vec::new(), gaps: vec!["no data for x".to_owned()] });
    let known = image().facts(known);
    for (control, expected) in [
        (ControlId::ImageAge, Some("the image does not say when it was made")),
        (ControlId::TagLatest, Some("the image was not asked for by a tag")),
        (ControlId::VulnerabilityExploited, Some("no data for x")),
        (ControlId::UserRoot, None),
        (ControlId::StopSignal, None),
    ] {
        assert_eq!(why(&known, control).as_deref(), expected, "{control}");
    }
    // Nothing that is switched off is missing.
    let mut off = known.clone();
    off.policy.severities.insert(ControlId::ImageAge, None);
    assert_eq!(why(&off, ControlId::ImageAge), None);
}

#[test]
fn stop_signals_are_what_engines_know() {
    for (signal, said) in [
        ("SIGTERM", None),
        ("15", None),
        ("sigrtmin+3", None),
        ("RTMAX-14", None),
        ("SIGRTMIN", None),
        ("SIGKILL", Some("can't be handled by the program")),
        ("SIGRTMIN+32", Some("is none")),
        ("SIGRTMIN+", Some("is none")),
        // Characters of several bytes, where a sign and a number belong.
        ("SIGRTMINé", Some("is none")),
        ("SIGRTMAX–3", Some("is none")),
        ("SIGRTMIN𝟛", Some("is none")),
        ("é", Some("is none")),
    ] {
        let config = ContainerConfig { stop_signal: signal.to_owned(), ..Default::default() };
        let measured = Image::new().facts(facts(Some(config))).measure();
        let found: Vec<_> =
            measured.findings.iter().filter(|one| one.control == ControlId::StopSignal).collect();
        let expected = said.map(|said| format!("the stop signal {signal} {said}"));
        assert_eq!(found.first().map(|one| one.message.clone()), expected, "{signal}");
    }
}

#[test]
fn times_that_builds_repeat_are_no_age() {
    for (created, days, expected) in [
        ("1970-01-01T00:00:00Z", None, true),
        ("1980-01-01T00:00:01Z", None, true),
        ("0001-01-01T00:00:00Z", None, true),
        ("yesterday", None, true),
        ("2024-10-01T00:00:00Z", None, false),
        ("2024-10-05T00:30:00+02:00", None, false),
        ("2024-01-01T12:00:00.123456789Z", Some("the image is 277 days old"), false),
        ("2030-01-01T00:00:00Z", Some("the image says that it is made 1915 days from now"), false),
    ] {
        let mut facts = facts(Some(ContainerConfig::default()));
        facts.today = Some(20_000);
        facts.config.as_mut().unwrap().created = Some(created.to_owned());
        let measured = Image::new().facts(facts).measure();
        let age: Vec<_> =
            measured.findings.iter().filter(|one| one.control == ControlId::ImageAge).collect();
        assert_eq!(age.first().map(|one| one.message.as_str()), days, "{created}");
        let is_unmeasured = measured.unmeasured.contains_key(&ControlId::ImageAge);
        assert_eq!(is_unmeasured, expected, "{created}");
    }
}

#[test]
fn a_build_notes_what_its_packages_are_like() {
    let stack = |flags| ElfProtection { stack_flags: Some(flags), ..ElfProtection::default() };
    let weak = || hardpan_tree::Elf { protection: stack(7), ..elf(&[]) };
    check(vec![
        (
            "how a package was compiled ends no build",
            Image::new()
                .package("p")
                .elf("/usr/lib/ld-linux-x86-64.so.2", library("ld-linux-x86-64.so.2", &[]))
                .symlink("/usr/lib64/ld-linux-x86-64.so.2", "../lib/ld-linux-x86-64.so.2")
                .elf("/usr/bin/p", weak()),
            &["warn executable-stack: /usr/bin/p asks for a stack that can be executed"],
        ),
        (
            "an interpreter that a package asked for",
            Image::new()
                .package("perl-base")
                .program("/usr/bin/perl")
                .package("app")
                .program("/usr/bin/app")
                .entrypoint("app"),
            &[
                "info unneeded-interpreter: /usr/bin/perl runs perl, which the entrypoint does not need",
            ],
        ),
        (
            "one that was copied",
            Image::new()
                .package("app")
                .program("/usr/bin/app")
                .origin(Origin::Stage(0))
                .program("/opt/bin/python3")
                .entrypoint("app"),
            &[
                "warn unneeded-interpreter: /opt/bin/python3 runs python, which the entrypoint does not need",
            ],
        ),
        (
            "files of development, asked for or not",
            Image::new()
                .package("libc6-dev")
                .text("/usr/include/stdio.h", "")
                .package("gcc")
                .request("gcc")
                .text("/usr/lib/gcc/x/12/include/stddef.h", ""),
            &["warn development-file: /usr/include/stdio.h is a header"],
        ),
        (
            "a shell that the definition wants",
            Image::new()
                .package("dash")
                .request("dash")
                .program("/usr/bin/sh")
                .text("/etc/passwd", "root:x:0:0::/root:/bin/sh\nnonroot:x:65532:65532::/:\n"),
            &["info login-shell: /etc/passwd lets root, nonroot log in with /bin/sh"],
        ),
    ]);
    assert!(Severity::Info < Severity::Warn);
}

#[test]
fn owners_that_everybody_knows() {
    let owned = |uid, gid| {
        Image::new().package("p").text("/srv/x", "").metadata("/srv/x", move |metadata| {
            metadata.uid = uid;
            metadata.gid = gid;
        })
    };
    check(vec![
        ("root", owned(0, 0), &[]),
        ("of the distribution", owned(33, 42), &[]),
        ("the image's user", owned(65532, 65532), &[]),
        ("nobody", owned(65534, 65534), &[]),
        (
            "a number without an account, by which the image runs",
            owned(1000, 1000).user("1000:1000"),
            &[],
        ),
        (
            "nobody's",
            owned(1000, 0),
            &["warn unowned-file: /srv/x belongs to the user 1000, whom the image does not have"],
        ),
        (
            "no group's",
            owned(0, 1000),
            &["warn unowned-file: /srv/x belongs to the group 1000, which the image does not have"],
        ),
    ]);
}
