// SPDX-License-Identifier: Apache-2.0
//! Running an interpreter over sources.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use hardpan_tree::{Contents as _, Tree, TreePath};

use super::cache::Fresh;
use super::select::{Interpreter, Source};
use super::{marshal, no_runner};
use crate::contents::StoreContents;
use crate::error::Error;
use crate::observer::Event;
use crate::parallel;
use crate::sandbox::{Mount, MountKind, Root};
use crate::sandboxed::error::{SandboxedError, Work};
use crate::sandboxed::program::{self, Job};
use crate::sandboxed::workshop::{WORK, Workshop};
use crate::store::StoreError;

/// What the interpreter runs.
const PROGRAM: &str = include_str!("compile.py");
/// Below this many files a second interpreter costs more than it saves.
const FILES_MIN: usize = 64;
/// How much longer than its source a compiled module may be, in bytes and times.
const GROWTH_MAX: u64 = 64;
const MODULE_BYTES_MIN: u64 = 64 << 10;
/// Length of what stands before the code in a compiled module: magic number, flags, hash of the source.
const HEADER_BYTES: usize = 16;
/// The flags of a module that is not compared with its source: it has a hash, which is not checked.
const UNCHECKED_HASH: [u8; 4] = [1, 0, 0, 0];

/// Compiles sources, in their order.
pub(super) fn run(
    workshop: Workshop<'_>,
    interpreter: &Interpreter,
    sources: &[Source],
    tree: &Tree,
) -> Result<Vec<Fresh>, Error> {
    let session = workshop.session;
    session.observer.event(Event::Run { what: "compiling Python modules" });
    let wanted = BTreeMap::from([(interpreter.package.clone(), interpreter.source.clone())]);
    let tools = workshop.tools(&wanted)?.ok_or_else(|| no_runner(workshop, interpreter))?;
    let root = workshop.root(&tools)?;
    let scratch = session.store.scratch_directory()?;
    let input = scratch.path().join("input");
    let sizes = write_sources(&input, sources, tree, StoreContents { store: session.store })?;

    // Each interpreter has a part of the files; the parts do not show in the result.
    let parts = session.threads.get().min(sources.len().div_ceil(FILES_MIN)).max(1);
    let size = sources.len().div_ceil(parts);
    let ranges: Vec<(usize, usize)> = (0..sources.len())
        .step_by(size.max(1))
        .map(|first| (first, (first + size).min(sources.len())))
        .collect();
    let printed = parallel::map(session.threads, &ranges, |&(first, last)| {
        let limit = sizes[first..last].iter().map(|size| module_bytes_max(*size)).sum();
        let job = Job {
            work: Work::Pyc,
            title: format!("python3.{}", interpreter.minor),
            root: Root::ReadOnly(root.clone()),
            mounts: vec![Mount {
                target: TreePath::literal(WORK),
                kind: MountKind::Bind { source: input.clone(), is_read_only: true },
            }],
            arguments: arguments(interpreter.minor, first, last),
            environment: program::environment(0),
            output_bytes_max: limit,
        };
        let printed = program::run(session, job)?;
        split(&printed.output, last - first)
            .map_err(|reason| Error::from(bad_output(interpreter, reason)))
    })?;
    Ok(printed.into_iter().flatten().collect())
}

fn arguments(minor: u32, first: usize, last: usize) -> Vec<std::ffi::OsString> {
    [
        format!("/usr/bin/python3.{minor}"),
        "-I".to_owned(),
        "-S".to_owned(),
        "-B".to_owned(),
        "-X".to_owned(),
        "utf8".to_owned(),
        "-c".to_owned(),
        PROGRAM.to_owned(),
        format!("/{WORK}"),
        first.to_string(),
        last.to_string(),
    ]
    .map(Into::into)
    .into()
}

fn module_bytes_max(source_bytes: u64) -> u64 {
    source_bytes.saturating_mul(GROWTH_MAX).max(MODULE_BYTES_MIN)
}

fn bad_output(interpreter: &Interpreter, reason: String) -> SandboxedError {
    let program = format!("python3.{}", interpreter.minor);
    SandboxedError::Output { work: Work::Pyc, program, reason }
}

/// Writes sources under their numbers, and their paths into `list`; returns their lengths.
fn write_sources(
    directory: &Path,
    sources: &[Source],
    tree: &Tree,
    contents: StoreContents<'_>,
) -> Result<Vec<u64>, Error> {
    let wrap = |path: &Path| {
        let path = path.to_path_buf();
        move |source| Error::from(StoreError::of("write", &path, source))
    };
    fs::create_dir(directory).map_err(wrap(directory))?;
    // The interpreter may run as another user.
    fs::set_permissions(directory, Permissions::from_mode(0o755)).map_err(wrap(directory))?;
    let write = |name: &str, bytes: &[u8]| {
        let path = directory.join(name);
        fs::write(&path, bytes)
            .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o644)))
            .map_err(wrap(&path))
    };
    let mut list = Vec::new();
    let mut sizes = Vec::with_capacity(sources.len());
    for (number, source) in sources.iter().enumerate() {
        // They were found in this tree.
        let Some((_, file)) = tree.file(&source.path) else { continue };
        let bytes = contents.read(file).map_err(wrap(directory))?;
        write(&number.to_string(), &bytes)?;
        sizes.push(file.size_bytes);
        list.extend_from_slice(source.path.as_bytes());
        list.push(0);
    }
    write("list", &list)?;
    Ok(sizes)
}

/// Takes what [`PROGRAM`] printed apart, and brings each module into its one form.
fn split(mut output: &[u8], count: usize) -> Result<Vec<Fresh>, String> {
    let mut modules = Vec::with_capacity(count);
    for number in 0..count {
        let (head, rest) = output.split_at_checked(5).ok_or(format!("file {number} is missing"))?;
        let size = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let (bytes, rest) =
            rest.split_at_checked(size).ok_or(format!("file {number} is cut short"))?;
        output = rest;
        modules.push(match head[0] {
            0 => {
                let mut bytes = bytes.to_vec();
                let header =
                    bytes.get(..HEADER_BYTES).ok_or(format!("file {number} is too short"))?;
                if header[4..8] != UNCHECKED_HASH {
                    return Err(format!("file {number} has other flags"));
                }
                marshal::normalize(&mut bytes[HEADER_BYTES..])
                    .map_err(|error| format!("file {number}: {error}"))?;
                Fresh::Bytes(bytes)
            }
            1 => Fresh::Refused(plain_text(bytes)),
            other => return Err(format!("file {number} has the status {other}")),
        });
    }
    if output.is_empty() {
        Ok(modules)
    } else {
        Err("there is more after the last file".to_owned())
    }
}

fn plain_text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(status: u8, bytes: &[u8]) -> Vec<u8> {
        let mut record = vec![status];
        record.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
        record.extend(bytes);
        record
    }

    fn module(code: &[u8]) -> Vec<u8> {
        let mut module = b"\xf3\r\r\n\x01\0\0\0hashhash".to_vec();
        module.extend(code);
        module
    }

    #[test]
    fn output_is_taken_apart_and_normalized() {
        let mut output = record(0, &module(b"\xce"));
        output.extend(record(1, b"SyntaxError: line\x1b 3"));
        let modules = split(&output, 2).unwrap();
        let [Fresh::Bytes(bytes), Fresh::Refused(reason)] = modules.as_slice() else { panic!() };
        assert_eq!(bytes, &module(b"N"));
        assert_eq!(reason, "SyntaxError: line 3");
        assert!(split(b"", 0).unwrap().is_empty());
    }

    #[test]
    fn other_output_is_refused() {
        let mut checked = module(b"N");
        checked[4] = 3;
        let good = record(0, &module(b"N"));
        for (output, count, message) in [
            (Vec::new(), 1, "file 0 is missing"),
            (good.clone(), 2, "file 1 is missing"),
            (good.clone(), 0, "more after the last file"),
            (good[..good.len() - 1].to_vec(), 1, "file 0 is cut short"),
            (record(0, b"short"), 1, "file 0 is too short"),
            (record(0, &checked), 1, "file 0 has other flags"),
            (record(0, &module(b"?")), 1, "file 0: 0x3f is no known type"),
            (record(7, b""), 1, "file 0 has the status 7"),
            (vec![0, 0xff, 0xff, 0xff, 0xff, 1], 1, "file 0 is cut short"),
        ] {
            let error = split(&output, count).err().unwrap();
            assert!(error.contains(message), "{message}: {error}");
        }
    }

    #[test]
    fn small_sources_may_grow() {
        assert_eq!(module_bytes_max(0), MODULE_BYTES_MIN);
        assert_eq!(module_bytes_max(1 << 20), 64 << 20);
    }
}
