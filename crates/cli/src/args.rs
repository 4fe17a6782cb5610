// SPDX-License-Identifier: Apache-2.0
//! The command line, as data.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use hardpan::definition::Platform;

/// Builds hardened container images from declarative definitions, without daemon or root.
#[derive(Debug, Parser)]
#[command(
    name = "hardpan",
    version,
    propagate_version = true,
    disable_help_subcommand = true,
    after_help = "Exit codes: 0 done · 1 the answer is no · 2 usage or definition · 3 network, archive, disk · 4 signature or digest · 5 build step · 70 internal"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of all commands.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Directory of the store [default: the workspace's, or else hardpan in the user's cache]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "HARDPAN_STORE",
        help_heading = "Common options"
    )]
    pub(crate) store: Option<PathBuf>,
    /// How many threads to use; no output depends on it [default: as many as processors]
    #[arg(
        long,
        global = true,
        value_name = "N",
        env = "HARDPAN_THREADS",
        help_heading = "Common options"
    )]
    pub(crate) threads: Option<NonZeroUsize>,
    /// Longest wait for a server to go on, in seconds
    #[arg(
        long,
        global = true,
        value_name = "SECONDS",
        env = "HARDPAN_TIMEOUT_SECONDS",
        default_value_t = 30,
        value_parser = clap::value_parser!(u64).range(1..=86_400),
        help_heading = "Common options"
    )]
    pub(crate) timeout: u64,
    /// How often a transfer that failed is tried again
    #[arg(
        long,
        global = true,
        value_name = "N",
        env = "HARDPAN_RETRIES",
        default_value_t = 3,
        value_parser = clap::value_parser!(u32).range(..=100),
        help_heading = "Common options"
    )]
    pub(crate) retries: u32,
    /// Look up images of `artifacts` and `uses` in this OCI layout before any registry; may be given several times
    #[arg(long, global = true, value_name = "DIR", help_heading = "Common options")]
    pub(crate) artifact_layout: Vec<PathBuf>,
    /// Refuse the network: everything must be in the store
    #[arg(long, global = true, help_heading = "Common options")]
    pub(crate) offline: bool,
    /// Print results as JSON, and no progress
    #[arg(long, global = true, help_heading = "Common options")]
    pub(crate) json: bool,
    /// Print no progress and no summary
    #[arg(long, short, global = true, help_heading = "Common options")]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Build(Build),
    Resolve(Resolve),
    Check(Check),
    Explain(Explain),
    Schema(Schema),
    Init(Init),
    Store(Store),
    Completions(Completions),
}

/// Build an image from a definition
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hardpan build catalog/python/debian-13/3.13.yaml
  hardpan build catalog/python/debian-13/3.13.yaml --docker-archive python.tar --platform linux/amd64
  hardpan build catalog/curl/debian-13/8.yaml --locked --offline --output /tmp/curl
  hardpan build app.yaml --secret id=token,env=API_TOKEN --no-network")]
pub(crate) struct Build {
    /// The definition
    pub(crate) definition: PathBuf,
    /// Directory of the OCI layout [default: ./out/NAME, for a -dev variant ./out/NAME-dev]
    #[arg(long, short, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Write a docker archive for `docker load` and `podman load` instead of a layout
    #[arg(long, value_name = "FILE")]
    pub(crate) docker_archive: Option<PathBuf>,
    /// Build only this platform; may be given several times [default: all of the definition]
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Vec<Platform>,
    /// Refuse to resolve: the lock must be there and fit
    #[arg(long)]
    pub(crate) locked: bool,
    #[command(flatten)]
    pub(crate) stages: Stages,
}

/// Options for build stages.
#[derive(Debug, Args)]
#[command(next_help_heading = "Build stages")]
pub(crate) struct Stages {
    /// A secret for the steps that name it: id=ID,src=FILE or id=ID,env=VARIABLE; may be given several times
    #[arg(long, value_name = "SECRET")]
    pub(crate) secret: Vec<String>,
    /// Refuse definitions with steps that have the network (`privileged: true`)
    #[arg(long)]
    pub(crate) no_network: bool,
    /// Run every stage twice, and fail where the two results differ
    #[arg(long)]
    pub(crate) check_reproducible: bool,
    /// Leave the root file system of a stage that failed in this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) keep_failed: Option<PathBuf>,
    /// Longest time of a step, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) step_timeout: Option<u64>,
    /// Most memory of a step, such as 512M or 4G [default: no limit]
    #[arg(long, value_name = "SIZE")]
    pub(crate) step_memory: Option<String>,
    /// An OCI layout with images for `artifacts` and `uses`, looked at before any registry; may be given several times
    #[arg(long, value_name = "DIR")]
    pub(crate) artifact_layout: Vec<PathBuf>,
    /// Print what steps print, also where standard error is no terminal
    #[arg(long, short)]
    pub(crate) verbose: bool,
}

/// Write or refresh the lock of definitions, and print what changed
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hardpan resolve catalog/python/debian-13/3.13.yaml
  hardpan resolve catalog/*/debian-13/*.yaml --json")]
pub(crate) struct Resolve {
    /// The definitions
    #[arg(required = true)]
    pub(crate) definitions: Vec<PathBuf>,
    /// Only say what would change
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Check definitions, or all in a folder, and print every problem at once
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hardpan check catalog
  hardpan check image/nginx/debian-13/mainline.yaml --json")]
pub(crate) struct Check {
    /// Definitions, info.yaml files or folders
    #[arg(required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// Let warnings fail, too
    #[arg(long)]
    pub(crate) strict: bool,
}

/// Explain why a package is in an image, and what it costs
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hardpan explain catalog/curl/debian-13/8.yaml libssl3t64
  hardpan explain catalog/php/debian-13/8.4.yaml php8.4-cli --scripts")]
pub(crate) struct Explain {
    /// The definition
    pub(crate) definition: PathBuf,
    /// The package
    pub(crate) package: String,
    /// The platform [default: the definition's first]
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Option<Platform>,
    /// Show how each of the package's maintainer scripts was treated
    #[arg(long)]
    pub(crate) scripts: bool,
}

/// Print the JSON Schema of definitions, for editors
#[derive(Debug, Args)]
#[command(
    after_help = "Example, for editors with a YAML language server: put this on line 2 of a definition
  # yaml-language-server: $schema=definition.schema.json"
)]
pub(crate) struct Schema {}

/// Write a commented hardpan.toml for this machine
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Where to write it
    #[arg(default_value = "hardpan.toml")]
    pub(crate) path: PathBuf,
    /// Overwrite what is there
    #[arg(long)]
    pub(crate) force: bool,
}

/// Look after the store
#[derive(Debug, Args)]
pub(crate) struct Store {
    #[command(subcommand)]
    pub(crate) command: StoreCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Remove what was not used for a while
    Gc {
        /// How many days unused
        #[arg(long, value_name = "DAYS", default_value_t = 30)]
        unused_for: u64,
        /// Only say what would go
        #[arg(long)]
        dry_run: bool,
    },
    /// Compare everything in the store with its digest
    Verify {
        /// Remove what is damaged, so that it is fetched or made again
        #[arg(long)]
        repair: bool,
    },
    /// Print where the store is
    Path,
}

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "Example:
  hardpan completions bash > ~/.local/share/bash-completion/completions/hardpan")]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: Shell,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}
