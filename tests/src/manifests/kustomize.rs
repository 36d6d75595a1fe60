//! What `kubectl kustomize` makes of `manifests/`: it runs over a copy in which stands what users bring.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::manifests;
use crate::tools::run;

/// The first release of kustomize that knows everything our files say.
const MAJOR: u32 = 5;

/// Folders of `manifests/` that are none of kustomize's business.
const OTHERS: &[&str] = &["monitoring-server", "systemd"];

/// Characters of the hash that ends the names of generated objects.
const HASH_CHARACTERS: &str = "bcdfghkmt2456789";

/// What stands in place of a generated object's hash and content: both are told by the file they are made from.
const MASK: &str = "hash";

/// A copy of `manifests/`, and the program that renders it.
#[derive(Debug)]
pub struct Tree {
    folder: TempDir,
    program: &'static [&'static str],
}

/// All folders that can be rendered (kind Kustomization, not Component), relative to `manifests/`, sorted.
pub fn folders() -> Vec<String> {
    let root = manifests::folder();
    let mut found: Vec<String> = files(&root)
        .into_iter()
        .filter(|path| path.ends_with("kustomization.yaml"))
        .filter(|path| read(path)["kind"] == "Kustomization")
        .filter_map(|path| Some(path.parent()?.strip_prefix(&root).ok()?.to_str()?.to_owned()))
        .collect();
    found.sort();
    found
}

/// Parts that the kustomizations in and below a folder offer, and the folder of each: entries `# - part` of their lists.
pub fn optional_parts(folder: &str) -> Vec<(PathBuf, String)> {
    let kustomizations =
        files(&manifests::path(folder)).into_iter().filter(|path| path.ends_with("kustomization.yaml"));
    let offered = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let parts = text.lines().filter_map(offer).map(str::to_owned);
        let place = path.parent().expect("a file is in a folder");
        parts.map(|part| (place.to_owned(), part)).collect::<Vec<_>>()
    };
    kustomizations.flat_map(offered).collect()
}

impl Tree {
    /// The copy as the files are; `Err` says why nothing can be rendered on this machine.
    ///
    /// # Errors
    /// Neither `kustomize` nor `kubectl` is installed, or what is installed is too old.
    pub fn copy() -> Result<Self, String> {
        let program = program()?;
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        let root = manifests::folder();
        for path in files(&root) {
            let place = folder.path().join(path.strip_prefix(&root).expect("it was found there"));
            fs::create_dir_all(place.parent().expect("a file is in a folder")).expect("the copy can be written");
            fs::copy(&path, &place).unwrap_or_else(|e| panic!("{}: {e}", place.display()));
        }
        let tree = Self { folder, program };
        tree.bring_secrets();
        Ok(tree)
    }

    /// The copy with all optional parts taken: lines `# - part` of lists in kustomizations without their mark.
    ///
    /// # Errors
    /// As [`Tree::copy`].
    pub fn copy_with_everything() -> Result<Self, String> {
        let tree = Self::copy()?;
        for path in files(tree.folder.path()).into_iter().filter(|path| path.ends_with("kustomization.yaml")) {
            let text = fs::read_to_string(&path).expect("the copy can be read");
            let taken: String = text.lines().flat_map(|line| [take(line), "\n".into()]).collect();
            fs::write(&path, taken).expect("the copy can be written");
        }
        Ok(tree)
    }

    /// The rendering of a folder, with what is generated masked; panics with kustomize's words when there is none.
    #[track_caller]
    pub fn build(&self, folder: &str) -> String {
        let (first, rest) = self.program.split_first().expect("a program has a name");
        let output = run(Command::new(first).args(rest).arg(self.folder.path().join(folder)));
        masked(&String::from_utf8(output.stdout).expect("a rendering is UTF-8"))
    }

    /// Puts a file wherever a generator of Secrets wants one that is not in the repository.
    fn bring_secrets(&self) {
        for path in files(self.folder.path()).into_iter().filter(|path| path.ends_with("kustomization.yaml")) {
            let kustomization = read(&path);
            let generators = kustomization["secretGenerator"].as_array().into_iter().flatten();
            for file in generators.flat_map(|generator| generator["files"].as_array().into_iter().flatten()) {
                let entry = file.as_str().expect("a file's name is text");
                let name = entry.split_once('=').map_or(entry, |(_key, name)| name);
                let place = path.parent().expect("a file is in a folder").join(name);
                fs::create_dir_all(place.parent().expect("a file is in a folder")).expect("the copy can be written");
                fs::write(&place, "placeholder").expect("the copy can be written");
            }
        }
    }
}

/// What a line offers, if it is an entry of a list that is marked as a comment.
fn offer(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix("# - ").filter(|entry| !entry.contains(' '))
}

/// An offered entry without its mark; any other line as it is.
fn take(line: &str) -> String {
    offer(line).map_or_else(
        || line.to_owned(),
        |entry| {
            let indent = line.len() - line.trim_start().len();
            format!("{}- {entry}", " ".repeat(indent))
        },
    )
}

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let documents = manifests::documents(&path.display().to_string(), &text);
    documents.into_iter().next().unwrap_or_default()
}

/// Files below a folder that belong to the repository, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(&next).unwrap_or_else(|e| panic!("{}: {e}", next.display())) {
            let path = entry.expect("a folder can be listed").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() {
                // Secrets of whoever runs the tests stay where they are.
                let skipped = name == "secrets" || OTHERS.contains(&name);
                if !skipped {
                    waiting.push(path);
                }
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The command that renders, or why there is none.
fn program() -> Result<&'static [&'static str], String> {
    const CANDIDATES: &[(&[&str], &[&str])] = &[
        (&["kustomize", "build"], &["kustomize", "version"]),
        (&["kubectl", "kustomize"], &["kubectl", "version", "--client"]),
    ];
    for (render, version) in CANDIDATES {
        let Ok(output) = Command::new(version[0]).args(&version[1..]).output() else { continue };
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        // "v5.4.3", or among other lines "Kustomize Version: v5.4.3".
        let line = said.lines().find(|line| line.starts_with("Kustomize")).or_else(|| said.lines().next());
        let number = line.and_then(|line| line.rsplit('v').next()).and_then(|rest| rest.split('.').next());
        if number.and_then(|number| number.trim().parse().ok()).is_some_and(|major: u32| major >= MAJOR) {
            return Ok(render);
        }
    }
    Err(format!("neither kustomize nor kubectl with kustomize {MAJOR} or later is installed"))
}

/// A rendering without what follows from the content of files: the hashes in generated names, and data of Secrets and
/// of ConfigMaps, but for single lines of the latter.
fn masked(text: &str) -> String {
    let mut text: String = text.to_owned();
    let names: Vec<String> = manifests::documents("rendering", &text)
        .iter()
        .filter(|object| object["kind"] == "ConfigMap" || object["kind"] == "Secret")
        .filter_map(|object| object["metadata"]["name"].as_str().map(str::to_owned))
        .collect();
    for name in names {
        let hash = name
            .rsplit_once('-')
            .filter(|(_, hash)| hash.len() == 10 && hash.chars().all(|character| HASH_CHARACTERS.contains(character)));
        if let Some((stem, _)) = hash {
            text = text.replace(&name, &format!("{stem}-{MASK}"));
        }
    }
    let mut out = String::new();
    for document in text.split("\n---\n") {
        let is = |kind: &str| document.lines().any(|line| line == format!("kind: {kind}"));
        let (config_map, secret) = (is("ConfigMap"), is("Secret"));
        let mut in_data = false;
        out += if out.is_empty() { "" } else { "---\n" };
        for line in document.lines() {
            if !line.starts_with(' ') && !line.is_empty() {
                in_data = (config_map || secret) && line == "data:";
            } else if in_data {
                // A key stands two columns in, what belongs to it further.
                let Some(entry) = line.strip_prefix("  ").filter(|entry| !entry.starts_with(' ') && !entry.is_empty())
                else {
                    continue;
                };
                let (key, value) = entry.split_once(':').unwrap_or((entry, ""));
                if secret || value.trim().is_empty() || value.trim_start().starts_with(['|', '>', '"']) {
                    out += &format!("  {key}: {MASK}\n");
                    continue;
                }
            }
            out += line;
            out += "\n";
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{masked, take};

    #[test]
    fn what_follows_from_files_is_masked() {
        let text = "apiVersion: v1\ndata:\n  a: one\n  b.yml: |\n    x: 1\n\n    y: 2\n  c: two\nkind: ConfigMap\n\
                    metadata:\n  name: web-5dt5fm6mdc\n---\nkind: Pod\nspec:\n  name: web-5dt5fm6mdc\n\
                    ---\ndata:\n  key: c2VjcmV0\nkind: Secret\n";
        let want = "apiVersion: v1\ndata:\n  a: one\n  b.yml: hash\n  c: two\nkind: ConfigMap\n\
                    metadata:\n  name: web-hash\n---\nkind: Pod\nspec:\n  name: web-hash\n\
                    ---\ndata:\n  key: hash\nkind: Secret\n";
        assert_eq!(masked(text), want);
    }

    #[test]
    fn optional_parts_are_taken_and_sentences_are_not() {
        assert_eq!(take("  # - ../../components/textfile"), "  - ../../components/textfile");
        assert_eq!(take("  # - not this one"), "  # - not this one");
        assert_eq!(take("  - images"), "  - images");
    }
}
