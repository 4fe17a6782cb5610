// SPDX-License-Identifier: Apache-2.0
//! What build steps are given of this machine: secrets, emulators, limits.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hardpan::{Secret, StageOptions};

use crate::args::Stages;
use crate::failure::Named;

/// The largest secret, in bytes.
const SECRET_BYTES_MAX: u64 = 1 << 20;
/// ELF machine numbers with the emulators that run their programs, best first.
const EMULATORS: [(u16, [&str; 2]); 2] =
    [(62, ["qemu-x86_64-static", "qemu-x86_64"]), (183, ["qemu-aarch64-static", "qemu-aarch64"])];

/// Adds what the command line says of stages to what every command gives them.
pub(crate) fn apply(stages: &Stages, options: &mut StageOptions) -> anyhow::Result<()> {
    for text in &stages.secret {
        let (id, secret) = secret(text)?;
        if options.secrets.insert(id.clone(), secret).is_some() {
            return Err(usage(format!("the secret {id} is given twice")).into());
        }
    }
    options.refuse_network = stages.no_network;
    options.check_reproducible = stages.check_reproducible;
    if let Some(directory) = &stages.keep_failed {
        // Found out after an hour of compiling it would be of no help.
        let is_taken = fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some());
        if is_taken || directory.is_file() {
            let text =
                format!("--keep-failed {}: it is not an empty directory", directory.display());
            return Err(usage(text).into());
        }
    }
    options.keep_failed.clone_from(&stages.keep_failed);
    options.step_time = stages.step_timeout.map(Duration::from_secs);
    options.step_memory_bytes = match &stages.step_memory {
        Some(text) => {
            Some(parse_size(text).map_err(|why| usage(format!("--step-memory {text}: {why}")))?)
        }
        None => None,
    };
    Ok(())
}

fn usage(message: String) -> Named {
    Named { message, help: None }
}

/// Reads `id=ID,src=FILE` or `id=ID,env=VARIABLE`. What is wrong never names the value.
fn secret(text: &str) -> anyhow::Result<(String, Secret)> {
    let form = || usage("a secret is `id=ID,src=FILE` or `id=ID,env=VARIABLE`".to_owned());
    let (mut id, mut source, mut variable) = (None, None, None);
    for part in text.split(',') {
        let (key, value) = part.split_once('=').ok_or_else(form)?;
        let slot = match key.trim() {
            "id" => &mut id,
            "src" | "source" => &mut source,
            "env" => &mut variable,
            _ => return Err(form().into()),
        };
        if value.is_empty() || slot.replace(value).is_some() {
            return Err(form().into());
        }
    }
    let id = id.ok_or_else(form)?;
    let value = match (source, variable) {
        (Some(path), None) => read(id, Path::new(path))?,
        (None, Some(name)) => std::env::var_os(name)
            .map(std::os::unix::ffi::OsStringExt::into_vec)
            .ok_or_else(|| usage(format!("secret {id}: the variable {name} is not set")))?,
        _ => return Err(form().into()),
    };
    if value.is_empty() {
        return Err(usage(format!("secret {id} is empty")).into());
    }
    Ok((id.to_owned(), Secret(value)))
}

fn read(id: &str, path: &Path) -> anyhow::Result<Vec<u8>> {
    let fail = |error| usage(format!("secret {id}: can't read {}: {error}", path.display()));
    let size_bytes = fs::metadata(path).map_err(fail)?.len();
    if size_bytes > SECRET_BYTES_MAX {
        return Err(usage(format!("secret {id}: {} is too large", path.display())).into());
    }
    Ok(fs::read(path).map_err(fail)?)
}

/// Finds the emulators on a search path.
pub(crate) fn emulators(path: Option<&std::ffi::OsStr>) -> BTreeMap<u16, PathBuf> {
    let directories: Vec<PathBuf> =
        path.map(|path| std::env::split_paths(path).collect()).unwrap_or_default();
    let find = |names: [&str; 2]| {
        names.iter().find_map(|name| {
            let paths = directories.iter().map(|directory| directory.join(name));
            paths.into_iter().find(|path| path.is_absolute() && path.is_file())
        })
    };
    EMULATORS.into_iter().filter_map(|(machine, names)| Some((machine, find(names)?))).collect()
}

/// Reads a size: a number, with `K`, `M`, `G` or `T` for powers of 1024.
fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "K" | "KB" | "KIB" => 1u64 << 10,
        "M" | "MB" | "MIB" => 1 << 20,
        "G" | "GB" | "GIB" => 1 << 30,
        "T" | "TB" | "TIB" => 1 << 40,
        _ => return Err("a size is a number, with K, M, G or T after it".to_owned()),
    };
    let number: u64 = digits.parse().map_err(|_| "a size begins with a number".to_owned())?;
    number.checked_mul(unit).filter(|size| *size > 0).ok_or_else(|| "not a size".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, expected) in
            [("1", Some(1)), ("512M", Some(512 << 20)), ("4g", Some(4 << 30)), ("2KiB", Some(2048))]
        {
            assert_eq!(parse_size(text).ok(), expected, "{text}");
        }
        for text in ["", "M", "-1", "1X", "1.5G", "0", "99999999999T"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn secrets_need_a_name_and_one_source() {
        for text in [
            "",
            "id",
            "id=a",
            "id=,env=PATH",
            "src=/etc/passwd",
            "id=a,src=/dev/null",
            "id=a,env=PATH,src=/etc/passwd",
            "id=a,env=HARDPAN_NO_SUCH_VARIABLE",
            "id=a,x=y",
            "id=a,id=b,env=PATH",
            "id=a,src=/no/such/file",
        ] {
            assert!(secret(text).is_err(), "{text}");
        }
        let (id, value) = secret("id=token,env=PATH").unwrap();
        assert_eq!(id, "token");
        assert_eq!(value.0, std::env::var("PATH").unwrap().as_bytes());
        assert_eq!(format!("{value:?}"), "Secret");
    }
}
