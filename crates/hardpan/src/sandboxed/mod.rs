// SPDX-License-Identifier: Apache-2.0
//! What needs a program of the image's packages while an image is put together.
//!
//! Finishers do what maintainer scripts would have done without running anything. What is left here
//! can't be done so: compiling Python modules, indexes in formats that only their own program knows, and,
//! where the definition asks for it, scripts that no finisher covers. Programs run in the
//! [sandbox](crate::sandbox), on inputs that are fixed by the lock, and what they make is kept in the store: a
//! build whose inputs are known runs none.
//!
//! Whose machine a program is for must not show in an image. So what is made here is made by the
//! packages of the platform that runs here, for all platforms, and checked not to depend on it.

mod caches;
mod error;
mod keep;
mod program;
pub(crate) mod pyc;
mod scripts;
pub(crate) mod workshop;

use std::collections::BTreeMap;

use hardpan_definition::Definition;
use hardpan_tree::Digest;

pub use error::{SandboxedError, Work};

use self::workshop::Workshop;
use crate::assemble::Assembly;
use crate::build::BuildSettings;
use crate::error::Error;
use crate::fetch::Prepared;
use crate::lock::Lock;
use crate::session::Session;

/// The origin of what is in roots of tools, and in no image.
const NAME: &str = "sandboxed";

impl Session<'_> {
    /// Does to an assembled tree what needs a program.
    pub(crate) fn finish_sandboxed(
        &self,
        assembly: &mut Assembly,
        definition: &Definition,
        lock: &Lock,
        prepared: &BTreeMap<Digest, Prepared>,
        settings: &BuildSettings,
    ) -> Result<(), Error> {
        let workshop =
            Workshop { session: self, lock, prepared, settings, platform: definition.platform };
        scripts::apply(workshop, assembly, definition)?;
        caches::apply(workshop, assembly, definition.x_hardpan.scripts)?;
        // Last, since scripts may bring modules.
        pyc::apply(workshop, assembly)
    }
}
