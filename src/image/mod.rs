//! papertiger's own image: the agents that it carries, or papertiger itself, as container runtimes and registries want it.
//!
//! Nothing here reads a clock, a file or the environment: the same executables make the same image, to the byte.

mod archive;
mod digest;
mod documents;
mod name;
mod tarball;

#[cfg(test)]
mod tests;

pub use digest::Digest;
pub use documents::{Descriptor, Platform};
pub use name::{Name, NameError};

use crate::carried::Executable;
use documents::{Config, Index, Manifest, media_type};
use serde::Serialize;
use std::io::{self, Write};
use tarball::Tarball;

/// The licences of all that papertiger is made of. Some ask that their texts go wherever an executable goes.
pub const LICENCES: &str = include_str!("../../THIRD-PARTY-LICENCES");

/// Their file in the image.
const LICENCES_FILE: &str = "THIRD-PARTY-LICENCES";

/// What an image starts; beside it there are [`LICENCES`] alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// The agent alone, for probe pods.
    Agent,
    /// All of papertiger, which is an agent too where it is told to be.
    Papertiger,
}

/// An image for one or more architectures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Layer, configuration and manifest of each architecture, and the index.
    blobs: Vec<Blob>,
    index: Descriptor,
}

/// A part of an image, with what others call it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// What it is.
    pub descriptor: Descriptor,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Image {
    /// The image of a program for each architecture that there is an executable of: one layer, started as nobody.
    pub fn of(program: Program, executables: &[Executable<'_>]) -> io::Result<Self> {
        let (mut blobs, mut manifests) = (Vec::new(), Vec::new());
        let file = program.file();
        for Executable { arch, bytes } in executables {
            let layer = Blob::new(media_type::LAYER, layer(file, bytes)?);
            let config = Blob::document(media_type::CONFIG, &Config::new(*arch, file, &layer.descriptor.digest))?;
            let manifest = Blob::document(media_type::MANIFEST, &Manifest::new(&config.descriptor, &layer.descriptor))?;
            manifests.push(manifest.descriptor.clone().on(*arch));
            blobs.extend([layer, config, manifest]);
        }
        let index = Blob::document(media_type::INDEX, &Index::new(manifests))?;
        let descriptor = index.descriptor.clone();
        blobs.push(index);
        Ok(Self { blobs, index: descriptor })
    }

    /// What stands for the whole: the index, whose digest is the image's.
    pub fn index(&self) -> &Descriptor {
        &self.index
    }

    /// All parts, each after those that it names, which is the order in which registries take them.
    pub fn blobs(&self) -> &[Blob] {
        &self.blobs
    }

    /// Writes it as an OCI archive, under a name.
    pub fn write_archive(&self, name: &Name, to: impl Write) -> io::Result<()> {
        archive::write(self, name, to)
    }
}

impl Program {
    /// Its file in the image.
    pub fn file(self) -> &'static str {
        match self {
            Self::Agent => "papertiger-agent",
            Self::Papertiger => "papertiger",
        }
    }
}

impl Blob {
    /// Whether it names others. Registries keep such apart from all else.
    pub fn is_manifest(&self) -> bool {
        [media_type::MANIFEST, media_type::INDEX].contains(&self.descriptor.media_type)
    }

    fn new(media_type: &'static str, bytes: Vec<u8>) -> Self {
        Self { descriptor: Descriptor::new(media_type, &bytes), bytes }
    }

    fn document(media_type: &'static str, document: &impl Serialize) -> io::Result<Self> {
        Ok(Self::new(media_type, serde_json::to_vec(document)?))
    }
}

/// A layer that holds an executable and the licences, uncompressed: what a compressor makes of it may change with its
/// version.
fn layer(file: &str, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut layer = Tarball::new(Vec::new());
    layer.file(LICENCES_FILE, 0o444, LICENCES.as_bytes())?;
    layer.file(file, 0o555, bytes)?;
    layer.finish()
}
