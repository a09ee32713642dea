//! `papertiger image save` and `papertiger image push`.

use super::run::runtime;
use crate::carried::{self, Arch, Executable, NotCarried};
use crate::cli::image::ImageCommand;
use crate::cli::{Destination, ImagePushSettings, ImageSaveSettings, UsageError};
use crate::exit::ExitStatus;
use crate::image::{Image, Name, Program};
use crate::registry::{self, Logins, Pushed};
use crate::report::files::PendingFile;
use crate::report::write_stdout;
use anyhow::Context;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

pub(super) fn run(command: ImageCommand) -> anyhow::Result<ExitStatus> {
    match command {
        ImageCommand::Save(args) => save(args.into_settings()),
        ImageCommand::Push(args) => push(args.into_settings()),
    }
}

fn save(ImageSaveSettings { destination, name, executables }: ImageSaveSettings) -> anyhow::Result<ExitStatus> {
    let files = read(&executables)?;
    let contents = Contents::of(&files)?;
    let file = match destination {
        Destination::File(path) => Some(PendingFile::open(&path)?),
        Destination::Stdout if io::stdout().is_terminal() => {
            return Err(UsageError::new("an archive is nothing for a terminal: name a file, or redirect stdout").into());
        }
        Destination::Stdout => None,
    };

    let image = contents.image()?;
    let mut archive = Vec::new();
    image.write_archive(&name, &mut archive).context("cannot make the archive")?;
    let summary = contents.summary(&name, &image, archive.len());

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

fn push(ImagePushSettings { name, executables }: ImagePushSettings) -> anyhow::Result<ExitStatus> {
    let files = read(&executables)?;
    let contents = Contents::of(&files)?;
    let image = contents.image()?;
    let size = image.blobs().iter().map(|blob| blob.bytes.len()).sum();
    let runtime = runtime()?;
    let pushed = runtime.block_on(registry::push(&image, &name, Logins::of_environment()));
    // A helper may still ask somebody for a password.
    runtime.shutdown_background();
    let Pushed { sent, blobs } = pushed?;
    let mut summary = contents.summary(&name, &image, size);
    let (registry, repository, digest) = (name.registry(), name.repository(), &image.index().digest);
    summary.push_str(&format!("sent           {sent} of {blobs} blobs; the registry had the rest\n\n"));
    summary.push_str(&format!("papertiger verify --image {registry}/{repository}@{digest}\n"));
    write_stdout(&summary)?;
    Ok(ExitStatus::Enforced)
}

/// What an image is to hold.
struct Contents<'a> {
    program: Program,
    executables: Vec<Executable<'a>>,
}

impl<'a> Contents<'a> {
    /// These files, or where there are none, the agents that are carried.
    fn of(files: &'a [(&Path, Vec<u8>)]) -> anyhow::Result<Self> {
        if !files.is_empty() {
            return Ok(Self { program: Program::Papertiger, executables: told_apart(files)? });
        }
        let executables = carried::agents().to_vec();
        if executables.is_empty() {
            return Err(NotCarried(Arch::ALL.to_vec()).into());
        }
        Ok(Self { program: Program::Agent, executables })
    }

    fn image(&self) -> anyhow::Result<Image> {
        Image::of(self.program, &self.executables).context("cannot make the image")
    }

    fn summary(&self, name: &Name, image: &Image, size: usize) -> String {
        let archs: Vec<Arch> = self.executables.iter().map(|executable| executable.arch).collect();
        let (digest, archs) = (&image.index().digest, carried::list(&archs));
        format!("image          {name}\ndigest         {digest}\narchitectures  {archs}\nsize           {size} bytes\n")
    }
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
