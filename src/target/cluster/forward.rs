//! A control stream through the API server's port-forward.

use super::errors::{failed, refused};
use crate::target::TargetError;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::Portforwarder;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

/// A stream to the agent of a pod. The forwarder's task ends with it.
pub(super) struct Forward {
    stream: DuplexStream,
    forwarder: Portforwarder,
}

impl Forward {
    /// Opens a stream. Whether the agent listens shows only when it is spoken to.
    pub(super) async fn open(pods: &Api<Pod>, name: &str, port: u16) -> Result<Self, TargetError> {
        let step = || format!("opening a port-forward to the pod {name}");
        let mut forwarder = pods.portforward(name, &[port]).await.map_err(|error| refused(step(), &error))?;
        let stream = forwarder.take_stream(port).ok_or_else(|| failed(step(), "it has no stream"))?;
        Ok(Self { stream, forwarder })
    }
}

/// The forwarder has no `Drop` of its own: its task would go on.
impl Drop for Forward {
    fn drop(&mut self) {
        self.forwarder.abort();
    }
}

impl AsyncRead for Forward {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Forward {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
