// SPDX-License-Identifier: Apache-2.0
//! Which item of which guide a control is evidence for.
//!
//! A control never *is* an item: guides speak of hosts, of processes and of people, and a control of files. What a table
//! made of this says is that nothing was found which the item forbids.

use std::fmt;

use serde::Serialize;

use crate::controls::ControlId;
use crate::controls::ControlId as C;

/// An item of section 4 of the CIS Docker Benchmark 1.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cis(pub u8);

/// A section of NIST SP 800-190, "Application Container Security Guide", about images: 4.1.1 to 4.1.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nist(pub u8);

/// A requirement of DISA's General Purpose Operating System Security Requirements Guide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Srg(pub &'static str);

impl fmt::Display for Cis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CIS 4.{}", self.0)
    }
}

impl fmt::Display for Nist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SP 800-190 4.1.{}", self.0)
    }
}

impl fmt::Display for Srg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Nist {
    /// Returns what the section is about.
    pub fn title(self) -> &'static str {
        match self.0 {
            1 => "image vulnerabilities",
            2 => "image configuration defects",
            3 => "embedded malware",
            4 => "embedded clear text secrets",
            _ => "use of untrusted images",
        }
    }
}

/// All requirements of the guide that controls are evidence for, and what they ask for, in our words.
pub const REQUIREMENTS: &[(Srg, &str)] = &[
    (ACCOUNTS, "every account is told apart from every other"),
    (PASSWORDS, "no password is kept in a form that gives it away"),
    (LIBRARIES, "only those who may change the system change its libraries"),
    (ESSENTIAL, "what the system is not for is not there"),
    (PORTS, "ports and protocols that are not needed are not used"),
    (SHARED, "nobody gets at another's files through a shared place"),
    (FLAWS, "flaws are mended in time"),
    (PRIVILEGE, "programs run with no more rights than their users have"),
    (UNPRIVILEGED, "who has no special rights does nothing that needs them"),
    (INSTALLING, "nobody installs software who may not"),
    (SIGNED, "what is installed was signed by somebody who is trusted"),
    (EXECUTION, "only programs that are wanted can be started"),
    (DATA, "data is never run"),
    (ADDRESSES, "where things are in memory can't be guessed"),
    (REPLACED, "what was replaced is gone"),
    (VERIFIED, "that security works is checked, and by whom is known"),
    (GENERAL, "the system is set up as its security guide says"),
];

const ACCOUNTS: Srg = Srg("SRG-OS-000104-GPOS-00051");
const PASSWORDS: Srg = Srg("SRG-OS-000073-GPOS-00041");
const LIBRARIES: Srg = Srg("SRG-OS-000259-GPOS-00100");
const ESSENTIAL: Srg = Srg("SRG-OS-000095-GPOS-00049");
const PORTS: Srg = Srg("SRG-OS-000096-GPOS-00050");
const SHARED: Srg = Srg("SRG-OS-000138-GPOS-00069");
const FLAWS: Srg = Srg("SRG-OS-000191-GPOS-00080");
const PRIVILEGE: Srg = Srg("SRG-OS-000326-GPOS-00126");
const UNPRIVILEGED: Srg = Srg("SRG-OS-000324-GPOS-00125");
const INSTALLING: Srg = Srg("SRG-OS-000362-GPOS-00149");
const SIGNED: Srg = Srg("SRG-OS-000366-GPOS-00153");
const EXECUTION: Srg = Srg("SRG-OS-000368-GPOS-00154");
const DATA: Srg = Srg("SRG-OS-000433-GPOS-00192");
const ADDRESSES: Srg = Srg("SRG-OS-000433-GPOS-00193");
const REPLACED: Srg = Srg("SRG-OS-000437-GPOS-00194");
const VERIFIED: Srg = Srg("SRG-OS-000445-GPOS-00199");
const GENERAL: Srg = Srg("SRG-OS-000480-GPOS-00227");

/// What guides have to do with a control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapping {
    /// Items of the CIS benchmark.
    pub cis: &'static [Cis],
    /// Sections of SP 800-190; each control has one.
    pub nist: &'static [Nist],
    /// Requirements of the operating systems' guide.
    pub srg: &'static [Srg],
    /// What is taken out of an image so that the control holds; `None` where something is set and nothing removed.
    pub removes: Option<&'static str>,
}

impl Mapping {
    /// Returns all of it as texts: `CIS 4.3`, `SP 800-190 4.1.2`, `SRG-OS-…`.
    pub fn texts(&self) -> Vec<String> {
        let cis = self.cis.iter().map(ToString::to_string);
        let nist = self.nist.iter().map(ToString::to_string);
        let srg = self.srg.iter().map(ToString::to_string);
        cis.chain(nist).chain(srg).collect()
    }
}

const fn map(
    cis: &'static [Cis],
    nist: &'static [Nist],
    srg: &'static [Srg],
    removes: Option<&'static str>,
) -> Mapping {
    Mapping { cis, nist, srg, removes }
}

/// Returns what guides have to do with a control.
#[expect(
    clippy::too_many_lines,
    reason = "it is a table: a control without a row does not compile"
)]
pub fn mapping(control: ControlId) -> Mapping {
    const CONFIGURATION: &[Nist] = &[Nist(2)];
    const TRUST: &[Nist] = &[Nist(5)];
    match control {
        C::Shell => map(&[Cis(3)], CONFIGURATION, &[ESSENTIAL, EXECUTION], Some("shells")),
        C::PackageManager => {
            map(&[Cis(3)], CONFIGURATION, &[ESSENTIAL, INSTALLING], Some("package managers"))
        }
        C::LanguagePackageManager => {
            let what = Some("package managers of languages");
            map(&[Cis(3)], CONFIGURATION, &[ESSENTIAL, INSTALLING], what)
        }
        C::Compiler => {
            let what = Some("compilers, assemblers and linkers");
            map(&[Cis(3)], CONFIGURATION, &[ESSENTIAL, EXECUTION], what)
        }
        C::Debugger => map(&[Cis(3)], CONFIGURATION, &[ESSENTIAL], Some("debuggers and tracers")),
        C::NetworkTool => {
            map(&[Cis(3)], CONFIGURATION, &[ESSENTIAL], Some("network clients and scanners"))
        }
        C::UnneededInterpreter => {
            let what = Some("interpreters that the entrypoint does not need");
            map(&[Cis(3)], CONFIGURATION, &[ESSENTIAL, EXECUTION], what)
        }
        C::DevelopmentFile => {
            map(&[Cis(3)], CONFIGURATION, &[ESSENTIAL], Some("headers and static libraries"))
        }
        C::DynamicLoader => {
            let what = Some("the dynamic loader and shared libraries, of static images");
            map(&[Cis(3)], CONFIGURATION, &[ESSENTIAL, EXECUTION], what)
        }
        C::Documentation => {
            map(&[Cis(3)], CONFIGURATION, &[ESSENTIAL], Some("manual pages and documentation"))
        }
        C::Locale => map(&[Cis(3)], CONFIGURATION, &[ESSENTIAL], Some("translations and locales")),
        C::PackageCache => {
            let what = Some("caches and lists of package managers");
            map(&[Cis(3), Cis(7)], CONFIGURATION, &[ESSENTIAL], what)
        }
        C::SetuidFile => {
            map(&[Cis(8)], CONFIGURATION, &[PRIVILEGE], Some("setuid and setgid bits"))
        }
        C::FileCapability => map(&[], CONFIGURATION, &[PRIVILEGE], Some("file capabilities")),
        C::UserRoot | C::UserUnknown => {
            map(&[Cis(1)], CONFIGURATION, &[UNPRIVILEGED, PRIVILEGE], None)
        }
        C::UserNotNumeric | C::GroupRoot => map(&[], CONFIGURATION, &[UNPRIVILEGED], None),
        C::DuplicateRoot | C::DuplicateUser => map(&[], CONFIGURATION, &[ACCOUNTS], None),
        C::RemoteAccess => {
            map(&[Cis(10)], &[Nist(4)], &[GENERAL], Some("files that let somebody in"))
        }
        C::Password => map(&[Cis(10)], &[Nist(4)], &[PASSWORDS], Some("passwords")),
        C::ShadowReadable => map(&[], CONFIGURATION, &[PASSWORDS], None),
        C::WorldWritableFile | C::WorldWritableDirectory => {
            map(&[], CONFIGURATION, &[SHARED], None)
        }
        C::WritableSystemFile => map(&[], CONFIGURATION, &[LIBRARIES, GENERAL], None),
        C::WritableProgram | C::UnsafeRunpath | C::LoaderPath | C::LoaderPreload => {
            map(&[], CONFIGURATION, &[LIBRARIES], None)
        }
        C::UnsafePath => map(&[], CONFIGURATION, &[EXECUTION], None),
        C::LoginShell
        | C::UnownedFile
        | C::WritablePath
        | C::StopSignal
        | C::EntrypointShell
        | C::SystemVolume
        | C::EntrypointMissing
        | C::EntrypointNotExecutable
        | C::EntrypointInterpreter
        | C::EntrypointLibrary
        | C::LibraryMissing
        | C::InterpreterMissing
        | C::LinkDangling
        | C::WhiteoutFile => map(&[], CONFIGURATION, &[GENERAL], None),
        C::SpecialFile => {
            map(&[], CONFIGURATION, &[GENERAL], Some("device nodes, sockets and pipes"))
        }
        C::MachineId => map(&[], CONFIGURATION, &[GENERAL], Some("the machine id")),
        C::Secret => map(&[Cis(10)], &[Nist(4)], &[PASSWORDS], Some("keys and credentials")),
        C::SecretDeleted => {
            let what = Some("secrets in layers below");
            map(&[Cis(10)], &[Nist(4)], &[PASSWORDS, REPLACED], what)
        }
        C::SecretConfiguration => {
            let what = Some("secrets in environment, labels and history");
            map(&[Cis(10)], &[Nist(4)], &[PASSWORDS], what)
        }
        C::VersionControl => {
            map(&[Cis(10)], &[Nist(4)], &[ESSENTIAL], Some("repositories of version control"))
        }
        C::ExecutableStack | C::WritableCode => map(&[], CONFIGURATION, &[DATA], None),
        C::FixedAddress | C::PartialRelro | C::NoStackProtector | C::NoFortify => {
            map(&[], CONFIGURATION, &[ADDRESSES], None)
        }
        C::HealthcheckBroken => map(&[Cis(6)], CONFIGURATION, &[GENERAL], None),
        C::PrivilegedPort => map(&[], CONFIGURATION, &[PORTS], None),
        C::TagLatest | C::Labels => map(&[], TRUST, &[GENERAL], None),
        C::Signature => map(&[Cis(5), Cis(12)], TRUST, &[SIGNED], None),
        C::Provenance => map(&[Cis(11), Cis(12)], TRUST, &[SIGNED, VERIFIED], None),
        C::Sbom | C::SbomIncomplete => map(&[Cis(11)], TRUST, &[VERIFIED], None),
        C::Reproducible => map(&[], TRUST, &[VERIFIED], None),
        C::BaseDigest => map(&[Cis(2)], TRUST, &[SIGNED], None),
        C::DistributionEnd => map(&[Cis(4)], &[Nist(1)], &[FLAWS, GENERAL], None),
        C::ImageAge | C::Vex | C::ScanAge | C::VulnerabilityFixable | C::VulnerabilityExploited => {
            map(&[Cis(4)], &[Nist(1)], &[FLAWS], None)
        }
        C::WastedBytes => {
            map(&[], CONFIGURATION, &[REPLACED], Some("files that nobody sees any more"))
        }
        C::DuplicateFile => map(&[], CONFIGURATION, &[REPLACED], Some("copies of large files")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::controls::controls;

    #[test]
    fn every_control_has_a_place_and_every_requirement_a_control() {
        let known: BTreeSet<Srg> = REQUIREMENTS.iter().map(|(srg, _)| *srg).collect();
        assert_eq!(known.len(), REQUIREMENTS.len());
        let mut used = BTreeSet::new();
        for control in controls() {
            let mapping = mapping(control.id);
            assert_eq!(mapping.nist.len(), 1, "{}", control.id);
            assert!(mapping.nist.iter().all(|section| (1..=5).contains(&section.0)));
            assert!(mapping.cis.iter().all(|item| (1..=12).contains(&item.0)), "{}", control.id);
            assert!(!mapping.srg.is_empty(), "{}", control.id);
            assert!(mapping.srg.iter().all(|srg| known.contains(srg)), "{}", control.id);
            used.extend(mapping.srg);
        }
        assert_eq!(used, known);
        for (srg, _) in REQUIREMENTS {
            let parts: Vec<&str> = srg.0.split('-').collect();
            let is_number = |text: &str, length| {
                text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())
            };
            assert!(
                matches!(parts[..], ["SRG", "OS", rule, "GPOS", id] if is_number(rule, 6) && is_number(id, 5)),
                "{srg}"
            );
        }
    }
}
