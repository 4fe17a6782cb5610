// SPDX-License-Identifier: Apache-2.0
//! The commands about vulnerabilities: the advisory database, scans, VEX.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::trust::{Chosen, Keys};

/// Look after the advisory database: what is known of vulnerabilities, in one signed file
#[derive(Debug, Args)]
#[command(
    after_help = "Nothing is fetched unless you say so, and nothing is believed unless a trusted key signed it.

Examples:
  hardpan db build --debian-tracker tracker.json.gz --kev kev.json -o advisories.hpdb --key hardpan.key
  hardpan db import advisories.hpdb --key hardpan.pub
  hardpan db publish advisories.hpdb registry.example/advisories:latest
  hardpan db update registry.example/advisories:latest --key hardpan.pub
  hardpan db status"
)]
pub(crate) struct Db {
    #[command(subcommand)]
    pub(crate) command: DbCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DbCommand {
    /// Make a database from what sources publish; the same files make the same bytes
    #[command(
        after_help = "A FEED is a file, also packed with gzip or xz, a URL, or a directory with such files.

Examples:
  hardpan db build --debian-tracker https://tracker.example/data.json --epss epss.csv.gz -o advisories.hpdb
  hardpan db build --alpine-secdb secdb/ --osv npm.zip --osv go.zip --key hardpan.key -o advisories.hpdb"
    )]
    Build(Box<DbBuild>),
    /// Bring a database to this machine: from a registry, a URL or a file
    Update {
        /// An image name, a URL or a file [default: the workspace's]
        #[arg(value_name = "IMAGE|URL|FILE")]
        from: Option<String>,
        #[command(flatten)]
        receive: Receive,
    },
    /// Bring a database to this machine from a file; its signature lies beside it as FILE.sigstore.json
    Import {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        receive: Receive,
    },
    /// Write the database of this machine and its signature into files
    Export {
        /// The file
        file: PathBuf,
    },
    /// Show what is in the database: its sources, how old each is, who signed it
    Status {
        /// A file [default: the database of this machine]
        #[arg(long, value_name = "FILE")]
        db: Option<PathBuf>,
        /// Exit with 1 if a source is older than this many days
        #[arg(long, value_name = "DAYS")]
        max_age: Option<u32>,
    },
    /// Publish a database with its signature in a registry, and differences from older ones
    Publish {
        /// The file; its signature lies beside it as FILE.sigstore.json
        file: PathBuf,
        /// Where it goes, with a tag
        #[arg(value_name = "IMAGE")]
        to: String,
        /// An older database, from which a small difference is published; may be given several times
        #[arg(long, value_name = "FILE")]
        previous: Vec<PathBuf>,
    },
    /// Remove the database of this machine
    Remove,
}

/// `db build`.
#[derive(Debug, Args)]
pub(crate) struct DbBuild {
    #[command(flatten)]
    pub(crate) feeds: Feeds,
    /// The file
    #[arg(long, short, value_name = "FILE", default_value = "advisories.hpdb")]
    pub(crate) output: PathBuf,
    /// Sign it with this private key, as for `build --sign`: the signature is written beside it
    #[arg(long, value_name = "KEY", env = "HARDPAN_KEY")]
    pub(crate) key: Option<String>,
}

/// Where data comes from. Each may be given several times.
#[derive(Debug, Args)]
#[command(next_help_heading = "Feeds")]
pub(crate) struct Feeds {
    /// Debian's security tracker as JSON
    #[arg(long, value_name = "FEED")]
    pub(crate) debian_tracker: Vec<String>,
    /// A checkout of Debian's security tracker: a directory with CVE/list, DSA/list and DLA/list
    #[arg(long, value_name = "DIR", requires = "debian_sources")]
    pub(crate) debian_lists: Vec<PathBuf>,
    /// A release that is wanted of the lists, with the Sources of a suite of it: trixie=Sources.gz; without a file every fix is believed to be in it
    #[arg(long, value_name = "CODENAME[=FEED]", requires = "debian_lists")]
    pub(crate) debian_sources: Vec<String>,
    /// Alpine's secdb: main.json, community.json of any releases
    #[arg(long, value_name = "FEED")]
    pub(crate) alpine_secdb: Vec<String>,
    /// Wolfi's secdb
    #[arg(long, value_name = "FEED")]
    pub(crate) wolfi: Vec<String>,
    /// Records of OSV, or all.zip of an ecosystem
    #[arg(long, value_name = "FEED")]
    pub(crate) osv: Vec<String>,
    /// CISA's catalogue of known exploited vulnerabilities, JSON
    #[arg(long, value_name = "FEED")]
    pub(crate) kev: Vec<String>,
    /// EPSS scores, CSV
    #[arg(long, value_name = "FEED")]
    pub(crate) epss: Vec<String>,
    /// CVE records in JSON 5, or a zip archive of them
    #[arg(long, value_name = "FEED")]
    pub(crate) cve: Vec<String>,
    /// NVD's feeds, JSON 2.0
    #[arg(long, value_name = "FEED")]
    pub(crate) nvd: Vec<String>,
    /// Debian's lists of packages with limited support, with the release: 12=security-support-limited
    #[arg(long, value_name = "RELEASE=FEED")]
    pub(crate) security_support: Vec<String>,
    /// Debian's releases and when their support ends: debian.csv of distro-info-data
    #[arg(long, value_name = "FEED")]
    pub(crate) distro_info: Vec<String>,
}

/// What is believed of what comes.
#[derive(Debug, Args)]
pub(crate) struct Receive {
    #[command(flatten)]
    pub(crate) keys: Keys,
    /// Take a database that nobody signed
    #[arg(long)]
    pub(crate) allow_unsigned: bool,
    /// Take a database whose data is older than what ever was here
    #[arg(long)]
    pub(crate) allow_older: bool,
}

/// Find the known vulnerabilities of an image, with the reason for every one
#[derive(Debug, Args)]
#[command(
    after_help = "What is in the image comes from its attached SBOM if a trusted key signed that, held against the files; else from the files. Statements of VEX documents that are attached and signed by a trusted key count.

Exit code 0: nothing that --fail-on names. 1: something. 2: the distribution is not known, or nothing could be looked up, so that nothing found would mean nothing.

Examples:
  hardpan scan out/python
  hardpan scan registry.example/app:1 --fail-on high --only-fixed
  hardpan scan registry.example/app:1 -o sarif > scan.sarif
  hardpan scan --explain CVE-2026-1234 registry.example/app:1
  hardpan scan app.spdx.json --vex exceptions.json --show-suppressed"
)]
pub(crate) struct Scan {
    /// What to look at
    #[arg(value_name = "IMAGE|LAYOUT|ARCHIVE|ROOTFS|SBOM")]
    pub(crate) image: String,
    /// The form
    #[arg(long, short, value_enum, default_value_t = ScanFormat::Table, value_name = "FORMAT")]
    pub(crate) output: ScanFormat,
    /// Explain this vulnerability, found or not: which package, which file, which rule, which versions, which statement, from
    /// which source
    #[arg(long, value_name = "ID", conflicts_with_all = ["output", "fail_on"])]
    pub(crate) explain: Option<String>,
    /// Exit with 1 if something counts that is at least so bad [default: the workspace's, or else never]
    #[arg(long, value_name = "SEVERITY")]
    pub(crate) fail_on: Option<SeverityChoice>,
    /// Show and count only what has a fix
    #[arg(long)]
    pub(crate) only_fixed: bool,
    /// Show in the table what VEX excuses; all other forms always have it
    #[arg(long)]
    pub(crate) show_suppressed: bool,
    #[command(flatten)]
    pub(crate) chosen: Chosen,
    #[command(flatten)]
    pub(crate) keys: Keys,
    #[command(flatten)]
    pub(crate) data: ScanData,
}

/// Look for secrets in an image: in files of all layers, also deleted ones, in environment, labels and history
#[derive(Debug, Args)]
#[command(
    after_help = "Exit code 1: something was found. No secret is ever printed, only a few characters of it.

Examples:
  hardpan secrets registry.example/app:1
  hardpan secrets out/app --rules gitleaks.toml --json
  hardpan secrets out/app --baseline known.txt"
)]
pub(crate) struct Secrets {
    /// What to look at
    #[arg(value_name = "IMAGE|LAYOUT|ARCHIVE|ROOTFS")]
    pub(crate) image: String,
    /// Rules in the format of gitleaks, in the place of the ones built in unless they extend them (`[extend] useDefault = true`)
    #[arg(long, value_name = "FILE")]
    pub(crate) rules: Option<PathBuf>,
    /// Fingerprints that are known, one on each line, which do not count
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) chosen: Chosen,
}

/// Look for malware in all layers of an image, with this machine's ClamAV
#[derive(Debug, Args)]
#[command(
    after_help = "Exit code 1: something was found. 3: nothing could be scanned, or not all of it, which says nothing about the image.

Examples:
  hardpan malware registry.example/app:1
  hardpan malware out/app --database signatures/ --json
  hardpan malware out/app --clamd /run/clamav/clamd.ctl"
)]
pub(crate) struct Malware {
    /// What to look at
    #[arg(value_name = "IMAGE|LAYOUT|ARCHIVE|ROOTFS")]
    pub(crate) image: String,
    /// Signatures: a file or directory [default: what freshclam fills]
    #[arg(long, value_name = "PATH")]
    pub(crate) database: Option<PathBuf>,
    /// Let the clamd at this socket scan, with its own signatures and limits [default: the workspace's, or else clamscan]
    #[arg(long, value_name = "SOCKET", conflicts_with = "database")]
    pub(crate) clamd: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) chosen: Chosen,
}

/// What a scan goes by.
#[derive(Debug, Args)]
#[command(next_help_heading = "What counts")]
pub(crate) struct ScanData {
    /// Use this advisory database [default: the one of this machine]
    #[arg(long, value_name = "FILE")]
    pub(crate) db: Option<PathBuf>,
    /// Warn of sources that are older than this many days [default: the workspace's, or else 7]
    #[arg(long, value_name = "DAYS")]
    pub(crate) max_age: Option<u32>,
    /// Apply this VEX document (OpenVEX, CSAF, CycloneDX); may be given several times
    #[arg(long, value_name = "FILE")]
    pub(crate) vex: Vec<PathBuf>,
    /// Statements excuse only with one of the format's justifications
    #[arg(long)]
    pub(crate) vex_needs_justification: bool,
    /// Statements excuse only if they name a version
    #[arg(long)]
    pub(crate) vex_needs_version: bool,
    /// Look at the files, whatever SBOM is attached
    #[arg(long, conflicts_with = "trust_sbom")]
    pub(crate) from_files: bool,
    /// Believe an attached SBOM by a trusted key without fetching the image's files
    #[arg(long)]
    pub(crate) trust_sbom: bool,
    /// Look in this release, whatever the image says: debian:13, alpine:3.22
    #[arg(long, value_name = "RELEASE")]
    pub(crate) release: Option<String>,
    /// Leave out packages whose distribution or release is not known, and what a damaged package database does not tell of
    #[arg(long)]
    pub(crate) allow_unknown_distribution: bool,
    /// Take an image in which nothing could be looked up for one without vulnerabilities
    #[arg(long)]
    pub(crate) allow_empty: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScanFormat {
    /// A table for people
    Table,
    /// Everything, as JSON
    Json,
    /// SARIF 2.1.0, for code scanning of forges
    Sarif,
    /// Markdown, for comments and release notes
    Markdown,
    /// CycloneDX 1.6 with vulnerabilities
    Cyclonedx,
    /// OpenVEX 0.2.0
    Openvex,
    /// A page for a browser
    Html,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SeverityChoice {
    /// Anything
    Unknown,
    Negligible,
    Low,
    Medium,
    High,
    Critical,
}

/// Write, merge and check statements about vulnerabilities (VEX)
#[derive(Debug, Args)]
pub(crate) struct Vex {
    #[command(subcommand)]
    pub(crate) command: VexCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum VexCommand {
    /// State what the files and versions of an image prove: fixes that were brought to older versions, and what is not there
    #[command(
        after_help = "A claim that something is not in the image is checked against its files. If they contradict it nothing is written, and the exit code is 1. What a distribution merely left for later is never stated as unaffected. Nothing can check that the packages of --no-package are packages of that source: mind the warning.

Examples:
  hardpan vex add out/python --author 'Example <security@example.org>' -o vex.json
  hardpan vex add out/python --author Example --vulnerability CVE-2026-1234 --package krb5 --no-package krb5-kdc --reason 'the flaw is in the KDC' -o vex.json
  hardpan vex add out/app --author Example --vulnerability CVE-2026-2345 --package perl --not-built 'usr/lib/**/Zlib.so' --reason 'the flaw is in this module' -o vex.json"
    )]
    Add(Box<VexAdd>),
    /// Make one OpenVEX document of several (OpenVEX, CSAF, CycloneDX); of what they say of the same the newest counts
    #[command(
        after_help = "What a scan would refuse is left out, with a warning; a document of which nothing can be used is refused.

Example:
  hardpan vex merge a.json b.csaf.json --author Example --id https://example.org/vex/all -o all.json"
    )]
    Merge {
        /// The documents
        #[arg(required = true)]
        documents: Vec<PathBuf>,
        /// Who states it
        #[arg(long, value_name = "TEXT")]
        author: String,
        /// The id of the document, a URI
        #[arg(long, value_name = "URI")]
        id: String,
        /// The file [default: print it]
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Say what is wrong with documents, and what scanners would not find
    #[command(after_help = "Exit code 1: something is.

Example:
  hardpan vex check vex.json advisories/*.json")]
    Check {
        /// The documents
        #[arg(required = true)]
        documents: Vec<PathBuf>,
    },
    /// Write statements as a VEX repository, from which other scanners take them
    #[command(
        after_help = "Serve DIR/.well-known/vex-repository.json at the URL of the repository, and the other files packed as the archive.

Example:
  hardpan vex repository vex.json --author Example --base https://vex.example --archive https://vex.example/vex.tar.gz -o repository"
    )]
    Repository {
        /// The documents
        #[arg(required = true)]
        documents: Vec<PathBuf>,
        /// Who states it
        #[arg(long, value_name = "TEXT")]
        author: String,
        /// The name of the repository
        #[arg(long, value_name = "NAME", default_value = "vex")]
        name: String,
        /// What ids of documents begin with, a URI
        #[arg(long, value_name = "URI")]
        base: String,
        /// Where the archive will lie
        #[arg(long, value_name = "URL")]
        archive: String,
        /// The directory
        #[arg(long, short, value_name = "DIR")]
        output: PathBuf,
    },
}

/// `vex add`.
#[derive(Debug, Args)]
pub(crate) struct VexAdd {
    /// The image
    #[arg(value_name = "IMAGE|LAYOUT|ARCHIVE|ROOTFS")]
    pub(crate) image: String,
    /// Who states it
    #[arg(long, value_name = "TEXT")]
    pub(crate) author: String,
    /// The document; what is in it already is kept where nothing newer is said of the same
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// The vulnerability that a claim is about
    #[arg(long, value_name = "ID", requires = "package", help_heading = "A claim")]
    pub(crate) vulnerability: Option<String>,
    /// The package that has it, by its own or its source's name
    #[arg(long, value_name = "NAME", requires = "vulnerability", help_heading = "A claim")]
    pub(crate) package: Option<String>,
    /// None of these files is there, so the component is not: a pattern such as usr/lib/**/libfoo.so.*; may be given several times
    #[arg(
        long,
        value_name = "PATTERN",
        requires = "vulnerability",
        group = "absent",
        help_heading = "A claim"
    )]
    pub(crate) no_file: Vec<String>,
    /// None of these files is there, so the vulnerable code was not built, or left out; may be given several times
    #[arg(
        long,
        value_name = "PATTERN",
        requires = "vulnerability",
        group = "absent",
        help_heading = "A claim"
    )]
    pub(crate) not_built: Vec<String>,
    /// None of these packages of the source is installed; may be given several times
    #[arg(
        long,
        value_name = "NAME",
        requires = "vulnerability",
        group = "absent",
        help_heading = "A claim"
    )]
    pub(crate) no_package: Vec<String>,
    /// Why that is where the vulnerability is
    #[arg(long, value_name = "TEXT", requires = "vulnerability", help_heading = "A claim")]
    pub(crate) reason: Option<String>,
    /// Which vulnerabilities with a fix are stated as fixed
    #[arg(long, value_enum, default_value_t = FixedChoice::Backported, value_name = "WHICH")]
    pub(crate) fixed: FixedChoice,
    /// Use this advisory database [default: the one of this machine]
    #[arg(long, value_name = "FILE")]
    pub(crate) db: Option<PathBuf>,
    /// The platform [default: this machine's]
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FixedChoice {
    /// Those whose fix was brought to an older version
    Backported,
    /// All
    All,
    /// None
    None,
}
