//! Tables of the README, for tests that hold the programs to them.

use std::fs;
use std::path::Path;

/// A table between two comments, `<!-- NAME: …` and `<!-- end of NAME -->`.
#[derive(Debug)]
pub struct Table {
    /// Its rows, without the heading.
    pub rows: Vec<Row>,
}

/// The cells of a row.
#[derive(Debug)]
pub struct Row(Vec<String>);

/// Reads a table; panics when it is not there.
#[track_caller]
pub fn table(name: &str) -> Table {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let (begin, end) = (format!("<!-- {name}: "), format!("<!-- end of {name} -->"));
    let text = readme.split_once(&begin).and_then(|(_, rest)| Some(rest.split_once(&end)?.0));
    let lines = text.unwrap_or_else(|| panic!("README.md has no table {name}")).lines();
    let rows: Vec<Row> = lines.filter(|line| line.starts_with("| ")).skip(1).map(Row::new).collect();
    assert!(!rows.is_empty(), "README.md: the table {name} is empty");
    Table { rows }
}

impl Row {
    fn new(line: &str) -> Self {
        Self(line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect())
    }

    /// The names in the first cell.
    pub fn names(&self) -> Vec<&str> {
        self.quoted(0)
    }

    /// A cell; empty when there is none.
    pub fn cell(&self, cell: usize) -> &str {
        self.0.get(cell).map_or("", String::as_str)
    }

    /// What stands between backticks in a cell.
    pub fn quoted(&self, cell: usize) -> Vec<&str> {
        self.cell(cell).split('`').skip(1).step_by(2).collect()
    }
}
