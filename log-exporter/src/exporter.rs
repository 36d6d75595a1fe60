//! What Prometheus asks: the page of all containers. `/-/reload` (POST or PUT) reads the configuration file again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use common::exposition::Page;
use common::render::Renderer;
use common::source::{Answer, Answering, Asked, Own, Source, Standing, inline_or_blocking};
use common::watched::Watched;
use hyper::StatusCode;

use crate::config::Settings;
use crate::families;
use crate::follower::Follower;

/// What one container is on a page, in bytes.
const CONTAINER_BYTES: usize = 2 << 10;

/// The follower, the configuration file, and what making pages keeps.
pub struct Exporter {
    follower: Arc<Follower>,
    file: Option<Watched<Settings>>,
    pages: Mutex<(Renderer, Page)>,
}

impl Exporter {
    /// Serves what `follower` counts by the rules of `file`.
    pub fn new(follower: Arc<Follower>, file: Option<Watched<Settings>>) -> Self {
        Self { follower, file, pages: Mutex::default() }
    }

    /// Makes the rules of the file those of the follower, if they are not yet.
    fn follow(&self, file: &Watched<Settings>) {
        let settings = file.current();
        if !Arc::ptr_eq(&settings, &self.follower.state().settings) {
            self.follower.follow(settings);
        }
    }

    fn page(&self, asked: &Asked, own: &Own) -> Answer {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let (renderer, page) = &mut *pages;
        page.clear();
        {
            let mut state = self.follower.state();
            families::encode(&state, page);
            if asked.is_seen {
                state.mark_shown();
                self.follower.was_seen();
            }
        }
        if let Some(file) = &self.file {
            file.encode("log_exporter", page);
        }
        own.encode(page);
        page.finish();
        let (body, refused) = renderer.body(&[page], None, asked.format, asked.gzip);
        Answer { body, refused, complete: true }
    }
}

impl Source for Exporter {
    fn answer(self: Arc<Self>, asked: Asked, own: Arc<Own>) -> Answering {
        Box::pin(async move {
            let mut ready = self.follower.ready();
            let deadline = tokio::time::Instant::from_std(asked.deadline);
            // A disk that hangs is no reason for no page: it tells when files were last looked at.
            let looked = async { ready.wait_for(|is_ready| *is_ready).await.map(drop).map_err(drop) };
            let _late = tokio::time::timeout_at(deadline, looked).await;
            if let Some(file) = &self.file {
                file.check();
                self.follow(file);
            }
            let bytes = self.follower.state().containers.len() * CONTAINER_BYTES;
            inline_or_blocking(bytes, move || self.page(&asked, &own)).await
        })
    }

    fn standings(&self) -> Vec<Standing> {
        let state = self.follower.state();
        let mut standing = Standing::new("files");
        if state.polling {
            standing.complaint = Some("directories cannot be watched and are listed all the time".to_owned());
        }
        vec![standing]
    }

    fn routes(self: Arc<Self>) -> Router {
        Router::new().route("/-/reload", post(reload).put(reload)).with_state(self)
    }

    fn is_for_root(&self) -> bool {
        true
    }

    fn reload(&self) -> Option<Result<(), String>> {
        let file = self.file.as_ref()?;
        let outcome = file.reload();
        self.follow(file);
        Some(outcome)
    }

    fn end(&self) {
        let began = Instant::now();
        let _wrote = self.follower.save();
        tracing::debug!(duration_seconds = began.elapsed().as_secs_f64(), "positions saved");
    }
}

async fn reload(State(exporter): State<Arc<Exporter>>) -> Response {
    match exporter.reload() {
        Some(Ok(())) => StatusCode::OK.into_response(),
        Some(Err(mistakes)) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{mistakes}\n")).into_response(),
        None => (StatusCode::OK, "there is no configuration file to read again\n").into_response(),
    }
}
