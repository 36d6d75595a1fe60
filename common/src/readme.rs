//! Tables of the README that are made from the code, for the tests that compare them. No program calls any of this.

use std::path::Path;
use std::{env, fs};

use crate::app::{Program, groups};
use crate::flags::{Flag, Takes};

/// Compares the part of the README beside `manifest_dir` that stands between two comments, `<!-- NAME: …` and
/// `<!-- end of NAME -->`, with `want`; with `UPDATE_GOLDEN` set, writes it there.
///
/// Fails when it is another one, or not there.
pub fn check(manifest_dir: &str, name: &str, want: &str) -> Result<(), String> {
    let file = Path::new(manifest_dir).join("../README.md");
    let readme = fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    let begin = format!("<!-- {name}: this table is made from the code; `make golden` rewrites it -->\n");
    let end = format!("<!-- end of {name} -->");
    let parts = readme.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?)));
    let (before, (table, after)) = parts.ok_or_else(|| format!("README.md has no {begin}"))?;
    let want = format!("\n{want}\n");
    if env::var_os("UPDATE_GOLDEN").is_some() {
        return fs::write(&file, format!("{before}{begin}{want}{end}{after}")).map_err(|e| e.to_string());
    }
    if table == want { Ok(()) } else { Err(format!("README.md, {name}: `make golden` rewrites it")) }
}

/// The program's own flags as a table: those that all programs share are described once, elsewhere.
pub fn flags(program: &'static Program) -> String {
    let own = (program.flags)();
    let rows = own.iter().flat_map(|group| group.flags.iter().copied()).filter(|flag| !flag.hidden).map(row);
    format!("| flag | environment | default | what |\n|---|---|---|---|\n{}", rows.collect::<String>())
}

/// The flags that all programs share, with the defaults of this one.
pub fn shared_flags(program: &'static Program) -> String {
    let shared = groups(program);
    let shared = shared.iter().filter(|group| ["Web", "Log"].contains(&group.heading.as_str()));
    let rows = shared.flat_map(|group| group.flags.iter().copied()).filter(|flag| !flag.hidden).map(row);
    format!("| flag | environment | default | what |\n|---|---|---|---|\n{}", rows.collect::<String>())
}

fn row(flag: &Flag) -> String {
    let default = match flag.takes {
        Takes::Switch { on: true } => "on".to_owned(),
        Takes::Switch { on: false } => "off".to_owned(),
        _ if flag.default.is_empty() => String::new(),
        _ => format!("`{}`", flag.default),
    };
    let environment = flag.env.map_or_else(String::new, |name| format!("`{name}`"));
    format!("| `--{}` | {environment} | {default} | {} |\n", flag.name, flag.help.replace('|', "\\|"))
}
