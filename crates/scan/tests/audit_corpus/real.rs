// SPDX-License-Identifier: Apache-2.0
//! The programs of this machine: what their bytes say must be what they are.

use std::path::Path;

use hardpan_scan::controls::traits::ContentTraits;

/// Programs that are no tool of any kind, among them those whose work is near to one: they start others, look at packages,
/// fetch what is asked of them, or have an applet's name.
const HARMLESS: [&str; 48] = [
    "awk",
    "base64",
    "bc",
    "bzip2",
    "cat",
    "chroot",
    "containerd",
    "crun",
    "cut",
    "dbus-daemon",
    "debugedit",
    "diff",
    "env",
    "expr",
    "file",
    "find",
    "flock",
    "gawk",
    "git",
    "gpg",
    "gpgv",
    "grep",
    "gzip",
    "ip",
    "jq",
    "less",
    "ls",
    "mawk",
    "mount",
    "nice",
    "nsenter",
    "objcopy",
    "openssl",
    "patch",
    "podman",
    "ps",
    "readelf",
    "runc",
    "script",
    "sed",
    "skopeo",
    "sort",
    "sqlite3",
    "systemctl",
    "tar",
    "tini",
    "unshare",
    "xz",
];

#[test]
fn other_programs_of_this_machine_are_no_tools() {
    let mut looked_at = 0;
    for name in HARMLESS {
        let Ok(bytes) = std::fs::read(Path::new("/usr/bin").join(name)) else { continue };
        // Large ones take long without optimisation.
        if !bytes.starts_with(b"\x7fELF") || bytes.len() > 8 << 20 {
            continue;
        }
        looked_at += 1;
        let traits = ContentTraits::of(&bytes);
        assert!(traits.is_empty(), "{name} is {traits:?}");
    }
    println!("{looked_at} programs looked at");
    assert!(looked_at > 10);
}

#[test]
fn shells_and_interpreters_of_this_machine_are_found_by_their_bytes() {
    for (path, is_shell, language) in [
        ("/bin/bash", true, None),
        ("/bin/dash", true, None),
        ("/bin/busybox", true, None),
        ("/bin/zsh", true, None),
        ("/bin/ksh93", true, None),
        ("/bin/mksh", true, None),
        ("/bin/tcsh", true, None),
        ("/bin/toybox", true, None),
        ("/usr/bin/yash", true, None),
        ("/usr/bin/posh", true, None),
        ("/usr/bin/fish", true, None),
        ("/usr/bin/perl", false, Some("perl")),
        ("/usr/bin/python3", false, Some("python")),
        ("/usr/bin/tclsh", false, Some("tcl")),
        ("/usr/bin/ruby", false, Some("ruby")),
        ("/usr/bin/lua5.4", false, Some("lua")),
        ("/usr/bin/php", false, Some("php")),
        ("/usr/lib/jvm/default-java/bin/java", false, Some("java")),
        ("/usr/bin/curl", false, None),
        ("/usr/bin/true", false, None),
        ("/usr/bin/env", false, None),
        ("/usr/bin/sed", false, None),
    ] {
        let Ok(bytes) = std::fs::read(Path::new(path)) else { continue };
        if !bytes.starts_with(b"\x7fELF") {
            continue;
        }
        let traits = ContentTraits::of(&bytes);
        assert_eq!(traits.has(ContentTraits::SHELL), is_shell, "{path}");
        assert_eq!(traits.language(), language, "{path}");
    }
    for (path, sign) in [
        ("/usr/bin/apt-get", ContentTraits::PACKAGE_MANAGER),
        ("/usr/bin/dpkg", ContentTraits::PACKAGE_MANAGER),
        ("/usr/bin/rpm", ContentTraits::PACKAGE_MANAGER),
        ("/usr/bin/as", ContentTraits::COMPILER),
        ("/usr/bin/ld", ContentTraits::COMPILER),
        ("/usr/bin/make", ContentTraits::COMPILER),
        ("/usr/bin/gcc", ContentTraits::COMPILER),
        ("/usr/bin/strace", ContentTraits::DEBUGGER),
        ("/usr/bin/curl", ContentTraits::NETWORK_TOOL),
        ("/usr/bin/wget", ContentTraits::NETWORK_TOOL),
        ("/usr/bin/ssh", ContentTraits::NETWORK_TOOL),
    ] {
        let Ok(bytes) = std::fs::read(Path::new(path)) else { continue };
        let is_elf = bytes.starts_with(b"\x7fELF");
        assert!(!is_elf || ContentTraits::of(&bytes).has(sign), "{path}");
    }
}
