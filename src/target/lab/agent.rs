//! The agents: processes of this same program, one in each host's network, that end when their input does.

use super::failed;
use super::netns::Netns;
use crate::core::wire::ToAgent;
use crate::target::TargetError;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::time::Instant;

/// A running agent.
#[derive(Debug)]
pub(super) struct Agent {
    child: Child,
    /// Our end of its input, kept so that the input can be ended whoever else holds it.
    control: UnixStream,
    taken: bool,
}

impl Agent {
    /// Starts an agent in a namespace. Its reaping is the business of `runtime`.
    pub(super) fn start(
        netns: &Netns,
        program: &Path,
        identity: &str,
        token: &str,
        plan: Option<&[ToAgent]>,
        runtime: &Handle,
    ) -> Result<Self, TargetError> {
        let step = || format!("starting the agent of {identity}");
        let plan = plan.map(serde_json::to_string).transpose().map_err(|error| failed(step(), error))?;
        let plan = plan.iter().flat_map(|plan| ["--plan", plan]);
        let (control, theirs) = UnixStream::pair().map_err(|error| failed(step(), error))?;
        control.set_nonblocking(true).map_err(|error| failed(step(), error))?;
        // A child is born into the namespace of the thread that starts it.
        let child = netns.run(|| {
            let _runtime = runtime.enter();
            Command::new(program)
                .args(["agent", "--identity", identity, "--control", "stdin"])
                .args(plan)
                .env("PAPERTIGER_TOKEN", token)
                .stdin(Stdio::from(OwnedFd::from(theirs)))
                .stdout(Stdio::null())
                .kill_on_drop(true)
                .spawn()
        })?;
        Ok(Self { child: child.map_err(|error| failed(step(), error))?, control, taken: false })
    }

    /// The control stream, once.
    pub(super) fn take_stream(&mut self) -> std::io::Result<Option<UnixStream>> {
        if std::mem::replace(&mut self.taken, true) { Ok(None) } else { self.control.try_clone().map(Some) }
    }

    /// Ends its input.
    pub(super) fn dismiss(&self) {
        // The agent may have gone before us, in which case there is nothing left to end.
        let _gone = self.control.shutdown(Shutdown::Both);
    }

    /// Waits for its end, which [`Agent::dismiss`] brought about, and makes it come when it is late.
    pub(super) async fn gone(mut self, deadline: Instant) -> std::io::Result<()> {
        match tokio::time::timeout_at(deadline, self.child.wait()).await {
            Ok(status) => status.map(drop),
            Err(_late) => self.child.kill().await,
        }
    }
}
