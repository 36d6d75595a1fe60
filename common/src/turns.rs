//! Scrapes of an [`Engine`] take turns on a thread of their own, on which they may block; it ends with the source.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::thread;

use hyper::StatusCode;
use tokio::sync::oneshot;

use crate::crew::panic_message;
use crate::query::select_collectors;
use crate::scrape::{Engine, Request};
use crate::source::{Answer, Answering, Asked, Own, Refusal, Source, Standing};

/// A scrape that waits for its turn.
struct Turn {
    request: Request,
    own: Arc<Own>,
    answer: oneshot::Sender<Option<Answer>>,
}

/// An engine and the thread it works on.
pub struct Turns {
    engine: Arc<Engine>,
    /// Names of the collectors that are built but switched off, to tell them from names nobody knows.
    switched_off: Vec<&'static str>,
    turns: mpsc::Sender<Turn>,
}

impl Turns {
    /// Starts the thread.
    ///
    /// Fails when the system gives none.
    pub fn start(engine: Engine, switched_off: Vec<&'static str>) -> io::Result<Self> {
        let engine = Arc::new(engine);
        let (turns, queue) = mpsc::channel::<Turn>();
        let worker = Arc::clone(&engine);
        // The stack holds the join of the pages and the compressor's call chain.
        thread::Builder::new().name("scrape".to_owned()).stack_size(512 << 10).spawn(move || work(&worker, &queue))?;
        Ok(Self { engine, switched_off, turns })
    }
}

/// Answers scrapes until nobody can ask any more.
fn work(engine: &Engine, queue: &mpsc::Receiver<Turn>) {
    for Turn { request, own, answer } in queue {
        // Nobody waits for the answer of a client that has gone.
        if answer.is_closed() {
            continue;
        }
        let page = catch_unwind(AssertUnwindSafe(|| engine.scrape(&request, |page| own.encode(page))));
        match page {
            Ok(page) => drop(answer.send(page)),
            Err(panic) => tracing::error!(err = panic_message(panic.as_ref()), "a scrape panicked"),
        }
    }
}

impl Source for Turns {
    fn answer(self: Arc<Self>, asked: Asked, own: Arc<Own>) -> Answering {
        Box::pin(async move {
            let only = select_collectors(&asked.query, self.engine.names(), &self.switched_off).map_err(|reason| {
                tracing::warn!(err = reason, "bad choice of collectors");
                Refusal::bad_request(reason)
            })?;
            let request = Request { only, deadline: asked.deadline, format: asked.format, gzip: asked.gzip };
            let (answer, page) = oneshot::channel();
            let _ended_with_the_program = self.turns.send(Turn { request, own, answer }).is_err();
            match page.await {
                Ok(Some(answer)) => Ok(answer),
                Ok(None) => Err(Refusal {
                    status: StatusCode::SERVICE_UNAVAILABLE,
                    reason: "earlier scrapes took all the time this one had".to_owned(),
                }),
                Err(_) => Err(Refusal {
                    status: StatusCode::INTERNAL_SERVER_ERROR,
                    reason: "the scrape failed, the log says why".to_owned(),
                }),
            }
        })
    }

    fn standings(&self) -> Vec<Standing> {
        self.engine.standings()
    }
}
