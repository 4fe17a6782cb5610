// SPDX-License-Identifier: Apache-2.0
//! Maintainer scripts, which are read as a shell would.

use std::collections::BTreeMap;

use hardpan_package::scripts::{
    FileTests, Look, NoFiles, ScriptInput, classify, debconf_defaults, normalised_digest,
};
use hardpan_package::segment::Format;

use crate::input::{join, pieces, text};
use crate::{Part, Target};

pub(super) const TARGET: Target = Target {
    name: "scripts",
    bytes_max: 2 << 10,
    parts: &[
        Part::new(
            "deb",
            |bytes| script(Format::Deb, "postinst", bytes),
            || DEB.iter().map(|script| join(&[script.as_bytes(), TEMPLATES, TRIGGERS])).collect(),
        ),
        Part::new(
            "apk",
            |bytes| script(Format::Apk, "post-install", bytes),
            || vec![join(&[APK, b"", b"/usr/share/*"])],
        ),
    ],
};

const DEB: [&str; 3] = [
    "#!/bin/sh\nset -e\nif [ \"$1\" = configure ] && [ -z \"$2\" ]; then\n  adduser --system --group --home /var/lib/a --no-create-home a || true\n  mkdir -p \"/var/lib/a\"\n  chown a:a /var/lib/a\nfi\n. /usr/share/debconf/confmodule\ndb_get a/b || true\nif [ \"$RET\" = high ]; then chmod 4755 /usr/bin/a; fi\ncase \"$1\" in configure|abort-*) update-alternatives --install /usr/bin/x x /usr/bin/a 50 --slave /usr/share/x.1 x.1 /usr/share/a.1;; *) exit 1;; esac\n#DEBHELPER#\nexit 0\n",
    "#!/bin/bash\nfor f in /etc/a/*.conf; do [ -e \"$f\" ] || continue; mv \"$f\" \"${f%.conf}.old\"; done\nwhile read -r line; do echo \"$line\"; done < /etc/a\nf() { local x=\"$(dpkg --print-architecture)\"; echo ${x:-none} $((1+2)) `id -u`; }\nf && cat > /etc/b <<EOF\nx=$x\nEOF\nln -sf ../a /etc/c; touch /var/log/a; rm -rf /tmp/x\n",
    "#!/bin/sh\n[ -x /usr/bin/deb-systemd-helper ] && deb-systemd-helper enable a.service >/dev/null 2>&1 || :\nldconfig\ntest ! -d /x -o -L /y && ! grep -q a /etc/b\ninstall -d -m 0750 -o root -g a /var/cache/a\nprintf '%s\\n' a >>/etc/shells\nexport A=b; unset A; eval \"$A\"; trap 'x' EXIT; ( cd /; pwd ) | sort\n",
];
const APK: &[u8] = b"#!/bin/sh\naddgroup -S a 2>/dev/null\nadduser -S -D -H -h /var/lib/a -s /sbin/nologin -G a -g a a 2>/dev/null\ninstall -d -o a -g a /var/lib/a\nsetcap cap_net_raw+ep /usr/bin/a\nrc-update add a default\nexit 0\n";
const TEMPLATES: &[u8] =
    b"Template: a/b\nType: select\nDefault: high\nDescription: x\n\nTemplate: c\nType: boolean\n";
const TRIGGERS: &[u8] = b"interest-noawait /usr/share/a\nactivate b\n";

/// Some files.
struct Few;

impl FileTests for Few {
    fn look(&self, path: &str, follow: bool) -> Look {
        match path.len() % 5 {
            0 => Look::Missing,
            1 => Look::File { is_executable: true, is_empty: false },
            2 => Look::Directory { is_empty: false },
            3 if !follow => Look::Symlink,
            _ => Look::Unknown,
        }
    }

    fn read_link(&self, path: &str) -> Option<String> {
        path.len().is_multiple_of(2).then(|| "/usr/lib/a".to_owned())
    }

    fn list(&self, _directory: &str) -> Option<Vec<String>> {
        Some(vec!["a.conf".to_owned(), "b c".to_owned()])
    }
}

/// Classifies a script. Every command is in it, and comes to the same once more.
fn script(format: Format, name: &str, bytes: &[u8]) -> bool {
    let [script, templates, triggers] = pieces(bytes).map(text);
    normalised_digest(&script);
    debconf_defaults(&templates);
    let lines = u32::try_from(script.split('\n').count()).expect("inputs are short");
    let scripts = BTreeMap::from([(name.to_owned(), script)]);
    let input = ScriptInput {
        format,
        package: "a",
        version: "1.0-1",
        architecture: "amd64",
        scripts: &scripts,
        triggers: &triggers,
        templates: &templates,
    };
    let files: [&dyn FileTests; 2] = [&NoFiles, &Few];
    let mut handled = 0;
    for files in files {
        let report = classify(&input, files);
        for action in &report.actions {
            let (first, last) = (action.first_line, action.last_line);
            assert!(1 <= first && first <= last && last <= lines, "{action:?} of {lines} lines");
        }
        assert_eq!(classify(&input, files), report, "it is not the same again");
        handled += report.effects.len();
    }
    handled > 0
}
