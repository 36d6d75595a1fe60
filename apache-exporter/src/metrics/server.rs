//! The server as a whole: versions, generations, load, traffic, CPU time.
//!
//! * Units: as the Go exporter has them (KiB, milliseconds, percent); the group `base-units` has the others.
//! * Absent when: the answer lacks the key; most of them come with ExtendedStatus alone. `apache_cpuload` is 0 then and
//!   `apache_info` says `UNKNOWN`, as dashboards expect.
//! * `apache_cpu_time_ms_total` adds a process's own time and that of its children. A part that httpd left out counts
//!   as nothing, a part that is no number takes its sum along: a counter must not dip.

use common::exposition::{Desc, Page};

use super::{Part, labelled, open, several, single, value};
use crate::status::Status;
use crate::version;

static VERSION: Desc<'static> =
    Desc::gauge("apache_version", "Version of httpd as a number, 2.4.41 being 2.04041.", &[]);
static INFO_DESC: Desc<'static> = Desc::gauge(
    "apache_info",
    "The server's own description and its processing module; always 1.",
    &["mpm", "version"],
);
static GENERATION: Desc<'static> = Desc::gauge(
    "apache_generation",
    "Times the configuration was read and the workers were restarted since the start.",
    &["type"],
);
static LOAD: Desc<'static> = Desc::gauge("apache_load", "Load average of the host.", &["interval"]);
static ACCESSES: Desc<'static> = Desc::counter("apache_accesses_total", "Requests since the start.", &[]);
static SENT: Desc<'static> =
    Desc::counter("apache_sent_kilobytes_total", "Data sent since the start, in units of 1024 bytes.", &[]);
static DURATION: Desc<'static> =
    Desc::counter("apache_duration_ms_total", "Time spent on requests since the start, in milliseconds.", &[]);
static CPU_TIME: Desc<'static> =
    Desc::counter("apache_cpu_time_ms_total", "CPU time of the server and its children, in milliseconds.", &["type"]);
static CPU_LOAD: Desc<'static> = Desc::gauge(
    "apache_cpuload",
    "CPU time per time since the start, in percent of one CPU; 0 when httpd does not say.",
    &[],
);
static UPTIME: Desc<'static> = Desc::counter("apache_uptime_seconds_total", "Time since the start.", &[]);
static SERVER_INFO: Desc<'static> = Desc::gauge(
    "apache_server_info",
    "Parts of the server's description; always 1.",
    &["mpm", "openssl", "platform", "product", "server_version", "version"],
);
static BUILD_INFO: Desc<'static> =
    Desc::gauge("apache_server_build_info", "When httpd was compiled, in its own words; always 1.", &["built"]);

/// The label value where httpd did not say.
const UNKNOWN: &str = "UNKNOWN";

pub(super) static SERVER: Part = Part {
    families: &[
        single(&VERSION, "number", &[value(|status| version::parse(status.server_version.as_deref()?).number)]),
        open(&INFO_DESC, "1"),
        several(
            &GENERATION,
            "number",
            &[
                labelled(&["config"], |status| status.config_generation),
                labelled(&["mpm"], |status| status.mpm_generation),
            ],
        ),
        several(
            &LOAD,
            "load",
            &[
                labelled(&["15min"], |status| status.load15),
                labelled(&["1min"], |status| status.load1),
                labelled(&["5min"], |status| status.load5),
            ],
        ),
        single(&ACCESSES, "requests", &[value(|status| status.accesses)]),
        single(&SENT, "KiB", &[value(|status| status.sent_kib)]),
        single(&DURATION, "milliseconds", &[value(|status| status.duration_ms)]),
        several(
            &CPU_TIME,
            "milliseconds",
            &[
                labelled(&["system"], |status| {
                    let own = (status.cpu_system_seconds, "CPUSystem");
                    cpu_ms(status, own, (status.cpu_children_system_seconds, "CPUChildrenSystem"))
                }),
                labelled(&["user"], |status| {
                    let own = (status.cpu_user_seconds, "CPUUser");
                    cpu_ms(status, own, (status.cpu_children_user_seconds, "CPUChildrenUser"))
                }),
            ],
        ),
        single(&CPU_LOAD, "percent", &[value(cpu_load)]),
        single(&UPTIME, "seconds", &[value(|status| status.uptime_seconds)]),
    ],
    rest: |status, _, page| {
        let or_unknown = |text: &Option<String>| text.clone().unwrap_or_else(|| UNKNOWN.to_owned());
        page.sample(&INFO_DESC, &[or_unknown(&status.mpm), or_unknown(&status.server_version)], 1.0);
    },
};

pub(super) static INFO: Part = Part { families: &[open(&SERVER_INFO, "1"), open(&BUILD_INFO, "1")], rest: encode_info };

/// The sum of two parts; nothing when httpd gave no CPU time at all, or when one part is no number.
fn cpu_ms(status: &Status, own: (Option<f64>, &str), children: (Option<f64>, &str)) -> Option<f64> {
    let all = [
        status.cpu_user_seconds,
        status.cpu_system_seconds,
        status.cpu_children_user_seconds,
        status.cpu_children_system_seconds,
    ];
    let is_lost = |(value, key): (Option<f64>, &str)| value.is_none() && status.is_faulty(key);
    if all.iter().all(Option::is_none) || is_lost(own) || is_lost(children) {
        return None;
    }
    Some((own.0.unwrap_or(0.0) + children.0.unwrap_or(0.0)) * 1000.0)
}

/// 0 stands for a line that is not there; one that is no number is not taken for that.
fn cpu_load(status: &Status) -> Option<f64> {
    status.cpu_load_percent.or_else(|| (!status.is_faulty("CPULoad")).then_some(0.0))
}

fn encode_info(status: &Status, _now: f64, page: &mut Page) {
    // Before 2.4.13 the header is the only place that has it.
    if let Some(description) = status.server_version.as_deref().or(status.server_header.as_deref()) {
        let parts = version::parse(description);
        let or_empty = Option::unwrap_or_default;
        let values = [
            or_empty(status.mpm.as_deref()),
            or_empty(parts.openssl),
            or_empty(parts.platform),
            or_empty(parts.product),
            description,
            or_empty(parts.version),
        ];
        page.sample(&SERVER_INFO, &values, 1.0);
    }
    if let Some(built) = &status.built {
        page.sample(&BUILD_INFO, &[built], 1.0);
    }
}

#[cfg(test)]
mod tests {
    use common::exposition::{Format, Merge};

    use super::super::{Groups, encode};
    use super::*;
    use crate::status::parse;

    /// The samples of `family` once httpd said `lines`; `header` is that of its answer.
    #[track_caller]
    fn check(lines: &str, header: Option<&str>, family: &str, want: &[&str]) {
        let mut status = parse(format!("{lines}\nBusyWorkers: 1\n").as_bytes()).unwrap();
        status.server_header = header.map(str::to_owned);
        let mut page = Page::default();
        encode(&status, Groups::all(), 0.0, &mut page);
        page.finish();
        let mut text = Vec::new();
        Merge::default().write(&[&page], Format::Text, &mut |piece| text.extend_from_slice(piece));
        let text = String::from_utf8(text).unwrap();
        let samples = text.lines().filter_map(|line| line.strip_prefix(family));
        assert_eq!(samples.collect::<Vec<_>>(), want, "{lines}");
    }

    #[test]
    fn a_sum_goes_without_what_is_absent_but_not_without_what_is_wrong() {
        let family = "apache_cpu_time_ms_total";
        check("Load1: 1", None, family, &[]);
        check("CPUUser: 1", None, family, &["{type=\"system\"} 0", "{type=\"user\"} 1000"]);
        let both = &["{type=\"system\"} 500", "{type=\"user\"} 3000"];
        check("CPUUser: 1\nCPUSystem: .5\nCPUChildrenUser: 2\nCPUChildrenSystem: 0", None, family, both);
        check("CPUUser: 1\nCPUSystem: .5\nCPUChildrenUser: x", None, family, &["{type=\"system\"} 500"]);
    }

    #[test]
    fn no_load_is_0_and_a_wrong_one_is_none() {
        check("Load1: 1", None, "apache_cpuload ", &["0"]);
        check("CPULoad: .5", None, "apache_cpuload ", &["0.5"]);
        check("CPULoad: x", None, "apache_cpuload ", &[]);
    }

    #[test]
    fn the_header_stands_in_for_the_line() {
        let parts = |platform: &str| {
            format!(
                "{{mpm=\"\",openssl=\"\",platform=\"{platform}\",product=\"Apache\",\
                 server_version=\"Apache/2.4.6 ({platform})\",version=\"2.4.6\"}} 1"
            )
        };
        let (header, line) = (Some("Apache/2.4.6 (CentOS)"), "ServerVersion: Apache/2.4.6 (Unix)");
        check("", header, "apache_server_info", &[&parts("CentOS")]);
        check(line, header, "apache_server_info", &[&parts("Unix")]);
        check("", None, "apache_server_info", &[]);
        check("", header, "apache_info", &["{mpm=\"UNKNOWN\",version=\"UNKNOWN\"} 1"]);
    }
}
