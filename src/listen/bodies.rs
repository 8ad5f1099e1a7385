//! Bodies that tell whose turn it is: a request's while it comes, an answer's while it is taken.
//!
//! An answer goes out in small pieces, so that what lies beyond the client's
//! window is little and a client that takes none of it is noticed, over HTTP/2
//! as over HTTP/1.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Body as RouterBody;
use axum::response::Response;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};

use super::turns::Exchange;

/// Largest piece of an answer that is handed over at once, in bytes: what one HTTP/2 stream holds
/// beyond its client's window.
const PIECE_BYTES_MAX: usize = 16 * 1024;

/// A request's body.
pub(super) struct Arriving {
    inner: Incoming,
    exchange: Arc<Exchange>,
}

impl Arriving {
    pub(super) fn new(inner: Incoming, exchange: Arc<Exchange>) -> Self {
        Self { inner, exchange }
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_frame(cx);
        match &polled {
            Poll::Pending => this.exchange.clients(),
            Poll::Ready(_) => this.exchange.ours(),
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Arriving {
    /// Whatever was still to come of it is no longer waited for.
    fn drop(&mut self) {
        self.exchange.ours();
    }
}

/// Has `held` dropped when the answer was taken or dropped: not before its last piece was handed over.
pub fn hold(response: &mut Response, held: impl Send + Unpin + 'static) {
    let inner = std::mem::take(response.body_mut());
    *response.body_mut() = RouterBody::new(Holding { inner, _held: held });
}

struct Holding<T> {
    inner: RouterBody,
    _held: T,
}

impl<T: Unpin> Body for Holding<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.get_mut().inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// An answer's body.
pub(super) struct Answer {
    inner: RouterBody,
    /// What came of `inner` and was not handed over yet.
    rest: Bytes,
    exchange: Arc<Exchange>,
}

impl Answer {
    /// From here on it is the client's turn, until it takes the first piece.
    pub(super) fn new(inner: RouterBody, exchange: Arc<Exchange>) -> Self {
        exchange.clients();
        Self { inner, rest: Bytes::new(), exchange }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        this.exchange.ours();
        if this.rest.is_empty() {
            match ready!(Pin::new(&mut this.inner).poll_frame(cx)).map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => this.rest = data,
                Some(Ok(Err(other))) => {
                    this.exchange.clients();
                    return Poll::Ready(Some(Ok(other)));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        let piece = this.rest.split_to(this.rest.len().min(PIECE_BYTES_MAX));
        this.exchange.clients();
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (inner, rest) = (self.inner.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower().saturating_add(rest));
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}
