//! `papertiger cases list|show`.

use crate::cli::cases::CasesCommand;
use crate::exit::ExitStatus;

pub(super) fn run(_command: CasesCommand) -> anyhow::Result<ExitStatus> {
    anyhow::bail!("the catalogue is not wired up yet")
}
