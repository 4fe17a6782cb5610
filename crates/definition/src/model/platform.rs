// SPDX-License-Identifier: Apache-2.0
//! Platforms, distributions and ports.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A platform that images are built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Platform {
    /// `linux/amd64`
    LinuxAmd64,
    /// `linux/arm64`
    LinuxArm64,
}

impl Platform {
    /// Every platform, sorted; also the default of `platforms`.
    pub const ALL: [Self; 2] = [Self::LinuxAmd64, Self::LinuxArm64];

    /// The OCI and Debian name of the architecture: `amd64` or `arm64`.
    pub fn architecture(self) -> &'static str {
        match self {
            Self::LinuxAmd64 => "amd64",
            Self::LinuxArm64 => "arm64",
        }
    }

    /// The OCI name of the operating system: `linux`.
    pub fn os(self) -> &'static str {
        "linux"
    }

    /// `linux/amd64` or `linux/arm64`.
    pub fn name(self) -> &'static str {
        match self {
            Self::LinuxAmd64 => "linux/amd64",
            Self::LinuxArm64 => "linux/arm64",
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// A platform name that hardpan does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownPlatform(pub String);

impl fmt::Display for UnknownPlatform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "unknown platform `{}`, expected linux/amd64 or linux/arm64", self.0)
    }
}

impl std::error::Error for UnknownPlatform {}

impl FromStr for Platform {
    type Err = UnknownPlatform;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|platform| platform.name() == text)
            .ok_or_else(|| UnknownPlatform(text.to_owned()))
    }
}

impl Serialize for Platform {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// The distribution that packages come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Distribution {
    /// Debian 12 or 13.
    Debian {
        /// Release number.
        release: u8,
    },
    /// Alpine 3.22 and later.
    Alpine {
        /// First number of the release.
        major: u8,
        /// Second number of the release.
        minor: u8,
    },
    /// Alpine's next release, as it is today.
    AlpineEdge,
    /// Not a distribution: Helm charts.
    Helm {
        /// Major version of Helm.
        major: u8,
    },
}

impl Distribution {
    /// Every supported distribution.
    pub const ALL: [Self; 7] = [
        Self::Debian { release: 12 },
        Self::Debian { release: 13 },
        Self::Alpine { major: 3, minor: 22 },
        Self::Alpine { major: 3, minor: 23 },
        Self::Alpine { major: 3, minor: 24 },
        Self::AlpineEdge,
        Self::Helm { major: 3 },
    ];

    /// Whether this is Debian.
    pub fn is_debian(self) -> bool {
        matches!(self, Self::Debian { .. })
    }

    /// Whether this is Alpine.
    pub fn is_alpine(self) -> bool {
        matches!(self, Self::Alpine { .. } | Self::AlpineEdge)
    }

    /// Debian's code name: `bookworm` or `trixie`.
    pub fn codename(self) -> Option<&'static str> {
        match self {
            Self::Debian { release: 12 } => Some("bookworm"),
            Self::Debian { release: 13 } => Some("trixie"),
            _ => None,
        }
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Debian { release } => write!(formatter, "debian{release}"),
            Self::Alpine { major, minor } => write!(formatter, "alpine{major}.{minor}"),
            Self::AlpineEdge => formatter.write_str("alpine-edge"),
            Self::Helm { major } => write!(formatter, "helm{major}"),
        }
    }
}

impl Serialize for Distribution {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Line 1 of a definition: `# syntax=dhi.io/build:<frontend>-<distribution>[-dev]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Syntax {
    /// Major version of the frontend: 1 or 2.
    pub frontend: u8,
    /// The distribution whose defaults apply.
    pub distribution: Distribution,
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Protocol {
    /// TCP, the default.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

/// An exposed port or range of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port {
    /// First port.
    pub first: u16,
    /// Last port, the same as `first` for a single port.
    pub last: u16,
    /// Protocol.
    pub protocol: Protocol,
}

impl fmt::Display for Port {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        };
        if self.first == self.last {
            write!(formatter, "{}/{protocol}", self.first)
        } else {
            write!(formatter, "{}-{}/{protocol}", self.first, self.last)
        }
    }
}

impl Serialize for Port {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
