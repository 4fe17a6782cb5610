// SPDX-License-Identifier: Apache-2.0
//! The command line, as data.

// The reference is generated from this file alone, by its path.
#[path = "args/audit.rs"]
pub(crate) mod audit;
#[path = "args/compare.rs"]
pub(crate) mod compare;
#[path = "args/policy.rs"]
pub(crate) mod policy;
#[path = "args/scan.rs"]
pub(crate) mod scan;
#[path = "args/trust.rs"]
pub(crate) mod trust;

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
    Build(Box<Build>),
    Test(Box<Test>),
    Run(Run),
    Resolve(Resolve),
    Check(Check),
    Explain(Explain),
    Sbom(trust::Sbom),
    Diff(trust::Diff),
    Compare(Box<compare::Compare>),
    Audit(audit::Audit),
    Scan(scan::Scan),
    Secrets(scan::Secrets),
    Malware(scan::Malware),
    Db(scan::Db),
    Vex(scan::Vex),
    Keygen(trust::Keygen),
    Signer(trust::Signer),
    Publish(trust::Publish),
    Verify(trust::Verify),
    Policy(policy::Policy),
    Attest(trust::Attest),
    Rebuild(trust::Rebuild),
    Copy(trust::Copy),
    Export(trust::Export),
    Import(trust::Import),
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
    pub(crate) attestations: trust::Attestations,
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
    /// Print what steps print, also where standard error is no terminal
    #[arg(long, short)]
    pub(crate) verbose: bool,
}

/// Test an image: run its definition's tests in the finished image
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hardpan test catalog/python/debian-13/3.13.yaml
  hardpan test catalog/nginx/debian-13/1.26.yaml --filter serves --ctrf results.json
  hardpan test out/python --tests catalog/python/debian-13/3.13.yaml
  hardpan test out/app --config structure-tests.yaml --config more.json --junit results.xml
  hardpan test catalog/python/debian-13/3.13.yaml --sign --key hardpan.key")]
pub(crate) struct Test {
    #[command(flatten)]
    pub(crate) image: Image,
    /// Take the tests of this definition [default: the image's own; a layout has none]
    #[arg(long, value_name = "DEFINITION")]
    pub(crate) tests: Option<PathBuf>,
    /// Run the tests of this file of container-structure-test, too, YAML or JSON; may be given several times
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Vec<PathBuf>,
    /// Run only tests with this text in their names; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(crate) filter: Vec<String>,
    /// Let tests use the host's network [default: a loopback of their own]
    #[arg(long)]
    pub(crate) network: bool,
    /// Write the results as a CTRF document
    #[arg(long, value_name = "FILE")]
    pub(crate) ctrf: Option<PathBuf>,
    /// Write the results as JUnit's XML
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Sign the results, whatever they are, and attach them to the tested platform in its layout
    #[arg(long, requires = "key")]
    pub(crate) sign: bool,
    #[command(flatten)]
    pub(crate) signing: trust::Signing,
}

/// Run a program of an image in the sandbox, without any container runtime
#[derive(Debug, Args)]
#[command(
    after_help = "The exit code is the program's; 128 and the signal's number if a signal ended it, 127 if there is no such program.

Examples:
  hardpan run out/python -- python3 -c 'print(6 * 7)'
  hardpan run catalog/nginx/debian-13/1.26.yaml --network host
  hardpan run out/base-dev --writable --entrypoint /bin/bash --mount .:/src:ro --workdir /src"
)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) image: Image,
    /// Who runs the program: UID, UID:GID or names of the image [default: the image's user]
    #[arg(long, short, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// Set a variable; a NAME alone has the caller's value
    #[arg(long, short, value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// Where the program starts [default: the image's working directory]
    #[arg(long, short, value_name = "PATH")]
    pub(crate) workdir: Option<String>,
    /// The network
    #[arg(long, value_enum, default_value_t = NetworkChoice::Loopback)]
    pub(crate) network: NetworkChoice,
    /// Mount a file or directory of the host
    #[arg(long, value_name = "SOURCE:TARGET[:ro]", value_parser = mount)]
    pub(crate) mount: Vec<MountChoice>,
    /// Mount an empty file system in memory
    #[arg(long, value_name = "PATH")]
    pub(crate) tmpfs: Vec<String>,
    /// Forbid changes of the image's files; /tmp and /run are empty and in memory [default]
    #[arg(long, conflicts_with = "writable")]
    pub(crate) read_only: bool,
    /// Allow changes of the image's files; they are gone when the program ends
    #[arg(long)]
    pub(crate) writable: bool,
    /// Run this program in place of the image's
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) entrypoint: Option<String>,
    /// The program or its arguments [default: the image's]
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

/// An image to work with.
#[derive(Debug, Args)]
pub(crate) struct Image {
    /// A definition, whose image is built first, an OCI layout, or an archive (.tar) of a layout or of `docker save`
    #[arg(value_name = "DEFINITION|LAYOUT|ARCHIVE")]
    pub(crate) place: PathBuf,
    /// The platform [default: this machine's]
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Option<Platform>,
    /// Directory of the OCI layout of a definition's image [default: as for `build`]
    #[arg(long, short, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Refuse to resolve: the definition's lock must be there and fit
    #[arg(long)]
    pub(crate) locked: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum NetworkChoice {
    /// Nothing, not even a loopback
    None,
    /// A loopback of its own
    Loopback,
    /// The host's network
    Host,
}

/// `--mount`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MountChoice {
    pub(crate) source: PathBuf,
    pub(crate) target: String,
    pub(crate) is_read_only: bool,
}

fn mount(text: &str) -> Result<MountChoice, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, is_read_only) = match parts[..] {
        [source, target] | [source, target, "rw"] => (source, target, false),
        [source, target, "ro"] => (source, target, true),
        [_, _, other] => return Err(format!("{other:?} is neither `ro` nor `rw`")),
        _ => return Err("expected SOURCE:TARGET or SOURCE:TARGET:ro".to_owned()),
    };
    if source.is_empty() || !target.starts_with('/') || target.trim_matches('/').is_empty() {
        return Err("the target has to be a path such as /src".to_owned());
    }
    Ok(MountChoice { source: PathBuf::from(source), target: target.to_owned(), is_read_only })
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
