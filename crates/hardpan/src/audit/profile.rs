// SPDX-License-Identifier: Apache-2.0
//! What an image is for: what the user says, or else the image.

use std::collections::BTreeMap;
use std::path::Path;

use hardpan_definition::{Source, parse_data};
use hardpan_scan::audit::exceptions::{AcceptedFinding, read_baseline};
use hardpan_scan::audit::{ProfileChoice, ProfileFile, ProfileSource};
use hardpan_scan::controls::Profile;

use super::{AuditError, WantedProfile};
use crate::error::Error;
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
    let value = parse_data(&source).map_err(|diagnostics| {
        let first = diagnostics.first().map(|diagnostic| diagnostic.message.clone());
        let problem = first.unwrap_or_else(|| "it is no YAML".to_owned());
        AuditError::Yaml { path: path.to_owned(), problem }
    })?;
    let wrap = |source| AuditError::Profile { path: path.to_owned(), source };
    Ok(ProfileFile::of_value(&value).map_err(wrap)?)
}

/// Reads a baseline file.
pub fn read_baseline_file(path: &Path) -> Result<Vec<AcceptedFinding>, Error> {
    let text = crate::project::read_text(path, BASELINE_BYTES_MAX)?;
    let wrap = |source| AuditError::Baseline { path: path.to_owned(), source };
    Ok(read_baseline(text.as_bytes()).map_err(wrap)?)
}

/// Returns the profile on which all is built, and how it is called.
pub(super) fn choose(
    wanted: Option<&WantedProfile>,
    labels: Option<&BTreeMap<String, String>>,
) -> (Profile, ProfileChoice) {
    let choice = |name: &str, source| ProfileChoice { name: name.to_owned(), source };
    match wanted {
        Some(WantedProfile::Known(profile)) => {
            (*profile, choice(profile.name(), ProfileSource::Flag))
        }
        Some(WantedProfile::File(file)) => (file.extends, choice(&file.name, ProfileSource::Flag)),
        None => {
            let own = labels.and_then(|labels| of_labels(labels, LABEL_PREFIX));
            let own = own.map(|profile| (profile, ProfileSource::Definition));
            let other = || labels.and_then(|labels| of_labels(labels, DHI_PREFIX));
            let found = own.or_else(|| other().map(|profile| (profile, ProfileSource::Label)));
            let (profile, source) = found.unwrap_or((Profile::default(), ProfileSource::Default));
            (profile, choice(profile.name(), source))
        }
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
            let (profile, choice) = choose(None, Some(&labels.collect()));
            assert_eq!((profile, choice.source), (expected, source), "{choice:?}");
        }
        let flag = WantedProfile::Known(Profile::Compat);
        let labels = BTreeMap::from([("dev.hardpan.variant".to_owned(), "dev".to_owned())]);
        assert_eq!(choose(Some(&flag), Some(&labels)).0, Profile::Compat);
    }
}
