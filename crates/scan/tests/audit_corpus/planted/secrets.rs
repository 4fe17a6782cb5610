// SPDX-License-Identifier: Apache-2.0
//! What should be known to few.

use hardpan_scan::controls::ControlId::{
    Secret, SecretConfiguration, SecretDeleted, VersionControl,
};
use serde_json::json;

use crate::image::{Image, image};

/// Letters by a rule, so that no search for secrets finds one in this file.
fn letters(count: usize) -> String {
    let all = b"aB3dE6fG9hJ2kL5mN8pQ1rS4tU7vW0xYz";
    (0..count).map(|at| char::from(all[(at * 7 + at / 5) % all.len()])).collect()
}

fn key() -> String {
    let line = letters(64);
    let (begin, end) = ("-----BEGIN", "-----END");
    format!("{begin} PRIVATE KEY-----\n{line}\n{line}\n{line}\n{end} PRIVATE KEY-----\n")
}

fn token() -> String {
    format!("ghp_{}", letters(36))
}

pub(super) fn images() -> Vec<Image> {
    let file = |name: &str, path: &str, text: &str| {
        image(name).file(path, 0o600, text).expect(Secret, path)
    };
    let repository = |name: &str, directory: &str| {
        image(name)
            .directory(directory, 0o755)
            .text(&format!("{directory}/HEAD"), "ref: refs/heads/main\n")
            .text(&format!("{directory}/config"), "[core]\n")
            .directory(&format!("{directory}/objects"), 0o755)
            .directory(&format!("{directory}/refs"), 0o755)
            .expect(VersionControl, directory)
    };
    vec![
        file("secret: a private key", "/opt/app/server.pem", &key()),
        file("secret: a private key without an ending", "/srv/data/x", &key()),
        file(
            "secret: a token in settings",
            "/opt/app/.env",
            &format!("GITHUB_TOKEN={}\n", token()),
        ),
        file("secret: by its directory", "/etc/ssl/private/app.key", "x"),
        file("secret: .netrc", "/root/.netrc", "machine example.org login a password b\n"),
        file(
            "secret: beside Debian's key for tests",
            "/etc/ssl/private/ssl-cert-snakeoil.key.bak",
            &key(),
        ),
        file(
            "secret: a token in the place of Debian's key",
            "/etc/ssl/private/ssl-cert-snakeoil.key",
            &format!("t = {}\n", token()),
        ),
        image("secret: by its name, after one that was deleted")
            .file(
                "/root/.netrc",
                0o600,
                format!("machine example.org login a password {}\n", token()),
            )
            .expect_in(SecretDeleted, "/root/.netrc", 2)
            .layer()
            .text("/root/.wh..netrc", "")
            .layer()
            .file("/root/.netrc", 0o600, "machine example.org login a password b\n")
            .expect(Secret, "/root/.netrc"),
        image("secret: deleted by a later layer")
            .file("/opt/app/id.pem", 0o600, key())
            .expect_in(SecretDeleted, "/opt/app/id.pem", 2)
            .layer()
            .text("/opt/app/.wh.id.pem", ""),
        image("secret: with its directory")
            .file("/build/conf/token", 0o600, format!("t = {}\n", token()))
            .expect_in(SecretDeleted, "/build/conf/token", 2)
            .layer()
            .text("/.wh.build", ""),
        image("secret: changed by a later layer")
            .file("/opt/app/token", 0o600, format!("t = {}\n", token()))
            .expect_in(SecretDeleted, "/opt/app/token", 2)
            .layer()
            .text("/opt/app/token", "t = none\n"),
        image("secret: in the environment")
            .environment(&format!("GITHUB_TOKEN={}", token()))
            .expect_image(SecretConfiguration),
        image("secret: in a label")
            .config("Labels", json!({"deploy": format!("token {}", token())}))
            .expect_image(SecretConfiguration),
        image("secret: in the command")
            .config("Cmd", json!(["--token", token()]))
            .expect_image(SecretConfiguration),
        repository("repository: git", "/opt/app/.git"),
        repository("repository: git, under another name", "/srv/backup"),
        image("repository: of Mercurial")
            .directory("/opt/app/.hg", 0o755)
            .text("/opt/app/.hg/store/fncache", "x")
            .expect(VersionControl, "/opt/app/.hg"),
        image("repository: a working tree of one")
            .text("/opt/app/.git", "gitdir: /home/me/app/.git/worktrees/x\n")
            .expect(VersionControl, "/opt/app/.git"),
    ]
}
