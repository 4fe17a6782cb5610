// SPDX-License-Identifier: Apache-2.0
//! Where an image's name leads: host, scheme, repository.

use hardpan_image::ImageName;

use super::error::RegistryError;

/// The registry of names that have none (distribution/reference, `defaultDomain`).
pub(super) const DEFAULT_REGISTRY: &str = "docker.io";
/// What stands before that name in the name of the host that serves it.
const DEFAULT_HOST_PREFIX: &str = "registry-1.";
/// Where that registry has its images without an owner.
const DEFAULT_OWNER: &str = "library";

/// What a token for reading allows.
pub(super) const PULL: &str = "pull";
/// What a token for writing allows.
pub(super) const PUSH: &str = "pull,push";

/// Which registries are spoken to how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistryOptions {
    /// Registries (`host` or `host:port`) that are spoken to without TLS. Those on this machine's loopback
    /// always are.
    pub plain_http: Vec<String>,
    /// Registries and repositories that stand in for others when something is read. The first that fits counts.
    pub mirrors: Vec<Mirror>,
}

/// A registry or a part of one that stands in for another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// A registry, or the first parts of a repository with its registry: `registry.example/team`.
    pub from: String,
    /// What stands there instead, in the same form.
    pub to: String,
}

/// Where a repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// `host` or `host:port`, as it is connected to.
    pub(super) host: String,
    /// Whether without TLS.
    pub(super) is_plain: bool,
    /// The repository at that host.
    pub(super) repository: String,
    /// The registry's name in login files.
    pub(super) login: String,
}

impl Place {
    /// Finds the place to read a name from, which may be a mirror.
    pub(super) fn of(name: &ImageName, options: &RegistryOptions) -> Result<Self, RegistryError> {
        let full = full_name(name);
        match options.mirrors.iter().find_map(|mirror| mirror.apply(&full)) {
            Some(mirrored) => match mirrored.parse() {
                Ok(to) => Ok(Self::itself(&to, options)),
                Err(source) => Err(RegistryError::Mirror { name: mirrored, source }),
            },
            None => Ok(Self::itself(name, options)),
        }
    }

    /// Finds the place of a name itself: nobody writes to one that was not named.
    pub(super) fn itself(name: &ImageName, options: &RegistryOptions) -> Self {
        let full = full_name(name);
        let (registry, repository) = full.split_once('/').unwrap_or((DEFAULT_REGISTRY, &full));
        let is_plain = is_loopback(registry) || options.is_plain(registry);
        let host = if registry == DEFAULT_REGISTRY {
            format!("{DEFAULT_HOST_PREFIX}{DEFAULT_REGISTRY}")
        } else {
            registry.to_owned()
        };
        let (login, repository) = (registry.to_owned(), repository.to_owned());
        Self { host, is_plain, repository, login }
    }

    /// Returns the URL of the registry's API, which says whether it is one.
    pub(super) fn root(&self) -> String {
        let scheme = if self.is_plain { "http" } else { "https" };
        format!("{scheme}://{}/v2/", self.host)
    }

    /// Returns the URL of something in the repository.
    pub(super) fn url(&self, kind: &str, what: &str) -> String {
        format!("{}{}/{kind}/{what}", self.root(), self.repository)
    }

    /// Returns what a token is to allow (distribution, "Token Scope Documentation").
    pub(super) fn scope(&self, actions: &str) -> String {
        format!("repository:{}:{actions}", self.repository)
    }
}

/// Returns registry and repository with nothing left out.
fn full_name(name: &ImageName) -> String {
    let repository = name.repository();
    match name.registry().unwrap_or(DEFAULT_REGISTRY) {
        DEFAULT_REGISTRY if !repository.contains('/') => {
            format!("{DEFAULT_REGISTRY}/{DEFAULT_OWNER}/{repository}")
        }
        registry => format!("{registry}/{repository}"),
    }
}

impl Mirror {
    fn apply(&self, name: &str) -> Option<String> {
        let rest = name.strip_prefix(self.from.trim_end_matches('/'))?;
        let is_whole = rest.is_empty() || rest.starts_with('/');
        is_whole.then(|| format!("{}{rest}", self.to.trim_end_matches('/')))
    }
}

impl RegistryOptions {
    fn is_plain(&self, registry: &str) -> bool {
        let host = without_port(registry);
        self.plain_http.iter().any(|plain| plain == registry || plain == host)
    }
}

/// Returns whether a registry is on this machine's loopback.
pub fn is_loopback(registry: &str) -> bool {
    matches!(without_port(registry), "localhost" | "127.0.0.1" | "[::1]")
}

fn without_port(registry: &str) -> &str {
    match registry.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => host,
        _ => registry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(name: &str, options: &RegistryOptions) -> String {
        Place::of(&name.parse().unwrap(), options).unwrap().url("manifests", "1")
    }

    #[test]
    fn names_lead_to_places() {
        let hub = format!("{DEFAULT_HOST_PREFIX}{DEFAULT_REGISTRY}");
        let options = RegistryOptions {
            plain_http: vec!["plain.example".into(), "half.example:81".into()],
            mirrors: Vec::new(),
        };
        for (name, expected) in [
            ("python", format!("https://{hub}/v2/library/python/manifests/1")),
            ("nvidia/cuda:1", format!("https://{hub}/v2/nvidia/cuda/manifests/1")),
            ("docker.io/a", format!("https://{hub}/v2/library/a/manifests/1")),
            ("registry.example/a/b", "https://registry.example/v2/a/b/manifests/1".into()),
            ("registry.example:443/a", "https://registry.example:443/v2/a/manifests/1".into()),
            ("localhost:5000/a", "http://localhost:5000/v2/a/manifests/1".into()),
            ("127.0.0.1:5000/a", "http://127.0.0.1:5000/v2/a/manifests/1".into()),
            ("[::1]:5000/a", "http://[::1]:5000/v2/a/manifests/1".into()),
            ("[::1]/a", "http://[::1]/v2/a/manifests/1".into()),
            ("plain.example:80/a", "http://plain.example:80/v2/a/manifests/1".into()),
            ("half.example:81/a", "http://half.example:81/v2/a/manifests/1".into()),
            ("half.example/a", "https://half.example/v2/a/manifests/1".into()),
            ("not-plain.example/a", "https://not-plain.example/v2/a/manifests/1".into()),
            ("127.0.0.1.evil.example/a", "https://127.0.0.1.evil.example/v2/a/manifests/1".into()),
            ("localhost.evil.example/a", "https://localhost.evil.example/v2/a/manifests/1".into()),
        ] {
            assert_eq!(url(name, &options), expected, "{name}");
        }
    }

    #[test]
    fn mirrors_stand_in_for_whole_parts_only() {
        let mirror = |from: &str, to: &str| Mirror { from: from.into(), to: to.into() };
        let options = RegistryOptions {
            plain_http: Vec::new(),
            mirrors: vec![
                mirror("registry.example/team", "127.0.0.1:1/their"),
                mirror("registry.example", "mirror.example"),
                mirror("docker.io/", "mirror.example/hub/"),
            ],
        };
        for (name, expected) in [
            ("registry.example/team/a", "http://127.0.0.1:1/v2/their/a/manifests/1"),
            ("registry.example/team", "http://127.0.0.1:1/v2/their/manifests/1"),
            ("registry.example/teams/a", "https://mirror.example/v2/teams/a/manifests/1"),
            ("registry.example:81/a", "https://registry.example:81/v2/a/manifests/1"),
            ("a", "https://mirror.example/v2/hub/library/a/manifests/1"),
        ] {
            assert_eq!(url(name, &options), expected, "{name}");
        }
    }

    #[test]
    fn mirrors_that_lead_nowhere_are_errors() {
        for to in ["Mirror example", "", "https://mirror.example"] {
            let mirrors = vec![Mirror { from: "registry.example".into(), to: to.into() }];
            let options = RegistryOptions { plain_http: Vec::new(), mirrors };
            let place = Place::of(&"registry.example/a".parse().unwrap(), &options);
            assert!(matches!(place, Err(RegistryError::Mirror { .. })), "{to}: {place:?}");
        }
    }
}
