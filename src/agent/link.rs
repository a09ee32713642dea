//! Messages over a byte stream, for either end of it.

use crate::core::wire::{Decoder, FrameError, Message, encode};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// How much is read at once.
const PIECE_BYTES: usize = 16 * 1024;

/// What ends a link before its time.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The stream failed.
    #[error("the control stream failed")]
    Io(#[from] io::Error),
    /// The other side does not speak this protocol.
    #[error("the control stream carried {0}")]
    Frame(#[from] FrameError),
}

/// Reads messages.
#[derive(Debug)]
pub struct FrameReader<R> {
    stream: R,
    decoder: Decoder,
    piece: Box<[u8]>,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Reads from `stream`.
    pub fn new(stream: R) -> Self {
        Self { stream, decoder: Decoder::default(), piece: vec![0; PIECE_BYTES].into_boxed_slice() }
    }

    /// The next message; `None` when the stream ended between two. Nothing is lost when the future is dropped.
    pub async fn read<M: Message>(&mut self) -> Result<Option<M>, LinkError> {
        loop {
            if let Some(message) = self.decoder.decode()? {
                return Ok(Some(message));
            }
            let length = self.stream.read(&mut self.piece).await?;
            if length == 0 {
                self.decoder.finish()?;
                return Ok(None);
            }
            self.decoder.feed(&self.piece[..length]);
        }
    }
}

/// Writes messages.
#[derive(Debug)]
pub struct FrameWriter<W> {
    stream: W,
}

impl<W: AsyncWrite + Unpin> FrameWriter<W> {
    /// Writes to `stream`.
    pub fn new(stream: W) -> Self {
        Self { stream }
    }

    /// Writes a whole message. A dropped future may leave half a frame behind: then the link is lost.
    pub async fn write<M: Message>(&mut self, message: &M) -> Result<(), LinkError> {
        self.stream.write_all(&encode(message)?).await?;
        self.stream.flush().await?;
        Ok(())
    }

    /// Tells the other side that nothing follows.
    pub async fn finish(&mut self) -> Result<(), LinkError> {
        Ok(self.stream.shutdown().await?)
    }
}
