//! The catalogue as a command needs it: the embedded cases and, where the user has some, theirs.

use crate::cli::{Profile, UsageError};
use crate::core::catalogue::{self, Case, Catalogue, Property};
use anyhow::Context;
use std::fs;
use std::io;
use std::path::Path;

/// The embedded cases and those in the `*.yaml` files of `directory`.
pub(super) fn load(directory: Option<&Path>) -> anyhow::Result<Catalogue> {
    let embedded = Catalogue::embedded();
    let Some(directory) = directory else { return Ok(embedded) };
    let files = read(directory)
        .with_context(|| UsageError::new(format!("cannot read the cases in {}", directory.display())))?;
    if files.is_empty() {
        let message = format!("{} holds no case file; case files end in .yaml", directory.display());
        return Err(UsageError::new(message).into());
    }
    embedded.with_user_files(&files).map_err(|error| UsageError::new(error.to_string()).into())
}

fn read(directory: &Path) -> io::Result<Vec<(String, String)>> {
    let mut paths: Vec<_> = fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml"));
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let text = fs::read_to_string(path)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        Ok((path.display().to_string(), text))
    };
    paths.iter().map(read).collect()
}

/// The cases that were asked for. Naming cases overrules the profile that was not asked for; a case that relies on what
/// another one settles brings it along, and so do pods on the nodes' network what there is to see there.
pub(super) fn select(
    catalogue: &Catalogue,
    patterns: &[String],
    profile: Option<Profile>,
    host_probes: bool,
) -> anyhow::Result<Vec<Case>> {
    let profile = profile.map(|profile| match profile {
        Profile::Quick => catalogue::Profile::Quick,
        Profile::Standard => catalogue::Profile::Standard,
        Profile::Full => catalogue::Profile::Full,
    });
    let mut chosen: Vec<Case> = catalogue
        .select(patterns, if patterns.is_empty() { profile } else { None })
        .map_err(|error| UsageError::new(format!("{error} (`papertiger cases list` prints all)")))?
        .into_iter()
        .cloned()
        .collect();
    let settled = |chosen: &[Case], property| chosen.iter().any(|case| case.property == Some(property));
    let open = chosen.iter().filter_map(|case| case.requires);
    let wanted: Vec<Property> = open.chain(host_probes.then_some(Property::HostNetwork)).collect();
    for property in wanted {
        if !settled(&chosen, property) {
            chosen.extend(catalogue.cases().iter().filter(|case| case.property == Some(property)).cloned());
        }
    }
    Ok(chosen)
}
