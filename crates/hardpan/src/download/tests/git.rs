// SPDX-License-Identifier: Apache-2.0
//! Git repositories as downloads.

use hardpan_definition::Checksum;
use hardpan_testkit::git::{GitFault, GitServer, Repository, has_git};
use hardpan_tree::{Origin, Tree, TreePath};

use super::super::demand_line;
use super::support::{Case, chain, checked, file};
use crate::config::Workspace;
use crate::error::{Error, Trouble};

struct GitCase {
    case: Case,
    repository: Repository,
    server: GitServer,
}

fn git_case() -> Option<GitCase> {
    if !has_git() {
        eprintln!("skipped: no repository because there is no git");
        return None;
    }
    let case = Case::new();
    let repository = Repository::new(&case.directory.path().join("repository"));
    repository.write("src/main.c", b"int main;\n", 0o644);
    repository.write("configure", b"#!/bin/sh\n", 0o755);
    std::os::unix::fs::symlink("src/main.c", repository.directory().join("link")).unwrap();
    let other = "1111111111111111111111111111111111111111";
    repository.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{other},deps/z")]);
    std::fs::create_dir_all(repository.directory().join("deps/z")).unwrap();
    repository.commit("first");
    repository.git(&["tag", "v1"]);
    let server = GitServer::start(repository.directory());
    Some(GitCase { case, repository, server })
}

impl GitCase {
    fn url(&self, reference: &str) -> String {
        format!("git+{}#{reference}", self.server.url())
    }

    fn head(&self) -> String {
        self.repository.git(&["rev-parse", "HEAD"])
    }
}

const FILES: [&str; 6] = [
    "/work/source/x/configure 755 0:0 1700000100 \"#!/bin/sh\\n\"",
    "/work/source/x/deps 755 0:0 1700000100 directory",
    "/work/source/x/deps/z 755 0:0 1700000100 directory",
    "/work/source/x/link 777 0:0 1700000100 -> src/main.c",
    "/work/source/x/src 755 0:0 1700000100 directory",
    "/work/source/x/src/main.c 644 0:0 1700000100 \"int main;\\n\"",
];

#[test]
fn a_commit_is_pinned_and_placed() {
    let Some(git) = git_case() else { return };
    let commit = Checksum::GitCommit(git.head());
    let files = [checked(&git.url("v1"), "${source.dir}/x", commit)];
    let locked = git.case.pin(&files).unwrap();
    assert_eq!(locked[0].commit.as_ref(), Some(&git.head()));
    assert_eq!(locked[0].submodules, ["deps/z"]);
    assert_eq!(locked[0].check(), Ok(()));
    git.case.fetch(&files, &locked).unwrap();
    let mut tree = Tree::new();
    let placed = git.case.place_in(&mut tree, &files, &locked, Origin::Definition).unwrap();
    assert_eq!(placed[0].submodules, ["deps/z"]);
    // An image gets the files; a stage the repository as well.
    assert_eq!(git.case.dump(&tree, "/work/source/x"), FILES);
    let mut tree = Tree::new();
    git.case.place_in(&mut tree, &files, &locked, Origin::Stage(3)).unwrap();
    let lines = git.case.dump(&tree, "/work/source/x/.git");
    assert!(lines.iter().any(|line| line.contains("/.git/HEAD 644 0:0 1700000100")), "{lines:?}");
    assert!(tree.contains(&TreePath::literal("/work/source/x/.git/refs/heads")));
}

#[test]
fn the_lock_holds_a_branch_that_moves() {
    let Some(git) = git_case() else { return };
    let first = git.head();
    let files = [file(&git.url("main"), "/x")];
    let locked = git.case.pin(&files).unwrap();
    git.repository.write("configure", b"changed\n", 0o755);
    git.repository.commit("second");
    // On another machine: nothing is in the store.
    let other = Case::new();
    other.fetch(&files, &locked).unwrap();
    assert!(other.store.has_blob(&locked[0].sha256, locked[0].size_bytes));
    assert_eq!(locked[0].commit.as_deref(), Some(first.as_str()));
    assert_ne!(git.case.pin(&files).unwrap(), locked);
    let offline = Case { is_offline: true, ..Case::new() };
    assert!(matches!(offline.fetch(&files, &locked), Err(Error::Offline { .. })));
    assert!(matches!(offline.pin(&files), Err(Error::Offline { .. })));
    // A lock that says something else about the commit is not believed.
    let mut forged = locked.clone();
    forged[0].sha256 = hardpan_tree::Digest::of(b"forged");
    let error = Case::new().fetch(&files, &forged).unwrap_err();
    assert_eq!(error.trouble(), Trouble::Trust);
}

#[test]
fn pinning_the_same_commit_again_fetches_nothing() {
    let Some(git) = git_case() else { return };
    let files = [file(&git.url(&git.head()), "/x")];
    let locked = git.case.pin(&files).unwrap();
    git.server.heal();
    assert_eq!(git.case.pin(&files).unwrap(), locked);
    assert_eq!(git.server.heal(), []);
}

#[test]
fn repositories_fail() {
    let Some(git) = git_case() else { return };
    let wrong = Checksum::GitCommit("2".repeat(40));
    for (summary, wanted, fault, trouble, message) in [
        (
            "another commit",
            checked(&git.url("main"), "/x", wrong.clone()),
            None,
            Trouble::Trust,
            "main is commit",
        ),
        (
            "a commit that is not there",
            checked(&git.url(&"2".repeat(40)), "/x", wrong),
            None,
            Trouble::Network,
            "does not give commit",
        ),
        ("no such tag", file(&git.url("v9"), "/x"), None, Trouble::Network, "no branch or tag"),
        (
            "no git",
            file(&git.url("main"), "/x"),
            Some(GitFault::Dumb),
            Trouble::Network,
            "smart protocol",
        ),
        (
            "another pack",
            file(&git.url("main"), "/x"),
            Some(GitFault::Answer(b"000dpackfile\n0011\x01PACK no pack0000".to_vec())),
            Trouble::Trust,
            "bad pack of git objects",
        ),
    ] {
        if let Some(fault) = fault {
            git.server.fault(fault);
        }
        let error = git.case.pin(&[wanted]).expect_err(summary);
        assert_eq!(error.trouble(), trouble, "{summary}: {}", chain(&error));
        assert!(chain(&error).contains(message), "{summary}: {}", chain(&error));
        git.server.heal();
    }
}

#[test]
fn a_secret_is_a_password_for_git() {
    let Some(mut git) = git_case() else { return };
    git.case.secret("token", b"S3cret\n");
    let mut wanted = file(&git.url("main"), "/x");
    wanted.value.secret_id = Some("token".to_owned());
    git.case.pin(&[wanted]).unwrap();
    let log = git.server.heal();
    // "x-access-token:S3cret"
    let header = "Basic eC1hY2Nlc3MtdG9rZW46UzNjcmV0";
    assert!(!log.is_empty() && log.iter().all(|(_, own)| own == header), "{log:?}");
}

#[test]
fn a_repository_stands_in_for_another() {
    let Some(mut git) = git_case() else { return };
    let url = "git+https://private.example/team/project.git#v1";
    let private = "95b239d8713b498f4e3b4eb364549a73e38b4d49";
    let files = [checked(url, "${source.dir}/x", Checksum::GitCommit(private.to_owned()))];
    let rule = |checksum: &str| {
        let to = git.url("v1");
        let text = format!("[[downloads.override]]\nfrom = \"{url}\"\nto = \"{to}\"\n{checksum}");
        Workspace::parse(&text).unwrap()
    };
    let (head, mirror) = (git.head(), rule(""));
    let own = rule(&format!("checksum = \"{head}\"\n"));
    let wrong = rule(&format!("checksum = \"{private}\"\n"));
    // The definition's commit holds, unless the rule has one of its own; and that holds, too.
    for workspace in [mirror, wrong] {
        git.case.workspace = workspace;
        let error = git.case.pin(&files).unwrap_err();
        assert_eq!(error.trouble(), Trouble::Trust);
        assert!(chain(&error).contains(private), "{}", chain(&error));
    }
    git.case.workspace = own;
    let locked = git.case.pin(&files).unwrap();
    assert_eq!((locked[0].url.as_str(), locked[0].commit.as_deref()), (url, Some(head.as_str())));
    let line = demand_line(&files[0], &git.case.workspace);
    assert_eq!(line, format!("file {url} as {head}"));
    let tree = git.case.all(&files).unwrap();
    assert_eq!(git.case.dump(&tree, "/work/source/x/src").len(), 1);
}
