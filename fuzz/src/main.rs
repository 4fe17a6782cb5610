// SPDX-License-Identifier: Apache-2.0
//! The targets as a program. `xtask fuzz` builds it with libFuzzer, which brings the main function. Built as anything else is, it
//! runs a target on files, once each: what to look with at an input that a fuzzer found.
#![cfg_attr(feature = "libfuzzer", no_main)]

#[cfg(feature = "libfuzzer")]
mod fuzzer {
    use std::sync::OnceLock;

    use hardpan_fuzz::Target;

    static TARGET: OnceLock<&'static Target> = OnceLock::new();

    /// The target that the environment names.
    fn target() -> &'static Target {
        let name = std::env::var("HARDPAN_FUZZ_TARGET").unwrap_or_default();
        Target::of(&name).expect("HARDPAN_FUZZ_TARGET names a target")
    }

    libfuzzer_sys::fuzz_target!(
        init: {
            TARGET.get_or_init(target);
        },
        |input: &[u8]| {
            TARGET.get_or_init(target).run(input);
        }
    );
}

#[cfg(not(feature = "libfuzzer"))]
#[allow(clippy::print_stdout, clippy::print_stderr, reason = "it talks to whoever runs it")]
fn main() -> std::process::ExitCode {
    use hardpan_fuzz::{TARGETS, Target};

    let mut arguments = std::env::args().skip(1);
    let Some(target) = arguments.next().and_then(|name| Target::of(&name)) else {
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        eprintln!("usage: hardpan-fuzz TARGET FILE…\ntargets: {}", names.join(", "));
        return std::process::ExitCode::from(2);
    };
    for path in arguments {
        let input = match std::fs::read(&path) {
            Ok(input) => input,
            Err(error) => {
                eprintln!("can't read {path}: {error}");
                return std::process::ExitCode::FAILURE;
            }
        };
        let started = std::time::Instant::now();
        let outcome = if target.run(&input) { "understood" } else { "refused" };
        println!("{path}: {outcome} in {:?}", started.elapsed());
    }
    std::process::ExitCode::SUCCESS
}
