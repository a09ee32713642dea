//! Probes over connections: TCP, and SCTP in its one-to-one style, whose sockets are used in the same way.

use super::bind::sources;
use super::errors::{no_source, outcome, port_taken};
use super::{RETRY, Shared, judge};
use crate::agent::echo::{Answer, LENGTH, Packet, Request};
use crate::core::model::observation::Outcome;
use crate::core::wire::ProbeFlow;
use socket2::SockRef;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// Longer than any sender waits for its answer.
const CONNECTION: Duration = Duration::from_secs(2);

/// Longer than a policy keeps a standing connection from saying anything.
const STANDING: Duration = Duration::from_secs(600);

/// One connection, given up before its first segment is sent again.
pub(super) async fn attempt(shared: &Shared, flow: &ProbeFlow, request: Request, deadline: Instant) -> Outcome {
    let stream = match timeout_at(deadline, connect(shared, flow)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(outcome)) => return outcome,
        Err(_) => return Outcome::TimedOut,
    };
    // When this process was held up, the connection may be the work of a second SYN: it proves nothing about the first.
    if Instant::now() >= deadline {
        return Outcome::TimedOut;
    }
    match timeout_at(deadline, exchange(stream, request)).await {
        Ok(Ok(answer)) => {
            Answer::parse(&answer).and_then(|answer| judge(answer, request, &flow.identity)).unwrap_or(Outcome::NoEcho)
        }
        Ok(Err(error)) => match error.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::TimedOut => Outcome::NoEcho,
            _ => outcome(&error),
        },
        Err(_) => Outcome::NoEcho,
    }
}

pub(super) async fn connect(shared: &Shared, flow: &ProbeFlow) -> Result<TcpStream, Outcome> {
    let mut taken = None;
    for socket in sources(shared, flow) {
        match TcpSocket::from_std_stream(socket?.into()).connect(flow.to).await {
            Ok(stream) => return Ok(stream),
            Err(error) if port_taken(&error) => taken = Some(error),
            Err(error) => return Err(outcome(&error)),
        }
    }
    Err(no_source(taken))
}

async fn exchange(mut stream: TcpStream, request: Request) -> std::io::Result<Packet> {
    stream.write_all(&request.to_bytes()).await?;
    let mut answer = [0; LENGTH];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

/// Answers every connection on a port.
pub(super) async fn listen(listener: std::net::TcpListener, shared: Arc<Shared>, connections: Arc<Semaphore>) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(_) => return,
    };
    loop {
        match listener.accept().await {
            Ok((stream, source)) => {
                // Not before there is a connection: idle ports would use the permits up.
                let permit = Arc::clone(&connections).acquire_owned().await;
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    let mut stream = stream;
                    let first = timeout(CONNECTION, answer(&mut stream, source, &shared)).await;
                    drop(permit);
                    if let (Ok(Ok(Followed::Requests)), Ok(_permit)) = (first, shared.answered.try_acquire()) {
                        go_on(stream, source, &shared).await;
                    }
                });
            }
            // The connection died while it waited, or descriptors ran out: neither may end the listener.
            Err(_) => sleep(RETRY).await,
        }
    }
}

/// What comes after a request.
enum Followed {
    /// The end, which is the sender's to bring about.
    End,
    /// Further requests.
    Requests,
}

async fn answer(stream: &mut TcpStream, source: SocketAddr, shared: &Shared) -> std::io::Result<Followed> {
    SockRef::from(&*stream).set_linger(Some(Duration::ZERO))?;
    let mut bytes = [0; LENGTH];
    stream.read_exact(&mut bytes).await?;
    let Some(request) = Request::parse(&bytes) else { return Ok(Followed::End) };
    stream.write_all(&shared.answer(request, source).to_bytes()).await?;
    if request.more {
        return Ok(Followed::Requests);
    }
    let _ended = stream.read(&mut bytes).await?;
    Ok(Followed::End)
}

/// Answers what else is asked on a connection that stands.
async fn go_on(mut stream: TcpStream, source: SocketAddr, shared: &Shared) {
    while let Ok(Ok(Followed::Requests)) = timeout(STANDING, answer(&mut stream, source, shared)).await {}
}
