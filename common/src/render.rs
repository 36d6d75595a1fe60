//! From pages to the body of an answer: joined, perhaps compressed, with a word in the log about what clashed.

use std::collections::HashSet;

use crate::body::{Body, Collect};
use crate::exposition::{Families, Format, Merge, Page};
use crate::gzip::Gzip;

/// Clashes beyond this many are not logged any more; they are still counted.
const MOST_LOGGED: usize = 200;

/// What making bodies keeps from one to the next.
#[derive(Default)]
pub struct Renderer {
    merge: Merge,
    gzip: Gzip,
    /// How large the last body was, plain and compressed: the next one will be much the same.
    sizes: [usize; 2],
    /// Clashes that were logged already.
    logged: HashSet<String>,
}

impl Renderer {
    /// Joins pages, which must be [finished](Page::finish), and families that stand on none. Gives the body and
    /// whether a series or a family had to be left out.
    pub fn body(
        &mut self,
        pages: &[&Page],
        families: Option<&dyn Families>,
        format: Format,
        gzip: bool,
    ) -> (Body, bool) {
        let [plain, packed] = &mut self.sizes;
        let size = if gzip { packed } else { plain };
        let mut body = Collect::new(&mut self.gzip, gzip, *size + *size / 8 + 4096);
        let sink = &mut |piece: &[u8]| body.push(piece);
        let refused = match families {
            Some(families) => self.merge.write_with(pages, families, format, sink),
            None => self.merge.write(pages, format, sink),
        };
        let body = body.finish();
        *size = match &body {
            Body::Whole(bytes) | Body::Packed { packed: bytes, .. } => bytes.len(),
        };
        let mut any = false;
        for series in refused.iter().chain(pages.iter().flat_map(|page| page.duplicates())) {
            any = true;
            // Once is enough: the same clash comes again at every scrape.
            if self.logged.len() < MOST_LOGGED && self.logged.insert(series.clone()) {
                tracing::error!(series, "error gathering metrics: left out, the page has it already");
            }
        }
        (body, any)
    }
}
