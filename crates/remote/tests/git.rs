// SPDX-License-Identifier: Apache-2.0
//! Commits out of real repositories, from git's own server, with every fault that it can have.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "these are tests, their helpers too")]

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hardpan_remote::git::{
    Checkout, EntryKind, GitError, ObjectId, Pack, PackError, PackLimits, repository_files,
};
use hardpan_remote::{Authorization, Cancel, Client, FileSink, Options, Request, Silent};
use hardpan_testkit::git::{GitFault, GitServer, Repository, has_git};

const LIMIT_BYTES: u64 = 64 << 20;

struct Case {
    directory: tempfile::TempDir,
    repository: Repository,
    server: GitServer,
    client: Client,
}

/// A repository with two commits, a branch, tags, and all kinds of files; nothing without git.
fn case() -> Option<Case> {
    if !has_git() {
        eprintln!("skipped: no repository because there is no git");
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    let repository = Repository::new(&directory.path().join("served"));
    // Long and alike, so that the pack has differences.
    let lines: Vec<String> = (0..5000).map(|line| format!("line {line} of a text\n")).collect();
    let text = lines.concat();
    repository.write("README", b"first\n", 0o644);
    repository.write("docs/long.txt", text.as_bytes(), 0o644);
    repository.commit("first");
    repository.git(&["tag", "v1"]);
    repository.git(&["branch", "old"]);
    repository.write("README", b"second\n", 0o644);
    repository.write("docs/longer.txt", format!("{text}more\n").as_bytes(), 0o644);
    repository.write("bin/run", b"#!/bin/sh\n", 0o755);
    std::os::unix::fs::symlink("../README", repository.directory().join("bin/link")).unwrap();
    let other = "1111111111111111111111111111111111111111";
    repository.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{other},sub")]);
    fs::create_dir(repository.directory().join("sub")).unwrap();
    repository.commit("second");
    repository.git(&["tag", "-a", "v2", "-m", "two"]);
    repository.git(&["repack", "-a", "-d", "-f", "-q"]);
    let server = GitServer::start(repository.directory());
    let options = Options { retry_delay: Duration::from_millis(1), ..Options::default() };
    let client = Client::new(options).unwrap();
    Some(Case { directory, repository, server, client })
}

impl Case {
    fn request(&self) -> Request {
        Request::new(&self.server.url(), LIMIT_BYTES).unwrap()
    }

    fn resolve(&self, reference: &str) -> Result<ObjectId, GitError> {
        self.client.git_resolve(&self.request(), reference, &Silent, &Cancel::new())
    }

    fn fetch(&self, commit: ObjectId) -> Result<Pack, GitError> {
        let path = self.directory.path().join("pack");
        let mut sink = FileSink::new(&path);
        let request = self.request();
        self.client.git_fetch(&request, commit, &mut sink, &Silent, &Cancel::new())?;
        Pack::open(File::open(&path).unwrap(), PackLimits::default())
            .map_err(|source| GitError::Pack { url: request.url, source })
    }

    fn id(&self, revision: &str) -> ObjectId {
        self.repository.git(&["rev-parse", revision]).parse().unwrap()
    }
}

#[test]
fn names_lead_to_commits() {
    let Some(case) = case() else { return };
    for (reference, revision) in [
        ("main", "HEAD"),
        ("HEAD", "HEAD"),
        ("refs/heads/old", "v1"),
        ("v1", "v1"),
        ("tags/v1", "v1"),
        // An annotated tag leads to its commit.
        ("v2", "HEAD"),
    ] {
        assert_eq!(case.resolve(reference).unwrap(), case.id(revision), "{reference}");
    }
    for reference in ["v", "v3", "docs", "refs/heads", "0123456"] {
        let error = case.resolve(reference).unwrap_err();
        assert!(matches!(error, GitError::NoReference { .. }), "{reference}: {error}");
    }
}

#[test]
fn a_tag_comes_before_a_branch_of_its_name() {
    let Some(case) = case() else { return };
    case.repository.git(&["branch", "v1", "HEAD"]);
    assert_eq!(case.resolve("v1").unwrap(), case.id("refs/tags/v1"));
}

#[test]
fn a_commit_comes_with_its_files_and_no_history() {
    let Some(case) = case() else { return };
    let commit = case.id("HEAD");
    let pack = case.fetch(commit).unwrap();
    let checkout = Checkout::read(&pack, commit, 100).unwrap();
    assert_eq!(checkout.time, 1_700_000_100);
    let listed: Vec<(String, EntryKind)> = checkout
        .entries
        .iter()
        .map(|entry| (String::from_utf8(entry.path.clone()).unwrap(), entry.kind))
        .collect();
    let listed: Vec<(&str, EntryKind)> =
        listed.iter().map(|(path, kind)| (path.as_str(), *kind)).collect();
    assert_eq!(
        listed,
        [
            ("README", EntryKind::File),
            ("bin", EntryKind::Directory),
            ("bin/link", EntryKind::Symlink),
            ("bin/run", EntryKind::Executable),
            ("docs", EntryKind::Directory),
            ("docs/long.txt", EntryKind::File),
            ("docs/longer.txt", EntryKind::File),
            ("sub", EntryKind::Submodule),
        ]
    );
    let longer = checkout.entries.iter().find(|entry| entry.path == b"docs/longer.txt").unwrap();
    let mut bytes = Vec::new();
    pack.copy_blob(longer.id, &mut bytes).unwrap();
    assert_eq!(bytes, fs::read(case.repository.directory().join("docs/longer.txt")).unwrap());
    assert!(pack.commit(case.id("v1")).is_err(), "history came along");
    // A commit that no reference leads to any more.
    let old = case.id("v1");
    case.repository.git(&["tag", "-d", "v1"]);
    case.repository.git(&["branch", "-D", "old"]);
    let pack = case.fetch(old).unwrap();
    assert_eq!(Checkout::read(&pack, old, 100).unwrap().entries.len(), 3);
    // A server that sends another commit than the one asked for.
    let missing = Checkout::read(&pack, commit, 100).unwrap_err();
    assert!(matches!(missing, PackError::Missing(id) if id == commit), "{missing}");
    let limited = Checkout::read(&pack, old, 2).unwrap_err();
    assert_eq!(limited.to_string(), "more than 2 files");
}

/// Runs git in a checkout, with nothing of this machine's configuration.
fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(directory)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("HOME", "/nonexistent")
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments:?}: {error}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn git_accepts_the_repository_that_is_made() {
    let Some(case) = case() else { return };
    let commit = case.id("HEAD");
    let pack = case.fetch(commit).unwrap();
    let checkout = Checkout::read(&pack, commit, 100).unwrap();
    let files = repository_files(&pack, &checkout, &case.server.url()).unwrap();
    assert_eq!(files, repository_files(&pack, &checkout, &case.server.url()).unwrap());
    let out = case.directory.path().join("checkout");
    for file in &files {
        let path = out.join(&file.path);
        match &file.bytes {
            None => fs::create_dir_all(path).unwrap(),
            Some(bytes) => {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
            }
        }
    }
    for entry in &checkout.entries {
        let path = out.join(std::str::from_utf8(&entry.path).unwrap());
        let mut bytes = Vec::new();
        match entry.kind {
            EntryKind::Directory | EntryKind::Submodule => fs::create_dir_all(path).unwrap(),
            EntryKind::Symlink => {
                pack.copy_blob(entry.id, &mut bytes).unwrap();
                std::os::unix::fs::symlink(String::from_utf8(bytes).unwrap(), path).unwrap();
            }
            kind => {
                pack.copy_blob(entry.id, &mut bytes).unwrap();
                fs::write(&path, bytes).unwrap();
                let mode = if kind == EntryKind::Executable { 0o755 } else { 0o644 };
                let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
                fs::set_permissions(&path, mode).unwrap();
            }
        }
    }
    assert_eq!(git(&out, &["rev-parse", "HEAD"]), commit.to_string());
    assert_eq!(git(&out, &["log", "-1", "--format=%s %ct"]), "second 1700000100");
    assert_eq!(git(&out, &["rev-list", "--count", "HEAD"]), "1");
    assert_eq!(git(&out, &["status", "--porcelain"]), "");
    assert_eq!(git(&out, &["ls-files"]).lines().count(), 6);
    fs::write(out.join("README"), "changed\n").unwrap();
    assert_eq!(git(&out, &["status", "--porcelain"]), "M README");
    git(&out, &["fsck"]);
}

#[test]
fn servers_that_will_not_do_are_told_apart() {
    let Some(case) = case() else { return };
    let commit = case.id("HEAD");
    let unknown = "2222222222222222222222222222222222222222".parse().unwrap();
    assert!(matches!(case.fetch(unknown), Err(GitError::NoCommit { .. })));
    for (fault, message) in [
        (GitFault::Dumb, "not a git server that speaks the smart protocol"),
        (GitFault::Old, "does not speak version 2"),
        (GitFault::Status(404, 9), "not found"),
        (GitFault::Status(401, 9), "status 401"),
        (GitFault::Answer(b"000dpackfile\n000a\x03oh no0000".to_vec()), ""),
        (GitFault::Answer(b"zzzz".to_vec()), "without a length"),
        (GitFault::Answer(b"0000".to_vec()), ""),
        (GitFault::Answer(b"000dpackfile\n0009\x01PACK0000".to_vec()), "bad pack"),
        (GitFault::Answer(b"000dpackfile\n0005\x090000".to_vec()), "unknown band"),
        (GitFault::Answer(b"000dERR nope\n0000".to_vec()), "the git server says: nope"),
    ] {
        case.server.fault(fault.clone());
        let error = case.fetch(commit).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(message), "{fault:?}: {text}");
        case.server.heal();
    }
    // What breaks off is tried again, and then reported as such.
    for bytes in [2, 20, 200] {
        case.server.fault(GitFault::Truncate(bytes));
        let error = case.fetch(commit).unwrap_err();
        assert!(matches!(error, GitError::Remote(_)), "{bytes}: {error}");
        assert!(case.server.heal().len() > 4, "{bytes}");
    }
    case.server.fault(GitFault::Status(503, 1));
    assert!(case.fetch(commit).is_ok());
}

#[test]
fn what_comes_is_limited_and_authorization_stays_with_its_server() {
    let Some(case) = case() else { return };
    let commit = case.id("HEAD");
    let mut sink = FileSink::new(case.directory.path().join("small"));
    let small = Request::new(&case.server.url(), 100).unwrap();
    let error = case.client.git_fetch(&small, commit, &mut sink, &Silent, &Cancel::new());
    assert!(error.unwrap_err().to_string().contains("larger than 100 bytes"));

    case.server.heal();
    let authorization = Authorization::basic("x", b"secret\n");
    let request = Request { authorization, ..case.request() };
    assert!(!format!("{request:?}").contains("secret"));
    case.client.git_resolve(&request, "main", &Silent, &Cancel::new()).unwrap();
    let log = case.server.heal();
    assert_eq!(log.len(), 2);
    assert!(log.iter().all(|(_, header)| header == "Basic eDpzZWNyZXQ="), "{log:?}");

    let front = GitServer::start(case.repository.directory());
    front.fault(GitFault::Redirect(case.server.url()));
    let request = Request { url: front.url().parse().unwrap(), ..request };
    case.client.git_resolve(&request, "main", &Silent, &Cancel::new()).unwrap();
    assert_eq!(front.heal().first().map(|(_, header)| header.len()), Some(18));
    let log = case.server.heal();
    assert!(log.len() == 2 && log.iter().all(|(_, header)| header.is_empty()), "{log:?}");
}
