// SPDX-License-Identifier: Apache-2.0
//! The commands about trust: keys, signatures, attestations, publishing, SBOMs.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Make a key pair, or bring one of another form into cosign's
#[derive(Debug, Args)]
#[command(
    after_help = "The private key is encrypted with the password in HARDPAN_PASSWORD or COSIGN_PASSWORD, which may be empty. cosign reads and writes the same files.

Examples:
  HARDPAN_PASSWORD=secret hardpan keygen
  hardpan keygen release --import openssl.pem
  hardpan keygen --keyring keys
  hardpan keygen --public unix:///run/hardpan/signer.sock > hardpan.pub"
)]
pub(crate) struct Keygen {
    /// The key's name: NAME.key and NAME.pub are written
    #[arg(default_value = "hardpan")]
    pub(crate) name: PathBuf,
    /// Take this private key (PKCS #8, SEC 1 or cosign's form) instead of making one
    #[arg(long, value_name = "FILE")]
    pub(crate) import: Option<PathBuf>,
    /// Also add the public key to this keyring, under the next number and as the latest
    #[arg(long, value_name = "DIR")]
    pub(crate) keyring: Option<PathBuf>,
    /// Overwrite what is there
    #[arg(long)]
    pub(crate) force: bool,
    /// Make nothing, and print the public key of a private key, wherever that is
    #[arg(long, value_name = "KEY", conflicts_with_all = ["name", "import", "keyring", "force"])]
    pub(crate) public: Option<String>,
}

/// Hold a private key in a process of its own
#[derive(Debug, Args)]
pub(crate) struct Signer {
    #[command(subcommand)]
    pub(crate) command: SignerCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SignerCommand {
    /// Listen on a socket, and sign statements and images' signatures for users that are let in
    #[command(
        after_help = "It never signs bytes: it reads what it is to sign, refuses what it does not understand, and writes a line of JSON about each signature and each refusal. SIGTERM and SIGINT end it.

Examples:
  hardpan signer serve --key hardpan.key --socket /run/hardpan/signer.sock --allow-uid 1000
  hardpan build app.yaml --sign --key unix:///run/hardpan/signer.sock"
    )]
    Serve {
        /// The private key, as for commands that sign
        #[arg(long, value_name = "KEY", env = "HARDPAN_KEY")]
        key: String,
        /// Where to listen; only its owner may connect, and with --allow-uid its group
        #[arg(long, value_name = "PATH")]
        socket: PathBuf,
        /// A user that is let in beside this process's own; may be given several times
        #[arg(long, value_name = "UID")]
        allow_uid: Vec<u32>,
        /// Sign only for images of OCI layouts below this directory, whose digests are computed anew; may be given several times
        #[arg(long, value_name = "DIR")]
        layout_root: Vec<PathBuf>,
        /// Refuse provenance of any other builder than this
        #[arg(long, value_name = "URI", env = "HARDPAN_BUILDER_ID")]
        builder_id: Option<String>,
        /// Append to this file what is written about signatures [default: print it]
        #[arg(long, value_name = "FILE")]
        log: Option<PathBuf>,
    },
    /// Answer as Sigstore's tools ask their plugins; the program named sigstore-kms-hardpan does this
    #[command(hide = true)]
    KmsPlugin {
        /// The protocol's version and the question
        #[arg(allow_hyphen_values = true)]
        question: Vec<String>,
    },
}

/// Who signs, and in which form.
#[derive(Debug, Args)]
#[command(next_help_heading = "Signing")]
pub(crate) struct Signing {
    /// The private key: a file, env://VARIABLE, unix:///SOCKET, hashivault://NAME, pkcs11:… or PLUGIN://ID; a file's password is in HARDPAN_PASSWORD or COSIGN_PASSWORD [default: the workspace's]
    #[arg(long, value_name = "KEY", env = "HARDPAN_KEY")]
    pub(crate) key: Option<String>,
    /// In which form signatures are written; half of `both` is read wrongly by many tools, so it is all or nothing
    #[arg(long, value_enum, default_value_t = FormatChoice::Both, value_name = "FORMAT")]
    pub(crate) signature_format: FormatChoice,
    /// How attestations are attached: `referrers`, beside the image, always; `dhi` and `buildkit` too, where they are named
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "referrers",
        value_name = "HOW"
    )]
    pub(crate) attach: Vec<AttachChoice>,
    #[command(flatten)]
    pub(crate) witnessing: Witnessing,
    /// Sign with a certificate for an identity in place of a key: a new key gets one, which is valid for minutes. Needs --tsa, and writes bundles only
    #[cfg(feature = "keyless")]
    #[arg(long, conflicts_with = "key", requires_all = ["fulcio_url", "tsa"])]
    pub(crate) keyless: bool,
    /// The authority that issues the certificate (Fulcio)
    #[cfg(feature = "keyless")]
    #[arg(long, value_name = "URL", env = "HARDPAN_FULCIO_URL", value_parser = parse_url)]
    pub(crate) fulcio_url: Option<String>,
    /// A file with the token that says who signs [default: the token in HARDPAN_IDENTITY_TOKEN]
    #[cfg(feature = "keyless")]
    #[arg(long, value_name = "FILE", requires = "keyless")]
    pub(crate) identity_token: Option<PathBuf>,
}

/// Who else is told of signatures.
#[derive(Debug, Args)]
pub(crate) struct Witnessing {
    /// Tell a transparency log of each signature, and put its proof into the bundles: rekor2=URL, a Rekor of version 2. It gets digests and signatures, and nothing of what is signed [default: none]
    #[arg(long, value_name = "rekor2=URL", env = "HARDPAN_TLOG", value_parser = parse_log)]
    pub(crate) tlog: Option<LogChoice>,
    /// Put a timestamp for each signature into the bundles, of this timestamp authority (RFC 3161) [default: none]
    #[arg(long, value_name = "URL", env = "HARDPAN_TSA", value_parser = parse_url)]
    pub(crate) tsa: Option<String>,
}

/// Which transparency log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LogChoice {
    /// None, whatever the environment says.
    Nobody,
    /// A Rekor of version 2, by its URL.
    Rekor2(String),
}

fn parse_log(text: &str) -> Result<LogChoice, String> {
    match text.split_once('=') {
        None if text == "none" => Ok(LogChoice::Nobody),
        Some(("rekor2", url)) => parse_url(url).map(LogChoice::Rekor2),
        _ => Err("expected rekor2=URL, or none".to_owned()),
    }
}

fn parse_url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match rest {
        Some(rest) if !rest.is_empty() && !text.contains(char::is_whitespace) => {
            Ok(text.to_owned())
        }
        _ => Err("expected a URL that begins with https:// or http://".to_owned()),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatChoice {
    /// Sigstore bundles and cosign's older tags
    Both,
    /// Sigstore bundles only: cosign 3, policy engines that are told so
    Bundle,
    /// Cosign's tags only: cosign 2, podman, CRI-O
    Legacy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AttachChoice {
    /// As manifests that refer to the image
    Referrers,
    /// Also as Docker's hardened images have them
    Dhi,
    /// Also inside of the image index, as BuildKit has them: the index's digest then depends on them, those of platforms do not
    Buildkit,
}

/// Publish an image: layers, index, signatures, a look whether they verify, and tags last
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hardpan publish out/python registry.example/python:3.13 --key hardpan.key
  hardpan publish out/python registry.example/python:3.13 --tag 3 --tag latest
  hardpan publish out/python registry.example/python:3.13 --key hardpan.key --attach referrers,buildkit
  hardpan publish out/python registry.example/python:3.13 --key hardpan.key --tlog rekor2=https://rekor.example --tsa https://tsa.example/api/v1/timestamp
  hardpan publish python.tar 127.0.0.1:5000/python:3.13 --json")]
pub(crate) struct Publish {
    /// The image: an OCI layout, an archive of one, or an image of a registry
    #[arg(value_name = "LAYOUT|ARCHIVE|IMAGE")]
    pub(crate) from: String,
    /// Where it goes, with a tag
    #[arg(value_name = "IMAGE")]
    pub(crate) to: String,
    /// A further tag; may be given several times
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Vec<String>,
    /// What signatures say the image is called, for mirrors [default: where it is published]
    #[arg(long, value_name = "REPOSITORY")]
    pub(crate) sign_container_identity: Option<String>,
    #[command(flatten)]
    pub(crate) signing: Signing,
}

/// Verify an image: who signed it, what is proven about it, what is missing
#[derive(Debug, Args)]
#[command(
    after_help = "Exit code 0: the index and every platform are signed by a trusted key, and the policy holds. 1: they are not. 4: something was altered.

Examples:
  hardpan verify registry.example/python:3.13 --key hardpan.pub
  hardpan verify out/python --key keys --require spdx --require provenance
  hardpan verify registry.example/python:3.13 --key hardpan.pub --explain
  hardpan verify registry.example/python:3.13 --key hardpan.pub --trusted-root trusted_root.json --require-tlog --require-timestamp
  hardpan verify registry.example/python:3.13 --key hardpan.pub --policy policy.yaml --vsa vsa.json --sign-key auditor.key
  hardpan verify registry.example/python:3.13 --key hardpan.pub --policy policy.yaml --sign-key auditor.key --attach-vsa --tsa https://tsa.example/api/v1/timestamp"
)]
pub(crate) struct Verify {
    /// The image
    #[arg(value_name = "IMAGE|LAYOUT|ARCHIVE")]
    pub(crate) image: String,
    #[command(flatten)]
    pub(crate) keys: Keys,
    /// A kind of attestation that every manifest must have; may be given several times
    #[arg(long, value_name = "TYPE")]
    pub(crate) require: Vec<String>,
    /// Rules that every manifest has to meet: a YAML file, a file of Rego (.rego), or a folder of Rego, in which no YAML may be; may be given several times
    #[arg(long, value_name = "FILE|DIR")]
    pub(crate) policy: Vec<PathBuf>,
    /// Show everything that was found, why each piece counts or not, which SLSA level is proven and why not a higher one, and cosign's commands for the same
    #[arg(long)]
    pub(crate) explain: bool,
    #[command(flatten)]
    pub(crate) summary: Summary,
}

/// What is written of a verification.
#[derive(Debug, Args)]
#[command(next_help_heading = "Verification summary")]
pub(crate) struct Summary {
    /// Write what the verification came to as a verification summary (VSA), also if it failed: signed with --sign-key, else as a bare statement
    #[arg(long, value_name = "FILE", requires = "policy")]
    pub(crate) vsa: Option<PathBuf>,
    /// Sign the summary with this private key: a file, or env://VARIABLE
    #[arg(long, value_name = "KEY", requires = "policy")]
    pub(crate) sign_key: Option<String>,
    /// Attach the signed summary to the image
    #[arg(long, requires = "sign_key")]
    pub(crate) attach_vsa: bool,
    #[command(flatten)]
    pub(crate) witnessing: Witnessing,
    /// A URI for who verifies, in the summary
    #[arg(long, value_name = "URI", env = "HARDPAN_VERIFIER_ID")]
    pub(crate) verifier_id: Option<String>,
}

/// Who is trusted.
#[derive(Debug, Args)]
pub(crate) struct Keys {
    /// A trusted public key, or a folder of them; may be given several times [default: the workspace's]
    #[arg(long, value_name = "KEY", env = "HARDPAN_PUBLIC_KEY")]
    pub(crate) key: Vec<PathBuf>,
    /// Which transparency logs, timestamp authorities and certificate authorities are trusted: a trusted root of Sigstore (trusted_root.json). Nothing is fetched
    #[arg(long, value_name = "FILE", env = "HARDPAN_TRUSTED_ROOT")]
    pub(crate) trusted_root: Option<PathBuf>,
    /// Count a signature only with a proof that it is in a log of the trusted root
    #[arg(long, requires = "trusted_root")]
    pub(crate) require_tlog: bool,
    /// Count a signature only with a timestamp of an authority of the trusted root
    #[arg(long, requires = "trusted_root")]
    pub(crate) require_timestamp: bool,
    /// Trust signatures with a certificate for this identity (keyless), an address or URI
    #[arg(long, value_name = "NAME", requires_all = ["trusted_root", "certificate_oidc_issuer"])]
    pub(crate) certificate_identity: Option<String>,
    /// Who must have proven the identity: the issuer of the token, a URL
    #[arg(long, value_name = "URL", requires = "certificate_identity")]
    pub(crate) certificate_oidc_issuer: Option<String>,
}

/// Show attestations of an image, or add one
#[derive(Debug, Args)]
pub(crate) struct Attest {
    #[command(subcommand)]
    pub(crate) command: AttestCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AttestCommand {
    /// List every attestation: its type, who signed it, where it was found
    List {
        /// The image
        #[arg(value_name = "IMAGE|LAYOUT|ARCHIVE")]
        image: String,
        #[command(flatten)]
        keys: Keys,
    },
    /// Print the predicate of an attestation as JSON
    #[command(after_help = "Examples:
  hardpan attest get registry.example/python:3.13 --type spdx --platform linux/arm64 --key hardpan.pub
  hardpan attest get out/python --type provenance --key hardpan.pub | jq .buildDefinition")]
    Get {
        /// The image
        #[arg(value_name = "IMAGE|LAYOUT|ARCHIVE")]
        image: String,
        /// Its type: a short name such as spdx, cyclonedx, provenance, vex, or a URI
        #[arg(long = "type", value_name = "TYPE")]
        kind: String,
        /// The platform [default: this machine's, or the index's own]
        #[arg(long, value_name = "PLATFORM")]
        platform: Option<String>,
        /// Print the whole statement with its subjects
        #[arg(long)]
        statement: bool,
        #[command(flatten)]
        keys: Keys,
    },
    /// Scan every platform for vulnerabilities, secrets and malware, sign what was found, and attach it
    #[command(
        after_help = "What can't be scanned is not stated: without an advisory database no vulnerabilities, without ClamAV no malware.

Examples:
  hardpan attest scan registry.example/python:3.13 --key hardpan.key
  hardpan attest scan out/python --db advisories.hpdb --key hardpan.key"
    )]
    Scan {
        /// The image
        #[arg(value_name = "IMAGE|LAYOUT")]
        image: String,
        /// Use this advisory database [default: the one of this machine]
        #[arg(long, value_name = "FILE")]
        db: Option<PathBuf>,
        /// Apply this VEX document; may be given several times
        #[arg(long, value_name = "FILE")]
        vex: Vec<PathBuf>,
        /// Rules for secrets in the format of gitleaks [default: those built in]
        #[arg(long, value_name = "FILE")]
        rules: Option<PathBuf>,
        /// Signatures of malware: a file or directory [default: what freshclam fills]
        #[arg(long, value_name = "PATH")]
        signatures: Option<PathBuf>,
        #[command(flatten)]
        signing: Box<Signing>,
    },
    /// Audit every platform, sign what came of it, and attach it
    #[command(
        after_help = "The statement is https://hardpan.dev/audit/v1: user, tools, setuid files, every control, the grade. Policies of any admission controller can decide by it. With --stig and --fips the shapes of Docker's hardened images are added; they are derived and stated by you, and certify nothing.

Examples:
  hardpan attest audit registry.example/python:3.13 --key hardpan.key
  hardpan attest audit out/python --profile compat --stig --key hardpan.key
  hardpan attest audit out/python --fips-certificate 4985 --key hardpan.key"
    )]
    Audit {
        /// The image
        #[arg(value_name = "IMAGE|LAYOUT")]
        image: String,
        /// What the image is for: runtime, runtime-static, compat, dev or sdk [default: what its labels say, or else runtime]
        #[arg(long, value_name = "PROFILE")]
        profile: Option<hardpan::audit::Profile>,
        /// Use this advisory database [default: the one of this machine, if there is one]
        #[arg(long, value_name = "FILE")]
        db: Option<PathBuf>,
        /// State the results as those of a scan derived from a security guide, too, with its documents
        #[arg(long)]
        stig: bool,
        /// State which cryptographic modules there are, too; without a certificate each is "not validated"
        #[arg(long)]
        fips: bool,
        /// The number of a module's certificate, for which you answer; may be given several times
        #[arg(long, value_name = "[MODULE=]NUMBER")]
        fips_certificate: Vec<hardpan::audit::crypto::Certificate>,
        #[command(flatten)]
        signing: Box<Signing>,
    },
    /// Accept findings of audits of an image, with a reason: sign that, and attach it
    #[command(
        after_help = "The statement is https://hardpan.dev/audit-exceptions/v1. Audits count it for which the key is trusted (--key), until its day. A path stands for all below it; without one every path is accepted.

Examples:
  hardpan attest accept registry.example/app:1 --control shell --path /bin/sh --reason 'backup hooks' --until 2027-03-31 --key reviewer.key
  hardpan attest accept registry.example/app:1 --baseline known.json --key reviewer.key"
    )]
    Accept(Box<super::audit::Accept>),
    /// Sign a predicate of your own and attach it
    #[command(after_help = "Example:
  hardpan attest add registry.example/python:3.13 --type https://example.org/review/v1 --predicate review.json --key hardpan.key")]
    Add {
        /// The image
        #[arg(value_name = "IMAGE|LAYOUT")]
        image: String,
        /// Its type: a short name or a URI
        #[arg(long = "type", value_name = "TYPE")]
        kind: String,
        /// The predicate, a JSON file
        #[arg(long, value_name = "FILE")]
        predicate: PathBuf,
        /// Only about this platform [default: the index and all of its platforms]
        #[arg(long, value_name = "PLATFORM")]
        platform: Option<String>,
        #[command(flatten)]
        signing: Box<Signing>,
    },
}

/// Copy an image with everything that is attached to it
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hardpan copy registry.example/python:3.13 mirror.example/python:3.13
  hardpan copy out/python registry.example/python:3.13
  hardpan copy registry.example/python:3.13 ./python")]
pub(crate) struct Copy {
    /// The image
    #[arg(value_name = "IMAGE|LAYOUT|ARCHIVE")]
    pub(crate) from: String,
    /// Where it goes: an image's name, or a directory that begins with ./ or /
    #[arg(value_name = "IMAGE|LAYOUT")]
    pub(crate) to: String,
}

/// Write an image with everything that is attached to it into one file
#[derive(Debug, Args)]
#[command(after_help = "Example:
  hardpan export registry.example/python:3.13 python.tar")]
pub(crate) struct Export {
    /// The image
    #[arg(value_name = "IMAGE|LAYOUT")]
    pub(crate) from: String,
    /// The file
    pub(crate) archive: PathBuf,
}

/// Bring an image of a file, with everything that is attached to it, into a registry or a layout
#[derive(Debug, Args)]
#[command(after_help = "Example:
  hardpan import python.tar registry.inside.example/python:3.13")]
pub(crate) struct Import {
    /// The file
    pub(crate) archive: PathBuf,
    /// Where it goes: an image's name, or a directory that begins with ./ or /
    #[arg(value_name = "IMAGE|LAYOUT")]
    pub(crate) to: String,
}

/// Which of several.
#[derive(Debug, Args)]
pub(crate) struct Chosen {
    /// The platform [default: this machine's]
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Option<String>,
    /// Which image of a layout or archive that has several, by name or digest
    #[arg(long = "image", value_name = "NAME")]
    pub(crate) image_name: Option<String>,
}

/// Write the SBOM of any image or root file system
#[derive(Debug, Args)]
#[command(
    after_help = "Where a trusted key signed an SBOM that is attached to the image, that one counts, and where it and the image's files differ is a warning. Else the SBOM is made of the files.

Examples:
  hardpan sbom out/python
  hardpan sbom registry.example/python:3.13 --key hardpan.pub
  hardpan sbom registry.example/app:1 --platform linux/arm64 -o spdx > app.spdx.json
  hardpan sbom out/python -o spdx3 > python.spdx3.json
  hardpan sbom /srv/chroot -o cyclonedx"
)]
pub(crate) struct Sbom {
    /// What to look at
    #[arg(value_name = "IMAGE|LAYOUT|ARCHIVE|ROOTFS")]
    pub(crate) image: String,
    /// The form
    #[arg(long, short, value_enum, default_value_t = SbomFormat::Table, value_name = "FORMAT")]
    pub(crate) output: SbomFormat,
    #[command(flatten)]
    pub(crate) chosen: Chosen,
    #[command(flatten)]
    pub(crate) keys: Keys,
    /// Look at the image's files only, whatever is attached to it
    #[arg(long)]
    pub(crate) from_files: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SbomFormat {
    /// A table for people
    Table,
    /// SPDX 2.3
    Spdx,
    /// SPDX 3.0.1, as JSON-LD
    Spdx3,
    /// CycloneDX 1.6
    Cyclonedx,
    /// CycloneDX 1.7
    #[value(name = "cyclonedx-1.7")]
    Cyclonedx1_7,
}

/// Show what changed between two images: packages, files, configuration, sizes, vulnerabilities
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hardpan diff registry.example/python:3.13.1 out/python
  hardpan diff old.tar out/python --platform linux/arm64 -o markdown > CHANGES.md
  hardpan diff registry.example/python:3.13 out/python --exit-code --quiet")]
pub(crate) struct Diff {
    /// The older image
    #[arg(value_name = "OLD")]
    pub(crate) old: String,
    /// The newer image
    #[arg(value_name = "NEW")]
    pub(crate) new: String,
    /// The form
    #[arg(long, short, value_enum, default_value_t = DiffFormat::Table, value_name = "FORMAT")]
    pub(crate) output: DiffFormat,
    /// Only this platform [default: all that both have]
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Option<String>,
    /// Exit with 1 if anything changed
    #[arg(long)]
    pub(crate) exit_code: bool,
    /// Say which vulnerabilities were fixed, came in and remain, by this advisory database [default: the one of this machine, if there is one]
    #[arg(long, value_name = "FILE")]
    pub(crate) db: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiffFormat {
    /// A table for people
    Table,
    /// Text for release notes
    Markdown,
}

/// Build an image again from its provenance, and compare
#[derive(Debug, Args)]
#[command(
    after_help = "Exit code 0: the same digest. 1: another one, with the paths that differ. 4: the provenance is not by a trusted key.

Example:
  hardpan rebuild registry.example/python:3.13 --key hardpan.pub"
)]
pub(crate) struct Rebuild {
    /// The image
    #[arg(value_name = "IMAGE|LAYOUT|ARCHIVE")]
    pub(crate) image: String,
    #[command(flatten)]
    pub(crate) keys: Keys,
    /// Keep what was built as a layout in this directory
    #[arg(long, short, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) stages: super::Stages,
}

/// What is stated about a build.
#[derive(Debug, Args)]
#[command(next_help_heading = "Attestations")]
pub(crate) struct Attestations {
    /// Sign the image and what is known of it: SBOMs, provenance, sources
    #[arg(long)]
    pub(crate) sign: bool,
    #[command(flatten)]
    pub(crate) signing: Signing,
    /// A URI for who builds, in the provenance: everything that has to be trusted
    #[arg(long, value_name = "URI", env = "HARDPAN_BUILDER_ID")]
    pub(crate) builder_id: Option<String>,
    /// Where the definition is from, in the provenance: git+https://forge.example/images@COMMIT
    #[arg(long, value_name = "URI", env = "HARDPAN_SOURCE_URI")]
    pub(crate) source_uri: Option<String>,
    /// An id of this run, in the provenance; with it go the times
    #[arg(long, value_name = "ID", env = "HARDPAN_INVOCATION_ID")]
    pub(crate) invocation_id: Option<String>,
    /// State provenance in the older form, too, for tools that read no other (SLSA 0.2)
    #[arg(long = "provenance-v0.2")]
    pub(crate) provenance_v0_2: bool,
    /// State what scans for vulnerabilities, secrets and malware find: with this machine's advisory database and ClamAV, where they are
    #[arg(long, requires = "sign")]
    pub(crate) scan: bool,
    /// State what an audit finds: every control, the grade, what is in the image
    #[arg(long, requires = "sign")]
    pub(crate) audit: bool,
    /// State what this VEX document (OpenVEX, CSAF, CycloneDX) says of what is in the image; may be given several times
    #[arg(long, value_name = "FILE", requires = "sign")]
    pub(crate) vex: Vec<PathBuf>,
    /// State results of tests of this image, a CTRF document; may be given several times
    #[arg(long, value_name = "FILE", requires = "sign")]
    pub(crate) tests: Vec<PathBuf>,
    /// State what changed since this image
    #[arg(long, value_name = "IMAGE|LAYOUT|ARCHIVE", requires = "sign")]
    pub(crate) previous: Option<String>,
}
