// SPDX-License-Identifier: Apache-2.0
//! PostgreSQL: with a cluster of its own, and with one that the image makes.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::*;

#[test]
fn postgres_answers_queries() {
    let Some(suite) = suite() else { return };
    let image = checked(suite, "postgres/debian-13/17");
    let volume = format!("pgdata-{}", std::process::id());
    let data = format!("--volume={volume}:/var/lib/postgresql/17/data");
    let run = "--volume=/run/postgresql";
    let mut initdb = suite.podman.confined();
    let initdb = attempt(initdb.args([&data, run, "--entrypoint=initdb", &image.name]).args([
        "--auth=trust",
        "--username=postgres",
        "--locale-provider=icu",
        "--icu-locale=de",
        "--data-checksums",
    ]));
    initdb.ok();
    {
        let server = suite.podman.start(&[&data, run], &image, &[]);
        let psql = |query: &str| server.exec(&["psql", "-U", "postgres", "-Atc", query]);
        server.wait_for(|| psql("select 1"));
        psql("create table t (x int, y text); insert into t values (1, 'grün'), (41, 'blau')").ok();
        assert_eq!(psql("select sum(x), upper(min(y)) from t").ok(), "42|BLAU\n");
        assert_eq!(psql("select now() at time zone 'Europe/Berlin' is null").ok(), "f\n");
        assert_eq!(
            psql("create extension pg_trgm; select similarity('ab', 'ab')").ok(),
            "CREATE EXTENSION\n1\n"
        );
        let jit = psql("set jit_above_cost = 0; select count(*) from generate_series(1, 1000)");
        assert_eq!(jit.ok(), "SET\n1000\n");
    }
    attempt(suite.podman.command().args(["volume", "rm", "--force", &volume])).ok();
}

/// A cluster that the image's entrypoint makes, with all that may happen meanwhile.
#[test]
fn postgres_init_makes_a_cluster() {
    const PASSWORD: &str = "it's \"my\" $ecret";
    let Some(suite) = suite() else { return };
    let image = checked(suite, "postgres/debian-13/17-init");
    let shells = suite.directory.join("postgres-init-bin");
    suite.podman.copy_out(&image, "/usr/bin", &shells);
    for name in ["sh", "dash", "bash", "busybox"] {
        assert!(!shells.join(name).exists(), "{name}");
    }
    let folder = suite.folder("postgres-init");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(folder.join("password"), format!("{PASSWORD}\n")).unwrap();
    let data = folder.join("data");
    fs::create_dir(&data).unwrap();
    if !is_root() {
        return skip("the files of a cluster can be seen by root only");
    }
    let volume = format!("--volume={}:/var/lib/postgresql/17/data", data.display());
    let secret = format!("--volume={}:/run/secrets/password:ro", folder.join("password").display());
    let file = "--env=POSTGRES_PASSWORD_FILE=/run/secrets/password";
    let run = "--volume=/run/postgresql";
    let once = |options: &[&str], arguments: &[&str]| {
        let mut command = suite.podman.confined();
        attempt(command.args([&volume, run]).args(options).arg(&image.name).args(arguments))
    };
    expect_refusals(&once, &data, file);
    let options = [volume.as_str(), run, &secret, file, "--env=POSTGRES_DB=books"];
    kill_amid_start(&|| suite.podman.start(&options, &image, &[]), &data);
    let psql = |server: &Container<'_>, more: &[&str]| {
        server.exec(&[&["psql", "-d", "books", "-Atc"], more].concat())
    };
    let over_tcp = |server: &Container<'_>, password: &str| {
        attempt(suite.podman.beside(server).arg(format!("--env=PGPASSWORD={password}")).args([
            &image.name,
            "psql",
            "-h",
            "127.0.0.1",
            "-U",
            "postgres",
            "-Atc",
            "select 6 * 7",
        ]))
    };
    {
        let server = suite.podman.start(&options, &image, &["postgres", "-c", "work_mem=5MB"]);
        server.wait_for(|| psql(&server, &["create table t as select 1 as x"]));
        assert_eq!(psql(&server, &["show work_mem"]).ok(), "5MB\n");
        assert_eq!(psql(&server, &["show listen_addresses"]).ok(), "*\n");
        assert_eq!(over_tcp(&server, PASSWORD).ok(), "42\n");
        let refused = over_tcp(&server, "wrong").failed();
        assert!(refused.contains("password authentication failed"), "{refused}");
        let program = psql(&server, &["copy t to program 'cat'"]).failed();
        assert!(program.contains("could not execute command"), "{program}");
        // The server is the first process, and the secret is nowhere.
        let first = psql(&server, &["select pg_read_file('/proc/1/comm')"]).ok();
        assert_eq!(first.trim(), "postgres");
        assert!(!server.log().contains("ecret"), "{}", server.log());
        assert_eq!(files_with(&data, b"$ecret"), [""; 0]);
    }
    let server = {
        // With a password in the environment, which counts for a new cluster only.
        let options = [volume.as_str(), run, "--env=POSTGRES_PASSWORD=another"];
        suite.podman.start(&options, &image, &[])
    };
    assert_eq!(server.wait_for(|| psql(&server, &["select x from t"])), "1\n");
    let environment = "select position(x::bytea in pg_read_binary_file('/proc/1/environ')) > 0 \
                       from (values ('PGDATA='), ('another'), ('LD_PRELOAD')) as names (x)";
    assert_eq!(psql(&server, &[environment]).ok(), "t\nf\nf\n");
    over_tcp(&server, "another").failed();
    assert_eq!(over_tcp(&server, PASSWORD).ok(), "42\n");
}

/// What can't be a start of the entrypoint says why, and leaves `data` as it was.
fn expect_refusals(once: &dyn Fn(&[&str], &[&str]) -> Outcome, data: &Path, file: &str) {
    let said = once(&["--env=POSTGRES_PASSWORD=a"], &[]).failed();
    assert!(said.contains("belongs to user 0, and must belong to user 65532"), "{said}");
    std::os::unix::fs::chown(data, Some(65_532), Some(65_532)).unwrap();
    // What can't work says so, and leaves nothing.
    for (options, expected) in [
        (&[][..], "set POSTGRES_PASSWORD_FILE or POSTGRES_PASSWORD"),
        (&["--env=POSTGRES_PASSWORD="], "set POSTGRES_PASSWORD_FILE or POSTGRES_PASSWORD"),
        (&["--env=POSTGRES_PASSWORD_FILE=/none"], "can't read POSTGRES_PASSWORD_FILE /none"),
        (&["--env=POSTGRES_PASSWORD=a\nb"], "the password has a newline"),
        (&["--env=POSTGRES_PASSWORD=a", file], "are both set"),
        (&["--env=POSTGRES_HOST_AUTH_METHOD=trust all"], "is no name of a method"),
        (&["--env=POSTGRES_PASSWORD=a", "--env=POSTGRES_INITDB_ARGS=--none"], "initdb failed"),
        (&["--env=POSTGRES_PASSWORD=a", "--env=PGDATA=/none"], "can't enter PGDATA /none"),
    ] {
        let said = once(options, &[]).failed();
        assert!(said.contains(expected), "{expected}: {said}");
        assert_eq!(fs::read_dir(data).unwrap().count(), 0, "{expected}");
    }
    // Other programs just run.
    assert!(once(&[], &["psql", "--version"]).ok().contains("PostgreSQL"));
    assert!(once(&[], &["postgres", "-V"]).ok().contains("PostgreSQL"));
    // Somebody else's files are not touched.
    fs::write(data.join("mine"), "").unwrap();
    let said = once(&["--env=POSTGRES_PASSWORD=a"], &[]).failed();
    assert!(said.contains("is not empty, and there is no cluster in it"), "{said}");
    fs::remove_file(data.join("mine")).unwrap();
}

/// A first start that is killed while it works is no start. It may be done before it is killed: then it is made once more.
fn kill_amid_start<'s>(start: &dyn Fn() -> Container<'s>, data: &Path) {
    const TRIES: usize = 5;
    const LONGEST: Duration = Duration::from_mins(1);
    let is_there = |name: &str| data.join(name).exists();
    for _ in 0..TRIES {
        let server = start();
        let begin = Instant::now();
        while !is_there(".new/base") && !is_there("PG_VERSION") {
            assert!(begin.elapsed() < LONGEST, "the start makes no cluster");
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(server);
        if is_there(".new") && !is_there("PG_VERSION") {
            return;
        }
        for entry in fs::read_dir(data).unwrap() {
            let path = entry.unwrap().path();
            let is_directory = path.is_dir() && !path.is_symlink();
            if is_directory { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
        }
    }
    panic!("each of {TRIES} starts was done before it was killed");
}

/// Returns the files below a directory that have these bytes in them.
fn files_with(directory: &Path, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, bytes));
        } else if fs::read(&path).is_ok_and(|all| all.windows(bytes.len()).any(|at| at == bytes)) {
            found.push(path.display().to_string());
        }
    }
    found
}
