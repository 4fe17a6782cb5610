// SPDX-License-Identifier: Apache-2.0
//! Who an image runs as, and which accounts it has.

use hardpan_scan::controls::ControlId::{
    DuplicateRoot, DuplicateUser, GroupRoot, LoginShell, Password, RemoteAccess, ShadowReadable,
    Shell, UserNotNumeric, UserRoot, UserUnknown,
};

use crate::image::{Image, image};
use crate::programs::dash;

const PASSWD: &str = "root:x:0:0:root:/root:/usr/sbin/nologin\nnonroot:x:65532:65532::/home/nonroot:/usr/sbin/nologin\n";

pub(super) fn images() -> Vec<Image> {
    [users(), accounts(), passwords(), remote()].concat()
}

fn passwd(name: &str, lines: &str) -> Image {
    image(name).file("/etc/passwd", 0o644, format!("{PASSWD}{lines}"))
}

fn users() -> Vec<Image> {
    let root = |name: &str, user: &str| image(name).user(user).expect_image(UserRoot);
    let named = |name: &str, user: &str| root(name, user).expect_image(UserNotNumeric);
    vec![
        root("user: none", ""),
        root("user: 0", "0"),
        root("user: 0:0", "0:0"),
        root("user: 00", "00"),
        root("user: +0", "+0:65532"),
        root("user: -0", "-0"),
        root("user: spaces around 0", " 0 "),
        root("user: nothing but a group", ":65532"),
        named("user: root", "root"),
        named("user: root:root", "root:root"),
        passwd("user: a name with the number 0", "app:x:0:0::/:/usr/sbin/nologin\n")
            .user("app")
            .expect_image(UserRoot)
            .expect_image(UserNotNumeric)
            .expect(DuplicateRoot, "/etc/passwd"),
        passwd("user: a line without numbers", "app:x\n")
            .user("app")
            .expect_image(UserRoot)
            .expect_image(UserNotNumeric),
        passwd("user: a line with an empty number", "app:x::1000::/:/usr/sbin/nologin\n")
            .user("app")
            .expect_image(UserRoot)
            .expect_image(UserNotNumeric),
        image("user: a name").user("nonroot").expect_image(UserNotNumeric),
        image("user: a name that nobody has")
            .user("www-data:65532")
            .expect_image(UserNotNumeric)
            .expect_image(UserUnknown),
        image("user: a group that nobody has").user("65532:www").expect_image(UserUnknown),
        image("group: 0").user("65532:0").expect_image(GroupRoot),
        image("group: root").user("65532:root").expect_image(GroupRoot),
        image("group: of a number without an account").user("1000").expect_image(GroupRoot),
    ]
}

fn accounts() -> Vec<Image> {
    let second = |name: &str, line: &str| passwd(name, line).expect(DuplicateRoot, "/etc/passwd");
    let twice = |name: &str, line: &str| passwd(name, line).expect(DuplicateUser, "/etc/passwd");
    let login = |name: &str, line: &str| {
        passwd(name, line)
            .packaged("dash", "/usr/bin/dash", 0o755, &dash())
            .packaged_link("dash", "/usr/bin/sh", "dash")
            .expect(Shell, "/usr/bin/dash")
            .expect(LoginShell, "/etc/passwd")
    };
    vec![
        second("second root: toor", "toor:x:0:0::/root:/usr/sbin/nologin\n"),
        second("second root: +0", "svc:x:+0:100::/:/usr/sbin/nologin\n"),
        second("second root: spaces and zeros", "svc:x: 000:100::/:/usr/sbin/nologin\n"),
        second("second root: a short line", "svc:x:0\n"),
        twice("same number: two names", "app:x:65532:65532::/:/usr/sbin/nologin\n"),
        twice("same number: a short line", "app:x:65532\n"),
        twice("same name", "nonroot:x:65531:65532::/:/usr/sbin/nologin\n"),
        login("login shell: sh", "app:x:1000:65532::/:/bin/sh\n"),
        login("login shell: an empty field", "app:x:1000:65532::/:\n"),
        login("login shell: nologin that is a shell", "app:x:1000:65532::/:/opt/nologin\n")
            .symlink("/opt/nologin", "/usr/bin/dash"),
    ]
}

fn passwords() -> Vec<Image> {
    let shadow = |name: &str, field: &str| {
        image(name)
            .owner(0, 42)
            .file(
                "/etc/shadow",
                0o640,
                format!("root:*:19700::::::\nnonroot:{field}:19700::::::\n"),
            )
            .owner(0, 0)
            .expect(Password, "/etc/shadow")
    };
    let hash = "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/";
    let readable = |name: &str, mode, owner: (u32, u32)| {
        image(name)
            .owner(owner.0, owner.1)
            .file("/etc/shadow", mode, "root:*:19700::::::\n")
            .owner(0, 0)
            .expect(ShadowReadable, "/etc/shadow")
    };
    vec![
        shadow("password: sha512", hash),
        shadow(
            "password: yescrypt",
            "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7",
        ),
        shadow("password: DES", "ab01FAX.bQRSU"),
        shadow("password: BSDi", "_J9..rasmBYk8r9AiWNc"),
        shadow("password: locked with its hash", &format!("!{hash}")),
        shadow("password: empty", ""),
        passwd("password: in passwd", &format!("app:{hash}:1000:65532::/:/usr/sbin/nologin\n"))
            .expect(Password, "/etc/passwd"),
        image("password: of a group")
            .owner(0, 42)
            .file("/etc/gshadow", 0o640, format!("root:*::\nadm:{hash}::\n"))
            .owner(0, 0)
            .expect(Password, "/etc/gshadow"),
        image("password: an old one")
            .file("/etc/security/opasswd", 0o600, format!("app:1000:1:{hash}\n"))
            .expect(Password, "/etc/security/opasswd"),
        readable("shadow: for everybody", 0o644, (0, 42)),
        readable("shadow: of the image's group", 0o640, (0, 65532)),
        image("shadow: a backup")
            .file("/var/backups/shadow.bak", 0o604, "root:*:19700::::::\n")
            .expect(ShadowReadable, "/var/backups/shadow.bak"),
    ]
}

fn remote() -> Vec<Image> {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ admin@example\n";
    let file = |name: &str, path: &str, text: &str| {
        image(name).file(path, 0o600, text).expect(RemoteAccess, path)
    };
    vec![
        file("remote: authorized_keys", "/root/.ssh/authorized_keys", key),
        file("remote: authorized_keys2", "/home/nonroot/.ssh/authorized_keys2", key),
        file("remote: .rhosts", "/home/nonroot/.rhosts", "+ +\n"),
        file("remote: hosts.equiv", "/etc/hosts.equiv", "trusted.example\n"),
        file("remote: where sshd is told to look", "/etc/keys/root", key)
            .text("/etc/ssh/sshd_config", "# x\nAuthorizedKeysFile /etc/keys/%u\n"),
        image("remote: by a link")
            .file("/opt/keys", 0o644, key)
            .symlink("/root/.ssh/authorized_keys", "/opt/keys")
            .expect(RemoteAccess, "/root/.ssh/authorized_keys"),
    ]
}
