// SPDX-License-Identifier: Apache-2.0
//! Short texts that name or measure something. What is read from one is read again as it is written.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use hardpan_attest::key::{KeyLocation, UtcTime, pkcs11};
use hardpan_attest::predicate::Time;
use hardpan_attest::predicate::vex::Iri;
use hardpan_attest::sbom::purl::PackageUrl;
use hardpan_image::{ImageName, Platform};
use hardpan_remote::Url;
use hardpan_scan::advisory::Space;
use hardpan_scan::cvss::score;
use hardpan_scan::secrets::Fingerprint;
use hardpan_tree::{Digest, TreePath};

use crate::input::{text, texts};
use crate::{Part, Target};

pub(super) const TARGET: Target = Target {
    name: "names",
    bytes_max: 512,
    parts: &[
        Part::new("purl", again::<PackageUrl>, || {
            texts(&[
                "pkg:deb/debian/libc6@2.41-12?arch=amd64&distro=debian-13#a/b",
                "pkg:npm/%40s/a@1.0.0",
                "pkg:golang/example.test/a/b@v1.2.3#sub",
                "pkg:oci/app@sha256%3Aabc?repository_url=registry.example/app&tag=1",
            ])
        })
        .shared(&["vectors/purl/tests/types"]),
        Part::new("cvss", cvss, || {
            texts(&[
                "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
                "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N/E:A",
                "AV:N/AC:L/Au:N/C:P/I:P/A:P",
                "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:C/C:L/I:N/A:N/E:P/RL:O/RC:C/CR:H/MAV:L",
            ])
        }),
        Part::new("image", again::<ImageName>, || {
            texts(&[
                "registry.example:5000/a/b-c:1.0",
                "app@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            ])
        }),
        Part::new("platform", again::<Platform>, || texts(&["linux/amd64", "linux/arm/v7"])),
        Part::new("digest", again::<Digest>, || {
            texts(&["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"])
        }),
        Part::new("time", again::<Time>, || {
            texts(&["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5+01:00"])
        }),
        Part::new("utc-time", again::<UtcTime>, || texts(&["2026-01-01T00:00:00Z"])),
        Part::new("key-location", again::<KeyLocation>, || {
            texts(&[
                "cosign.key",
                "hashivault://name",
                "pkcs11:token=a;object=b?module-path=/x.so",
                "plugin://k",
            ])
        }),
        Part::new("pkcs11", again::<pkcs11::Pkcs11Uri>, || {
            texts(&[
                "pkcs11:token=a%20b;object=k;id=%01%02;slot-id=3?module-path=/usr/lib/x.so&pin-source=file:/p",
            ])
        }),
        Part::new("iri", again::<Iri>, || texts(&["https://a.example/vex/1", "urn:uuid:a"])),
        Part::new("url", url, || {
            texts(&["https://user:pass@a.example:8443/b/c?d=e#f", "file:///a/b"])
        }),
        Part::new("space", again::<Space>, || texts(&["debian:13", "alpine:3.22", "npm"])),
        Part::new("fingerprint", again::<Fingerprint>, || texts(&["0123456789abcdef"])),
        Part::new("path", path, || texts(&["usr/./lib//a", "a"])),
    ],
};

/// Reads a text, writes what it is, and reads that.
fn again<T: FromStr<Err: Display> + Display + Debug + PartialEq>(bytes: &[u8]) -> bool {
    let text = text(bytes);
    let value = match text.parse::<T>() {
        Ok(value) => value,
        Err(error) => {
            assert!(!error.to_string().is_empty(), "{text:?} is refused without a word");
            return false;
        }
    };
    let written = value.to_string();
    match written.parse::<T>() {
        Ok(read) => assert_eq!(read, value, "{text:?} is written as {written:?}"),
        Err(error) => panic!("{text:?} is written as {written:?}: {error}"),
    }
    true
}

/// A URL is shown without its login.
fn url(bytes: &[u8]) -> bool {
    let Ok(url) = text(bytes).parse::<Url>() else { return false };
    let shown = url.to_string();
    assert_eq!(shown.parse::<Url>().map(|url| url.to_string()), Ok(shown));
    true
}

fn cvss(bytes: &[u8]) -> bool {
    let Ok(score) = score(&text(bytes)) else { return false };
    assert!((0..=100).contains(&score.tenths), "{score:?}");
    true
}

fn path(bytes: &[u8]) -> bool {
    let Ok(path) = TreePath::parse(bytes) else { return false };
    assert_eq!(TreePath::parse(path.as_bytes()).as_ref(), Ok(&path));
    let names: Vec<&[u8]> = path.components().collect();
    assert!(names.iter().all(|name| !matches!(*name, b"" | b"." | b"..")), "{path}");
    assert_eq!(names.join(&b'/'), path.as_bytes());
    true
}
