//! The kernel's files of a host of any size, to measure with:
//! `cargo run -p exporter-tests --example big-host -- FOLDER --cpus 512 --disks 200 --chips 64 --mounts 5000 --nics 1000`
//! It prints the flags that make node-exporter read them, on one line.

use std::env;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use exporter_tests::big_host::{COMMON_DEFAULTS, Counts, flags, write};

const USAGE: &str = "big-host FOLDER [--cpus 512] [--disks 200] [--chips 64] [--mounts 5000] [--nics 1000]";

fn main() -> ExitCode {
    match settings(env::args().skip(1)).and_then(|(folder, counts)| run(folder, &counts).map_err(|e| e.to_string())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            // Nobody is there to be told of a closed stderr.
            let _ = writeln!(io::stderr(), "big-host: error: {e}\nusage: {USAGE}");
            ExitCode::FAILURE
        }
    }
}

fn run(folder: PathBuf, counts: &Counts) -> io::Result<()> {
    let folder = std::path::absolute(folder)?;
    write(&folder, counts)?;
    let common = COMMON_DEFAULTS.iter().map(|flag| format!("'{flag}'"));
    let all: Vec<String> = flags(&folder).into_iter().chain(common).collect();
    writeln!(io::stdout(), "{}", all.join(" "))
}

fn settings(mut words: impl Iterator<Item = String>) -> Result<(PathBuf, Counts), String> {
    let folder = words.next().filter(|word| !word.starts_with("--")).ok_or("expected a folder")?;
    let mut counts = Counts::LARGE;
    while let Some(flag) = words.next() {
        let value = words.next().ok_or_else(|| format!("{flag}: expected a value, found the end"))?;
        let number = value.parse().map_err(|_| format!("{flag}: expected a number, found {value:?}"))?;
        match flag.as_str() {
            "--cpus" => counts.cpus = number,
            "--disks" => counts.disks = number,
            "--chips" => counts.chips = number,
            "--mounts" => counts.mounts = number,
            "--nics" => counts.nics = number,
            _ => return Err(format!("unknown flag {flag}")),
        }
    }
    Ok((folder.into(), counts))
}
