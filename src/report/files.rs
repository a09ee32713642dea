//! Files that are opened before the run, so that a bad path fails early, and replaced whole or added to at its end.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file to be written at the end.
#[derive(Debug)]
pub struct PendingFile {
    path: PathBuf,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// A regular file, or none yet: what is written takes its place at once.
    Beside { temporary: PathBuf, file: File },
    /// A regular file in a directory that takes no other, such as a mounted one.
    Within(File),
    /// A pipe or a device: it must not be replaced.
    Itself(File),
    /// Written already.
    Done,
}

/// A file that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}", path.display())]
pub struct WriteError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

impl PendingFile {
    /// Makes sure that `path` can be written. What is there now stays until [`Self::write`].
    pub fn open(path: &Path) -> Result<Self, WriteError> {
        let error = |source| WriteError { path: path.to_owned(), source };
        let place = match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => return Err(error(io::ErrorKind::IsADirectory.into())),
            Ok(metadata) if !metadata.is_file() => {
                Place::Itself(OpenOptions::new().write(true).open(path).map_err(error)?)
            }
            // A link stays a link, and a file that must not be written is not replaced either.
            Ok(_) => {
                let file = OpenOptions::new().append(true).open(path).map_err(error)?;
                beside(&fs::canonicalize(path).map_err(error)?).unwrap_or(Place::Within(file))
            }
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => beside(path).map_err(error)?,
            Err(other) => return Err(error(other)),
        };
        Ok(Self { path: path.to_owned(), place })
    }

    /// Writes all of it.
    pub fn write(mut self, bytes: &[u8]) -> Result<(), WriteError> {
        let written = match &mut self.place {
            Place::Beside { temporary, file } => {
                let target = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
                let written = file.write_all(bytes).and_then(|()| file.sync_all());
                written.and_then(|()| match fs::rename(temporary, &target) {
                    // A file that something is mounted on stays where it is.
                    Err(error) if error.kind() == io::ErrorKind::ResourceBusy => fs::write(target, bytes),
                    renamed => renamed,
                })
            }
            Place::Within(file) => file.set_len(0).and_then(|()| file.write_all(bytes)),
            Place::Itself(file) => file.write_all(bytes),
            Place::Done => Ok(()),
        };
        if written.is_ok() {
            self.place = Place::Done;
        }
        written.map_err(|source| WriteError { path: self.path.clone(), source })
    }
}

/// A file that others write to as well: ours comes behind what is there.
#[derive(Debug)]
pub struct Appended {
    path: PathBuf,
    file: File,
}

impl Appended {
    /// Makes sure that `path` can be written.
    pub fn open(path: &Path) -> Result<Self, WriteError> {
        let file = OpenOptions::new().append(true).create(true).open(path);
        let file = file.map_err(|source| WriteError { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Writes all of it.
    pub fn write(mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.file.write_all(bytes).map_err(|source| WriteError { path: self.path, source })
    }
}

impl Drop for PendingFile {
    fn drop(&mut self) {
        if let Place::Beside { temporary, .. } = &self.place {
            // Nobody is left to be told.
            let _ = fs::remove_file(temporary);
        }
    }
}

fn beside(path: &Path) -> io::Result<Place> {
    let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
    let mut temporary_name = std::ffi::OsString::from(".");
    temporary_name.push(name);
    temporary_name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(temporary_name);
    let file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
    Ok(Place::Beside { temporary, file })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_whole_and_leaves_nothing_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("report.json");
        fs::write(&path, "old").unwrap();
        let pending = PendingFile::open(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        pending.write(b"new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        drop(PendingFile::open(&path).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(names(directory.path()), ["report.json"]);
    }

    #[test]
    fn bad_paths_fail_before_the_run() {
        let directory = tempfile::tempdir().unwrap();
        for path in [directory.path().to_owned(), directory.path().join("no/report.json")] {
            let error = PendingFile::open(&path).unwrap_err();
            assert_eq!(error.path, path);
        }
    }

    #[test]
    fn a_file_whose_directory_takes_no_other_is_written_where_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("message");
        fs::write(&path, "something longer").unwrap();
        // A place that root cannot write beside either: the name of the file beside it is taken.
        fs::create_dir(directory.path().join(format!(".message.{}.tmp", std::process::id()))).unwrap();
        PendingFile::open(&path).unwrap().write(b"new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    }

    #[test]
    fn links_stay_links_and_devices_stay_devices() {
        let directory = tempfile::tempdir().unwrap();
        let (real, link) = (directory.path().join("real"), directory.path().join("link"));
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink("real", &link).unwrap();
        PendingFile::open(&link).unwrap().write(b"new").unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        PendingFile::open(Path::new("/dev/null")).unwrap().write(b"gone").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
