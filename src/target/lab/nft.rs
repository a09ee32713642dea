//! The one program that the lab needs: `nft`, which loads packet-filter rules.

use super::failed;
use crate::target::TargetError;
use std::env;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Everything that the lab asks of the packet filter, once: what the kernel lacks shows here, by name, and not in a run.
const TRY_OUT: &str = "table inet papertiger_try {
  map services {
    type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service
    elements = { 10.96.0.1 . tcp . 80 : 10.0.0.1 . 8080 }
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    ct state established,related accept
    ct original ip daddr 10.96.0.0/16 ip dscp set cs1
    iifname vmap { \"lo\" : drop }
    ip saddr { 10.0.0.1, 10.0.0.2 } tcp dport 80-90 return
    numgen random mod 100 < 2 drop
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    dnat ip to ip daddr . meta l4proto . th dport map @services
  }
}
delete table inet papertiger_try
";

/// Loads rules into the network namespace that the calling thread is in. All of them take effect at once, or none.
pub(super) fn load(rules: &str) -> Result<(), TargetError> {
    let hint = || Some("install the package `nftables`".to_owned());
    let program = find(env::var_os("PATH")).ok_or_else(|| TargetError {
        step: "looking for the program `nft`".to_owned(),
        cause: "it is neither in PATH nor in /usr/sbin nor in /sbin".to_owned(),
        hint: hint(),
        gone: false,
    })?;
    let run = || -> std::io::Result<std::process::Output> {
        let mut command = Command::new(&program);
        command.args(["-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(rules.as_bytes())?;
        }
        child.wait_with_output()
    };
    let output = run().map_err(|error| TargetError {
        step: format!("running {}", program.display()),
        cause: error.to_string(),
        hint: hint(),
        gone: false,
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(failed("loading packet-filter rules", format!("nft said: {}", said.trim())))
}

/// Loads and removes a table with everything that the lab will need.
pub(super) fn try_out() -> Result<(), TargetError> {
    load(TRY_OUT).map_err(|error| TargetError {
        hint: error.hint.or_else(|| {
            Some(
                "the kernel needs nf_tables with conntrack and NAT (modules nf_tables, nft_ct, nft_nat, nft_numgen)"
                    .to_owned(),
            )
        }),
        ..error
    })
}

/// Ordinary users have no sbin in their PATH on some systems.
fn find(path: Option<OsString>) -> Option<PathBuf> {
    let path = path.unwrap_or_default();
    env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")])
        .map(|directory| directory.join("nft"))
        .find(|candidate| candidate.is_file())
}
