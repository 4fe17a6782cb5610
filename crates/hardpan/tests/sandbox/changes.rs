// SPDX-License-Identifier: Apache-2.0
//! What programs change, and who they give it to.

use crate::support::{Place, in_root, lines};

#[test]
fn files_of_every_kind() {
    let Some(place) = Place::new("files_of_every_kind") else { return };
    let root = place.layered("scratch");
    let ran =
        in_root(&root, "echo hello; echo new >/etc/new; rm /data/one; id -u; pwd; cat /etc/file");
    assert_eq!(ran.good(), "hello\n0\n/\nbelow\n");
    assert_eq!(lines(&root.changes().unwrap()), ["data/one removed", "etc/new 0644 - 4"]);
}
