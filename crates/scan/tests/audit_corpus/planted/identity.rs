// SPDX-License-Identifier: Apache-2.0
//! Who an image runs as, and which accounts it has.

use hardpan_scan::controls::ControlId::{
    DuplicateRoot, DuplicateUser, GroupRoot, LoginShell, Password, RemoteAccess, Secret,
    ShadowReadable, Shell, SpecialFile, UnownedFile, UserNotNumeric, UserRoot, UserUnknown,
    WritablePath, WritableProgram,
};

use crate::image::{Image, image};
use crate::programs::dash;

const PASSWD: &str = "root:x:0:0:root:/root:/usr/sbin/nologin\nnonroot:x:65532:65532::/home/nonroot:/usr/sbin/nologin\n";

pub(super) fn images() -> Vec<Image> {
    [users(), accounts(), unknown(), passwords(), remote()].concat()
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
            .expect_image(UserNotNumeric)
            .expect(DuplicateRoot, "/etc/passwd"),
        image("user: a name").user("nonroot").expect_image(UserNotNumeric),
        image("user: a name that nobody has")
            .user("www-data:65532")
            .expect_image(UserNotNumeric)
            .expect_image(UserUnknown),
        image("user: a group that nobody has").user("65532:www").expect_image(UserUnknown),
        image("group: 0").user("65532:0").expect_image(GroupRoot),
        image("group: root").user("65532:root").expect_image(GroupRoot),
        // A number is one to runtimes, whatever accounts and groups are called.
        passwd("user: 0, and an account of that name", "0:x:1000:1000::/:/usr/sbin/nologin\n")
            .user("0")
            .expect_image(UserRoot),
        passwd(
            "user: a number of which an account has the name",
            "1000:x:0:0::/:/usr/sbin/nologin\n",
        )
        .user("1000:1000")
        .expect(DuplicateRoot, "/etc/passwd"),
        passwd(
            "user: too large for a number, and a name",
            "3000000000:x:0:0::/:/usr/sbin/nologin\n",
        )
        .user("3000000000:65532")
        .expect_image(UserRoot)
        .expect_image(UserNotNumeric)
        .expect(DuplicateRoot, "/etc/passwd"),
        image("group: 0, and a group of that name")
            .text("/etc/group", "root:x:0:\nnonroot:x:65532:\n0:x:65532:\n")
            .user("65532:0")
            .expect_image(GroupRoot),
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
        second("second root: -0", "svc:x:-0:100::/:/usr/sbin/nologin\n"),
        second("second root: a tab and -00", "svc:x:\t-00:100::/:/usr/sbin/nologin\n"),
        second("second root: no number, to musl", "svc:x::100::/:/usr/sbin/nologin\n"),
        second("second root: 2^32, to musl", "svc:x:4294967296:100::/:/usr/sbin/nologin\n"),
        twice("same number: two names", "app:x:65532:65532::/:/usr/sbin/nologin\n"),
        twice("same number: a short line", "app:x:65532\n"),
        twice("same name", "nonroot:x:65531:65532::/:/usr/sbin/nologin\n"),
        login("login shell: sh", "app:x:1000:65532::/:/bin/sh\n"),
        login("login shell: an empty field", "app:x:1000:65532::/:\n"),
        login("login shell: nologin that is a shell", "app:x:1000:65532::/:/opt/nologin\n")
            .symlink("/opt/nologin", "/usr/bin/dash"),
    ]
}

/// Accounts that nobody can read: what depends on them must not pass.
fn unknown() -> Vec<Image> {
    let of_accounts = [DuplicateRoot, DuplicateUser, LoginShell, RemoteAccess, Password];
    let large = |before: &str| [before.as_bytes(), &vec![b'#'; 1 << 20]].concat();
    let hidden = format!("{PASSWD}toor:x:0:0::/:/bin/sh\n");
    let large_passwd = image("accounts: more than are read")
        .file("/etc/passwd", 0o644, large(&hidden))
        .expect_unmeasured(&of_accounts)
        .expect_unmeasured(&[UnownedFile, WritableProgram, WritablePath]);
    // All of the room for texts that are no accounts is taken before they come.
    let fills = |image: Image, directory: &str, count: usize, bytes: usize| {
        (0..count).fold(image, |image, number| {
            image.file(&format!("{directory}/{number}"), 0o644, vec![b'#'; bytes])
        })
    };
    let crowded = fills(image("accounts: after all that is kept"), "/etc/app.d", 17, 1 << 20)
        .file("/etc/passwd", 0o644, &hidden)
        .expect(DuplicateRoot, "/etc/passwd");
    // What is left of the room is less than the accounts take.
    let linked = image("accounts: a link to what is not kept");
    let linked = fills(fills(linked, "/srv/a", 400, 64 << 10), "/srv/b", 70, 1 << 10)
        .text("/srv/passwd", &format!("{hidden}{}\n", "#".repeat(2 << 10)))
        .symlink("/etc/passwd", "/srv/passwd")
        .expect_unmeasured(&of_accounts);
    vec![
        large_passwd,
        crowded,
        linked,
        image("accounts: a link to a large file")
            .file("/opt/passwd", 0o644, large(&hidden))
            .symlink("/etc/passwd", "../opt/passwd")
            .expect_unmeasured(&of_accounts),
        image("accounts: a pipe")
            .text("/etc/.wh.passwd", "")
            .layer()
            .special("/etc/passwd", b'6')
            .expect(SpecialFile, "/etc/passwd")
            .expect_unmeasured(&of_accounts),
        image("accounts: a name that nobody can look up")
            .file("/etc/passwd", 0o644, large(&hidden))
            .user("app:65532")
            .expect_image(UserNotNumeric)
            .expect_unmeasured(&[UserRoot, UserUnknown]),
        image("accounts: a number without a group")
            .file("/etc/passwd", 0o644, large(&hidden))
            .user("1000")
            .expect_unmeasured(&[GroupRoot]),
        image("accounts: headers of a program before them")
            .file("/etc/passwd", 0o644, ["\x7fELF\x02\x01\x01\n", &hidden].concat())
            .expect(DuplicateRoot, "/etc/passwd"),
        image("groups: more than are read")
            .file("/etc/group", 0o644, large("root:x:0:\n"))
            .user("65532:app")
            .expect_unmeasured(&[GroupRoot, UserUnknown, UnownedFile]),
        image("passwords: more than are read")
            .owner(0, 42)
            .file("/etc/shadow", 0o640, large("root:*:19700::::::\nnonroot::19700::::::\n"))
            .owner(0, 0)
            .expect_unmeasured(&[Password]),
        // The search for secrets has looked, where the control for passwords has not.
        image("passwords: more than are read, with a hash")
            .owner(0, 42)
            .file("/etc/shadow", 0o640, large(&format!("root:{HASH}:19700::::::\n")))
            .owner(0, 0)
            .expect(Secret, "/etc/shadow")
            .expect_unmeasured(&[Password]),
        image("remote: a configuration of sshd that is not read")
            .file("/etc/ssh/sshd_config", 0o644, large("AuthorizedKeysFile /etc/keys/%u\n"))
            .expect_unmeasured(&[RemoteAccess]),
    ]
}

const HASH: &str = "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/";

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
    let hash = HASH;
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
