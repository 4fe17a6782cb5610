// SPDX-License-Identifier: Apache-2.0
//! How much there is to attack, and how much less than in another image.

use std::cmp::Ordering;

use hardpan_tree::{Kind, Node};
use serde::Serialize;

use super::model::Surface;
use crate::controls::{Inspection, interpreters, is_elf};

/// What is added to sizes before they are compared, so that an image without files is no division by zero and a few bytes
/// are no surface.
const BYTES_ADDED: u64 = 1 << 20;
/// What is added to counts, for the same reason.
const COUNT_ADDED: u64 = 1;
/// By how much one measure may weigh at most: a standard image with a thousand setuid files makes no other one good.
const RATIO_MAX: f64 = 1000.0;
/// The sum of all weights. The eighth root is three square roots, which every machine computes alike.
const WEIGHTS: u32 = 8;

/// What products of ratios are off by at most: a byte more or less of any image is more.
const ROUNDING_MAX: f64 = 1e-13;

/// The formula, in words for reports.
pub const FORMULA: &str = "The attack surface that is left is the geometric mean of the ratios, image to standard image, of packages (twice), \
     executables (twice), ELF files, setuid files, interpreters and bytes; 1 is added to each count and 1 MiB to the bytes, and no \
     ratio counts for less than 1/1000 or more than 1000. The reduction is what is missing to 1.";

impl Surface {
    /// Measures a tree. `packages` is how many packages of the distribution and of languages it has.
    pub fn of(input: &Inspection<'_>, packages: u64) -> Self {
        let mut surface =
            Self { packages, interpreters: interpreters(input).len() as u64, ..Self::default() };
        for (_, node) in input.tree.walk() {
            surface.add(node);
        }
        surface
    }

    fn add(&mut self, node: &Node) {
        // A hard link is a second name of a file that is counted already.
        let Kind::File(file) = &node.kind else { return };
        self.files += 1;
        self.bytes = self.bytes.saturating_add(file.size_bytes);
        let mode = node.metadata.mode;
        self.executables += u64::from(mode & 0o111 != 0);
        self.setuid += u64::from(mode & 0o6000 != 0);
        self.elf += u64::from(is_elf(file));
    }

    /// Compares with a standard image.
    pub fn reduction(&self, standard: &Self) -> Reduction {
        let factors = self.factors(standard);
        let left = product(&factors).sqrt().sqrt().sqrt();
        Reduction { factors, per_mille: per_mille(1.0 - left) }
    }

    fn factors(&self, standard: &Self) -> Vec<Factor> {
        let factor = |measure, weight, added, image, standard| Factor {
            measure,
            weight,
            added,
            image,
            standard,
        };
        let factors = vec![
            factor("packages", 2, COUNT_ADDED, self.packages, standard.packages),
            factor("executables", 2, COUNT_ADDED, self.executables, standard.executables),
            factor("ELF files", 1, COUNT_ADDED, self.elf, standard.elf),
            factor("setuid files", 1, COUNT_ADDED, self.setuid, standard.setuid),
            factor("interpreters", 1, COUNT_ADDED, self.interpreters, standard.interpreters),
            factor("bytes", 1, BYTES_ADDED, self.bytes, standard.bytes),
        ];
        debug_assert_eq!(factors.iter().map(|factor| factor.weight).sum::<u32>(), WEIGHTS);
        factors
    }
}

/// How much less there is to attack than in another image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reduction {
    /// What was compared.
    pub factors: Vec<Factor>,
    /// By how many thousandths there is less; negative if there is more.
    pub per_mille: i64,
}

/// Something that was compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Factor {
    /// What it is.
    pub measure: &'static str,
    /// How often it counts.
    pub weight: u32,
    /// What is added to both numbers.
    pub added: u64,
    /// How much the image has.
    pub image: u64,
    /// How much the standard image has.
    pub standard: u64,
}

impl Factor {
    /// Returns the ratio that counts.
    pub fn ratio(&self) -> f64 {
        let of = |number: u64| float(number.saturating_add(self.added));
        (of(self.image) / of(self.standard)).clamp(1.0 / RATIO_MAX, RATIO_MAX)
    }

    /// Returns by how much per cent it is less, for people: `−94 %`, `+3 %`, `=`.
    pub fn change(&self) -> String {
        change(self.image, self.standard)
    }
}

/// Returns the product of all ratios, each as often as it counts.
fn product(factors: &[Factor]) -> f64 {
    factors.iter().map(|factor| factor.ratio().powi(factor.weight.cast_signed())).product()
}

impl Reduction {
    /// Compares with the standard image without rounding: greater where there is more to attack.
    pub fn order(&self) -> Ordering {
        let left = product(&self.factors) - 1.0;
        if left.abs() < ROUNDING_MAX {
            return Ordering::Equal;
        }
        left.total_cmp(&0.0)
    }

    /// Returns it for people: `93.4 % less`, `12.0 % more`, `as much`.
    pub fn text(&self) -> String {
        let size = self.per_mille.unsigned_abs();
        let number = format!("{}.{} %", size / 10, size % 10);
        match self.per_mille {
            0 => match self.order() {
                Ordering::Less => "under 0.1 % less".to_owned(),
                Ordering::Equal => "as much".to_owned(),
                Ordering::Greater => "under 0.1 % more".to_owned(),
            },
            1.. => format!("{number} less"),
            _ => format!("{number} more"),
        }
    }
}

/// Returns by how much per cent a number is less or more than another one.
pub fn change(new: u64, old: u64) -> String {
    if new == old {
        return "=".to_owned();
    }
    if old == 0 {
        return format!("+{new}");
    }
    // Nothing that changed is shown as if it had not, and nothing that is there as if it were gone.
    let percent = (u128::from(new.abs_diff(old)) * 100 + u128::from(old) / 2) / u128::from(old);
    let percent = if new > 0 && new < old { percent.clamp(1, 99) } else { percent.max(1) };
    format!("{}{percent} %", if new < old { '−' } else { '+' })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a ratio of sizes beyond 2^53 bytes may be a little off"
)]
fn float(number: u64) -> f64 {
    number as f64
}

#[expect(clippy::cast_possible_truncation, reason = "ratios are at most 1000")]
fn per_mille(share: f64) -> i64 {
    // Toward zero: what is shown is never more than what is there.
    (share * 1000.0).trunc() as i64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DEBIAN: Surface = Surface {
        executables: 340,
        elf: 620,
        packages: 150,
        bytes: 190 << 20,
        files: 9000,
        setuid: 9,
        interpreters: 3,
    };
    const HARDENED: Surface = Surface {
        executables: 2,
        elf: 14,
        packages: 9,
        bytes: 19 << 20,
        files: 300,
        setuid: 0,
        interpreters: 0,
    };

    #[test]
    fn reductions() {
        for (image, standard, expected) in [
            (HARDENED, DEBIAN, "95.3 % less"),
            (DEBIAN, DEBIAN, "as much"),
            (Surface::default(), Surface::default(), "as much"),
            (Surface { setuid: 10, ..DEBIAN }, DEBIAN, "1.1 % more"),
            // Never as much where it is not.
            (Surface { bytes: DEBIAN.bytes + 1, ..DEBIAN }, DEBIAN, "under 0.1 % more"),
            (Surface { bytes: DEBIAN.bytes - 1, ..DEBIAN }, DEBIAN, "under 0.1 % less"),
            (
                Surface { bytes: (32 << 30) + 1, ..DEBIAN },
                Surface { bytes: 32 << 30, ..DEBIAN },
                "under 0.1 % more",
            ),
            (DEBIAN, HARDENED, "2055.4 % more"),
            (Surface::default(), DEBIAN, "99.0 % less"),
        ] {
            assert_eq!(image.reduction(&standard).text(), expected, "{image:?}");
        }
    }

    #[test]
    fn changes_for_people() {
        for (new, old, expected) in [
            (6, 100, "−94 %"),
            (0, 100, "−100 %"),
            (1, 100_000, "−99 %"),
            (99_999, 100_000, "−1 %"),
            (100, 100, "="),
            (0, 0, "="),
            (3, 0, "+3"),
            (200, 100, "+100 %"),
            (100_001, 100_000, "+1 %"),
            (u64::MAX, 1, "+1844674407370955161400 %"),
        ] {
            assert_eq!(change(new, old), expected, "{new} {old}");
        }
    }

    fn surface() -> impl Strategy<Value = Surface> {
        let count = || prop_oneof![0..20_u64, 0..100_000_u64, any::<u64>()];
        (count(), count(), count(), count(), count(), count(), count()).prop_map(
            |(executables, elf, packages, bytes, files, setuid, interpreters)| Surface {
                executables,
                elf,
                packages,
                bytes,
                files,
                setuid,
                interpreters,
            },
        )
    }

    proptest! {
        #[test]
        fn it_is_bounded_and_nothing_against_itself(image in surface(), standard in surface()) {
            let reduction = image.reduction(&standard);
            prop_assert!((-999_000..=999).contains(&reduction.per_mille), "{}", reduction.per_mille);
            prop_assert_eq!(image.reduction(&image).per_mille, 0);
            prop_assert_eq!(image.reduction(&image).order(), Ordering::Equal);
            if reduction.per_mille != 0 {
                prop_assert_eq!(reduction.order() == Ordering::Greater, reduction.per_mille < 0);
            }
            // What is less one way is more the other.
            let back = standard.reduction(&image).per_mille;
            prop_assert!(reduction.per_mille.signum() * back.signum() <= 0);
        }

        #[test]
        fn more_of_anything_is_never_a_better_reduction(
            image in surface(), standard in surface(), which in 0..6_usize, more in 1..1_000_000_u64,
        ) {
            let mut worse = image;
            let number = match which {
                0 => &mut worse.packages,
                1 => &mut worse.executables,
                2 => &mut worse.elf,
                3 => &mut worse.setuid,
                4 => &mut worse.interpreters,
                _ => &mut worse.bytes,
            };
            *number = number.saturating_add(more);
            prop_assert!(worse.reduction(&standard).per_mille <= image.reduction(&standard).per_mille);
        }
    }
}
