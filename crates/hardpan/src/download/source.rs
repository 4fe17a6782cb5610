// SPDX-License-Identifier: Apache-2.0
//! Where a download comes from, and what it must be.

use hardpan_definition::{Checksum, FileSource};
use hardpan_remote::git::ObjectId;
use hardpan_remote::{Authorization, Request};
use hardpan_tree::Digest;

use super::DOWNLOAD_BYTES_MAX;
use super::error::{DownloadProblem, Stop};
use crate::config::{OverrideChecksum, Workspace};
use crate::session::Session;

/// The user name beside a token for git, as the large git hosts have it: git over HTTP knows no
/// bearer tokens.
const GIT_USER: &str = "x-access-token";

/// Where a download comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// `https:` or `http:`.
    Web(String),
    /// A repository's URL without `git+`, and the reference after its `#`.
    Git { repository: String, reference: String },
    /// A path in the catalog.
    Local(String),
}

/// What a download must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Nothing says.
    Anything,
    Sha256(Digest),
    Commit(ObjectId),
    /// What the checksum file at this URL says.
    Listed(String),
}

/// A download, after the workspace's overrides.
#[derive(Debug, Clone)]
pub(super) struct Plan<'f> {
    /// The definition's.
    pub file: &'f FileSource,
    pub source: Source,
    pub wanted: Wanted,
    /// Whether it comes from where the definition says. A secret is for no other place.
    is_original: bool,
}

impl<'f> Plan<'f> {
    pub(super) fn new(file: &'f FileSource, workspace: &Workspace) -> Self {
        let overridden = workspace.download_override(&file.url);
        let (url, checksum) = match &overridden {
            Some((to, rule)) => (to.as_str(), rule.checksum),
            None => (file.url.as_str(), None),
        };
        let wanted = match (checksum, file.checksum.as_ref().map(|checksum| &checksum.value)) {
            (Some(OverrideChecksum::Sha256(digest)), _) => Wanted::Sha256(digest),
            (Some(OverrideChecksum::Commit(commit)), _) => Wanted::Commit(commit),
            (None, Some(Checksum::Sha256(digits))) => {
                Digest::from_hex(digits).map_or(Wanted::Anything, Wanted::Sha256)
            }
            (None, Some(Checksum::GitCommit(id))) => {
                id.parse().map_or(Wanted::Anything, Wanted::Commit)
            }
            (None, Some(Checksum::Url(url))) => Wanted::Listed(url.clone()),
            (None, Some(_) | None) => Wanted::Anything,
        };
        Self { file, source: Source::parse(url), wanted, is_original: overridden.is_none() }
    }

    /// Returns the name of the file: the last one of its URL as the definition has it.
    pub(super) fn file_name(&self) -> &'f str {
        file_name(&self.file.url.value)
    }

    /// Returns the `Authorization` header, if the definition names a secret for this place.
    pub(super) fn authorization(
        &self,
        session: &Session<'_>,
        url: &str,
    ) -> Result<Option<Authorization>, DownloadProblem> {
        let Some(id) = self.file.secret_id.as_ref().filter(|_| self.is_original) else {
            return Ok(None);
        };
        let secret = session.stages.secrets.get(id);
        let secret = secret.ok_or_else(|| DownloadProblem::SecretMissing { id: id.clone() })?;
        if url.parse::<hardpan_remote::Url>().is_ok_and(|url| !url.keeps_secrets()) {
            return Err(DownloadProblem::SecretInClear { id: id.clone() });
        }
        let authorization = match &self.source {
            Source::Git { .. } => Authorization::basic(GIT_USER, &secret.0),
            Source::Web(_) | Source::Local(_) => Authorization::bearer(&secret.0),
        };
        match authorization {
            Some(authorization) => Ok(Some(authorization)),
            None => Err(DownloadProblem::SecretUnusable { id: id.clone() }),
        }
    }

    /// Makes a request for a URL of this download, with its authorization if it is for this server.
    pub(super) fn request(&self, session: &Session<'_>, url: &str) -> Result<Request, Stop> {
        let mut request = Request::new(&escaped(url), DOWNLOAD_BYTES_MAX)?;
        request.authorization = self.authorization(session, url)?;
        Ok(request)
    }
}

impl Source {
    fn parse(url: &str) -> Self {
        if let Some(rest) = url.strip_prefix("git+") {
            // The definition's grammar asks for a reference.
            let (repository, reference) = rest.split_once('#').unwrap_or((rest, "HEAD"));
            return Self::Git { repository: escaped(repository), reference: reference.to_owned() };
        }
        match url.strip_prefix("file:") {
            Some(path) => Self::Local(path.to_owned()),
            None => Self::Web(escaped(url)),
        }
    }
}

/// Published definitions have URLs with blanks.
fn escaped(url: &str) -> String {
    url.replace(' ', "%20")
}

/// Returns the last name of a URL's path.
pub(super) fn file_name(url: &str) -> &str {
    let url = url.strip_prefix("file:").unwrap_or(url);
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let path = url[..end].trim_end_matches('/');
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_told_apart() {
        let git = |repository: &str, reference: &str| Source::Git {
            repository: repository.to_owned(),
            reference: reference.to_owned(),
        };
        for (url, source) in [
            ("https://e.org/a b", Source::Web("https://e.org/a%20b".to_owned())),
            ("git+https://e.org/x.git#v1", git("https://e.org/x.git", "v1")),
            ("git+https://e.org/x#refs/tags/v1", git("https://e.org/x", "refs/tags/v1")),
            ("file:vendor/a", Source::Local("vendor/a".to_owned())),
        ] {
            assert_eq!(Source::parse(url), source, "{url}");
        }
    }

    #[test]
    fn names() {
        for (url, name) in [
            ("https://e.org/a/b.tar.gz", "b.tar.gz"),
            ("https://e.org/a/b.zip?x=/y#z", "b.zip"),
            ("https://e.org/a/b/", "b"),
            ("file:x.jar", "x.jar"),
            ("file:vendor/x.jar", "x.jar"),
        ] {
            assert_eq!(file_name(url), name, "{url}");
        }
    }
}
