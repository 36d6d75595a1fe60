//! The landing page: the recent probes, how they ended, and a form to try one now.

use std::fmt::Write as _;

use common::landing::{STYLE, escape};

use crate::exporter::Exporter;
use crate::veil::shown_target;

/// The page as HTML. Links are relative: it is served at the root of every prefix.
pub fn html(exporter: &Exporter) -> String {
    let mut html = String::with_capacity(8192);
    let _infallible = write(exporter, &mut html);
    html
}

fn write(exporter: &Exporter, out: &mut String) -> std::fmt::Result {
    write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"UTF-8\">\n<title>Blackbox Exporter</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<h1>Blackbox Exporter</h1>\n<ul>\n\
         <li><a href=\"probe?target=prometheus.io&amp;module=http_2xx\">Probe prometheus.io for http_2xx</a></li>\n\
         <li><a href=\"probe?target=prometheus.io&amp;module=http_2xx&amp;debug=true\">Debug probe prometheus.io for \
         http_2xx</a></li>\n<li><a href=\"metrics\">Metrics</a></li>\n<li><a href=\"config\">Configuration</a></li>\n\
         </ul>\n<h2>Try a probe</h2>\n<form action=\"probe\" method=\"get\">\n<label>Module <select name=\"module\">\n"
    )?;
    let loaded = exporter.settings().current();
    for name in loaded.modules.keys() {
        writeln!(out, "<option>{}</option>", escape(name))?;
    }
    out.push_str(
        "</select></label>\n<label>Target <input name=\"target\" required size=\"40\"></label>\n\
         <label>Host name <input name=\"hostname\"></label>\n\
         <label><input type=\"checkbox\" name=\"debug\" value=\"true\" checked> with log</label>\n\
         <button>Probe</button>\n</form>\n<h2>Recent probes</h2>\n<table>\n<tr><th>Module</th><th>Target</th>\
         <th>Result</th><th>Took</th><th>Ended</th><th>Debug</th></tr>\n",
    );
    for record in exporter.history().all() {
        let result = match &record.failure {
            None => "Success".to_owned(),
            Some(failure) => format!(
                "<strong class=\"bad\">Failure</strong> {} in {}: {}",
                failure.reason.as_str(),
                failure.phase.as_str(),
                escape(&failure.what)
            ),
        };
        writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{result}</td><td class=\"n\">{:.3} s</td><td>{}</td>\
             <td><a href=\"logs?id={}\">Logs</a></td></tr>",
            escape(&record.module.name),
            escape(&shown_target(&record.target).0),
            record.took.as_secs_f64(),
            common::log::time_of(record.at),
            record.id
        )?;
    }
    out.push_str("</table>\n</body>\n</html>\n");
    Ok(())
}
