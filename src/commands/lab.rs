//! `papertiger lab`.

use crate::cli::LabSettings;
use crate::exit::ExitStatus;

pub(super) fn run(_settings: LabSettings) -> anyhow::Result<ExitStatus> {
    anyhow::bail!("the lab is not wired up yet")
}
