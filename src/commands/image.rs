//! `papertiger image save`.

use crate::carried::{self, Arch, Executable, NotCarried};
use crate::cli::image::ImageCommand;
use crate::cli::{Destination, ImageSaveSettings, UsageError};
use crate::exit::ExitStatus;
use crate::image::{Image, Program};
use crate::report::files::PendingFile;
use crate::report::write_stdout;
use anyhow::Context;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

pub(super) fn run(command: ImageCommand) -> anyhow::Result<ExitStatus> {
    match command {
        ImageCommand::Save(args) => save(args.into_settings()),
    }
}

fn save(ImageSaveSettings { destination, name, executables }: ImageSaveSettings) -> anyhow::Result<ExitStatus> {
    let files = read(&executables)?;
    let (program, executables) = if files.is_empty() {
        (Program::Agent, carried::agents().to_vec())
    } else {
        (Program::Papertiger, told_apart(&files)?)
    };
    if executables.is_empty() {
        return Err(NotCarried(Arch::ALL.to_vec()).into());
    }
    let file = match destination {
        Destination::File(path) => Some(PendingFile::open(&path)?),
        Destination::Stdout if io::stdout().is_terminal() => {
            return Err(UsageError::new("an archive is nothing for a terminal: name a file, or redirect stdout").into());
        }
        Destination::Stdout => None,
    };

    let image = Image::of(program, &executables).context("cannot make the image")?;
    let mut archive = Vec::new();
    image.write_archive(&name, &mut archive).context("cannot make the archive")?;
    let archs: Vec<Arch> = executables.iter().map(|executable| executable.arch).collect();
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

/// The files that somebody names, with their bytes.
fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<(&Path, Vec<u8>)>> {
    let mut files = Vec::new();
    for path in paths {
        files.push((path.as_path(), fs::read(path).with_context(|| cannot_use(path))?));
    }
    Ok(files)
}

/// The executables that these files are, by architecture.
fn told_apart<'a>(files: &'a [(&Path, Vec<u8>)]) -> anyhow::Result<Vec<Executable<'a>>> {
    let mut executables: Vec<Executable<'_>> = Vec::new();
    for (path, bytes) in files {
        let executable = Executable::read(bytes).with_context(|| cannot_use(path))?;
        if executables.iter().any(|other| other.arch == executable.arch) {
            return Err(UsageError::new(format!("two of the executables are for {}", executable.arch)).into());
        }
        executables.push(executable);
    }
    executables.sort_by_key(|executable| executable.arch);
    Ok(executables)
}

fn cannot_use(path: &Path) -> UsageError {
    UsageError::new(format!("cannot use the executable {}", path.display()))
}
