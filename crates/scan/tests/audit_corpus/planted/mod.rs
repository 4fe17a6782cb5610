// SPDX-License-Identifier: Apache-2.0
//! Images with one defect each, in all the disguises that it was found to take.

mod binaries;
mod configuration;
mod files;
mod identity;
mod secrets;
mod supply;
mod surface;

use crate::image::Image;

pub(crate) fn images() -> Vec<Image> {
    [
        surface::images(),
        identity::images(),
        files::images(),
        secrets::images(),
        binaries::images(),
        configuration::images(),
        supply::images(),
    ]
    .concat()
}
