//! `papertiger image save` and `papertiger image push`.

use super::settings::{Destination, ImagePushSettings, ImageSaveSettings};
use crate::image::Name;
use std::path::PathBuf;

const AFTER_SAVE: &str = "\
Examples:
  papertiger image save papertiger.tar
  kind load image-archive papertiger.tar
  papertiger image save - | ctr -n k8s.io images import -
  papertiger image save whole.tar --executable target/x86_64-unknown-linux-musl/release/papertiger

The same papertiger writes the same bytes. Exit codes: 0 saved, 2 wrong usage, 4 could not be saved.";

const AFTER_PUSH: &str = "\
Examples:
  docker login registry.example
  papertiger image push registry.example/team/papertiger:1
  papertiger image push localhost:5000/papertiger:1 --executable target/x86_64-unknown-linux-musl/release/papertiger

The last line of the output is a command that uses what was pushed, by its digest. Exit codes: 0 pushed, 2 wrong usage,
4 could not be pushed.";

/// What to do with the image.
#[derive(Debug, clap::Subcommand)]
pub enum ImageCommand {
    /// Write the image to a file, as an OCI archive
    ///
    /// The image holds the agent alone, for every architecture that this papertiger carries it for; with --executable it
    /// holds all of papertiger, as a CronJob needs it. No registry is asked for anything.
    Save(ImageSaveArgs),
    /// Send the image to a registry
    ///
    /// It is the image that `save` writes, with the same digest. Logins are those of `docker login`. A registry on this
    /// machine is spoken to without TLS, every other one with it. What it has already is not sent again.
    Push(ImagePushArgs),
}

/// Writes the image to a file.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_SAVE)]
pub struct ImageSaveArgs {
    /// Where to write it; `-` is stdout
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What the image is called where it is loaded
    #[arg(long, value_name = "NAME:TAG", default_value = DEFAULT_TAG, env = "PAPERTIGER_TAG", hide_env = true)]
    tag: Name,
    #[command(flatten)]
    content: ContentArgs,
}

/// Sends the image to a registry.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_PUSH)]
pub struct ImagePushArgs {
    /// Where it goes and what it is called there: REGISTRY/NAME:TAG
    #[arg(value_name = "REF")]
    name: Name,
    #[command(flatten)]
    content: ContentArgs,
}

/// What the image holds.
#[derive(Debug, clap::Args)]
struct ContentArgs {
    /// A static papertiger that the image is to hold; can be repeated, once for each architecture
    #[arg(long = "executable", value_name = "FILE", value_delimiter = ',', env = "PAPERTIGER_EXECUTABLE")]
    #[arg(hide_env = true)]
    executables: Vec<PathBuf>,
}

pub(super) const DEFAULT_TAG: &str = concat!(env!("CARGO_PKG_NAME"), ":", env!("CARGO_PKG_VERSION"));

impl ImageSaveArgs {
    /// Where the archive goes, and what the image is called.
    pub fn into_settings(self) -> ImageSaveSettings {
        let Self { file, tag, content: ContentArgs { executables } } = self;
        let destination = if file.as_os_str() == "-" { Destination::Stdout } else { Destination::File(file) };
        ImageSaveSettings { destination, name: tag, executables }
    }
}

impl ImagePushArgs {
    /// Where the image goes.
    pub fn into_settings(self) -> ImagePushSettings {
        let Self { name, content: ContentArgs { executables } } = self;
        ImagePushSettings { name, executables }
    }
}
