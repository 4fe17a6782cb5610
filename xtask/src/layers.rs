// SPDX-License-Identifier: Apache-2.0
//! How much images share under different layer plans, computed from their locks.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context, Result};
use hardpan::lock::{Lock, LockedPackage};
use hardpan_image::{PackageSize, PlanOptions, plan};

/// Measure how much images share under different layer plans.
#[derive(clap::Args, Debug)]
pub(crate) struct Arguments {
    /// The locks of a catalog.
    #[arg(required = true)]
    locks: Vec<PathBuf>,
}

/// What a plan comes to over all images.
#[derive(Default)]
struct Outcome {
    images: usize,
    layers: usize,
    all_bytes: u64,
    unique: BTreeMap<String, u64>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut images: Vec<Vec<LockedPackage>> = Vec::new();
    for path in &arguments.locks {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let lock = Lock::parse(&text).with_context(|| path.display().to_string())?;
        images.extend(lock.platforms.into_values().map(|platform| platform.packages));
    }
    println!("{} images. Sizes are those of the packages as downloaded.\n", images.len());
    println!("| groups at most | own layer from | base | layers an image | stored, of all | |");
    println!("|---|---|---|---|---|---|");
    for groups_max in [1, 4, 8, 12, 16, 24, 32] {
        for own_size_bytes_min in [1 << 17, 1 << 18, 1 << 19, 1 << 20, 2 << 20] {
            for has_base in [true, false] {
                let mut options =
                    PlanOptions { groups_max, own_size_bytes_min, ..PlanOptions::default() };
                if !has_base {
                    options.base_sources = BTreeSet::new();
                }
                print(&measure(&images, &options), &options);
            }
        }
    }
    Ok(())
}

fn measure(images: &[Vec<LockedPackage>], options: &PlanOptions) -> Outcome {
    let mut outcome = Outcome { images: images.len(), ..Outcome::default() };
    for packages in images {
        let sizes: Vec<PackageSize> = packages
            .iter()
            .map(|package| PackageSize {
                name: package.name.clone(),
                source: package.source.clone().unwrap_or_else(|| package.name.clone()),
                size_bytes: package.size_bytes,
            })
            .collect();
        for group in plan(&sizes, options) {
            let names: Vec<String> =
                group.packages.iter().map(|&index| packages[index].sha256.to_hex()).collect();
            outcome.layers += 1;
            outcome.all_bytes += group.size_bytes;
            outcome.unique.insert(names.join(" "), group.size_bytes);
        }
    }
    outcome
}

#[expect(clippy::cast_precision_loss, reason = "one digit is shown")]
fn print(outcome: &Outcome, options: &PlanOptions) {
    let stored: u64 = outcome.unique.values().sum();
    println!(
        "| {} | {} KiB | {} | {:.1} | {:.1} % | {:.1} MB |",
        options.groups_max,
        options.own_size_bytes_min >> 10,
        if options.base_sources.is_empty() { "no" } else { "yes" },
        outcome.layers as f64 / outcome.images as f64,
        100.0 * stored as f64 / outcome.all_bytes as f64,
        stored as f64 / 1e6,
    );
}
