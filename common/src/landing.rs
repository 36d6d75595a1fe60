//! The landing page: which program this is, where its metrics are, and how its collectors fare.

use std::fmt::Write as _;

use crate::source::Standing;
use crate::{build_info, host};

/// What the page says about the program.
pub(crate) struct Landing<'p> {
    pub(crate) title: &'p str,
    pub(crate) about: &'p str,
    pub(crate) metrics_path: &'p str,
    pub(crate) standings: &'p [Standing],
}

/// How our pages look.
pub const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
    h1{margin-bottom:0}table{border-collapse:collapse;margin:1rem 0}th,td{text-align:left;padding:.2rem 1rem .2rem 0;\
    border-bottom:1px solid #ddd;vertical-align:top}td.n{text-align:right;font-variant-numeric:tabular-nums}\
    .bad{color:#b00020}.none{color:#777}";

impl Landing<'_> {
    /// The page as HTML. Reads the host's summary anew.
    pub(crate) fn html(&self) -> String {
        let mut html = String::with_capacity(8192);
        let _infallible = self.write(&mut html);
        html
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let title = escape(self.title);
        write!(
            out,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"UTF-8\">\n<title>{title}</title>\n\
             <style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<p>{}</p>\n\
             <p>Version: (version={}, branch={}, revision={})</p>\n<ul>\n<li><a href=\"{}\">Metrics</a></li>\n\
             <li><a href=\"/-/healthy\">Healthy</a></li>\n<li><a href=\"/-/ready\">Ready</a></li>\n</ul>\n",
            escape(self.about),
            build_info::VERSION,
            build_info::BRANCH,
            build_info::REVISION,
            escape(self.metrics_path),
        )?;
        out.push_str("<h2>This machine</h2>\n<table>\n");
        for (what, value) in host::summary() {
            writeln!(out, "<tr><th>{what}</th><td>{}</td></tr>", escape(&value))?;
        }
        out.push_str(
            "</table>\n<h2>Collectors</h2>\n<table>\n<tr><th>Name</th><th>Last took</th><th>Outcome</th></tr>\n",
        );
        for standing in self.standings {
            let took = standing.took.map_or_else(String::new, |took| format!("{:.3} ms", took.as_secs_f64() * 1e3));
            let (class, outcome) = match (&standing.complaint, standing.took) {
                (Some(complaint), _) if standing.no_data => ("none", format!("nothing here: {complaint}")),
                (Some(complaint), _) => ("bad", complaint.clone()),
                (None, Some(_)) => ("ok", "ok".to_owned()),
                (None, None) => ("none", "not run yet".to_owned()),
            };
            writeln!(
                out,
                "<tr><td>{}</td><td class=\"n\">{took}</td><td class=\"{class}\">{}</td></tr>",
                escape(&standing.name),
                escape(&outcome)
            )?;
        }
        out.push_str("</table>\n</body>\n</html>\n");
        Ok(())
    }
}

/// Text as HTML shows it.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn says_what_it_knows_and_escapes_it() {
        let standings = [
            Standing {
                name: "arp".to_owned(),
                took: Some(Duration::from_micros(1500)),
                complaint: None,
                no_data: false,
            },
            Standing {
                name: "bad".to_owned(),
                took: Some(Duration::ZERO),
                complaint: Some("<script>".to_owned()),
                no_data: false,
            },
            Standing { name: "new".to_owned(), took: None, complaint: None, no_data: false },
        ];
        let landing = Landing { title: "Node Exporter", about: "A & B", metrics_path: "/m", standings: &standings };
        let html = landing.html();
        for part in [
            "<title>Node Exporter</title>",
            "<a href=\"/m\">Metrics</a>",
            "<td>arp</td><td class=\"n\">1.500 ms</td><td class=\"ok\">ok</td>",
            "<td class=\"bad\">&lt;script&gt;</td>",
            "not run yet",
            "A &amp; B",
        ] {
            assert!(html.contains(part), "{part} in {html}");
        }
    }
}
