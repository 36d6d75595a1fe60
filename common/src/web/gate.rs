//! One request: the configuration's rules before the handler, its headers after.
//!
//! Order: load the configuration (500) → rate limit (429) → password (401) → body size (413) → handler.
//! The configured headers are on the answers of the last three steps. A handler that panics answers 500.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use http_body_util::Limited;
use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use hyper::{Request, Response, StatusCode};
use tower::Service;

use super::connections::{Answering, Slot};
use super::reload::WebConfigFile;

/// What every request of a server meets.
pub(super) struct Face {
    pub(super) router: Router,
    pub(super) web: Option<Arc<WebConfigFile>>,
    pub(super) body_bytes: usize,
}

impl Face {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let Some(web) = &self.web else {
            return self.handle(request).await;
        };
        let Ok(live) = web.current() else {
            return plain(StatusCode::INTERNAL_SERVER_ERROR);
        };
        if !web.take_request() {
            return plain(StatusCode::TOO_MANY_REQUESTS);
        }
        let credentials = request.headers().get(AUTHORIZATION);
        let mut response = if web.checker().allows(&live.config.users, credentials).await {
            self.handle(request).await
        } else {
            let mut refused = plain(StatusCode::UNAUTHORIZED);
            refused.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
            refused
        };
        add_missing(response.headers_mut(), &live.config.headers);
        response
    }

    async fn handle(&self, request: Request<Incoming>) -> Response<Body> {
        let announced = request.body().size_hint().lower();
        if announced > self.body_bytes as u64 {
            return plain(StatusCode::PAYLOAD_TOO_LARGE);
        }
        let request = request.map(|body| {
            if body.is_end_stream() { Body::empty() } else { Body::new(Limited::new(body, self.body_bytes)) }
        });
        let mut router = self.router.clone();
        let path = request.uri().path().to_owned();
        match catch(async move { router.call(request).await }).await {
            Some(Ok(response)) => response,
            Some(Err(never)) => match never {},
            None => {
                tracing::error!(path, "A request handler panicked");
                plain(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}

/// A header the handler set itself stays, as with the Go exporters.
fn add_missing(headers: &mut HeaderMap, configured: &HeaderMap) {
    for (name, value) in configured {
        headers.entry(name).or_insert_with(|| value.clone());
    }
}

/// The status and its name as text.
fn plain(status: StatusCode) -> Response<Body> {
    let text = format!("{}\n", status.canonical_reason().unwrap_or("Error"));
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Runs a future to its end, or to its panic, which is `None`. The future is dropped after a panic and never seen
/// again, so nothing half-changed inside it can be observed.
async fn catch<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Some),
        Err(_panic) => Poll::Ready(None),
    })
    .await
}

/// The hyper side: one per connection.
pub(super) struct Gate {
    pub(super) face: Arc<Face>,
    pub(super) slot: Arc<Slot>,
}

impl hyper::service::Service<Request<Incoming>> for Gate {
    type Response = Response<Reply>;
    type Error = Infallible;
    // Boxed, so that a connection pays for a request's state only while there is a request.
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (face, mut answering) = (Arc::clone(&self.face), self.slot.answering());
        Box::pin(async move {
            let response = face.answer(request).await;
            answering.progress();
            Ok(response.map(|body| Reply { body, answering }))
        })
    }
}

/// A response body; while it exists its request is being answered.
pub(super) struct Reply {
    body: Body,
    answering: Answering,
}

impl HttpBody for Reply {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match catch_unwind(AssertUnwindSafe(|| Pin::new(&mut self.body).poll_frame(cx))) {
            Ok(poll) => {
                if poll.is_ready() {
                    self.answering.progress();
                }
                poll.map_err(Into::into)
            }
            Err(_panic) => {
                tracing::error!("A response body panicked");
                Poll::Ready(Some(Err(io::Error::other("the response body panicked").into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
