// SPDX-License-Identifier: Apache-2.0
//! The commands about policies.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::trust::{Keys, Summary};

/// Hold an image against policies, test policies in Rego, or write a policy for others to enforce
#[derive(Debug, Args)]
pub(crate) struct Policy {
    #[command(subcommand)]
    pub(crate) command: PolicyCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Hold an image against policies in YAML and Rego
    #[command(
        after_help = "All policies have to allow every manifest that the image has; where one names keys, one of them must have signed the index, too. Rego sees what is proven by the trusted keys as `input.image`, as buildx has it and more; what is not decided is denied.

Exit code 0: all policies allow it. 1: one does not. 4: something was altered.

Examples:
  hardpan policy eval registry.example/app:1 --key release.pub --policy policy.yaml
  hardpan policy eval out/app --key release.pub --policy policy.yaml --policy Dockerfile.rego
  hardpan policy eval out/app --key release.pub --print
  hardpan policy eval registry.example/app:1 --key release.pub --policy rules/ --vsa vsa.json --sign-key auditor.key"
    )]
    Eval {
        /// The image
        #[arg(value_name = "IMAGE|LAYOUT|ARCHIVE")]
        image: String,
        #[command(flatten)]
        keys: Box<Keys>,
        /// A policy: a YAML file, a file of Rego (.rego), or a folder of Rego, in which no YAML may be; may be given several times
        #[arg(long, value_name = "FILE|DIR", required_unless_present = "print")]
        policy: Vec<PathBuf>,
        /// Print what policies in Rego see, as JSON, instead of deciding
        #[arg(long, conflicts_with_all = ["policy", "vsa", "attach_vsa"])]
        print: bool,
        #[command(flatten)]
        summary: Box<Summary>,
    },
    /// Run the tests of policies in Rego: rules whose names begin with test_
    #[command(
        after_help = "Those named todo_test_… are skipped. Exit code 0: all hold. 1: one does not. 2: there is none that runs.

Examples:
  hardpan policy test rules/
  hardpan policy test Dockerfile_test.rego --filter signed"
    )]
    Test {
        /// A folder, with those in it, or a file with tests; the other files of its folder belong to it
        #[arg(value_name = "DIR|FILE")]
        path: PathBuf,
        /// Only tests that have this in their names
        #[arg(long, value_name = "TEXT")]
        filter: Option<String>,
    },
    /// Write a policy in YAML for an admission controller or for buildx
    #[command(
        after_help = "What the target can't express is an error; with --partial it is left out, and told. Keys of the policy are written into it: they are read from the files that it names, or from --key.

Examples:
  hardpan policy export policy.yaml --to kyverno > policy-kyverno.yaml
  hardpan policy export policy.yaml --to policy-controller --key keys
  hardpan policy export policy.yaml --to buildx --partial > Dockerfile.rego"
    )]
    Export {
        /// The policy
        #[arg(value_name = "FILE")]
        policy: PathBuf,
        /// Who is to enforce it
        #[arg(long, value_enum, value_name = "TARGET")]
        to: ExportTarget,
        /// What the objects are called [default: the file's name]
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// A public key that the policy names, or a folder of them; may be given several times [default: the files that it names]
        #[arg(long, value_name = "KEY")]
        key: Vec<PathBuf>,
        /// Leave out what the target can't express
        #[arg(long)]
        partial: bool,
    },
    /// Run policies in a process of their own, which has limits
    #[command(hide = true)]
    Worker,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportTarget {
    /// A ClusterPolicy of Kyverno
    Kyverno,
    /// ClusterImagePolicy objects of Sigstore's policy-controller
    PolicyController,
    /// A ConstraintTemplate of Gatekeeper, its constraint, and a provider
    Gatekeeper,
    /// A policy in Rego for builds with buildx
    Buildx,
}
