// SPDX-License-Identifier: Apache-2.0
//! Programs of other machines, and the emulators that run them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::SandboxError;
use super::plan::{EmulatorPlan, Source, setup, text};

const X86_64: u16 = 62;
const AARCH64: u16 = 183;

/// The ELF machine number of this machine.
#[cfg(target_arch = "x86_64")]
pub(super) const NATIVE: u16 = X86_64;
/// The ELF machine number of this machine.
#[cfg(target_arch = "aarch64")]
pub(super) const NATIVE: u16 = AARCH64;

/// Names of machines that programs are found for.
const NAMES: [(u16, &str); 8] = [
    (3, "i386"),
    (8, "mips"),
    (21, "ppc64"),
    (22, "s390x"),
    (40, "arm"),
    (X86_64, "x86-64"),
    (AARCH64, "aarch64"),
    (243, "riscv"),
];

/// Returns a machine's name.
pub(super) fn machine_name(number: u16) -> String {
    let name = NAMES.iter().find(|(known, _)| *known == number);
    name.map_or_else(|| format!("machine {number}"), |(_, name)| (*name).to_owned())
}

/// Plans emulators.
pub(super) fn plans(emulators: &BTreeMap<u16, PathBuf>) -> Result<Vec<EmulatorPlan>, SandboxError> {
    let foreign = emulators.iter().filter(|(machine, _)| **machine != NATIVE);
    foreign
        .map(|(&machine, path)| {
            let name = format!("emulator-{machine}");
            // Who can't be opened is an error here, where its name is known.
            std::fs::metadata(path)
                .map_err(setup(&format!("use the emulator {}", path.display())))?;
            Ok(EmulatorPlan {
                source: Source::of(path)?,
                line: registration(machine, &name),
                name: text(name)?,
            })
        })
        .collect()
}

/// Returns the line that tells the kernel which programs an emulator runs: little-endian 64-bit ELF
/// files of that machine, executables and shared objects, of any ABI. `F` opens the emulator now, so
/// that no root needs to have it, and `P` passes the name that the program was called by.
fn registration(machine: u16, name: &str) -> Vec<u8> {
    let mut magic = *b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\0\0";
    let mut mask = [0xff; 20];
    magic[18..].copy_from_slice(&machine.to_le_bytes());
    mask[7..16].fill(0);
    mask[16] = 0xfe;
    let escape = |bytes: &[u8]| {
        let escaped: Vec<String> = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
        escaped.concat()
    };
    let (magic, mask) = (escape(&magic), escape(&mask));
    format!(":hardpan-{machine}:M::{magic}:{mask}:/dev/{name}:FP").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_is_told() {
        let expected = r":hardpan-183:M::\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\xfe\xff\xff\xff:/dev/emulator-183:FP";
        assert_eq!(registration(183, "emulator-183"), expected.as_bytes());
        assert_eq!(machine_name(62), "x86-64");
        assert_eq!(machine_name(9_999), "machine 9999");
    }
}
