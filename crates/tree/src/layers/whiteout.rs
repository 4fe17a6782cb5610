// SPDX-License-Identifier: Apache-2.0
//! Entries of layers that hide what layers below have (OCI image specification, "Whiteouts").

use crate::TreePath;

/// How names of whiteouts begin.
const WHITEOUT: &[u8] = b".wh.";
/// The name of the whiteout that hides all that a directory has in layers below.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// How other names begin that storage drivers keep for themselves.
const DRIVER: &[u8] = b".wh..wh.";

/// What an entry of a layer hides. It is about layers below only, wherever in its own layer it stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whiteout {
    /// `.wh.NAME`: whatever is at this path, with all that is below it.
    At(TreePath),
    /// `.wh..wh..opq`: all that is below this directory, but not the directory.
    Below(TreePath),
    /// `.wh..wh.…`: nothing. A storage driver keeps something there.
    Driver,
    /// `.wh.`, `.wh..` and `.wh...`: nothing that has a name in its directory.
    Nameless,
}

impl Whiteout {
    /// Returns what an entry hides, by its path; `None` for all entries that are no whiteouts.
    pub fn of(path: &TreePath) -> Option<Self> {
        let hidden = path.name().strip_prefix(WHITEOUT)?;
        let directory = path.parent().unwrap_or_default();
        Some(match path.name() {
            OPAQUE => Self::Below(directory),
            name if name.starts_with(DRIVER) => Self::Driver,
            // They would be the directory itself and the one above it.
            _ if matches!(hidden, b"" | b"." | b"..") => Self::Nameless,
            _ => directory.join(hidden).map_or(Self::Nameless, Self::At),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_hidden() {
        for (path, expected) in [
            (".wh.a", "at /a"),
            ("usr/lib/.wh.a", "at /usr/lib/a"),
            ("usr/.wh.wh.a", "at /usr/wh.a"),
            ("usr/.wh.a.wh.b", "at /usr/a.wh.b"),
            ("usr/.wh. ", "at /usr/ "),
            ("usr/.wh.\\", "at /usr/\\"),
            (".wh....", "at /..."),
            (".wh...a", "at /..a"),
            (".wh..wh", "at /.wh"),
            (".wh..whiteout", "at /.whiteout"),
            (".wh..wh..opq", "below /"),
            ("usr/.wh..wh..opq", "below /usr"),
            ("usr/.wh..wh..opq2", "a driver's"),
            ("usr/.wh..wh.plnk", "a driver's"),
            ("usr/.wh..wh.", "a driver's"),
            ("usr/.wh..wh..wh..opq", "a driver's"),
            ("usr/.wh.", "nameless"),
            ("usr/.wh..", "nameless"),
            ("usr/.wh...", "nameless"),
            (".wh...", "nameless"),
            ("", "none"),
            ("usr/a", "none"),
            ("usr/wh.a", "none"),
            ("usr/.wh", "none"),
            ("usr/.WH.a", "none"),
            ("usr/a.wh.b", "none"),
            ("usr/..wh.a", "none"),
            // Only the last name counts: what is below such a directory is as written.
            (".wh.usr/a", "none"),
            (".wh..wh..opq/a", "none"),
        ] {
            let found = match Whiteout::of(&TreePath::parse(path).unwrap()) {
                Some(Whiteout::At(path)) => format!("at {path}"),
                Some(Whiteout::Below(path)) => format!("below {path}"),
                Some(Whiteout::Driver) => "a driver's".to_owned(),
                Some(Whiteout::Nameless) => "nameless".to_owned(),
                None => "none".to_owned(),
            };
            assert_eq!(found, expected, "{path}");
        }
    }

    #[test]
    fn nothing_above_its_directory_is_hidden() {
        // Names with slashes and dots that the parser of paths takes for what they are.
        for path in ["a/.wh.../b", "a/.wh..//../b", "a/.wh./../../etc", "a/.wh.\0"] {
            let hidden = TreePath::parse(path).ok().and_then(|path| Whiteout::of(&path));
            assert_eq!(hidden, None, "{path:?}");
        }
        let long = "n".repeat(crate::NAME_BYTES_MAX - WHITEOUT.len());
        let path = TreePath::parse(format!("a/.wh.{long}")).unwrap();
        let hidden = TreePath::parse(format!("a/{long}")).unwrap();
        assert_eq!(Whiteout::of(&path), Some(Whiteout::At(hidden)));
    }
}
