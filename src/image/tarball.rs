//! Tar files that say nothing of when, where and by whom they were made.

use std::io::{self, Write};
use tar::{Builder, EntryType, Header};

/// A tar file in the making.
pub(super) struct Tarball<W: Write>(Builder<W>);

impl<W: Write> Tarball<W> {
    pub(super) fn new(to: W) -> Self {
        Self(Builder::new(to))
    }

    pub(super) fn file(&mut self, path: &str, mode: u32, bytes: &[u8]) -> io::Result<()> {
        self.append(EntryType::Regular, path, mode, bytes)
    }

    pub(super) fn directory(&mut self, path: &str) -> io::Result<()> {
        self.append(EntryType::Directory, path, 0o755, &[])
    }

    pub(super) fn finish(self) -> io::Result<W> {
        self.0.into_inner()
    }

    fn append(&mut self, kind: EntryType, path: &str, mode: u32, bytes: &[u8]) -> io::Result<()> {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(bytes.len() as u64);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        self.0.append_data(&mut header, path, bytes)
    }
}
