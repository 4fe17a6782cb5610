// SPDX-License-Identifier: Apache-2.0
//! Trust as a user has it: images signed, published, verified, copied and built again by the real command, against
//! registries of this process and of others, with clients of others, and with everything that can go wrong.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
#![expect(clippy::case_sensitive_file_extension_comparisons, reason = "tags are no files")]

mod clients;
mod concurrent;
mod copy;
mod damage;
mod faults;
mod forged;
mod idempotence;
mod in_index;
#[cfg(feature = "keyless")]
mod keyless;
mod libraries;
mod others;
mod policy;
mod rebuild;
mod sboms;
mod strangers;
#[cfg(feature = "pkcs11")]
mod tokens;
mod witnesses;
mod world;

#[allow(dead_code, reason = "this binary uses a part")]
#[path = "../it/support.rs"]
mod support;

#[cfg(not(feature = "pkcs11"))]
#[test]
fn a_program_without_tokens_says_so() {
    let world = world::World::new();
    let key = "pkcs11:object=a?module-path=/lib/p11.so";
    world.run(&["keygen", "--public", key]).expect(2, &["built without PKCS#11", "--features"]);
}
