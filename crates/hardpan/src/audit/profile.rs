// SPDX-License-Identifier: Apache-2.0
//! What an image is for: what the user says, or else the image.

use std::collections::BTreeMap;
use std::path::Path;

use hardpan_definition::{Code, DataFile, Diagnostic, Source, Span, nearest};
use hardpan_scan::audit::exceptions::{AcceptedFinding, read_baseline};
use hardpan_scan::audit::{ProfileChoice, ProfileFile, ProfileFileError, ProfileSource};
use hardpan_scan::controls::Profile;

use super::{AuditError, WantedProfile};
use crate::error::Error;
use crate::project::ProjectError;
use crate::settings::LABEL_PREFIX;

/// What Docker's labels of hardened images begin with.
const DHI_PREFIX: &str = "com.docker.dhi.";
/// The largest profile, in bytes: people write them.
const PROFILE_BYTES_MAX: u64 = 1 << 20;
/// The largest baseline, in bytes: it may name every file of a careless image.
const BASELINE_BYTES_MAX: u64 = 16 << 20;

/// Reads a profile of the user, a YAML file.
pub fn read_profile(path: &Path) -> Result<ProfileFile, Error> {
    let text = crate::project::read_text(path, PROFILE_BYTES_MAX)?;
    let source = Source::new(path.to_string_lossy(), text);
    let refuse = |diagnostics: Vec<Diagnostic>| ProjectError::Diagnostics {
        path: path.to_owned(),
        diagnostics,
        sources: vec![source.clone()],
    };
    let data = DataFile::parse(&source).map_err(refuse)?;
    let file = ProfileFile::of_value(&data.value());
    Ok(file.map_err(|error| {
        let pointer = error.pointer();
        let span =
            if error.is_of_key() { data.key_span_of(&pointer) } else { data.span_of(&pointer) };
        refuse(vec![diagnostic(&error, span)])
    })?)
}

fn diagnostic(error: &ProfileFileError, span: Span) -> Diagnostic {
    let code = match error {
        ProfileFileError::Shape { .. } => Code::WrongType,
        ProfileFileError::Unknown { what: "key", .. } => Code::UnknownKey,
        _ => Code::UnknownValue,
    };
    let diagnostic = Diagnostic::error(code, span, error.to_string());
    match error {
        ProfileFileError::Unknown { word, known, .. } => {
            match nearest(word, known.iter().copied()) {
                Some(near) => diagnostic.help(format!("did you mean {near}?")),
                None if known.len() <= 10 => {
                    diagnostic.help(format!("there are {}", known.join(", ")))
                }
                None => diagnostic,
            }
        }
        _ => diagnostic,
    }
}

/// Reads a baseline file.
pub fn read_baseline_file(path: &Path) -> Result<Vec<AcceptedFinding>, Error> {
    let text = crate::project::read_text(path, BASELINE_BYTES_MAX)?;
    let wrap = |source| AuditError::Baseline { path: path.to_owned(), source };
    Ok(read_baseline(text.as_bytes()).map_err(wrap)?)
}

/// By what an image is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    /// The profile on which all is built.
    pub(super) profile: Profile,
    /// How it is called, and who says so.
    pub(super) choice: ProfileChoice,
    /// What the image says that it is for, if that does not count.
    pub(super) unbelieved: Option<Profile>,
}

/// Chooses. Labels count if somebody answers for the image: else anybody could excuse one by a label. One that nobody
/// answers for may still say that it keeps all that is asked of everything.
pub(super) fn choose(
    wanted: Option<&WantedProfile>,
    labels: Option<&BTreeMap<String, String>>,
    is_believed: bool,
) -> Chosen {
    let chosen = |profile, name: &str, source| Chosen {
        profile,
        choice: ProfileChoice { name: name.to_owned(), source },
        unbelieved: None,
    };
    match wanted {
        Some(WantedProfile::Known(profile)) => {
            return chosen(*profile, profile.name(), ProfileSource::Flag);
        }
        Some(WantedProfile::File(file)) => {
            return chosen(file.extends, &file.name, ProfileSource::Flag);
        }
        None => {}
    }
    let own = labels.and_then(|labels| of_labels(labels, LABEL_PREFIX));
    let own = own.map(|profile| (profile, ProfileSource::Definition));
    let other = || labels.and_then(|labels| of_labels(labels, DHI_PREFIX));
    let found = own.or_else(|| other().map(|profile| (profile, ProfileSource::Label)));
    let default = || {
        let profile = Profile::default();
        chosen(profile, profile.name(), ProfileSource::Default)
    };
    match found {
        None => default(),
        Some((profile, _)) if !is_believed && excuses(profile) => {
            Chosen { unbelieved: Some(profile), ..default() }
        }
        Some((profile, source)) => chosen(profile, profile.name(), source),
    }
}

/// Whether a profile asks for less than what runs in production.
fn excuses(profile: Profile) -> bool {
    match profile {
        Profile::Runtime | Profile::RuntimeStatic => false,
        Profile::Compat | Profile::Dev | Profile::Sdk => true,
    }
}

/// Returns what labels of a kind say.
fn of_labels(labels: &BTreeMap<String, String>, prefix: &str) -> Option<Profile> {
    let label = |name: &str| labels.get(&format!("{prefix}{name}")).map(String::as_str);
    of_words(label("variant")?, label("flavor").unwrap_or_default())
}

/// Returns what a variant and a flavor say. Of flavors only those count that are about the purpose, and not about versions.
pub(super) fn of_words(variant: &str, flavor: &str) -> Option<Profile> {
    let has = |word: &str| flavor.split(['-', ',', ' ']).any(|part| part == word);
    match variant {
        "dev" if has("sdk") => Some(Profile::Sdk),
        "dev" => Some(Profile::Dev),
        "runtime" if has("compat") => Some(Profile::Compat),
        "runtime" if has("static") => Some(Profile::RuntimeStatic),
        "runtime" => Some(Profile::Runtime),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_say_what_they_are_for() {
        for (labels, expected, source) in [
            (&[][..], Profile::Runtime, ProfileSource::Default),
            (&[("dev.hardpan.variant", "dev")], Profile::Dev, ProfileSource::Definition),
            (
                &[("dev.hardpan.variant", "runtime"), ("com.docker.dhi.variant", "dev")],
                Profile::Runtime,
                ProfileSource::Definition,
            ),
            (&[("com.docker.dhi.variant", "dev")], Profile::Dev, ProfileSource::Label),
            (
                &[("com.docker.dhi.variant", "dev"), ("com.docker.dhi.flavor", "sdk")],
                Profile::Sdk,
                ProfileSource::Label,
            ),
            (
                &[("com.docker.dhi.variant", "runtime"), ("com.docker.dhi.flavor", "compat")],
                Profile::Compat,
                ProfileSource::Label,
            ),
            (
                &[("com.docker.dhi.variant", "runtime"), ("com.docker.dhi.flavor", "fips-static")],
                Profile::RuntimeStatic,
                ProfileSource::Label,
            ),
            (&[("com.docker.dhi.flavor", "compat")], Profile::Runtime, ProfileSource::Default),
            (&[("com.docker.dhi.variant", "Dev")], Profile::Runtime, ProfileSource::Default),
            (&[("variant", "dev")], Profile::Runtime, ProfileSource::Default),
        ] {
            let labels =
                labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let labels = labels.collect();
            let signed = choose(None, Some(&labels), true);
            assert_eq!((signed.profile, signed.choice.source), (expected, source), "{signed:?}");
            assert_eq!(signed.unbelieved, None);
            // Nobody excuses an image by a label that nobody signed.
            let unsigned = choose(None, Some(&labels), false);
            if matches!(expected, Profile::Runtime | Profile::RuntimeStatic) {
                assert_eq!(unsigned, signed);
            } else {
                assert_eq!(
                    (unsigned.profile, unsigned.unbelieved),
                    (Profile::Runtime, Some(expected))
                );
                assert_eq!(unsigned.choice.source, ProfileSource::Default);
            }
        }
        let flag = WantedProfile::Known(Profile::Compat);
        let labels = BTreeMap::from([("dev.hardpan.variant".to_owned(), "dev".to_owned())]);
        let chosen = choose(Some(&flag), Some(&labels), false);
        assert_eq!((chosen.profile, chosen.unbelieved), (Profile::Compat, None));
    }
}
