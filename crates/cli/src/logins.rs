// SPDX-License-Identifier: Apache-2.0
//! Where docker and podman keep logins on this machine.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use hardpan::Logins;
use hardpan::sandbox::{UserEnvironment, credential_helper};

/// The most that is read of a file, in bytes; more is refused where it is parsed.
const FILE_BYTES_MAX: u64 = (1 << 20) + 1;

/// Reads all logins. `variable` gives the value of an environment variable that is set to something.
pub(crate) fn logins(variable: impl Fn(&str) -> Option<OsString>) -> Logins {
    let environment = UserEnvironment {
        path: variable("PATH").unwrap_or_default(),
        home: variable("HOME").unwrap_or_default(),
    };
    let mut logins =
        Logins::new(move |name, server| credential_helper::ask(name, server, &environment));
    for path in files(variable) {
        let name = path.display().to_string();
        match read(&path) {
            Ok(Some(bytes)) => logins.add_file(&name, &bytes),
            Ok(None) => logins.add_missing_file(&name),
            Err(error) => logins.add_unreadable_file(&name, &error.to_string()),
        }
    }
    logins
}

/// The files that have logins, the first to look at first: what was asked for, podman's, docker's.
fn files(variable: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let folder = |name: &str| variable(name).map(PathBuf::from);
    let home = folder("HOME");
    let below_home = |path: &str| home.as_ref().map(|home| home.join(path));
    let configuration = folder("XDG_CONFIG_HOME").or_else(|| below_home(".config"));
    let docker = folder("DOCKER_CONFIG").or_else(|| below_home(".docker"));
    let podman = Path::new("containers/auth.json");
    let files = [
        folder("REGISTRY_AUTH_FILE"),
        folder("XDG_RUNTIME_DIR").map(|folder| folder.join(podman)),
        configuration.map(|folder| folder.join(podman)),
        docker.map(|folder| folder.join("config.json")),
    ];
    files.into_iter().flatten().collect()
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a file"));
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_where_docker_and_podman_have_them() {
        for (variables, expected) in [
            (
                &[("HOME", "/h")][..],
                &["/h/.config/containers/auth.json", "/h/.docker/config.json"][..],
            ),
            (
                &[
                    ("HOME", "/h"),
                    ("XDG_RUNTIME_DIR", "/run/user/1"),
                    ("REGISTRY_AUTH_FILE", "/a.json"),
                    ("DOCKER_CONFIG", "/d"),
                    ("XDG_CONFIG_HOME", "/c"),
                ],
                &[
                    "/a.json",
                    "/run/user/1/containers/auth.json",
                    "/c/containers/auth.json",
                    "/d/config.json",
                ],
            ),
            (&[], &[]),
        ] {
            let found = files(|name| {
                let set = variables.iter().find(|(key, _)| *key == name);
                set.map(|(_, value)| OsString::from(value))
            });
            let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
            assert_eq!(found, expected, "{variables:?}");
        }
    }

    #[test]
    fn what_can_not_be_read_is_no_error_yet() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("config.json")).unwrap();
        fs::write(folder.path().join("auth.json"), "{}").unwrap();
        let logins = logins(|name| match name {
            "DOCKER_CONFIG" => Some(folder.path().into()),
            "REGISTRY_AUTH_FILE" => Some(folder.path().join("auth.json").into()),
            _ => None,
        });
        let shown = format!("{logins:?}");
        assert!(shown.contains("auth.json\"") && shown.contains("not a file"), "{shown}");
    }
}
