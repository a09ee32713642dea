//! The agent as a process: arguments, signals, exit codes.

use crate::agent::args::{self, AgentConfig, Control, TOKEN_VARIABLE, USAGE};
use crate::agent::clock::Clock;
use crate::agent::control;
use crate::agent::handshake::Gate;
use crate::agent::net::Net;
use crate::agent::orders::{Agent, Refusal};
use crate::agent::random::Random;
use crate::agent::sockets::Sockets;
use crate::core::model::flow::Protocol;
use crate::core::wire::{ListenFailure, ListenPort};
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::process::ExitCode;
use tokio::net::UnixStream;
use tokio::signal::unix::{SignalKind, signal};

const FAILED: u8 = 1;
const MISUSED: u8 = 2;

/// Runs an agent to its end, with the arguments that follow the program's name. A signal is a clean end.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let config = match args::parse(arguments, std::env::var_os(TOKEN_VARIABLE)) {
        Ok(Some(config)) => config,
        Ok(None) => return say(io::stdout(), USAGE, ExitCode::SUCCESS),
        Err(error) => return say(io::stderr(), &format!("error: {error}\n\n{USAGE}"), ExitCode::from(MISUSED)),
    };
    match process(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => say(io::stderr(), &format!("error: {error}"), ExitCode::from(FAILED)),
    }
}

fn say(mut to: impl Write, text: &str, code: ExitCode) -> ExitCode {
    // Nobody may be listening; the exit code stays the same.
    let _ = writeln!(to, "{text}");
    code
}

fn process(config: AgentConfig) -> io::Result<()> {
    // Its zero is when the process began, as closely as it can itself tell.
    let clock = Clock::start();
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            ended = serve(config, clock) => ended,
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
        }
    })
}

async fn serve(config: AgentConfig, clock: Clock) -> io::Result<()> {
    let AgentConfig { identity, token, control, open, plan } = config;
    let sockets = Sockets::new(identity.clone(), clock);
    let open = open.map(|port| ListenPort { protocol: Protocol::Tcp, port });
    if let Some(ListenFailure { port, reason }) = sockets.listen(open.as_slice()).await.pop() {
        return Err(io::Error::other(format!("cannot open port {}: {reason}", port.port)));
    }
    let mut agent = Agent::new(sockets);
    agent.begin(plan).await.map_err(|Refusal(reason)| io::Error::other(format!("cannot obey its plan: {reason}")))?;
    let gate = Gate { identity, token, start: Random::default().number() };
    match control {
        Control::Stdin => {
            crate::agent::serve(inherited()?, gate, agent).await;
        }
        Control::Listen(port) => {
            let listeners = control::listeners(port).await.map_err(|error| {
                io::Error::new(error.kind(), format!("cannot listen for a controller on port {port}: {error}"))
            })?;
            control::serve(&mut agent, gate, listeners).await;
        }
    }
    Ok(())
}

/// The Unix socket that is file descriptor 0.
fn inherited() -> io::Result<UnixStream> {
    let stream = StdUnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    stream.peer_addr().map_err(|error| {
        io::Error::new(error.kind(), format!("file descriptor 0 is not a connected Unix socket: {error}"))
    })?;
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}
