//! What ARCHITECTURE.md claims: its names exist, dependencies point downward, collectors know nothing of the web.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Collectors that may use what the others may not, and what for; an exception nobody needs any more is a mistake.
const EXCEPTIONS: &[(&str, &str)] =
    // A chip's name is where its links lead to, which no file of sysfs says.
    &[("hardware/hwmon.rs", "std::fs")];

/// What no collector may name outside its tests: files are read by `crate::fs`, and the rest is above it.
const FOREIGN: &[&str] = &[
    "axum",
    "clap",
    "tokio",
    "std::fs",
    "std::process",
    "common::app",
    "common::cli",
    "common::http",
    "common::web",
    "common::scrape",
    "common::instruments",
    "common::negotiate",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Files and folders of the repository, relative to its root, but what is built and what git keeps for itself.
fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let (path, kind) = (folder.join(entry.file_name()), entry.file_type().unwrap());
        if matches!(entry.file_name().to_str(), Some(".git" | "target")) {
            continue;
        }
        // The trees of fixtures are no part of the layout.
        if kind.is_dir() && entry.file_name() != "fixtures" {
            walk(&path, found);
        }
        found.push(path);
    }
}

fn paths() -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(Path::new(""), &mut found);
    found
}

fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}

/// The code of a source file, without comments and without the tests at its end.
fn code(source: &str) -> String {
    let before_tests = source.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
    before_tests.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| [line, "\n"]).collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// Whether `sources` define `name` as a type, function, constant or module.
fn is_defined(sources: &str, name: &str) -> bool {
    ["struct", "enum", "trait", "fn", "const", "static", "type", "mod", "macro_rules!"].iter().any(|keyword| {
        sources
            .match_indices(&format!("{keyword} {name}"))
            .any(|(at, found)| words(&sources[at + found.len()..]).next() == Some(""))
    })
}

#[test]
fn the_architecture_names_what_exists() {
    let paths = paths();
    let sources: String =
        paths.iter().filter(|path| is_rust(path)).map(|path| code(&read(&root().join(path)))).collect();
    let document = read(&root().join("ARCHITECTURE.md"));
    let mut unknown = Vec::new();
    for name in document.split('`').skip(1).step_by(2) {
        let is_path = paths.iter().any(|path| path.ends_with(name));
        let looks_like_a_path = name.contains('/') || name.contains(".rs");
        let looks_like_code = name.contains("::") || name.contains('_') || name.chars().any(char::is_uppercase);
        let exists = match name {
            // Words of a command line, numbers, and paths of the machine the program runs on.
            name if name.contains(' ') || name.starts_with('/') || name.starts_with(|c: char| c.is_ascii_digit()) => {
                true
            }
            _ if looks_like_a_path => is_path,
            name if looks_like_code => name.split("::").all(|part| is_defined(&sources, part)),
            name => is_path || words(&sources).any(|word| word == name),
        };
        if !exists {
            unknown.push(name);
        }
    }
    assert!(unknown.is_empty(), "ARCHITECTURE.md names what is not there: {unknown:?}");
}

/// The dependencies in a manifest, with those of its tests.
fn dependencies(manifest: &str) -> Vec<String> {
    let (mut found, mut inside) = (Vec::new(), false);
    for line in manifest.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            inside = section.ends_with("dependencies");
            // A dependency with a section of its own.
            let named = section.rsplit_once('.').filter(|(section, _)| section.ends_with("dependencies"));
            found.extend(named.map(|(_, name)| name.to_owned()));
        } else if inside && !line.is_empty() && !line.starts_with('#') {
            found.extend(line.split(['=', '.', ' ']).next().map(str::to_owned));
        }
    }
    found
}

#[test]
fn manifests_are_understood() {
    let manifest = "[package]\nname = \"x\"\n[dependencies]\na.workspace = true\n# no\nb = \"1\"\n\
                    [dev-dependencies]\nc = { version = \"1\" }\n[dependencies.d]\nversion = \"1\"\n[lints]\ne = 1\n";
    assert_eq!(dependencies(manifest), ["a", "b", "c", "d"]);
}

#[test]
fn dependencies_point_downward() {
    let manifest = read(&root().join("Cargo.toml"));
    let members = manifest.lines().find_map(|line| line.strip_prefix("members = ")).unwrap();
    let members: Vec<&str> = members.split('"').skip(1).step_by(2).collect();
    assert!(members.len() > 2, "{members:?}");
    let of: BTreeMap<&str, Vec<String>> =
        members.iter().map(|member| (*member, dependencies(&read(&root().join(member).join("Cargo.toml"))))).collect();
    assert!(of.values().any(|of| of.iter().any(|name| name == "common")), "nobody depends on common: {of:?}");
    let name_of = |member: &str| member.rsplit('/').next().unwrap().to_owned();
    let names: Vec<String> = members.iter().map(|member| name_of(member)).collect();
    for (member, dependencies) in &of {
        let is_ours = |name: &&str| names.iter().any(|ours| ours == name) || *name == "exporter-tests";
        let ours = dependencies.iter().map(String::as_str).filter(is_ours);
        let allowed: &[&str] = match *member {
            "common/exposition" | "tests" => &[],
            "common" => &["exposition"],
            _ => &["common"],
        };
        for name in ours {
            assert!(allowed.contains(&name), "{member} depends on {name}");
        }
    }
}

#[test]
fn collectors_know_nothing_of_what_is_above_them() {
    let folder = Path::new("node-exporter/src/collectors");
    let (mut named, mut excused) = (Vec::new(), Vec::new());
    for path in paths().iter().filter(|path| path.starts_with(folder) && is_rust(path) && !path.ends_with("tests.rs")) {
        let code = code(&read(&root().join(path)));
        // `use std::{fs, io}` is `use std::fs` as well.
        let grouped = |word: &str| {
            let (base, leaf) = word.split_once("::")?;
            let group = code.split(&format!("use {base}::{{")).nth(1)?.split("};").next()?;
            words(group).find(|word| *word == leaf)
        };
        for word in FOREIGN {
            let plain = code.match_indices(word).any(|(at, _)| {
                let (before, after) = (&code[..at], &code[at + word.len()..]);
                words(after).next() == Some("") && words(before).last() == Some("")
            });
            if !plain && grouped(word).is_none() {
                continue;
            }
            let file = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            match EXCEPTIONS.iter().find(|(of, what)| *of == file && what == word) {
                Some(exception) => excused.push(exception),
                None => named.push(format!("{file}: {word}")),
            }
        }
    }
    assert!(named.is_empty(), "a collector reads through crate::fs and knows no web: {named:#?}");
    for exception in EXCEPTIONS {
        assert!(excused.contains(&exception), "nobody needs this exception any more: {exception:?}");
    }
}
