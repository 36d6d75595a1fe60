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

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "# callgrind format\nversion: 1\npart: 1\n\ndesc: Trigger: Program termination\n\n\
                          positions: line\nevents: Ir\nsummary: 100\n\n";

    /// The purpose of a file is the letter of its folder; library code has none.
    fn split(body: &str) -> Vec<(Option<char>, String, f64)> {
        let profile = Profile::parse(&format!("{HEADER}{body}")).unwrap();
        let purpose_of = |file: &str| file.split_once('/').and_then(|(folder, _)| folder.chars().next());
        let split = profile.split(purpose_of);
        split.into_iter().map(|((purpose, name), instructions)| (purpose, name, instructions)).collect()
    }

    #[track_caller]
    fn check(body: &str, want: &[(Option<char>, &str, f64)]) {
        let want: Vec<_> = want.iter().map(|(purpose, name, n)| (*purpose, (*name).to_owned(), *n)).collect();
        assert_eq!(split(body), want);
    }

    #[test]
    fn names_are_given_once_and_calls_are_no_cost_of_the_caller() {
        check(
            "fl=(1) a/main.rs\nfn=(1) main\n10 3\n+1 4\n* 5\ncfi=(2) b/work.rs\ncfn=(2) work\ncalls=2 7\n+2 50\n-1 6\n\
             jump=1 20\n*\n\nfl=(2)\nfn=(2)\n7 50\n\nfl=(1)\nfn=(1)\n30 2\ntotals: 70\n",
            &[(Some('a'), "main", 20.0), (Some('b'), "work", 50.0)],
        );
    }

    #[test]
    fn inlined_code_goes_by_its_own_file() {
        check(
            "fl=(1) a/main.rs\nfn=(1) main\n1 1\nfi=(2) b/page.rs\n2 10\nfi=(3) vec.rs\n3 100\nfe=(1)\n4 1000\n",
            &[(Some('a'), "main", 1001.0), (Some('b'), "main", 110.0)],
        );
    }

    #[test]
    fn a_generic_function_goes_by_what_it_was_made_for() {
        check(
            "fl=(1) iter.rs\nfn=(1) fold\n1 1\nfi=(2) b/page.rs\n2 10\nfe=(1)\n4 1000\n",
            &[(None, "fold", 1.0), (Some('b'), "fold", 1010.0)],
        );
    }

    #[test]
    fn a_library_function_is_shared_out_among_its_callers() {
        check(
            "fl=(1) a/main.rs\nfn=(1) main\n1 5\ncfi=(3) libc\ncfn=(3) memcpy\ncalls=1 0\n1 30\n\n\
             fl=(2) b/work.rs\nfn=(2) work\n1 7\ncfi=(3)\ncfn=(3)\ncalls=9 0\n1 10\n\n\
             fl=(3)\nfn=(3)\n0 40\n",
            &[
                (Some('a'), "main", 5.0),
                (Some('a'), "memcpy", 30.0),
                (Some('b'), "memcpy", 10.0),
                (Some('b'), "work", 7.0),
            ],
        );
    }

    #[test]
    fn through_other_library_functions_and_those_that_call_themselves() {
        check(
            "fl=(1) a/main.rs\nfn=(1) main\n1 5\ncfn=(2) sort\ncalls=1 0\n1 100\n\n\
             fl=(3) libc\nfn=(2)\n0 20\ncfn=(2)\ncalls=3 0\n0 500\ncfn=(3) swap\ncalls=1 0\n0 80\n\n\
             fl=(3)\nfn=(3)\n0 80\n",
            &[(Some('a'), "main", 5.0), (Some('a'), "sort", 20.0), (Some('a'), "swap", 80.0)],
        );
    }

    #[test]
    fn nobodys_costs_are_nobodys() {
        check(
            "fl=(1) libc\nfn=(1) start\n0 5\ncfn=(2) exit\ncalls=1 0\n0 9\n\nfl=(1)\nfn=(2)\n0 9\n",
            &[(None, "exit", 9.0), (None, "start", 5.0)],
        );
    }

    #[test]
    fn other_formats_are_refused() {
        for (text, want) in [
            ("", "neither positions nor events"),
            ("positions: instr line\nevents: Ir\n", "line 1: not lines"),
            ("positions: line\nevents: Ir Dr Dw\n", "line 2: not lines"),
            ("positions: line\nevents: Ir\n1 2\n", "line 3: a cost of no function"),
            ("positions: line\nevents: Ir\nfn=(1) f\n1 x\n", "line 4: invalid digit"),
            ("positions: line\nevents: Ir\nfn=(1)\n", "line 3: (1) was never named"),
            ("positions: line\nevents: Ir\nfn=(1) f\ncalls=1 2\n1 2\n", "line 5: a call of nothing"),
        ] {
            let reason = Profile::parse(text).unwrap_err();
            assert!(reason.starts_with(want), "{text:?}: {reason}");
        }
    }
}
