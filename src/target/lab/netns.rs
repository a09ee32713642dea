//! Network namespaces, held by a file descriptor alone: when the process ends, so do they.

use super::failed;
use super::links::Links;
use crate::target::{TargetError, Tracking};
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::{self, File};
use std::os::fd::{AsRawFd, RawFd};
use std::thread;
use std::time::Duration;

/// A network namespace. Work in it is done by threads of their own, because a thread that has entered one never leaves:
/// everything else in this process stays where it was.
#[derive(Debug)]
pub struct Netns {
    name: String,
    file: File,
}

/// Settings that every namespace of the lab has. IPv6 addresses are usable at once, nobody learns routes from others, a
/// packet may come in by another way than the one that leads back, and "refused" is said as often as it is true.
const SYSCTLS: [(&str, &str); 14] = [
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv4/icmp_ratelimit", "0"),
    ("ipv6/icmp/ratelimit", "0"),
    ("ipv6/conf/all/disable_ipv6", "0"),
    ("ipv6/conf/default/disable_ipv6", "0"),
    ("ipv6/conf/all/accept_dad", "0"),
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/default/dad_transmits", "0"),
    ("ipv6/conf/all/accept_ra", "0"),
    ("ipv6/conf/default/accept_ra", "0"),
    ("ipv6/conf/default/router_solicitations", "0"),
    ("ipv4/conf/all/accept_redirects", "0"),
    ("ipv4/conf/default/accept_redirects", "0"),
];

const FORWARDING: [(&str, &str); 2] = [("ipv4/ip_forward", "1"), ("ipv6/conf/all/forwarding", "1")];

impl Netns {
    /// Makes a namespace for a host: it sends and receives.
    pub(super) fn host(name: impl Into<String>) -> Result<Self, TargetError> {
        Self::new(name.into(), false)
    }

    /// Makes a namespace that also forwards.
    pub(super) fn router(name: impl Into<String>) -> Result<Self, TargetError> {
        Self::new(name.into(), true)
    }

    fn new(name: String, forwards: bool) -> Result<Self, TargetError> {
        let file = on_a_thread(&name, || {
            unshare(CloneFlags::CLONE_NEWNET)
                .map_err(|errno| failed(format!("creating the network namespace of {name}"), errno))?;
            let forwarding: &[_] = if forwards { &FORWARDING } else { &[] };
            // /proc/sys/net shows the namespace of the thread that opens it.
            for (key, value) in SYSCTLS.iter().chain(forwarding) {
                fs::write(format!("/proc/sys/net/{key}"), value)
                    .map_err(|error| failed(format!("setting net/{key} of {name}"), error))?;
            }
            File::open("/proc/thread-self/ns/net")
                .map_err(|error| failed(format!("holding the network namespace of {name}"), error))
        })?;
        let namespace = Self { name, file };
        namespace.netlink(async |links| links.up("lo").await)?;
        Ok(namespace)
    }

    /// Whose it is, for error messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `work` in this namespace and returns what it returns. Processes that it starts are in the namespace, too.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, TargetError> {
        on_a_thread(&self.name, || {
            setns(&self.file, CloneFlags::CLONE_NEWNET)
                .map_err(|errno| failed(format!("entering the network namespace of {}", self.name), errno))?;
            Ok(work())
        })
    }

    /// Runs `work` in this namespace, with a connection to its part of the kernel.
    pub(super) fn netlink<T: Send>(
        &self,
        work: impl AsyncFnOnce(&Links) -> Result<T, TargetError> + Send,
    ) -> Result<T, TargetError> {
        self.run(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| failed("starting a runtime", error))?;
            runtime.block_on(async {
                let links = Links::connect(&self.name)?;
                work(&links).await
            })
        })?
    }

    /// The number by which the kernel can be told of this namespace, as long as `self` lives.
    pub(super) fn raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// Lets the namespace forget connections after so long, and says whether it will: some kernels leave that to root.
    pub(super) fn forget_after(&self, tracking: Tracking) -> Result<bool, TargetError> {
        let Tracking { syn_sent, closed, datagram, sweep: _ } = tracking;
        let timeouts = [("tcp_timeout_syn_sent", syn_sent), ("tcp_timeout_close", closed), ("udp_timeout", datagram)];
        self.run(|| {
            let set = |(key, timeout): &(&str, Duration)| {
                fs::write(format!("/proc/sys/net/netfilter/nf_conntrack_{key}"), timeout.as_secs().to_string())
            };
            timeouts.iter().all(|timeout| set(timeout).is_ok())
        })
    }

    /// How many connections the namespace tracks. What has timed out is none of them, though the kernel may still count it.
    pub(super) fn conntrack_count(&self) -> Result<usize, TargetError> {
        let step = || format!("counting the tracked connections of {}", self.name);
        // The network of this thread: `/proc/net` would be that of the process.
        let list =
            self.run(|| fs::read("/proc/thread-self/net/nf_conntrack"))?.map_err(|error| failed(step(), error))?;
        Ok(list.iter().filter(|byte| **byte == b'\n').count())
    }
}

fn on_a_thread<T: Send>(name: &str, work: impl FnOnce() -> Result<T, TargetError> + Send) -> Result<T, TargetError> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name(format!("netns {name}")).spawn_scoped(scope, work);
        let thread = thread.map_err(|error| failed("starting a thread", error))?;
        thread.join().unwrap_or_else(|_| Err(failed(format!("working in the namespace of {name}"), "a panic")))
    })
}
