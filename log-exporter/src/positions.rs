//! The position file: how far each log file was read, for the process that comes next.
//!
//! JSON, written beside its name and then moved there, so that no reader sees half of it. What is in it is checked like any
//! foreign text: an entry that makes no sense costs itself.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::tail::{Key, Print};

/// A thousand containers take some 500 KB.
const MOST_BYTES: u64 = 32 << 20;

/// What was saved.
#[derive(Debug, Default, PartialEq)]
pub struct Saved {
    /// By directory: `<namespace>_<pod>_<uid>/<container>`.
    pub containers: HashMap<String, SavedContainer>,
    /// Directories of containers that were not to be read.
    pub ignored: BTreeSet<String>,
}

/// What was saved about the files in one directory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SavedContainer {
    /// When each pattern matched last, in seconds since 1970.
    pub last_matches: Vec<(String, f64)>,
    /// The files.
    pub files: Vec<SavedFile>,
}

/// How far one file was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SavedFile {
    /// Which file.
    pub key: Key,
    /// What it begins with.
    pub print: Print,
    /// Where each stream goes on.
    pub positions: [u64; 3],
}

/// Reads a position file; `None` when there is none.
///
/// # Errors
/// It cannot be read, or is something else.
pub fn load(path: &Path) -> io::Result<Option<Saved>> {
    let file = match crate::tail::open(path) {
        Ok((file, _)) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let mut text = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut text)?;
    parse(&text).map(Some).map_err(io::Error::other)
}

/// Reads the text of a position file.
///
/// # Errors
/// It is no JSON of ours, in one line.
pub fn parse(text: &[u8]) -> Result<Saved, String> {
    let root: Value = serde_json::from_slice(text).map_err(|e| format!("expected a position file: {e}"))?;
    if root.get("version") != Some(&json!(1)) {
        return Err("expected a position file of version 1".to_owned());
    }
    let containers = root.get("containers").and_then(Value::as_object);
    let containers = containers.ok_or("expected containers in the position file")?;
    let containers = containers.iter().map(|(directory, entry)| (directory.clone(), container(entry))).collect();
    let ignored = root.get("ignored").and_then(Value::as_array).into_iter().flatten();
    let ignored = ignored.filter_map(|directory| Some(directory.as_str()?.to_owned())).collect();
    Ok(Saved { containers, ignored })
}

fn container(entry: &Value) -> SavedContainer {
    let matches = entry.get("last_matches").and_then(Value::as_object).into_iter().flatten();
    let last_matches = matches.filter_map(|(pattern, seconds)| Some((pattern.clone(), seconds.as_f64()?))).collect();
    let files = entry.get("files").and_then(Value::as_array).into_iter().flatten().filter_map(file).collect();
    SavedContainer { last_matches, files }
}

fn file(entry: &Value) -> Option<SavedFile> {
    let number = |name: &str| entry.get(name)?.as_u64();
    let positions: Vec<u64> = entry.get("positions")?.as_array()?.iter().filter_map(Value::as_u64).collect();
    Some(SavedFile {
        key: Key { dev: number("device")?, ino: number("inode")? },
        print: Print { length: number("begins_length")?, hash: number("begins_hash")? },
        positions: positions.try_into().ok()?,
    })
}

/// The text of a position file.
pub fn text(saved: &Saved) -> Vec<u8> {
    let containers: Map<String, Value> =
        saved.containers.iter().map(|(directory, container)| (directory.clone(), entry(container))).collect();
    let root = json!({"version": 1, "containers": containers, "ignored": saved.ignored});
    let mut text = root.to_string().into_bytes();
    text.push(b'\n');
    text
}

fn entry(container: &SavedContainer) -> Value {
    let matches: Map<String, Value> =
        container.last_matches.iter().map(|(pattern, seconds)| (pattern.clone(), json!(seconds))).collect();
    let files: Vec<Value> = container
        .files
        .iter()
        .map(|file| {
            json!({
                "device": file.key.dev,
                "inode": file.key.ino,
                "begins_length": file.print.length,
                "begins_hash": file.print.hash,
                "positions": file.positions,
            })
        })
        .collect();
    json!({"last_matches": matches, "files": files})
}

/// Puts a text in the place of a file: whole, or not at all.
///
/// # Errors
/// Those of the system; the file is what it was.
pub fn store(path: &Path, text: &[u8]) -> io::Result<()> {
    // Neither a device nor a link is to be replaced.
    if fs::symlink_metadata(path).is_ok_and(|meta| !meta.is_file()) {
        return Err(io::Error::other("expected a regular file, or none"));
    }
    let beside = beside(path);
    let written = (|| {
        let mut file = File::create(&beside)?;
        file.write_all(text)?;
        file.sync_all()?;
        drop(file);
        fs::rename(&beside, path)
    })();
    if written.is_err() {
        // A full disk is not to hold half a file for ever.
        let _absent = fs::remove_file(&beside);
    }
    written
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Saved {
        let file = SavedFile {
            key: Key { dev: 1, ino: u64::MAX },
            print: Print { length: 128, hash: u64::MAX - 1 },
            positions: [1, 2, 1 << 60],
        };
        let container = SavedContainer {
            last_matches: vec![("error".to_owned(), 1_795_341_607.555_007_5)],
            files: vec![file, file],
        };
        let ignored = BTreeSet::from(["n_p_u/other".to_owned()]);
        Saved { containers: HashMap::from([("n_p_u/c".to_owned(), container)]), ignored }
    }

    #[test]
    fn there_and_back() {
        assert_eq!(parse(&text(&sample())), Ok(sample()));
        assert_eq!(parse(&text(&Saved::default())), Ok(Saved::default()));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("positions");
        assert_eq!(load(&path).unwrap(), None);
        for _ in 0..2 {
            store(&path, &text(&sample())).unwrap();
            assert_eq!(load(&path).unwrap(), Some(sample()));
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(store(folder.path(), b"x").is_err());
        assert!(load(folder.path()).is_err());
    }

    #[test]
    fn cut_short_and_garbage() {
        let whole = text(&sample());
        for end in 0..whole.len() - 2 {
            assert!(parse(&whole[..end]).is_err(), "{end}");
        }
        for bad in ["", "[]", "{}", r#"{"version":2,"containers":{}}"#, r#"{"version":1}"#, "\0"] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
        let odd = br#"{"version":1,"containers":{"a":null,"b":{"files":[{},{"device":1}],"last_matches":{"x":"y"}}},"ignored":[1,"c"]}"#;
        let saved = parse(odd).unwrap();
        assert_eq!(saved.containers["b"], SavedContainer::default());
        assert_eq!(saved.ignored, BTreeSet::from(["c".to_owned()]));
    }
}
