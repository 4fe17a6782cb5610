// SPDX-License-Identifier: Apache-2.0
//! `hardpan init`

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use hardpan::Error;
use hardpan::config::Workspace;

use crate::args::Init;
use crate::machine;
use crate::text::{BAD, GOOD, HELP, note, say, styled};

/// Writes a workspace file with everything in it commented out.
pub(crate) fn run(command: &Init) -> anyhow::Result<ExitCode> {
    let text = template(&machine::mirrors(&Workspace::default()));
    let mut options = OpenOptions::new();
    options.write(true);
    if command.force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let fail = |source| Error::Io { action: "write", path: command.path.clone(), source };
    let file = options.open(&command.path);
    let mut file = match file {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            note!("{} {} exists", styled(BAD, "error:"), command.path.display());
            note!("  {} `--force` overwrites it", styled(HELP, "help:"));
            return Ok(ExitCode::from(2));
        }
        file => file.map_err(fail)?,
    };
    file.write_all(text.as_bytes()).map_err(fail)?;
    say!("{} {}", styled(GOOD, "wrote"), command.path.display());
    Ok(ExitCode::SUCCESS)
}

fn template(mirrors: &hardpan::Mirrors) -> String {
    format!(
        r#"# hardpan.toml: where things are, and what stands in for what.
# It belongs at the root of a catalog; `includes` and `source` in definitions are relative to its folder.
# Everything here is optional. What is commented out shows the default or an example.

[store]
# path = ".hardpan"        # default: hardpan in the user's cache

[archives.debian]
# What this machine's apt uses. It never gets into a lock or an image.
# mirror = "{debian}"
# security-mirror = "{security}"

[archives.alpine]
# The folder above v3.24/, edge/ and so on.
# mirror = "{alpine}"

# Another archive in place of one that definitions name. "debian" and "alpine" are the distributions' own.
# [[archives.substitute]]
# from = "http://packages.example/debian"
# to = "debian"
# pins = "relax"           # "keep": versions in definitions hold · "relax": where the archive has them

[keyrings]
# debian = "keys/debian.asc"   # in place of the keys built in
# alpine = "keys/alpine"       # a folder with NAME.rsa.pub, in place of the keys built in

# Another package in place of one that definitions name; the first rule that matches counts.
# [[packages.substitute]]
# from = "python-3.13*"
# to = "python3.13*"
# [[packages.substitute]]
# from = "*-settings"
# drop = true

# A second name for a path, made where the target exists.
# [[paths.alias]]
# from = "/usr/bin/alertmanager"
# to = "/usr/bin/prometheus-alertmanager"

# Another place for a download; with a checksum, another file in place of it.
# [[downloads.override]]
# from = "https://downloads.example/*"
# to = "https://mirror.example/downloads/*"

# Another image in place of one that `artifacts` and `uses` of definitions name.
# [[images.substitute]]
# from = "registry.example/go:*"
# to = "mirror.example/go:*"

[registries]
# Registries without TLS; those on this machine's loopback always are.
# plain-http = ["registry.example:5000"]
# OCI layouts that images of `artifacts` and `uses` are looked up in first, relative to this file.
# layouts = ["images"]

# Another registry in place of one that definitions name.
# [[registries.mirror]]
# from = "registry.example/team"
# to = "mirror.example/team"

[build]
# compression = "gzip"     # "gzip" loads everywhere; "zstd" is smaller and needs Docker 23
# keep = []                # strip rules to switch off: docs, man, info, locales, …
# pyc = true               # compile Python modules, so that programs start faster
# caches = true            # make indexes of MIME types, schemas and loaders

[actions]
# paths = ["actions"]      # folders with actions of your own
"#,
        debian = mirrors.debian,
        security = mirrors.debian_security,
        alpine = mirrors.alpine.as_deref().unwrap_or("https://mirror.example/alpine"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_parses_and_so_does_every_example_in_it() {
        let mirrors = hardpan::Mirrors {
            debian: "http://mirror.example/debian".to_owned(),
            debian_security: "http://mirror.example/debian-security".to_owned(),
            alpine: Some("http://mirror.example/alpine".to_owned()),
        };
        let text = template(&mirrors);
        assert_eq!(Workspace::parse(&text), Ok(Workspace::default()));
        let is_example = |line: &str| line.contains(" = ") || line.contains("[[");
        let active: Vec<&str> = text
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(example) if is_example(example) => example,
                _ => line,
            })
            .collect();
        let workspace = Workspace::parse(&active.join("\n")).unwrap();
        assert_eq!(workspace.packages.substitute.len(), 2);
        assert_eq!(workspace.downloads.overrides.len(), 1);
        assert_eq!(workspace.images.substitute.len(), 1);
        assert_eq!(workspace.registries.mirror.len(), 1);
        assert_eq!(workspace.archives.debian.mirror.as_deref(), Some(mirrors.debian.as_str()));
    }
}
