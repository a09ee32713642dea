//! Bytes to messages and back. The sockets are elsewhere.

use super::{FromAgent, MAX_FRAME_BYTES, ToAgent};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The announced length in front of every frame.
const PREFIX_BYTES: usize = 4;

/// What a frame can carry: one side's enum or the other's.
pub trait Message: Serialize + DeserializeOwned {}
impl Message for ToAgent {}
impl Message for FromAgent {}

/// Bytes that are no frame, or a message that fits none. After one of these nothing else on the stream can be trusted.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The length is above [`MAX_FRAME_BYTES`].
    #[error("a frame of {announced} bytes, {MAX_FRAME_BYTES} are allowed")]
    TooLong {
        /// The length.
        announced: usize,
    },
    /// The frame is not the JSON of a message.
    #[error("a frame that is no message")]
    Malformed(#[from] serde_json::Error),
    /// The stream ended inside a frame.
    #[error("the stream ended inside a frame")]
    Truncated,
}

/// A message as a frame, ready to be written.
pub fn encode<M: Message>(message: &M) -> Result<Vec<u8>, FrameError> {
    let mut frame = vec![0; PREFIX_BYTES];
    serde_json::to_writer(&mut frame, message)?;
    let announced = frame.len() - PREFIX_BYTES;
    match u32::try_from(announced) {
        Ok(length) if announced <= MAX_FRAME_BYTES => {
            frame[..PREFIX_BYTES].copy_from_slice(&length.to_be_bytes());
            Ok(frame)
        }
        _ => Err(FrameError::TooLong { announced }),
    }
}

/// Takes the bytes of a stream as they come, in whatever pieces, and gives its messages.
///
/// Decode until there is no message left before feeding more: then no more is ever held than one frame and one piece,
/// and a frame that is announced too long is refused before it is gathered.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
}

impl Decoder {
    /// The next bytes of the stream.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message, or `None` until more bytes come. An error stays: the stream is lost.
    pub fn decode<M: Message>(&mut self) -> Result<Option<M>, FrameError> {
        let Some((prefix, rest)) = self.buffer.split_first_chunk::<PREFIX_BYTES>() else {
            return Ok(None);
        };
        let announced = usize::try_from(u32::from_be_bytes(*prefix)).unwrap_or(usize::MAX);
        if announced > MAX_FRAME_BYTES {
            return Err(FrameError::TooLong { announced });
        }
        let Some(frame) = rest.get(..announced) else {
            return Ok(None);
        };
        let message = serde_json::from_slice(frame)?;
        self.buffer.drain(..PREFIX_BYTES + announced);
        Ok(Some(message))
    }

    /// Says whether the stream may end here.
    pub fn finish(&self) -> Result<(), FrameError> {
        if self.buffer.is_empty() { Ok(()) } else { Err(FrameError::Truncated) }
    }
}
