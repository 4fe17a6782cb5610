// SPDX-License-Identifier: Apache-2.0
//! A definition on disk, with what belongs to it: its catalog, its workspace file, its lock.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hardpan_definition::{
    Definition, Diagnostic, IncludeError, Includes, Parsed, Platform, Source,
};
use hardpan_tree::{Digest, Hasher, TreePath};

use crate::config::{self, Workspace, WorkspaceError};
use crate::finish::CatalogSource;

/// The largest file of a catalog that a definition may put into an image, in bytes.
pub(crate) const CATALOG_FILE_BYTES_MAX: u64 = 1 << 30;
/// The largest workspace file, in bytes.
const WORKSPACE_BYTES_MAX: u64 = 1 << 20;

/// A definition that parsed without errors, rendered for its platforms.
#[derive(Debug, Clone)]
pub struct Project {
    /// The definition's file.
    pub path: PathBuf,
    /// The parsed definition with its warnings.
    pub parsed: Parsed,
    /// One rendering for each platform that is to be built.
    pub definitions: BTreeMap<Platform, Arc<Definition>>,
    /// The folder that `includes` and `source` are relative to.
    pub root: CatalogRoot,
}

/// The root of a catalog: the folder with the nearest `hardpan.toml` above a definition, or else with
/// the nearest `.git`, or else the definition's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogRoot(PathBuf);

/// Why a definition can't be worked with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectError {
    /// A file can't be read.
    #[error("can't read {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// A file is larger than any such file should be.
    #[error("{path} has more than {limit_bytes} bytes", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit_bytes: u64,
    },
    /// A file is not UTF-8.
    #[error("{path} is not UTF-8 text", path = path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// The definition has errors.
    #[error("{path} has errors", path = path.display())]
    Diagnostics {
        /// The definition.
        path: PathBuf,
        /// All of its problems.
        diagnostics: Vec<Diagnostic>,
        /// The texts that they point into.
        sources: Vec<Source>,
    },
    /// The workspace file has an error.
    #[error("{path} is not a workspace file", path = path.display())]
    Workspace {
        /// The file.
        path: PathBuf,
        /// Its text.
        text: String,
        /// The error.
        source: WorkspaceError,
    },
}

impl CatalogRoot {
    /// Finds the root of the catalog that a definition belongs to.
    pub fn of(definition: &Path) -> Self {
        let folder = definition.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_path_buf());
        let above = |name: &str| folder.ancestors().find(|folder| folder.join(name).exists());
        let root = above(config::FILE_NAME).or_else(|| above(".git")).unwrap_or(&folder);
        Self(root.to_path_buf())
    }

    /// Returns the folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Returns a path of the catalog. Links may not lead out of it.
    pub fn locate(&self, relative: &str) -> io::Result<PathBuf> {
        let inside = TreePath::parse(relative)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let path = self.0.join(String::from_utf8_lossy(inside.as_bytes()).as_ref());
        let real = fs::canonicalize(&path)?;
        if !real.starts_with(&self.0) {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("{relative} leads out of the catalog"),
            ));
        }
        Ok(real)
    }
}

impl CatalogRoot {
    /// Reads a file or lists a directory of the catalog.
    pub fn read(&self, relative: &str) -> io::Result<CatalogSource> {
        let path = self.locate(relative)?;
        let metadata = fs::metadata(&path)?;
        if metadata.is_dir() {
            let mut names = BTreeSet::new();
            for entry in fs::read_dir(&path)? {
                let name = entry?.file_name().into_string();
                names.insert(name.map_err(|_| io::Error::from(io::ErrorKind::InvalidFilename))?);
            }
            return Ok(CatalogSource::Directory(names));
        }
        if metadata.len() > CATALOG_FILE_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(CatalogSource::File {
            bytes: fs::read(&path)?.into(),
            is_executable: metadata.permissions().mode() & 0o100 != 0,
        })
    }

    /// Returns the digest of a file, or of a directory with all below it.
    pub fn digest(&self, relative: &str) -> io::Result<Digest> {
        Ok(match self.read(relative)? {
            CatalogSource::File { bytes, is_executable } => {
                let mut hasher = Hasher::new();
                hasher.update(&[u8::from(is_executable)]);
                hasher.update(&bytes);
                hasher.finish()
            }
            CatalogSource::Directory(names) => {
                let mut hasher = Hasher::new();
                for name in names {
                    hasher.update(&(name.len() as u64).to_be_bytes());
                    hasher.update(name.as_bytes());
                    hasher.update(self.digest(&format!("{relative}/{name}"))?.as_bytes());
                }
                hasher.finish()
            }
        })
    }
}

impl Includes for CatalogRoot {
    fn load(&self, path: &str) -> Result<Source, IncludeError> {
        let located = self.locate(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => IncludeError::NotFound,
            _ => IncludeError::Other(error.to_string()),
        })?;
        match read_text(&located, hardpan_definition::MAX_SOURCE_BYTES as u64) {
            Ok(text) => Ok(Source::new(path, text)),
            Err(ProjectError::NotText { .. }) => Err(IncludeError::NotUtf8),
            Err(error) => Err(IncludeError::Other(error.to_string())),
        }
    }
}

impl Project {
    /// Reads a definition and renders it for the platforms asked for, or all of its own if none are.
    pub fn open(path: &Path, platforms: &[Platform]) -> Result<Self, ProjectError> {
        let root = CatalogRoot::of(path);
        let text = read_text(path, hardpan_definition::MAX_SOURCE_BYTES as u64)?;
        let source = Source::new(path.to_string_lossy(), text);
        let parsed = hardpan_definition::parse(&source, &root);
        let fail = |diagnostics: &[Diagnostic]| ProjectError::Diagnostics {
            path: path.to_path_buf(),
            diagnostics: diagnostics.to_vec(),
            sources: parsed.sources().to_vec(),
        };
        if !parsed.is_ok() {
            return Err(fail(parsed.diagnostics()));
        }
        let wanted = if platforms.is_empty() { parsed.platforms() } else { platforms };
        let mut definitions = BTreeMap::new();
        for &platform in wanted {
            let rendered = parsed.render(platform).map_err(|diagnostics| fail(&diagnostics))?;
            let exceptions = crate::audit::check_exceptions(&rendered);
            if !exceptions.is_empty() {
                return Err(fail(&exceptions));
            }
            definitions.insert(platform, rendered);
        }
        Ok(Self { path: path.to_path_buf(), parsed, definitions, root })
    }

    /// Returns where the definition's lock is.
    pub fn lock_path(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".lock");
        PathBuf::from(name)
    }

    /// Returns the definition's path in its catalog without its ending: `python/debian-13/3.13`.
    pub fn name_in_catalog(&self) -> String {
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let path = path.strip_prefix(self.root.path()).unwrap_or(&path).with_extension("");
        path.to_string_lossy().into_owned()
    }

    /// Returns the rendering for the first platform; what does not differ by platform is read from it.
    pub fn any_definition(&self) -> &Definition {
        self.definitions.values().next().expect("a definition always has a platform")
    }
}

/// Reads the workspace file of a catalog; without one everything has its default.
pub fn read_workspace(root: &CatalogRoot) -> Result<(Workspace, Option<PathBuf>), ProjectError> {
    let path = root.path().join(config::FILE_NAME);
    if !path.exists() {
        return Ok((Workspace::default(), None));
    }
    let text = read_text(&path, WORKSPACE_BYTES_MAX)?;
    match Workspace::parse(&text) {
        Ok(workspace) => Ok((workspace, Some(path))),
        Err(source) => Err(ProjectError::Workspace { path, text, source }),
    }
}

/// Reads a text file up to a limit.
pub fn read_text(path: &Path, limit_bytes: u64) -> Result<String, ProjectError> {
    let read = |source| ProjectError::Read { path: path.to_path_buf(), source };
    let metadata = fs::metadata(path).map_err(read)?;
    if metadata.len() > limit_bytes {
        return Err(ProjectError::TooLarge { path: path.to_path_buf(), limit_bytes });
    }
    let bytes = fs::read(path).map_err(read)?;
    String::from_utf8(bytes).map_err(|_| ProjectError::NotText { path: path.to_path_buf() })
}
