//! temporary
use serde::{Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct LinkError(String);
pub struct FrameReader<R>(R);
pub struct FrameWriter<W>(W);
impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub fn new(r: R) -> Self { Self(r) }
    pub async fn read<T: DeserializeOwned>(&mut self) -> Result<Option<T>, LinkError> {
        let Ok(len) = self.0.read_u32().await else { return Ok(None) };
        let mut b = vec![0; len as usize];
        self.0.read_exact(&mut b).await.map_err(|e| LinkError(e.to_string()))?;
        serde_json::from_slice(&b).map(Some).map_err(|e| LinkError(e.to_string()))
    }
}
impl<W: AsyncWrite + Unpin> FrameWriter<W> {
    pub fn new(r: W) -> Self { Self(r) }
    pub async fn write<T: Serialize>(&mut self, m: &T) -> Result<(), LinkError> {
        let b = serde_json::to_vec(m).map_err(|e| LinkError(e.to_string()))?;
        self.0.write_u32(b.len() as u32).await.map_err(|e| LinkError(e.to_string()))?;
        self.0.write_all(&b).await.map_err(|e| LinkError(e.to_string()))?;
        self.0.flush().await.map_err(|e| LinkError(e.to_string()))
    }
}
