//! What a connection's bytes come through: TCP alone or TLS over it, with the place that it has.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::places::Place;

/// A stream, with TLS or without.
pub(super) enum Carried {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A stream with its place, which it keeps when another protocol takes it over.
pub(super) struct Held {
    pub(super) stream: Carried,
    pub(super) place: Place,
}

impl Held {
    fn noted<T>(&self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.place.turns.wrote(written.is_ready());
        written
    }
}

impl AsyncRead for Held {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Carried::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Carried::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Held {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = match &mut this.stream {
            Carried::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Carried::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, buf),
        };
        this.noted(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = match &mut this.stream {
            Carried::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Carried::Tls(stream) => Pin::new(stream.as_mut()).poll_write_vectored(cx, bufs),
        };
        this.noted(written)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Carried::Plain(stream) => stream.is_write_vectored(),
            Carried::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match &mut this.stream {
            Carried::Plain(stream) => Pin::new(stream).poll_flush(cx),
            // TLS takes bytes that TCP does not: only here is it seen that they do not leave.
            Carried::Tls(stream) => {
                let flushed = Pin::new(stream.as_mut()).poll_flush(cx);
                this.noted(flushed)
            }
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Carried::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Carried::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}
