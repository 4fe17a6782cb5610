// SPDX-License-Identifier: Apache-2.0
//! What the bytes of a program say that its name may not: found in one pass, while they go by.
//!
//! An audit has no second look at a file, and the gate of the builder reads files of its store: both use this scanner, so
//! that they say the same.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

/// What was found in a program's bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentTraits(u16);

impl ContentTraits {
    /// The texts of a shell.
    pub const SHELL: Self = Self(1);
    /// The texts of a program that is many in one, a shell among them: busybox, toybox.
    pub const MULTI_CALL: Self = Self(1 << 1);
    /// The texts of a package manager.
    pub const PACKAGE_MANAGER: Self = Self(1 << 11);
    /// The texts of a compiler, assembler, linker or make.
    pub const COMPILER: Self = Self(1 << 12);
    /// The texts of a debugger or tracer.
    pub const DEBUGGER: Self = Self(1 << 13);
    /// The texts of a network client or scanner.
    pub const NETWORK_TOOL: Self = Self(1 << 14);
    const PYTHON: Self = Self(1 << 2);
    const PERL: Self = Self(1 << 3);
    const RUBY: Self = Self(1 << 4);
    const JAVASCRIPT: Self = Self(1 << 5);
    const PHP: Self = Self(1 << 6);
    const LUA: Self = Self(1 << 7);
    const TCL: Self = Self(1 << 8);
    const JAVA: Self = Self(1 << 9);
    const SCHEME: Self = Self(1 << 10);

    /// Whether nothing was found.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether all of these were found.
    pub fn has(self, wanted: Self) -> bool {
        self.0 & wanted.0 == wanted.0
    }

    /// Returns the language whose interpreter it is.
    pub fn language(self) -> Option<&'static str> {
        const LANGUAGES: [(ContentTraits, &str); 9] = [
            (ContentTraits::PYTHON, "python"),
            (ContentTraits::PERL, "perl"),
            (ContentTraits::RUBY, "ruby"),
            (ContentTraits::JAVASCRIPT, "javascript"),
            (ContentTraits::PHP, "php"),
            (ContentTraits::LUA, "lua"),
            (ContentTraits::TCL, "tcl"),
            (ContentTraits::JAVA, "java"),
            (ContentTraits::SCHEME, "scheme"),
        ];
        LANGUAGES.iter().find(|(traits, _)| self.has(*traits)).map(|(_, language)| *language)
    }

    /// Finds them in bytes that are at hand.
    pub fn of(bytes: &[u8]) -> Self {
        let mut scanner = TraitScanner::default();
        scanner.feed(bytes);
        scanner.finish()
    }
}

impl std::ops::BitOr for ContentTraits {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Texts of which all have to be there.
struct Sign {
    traits: ContentTraits,
    texts: &'static [&'static [u8]],
}

/// POSIX wants `PS2` to be `"> "` and `PS4` to be `"+ "` at the start: ash, dash, the Korn shells and their kin have them as
/// one text each. The others have a variable that says which shell it is, or a message that no
/// other program has. Interpreters have the function that their `main` calls, or a variable that only they ask for.
const SIGNS: &[Sign] = &[
    shell(&[b"PS2=> ", b"PS4=+ "]),
    shell(&[b"\0BASH_VERSINFO\0"]),
    shell(&[b"\0ZSH_VERSION\0"]),
    shell(&[b"\0KSH_VERSION"]),
    // The C shells have no such variable.
    shell(&[b"Thus no job control in this shell.", b"Not a login shell"]),
    shell(&[b"Stand-alone shell (version "]),
    shell(&[b"src.elv.sh/pkg/shell"]),
    shell(&[b"\0YASH_VERSION\0"]),
    shell(&[
        b"Y\0\0\0A\0\0\0S\0\0\0H\0\0\0_\0\0\0V\0\0\0E\0\0\0R\0\0\0S\0\0\0I\0\0\0O\0\0\0N\0\0\0",
    ]),
    // fish keeps its texts in 32-bit characters.
    shell(&[
        b"\0F\0\0\0I\0\0\0S\0\0\0H\0\0\0_\0\0\0V\0\0\0E\0\0\0R\0\0\0S\0\0\0I\0\0\0O\0\0\0N\0\0\0",
    ]),
    shell(&[b"@(#)MIRBSD KSH "]),
    shell(&[b"@(#)PD KSH "]),
    // Scanners look for the same text without a number.
    multi_call(&[b"BusyBox v1."]),
    multi_call(&[b"toybox 0."]),
    multi_call(&[b"multicall binary", b"landley.net/toybox"]),
    // The names of applets stand in busybox in their order, and these are the first.
    multi_call(&[b"[\0[[\0", b"\0ash\0"]),
    multi_call(&[b"[\0[[\0", b"\0hush\0"]),
    // What tools print of how to use them.
    tool(ContentTraits::PACKAGE_MANAGER, &[b"Usage: apt-get [options] command"]),
    tool(ContentTraits::PACKAGE_MANAGER, &[b"Type dpkg --help for help about installing"]),
    tool(ContentTraits::PACKAGE_MANAGER, &[b"apk-tools ", b", compiled for "]),
    tool(ContentTraits::PACKAGE_MANAGER, &[b"RPM version %s\n\0"]),
    tool(ContentTraits::COMPILER, &[b"\0GNU assembler %s\n\0"]),
    tool(ContentTraits::COMPILER, &[b"\0GNU ld %s\n\0"]),
    tool(ContentTraits::COMPILER, &[b"\0%sGNU Make %s\n\0"]),
    tool(ContentTraits::COMPILER, &[b"\0gcc version %s %s\n\0"]),
    tool(ContentTraits::DEBUGGER, &[b"Usage: strace [-"]),
    tool(ContentTraits::DEBUGGER, &[b"This is the GNU debugger.  Usage:"]),
    tool(ContentTraits::NETWORK_TOOL, &[b"Usage: curl [options...] <url>"]),
    tool(ContentTraits::NETWORK_TOOL, &[b"Usage: %s [OPTION]... [URL]...\n"]),
    tool(ContentTraits::NETWORK_TOOL, &[b"usage: ssh [-"]),
    tool(ContentTraits::NETWORK_TOOL, &[b"usage: nc [-"]),
    tool(ContentTraits::NETWORK_TOOL, &[b"socat by Gerhard Rieger"]),
    tool(ContentTraits::NETWORK_TOOL, &[b"Usage: nmap [Scan Type(s)]"]),
    language(ContentTraits::PYTHON, &[b"\0Py_BytesMain\0"]),
    language(ContentTraits::PERL, &[b"\0perl_parse\0", b"\0boot_DynaLoader\0"]),
    language(ContentTraits::RUBY, &[b"\0ruby_run_node\0"]),
    language(ContentTraits::JAVASCRIPT, &[b"NODE_OPTIONS", b"NODE_EXTRA_CA_CERTS"]),
    language(ContentTraits::PHP, &[b"PHP_INI_SCAN_DIR\0"]),
    language(ContentTraits::LUA, &[b"LUA_INIT\0"]),
    language(ContentTraits::LUA, &[b"=LUA_INIT"]),
    language(ContentTraits::TCL, &[b"\0Tcl_MainEx\0"]),
    language(ContentTraits::TCL, &[b"\0Tcl_Main\0"]),
    language(ContentTraits::TCL, &[b"\0Tk_MainEx\0"]),
    language(ContentTraits::JAVA, &[b"\0JLI_Launch\0"]),
    language(ContentTraits::SCHEME, &[b"\0scm_shell\0"]),
];

const fn shell(texts: &'static [&'static [u8]]) -> Sign {
    Sign { traits: ContentTraits::SHELL, texts }
}

const fn multi_call(texts: &'static [&'static [u8]]) -> Sign {
    let traits = ContentTraits(ContentTraits::SHELL.0 | ContentTraits::MULTI_CALL.0);
    Sign { traits, texts }
}

const fn tool(traits: ContentTraits, texts: &'static [&'static [u8]]) -> Sign {
    Sign { traits, texts }
}

const fn language(traits: ContentTraits, texts: &'static [&'static [u8]]) -> Sign {
    Sign { traits, texts }
}

/// The longest text of [`SIGNS`], in bytes.
const TEXT_BYTES_MAX: usize = {
    let mut longest = 0;
    let mut sign = 0;
    while sign < SIGNS.len() {
        let mut text = 0;
        while text < SIGNS[sign].texts.len() {
            if SIGNS[sign].texts[text].len() > longest {
                longest = SIGNS[sign].texts[text].len();
            }
            text += 1;
        }
        sign += 1;
    }
    longest
};

/// The texts of all signs, in their order.
static TEXTS: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let texts = SIGNS.iter().flat_map(|sign| sign.texts);
    AhoCorasick::builder().match_kind(MatchKind::Standard).build(texts).expect("a few short texts")
});

/// Looks for the texts of [`ContentTraits`] in bytes that go by.
#[derive(Debug, Default)]
pub struct TraitScanner {
    /// By text: whether it was found.
    found: u64,
    /// The end of what went by, with which the next bytes may begin a text.
    before: Vec<u8>,
}

impl TraitScanner {
    /// Takes the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        let kept_bytes_max = TEXT_BYTES_MAX - 1;
        let head = &bytes[..bytes.len().min(kept_bytes_max)];
        if !self.before.is_empty() {
            self.before.extend_from_slice(head);
            let joined = std::mem::take(&mut self.before);
            self.search(&joined);
            self.before = joined;
        }
        self.search(bytes);
        if bytes.len() >= kept_bytes_max {
            self.before.clear();
            self.before.extend_from_slice(&bytes[bytes.len() - kept_bytes_max..]);
        } else {
            if self.before.is_empty() {
                self.before.extend_from_slice(bytes);
            }
            let surplus = self.before.len().saturating_sub(kept_bytes_max);
            self.before.drain(..surplus);
        }
    }

    /// Returns what was found.
    pub fn finish(self) -> ContentTraits {
        let mut text = 0;
        let mut traits = ContentTraits::default();
        for sign in SIGNS {
            let all = ((1_u64 << sign.texts.len()) - 1) << text;
            if self.found & all == all {
                traits = traits | sign.traits;
            }
            text += sign.texts.len();
        }
        traits
    }

    fn search(&mut self, bytes: &[u8]) {
        // One text's end may be another's beginning.
        for found in TEXTS.find_overlapping_iter(bytes) {
            self.found |= 1 << found.pattern().as_u32();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_shell(bytes: &[u8]) -> bool {
        ContentTraits::of(bytes).has(ContentTraits::SHELL)
    }

    #[test]
    fn shells_are_known_by_their_texts() {
        assert!(SIGNS.iter().map(|sign| sign.texts.len()).sum::<usize>() < 64);
        assert!(is_shell(b"\x7fELF..\0PS2=> \0PS4=+ \0..OPTIND=1\0"));
        assert!(is_shell(b"\x7fELF..\0BASH_VERSINFO\0"));
        assert!(!is_shell(b"\x7fELF..\0PS2=> \0"));
        assert!(!is_shell(b"$BASH_VERSINFO"));
        assert!(!is_shell(b""));
        let wide: Vec<u8> =
            "x FISH_VERSION x".chars().flat_map(|c| (c as u32).to_le_bytes()).collect();
        assert!(is_shell(&wide));
        assert!(!is_shell(b"x FISH_VERSION x"));
        assert!(ContentTraits::of(b"x").is_empty());
    }

    #[test]
    fn texts_are_found_wherever_chunks_end() {
        let bytes = [&[b'.'; 100][..], b"PS4=+ \0..OPTIND=1\0.PS2=> \0", &[0; 90]].concat();
        for size in 1..bytes.len() {
            let mut scanner = TraitScanner::default();
            bytes.chunks(size).for_each(|chunk| scanner.feed(chunk));
            assert!(scanner.finish().has(ContentTraits::SHELL), "{size}");
        }
    }

    #[test]
    fn what_is_far_apart_is_no_text() {
        let mut scanner = TraitScanner::default();
        for piece in [&b"Busy"[..], b"x", b"Box v"] {
            scanner.feed(piece);
        }
        assert!(scanner.finish().is_empty());
    }
}
