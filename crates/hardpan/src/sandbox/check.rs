// SPDX-License-Identifier: Apache-2.0
//! Whether this machine can have sandboxes at all.

use std::collections::BTreeMap;

use hardpan_tree::TreePath;

use super::identity::maps;
use super::plan::{RootPlan, setup};
use super::{Exit, Identity, Limits, Network, Program, Root, Sandbox, SandboxError, Streams};

/// Checks that this machine can have sandboxes, by making an empty one with nothing to run in it. The
/// error says what has to be changed where it can't.
pub fn check() -> Result<(), SandboxError> {
    let sandbox = Sandbox {
        // It is not looked at.
        root: Root::ReadOnly(std::path::PathBuf::new()),
        mounts: Vec::new(),
        identity: Identity::default(),
        network: Network::None,
        limits: Limits::default(),
        emulators: BTreeMap::new(),
        hostname: "check".to_owned(),
    };
    let program = Program {
        arguments: vec!["/nothing".into()],
        environment: BTreeMap::new(),
        work_dir: TreePath::root(),
    };
    let mut streams = Streams::Captured(&mut |_, _| ());
    let maps = maps(sandbox.identity)?;
    let root = || Ok(RootPlan::Empty);
    let heard = sandbox.attempt(&program, &mut streams, &maps, root, &mut |_| {})?;
    match heard.finished(&program)?.exit {
        Exit::Code(0) => Ok(()),
        exit => {
            let error = std::io::Error::other(format!("its first process ended with {exit:?}"));
            Err(setup("try an empty sandbox")(error))
        }
    }
}
