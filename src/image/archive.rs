//! An image as a file: the OCI image layout in a tar.

use super::documents::Index;
use super::tarball::Tarball;
use super::{Image, Name};
use std::io::{self, Write};

const LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// Where containerd, and with it Docker and kind, look for the name of an image.
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// Where other tools look for its tag.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// Writes an archive, its entries in the order of their paths.
pub(super) fn write(image: &Image, name: &Name, to: impl Write) -> io::Result<()> {
    let mut named = image.index().clone();
    named.annotations = [(CONTAINERD_NAME, name.to_string()), (REF_NAME, name.tag().to_owned())].into();
    let mut blobs: Vec<_> = image.blobs().iter().collect();
    blobs.sort_by_key(|blob| &blob.descriptor.digest);

    let mut archive = Tarball::new(to);
    archive.directory("blobs/")?;
    archive.directory("blobs/sha256/")?;
    for blob in blobs {
        archive.file(&format!("blobs/sha256/{}", blob.descriptor.digest.hex()), 0o444, &blob.bytes)?;
    }
    archive.file("index.json", 0o444, &serde_json::to_vec(&Index::new(vec![named]))?)?;
    archive.file("oci-layout", 0o444, LAYOUT.as_bytes())?;
    archive.finish()?.flush()
}
