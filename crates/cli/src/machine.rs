// SPDX-License-Identifier: Apache-2.0
//! What this machine has: its clock, environment, apt sources and processors. Only here is any of
//! that looked at.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hardpan::config::Workspace;
use hardpan::definition::Platform;
use hardpan::sandbox::UserEnvironment;
use hardpan::store::Store;
use hardpan::{Client, ClientOptions, Mirrors, Observer, RootCertificates, Session, StageOptions};

use crate::args::{Common, Stages};
use crate::failure::Usage;
use crate::logins;

/// The archive that everybody can reach, where nothing else names one.
const DEFAULT_DEBIAN_MIRROR: &str = "http://ftp.debian.org/debian";
/// The largest file of apt sources or apk repositories that is read, in bytes.
const SOURCES_BYTES_MAX: u64 = 1 << 20;
/// Where a host with apk has its repositories.
const APK_REPOSITORIES: &str = "/etc/apk/repositories";

/// Everything that a session borrows.
pub(crate) struct Machine {
    store: Store,
    workspace: Workspace,
    workspace_folder: PathBuf,
    mirrors: Mirrors,
    client: Option<Client>,
    stages: StageOptions,
    threads: NonZeroUsize,
}

impl Machine {
    /// Looks at the machine. The workspace is that of the definition's catalog.
    pub(crate) fn new(
        common: &Common,
        workspace: Workspace,
        workspace_folder: &Path,
    ) -> anyhow::Result<Self> {
        let root = store_path(common, Some((&workspace, workspace_folder)))?;
        let store = Store::at(&root).with_spare(std::env::temp_dir());
        let mirrors = mirrors(&workspace);
        let client = if common.offline { None } else { Some(client(common, None)?) };
        let threads = common.threads.unwrap_or_else(|| {
            hardpan::default_threads(
                std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            )
        });
        let stages = StageOptions {
            artifact_layouts: layouts(common, &workspace, workspace_folder),
            emulators: crate::stages::emulators(std::env::var_os("PATH").as_deref()),
            logins: logins::logins(|name| std::env::var_os(name).filter(|value| !value.is_empty())),
            ..StageOptions::default()
        };
        let workspace_folder = workspace_folder.to_owned();
        Ok(Self { store, workspace, workspace_folder, mirrors, client, stages, threads })
    }

    /// Gives build stages what the command line says.
    pub(crate) fn with_stages(mut self, stages: &Stages) -> anyhow::Result<Self> {
        crate::stages::apply(stages, &mut self.stages)?;
        Ok(self)
    }

    /// Returns a session on this machine, now.
    pub(crate) fn session<'s>(&'s self, observer: &'s dyn Observer) -> Session<'s> {
        Session {
            store: &self.store,
            workspace: &self.workspace,
            mirrors: &self.mirrors,
            remote: self.client.as_ref(),
            now: SystemTime::now(),
            stages: &self.stages,
            threads: self.threads,
            observer,
        }
    }

    /// Returns the folder of the workspace file, to which its paths are relative.
    pub(crate) fn workspace_folder(&self) -> &Path {
        &self.workspace_folder
    }

    /// Returns the workspace.
    pub(crate) fn workspace(&self) -> &Workspace {
        &self.workspace
    }
}

/// Returns the layouts with images of others: those of the command line before those of the workspace.
fn layouts(common: &Common, workspace: &Workspace, folder: &Path) -> Vec<PathBuf> {
    let of_workspace = workspace.registries.layouts.iter().map(|path| folder.join(path));
    common.artifact_layout.iter().cloned().chain(of_workspace).collect()
}

/// Returns the store's directory: of the command line or `HARDPAN_STORE`, of the workspace, or else in
/// the user's cache.
pub(crate) fn store_path(
    common: &Common,
    workspace: Option<(&Workspace, &Path)>,
) -> anyhow::Result<PathBuf> {
    if let Some(path) = &common.store {
        return Ok(path.clone());
    }
    if let Some((workspace, folder)) = workspace
        && let Some(path) = &workspace.store.path
    {
        return Ok(folder.join(path));
    }
    if let Some(cache) = variable("XDG_CACHE_HOME") {
        return Ok(Path::new(&cache).join("hardpan"));
    }
    let home = variable("HOME").ok_or(Usage(
        "there is no HOME to keep the store in; name a directory with --store or HARDPAN_STORE",
    ))?;
    Ok(Path::new(&home).join(".cache").join("hardpan"))
}

/// Returns where distributions' archives are. Debian's: the workspace's word, then `HARDPAN_DEBIAN_MIRROR`, then
/// this host's apt sources, then the archive that everybody can reach. Alpine's: the workspace's word, then
/// `HARDPAN_ALPINE_MIRROR`, then this host's apk repositories.
pub(crate) fn mirrors(workspace: &Workspace) -> Mirrors {
    let configured = &workspace.archives.debian;
    let from_variable = variable("HARDPAN_DEBIAN_MIRROR");
    let is_chosen = configured.mirror.is_some() || from_variable.is_some();
    let texts = if is_chosen { Vec::new() } else { apt_sources() };
    let sources: Vec<&str> = texts.iter().map(String::as_str).collect();
    let debian = (configured.mirror.clone())
        .or(from_variable)
        .or_else(|| hardpan::mirror_of("trixie", &sources))
        .unwrap_or_else(|| DEFAULT_DEBIAN_MIRROR.to_owned());
    let debian_security = (configured.security_mirror.clone())
        .or_else(|| variable("HARDPAN_DEBIAN_SECURITY_MIRROR"))
        .or_else(|| hardpan::mirror_of("trixie-security", &sources))
        .unwrap_or_else(|| beside(&debian));
    let alpine = (workspace.archives.alpine.mirror.clone())
        .or_else(|| variable("HARDPAN_ALPINE_MIRROR"))
        .or_else(|| read_small(Path::new(APK_REPOSITORIES)).as_deref().and_then(apk_mirror));
    Mirrors { debian, debian_security, alpine }
}

/// Returns the mirror that apk's repositories are on: what stands before `/v3.24/main` or `/edge/main`.
fn apk_mirror(repositories: &str) -> Option<String> {
    repositories.lines().map(str::trim).find_map(|line| {
        let (above, repository) = line.strip_suffix('/').unwrap_or(line).rsplit_once('/')?;
        let (mirror, branch) = above.rsplit_once('/')?;
        let is_branch = branch == "edge"
            || branch
                .strip_prefix('v')
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        let is_plain = !line.starts_with(['#', '@']) && mirror.contains("://");
        (is_branch && is_plain && repository == "main").then(|| mirror.to_owned())
    })
}

/// Returns the security archive of a mirror that has both, as most do.
fn beside(debian: &str) -> String {
    format!("{}-security", debian.trim_end_matches('/'))
}

/// Reads this host's apt sources; what can't be read counts as not there.
fn apt_sources() -> Vec<String> {
    let mut paths = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        found.sort();
        paths.extend(found);
    }
    paths
        .iter()
        .filter(|path| {
            path.extension().is_some_and(|extension| extension == "list" || extension == "sources")
        })
        .filter_map(|path| read_small(path))
        .collect()
}

/// Reads a text file of this host's package manager; what can't be read counts as not there.
fn read_small(path: &Path) -> Option<String> {
    let is_small = fs::metadata(path).is_ok_and(|data| data.len() <= SOURCES_BYTES_MAX);
    is_small.then(|| fs::read_to_string(path).ok()).flatten()
}

/// Makes a client; servers' certificates are of the authorities that everybody trusts, or of the given ones.
pub(crate) fn client(common: &Common, authorities: Option<Vec<u8>>) -> anyhow::Result<Client> {
    let mut options = client_options(common);
    if let Some(pem) = authorities {
        options.roots = RootCertificates::Pem(pem);
    }
    Ok(Client::new(options).map_err(hardpan::Error::from)?)
}

/// Returns what programs of the user are given of the environment.
pub(crate) fn user_environment() -> UserEnvironment {
    let variable = |name| std::env::var_os(name).unwrap_or_default();
    UserEnvironment { path: variable("PATH"), home: variable("HOME") }
}

fn client_options(common: &Common) -> ClientOptions {
    let mut options = ClientOptions::default();
    options.read_timeout = Duration::from_secs(common.timeout);
    options.connect_timeout = options.connect_timeout.min(options.read_timeout);
    options.attempts_max = common.retries.saturating_add(1);
    options.user_agent = String::from(concat!("hardpan/", env!("CARGO_PKG_VERSION")));
    options.proxies.http = variable("http_proxy").or_else(|| variable("HTTP_PROXY"));
    options.proxies.https = variable("https_proxy").or_else(|| variable("HTTPS_PROXY"));
    options.proxies.none_for = variable("no_proxy").or_else(|| variable("NO_PROXY"));
    options
}

/// Returns the platform of programs that this machine runs without help; `None` if no image can be built for it.
pub(crate) fn platform() -> Option<Platform> {
    match std::env::consts::ARCH {
        "x86_64" => Some(Platform::LinuxAmd64),
        "aarch64" => Some(Platform::LinuxArm64),
        _ => None,
    }
}

/// Returns the value of a variable that the user names.
pub(crate) fn caller_variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Returns an environment variable that is set to something.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_are_found_in_apk_repositories() {
        for (text, expected) in [
            ("https://m.example/alpine/v3.23/main\n", Some("https://m.example/alpine")),
            (
                "#http://a.example/edge/main\nhttp://b.example/x/edge/main/\n",
                Some("http://b.example/x"),
            ),
            ("@edge http://a.example/edge/main\n", None),
            ("http://a.example/alpine/v3.23/community\n", None),
            ("http://a.example/alpine/latest-stable\n", None),
            ("/media/cdrom/apks\n/srv/v3.23/main\n", None),
            ("", None),
        ] {
            assert_eq!(apk_mirror(text).as_deref(), expected, "{text}");
        }
    }
}
