// SPDX-License-Identifier: Apache-2.0
//! Our order of Debian's versions beside dpkg's own library, over random pairs.
//!
//! `HARDPAN_VERSION_PAIRS` says how many; without it 200,000, which takes seconds.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "test code: panics and output are for the one who runs it"
)]

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hardpan_scan::advisory::Order;
use hardpan_scan::version::compare;

const PAIRS: u64 = 200_000;

/// Answers each line of two versions with `<`, `=`, `>`, or `!` where one of them is none.
const PROGRAM: &str = r"
#define LIBDPKG_VOLATILE_API
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <dpkg/dpkg.h>
#include <dpkg/dpkg-db.h>
#include <dpkg/ehandle.h>

/* dpkg keeps the parts of a version for ever; memory would grow with the number of lines. */
static int answer(char *left, char *right) {
    struct dpkg_version a, b;
    struct dpkg_error error = DPKG_ERROR_INIT;
    if (parseversion(&a, left, &error) || parseversion(&b, right, &error)) {
        dpkg_error_destroy(&error);
        return '!';
    }
    int order = dpkg_version_compare(&a, &b);
    return order < 0 ? '<' : order > 0 ? '>' : '=';
}

int main(void) {
    static char line[4096];
    push_error_context();
    for (long count = 0; fgets(line, sizeof line, stdin); count++) {
        char *space = strchr(line, ' ');
        char *end = strchr(line, '\n');
        if (!space || !end) return 2;
        *space = *end = 0;
        putchar(answer(line, space + 1));
        putchar('\n');
        if (count % 10000 == 9999) nffreeall();
    }
    pop_error_context(ehflag_normaltidy);
    return 0;
}
";

/// Compiles the program, or says why it can't be.
fn oracle() -> Option<PathBuf> {
    if !Path::new("/usr/include/dpkg/dpkg.h").exists() {
        println!("skipped: random versions beside dpkg's, because libdpkg-dev is not installed");
        return None;
    }
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (source, program) = (directory.join("version_oracle.c"), directory.join("version_oracle"));
    std::fs::write(&source, PROGRAM).unwrap();
    let compiled = Command::new("cc")
        .args(["-O2", "-o"])
        .args([&program, &source])
        .args(["-ldpkg", "-lmd"])
        .output()
        .unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    Some(program)
}

/// Numbers that look random and are the same each time (`SplitMix64`).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }

    fn pick<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.below(of.len())]
    }

    /// A version out of parts as Debian's have them, and sometimes of what must not be in one.
    fn version(&mut self) -> String {
        const PARTS: [&str; 36] = [
            "0",
            "1",
            "2",
            "9",
            "10",
            "00",
            "01",
            "100",
            "2024",
            "99999999999999999999",
            "a",
            "b",
            "z",
            "A",
            "Z",
            "rc",
            "beta",
            "git",
            "dfsg",
            "really",
            "deb13u1",
            "deb12u10",
            "bpo12",
            "nmu1",
            "b1",
            "ubuntu",
            "~",
            "~~",
            "+",
            ".",
            ".",
            ".",
            "-",
            "-",
            ":",
            "~+",
        ];
        let mut text = match self.below(8) {
            0 => self.pick(&["0:", "1:", "2:", "01:", "10:", "2147483647:"]).to_owned(),
            _ => String::new(),
        };
        text.push_str(self.pick(&["0", "1", "2", "10", "1.2", "3.5.7"]));
        for _ in 0..self.below(7) {
            text.push_str(self.pick(&PARTS));
        }
        if self.below(40) == 0 {
            text.push_str(self.pick(&["_", "/", "-", "\u{e9}", "(", "2147483648:", ":"]));
        }
        text
    }

    /// Another version, mostly one that differs in a single place.
    fn near(&mut self, version: &str) -> String {
        if self.below(3) == 0 {
            return self.version();
        }
        let places: Vec<usize> = version.char_indices().map(|(at, _)| at).collect();
        let at = places[self.below(places.len())];
        let (before, after) = version.split_at(at);
        let rest = if self.below(2) == 0 {
            after
        } else {
            &after[after.chars().next().unwrap().len_utf8()..]
        };
        let new = self.pick(&["", "0", "1", "a", "~", "+", ".", "-", "00", "~~1"]);
        let near = format!("{before}{new}{rest}");
        // dpkg reads epochs with strtol(3), and takes a sign, which deb-version(7) does not have.
        if near.starts_with(['+', '-']) { self.version() } else { near }
    }
}

fn ours(left: &str, right: &str) -> char {
    match compare(Order::Deb, left, right) {
        Ok(order) => ['<', '=', '>'][usize::try_from(order as i8 + 1).unwrap()],
        Err(_) => '!',
    }
}

#[test]
fn random_versions_have_dpkgs_order() {
    let Some(program) = oracle() else { return };
    let pairs = std::env::var("HARDPAN_VERSION_PAIRS")
        .map_or(PAIRS, |text| text.parse().expect("HARDPAN_VERSION_PAIRS is a number"));
    let mut child =
        Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut questions = BufWriter::new(child.stdin.take().unwrap());
    let answers = BufReader::new(child.stdout.take().unwrap());
    let asked = std::thread::spawn(move || {
        let mut numbers = Numbers(pairs);
        for _ in 0..pairs {
            let left = numbers.version();
            writeln!(questions, "{left} {}", numbers.near(&left)).unwrap();
        }
    });
    let mut numbers = Numbers(pairs);
    let mut counts = [0_u64; 4];
    let mut answers = answers.lines();
    for number in 0..pairs {
        let left = numbers.version();
        let right = numbers.near(&left);
        let answer = answers.next().unwrap().unwrap();
        let own = ours(&left, &right);
        assert_eq!(answer, own.to_string(), "pair {number}: {left} {right}");
        counts["<=>!".find(own).unwrap()] += 1;
    }
    asked.join().unwrap();
    assert!(child.wait().unwrap().success());
    println!("{pairs} pairs: {counts:?} are <, =, >, no versions");
    // Each answer is tried, or the comparison proves nothing.
    assert!(counts.iter().all(|count| *count > pairs / 100), "{counts:?}");
}
