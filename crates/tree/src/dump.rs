// SPDX-License-Identifier: Apache-2.0
//! Trees as text, for tests and for people.

use std::fmt::Write as _;

use crate::bytes_text::escape;
use crate::{Kind, Metadata, Tree};

impl Tree {
    /// Returns one line per node, sorted: path, kind, mode, owner, then a file's size and the first
    /// digits of its digest, or a link's target, then extended attributes. The root is left out, and
    /// so are times.
    ///
    /// ```text
    /// /usr/bin/x file 0755 0:0 12 sha256:2cf24dba5fb0
    /// /usr/bin/y symlink 0777 0:0 -> x
    /// ```
    pub fn dump(&self) -> String {
        let mut text = String::new();
        for (path, node) in self.walk().filter(|(path, _)| !path.is_root()) {
            text.push('/');
            escape(path.as_bytes(), &mut text);
            let owned = |kind: &str, metadata: &Metadata| {
                format!(" {kind} {:04o} {}:{}", metadata.mode, metadata.uid, metadata.gid)
            };
            match &node.kind {
                Kind::Directory => text.push_str(&owned("directory", &node.metadata)),
                Kind::File(file) => {
                    text.push_str(&owned("file", &node.metadata));
                    let digits = &file.digest.to_hex()[..12];
                    let _ = write!(text, " {} sha256:{digits}", file.size_bytes);
                }
                Kind::Symlink(target) => {
                    text.push_str(&owned("symlink", &node.metadata));
                    text.push_str(" -> ");
                    escape(target, &mut text);
                }
                Kind::HardLink(target) => {
                    text.push_str(" hardlink -> /");
                    escape(target.as_bytes(), &mut text);
                }
            }
            for (name, value) in &node.metadata.xattrs {
                let _ = write!(text, " {name}=");
                escape(value, &mut text);
            }
            text.push('\n');
        }
        text
    }
}
