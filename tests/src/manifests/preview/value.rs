//! Numbers as Grafana writes them: with the unit of the panel and three figures.

/// A value in a unit of Grafana's.
pub(super) fn written(value: f64, unit: &str) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    match unit {
        "percentunit" => format!("{} %", figures(value * 100.0)),
        "percent" => format!("{} %", figures(value)),
        "bytes" | "decbytes" => scaled(value, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB", "PiB"]),
        "Bps" | "binBps" => scaled(value, 1024.0, &["B/s", "KiB/s", "MiB/s", "GiB/s"]),
        "bps" => scaled(value, 1000.0, &["b/s", "kb/s", "Mb/s", "Gb/s", "Tb/s"]),
        "hertz" => scaled(value, 1000.0, &["Hz", "kHz", "MHz", "GHz"]),
        "s" | "dtdurations" => time(value),
        "ms" => time(value / 1000.0),
        "d" => format!("{} d", figures(value)),
        "celsius" => format!("{} °C", figures(value)),
        "rotrpm" => format!("{} rpm", figures(value)),
        "watt" => scaled(value, 1000.0, &["W", "kW"]),
        "volt" => format!("{} V", figures(value)),
        "amp" => format!("{} A", figures(value)),
        "joule" => scaled(value, 1000.0, &["J", "kJ", "MJ", "GJ"]),
        "reqps" | "ops" | "cps" | "pps" | "iops" | "wps" | "rps" => format!("{}/s", plain(value)),
        _ => plain(value),
    }
}

fn plain(value: f64) -> String {
    scaled(value, 1000.0, &["", "K", "Mil", "Bil", "Tri"]).trim_end().to_owned()
}

fn scaled(value: f64, step: f64, units: &[&str]) -> String {
    let mut value = value;
    let mut units = units.iter();
    let mut unit = units.next().copied().unwrap_or_default();
    while value.abs() >= step {
        let Some(next) = units.next() else { break };
        (value, unit) = (value / step, next);
    }
    format!("{} {unit}", figures(value))
}

fn time(seconds: f64) -> String {
    let (value, unit) = match seconds.abs() {
        0.0 => (0.0, "s"),
        below if below < 1e-3 => (seconds * 1e6, "µs"),
        below if below < 1.0 => (seconds * 1e3, "ms"),
        below if below < 120.0 => (seconds, "s"),
        below if below < 7200.0 => (seconds / 60.0, "min"),
        below if below < 172_800.0 => (seconds / 3600.0, "h"),
        _ => (seconds / 86_400.0, "d"),
    };
    format!("{} {unit}", figures(value))
}

/// Three figures, without zeros at the end.
fn figures(value: f64) -> String {
    let digits: usize = match value.abs() {
        big if big >= 100.0 => 0,
        middle if middle >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    let short = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if short == "-0" { "0".to_owned() } else { short.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::written;

    #[test]
    fn values_have_their_unit_and_three_figures() {
        for (value, unit, wanted) in [
            (0.1234, "percentunit", "12.3 %"),
            (1536.0, "bytes", "1.5 KiB"),
            (0.0, "s", "0 s"),
            (0.00123, "s", "1.23 ms"),
            (7.2e5, "s", "8.33 d"),
            (12_345.0, "short", "12.3 K"),
            (-0.0, "short", "0"),
            (3.0, "reqps", "3/s"),
        ] {
            assert_eq!(written(value, unit), wanted);
        }
    }
}
