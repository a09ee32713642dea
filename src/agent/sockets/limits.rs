//! How much of the process's file descriptors each duty may take, so that probing cannot starve answering.

use std::fs;

/// Descriptors for everything else: the runtime, the control stream, listeners.
const RESERVE: usize = 96;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) attempts: usize,
    pub(super) connections: usize,
}

impl Limits {
    pub(super) fn of_this_process() -> Self {
        // Where /proc cannot be read, the limit that most systems start with.
        let files = fs::read_to_string("/proc/self/limits").ok().and_then(|limits| open_files(&limits)).unwrap_or(1024);
        let spare = files.saturating_sub(RESERVE);
        Self { attempts: (spare / 2).clamp(16, 1024), connections: (spare / 2).clamp(16, 1024) }
    }
}

/// The soft limit.
fn open_files(limits: &str) -> Option<usize> {
    let soft = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?;
    if soft == "unlimited" { Some(usize::MAX) } else { soft.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_soft_limit() {
        let limits =
            "Limit  Soft Limit  Hard Limit  Units\nMax open files            512                  4096    files\n";
        assert_eq!(open_files(limits), Some(512));
        assert_eq!(open_files("Max open files  unlimited unlimited files"), Some(usize::MAX));
        assert_eq!(open_files(""), None);
        assert!(Limits::of_this_process().attempts >= 16);
    }
}
