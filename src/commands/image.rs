//! `papertiger image save`.

use crate::carried::{self, Arch, NotCarried};
use crate::cli::image::ImageCommand;
use crate::cli::{Destination, ImageSaveSettings, UsageError};
use crate::exit::ExitStatus;
use crate::image::Image;
use crate::report::files::PendingFile;
use crate::report::write_stdout;
use anyhow::Context;
use std::io::{self, IsTerminal, Write};

pub(super) fn run(command: ImageCommand) -> anyhow::Result<ExitStatus> {
    match command {
        ImageCommand::Save(args) => save(args.into_settings()),
    }
}

fn save(ImageSaveSettings { destination, name }: ImageSaveSettings) -> anyhow::Result<ExitStatus> {
    let agents = carried::agents();
    if agents.is_empty() {
        return Err(NotCarried(Arch::ALL.to_vec()).into());
    }
    let file = match destination {
        Destination::File(path) => Some(PendingFile::open(&path)?),
        Destination::Stdout if io::stdout().is_terminal() => {
            return Err(UsageError::new("an archive is nothing for a terminal: name a file, or redirect stdout").into());
        }
        Destination::Stdout => None,
    };

    let image = Image::of(agents).context("cannot make the image")?;
    let mut archive = Vec::new();
    image.write_archive(&name, &mut archive).context("cannot make the archive")?;
    let archs: Vec<Arch> = agents.iter().map(|agent| agent.arch).collect();
    let (digest, archs, size) = (&image.index().digest, carried::list(&archs), archive.len());
    let summary = format!(
        "image          {name}\ndigest         {digest}\narchitectures  {archs}\nsize           {size} bytes\n"
    );

    match file {
        Some(file) => {
            file.write(&archive)?;
            write_stdout(&summary)?;
        }
        None => {
            // Unlike a report, half an archive is of no use to anyone.
            let mut stdout = io::stdout().lock();
            stdout.write_all(&archive).and_then(|()| stdout.flush()).context("cannot write to stdout")?;
            // A closed stderr leaves nobody to tell.
            let _ = io::stderr().lock().write_all(summary.as_bytes());
        }
    }
    Ok(ExitStatus::Enforced)
}
