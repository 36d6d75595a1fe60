//! What callgrind counted: its file of costs, and what they were for.
//!
//! * The format is that of "Callgrind Format Specification" in Valgrind's manual, with lines as positions and instructions
//!   as the only event.
//! * Line tables tell inlined code from the function around it, so that a cost goes by the source file of its line.
//! * Code that serves everything (the standard library, libc) has no purpose of its own: inlined, it has that of the code
//!   before it in the same function; a function of its own is shared out among its callers.

use std::collections::{BTreeMap, HashMap};

/// Rounds in which functions without a purpose pass their cost on to their callers; no chain of them is as long.
const ROUNDS: usize = 64;

/// A file of costs.
#[derive(Debug, Default)]
pub struct Profile {
    functions: Vec<Function>,
}

#[derive(Debug)]
struct Function {
    name: String,
    /// In the order of the code.
    costs: Vec<Cost>,
}

/// What a line cost, or what a call in it did.
#[derive(Debug)]
struct Cost {
    file: String,
    instructions: u64,
    /// The function that was called; the instructions are then its own and those of all that it called.
    callee: Option<usize>,
}

/// What the instructions of each function were for; `None` where not even a caller had a purpose.
pub type Split<P> = BTreeMap<(Option<P>, String), f64>;

impl Profile {
    /// Reads a file of costs.
    ///
    /// # Errors
    ///
    /// When it is of another format, or counts something else.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader::default();
        for (n, line) in text.lines().enumerate() {
            reader.line(line).map_err(|reason| format!("line {}: {reason}: {line:?}", n + 1))?;
        }
        match reader.counts_instructions {
            true => Ok(Self { functions: reader.functions }),
            false => Err("neither positions nor events are named".to_owned()),
        }
    }

    /// Divides all instructions by the purpose of the source file they stand in.
    pub fn split<P: Copy + Ord>(&self, purpose_of: impl Fn(&str) -> Option<P>) -> Split<P> {
        let mut own: Vec<BTreeMap<Option<P>, f64>> = vec![BTreeMap::new(); self.functions.len()];
        // Callers of each function: who, for what, and for how many instructions.
        let mut callers: Vec<Vec<(usize, Option<P>, f64)>> = vec![Vec::new(); self.functions.len()];
        for (caller, function) in self.functions.iter().enumerate() {
            let mut purpose = None;
            for cost in &function.costs {
                purpose = purpose_of(&cost.file).or(purpose);
                match cost.callee {
                    Some(callee) => callers[callee].push((caller, purpose, cost.instructions as f64)),
                    None => *own[caller].entry(purpose).or_default() += cost.instructions as f64,
                }
            }
        }
        let shares = shares(&callers);
        let mut split = Split::new();
        for ((function, own), shares) in self.functions.iter().zip(own).zip(shares) {
            for (purpose, instructions) in own {
                let mut add = |purpose, part: f64| {
                    *split.entry((purpose, function.name.clone())).or_default() += instructions * part;
                };
                if purpose.is_some() {
                    add(purpose, 1.0);
                    continue;
                }
                for (purpose, part) in &shares {
                    add(Some(*purpose), *part);
                }
                let left = 1.0 - shares.values().sum::<f64>();
                if left > 1e-9 {
                    add(None, left);
                }
            }
        }
        split
    }
}

/// For how much of its time each function worked for each purpose of its callers, directly or through others.
fn shares<P: Copy + Ord>(callers: &[Vec<(usize, Option<P>, f64)>]) -> Vec<BTreeMap<P, f64>> {
    let mut shares = vec![BTreeMap::new(); callers.len()];
    for _ in 0..ROUNDS {
        let next = callers.iter().enumerate().map(|(function, callers)| {
            // What a function spends calling itself says nothing about whom it is for.
            let callers = || callers.iter().filter(|(caller, purpose, _)| *caller != function || purpose.is_some());
            let all: f64 = callers().map(|(_, _, instructions)| instructions).sum();
            let mut of: BTreeMap<P, f64> = BTreeMap::new();
            for (caller, purpose, instructions) in callers().filter(|_| all > 0.0) {
                match purpose {
                    Some(purpose) => *of.entry(*purpose).or_default() += instructions / all,
                    None => {
                        for (purpose, part) in &shares[*caller] {
                            *of.entry(*purpose).or_default() += part * instructions / all;
                        }
                    }
                }
            }
            of
        });
        shares = next.collect();
    }
    shares
}

#[derive(Default)]
struct Reader {
    counts_instructions: bool,
    files: Names,
    names: Names,
    functions: Vec<Function>,
    /// Functions by name.
    known: HashMap<String, usize>,
    /// The function and the source file that costs belong to.
    function: Option<usize>,
    file: String,
    /// The function that a call goes to, and whether the next line has what that cost.
    callee: Option<usize>,
    called: bool,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), String> {
        if line.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '*')) {
            return self.cost(line);
        }
        let Some((key, value)) = line.split_once('=') else { return self.header(line) };
        match key {
            // A function stands in the file it is defined in; its inlined parts say theirs.
            "fl" | "fi" | "fe" => self.file = self.files.resolve(value)?,
            "fn" => self.function = Some(self.function(value)?),
            "cfn" => self.callee = Some(self.function(value)?),
            // Nothing is done with the file of a callee, but its number may be explained here.
            "cfi" | "cfl" => drop(self.files.resolve(value)?),
            "calls" => self.called = true,
            _ => {}
        }
        Ok(())
    }

    fn header(&mut self, line: &str) -> Result<(), String> {
        match line.split_once(": ") {
            Some(("positions", "line")) => Ok(()),
            Some(("events", "Ir")) => {
                self.counts_instructions = true;
                Ok(())
            }
            Some(("positions" | "events", _)) => Err("not lines and instructions alone".to_owned()),
            _ => Ok(()),
        }
    }

    fn function(&mut self, value: &str) -> Result<usize, String> {
        let name = self.names.resolve(value)?;
        let functions = &mut self.functions;
        Ok(*self.known.entry(name.clone()).or_insert_with(|| {
            functions.push(Function { name, costs: Vec::new() });
            functions.len() - 1
        }))
    }

    fn cost(&mut self, line: &str) -> Result<(), String> {
        // Costs of 0 may be left out, for example those of a jump.
        let instructions = line.split(' ').nth(1).unwrap_or("0");
        let instructions = instructions.parse().map_err(|e| format!("{e}"))?;
        let callee = if self.called { self.callee.take() } else { None };
        if std::mem::take(&mut self.called) && callee.is_none() {
            return Err("a call of nothing".to_owned());
        }
        let function = self.function.and_then(|function| self.functions.get_mut(function));
        let function = function.ok_or("a cost of no function")?;
        function.costs.push(Cost { file: self.file.clone(), instructions, callee });
        Ok(())
    }
}

/// Names that stand in full the first time and as a number afterwards.
#[derive(Default)]
struct Names(HashMap<String, String>);

impl Names {
    /// `(7) name`, `(7)` or `name`.
    fn resolve(&mut self, text: &str) -> Result<String, String> {
        let Some((id, name)) = text.strip_prefix('(').and_then(|rest| rest.split_once(')')) else {
            return Ok(text.to_owned());
        };
        match name.trim_start() {
            "" => self.0.get(id).cloned().ok_or_else(|| format!("({id}) was never named")),
            name => {
                self.0.insert(id.to_owned(), name.to_owned());
                Ok(name.to_owned())
            }
        }
    }
}
