//! One call of `grpc.health.v1.Health/Check` over a connection of our own.
//!
//! Source: <https://github.com/grpc/grpc/blob/master/doc/health-checking.md>, and for the statuses of what is no answer of
//! gRPC, `http-grpc-status-mapping.md` and `PROTOCOL-HTTP2.md` in the same folder.

use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper::http::uri::{PathAndQuery, Uri};
use hyper::http::{HeaderMap, Response, StatusCode, header};
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tonic::client::Grpc;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

/// Bytes that are taken before the other side has to wait: an answer has a few.
const WINDOW: u32 = 64 << 10;
/// Most bytes of an answer's headers.
const MOST_HEADERS: u32 = 256 << 10;
/// Most bytes of an answer.
const MOST_ANSWER: usize = 64 << 10;

/// What is asked.
#[derive(Clone, PartialEq, prost::Message)]
struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

/// What is answered; the number stays one, because a server may know more of them.
#[derive(Clone, PartialEq, prost::Message)]
struct HealthCheckResponse {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// How an RPC ended that gave no answer.
pub(super) struct Refused {
    /// Its status, perhaps concluded on this side.
    pub(super) status: Status,
    /// The number of the status: the server may have one of its own.
    pub(super) code: u32,
}

/// Asks about `service`; gives the serving status as its number.
///
/// # Errors
/// The status with which the RPC ended.
pub(super) async fn check<S>(stream: S, origin: Uri, service: &str, metadata: MetadataMap) -> Result<i32, Refused>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let said = Arc::new(AtomicU32::new(0));
    let answer = call(stream, origin, service, metadata, Arc::clone(&said)).await;
    answer.map_err(|status| {
        let own = said.load(Ordering::Relaxed);
        let code = if status.code() == Code::Unknown && own > 0 {
            own
        } else {
            u32::from_ne_bytes((status.code() as i32).to_ne_bytes())
        };
        Refused { status, code }
    })
}

async fn call<S>(
    stream: S,
    origin: Uri,
    service: &str,
    metadata: MetadataMap,
    said: Arc<AtomicU32>,
) -> Result<i32, Status>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let tasks = Tasks::default();
    let _guard = Guard(tasks.clone());
    let (mut sender, connection) = http2::Builder::new(tasks.clone())
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_header_list_size(MOST_HEADERS)
        .handshake::<_, tonic::body::Body>(TokioIo::new(stream))
        .await
        .map_err(|e| broken(&e))?;
    tasks.execute(connection);

    let send = tower::service_fn(move |request| {
        let (sent, said) = (sender.send_request(request), Arc::clone(&said));
        async move {
            let response = sent.await.map_err(|e| broken(&e))?;
            if let Some(status) = foreign(response.status(), response.headers()) {
                return Err(status);
            }
            note(&said, response.headers());
            Ok::<Response<_>, Status>(response.map(|body: Incoming| {
                let body = body.map_frame(move |frame| {
                    frame.trailers_ref().inspect(|trailers| note(&said, trailers));
                    frame
                });
                body.map_err(|e| broken(&e))
            }))
        }
    });
    let mut request = Request::new(HealthCheckRequest { service: service.to_owned() });
    *request.metadata_mut() = metadata;
    let path = PathAndQuery::from_static("/grpc.health.v1.Health/Check");
    let codec = ProstCodec::<HealthCheckRequest, HealthCheckResponse>::default();
    let mut client = Grpc::with_origin(send, origin).max_decoding_message_size(MOST_ANSWER);
    Ok(client.unary(request, path, codec).await?.into_inner().status)
}

/// Notes the number of the status, which may be one that gRPC does not know.
fn note(said: &AtomicU32, headers: &HeaderMap) {
    let code = headers.get("grpc-status").and_then(|code| code.to_str().ok()?.parse().ok());
    if let Some(code) = code {
        said.store(code, Ordering::Relaxed);
    }
}

/// The status of an answer that is not one of gRPC.
fn foreign(status: StatusCode, headers: &HeaderMap) -> Option<Status> {
    let kind = headers.get(header::CONTENT_TYPE).map(|kind| kind.as_bytes());
    let is_grpc = kind.is_some_and(|kind| {
        kind.strip_prefix(b"application/grpc").is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
    });
    if is_grpc || headers.contains_key("grpc-status") {
        return None;
    }
    let code = match status.as_u16() {
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502 | 503 | 504 => Code::Unavailable,
        _ => Code::Unknown,
    };
    Some(Status::new(code, format!("HTTP status {} and no gRPC", status.as_u16())))
}

/// The status of an RPC whose stream was reset, or whose connection broke.
fn broken(e: &hyper::Error) -> Status {
    let http2 = e.source().and_then(|source| source.downcast_ref::<h2::Error>());
    // What concerns the whole connection is a connection that is not there.
    let reset = http2.filter(|e| e.is_reset()).and_then(h2::Error::reason);
    let code = match reset {
        None | Some(h2::Reason::REFUSED_STREAM) => Code::Unavailable,
        Some(h2::Reason::CANCEL) => Code::Cancelled,
        Some(h2::Reason::FLOW_CONTROL_ERROR | h2::Reason::ENHANCE_YOUR_CALM) => Code::ResourceExhausted,
        Some(h2::Reason::INADEQUATE_SECURITY) => Code::PermissionDenied,
        Some(_) => Code::Internal,
    };
    Status::new(code, http2.map_or_else(|| e.to_string(), ToString::to_string))
}

/// What HTTP/2 does beside the call.
#[derive(Clone, Default)]
struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl<F> Executor<F> for Tasks
where
    F: Future + Send + 'static,
{
    fn execute(&self, task: F) {
        let task = async move {
            task.await;
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).spawn(task);
    }
}

/// Ends it with the probe, and with that the connection.
struct Guard(Tasks);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_others() {
        for (status, kind, want) in [
            (200, Some("application/grpc"), None),
            (200, Some("application/grpc+proto"), None),
            (404, Some("application/grpc;x"), None),
            (200, Some("application/grpc-web"), Some(Code::Unknown)),
            (200, Some("text/html"), Some(Code::Unknown)),
            (200, None, Some(Code::Unknown)),
            (400, None, Some(Code::Internal)),
            (401, None, Some(Code::Unauthenticated)),
            (403, None, Some(Code::PermissionDenied)),
            (404, Some("text/plain"), Some(Code::Unimplemented)),
            (503, None, Some(Code::Unavailable)),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(kind) = kind {
                headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
            }
            let found = foreign(StatusCode::from_u16(status).unwrap(), &headers);
            assert_eq!(found.map(|status| status.code()), want, "{status} {kind:?}");
        }
        let headers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), "5".parse().unwrap())]);
        assert!(foreign(StatusCode::OK, &headers).is_none());
    }
}
