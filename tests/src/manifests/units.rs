//! Units of systemd, looked at without a systemd that runs.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::fixture::Fixture;
use crate::tools::{run, tool};

/// Units in a folder of their own, with drop-ins beside them.
#[derive(Debug)]
pub struct Units {
    folder: Fixture,
}

impl Units {
    /// One unit; what it starts is said to be something that is here.
    #[track_caller]
    pub fn new(name: &str, text: &str) -> Self {
        Self { folder: Fixture::new().file(name, with_programs_that_exist(text)) }
    }

    /// Adds a drop-in for a unit.
    #[track_caller]
    pub fn drop_in(self, name: &str, file: &Path) -> Self {
        let text = fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let place = Path::new(&format!("{name}.d")).join(file.file_name().expect("a file has a name"));
        Self { folder: self.folder.file(place, with_programs_that_exist(&text)) }
    }

    /// Panics unless systemd takes the unit without a remark.
    #[track_caller]
    pub fn verify(&self, name: &str) {
        let output = self.analyze(&["verify", "--man=no", &format!("./{name}")]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.trim().is_empty(), "{name}: {said}");
    }

    /// How exposed systemd calls the unit: 0 is not at all, 10 is as if it had no unit.
    #[track_caller]
    pub fn exposure(&self, name: &str) -> f64 {
        let output = self.analyze(&["security", "--offline=true", "--no-pager", &format!("./{name}")]);
        let said = String::from_utf8_lossy(&output.stdout);
        let level = said.lines().find_map(|line| line.split_once("Overall exposure level for ")?.1.split_once(": "));
        let level = level.and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
        level.unwrap_or_else(|| panic!("{name}: no level in {said}"))
    }

    #[track_caller]
    fn analyze(&self, arguments: &[&str]) -> Output {
        // A path that ends in a colon is followed by systemd's own.
        let path = format!("{}:", self.folder.root().display());
        let mut analyze = Command::new(tool("systemd-analyze"));
        run(analyze.args(arguments).current_dir(self.folder.root()).env("SYSTEMD_UNIT_PATH", path))
    }
}

/// The programs of a unit may not be installed here, and systemd wants to see them.
fn with_programs_that_exist(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix("ExecStart=/") {
        Some(command) => {
            let arguments = command.split_once(' ').map_or("", |(_, arguments)| arguments);
            format!("ExecStart=/bin/true {arguments}\n")
        }
        None => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}
