// SPDX-License-Identifier: Apache-2.0
//! `contents` and `paths`.

use super::{Decoder, Fields, Place};
use crate::check;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{
    Artifact, Checksum, Contents, FileSource, PathKind, PathRule, Spdx, SpdxPackage,
};
use crate::source::Spanned;
use crate::template::{LOOSE, Mode, SHELL, STRICT};
use crate::yaml::{Entry, Node};

/// The values of `type` of a path.
pub(crate) const PATH_KINDS: [(&str, PathKind); 5] = [
    ("symlink", PathKind::Symlink),
    ("directory", PathKind::Directory),
    ("file", PathKind::File),
    ("delete", PathKind::Delete),
    ("emptyfile", PathKind::EmptyFile),
];

impl Place {
    /// How strict the URLs and paths of a place are: published stages have unknown variables in theirs.
    fn mode(self) -> Mode {
        match self {
            Self::Image => STRICT,
            Self::Stage => LOOSE,
        }
    }
}

impl<'n> Decoder<'n> {
    pub(crate) fn contents(&mut self, entry: Option<&'n Entry>, place: Place) -> Contents {
        let Some(entry) = entry.filter(|entry| !entry.value.is_null()) else {
            return Contents::default();
        };
        let Some(mut fields) = Fields::new(self, &entry.value, "`contents`", entry.key_span) else {
            return Contents::default();
        };
        let distribution = self.distribution;
        let repositories = self.list(fields.take("repositories"), |decoder, node| {
            decoder.valid(node, "an archive", STRICT, Code::BadRepository, |text| {
                check::repository(text, distribution)
            })
        });
        let keyring = self.list(fields.take("keyring"), |decoder, node| {
            decoder.valid(node, "a key", STRICT, Code::BadUrl, check::http_url)
        });
        let packages = self.list(fields.take("packages"), |decoder, node| {
            let text = decoder.text(node, "a package", STRICT)?;
            match check::package(&text.value, distribution) {
                Ok(request) => Some(Spanned::new(request, node.span)),
                Err((code, refusal)) => {
                    decoder.refuse(code, node.span, refusal);
                    None
                }
            }
        });
        let files =
            self.list(fields.take("files"), |decoder, node| decoder.file_source(node, place));
        let builds = match place {
            Place::Image => {
                let entry = fields.take("builds");
                let builds = self.list(entry, Self::build_stage);
                self.check_stage_names(&builds);
                self.check_stage_images(&builds);
                builds
            }
            Place::Stage => Vec::new(),
        };
        let mappings = fields.take("mappings");
        let artifacts = self.list(fields.take("artifacts"), Self::artifact);
        if place == Place::Image {
            for name in artifacts.iter().map(|artifact| &artifact.name) {
                if name.digest.is_none() {
                    self.push(unpinned(name));
                }
            }
        }
        let contents = Contents {
            repositories,
            keyring,
            packages,
            files,
            builds,
            mappings: self.mappings(mappings),
            artifacts,
        };
        fields.finish(self);
        contents
    }

    fn mappings(
        &mut self,
        entry: Option<&'n Entry>,
    ) -> std::collections::BTreeMap<String, Spanned<String>> {
        let Some(entry) = entry else {
            return std::collections::BTreeMap::new();
        };
        let mut found = std::collections::BTreeMap::new();
        for entry in self.entries(&entry.value, "`mappings`") {
            let purl = self.valid(&entry.value, "a mapping", LOOSE, Code::BadPurl, check::purl);
            found.extend(purl.map(|purl| (entry.key.clone(), purl)));
        }
        found
    }

    fn file_source(&mut self, node: &'n Node, place: Place) -> Option<Spanned<FileSource>> {
        let mut fields = Fields::new(self, node, "a file", node.span)?;
        let on = self.condition(fields.take("if"));
        let on = self.for_this_platform(fields.take("platforms")) && on;
        let file = self.gated_by(on, &mut fields, |decoder, fields| {
            let url = fields.require(decoder, "url").and_then(|entry| {
                decoder.valid(&entry.value, "`url`", place.mode(), Code::BadUrl, check::file_url)
            });
            if let Some(url) = url.as_ref().filter(|url| url.contains(' ')) {
                let diagnostic = Diagnostic::warning(Code::BadUrl, url.span, "the URL has a blank");
                decoder.push(diagnostic.help("write `%20`"));
            }
            let checksum = fields.take("checksum").and_then(|entry| decoder.checksum(entry, place));
            let path = fields
                .require(decoder, "path")
                .and_then(|entry| decoder.path(&entry.value, "`path`", place));
            let includes = decoder.globs(fields.take("includes"));
            let excludes = decoder.globs(fields.take("excludes"));
            let spdx = fields.take("spdx").and_then(|entry| decoder.spdx(entry));
            let (uid, gid) = decoder.owner(fields);
            let mode = decoder.mode(fields.take("mode"));
            let secret_id = fields.take("secret-id");
            let secret_id =
                secret_id.and_then(|entry| decoder.text(&entry.value, "`secret-id`", STRICT));
            match (&url, &checksum) {
                (Some(url), Some(checksum)) => decoder.check_pair(url, checksum),
                (Some(url), None) => decoder.check_pin(url),
                (None, _) => {}
            }
            Some(FileSource {
                url: url?,
                checksum,
                path: path?,
                includes,
                excludes,
                spdx,
                uid,
                gid,
                mode,
                secret_id: secret_id.map(|id| id.value),
            })
        });
        fields.finish(self);
        file.flatten().map(|file| Spanned::new(file, node.span))
    }

    fn checksum(&mut self, entry: &'n Entry, place: Place) -> Option<Spanned<Checksum>> {
        let found = self.checked(
            &entry.value,
            "`checksum`",
            place.mode(),
            Code::BadChecksum,
            check::checksum,
        )?;
        let (text, checksum) = found.value;
        // A checksum with unknown variables can only be the URL of a checksum file.
        Some(Spanned::new(checksum.unwrap_or(Checksum::Url(text)), found.span))
    }

    /// Warns of a download that may be something else tomorrow.
    fn check_pin(&mut self, url: &Spanned<String>) {
        let (message, help) = if let Some((_, reference)) =
            url.strip_prefix("git+").and_then(|rest| rest.split_once('#'))
        {
            if reference.len() == 40 && reference.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return;
            }
            (
                "a branch or tag can move",
                "add `checksum:` with the commit's 40 digits; until then only the lock holds it",
            )
        } else if url.starts_with("http://") {
            (
                "this download is neither encrypted nor checked: anybody on the way can change it",
                "add `checksum: sha256:…`",
            )
        } else if url.starts_with("file:") {
            // A file of the catalog changes together with the definition.
            return;
        } else {
            (
                "a download without a checksum",
                "add `checksum: sha256:…`; until then only the lock says what it is",
            )
        };
        self.push(Diagnostic::warning(Code::UnpinnedDownload, url.span, message).help(help));
    }

    fn check_pair(&mut self, url: &Spanned<String>, checksum: &Spanned<Checksum>) {
        let git = url.starts_with("git+");
        if let Checksum::Url(list) = &checksum.value
            && url.starts_with("http://")
            && list.starts_with("http://")
        {
            // Who can change the one on its way can change the other.
            let message = "neither this download nor its checksum file is encrypted";
            let diagnostic = Diagnostic::warning(Code::UnpinnedDownload, url.span, message);
            self.push(diagnostic.help("write the digest itself: `checksum: sha256:…`"));
        }
        let message = match &checksum.value {
            Checksum::GitCommit(_) if !git => "a git commit cannot check a plain download",
            Checksum::Sha256(_) | Checksum::Url(_) if git => {
                "a git checkout is checked by its commit"
            }
            _ => return,
        };
        let diagnostic = Diagnostic::error(Code::BadChecksum, checksum.span, message);
        self.push(diagnostic.label(url.span, "for this URL"));
    }

    /// A path where something is put.
    pub(crate) fn path(
        &mut self,
        node: &'n Node,
        what: &str,
        place: Place,
    ) -> Option<Spanned<String>> {
        if place == Place::Image {
            return self.valid(node, what, place.mode(), Code::BadPath, check::absolute_path);
        }
        let found = self.checked(node, what, place.mode(), Code::BadPath, check::stage_path)?;
        let (text, oddity) = found.value;
        if let Some(refusal) = oddity.flatten() {
            let mut diagnostic = Diagnostic::warning(Code::BadPath, found.span, refusal.message);
            diagnostic.help = refusal.help;
            self.push(diagnostic);
        }
        Some(Spanned::new(text, found.span))
    }

    pub(crate) fn globs(&mut self, entry: Option<&'n Entry>) -> Vec<Spanned<String>> {
        self.list(entry, |decoder, node| {
            decoder.valid(node, "a pattern", LOOSE, Code::BadPath, check::glob)
        })
    }

    fn spdx(&mut self, entry: &'n Entry) -> Option<Spdx> {
        let mut fields = Fields::new(self, &entry.value, "`spdx`", entry.key_span)?;
        let name = self.optional(&mut fields, "name", LOOSE);
        let version = self.optional(&mut fields, "version", LOOSE);
        let packages = self.list(fields.take("packages"), |decoder, node| {
            let mut fields = Fields::new(decoder, node, "a package of `spdx`", node.span)?;
            let name = decoder.optional(&mut fields, "name", LOOSE);
            let purl = fields.take("purl").and_then(|entry| {
                decoder.valid(&entry.value, "`purl`", LOOSE, Code::BadPurl, check::purl)
            });
            let license = decoder.optional(&mut fields, "license", LOOSE);
            let path = decoder.optional(&mut fields, "path", LOOSE);
            fields.finish(decoder);
            Some(SpdxPackage { name, purl, license, path })
        });
        fields.finish(self);
        Some(Spdx { name, version, packages })
    }

    /// An optional string.
    pub(crate) fn optional(
        &mut self,
        fields: &mut Fields<'n>,
        key: &'static str,
        mode: Mode,
    ) -> Option<String> {
        let entry = fields.take(key)?;
        self.text(&entry.value, &format!("`{key}`"), mode).map(|text| text.value)
    }

    fn artifact(&mut self, node: &'n Node) -> Option<Spanned<Artifact>> {
        let mut fields = Fields::new(self, node, "an artifact", node.span)?;
        let artifact = self.gated(&mut fields, |decoder, fields| {
            let name = fields.require(decoder, "name").and_then(|entry| {
                decoder.parsed(
                    &entry.value,
                    "`name`",
                    Code::BadImageReference,
                    check::image_reference,
                )
            });
            let includes = decoder.globs(fields.take("includes"));
            let excludes = decoder.globs(fields.take("excludes"));
            let (uid, gid) = decoder.owner(fields);
            Some(Artifact { name: name?, includes, excludes, uid, gid })
        });
        fields.finish(self);
        artifact.flatten().map(|artifact| Spanned::new(artifact, node.span))
    }

    /// `paths` of an image or a stage.
    pub(crate) fn path_rules(
        &mut self,
        entry: Option<&'n Entry>,
        place: Place,
    ) -> Vec<Spanned<PathRule>> {
        let rules = self.list(entry, |decoder, node| decoder.path_rule(node, place));
        self.check_repeated_paths(&rules);
        rules
    }

    fn path_rule(&mut self, node: &'n Node, place: Place) -> Option<Spanned<PathRule>> {
        let mut fields = Fields::new(self, node, "a path", node.span)?;
        let on = self.condition(fields.take("if"));
        let on = self.for_this_platform(fields.take("platforms")) && on;
        let rule = self.gated_by(on, &mut fields, |decoder, fields| {
            let kind = fields
                .require(decoder, "type")
                .and_then(|entry| decoder.choice(&entry.value, "path type", &PATH_KINDS));
            let path = fields
                .require(decoder, "path")
                .and_then(|entry| decoder.path(&entry.value, "`path`", place));
            let source_entry = fields.take("source");
            let content_entry = fields.take("content");
            let recursive_entry = fields.take("recursive");
            let source = source_entry.and_then(|entry| decoder.path_source(&entry.value, kind));
            let content =
                content_entry.and_then(|entry| decoder.text(&entry.value, "`content`", SHELL));
            let recursive =
                recursive_entry.and_then(|entry| decoder.boolean(&entry.value, "`recursive`"));
            let (uid, gid) = decoder.owner(fields);
            let mode = decoder.mode(fields.take("mode"));
            let kind = kind?;
            decoder.check_path_keys(kind, fields, (source_entry, content_entry, recursive_entry));
            Some(PathRule {
                kind,
                path: path?,
                source,
                content,
                uid,
                gid,
                mode,
                recursive: recursive.unwrap_or(false),
            })
        });
        fields.finish(self);
        rule.flatten().map(|rule| Spanned::new(rule, node.span))
    }

    fn path_source(&mut self, node: &'n Node, kind: Option<PathKind>) -> Option<Spanned<String>> {
        self.valid(node, "`source`", LOOSE, Code::BadPath, |text| match kind {
            Some(PathKind::File | PathKind::Directory) => check::catalog_path(text),
            _ if text.is_empty() => Err(check::Refusal::new("the target of a link is empty")),
            _ if text.chars().any(char::is_control) => {
                Err(check::Refusal::new("the target of a link has a control character"))
            }
            _ => Ok(()),
        })
    }

    fn check_path_keys(
        &mut self,
        kind: PathKind,
        fields: &Fields<'n>,
        (source, content, recursive): (Option<&'n Entry>, Option<&'n Entry>, Option<&'n Entry>),
    ) {
        let name = PATH_KINDS.iter().find(|(_, known)| *known == kind).map_or("", |(name, _)| name);
        match (kind, source, content) {
            (PathKind::Symlink, None, _) => {
                let message = "a symlink has no `source`";
                let diagnostic = Diagnostic::error(Code::MissingKey, fields.span(), message);
                self.push(diagnostic.help("`source` is the target of the link"));
            }
            (PathKind::File, Some(source), Some(content)) => {
                let message = "a file has either `source` or `content`, not both";
                let diagnostic = Diagnostic::error(Code::Conflict, content.key_span, message);
                self.push(diagnostic.label(source.key_span, "`source` is here"));
            }
            _ => {}
        }
        let takes_source = matches!(kind, PathKind::Symlink | PathKind::File | PathKind::Directory);
        let misplaced = [
            (source, takes_source),
            (content, kind == PathKind::File),
            (recursive, kind == PathKind::Directory),
        ];
        for (entry, fits) in misplaced {
            if let Some(entry) = entry.filter(|_| !fits) {
                let message = format!("`{}` has no meaning for a {name}", entry.key);
                self.error(Code::Conflict, entry.key_span, message);
            }
        }
    }

    /// The same path twice is right only when it is deleted first.
    fn check_repeated_paths(&mut self, rules: &[Spanned<PathRule>]) {
        for (index, rule) in rules.iter().enumerate() {
            let earlier = rules[..index].iter().rev();
            let trimmed = |path: &str| path.trim_end_matches('/').to_owned();
            let Some(first) =
                earlier.into_iter().find(|first| trimmed(&first.path) == trimmed(&rule.path))
            else {
                continue;
            };
            if first.kind == PathKind::Delete {
                continue;
            }
            let message = format!("the path `{}` stands here twice", rule.path);
            let both = first.kind == PathKind::Directory && rule.kind == PathKind::Directory;
            let diagnostic = if both {
                Diagnostic::warning(Code::DuplicatePath, rule.path.span, message)
            } else {
                Diagnostic::error(Code::DuplicatePath, rule.path.span, message)
            };
            self.push(diagnostic.label(first.path.span, "first here"));
        }
    }
}

/// A reference that can change its meaning.
pub(crate) fn unpinned(name: &Spanned<crate::model::ImageReference>) -> Diagnostic {
    Diagnostic::warning(
        Code::BadImageReference,
        name.span,
        format!("`{name}` is not pinned by a digest"),
    )
    .help("append `@sha256:…`, so that every build gets the same image")
}
