//! The first words: who may give orders.

use crate::agent::link::{FrameReader, FrameWriter};
use crate::agent::session::SessionEnd;
use crate::core::wire::{FromAgent, ToAgent, VERSION};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadHalf, WriteHalf, split};
use tokio::time::timeout;

/// How long whoever comes to a port may take to say who it is. On a stream that was inherited there are no strangers, and
/// none comes after it: a controller on a busy machine has as long for its first word as for any other.
pub const HANDSHAKE: Duration = Duration::from_secs(5);

/// What an agent asks for and what it says of itself.
#[derive(Clone)]
pub struct Gate {
    /// Who it is: what it answers to probes.
    pub identity: String,
    /// What a controller has to know.
    pub token: String,
    /// Another value means another process.
    pub start: u64,
}

/// A stream whose other end is the controller. It knows the token and was not welcomed yet: what it is to be told of the
/// agent has to hold until it gives orders, which it may do only once nobody else does.
#[derive(Debug)]
pub struct Link<S> {
    pub(crate) reader: FrameReader<ReadHalf<S>>,
    pub(crate) writer: FrameWriter<WriteHalf<S>>,
    identity: String,
    start: u64,
}

impl<S> Link<S> {
    /// The first answer, from an agent whose newest epoch this is.
    pub(crate) fn welcome(&self, epoch: Option<u32>) -> FromAgent {
        FromAgent::Welcome { version: VERSION, identity: self.identity.clone(), start: self.start, epoch }
    }
}

impl Gate {
    /// Hears the controller's first word, which may take so long. Nobody who does not know the token gets further.
    pub async fn admit<S: AsyncRead + AsyncWrite>(&self, stream: S, patience: Duration) -> Result<Link<S>, SessionEnd> {
        let (reader, writer) = split(stream);
        let (reader, writer) = (FrameReader::new(reader), FrameWriter::new(writer));
        let mut link = Link { reader, writer, identity: self.identity.clone(), start: self.start };
        match timeout(patience, self.greet(&mut link)).await {
            Ok(Ok(())) => Ok(link),
            Ok(Err(end)) => Err(end),
            Err(_) => Err(SessionEnd::Silent),
        }
    }

    async fn greet<S: AsyncRead + AsyncWrite>(&self, link: &mut Link<S>) -> Result<(), SessionEnd> {
        let reason = match link.reader.read().await? {
            Some(ToAgent::Hello { version, .. }) if version != VERSION => {
                format!("this agent speaks version {VERSION}, the controller version {version}")
            }
            Some(ToAgent::Hello { token, .. }) if !same(&token, &self.token) => "wrong token".to_owned(),
            Some(ToAgent::Hello { .. }) => return Ok(()),
            Some(
                ToAgent::Listen { .. }
                | ToAgent::Ping { .. }
                | ToAgent::Probe { .. }
                | ToAgent::Stop { .. }
                | ToAgent::Sync { .. },
            ) => "the first word has to be hello".to_owned(),
            None => return Err(SessionEnd::Closed),
        };
        link.writer.write(&FromAgent::Refused { reason: reason.clone() }).await?;
        link.writer.finish().await?;
        Err(SessionEnd::Refused(reason))
    }
}

/// Takes as long for a wrong token as for the right one, so that its letters cannot be found one by one.
fn same(given: &str, expected: &str) -> bool {
    let different = given.bytes().zip(expected.bytes()).fold(0, |different, (a, b)| different | (a ^ b));
    given.len() == expected.len() && std::hint::black_box(different) == 0
}
