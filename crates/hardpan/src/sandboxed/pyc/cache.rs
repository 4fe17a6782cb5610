// SPDX-License-Identifier: Apache-2.0
//! Compiled modules in the store: compiled once for all images, platforms and builds.
//!
//! Each module is kept by interpreter, path and source, so images share what they have in common. For an
//! image whose modules are all known one record says where they are.

use hardpan_tree::{Digest, Hasher, Tree};
use serde::{Deserialize, Serialize};

use super::compile;
use super::select::{Interpreter, Source};
use crate::error::Error;
use crate::sandboxed::keep::{self, KIND, Kept};
use crate::sandboxed::workshop::Workshop;
use crate::store::Store;

/// Changes with every change of what compiling the same source gives.
const FORMAT_VERSION: u32 = 1;

/// What came of a module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Module {
    /// It is in the store.
    Compiled(Kept),
    /// It is no Python of this version.
    Refused {
        /// What the interpreter said.
        reason: String,
    },
}

/// A module on its way into the store.
pub(super) enum Fresh {
    /// Its bytes.
    Bytes(Vec<u8>),
    /// What the interpreter said.
    Refused(String),
}

/// Returns what comes of each source, in their order.
pub(super) fn compiled(
    workshop: Workshop<'_>,
    interpreter: &Interpreter,
    sources: &[Source],
    tree: &Tree,
) -> Result<Vec<Module>, Error> {
    let store = workshop.session.store;
    let set_key = key(interpreter, sources);
    if let Some(modules) = known_set(store, &set_key, sources.len()) {
        return Ok(modules);
    }
    // Platforms are put together at the same time, and have nearly all modules in common.
    let lock = store.lock_name(&key(interpreter, &[]))?;
    if let Some(modules) = known_set(store, &set_key, sources.len()) {
        return Ok(modules);
    }
    let mut modules: Vec<Option<Module>> = Vec::with_capacity(sources.len());
    for source in sources {
        let record =
            store.read_record::<Module>(KIND, &key(interpreter, std::slice::from_ref(source)));
        // What can't be read is made anew.
        modules.push(record.unwrap_or_default());
    }
    forget_missing(store, &mut modules);
    let missing: Vec<Source> = sources
        .iter()
        .zip(&modules)
        .filter(|(_, module)| module.is_none())
        .map(|(source, _)| source.clone())
        .collect();
    if !missing.is_empty() {
        let fresh = compile::run(workshop, interpreter, &missing, tree)?;
        let stored = keep_all(store, fresh)?;
        for (source, module) in missing.iter().zip(&stored) {
            store.write_record(KIND, &key(interpreter, std::slice::from_ref(source)), module)?;
        }
        let mut stored = stored.into_iter();
        for module in modules.iter_mut().filter(|module| module.is_none()) {
            *module = stored.next();
        }
    }
    let modules: Vec<Module> = modules.into_iter().flatten().collect();
    store.write_record(KIND, &set_key, &modules)?;
    drop(lock);
    Ok(modules)
}

/// Returns what is known of a whole set, if all of it is still there.
fn known_set(store: &Store, key: &Digest, count: usize) -> Option<Vec<Module>> {
    let known = store.read_record::<Vec<Module>>(KIND, key).ok()??;
    if known.len() != count {
        return None;
    }
    let mut modules: Vec<Option<Module>> = known.into_iter().map(Some).collect();
    forget_missing(store, &mut modules);
    modules.into_iter().collect()
}

/// Forgets modules whose segment was removed.
fn forget_missing(store: &Store, modules: &mut [Option<Module>]) {
    let gone = keep::gone(store, modules.iter().flatten().filter_map(segment_of));
    for module in modules {
        let segment = module.as_ref().and_then(segment_of);
        if segment.is_some_and(|segment| gone.contains(&segment)) {
            *module = None;
        }
    }
}

fn segment_of(module: &Module) -> Option<Digest> {
    match module {
        Module::Compiled(kept) => Some(kept.segment),
        Module::Refused { .. } => None,
    }
}

/// Writes compiled modules as one segment.
fn keep_all(store: &Store, fresh: Vec<Fresh>) -> Result<Vec<Module>, Error> {
    let bytes: Vec<Vec<u8>> = fresh
        .iter()
        .filter_map(|module| match module {
            Fresh::Bytes(bytes) => Some(bytes.clone()),
            Fresh::Refused(_) => None,
        })
        .collect();
    let mut kept = keep::keep(store, &bytes)?.into_iter();
    let modules = fresh.into_iter().filter_map(|module| match module {
        Fresh::Bytes(_) => kept.next().map(Module::Compiled),
        Fresh::Refused(reason) => Some(Module::Refused { reason }),
    });
    Ok(modules.collect())
}

/// Returns the key of what comes of some sources.
fn key(interpreter: &Interpreter, sources: &[Source]) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(b"hardpan compiled Python modules\n");
    hasher.update(&FORMAT_VERSION.to_be_bytes());
    let mut field = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_be_bytes());
        hasher.update(bytes);
    };
    field(&interpreter.minor.to_be_bytes());
    field(interpreter.source.as_bytes());
    field(&(sources.len() as u64).to_be_bytes());
    for source in sources {
        field(source.path.as_bytes());
        field(source.digest.as_bytes());
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hardpan_tree::TreePath;

    fn interpreter(source: &str) -> Interpreter {
        Interpreter {
            minor: 13,
            package: "python3.13-minimal".to_owned(),
            source: source.to_owned(),
        }
    }

    fn source(path: &str, text: &str) -> Source {
        Source { path: TreePath::parse(path).unwrap(), digest: Digest::of(text.as_bytes()) }
    }

    #[test]
    fn the_key_has_all_that_decides_the_bytes() {
        let one = interpreter("python3.13 3.13.5-2");
        let sources = [source("usr/lib/a.py", "a"), source("usr/lib/b.py", "b")];
        let same = key(&one, &sources);
        assert_eq!(same, key(&one.clone(), &sources.clone()));
        for (summary, other) in [
            ("another version", key(&interpreter("python3.13 3.13.5-3"), &sources)),
            ("one less", key(&one, &sources[..1])),
            ("another path", key(&one, &[source("usr/lib/c.py", "a"), sources[1].clone()])),
            ("another text", key(&one, &[source("usr/lib/a.py", "c"), sources[1].clone()])),
            ("the other order", key(&one, &[sources[1].clone(), sources[0].clone()])),
            ("none", key(&one, &[])),
        ] {
            assert_ne!(same, other, "{summary}");
        }
        let other_package = Interpreter { package: "other".to_owned(), ..one.clone() };
        assert_eq!(same, key(&other_package, &sources));
    }

    #[test]
    fn modules_are_kept_and_forgotten_with_their_segment() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let fresh = vec![
            Fresh::Bytes(b"one".to_vec()),
            Fresh::Refused("SyntaxError: line 1".to_owned()),
            Fresh::Bytes(b"three".to_vec()),
        ];
        let modules = keep_all(&store, fresh).unwrap();
        let Module::Compiled(Kept { segment, offset_bytes, size_bytes, digest }) = &modules[2]
        else {
            panic!("{modules:?}");
        };
        assert_eq!((*offset_bytes, *size_bytes, *digest), (3, 5, Digest::of(b"three")));
        let bytes = store.segment(segment).unwrap().read_at(3, 5).unwrap();
        assert_eq!(bytes, b"three");
        assert_eq!(modules[1], Module::Refused { reason: "SyntaxError: line 1".to_owned() });

        let set = Digest::of(b"set");
        store.write_record(KIND, &set, &modules).unwrap();
        assert_eq!(known_set(&store, &set, 3), Some(modules.clone()));
        assert_eq!(known_set(&store, &set, 4), None);
        assert_eq!(known_set(&store, &Digest::of(b"other"), 3), None);
        store.remove_segment(segment).unwrap();
        assert_eq!(known_set(&store, &set, 3), None);
        let mut known: Vec<Option<Module>> = modules.into_iter().map(Some).collect();
        forget_missing(&store, &mut known);
        assert_eq!(known.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, false]);
    }
}
