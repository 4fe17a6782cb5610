// SPDX-License-Identifier: Apache-2.0
//! Solves real requests over the main indexes of Alpine 3.16 and 3.17, and checks each solution.

#![allow(
    clippy::unwrap_used,
    clippy::format_push_string,
    clippy::print_stdout,
    reason = "test code: panics and output are for the one who runs it"
)]

mod apk_solve_support;

use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use apk_solve_support::{Checker, names, try_solve};
use flate2::bufread::GzDecoder;
use hardpan_package::apk::graph::{GraphPackage, edges};
use hardpan_package::apk::index::Index;
use hardpan_package::apk::solve::{RelationField, SolveError};

const REQUESTS: &[&str] = &[
    "alpine-base",
    "alpine-base linux-lts",
    "alpine-base linux-lts linux-firmware-none",
    "apk-tools",
    "asterisk",
    "bash",
    "bash bash-doc docs",
    "bind bind-tools",
    "build-base",
    "busybox",
    "ca-certificates tzdata",
    "cmake",
    "cmd:nginx",
    "cups",
    "curl",
    "curl docs",
    "dbus",
    "dovecot",
    "eudev",
    "fish",
    "font-adobe-75dpi",
    "freeswitch",
    "gcc g++ make",
    "gdb",
    "git",
    "git git-doc perl",
    "gtk+3.0",
    "haproxy",
    "haproxy openrc",
    "krb5",
    "lua5.4",
    "mandoc mandoc-apropos docs man-pages",
    "mariadb mariadb-client",
    "musl",
    "nagios",
    "nginx",
    "nginx openrc docs bash-completion",
    "nginx php-none-such",
    "nodejs",
    "openldap",
    "openssh",
    "openssh-client",
    "openssl",
    "pc:openssl>=1.1",
    "perl",
    "postfix",
    "postgresql14",
    "postgresql postgresql-contrib",
    "py3-setuptools",
    "python3",
    "python3~3.10",
    "redis",
    "rsync",
    "ruby",
    "samba",
    "smokeping",
    "so:libz.so.1",
    "sqlite",
    "squid",
    "strace",
    "subversion",
    "tcl",
    "tmux",
    "unbound",
    "varnish",
    "vim",
    "zsh",
    "nginx postgresql14 redis python3 git docs openrc",
];

/// Returns the index of a release, or None with a word of why.
fn real_index(release: &str, architecture: &str) -> Option<Index> {
    let root = std::env::var_os("HARDPAN_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let path = root.join("alpine").join(release).join("APKINDEX.tar.gz");
    let Ok(bytes) = std::fs::read(&path) else {
        println!("skipped: Alpine {release} because {} is not there", path.display());
        return None;
    };
    // A signature and then the index, each compressed by itself.
    let mut rest = bytes.as_slice();
    let (mut description, mut text) = (String::new(), None);
    while !rest.is_empty() {
        let mut member = GzDecoder::new(rest);
        let mut unpacked = Vec::new();
        member.read_to_end(&mut unpacked).unwrap();
        rest = member.into_inner();
        for entry in tar::Archive::new(unpacked.as_slice()).entries().unwrap() {
            let Ok(mut entry) = entry else { break }; // the signature's tar has no end
            match entry.path().unwrap().to_str().unwrap() {
                "DESCRIPTION" => drop(entry.read_to_string(&mut description).unwrap()),
                "APKINDEX" => {
                    let mut found = Vec::new();
                    entry.read_to_end(&mut found).unwrap();
                    text = Some(found);
                }
                _ => {}
            }
        }
    }
    let started = Instant::now();
    let index = Index::parse(&description, &text.unwrap(), architecture).unwrap();
    let took = started.elapsed();
    println!("{release}: {} packages parsed in {took:?}", index.packages.len());
    Some(index)
}

/// Splits an index in two, every other package.
fn halves(index: &Index) -> [Index; 2] {
    [0, 1].map(|half| Index {
        description: String::new(),
        packages: index.packages.iter().skip(half).step_by(2).cloned().collect(),
    })
}

fn check_release(release: &str, architecture: &str) {
    let Some(index) = real_index(release, architecture) else { return };
    let checker = Checker::new(&[&index]);
    let [even, odd] = halves(&index);
    let (mut slowest, mut solved) = ((Duration::ZERO, ""), 0);
    for request in REQUESTS {
        let started = Instant::now();
        let result = try_solve(&[("", &index)], request);
        slowest = slowest.max((started.elapsed(), request));
        let solution = match result {
            Ok(solution) => solution,
            Err(SolveError::Requests(problems)) => {
                assert!(request.contains("none-such"), "{release} {request}: {problems:?}");
                continue;
            }
            Err(error) => panic!("{release} {request}: {error}"),
        };
        solved += 1;
        assert_eq!(checker.problems(&solution, request), [""; 0], "{release} {request}");

        let again = try_solve(&[("", &index)], request).unwrap();
        assert_eq!(again, solution, "{release} {request}");
        let mut words: Vec<&str> = request.split(' ').collect();
        words.reverse();
        let reversed = try_solve(&[("", &index)], &words.join(" ")).unwrap();
        assert_eq!(names(&reversed), names(&solution), "{release} {request}");
        for indexes in [[("", &even), ("", &odd)], [("", &odd), ("", &even)]] {
            let split = try_solve(&indexes, request).unwrap();
            assert_eq!(names(&split), names(&solution), "{release} {request}");
        }
        check_graph(&solution);
    }
    println!("{release}: {solved} requests solved, the slowest in {slowest:?}");
    assert!(solved >= 60, "{solved}");
}

/// The edges of the graph are the reasons of the solution, and every package can be reached.
fn check_graph(solution: &hardpan_package::apk::solve::Solution) {
    let packages: Vec<GraphPackage<'_>> = solution
        .packages
        .iter()
        .map(|chosen| GraphPackage {
            name: &chosen.package.name,
            version: &chosen.package.version,
            depends: &chosen.package.depends,
            provides: &chosen.package.provides,
            install_if: &chosen.package.install_if,
        })
        .collect();
    let mut from_graph: Vec<String> = edges(&packages)
        .unwrap()
        .iter()
        .map(|e| format!("{} {} {}", packages[e.from].name, packages[e.to].name, e.clause))
        .collect();
    let mut from_reasons = Vec::new();
    for (package, reasons) in &solution.why {
        for reason in reasons {
            let condition =
                if reason.field == RelationField::InstallIf { "install_if: " } else { "" };
            from_reasons
                .push(format!("{} {package} {condition}{}", reason.dependent, reason.relation));
        }
        assert!(!solution.paths_to(package).is_empty(), "{package}");
    }
    for list in [&mut from_graph, &mut from_reasons] {
        list.sort();
        list.dedup();
    }
    assert_eq!(from_graph, from_reasons);
}

#[test]
fn requests_of_3_16_are_solved() {
    check_release("3.16", "x86_64");
}

#[test]
fn requests_of_3_17_are_solved() {
    check_release("3.17", "aarch64");
}

#[test]
fn some_solutions_are_known() {
    let Some(index) = real_index("3.16", "x86_64") else { return };
    for (request, wanted) in [("musl", "musl=1.2.3-r2"), ("zlib", "musl=1.2.3-r2 zlib=1.2.12-r3")] {
        assert_eq!(names(&try_solve(&[("", &index)], request).unwrap()), wanted);
    }
    let has = |request: &str, name: &str| {
        try_solve(&[("", &index)], request).unwrap().get(name).is_some()
    };
    // By priority, and by request.
    assert!(has("linux-lts", "linux-firmware"));
    assert!(!has("linux-lts linux-firmware-none", "linux-firmware"));
    assert!(has("openssh-client", "openssh-client-default"));
    assert!(!has("openssh-client openssh-client-krb5", "openssh-client-default"));
    assert!(has("postgresql", "postgresql14") && !has("postgresql", "postgresql13"));
    // By install_if.
    assert!(!has("nginx", "nginx-openrc") && has("nginx openrc", "nginx-openrc"));
    assert!(!has("curl", "curl-doc") && has("curl docs", "curl-doc"));
    // An exclusion counts as satisfied.
    let solution = try_solve(&[("", &index)], "bash !busybox").unwrap();
    assert!(solution.get("busybox").is_none());
    let dropped: Vec<&str> = solution.dropped.iter().map(|d| d.relation.as_str()).collect();
    assert_eq!(dropped, ["/bin/sh"]);
    // Conflicts and what is not there are explained.
    for (request, wanted) in [
        ("ngnix", "no package is named \"ngnix\"; near names: nginx"),
        ("openssh-client-default openssh-client-krb5", "(depends: !openssh-client-krb5)"),
        ("nginx=0.1-r0", "nginx has no version \"0.1-r0\"; available: "),
        ("tiny-cloud-aws", "but no package is named nvme-cli or provides it"),
    ] {
        let error = try_solve(&[("", &index)], request).map(|s| names(&s)).unwrap_err();
        assert!(error.to_string().contains(wanted), "{request}: {error}");
    }
}
