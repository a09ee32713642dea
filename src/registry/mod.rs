//! Images to registries, by the OCI distribution specification 1.1.
//!
//! A login is shown to the registry itself and to whom it names as giver of tokens, to nobody else, and never without TLS
//! but on this machine.

mod challenge;
mod error;
mod logins;
mod session;

pub use error::PushError;
pub use logins::Logins;

use crate::image::{Blob, Image, Name};
use session::Session;
use std::path::PathBuf;

/// What was shown to get in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nothing.
    None,
    /// A login from this file.
    Login(PathBuf),
}

/// What it took to push an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// How many blobs were sent.
    pub sent: usize,
    /// How many there are, without manifests.
    pub blobs: usize,
}

/// Sends an image to the registry of its name, and names it there as the last thing: whoever finds the name finds all that
/// belongs to it.
pub async fn push(image: &Image, name: &Name, logins: Logins) -> Result<Pushed, PushError> {
    let mut session = Session::open(name, logins).await?;
    let mut pushed = Pushed { sent: 0, blobs: 0 };
    let (manifests, blobs): (Vec<&Blob>, Vec<&Blob>) = image.blobs().iter().partition(|blob| blob.is_manifest());
    for blob in blobs {
        pushed.blobs += 1;
        if !session.has(blob).await? {
            session.send_blob(blob).await?;
            pushed.sent += 1;
        }
    }
    for manifest in manifests {
        // An index is looked for by the name.
        let digest = &manifest.descriptor.digest;
        let by = if *digest == image.index().digest { name.tag().to_owned() } else { digest.to_string() };
        session.send_manifest(manifest, &by).await?;
    }
    Ok(pushed)
}
