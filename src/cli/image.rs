//! `papertiger image save`.

use super::settings::{Destination, ImageSaveSettings};
use crate::image::Name;
use std::path::PathBuf;

const AFTER_SAVE: &str = "\
Examples:
  papertiger image save papertiger.tar
  kind load image-archive papertiger.tar
  papertiger image save - | ctr -n k8s.io images import -
  papertiger image save whole.tar --executable target/x86_64-unknown-linux-musl/release/papertiger

The same papertiger writes the same bytes. Exit codes: 0 saved, 2 wrong usage, 4 could not be saved.";

/// What to do with the image.
#[derive(Debug, clap::Subcommand)]
pub enum ImageCommand {
    /// Write the image to a file, as an OCI archive
    ///
    /// The image holds the agent alone, for every architecture that this papertiger carries it for; with --executable it
    /// holds all of papertiger, as a CronJob needs it. No registry is asked for anything.
    Save(ImageSaveArgs),
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
    /// A static papertiger that the image is to hold; can be repeated, once for each architecture
    #[arg(long = "executable", value_name = "FILE", value_delimiter = ',', env = "PAPERTIGER_EXECUTABLE")]
    #[arg(hide_env = true)]
    executables: Vec<PathBuf>,
}

pub(super) const DEFAULT_TAG: &str = concat!(env!("CARGO_PKG_NAME"), ":", env!("CARGO_PKG_VERSION"));

impl ImageSaveArgs {
    /// Where the archive goes, and what the image is called.
    pub fn into_settings(self) -> ImageSaveSettings {
        let Self { file, tag, executables } = self;
        let destination = if file.as_os_str() == "-" { Destination::Stdout } else { Destination::File(file) };
        ImageSaveSettings { destination, name: tag, executables }
    }
}
