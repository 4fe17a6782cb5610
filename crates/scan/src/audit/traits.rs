// SPDX-License-Identifier: Apache-2.0
//! What an image is, in the words that policies ask for.

use super::model::Traits;
use crate::controls::{self, Inspection};

pub(super) fn of(input: &Inspection<'_>) -> Traits {
    let counts = controls::counts(input.tree);
    Traits {
        user: input.user.to_owned(),
        uid: controls::user_number(input),
        tools: controls::tools(input),
        setuid: counts.setuid,
        capabilities: counts.capable,
        world_writable: counts.writable,
    }
}
