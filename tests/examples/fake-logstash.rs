//! A Logstash to look at and to measure with, until it is interrupted:
//! `cargo run -p exporter-tests --example fake-logstash -- --port 9600 --pipelines 200 --plugins 50 --version 9.4`

use std::env;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::thread;

use exporter_tests::logstash::{Logstash, STATS, Version};

const USAGE: &str = "fake-logstash [--port 9600] [--pipelines 2] [--plugins 6] [--version 7.17|8.19|9.2|9.4]";

struct Settings {
    port: u16,
    pipelines: Option<usize>,
    plugins: usize,
    version: Version,
}

fn main() -> ExitCode {
    match settings(env::args().skip(1)).and_then(|settings| run(&settings).map_err(|e| e.to_string())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            // Nobody is there to be told of a closed stderr.
            let _ = writeln!(io::stderr(), "fake-logstash: error: {e}\nusage: {USAGE}");
            ExitCode::FAILURE
        }
    }
}

fn run(settings: &Settings) -> io::Result<()> {
    let mut logstash = Logstash::start_on(SocketAddr::from(([127, 0, 0, 1], settings.port)), settings.version);
    if let Some(pipelines) = settings.pipelines {
        logstash.generate_pipelines(pipelines, settings.plugins);
    }
    let bytes = logstash.document(STATS).to_string().len();
    writeln!(io::stdout(), "Logstash {} on {}: {STATS} has {bytes} bytes", settings.version.as_str(), logstash.url())?;
    loop {
        thread::park();
    }
}

fn settings(mut words: impl Iterator<Item = String>) -> Result<Settings, String> {
    let mut settings = Settings { port: 9600, pipelines: None, plugins: 6, version: Version::V9_4 };
    while let Some(flag) = words.next() {
        let value = words.next().ok_or_else(|| format!("{flag}: expected a value, found the end"))?;
        let wrong = |what: &str| format!("{flag}: expected {what}, found {value:?}");
        let number = || value.parse().map_err(|_| wrong("a number"));
        match flag.as_str() {
            "--port" => settings.port = value.parse().map_err(|_| wrong("a port"))?,
            "--pipelines" => settings.pipelines = Some(number()?),
            "--plugins" => settings.plugins = number()?,
            "--version" => {
                let known = Version::ALL.into_iter().find(|version| version.as_str().starts_with(&value));
                settings.version = known.ok_or_else(|| wrong("7.17, 8.19, 9.2 or 9.4"))?;
            }
            _ => return Err(format!("unknown flag {flag}")),
        }
    }
    Ok(settings)
}
