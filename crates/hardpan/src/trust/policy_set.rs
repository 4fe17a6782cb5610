// SPDX-License-Identifier: Apache-2.0
//! Policies that are held against an image together: files of YAML, and of Rego alone or in folders.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use hardpan_attest::policy::Policy;
use hardpan_policy::{MODULE_BYTES_MAX, MODULES_MAX, Module};
use hardpan_tree::Digest;

use super::TrustError;
use super::policy::{PolicyFile, WrittenPolicy, read};
use crate::error::Error;

/// How deep folders with Rego are looked into.
const DEPTH_MAX: usize = 8;
/// The most files of a folder that are looked at.
const ENTRIES_MAX: usize = 10_000;
/// How names of files with Rego end.
const REGO: &str = "rego";
/// How names of files with YAML end.
const YAML: [&str; 2] = ["yaml", "yml"];
/// How names of folders begin that a kubelet makes for what it mounts: all that is in them is linked beside them.
const OF_KUBELET: &str = "..";

/// Policies, all of which have to allow an image.
#[derive(Debug, Clone, Default)]
pub struct PolicySet {
    /// Those in YAML.
    pub files: Vec<WrittenPolicy>,
    /// Those in Rego.
    pub bundles: Vec<Bundle>,
}

/// Files of Rego that belong together.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// The name of the file or folder, without those that it is in.
    pub name: String,
    /// The files.
    pub modules: Vec<Module>,
    /// Where files lie that the policy may read.
    pub folder: PathBuf,
}

impl PolicySet {
    /// Reads policies: a file that ends with `.rego` and a folder are Rego, anything else is YAML. In a folder YAML is refused:
    /// whoever put a policy there means it to decide.
    pub fn read(paths: &[PathBuf]) -> Result<Self, Error> {
        let mut set = Self::default();
        for path in paths {
            if path.is_dir() || path.extension().is_some_and(|end| end == REGO) {
                let found = Found::of(path)?;
                if let Some(yaml) = found.yaml.first() {
                    return Err(TrustError::PolicyBesideRego { path: yaml.clone() }.into());
                }
                set.bundles.push(Bundle::of(path, &found.rego)?);
            } else {
                set.files.push(read(path)?);
            }
        }
        Ok(set)
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.bundles.is_empty()
    }

    /// Returns them as one, for a summary: one as it is; of several the names, the digest of all digests, and what the first
    /// believes of builders.
    pub fn as_one(&self) -> PolicyFile {
        if let ([file], []) = (self.files.as_slice(), self.bundles.as_slice()) {
            return file.file.clone();
        }
        let of_bundle = |bundle: &Bundle| (bundle.name.clone(), bundle.digest());
        let of_file = |one: &WrittenPolicy| (one.file.name.clone(), one.file.digest);
        let all: Vec<(String, Digest)> =
            self.files.iter().map(of_file).chain(self.bundles.iter().map(of_bundle)).collect();
        let digest = if let [(_, digest)] = all.as_slice() {
            *digest
        } else {
            let lines: Vec<String> =
                all.iter().map(|(name, digest)| format!("{digest}  {name}\n")).collect();
            Digest::of(lines.concat().as_bytes())
        };
        let names: Vec<String> = all.into_iter().map(|(name, _)| name).collect();
        let first = self.files.first();
        let policy = first.map_or_else(Policy::default, |one| one.file.policy.clone());
        PolicyFile { policy, name: names.join(", "), digest }
    }
}

impl Bundle {
    /// Reads a file, or all Rego of a folder.
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::of(path, &Found::of(path)?.rego)
    }

    fn of(path: &Path, paths: &BTreeSet<PathBuf>) -> Result<Self, Error> {
        let folder = if path.is_dir() {
            path.to_owned()
        } else {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            parent.map_or_else(|| PathBuf::from("."), Path::to_owned)
        };
        if paths.is_empty() {
            return Err(TrustError::NoRego { path: path.to_owned() }.into());
        }
        if paths.len() > MODULES_MAX {
            return Err(TrustError::TooMuchRego { path: path.to_owned() }.into());
        }
        let module = |path: &PathBuf| {
            let text = crate::project::read_text(path, MODULE_BYTES_MAX as u64)?;
            Ok::<_, Error>(Module { name: path.to_string_lossy().into_owned(), text })
        };
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        Ok(Self {
            name: name.unwrap_or_else(|| "policy".to_owned()),
            modules: paths.iter().map(module).collect::<Result<_, _>>()?,
            folder,
        })
    }

    fn digest(&self) -> Digest {
        if let [module] = self.modules.as_slice() {
            return Digest::of(module.text.as_bytes());
        }
        let line = |module: &Module| {
            let digest = Digest::of(module.text.as_bytes());
            let folder = format!("{}/", self.folder.display());
            let name = module.name.strip_prefix(&folder).unwrap_or(&module.name);
            format!("{digest}  {name}\n")
        };
        let lines: String = self.modules.iter().map(line).collect();
        Digest::of(lines.as_bytes())
    }
}

/// What there is of a path.
#[derive(Debug, Default)]
struct Found {
    rego: BTreeSet<PathBuf>,
    yaml: BTreeSet<PathBuf>,
}

impl Found {
    fn of(path: &Path) -> Result<Self, TrustError> {
        let mut found = Self::default();
        if path.is_dir() {
            found.collect(path, 0)?;
        } else {
            found.rego.insert(path.to_owned());
        }
        Ok(found)
    }

    fn collect(&mut self, folder: &Path, depth: usize) -> Result<(), TrustError> {
        let wrap = |source| TrustError::Read { path: folder.to_owned(), source };
        if depth > DEPTH_MAX {
            return Err(wrap(std::io::Error::other("folders in folders, too deep")));
        }
        for (number, entry) in fs::read_dir(folder).map_err(wrap)?.enumerate() {
            if number >= ENTRIES_MAX {
                return Err(wrap(std::io::Error::other("too many files")));
            }
            let entry = entry.map_err(wrap)?;
            let path = entry.path();
            if path.is_dir() {
                if entry.file_name().as_encoded_bytes().starts_with(OF_KUBELET.as_bytes()) {
                    continue;
                }
                // Links to folders may lead in a circle.
                if entry.file_type().map_err(wrap)?.is_symlink() {
                    return Err(TrustError::PolicyLink { path });
                }
                self.collect(&path, depth + 1)?;
            } else if path.extension().is_some_and(|end| end == REGO) {
                self.rego.insert(path);
            } else if path
                .extension()
                .is_some_and(|end| YAML.iter().any(|yaml| end.eq_ignore_ascii_case(yaml)))
            {
                self.yaml.insert(path);
            }
        }
        Ok(())
    }
}

/// Reads a file for a policy, by its path from the policy's folder, and from nowhere else.
///
/// # Errors
/// Why it can't be read, in words.
pub fn read_beside(folder: &Path, path: &str, bytes_max: usize) -> Result<Vec<u8>, String> {
    let outside = || "it is not below the policy's folder".to_owned();
    let wanted = Path::new(path);
    let is_plain = |part: std::path::Component<'_>| {
        matches!(part, std::path::Component::Normal(_) | std::path::Component::CurDir)
    };
    if path.is_empty() || !wanted.components().all(is_plain) {
        return Err(outside());
    }
    let folder = folder.canonicalize().map_err(|error| error.to_string())?;
    // What a link leads to counts.
    let real = folder.join(wanted).canonicalize().map_err(|error| error.to_string())?;
    if !real.starts_with(&folder) {
        return Err(outside());
    }
    super::read_file(&real, bytes_max).map_err(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        cause.unwrap_or_else(|| error.to_string())
    })
}

/// Limits how much memory this process may have from now on. Who runs what others wrote in a process of its own calls this first.
pub fn limit_memory(bytes: u64) -> std::io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
    Ok(setrlimit(Resource::As, limit)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Makes a folder with files.
    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "package a\nallow := true\n").unwrap();
        }
        folder
    }

    fn of_trust(error: Error) -> TrustError {
        match error {
            Error::Trust(error) => *error,
            error => panic!("{error}"),
        }
    }

    fn names(folder: &Path) -> Result<Vec<String>, TrustError> {
        let set = PolicySet::read(&[folder.to_owned()]).map_err(of_trust)?;
        let start = format!("{}/", folder.display());
        let all = set.bundles[0].modules.iter();
        Ok(all.map(|module| module.name.strip_prefix(&start).unwrap().to_owned()).collect())
    }

    #[test]
    fn all_of_a_folder_is_read_or_refused() {
        let good = folder(&["a.rego", "lib/b.rego", "data.json", "README.md"]);
        assert_eq!(names(good.path()).unwrap(), ["a.rego", "lib/b.rego"]);
        for name in ["team.yaml", "lib/team.yml", "TEAM.YAML"] {
            let mixed = folder(&["a.rego", name]);
            let error = names(mixed.path()).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
            assert!(error.hints()[0].contains("--policy FILE"), "{error}");
            // Tests of Rego have no need of it.
            assert_eq!(Bundle::read(mixed.path()).unwrap().modules.len(), 1);
        }
        let only = folder(&["team.yaml"]);
        assert!(matches!(names(only.path()), Err(TrustError::PolicyBesideRego { .. })));
        let none = folder(&["README.md"]);
        assert!(matches!(names(none.path()), Err(TrustError::NoRego { .. })));
    }

    #[test]
    fn folders_that_are_linked_are_refused() {
        let linked = folder(&["a.rego"]);
        let more = folder(&["b.rego"]);
        symlink(more.path().join("b.rego"), linked.path().join("b.rego")).unwrap();
        assert_eq!(names(linked.path()).unwrap(), ["a.rego", "b.rego"], "links to files are read");
        symlink(more.path(), linked.path().join("more")).unwrap();
        let error = names(linked.path()).unwrap_err();
        assert!(error.to_string().contains("/more leads to another folder"), "{error}");
        let linked_too = Bundle::read(linked.path()).map_err(of_trust);
        assert!(matches!(linked_too, Err(TrustError::PolicyLink { .. })));
        // The link itself may be named.
        assert_eq!(
            PolicySet::read(&[linked.path().join("more")]).unwrap().bundles[0].modules.len(),
            1
        );
        // As a kubelet mounts a ConfigMap.
        let mounted = folder(&["..2026_01_01/a.rego"]);
        symlink("..2026_01_01", mounted.path().join("..data")).unwrap();
        symlink("..data/a.rego", mounted.path().join("a.rego")).unwrap();
        assert_eq!(names(mounted.path()).unwrap(), ["a.rego"]);
    }
}
