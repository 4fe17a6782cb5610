// SPDX-License-Identifier: Apache-2.0
//! What somebody meant who named a path that is not there.

use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

use hardpan::definition::nearest;

/// The most names of a folder that are compared: it is only for a hint.
const NAMES_MAX: usize = 10_000;

/// Returns the path nearest to one that is not there, of those that are wanted. Each folder on the way may be mistyped,
/// too.
pub(crate) fn near_path(path: &Path, is_wanted: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    let mut found = PathBuf::new();
    let mut components = path.components().peekable();
    while let Some(component) = components.next() {
        let is_last = components.peek().is_none();
        let fits = |path: &Path| if is_last { is_wanted(path) } else { path.is_dir() };
        let next = found.join(component);
        found = match component {
            _ if fits(&next) => next,
            Component::Normal(name) => near_name(&found, name, fits)?,
            _ => return None,
        };
    }
    (found != path).then_some(found)
}

fn near_name(directory: &Path, name: &OsStr, fits: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    let is_here = directory.as_os_str().is_empty();
    let entries = fs::read_dir(if is_here { Path::new(".") } else { directory }).ok()?;
    let entries = entries.take(NAMES_MAX).flatten();
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| fits(&directory.join(name)));
    names.sort();
    let near = nearest(name.to_str()?, names.iter().map(String::as_str))?;
    Some(directory.join(near))
}

/// Returns whether an image lies at a path: a layout, or an archive by its name.
pub(crate) fn is_image(path: &Path) -> bool {
    path.join("oci-layout").is_file()
        || (path.is_file() && path.extension().is_some_and(|end| end == "tar"))
}

/// Returns what to say of the name of an image that no registry has, if it looks like a path that is not there: a
/// folder on its way is there, or something with nearly its name.
pub(crate) fn hint_of_name(name: &str) -> Option<String> {
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    // In a path there may be a colon, too, but nobody means one.
    let path = match name.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => path,
        _ => name,
    };
    let near = if path != name && is_image(Path::new(path)) {
        Some(PathBuf::from(path))
    } else {
        near_path(Path::new(path), is_image)
    };
    if let Some(near) = near {
        return Some(format!("there is no layout at {name}; did you mean {}?", near.display()));
    }
    let (folder, _) = path.split_once('/')?;
    Path::new(folder).is_dir().then(|| {
        format!("there is no layout at {name}, so it was taken for the name of a registry's image")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_paths_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for layout in ["out/base", "out/bash", "images/deep/python"] {
            fs::create_dir_all(root.join(layout)).unwrap();
            fs::write(root.join(layout).join("oci-layout"), "{}").unwrap();
        }
        fs::create_dir(root.join("out/basement")).unwrap();
        fs::write(root.join("out/app.tar"), "").unwrap();
        fs::write(root.join("out/bse.lock"), "").unwrap();
        for (path, expected) in [
            ("out/bse", Some("out/base")),
            ("out/Base", Some("out/base")),
            ("out/bsh", Some("out/bash")),
            ("ot/base", Some("out/base")),
            ("ot/bse", Some("out/base")),
            ("./out/bse", Some("./out/base")),
            ("out/ap.tar", Some("out/app.tar")),
            ("images/dep/pyton", Some("images/deep/python")),
            ("images/deep/../deep/pyton", Some("images/deep/../deep/python")),
            // What is there was not mistyped.
            ("out/base", None),
            // Neither a layout nor an archive.
            ("out/basemen", None),
            ("out/bse.loc", None),
            ("out/postgres", None),
            ("elsewhere/base", None),
            ("../nowhere/base", None),
            ("", None),
        ] {
            let near = near_path(&root.join(path), is_image);
            let near = near.map(|near| near.strip_prefix(root).unwrap().to_owned());
            let expected = expected.map(|path| Path::new(path.trim_start_matches("./")).to_owned());
            assert_eq!(near, expected, "{path}");
        }
    }
}
