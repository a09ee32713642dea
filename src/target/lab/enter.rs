//! Becoming the owner of namespaces: as root directly, else as the root of a user namespace.

use super::nft;
use crate::target::TargetError;
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid};
use std::fmt::Display;
use std::fs;

/// Moves this process into namespaces of its own, in which it may make networks.
///
/// Must be called before the process has a second thread: the kernel gives a user namespace to single-threaded processes
/// only, and threads that exist already would stay outside. Whether it is allowed is found out by doing it.
pub fn enter() -> Result<(), TargetError> {
    if Uid::effective().is_root() {
        match unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS) {
            Ok(()) => {}
            // Root of a container without CAP_SYS_ADMIN; a user namespace may still be allowed.
            Err(Errno::EPERM) => enter_user_namespace()?,
            Err(errno) => return Err(failed("creating a network namespace", errno, namespace_hint(errno))),
        }
    } else {
        enter_user_namespace()?;
    }
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .map_err(|errno| failed("making the mounts private", errno, namespace_hint(errno)))?;
    nft::try_out()
}

fn enter_user_namespace() -> Result<(), TargetError> {
    let (uid, gid) = (Uid::effective(), Gid::effective());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)
        .map_err(|errno| failed("creating a user and a network namespace", errno, namespace_hint(errno)))?;
    // The group map may be written only after the right to drop groups was given up.
    write_map("setgroups", "deny")?;
    write_map("uid_map", &format!("0 {uid} 1"))?;
    write_map("gid_map", &format!("0 {gid} 1"))
}

fn write_map(file: &str, text: &str) -> Result<(), TargetError> {
    fs::write(format!("/proc/self/{file}"), text).map_err(|error| {
        let hint = "the system lets users create user namespaces and then takes the rights in them away (Ubuntu 23.10 and later): \
                    set `sysctl kernel.apparmor_restrict_unprivileged_userns=0`";
        failed(&format!("writing {file} of the user namespace"), error, or_root(hint))
    })
}

/// What usually makes the kernel refuse with this error.
fn namespace_hint(errno: Errno) -> String {
    or_root(match errno {
        Errno::ENOSPC | Errno::EUSERS => {
            "the system's limit is reached: raise `sysctl user.max_user_namespaces` and `user.max_net_namespaces`"
        }
        Errno::EINVAL => "the kernel was built without user namespaces, or the process has several threads already",
        Errno::EPERM | Errno::EACCES => {
            "unprivileged user namespaces are forbidden here: set `sysctl kernel.unprivileged_userns_clone=1` (Debian) or \
             `kernel.apparmor_restrict_unprivileged_userns=0` (Ubuntu); a container needs `--privileged`, or a seccomp \
             profile that allows unshare and mount"
        }
        _ => "the system does not let this process create namespaces",
    })
}

fn or_root(hint: &str) -> String {
    let arguments: Vec<String> = std::env::args().collect();
    format!("{hint}; or run it as root: sudo {}", arguments.join(" "))
}

fn failed(step: &str, cause: impl Display, hint: String) -> TargetError {
    TargetError { step: step.to_owned(), cause: cause.to_string(), hint: Some(hint), gone: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_names_a_way_out() {
        for errno in [Errno::EPERM, Errno::ENOSPC, Errno::EINVAL, Errno::ENOSYS] {
            assert!(namespace_hint(errno).contains("sudo "), "{errno}");
        }
        assert!(namespace_hint(Errno::ENOSPC).contains("user.max_user_namespaces"));
        assert!(namespace_hint(Errno::EPERM).contains("seccomp"));
    }
}
