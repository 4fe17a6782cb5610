// SPDX-License-Identifier: Apache-2.0
//! abuild/setup, abuild/build and abuild/upload. There is no real abuild: a stand-in writes down how it is called, and
//! gives packages.

use hardpan_testkit::apk::{Key, apk};

use crate::abuild::{APORT, aport, run, run_in};
use crate::support::Stage;

/// Writes down how it is called, and puts the packages of `/srv` where abuild would.
const ABUILD: &str = r#"#!/bin/sh
set -e
printf '%s|' "$@" >>/var/log/abuild
echo " $PWD $HOME $ABUILD_USERDIR $SOURCE_DATE_EPOCH ${PYTHON_VERSION-}" >>/var/log/abuild
. "$ABUILD_USERDIR/abuild.conf"
echo "$PACKAGER $PACKAGER_PRIVKEY $SRCDEST" >>/var/log/abuild
for last; do :; done
[ "$last" = all ] || exit 0
. ./APKBUILD
case $arch in all | noarch | x86_64) ;; *) exit 0 ;; esac
place=$4/main/x86_64
mkdir -p "$place"
cp /srv/*.apk "$place"
echo index >"$place/APKINDEX.tar.gz"
"#;

/// A root that has one user can give nothing to another.
const CHOWN: &str = "#!/bin/sh\nprintf '%s ' \"$@\" >>/var/log/chown\n";

fn with_abuild(mut stage: Stage) -> Stage {
    stage.write("/var/log/abuild", "");
    stage.stand_ins.extend([("abuild", ABUILD), ("chown", CHOWN), ("c++", "#!/bin/sh\nexit 1\n")]);
    stage
}

#[test]
fn a_stage_is_prepared() {
    let Some(stage) = Stage::alpine() else { return };
    let stage = with_abuild(stage);
    stage.write("/etc/group", "root:x:0:\n");
    stage.write("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n");
    run_in(&stage, "aports/not-there-yet", "setup", "").ok();
    assert_eq!(stage.read("/etc/group"), "root:x:0:\nabuild:x:300:\n");
    assert!(stage.read("/etc/passwd").ends_with("abuild:x:1001:300:abuild:/home/abuild:/bin/sh\n"));
    assert_eq!(stage.read("/var/log/chown"), "-R abuild:abuild /home/abuild ");
    let key = stage.read("/home/abuild/.abuild/stage.rsa");
    assert!(key.contains("PRIVATE KEY"));
    assert_eq!(
        stage.sh("stat -c %a /home/abuild/.abuild/stage.rsa /etc/apk/keys/stage.rsa.pub").ok(),
        "600\n644\n"
    );
    stage.sh("cd /tmp && echo x >x && openssl dgst -sha1 -sign /home/abuild/.abuild/stage.rsa -out y x && openssl dgst -sha1 -verify /etc/apk/keys/stage.rsa.pub -signature y x").ok();
    // Again, with another name: the same user and key.
    run_in(&stage, "aports/not-there-yet", "setup", "packager: A. B <a@example.org>").ok();
    assert_eq!(stage.read("/home/abuild/.abuild/stage.rsa"), key);
    assert_eq!(stage.read("/etc/passwd").lines().count(), 3);
    let settings = stage.sh("busybox sh -c '. /home/abuild/.abuild/abuild.conf; echo \"$PACKAGER $PACKAGER_PRIVKEY $SRCDEST $REPODEST\"'").ok();
    assert_eq!(
        settings,
        "A. B <a@example.org> /home/abuild/.abuild/stage.rsa /var/cache/distfiles /home/abuild/.abuild/packages\n"
    );
    for packager in ["nobody", "\"a <$(id)@b>\"", "\"a\\\"; id <a@b>\"", "\"a <a@b>\\nid\""] {
        run_in(&stage, "x", "setup", &format!("packager: {packager}")).fails("not a packager");
    }
}

#[test]
fn packages_are_built_and_are_not_signed() {
    let Some(stage) = aport() else { return };
    let stage = with_abuild(stage);
    run(&stage, "setup", "").ok();
    // What looks like the beginning of a member inside of one, and data that is larger than what is looked at.
    let large: Vec<u8> = (0u32..20_000)
        .flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    let package = apk("tool", "1.0-r0").architecture("x86_64").file("/usr/bin/tool", &large);
    let signed = package.clone().sign(&Key::new(1)).build();
    let other = apk("tool-doc", "1.0-r0").file("/usr/share/doc/x", b"x").build();
    stage.write("/srv/tool-1.0-r0.apk", &signed);
    stage.write("/srv/tool-doc-1.0-r0.apk", &other);
    let step = format!(
        "uses: abuild/build@v1\nwork-dir: ${{source.dir}}/{APORT}\nenvironment:\n  PYTHON_VERSION: \"3.10\"\n"
    );
    let log = stage.run(&step).ok();
    assert!(log.contains("made /home/abuild/packages/main/x86_64/tool-1.0-r0.apk"), "{log}");
    let place = "/home/abuild/packages/main/x86_64";
    assert!(
        signed != package.build()
            && stage.bytes(&format!("{place}/tool-1.0-r0.apk")) == package.build()
    );
    assert!(stage.bytes(&format!("{place}/tool-doc-1.0-r0.apk")) == other);
    assert_eq!(stage.sh(&format!("ls {place}")).ok(), "tool-1.0-r0.apk\ntool-doc-1.0-r0.apk\n");
    assert_eq!(
        stage.read("/var/log/abuild"),
        "-F|-d|-P|/home/abuild/.abuild/packages|-s|/var/cache/distfiles|all| /work/source/aports/main/py3-tool /home/abuild /home/abuild/.abuild 1750000000 3.10
hardpan <hardpan@localhost> /home/abuild/.abuild/stage.rsa /var/cache/distfiles\n"
    );
    assert!(stage.read("/var/log/chown").ends_with("-R abuild:abuild /home/abuild/packages "));
    // What abuild built before is there for it, with the index.
    assert!(stage.bytes("/home/abuild/.abuild/packages/main/x86_64/tool-1.0-r0.apk") == signed);
    assert_eq!(stage.read("/home/abuild/.abuild/packages/main/x86_64/APKINDEX.tar.gz"), "index\n");
    run(&stage, "build", "").ok();
    assert!(stage.bytes(&format!("{place}/tool-1.0-r0.apk")) == package.build());
    run(&stage, "upload", "").ok();
    run(&stage, "upload", "").ok();
    assert!(stage.bytes("packages/x86_64/tool-1.0-r0.apk") == package.build());
    stage.write("packages/x86_64/tool-1.0-r0.apk", "another");
    run(&stage, "upload", "").fails("is there already, and differs");
}

#[test]
fn what_can_not_be_built() {
    let Some(stage) = aport() else { return };
    let stage = with_abuild(stage);
    run(&stage, "setup", "").ok();
    run(&stage, "upload", "").fails("there is no package in /home/abuild/packages");
    run_in(&stage, "aports/none", "build", "").fails("there is no APKBUILD");
    run(&stage, "build", "command: \"-r all\"").fails("not a command");
    run(&stage, "build", "command: \"all\\nid\"").fails("not a command");
    // A command that makes no packages.
    run(&stage, "build", "command: checksum").ok();
    assert!(stage.read("/var/log/abuild").contains("|checksum| "));
    let signed = apk("x", "1-r0").file("/x", vec![7; 40_000]).sign(&Key::new(1)).build();
    for (bytes, reason) in [
        (&b"ADB."[..], "not a package of format 2"),
        (&b""[..], "not a package of format 2"),
        (
            &signed[..300],
            "the signature of /home/abuild/.abuild/packages/main/x86_64/x.apk has no end",
        ),
    ] {
        stage.write("/srv/x.apk", bytes);
        run(&stage, "build", "").fails(reason);
    }
    stage.sh("rm -r /home/abuild/.abuild/packages").ok();
    stage.write(&format!("{APORT}/APKBUILD"), "arch=s390x\n");
    run(&stage, "build", "").fails("abuild made no package");
}
