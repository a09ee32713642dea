//! Agent processes, and the controllers that talk to them.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use papertiger::agent::{FrameReader, FrameWriter, TOKEN_VARIABLE};
use papertiger::core::model::flow::Protocol;
use papertiger::core::model::observation::Streak;
use papertiger::core::wire::{FromAgent, ProbeFlow, ToAgent, VERSION};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, split};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{sleep, timeout};

pub(crate) const TOKEN: &str = "secret";

/// What is waited for comes within this time, or never.
const PATIENCE: Duration = Duration::from_secs(20);

/// Held while a process starts and while a port is looked for. Until it has become another program, a child has every socket
/// of its parent, and a listener among them would go on to take connections.
static STARTING: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    STARTING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn start(command: &mut Command) -> Child {
    let _alone = alone();
    command.spawn().unwrap()
}

/// What comes of an agent that nobody controls.
pub(crate) fn output(command: &mut Command) -> Output {
    start(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped())).wait_with_output().unwrap()
}

/// An agent; killed when the test ends before it.
pub(crate) struct Agent {
    child: Child,
}

impl Agent {
    pub(crate) fn command(arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_papertiger-agent"));
        command.env_clear().env(TOKEN_VARIABLE, TOKEN).args(arguments);
        command
    }

    pub(crate) fn on_socket(identity: &str) -> (Self, Controller) {
        let (near, far) = StdUnixStream::pair().unwrap();
        let stdin = Stdio::from(OwnedFd::from(far));
        let child = start(Self::command(&["--identity", identity, "--control", "stdin"]).stdin(stdin));
        near.set_nonblocking(true).unwrap();
        (Self { child }, Controller::over(UnixStream::from_std(near).unwrap()))
    }

    pub(crate) fn on_port(identity: &str) -> (Self, u16) {
        let port = free_port(Protocol::Tcp);
        let arguments = ["--identity", identity, "--control", &port.to_string()];
        (Self { child: start(Self::command(&arguments).stdin(Stdio::null())) }, port)
    }

    pub(crate) fn kill(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    pub(crate) async fn exit_code(mut self) -> Option<i32> {
        let ended = timeout(PATIENCE, async {
            loop {
                match self.child.try_wait().unwrap() {
                    Some(status) => return status.code(),
                    None => sleep(Duration::from_millis(2)).await,
                }
            }
        });
        ended.await.expect("the agent ends")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The other end of an agent's control stream.
pub(crate) struct Controller {
    reader: FrameReader<Box<dyn AsyncRead + Send + Unpin>>,
    writer: FrameWriter<Box<dyn AsyncWrite + Send + Unpin>>,
}

impl Controller {
    fn over(stream: impl AsyncRead + AsyncWrite + Send + 'static) -> Self {
        let (reader, writer) = split(stream);
        Self { reader: FrameReader::new(Box::new(reader)), writer: FrameWriter::new(Box::new(writer)) }
    }

    /// The agent may still be starting.
    pub(crate) async fn at(ip: IpAddr, port: u16) -> Self {
        let connected = timeout(PATIENCE, async {
            loop {
                match TcpStream::connect((ip, port)).await {
                    Ok(stream) => return Self::over(stream),
                    Err(_) => sleep(Duration::from_millis(2)).await,
                }
            }
        });
        connected.await.expect("the agent listens")
    }

    pub(crate) async fn say(&mut self, message: ToAgent) {
        self.writer.write(&message).await.unwrap();
    }

    pub(crate) async fn hear(&mut self) -> FromAgent {
        let message = timeout(PATIENCE, self.reader.read()).await.expect("an answer");
        message.unwrap().expect("an answer before the end")
    }

    pub(crate) async fn say_hello(&mut self, token: &str) -> FromAgent {
        self.say(ToAgent::Hello { version: VERSION, token: token.to_owned() }).await;
        self.hear().await
    }

    pub(crate) async fn probe(&mut self, epoch: u32, flows: Vec<ProbeFlow>) {
        self.say(ToAgent::Probe { epoch, flows }).await;
    }

    /// Listens until the youngest streaks of the flows are as they should be.
    pub(crate) async fn until(
        &mut self,
        epoch: u32,
        enough: impl Fn(&BTreeMap<u32, Streak>) -> bool,
    ) -> BTreeMap<u32, Streak> {
        let mut seen = BTreeMap::new();
        let watching = timeout(PATIENCE, async {
            while !enough(&seen) {
                match self.hear().await {
                    FromAgent::Streaks { epoch: told, streaks } if told == epoch => {
                        seen.extend(streaks.into_iter().map(|streak| (streak.flow, streak.streak)));
                    }
                    other => panic!("{other:?}"),
                }
            }
        });
        assert!(watching.await.is_ok(), "{seen:?}");
        seen
    }

    /// The agent has closed the stream.
    pub(crate) async fn is_over(&mut self) -> bool {
        let end = timeout(PATIENCE, self.reader.read::<FromAgent>()).await;
        matches!(end, Ok(Ok(None) | Err(_)))
    }
}

/// A port that was free an instant ago.
pub(crate) fn free_port(protocol: Protocol) -> u16 {
    let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    let _alone = alone();
    match protocol {
        Protocol::Tcp => TcpListener::bind(any).unwrap().local_addr().unwrap().port(),
        Protocol::Udp => UdpSocket::bind(any).unwrap().local_addr().unwrap().port(),
        Protocol::Sctp => panic!("no SCTP"),
    }
}

/// A UDP socket that takes everything and answers nothing.
pub(crate) fn unread() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}
