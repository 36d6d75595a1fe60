//! Reads Go's syntax (`regexp/syntax` with its Perl flags, as `regexp.Compile` does) and writes the same expression in the
//! engine's syntax, with every flag spelt out where it counts, so nothing depends on what the engine makes of a flag.
//!
//! Refused as in Go: repetition of nothing or of a repetition (`*a`, `a**`, `a{2}{3}`), counts over 1000 (also multiplied over
//! nested repetitions), unknown escapes (every letter and digit that means nothing, and any character beyond ASCII), unknown
//! flags, look-around and names that are not letters, digits and `_`.

use std::fmt::Write as _;

use super::class;

/// How deep groups, repetitions, sequences and choices may be nested.
const MAX_NESTING: u32 = 1000;

/// The same for the engine, which counts a group, its sequence and its repetition as three.
pub(super) const ENGINE_NESTING: u32 = 4 * MAX_NESTING;

/// How often something may be repeated, also multiplied over nested repetitions.
const MAX_COUNT: u32 = 1000;

/// An expression for the engine.
pub(super) struct Translated {
    pub(super) pattern: String,
    /// What each group is called, without group 0.
    pub(super) names: Vec<Option<Box<str>>>,
    /// How deep it is nested, all in all.
    pub(super) nesting: u32,
}

#[derive(Clone, Copy, Default)]
struct Flags {
    ignore_case: bool,
    lines: bool,
    dot_takes_newline: bool,
    lazy: bool,
}

/// What a repetition may follow, in the engine's syntax.
struct Item {
    text: String,
    /// The most that nested repetitions multiply to.
    count: u32,
    nesting: u32,
}

/// A group that is open; the whole expression is the outermost.
struct Group {
    opening: &'static str,
    flags_before: Flags,
    branches: Vec<Item>,
    items: Vec<Item>,
}

struct Translator<'a> {
    rest: &'a str,
    flags: Flags,
    open: Vec<Group>,
    names: Vec<Option<Box<str>>>,
}

pub(super) fn translate(source: &str) -> Result<Translated, String> {
    let mut translator = Translator {
        rest: source,
        flags: Flags::default(),
        open: vec![Group::new("(?:", Flags::default())],
        names: Vec::new(),
    };
    translator.run()?;
    let Translator { mut open, names, .. } = translator;
    match (open.pop(), open.is_empty()) {
        (Some(whole), true) => {
            let whole = whole.close()?;
            Ok(Translated { pattern: whole.text, names, nesting: whole.nesting })
        }
        _ => Err("group: expected ), found the end".to_owned()),
    }
}

impl Group {
    fn new(opening: &'static str, flags_before: Flags) -> Self {
        Self { opening, flags_before, branches: Vec::new(), items: Vec::new() }
    }

    fn end_branch(&mut self) {
        let items = std::mem::take(&mut self.items);
        let branch = Item::over(&items, "");
        self.branches.push(branch);
    }

    fn close(mut self) -> Result<Item, String> {
        let plain = self.opening == "(?:" && self.branches.is_empty() && self.items.len() == 1;
        if plain && let Some(item) = self.items.pop() {
            return Ok(item);
        }
        self.end_branch();
        let Self { opening, branches, .. } = self;
        let inner = Item::over(&branches, "|");
        let nesting = inner.nesting + u32::from(opening == "(");
        if nesting > MAX_NESTING {
            return Err(format!("group: expected at most {MAX_NESTING} levels, found more"));
        }
        Ok(Item { text: format!("{opening}{})", inner.text), nesting, ..inner })
    }
}

impl Item {
    fn new(text: String) -> Self {
        Self { text, count: 1, nesting: 1 }
    }

    /// Several in a row.
    fn over(items: &[Self], between: &str) -> Self {
        let texts: Vec<&str> = items.iter().map(|item| item.text.as_str()).collect();
        let nesting = items.iter().map(|item| item.nesting).max().unwrap_or(0) + u32::from(items.len() != 1);
        Self { text: texts.join(between), count: items.iter().map(|item| item.count).max().unwrap_or(1), nesting }
    }
}

impl<'a> Translator<'a> {
    fn run(&mut self) -> Result<(), String> {
        let mut after_repetition = false;
        while let Some(first) = self.rest.chars().next() {
            let repetition = match first {
                '*' => Some((0, None, 1)),
                '+' => Some((1, None, 1)),
                '?' => Some((0, Some(1), 1)),
                '{' => counts(self.rest),
                _ => None,
            };
            if let Some((least, most, length)) = repetition {
                self.skip(length);
                self.repeat(least, most, after_repetition)?;
            } else {
                self.item(first)?;
            }
            after_repetition = repetition.is_some();
        }
        Ok(())
    }

    fn item(&mut self, first: char) -> Result<(), String> {
        match first {
            '(' if self.rest.starts_with("(?") => return self.flags_or_group(),
            '(' => {
                self.skip(1);
                self.names.push(None);
                self.open.push(Group::new("(", self.flags));
            }
            '|' => {
                self.skip(1);
                if let Some(group) = self.open.last_mut() {
                    group.end_branch();
                }
            }
            ')' => {
                self.skip(1);
                let group = if self.open.len() > 1 { self.open.pop() } else { None };
                let group = group.ok_or("group: expected ( before ), found none")?;
                self.flags = group.flags_before;
                self.push(group.close()?);
            }
            '^' => self.push_skipping(1, if self.flags.lines { "(?m:^)" } else { r"\A" }),
            '$' => self.push_skipping(1, if self.flags.lines { "(?m:$)" } else { r"\z" }),
            '.' => self.push_skipping(1, if self.flags.dot_takes_newline { "(?s:.)" } else { r"[^\n]" }),
            '[' => {
                let set = self.class()?;
                self.push_set(set);
            }
            '\\' => return self.escape(),
            literal => {
                self.skip(literal.len_utf8());
                self.push_literal(literal.into());
            }
        }
        Ok(())
    }

    /// What a backslash outside a class begins.
    fn escape(&mut self) -> Result<(), String> {
        let letter = self.rest.get(1..).and_then(|rest| rest.chars().next());
        match letter {
            Some('A') => self.push_skipping(2, r"\A"),
            Some('z') => self.push_skipping(2, r"\z"),
            Some('b') => self.push_skipping(2, r"(?-u:\b)"),
            Some('B') => self.push_skipping(2, r"(?-u:\B)"),
            Some('Q') => {
                let quoted = self.rest.get(2..).unwrap_or_default();
                let (quoted, rest) = quoted.split_once(r"\E").unwrap_or((quoted, ""));
                self.rest = rest;
                for literal in quoted.chars() {
                    self.push_literal(literal.into());
                }
            }
            _ => match self.named_class()? {
                Some(set) => self.push_set(set),
                None => {
                    let literal = self.escaped_character()?;
                    self.push_literal(literal);
                }
            },
        }
        Ok(())
    }

    /// `(?flags)`, `(?flags:…)`, `(?P<name>…)` or `(?<name>…)`.
    fn flags_or_group(&mut self) -> Result<(), String> {
        let inner = self.rest.get(2..).unwrap_or_default();
        if let Some(named) = inner.strip_prefix("P<").or_else(|| inner.strip_prefix('<')) {
            let name = named.split_once('>').map(|(name, rest)| {
                self.rest = rest;
                name
            });
            let good =
                |name: &&str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            let name =
                name.filter(good).ok_or("group: expected a name of letters, digits and _ in <>, found another")?;
            self.names.push(Some(name.into()));
            self.open.push(Group::new("(", self.flags));
            return Ok(());
        }
        let before = self.flags;
        let (mut on, mut since_minus) = (true, 0);
        for (at, letter) in inner.char_indices() {
            let flag = match letter {
                'i' => &mut self.flags.ignore_case,
                'm' => &mut self.flags.lines,
                's' => &mut self.flags.dot_takes_newline,
                'U' => &mut self.flags.lazy,
                '-' if on => {
                    on = false;
                    continue;
                }
                ':' | ')' if on || since_minus > 0 => {
                    self.rest = inner.get(at + 1..).unwrap_or_default();
                    if letter == ':' {
                        self.open.push(Group::new("(?:", before));
                    }
                    return Ok(());
                }
                _ => break,
            };
            *flag = on;
            since_minus += usize::from(!on);
        }
        Err("group: expected after (? flags of i, m, s and U or a name in <>, found something else".to_owned())
    }

    fn repeat(&mut self, least: u32, most: Option<u32>, after_repetition: bool) -> Result<(), String> {
        let lazy = self.rest.starts_with('?');
        if lazy {
            self.skip(1);
        }
        if after_repetition {
            return Err("repetition: expected something to repeat, found another repetition".to_owned());
        }
        if least > MAX_COUNT || most.is_some_and(|most| most > MAX_COUNT || most < least) {
            return Err(format!("repetition: expected counts up to {MAX_COUNT} in rising order, found others"));
        }
        let item = self.open.last_mut().and_then(|group| group.items.pop());
        let item = item.ok_or("repetition: expected something to repeat, found nothing")?;
        let plain = matches!((least, most), (0 | 1, None) | (0, Some(1)));
        // As in Go, what is repeated at most 0 times may hold any count.
        let count = match most {
            _ if plain => item.count,
            Some(0) => 1,
            most => most.unwrap_or(least).max(1).saturating_mul(item.count),
        };
        let nesting = item.nesting + 1;
        if count > MAX_COUNT && most.unwrap_or(least).max(least) >= 2 {
            return Err(format!("repetition: expected at most {MAX_COUNT} over nested repetitions, found more"));
        }
        if nesting > MAX_NESTING {
            return Err(format!("repetition: expected at most {MAX_NESTING} levels, found more"));
        }
        let mut text = format!("(?:{})", item.text);
        let written = match (least, most) {
            (0, None) => write!(text, "*"),
            (1, None) => write!(text, "+"),
            (0, Some(1)) => write!(text, "?"),
            (least, None) => write!(text, "{{{least},}}"),
            (least, Some(most)) => write!(text, "{{{least},{most}}}"),
        };
        // Writing to a string cannot fail.
        let _ = written;
        if lazy != self.flags.lazy {
            text.push('?');
        }
        self.push(Item { text, count, nesting });
        Ok(())
    }

    /// `[…]`.
    fn class(&mut self) -> Result<String, String> {
        self.skip(1);
        let negated = self.rest.starts_with('^');
        self.skip(usize::from(negated));
        let (mut set, mut first) = (String::new(), true);
        while first || !self.rest.starts_with(']') {
            first = false;
            if let Some((name, rest)) = self.rest.strip_prefix("[:").and_then(|rest| rest.split_once(":]")) {
                set.push_str(&class::posix(name).ok_or("class: expected the name of a class in [: :], found another")?);
                self.rest = rest;
            } else if let Some(named) = self.named_class()? {
                set.push_str(&named);
            } else {
                let low = self.class_character()?;
                let range = self.rest.starts_with('-') && self.rest.len() > 1 && !self.rest.starts_with("-]");
                let high = if range {
                    self.skip(1);
                    self.class_character()?
                } else {
                    low
                };
                if high < low {
                    return Err("class: expected a range in rising order, found a falling one".to_owned());
                }
                class::push_range(&mut set, low, high);
            }
        }
        self.skip(1);
        Ok(class::bracketed(&set, negated))
    }

    fn class_character(&mut self) -> Result<u32, String> {
        match self.rest.chars().next() {
            None => Err("class: expected ], found the end".to_owned()),
            Some('\\') => self.escaped_character(),
            Some(literal) => {
                self.skip(literal.len_utf8());
                Ok(literal.into())
            }
        }
    }

    /// `\d`, `\pL`, `\p{Greek}` and their like, if there is one here.
    fn named_class(&mut self) -> Result<Option<String>, String> {
        let mut letters = self.rest.chars();
        let (Some('\\'), Some(letter)) = (letters.next(), letters.next()) else { return Ok(None) };
        if !matches!(letter, 'p' | 'P') {
            let set = class::perl(letter);
            self.skip(if set.is_some() { 2 } else { 0 });
            return Ok(set);
        }
        let rest = letters.as_str();
        let (name, rest) = match rest.strip_prefix('{') {
            Some(rest) => rest.split_once('}').ok_or(r"class: expected } after \p{, found none")?,
            None => rest.split_at(rest.chars().next().map_or(0, char::len_utf8)),
        };
        self.rest = rest;
        let set = class::unicode(name, letter == 'P')
            .ok_or(r"class: expected a category or a script after \p, found another")?;
        Ok(Some(set))
    }

    /// The character that an escape stands for; it may be a surrogate.
    fn escaped_character(&mut self) -> Result<u32, String> {
        let mut rest = self.rest.chars();
        rest.next();
        let letter = rest.next().ok_or("escape: expected a character after \\, found the end")?;
        let character = match letter {
            'a' => Some(0x07),
            'f' => Some(0x0C),
            'n' => Some(0x0A),
            'r' => Some(0x0D),
            't' => Some(0x09),
            'v' => Some(0x0B),
            // One digit other than 0 would be a reference back.
            '0'..='7' => {
                let digits = rest.as_str().bytes().take(2).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
                let octal = rest.as_str().get(..digits).unwrap_or_default();
                rest = rest.as_str().get(digits..).unwrap_or_default().chars();
                let known = letter == '0' || digits > 0;
                known.then(|| {
                    octal.bytes().fold(u32::from(letter) - 0x30, |sum, digit| sum * 8 + u32::from(digit - b'0'))
                })
            }
            'x' => match rest.next() {
                Some('{') => rest.as_str().split_once('}').and_then(|(digits, after)| {
                    rest = after.chars();
                    hexadecimal(digits)
                }),
                Some(high) => rest.next().and_then(|low| hexadecimal(&String::from_iter([high, low]))),
                None => None,
            },
            other => (other.is_ascii() && !other.is_ascii_alphanumeric()).then_some(other.into()),
        };
        self.rest = rest.as_str();
        character.ok_or_else(|| "escape: expected one that Go's regular expressions know, found another".to_owned())
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn push(&mut self, item: Item) {
        if let Some(group) = self.open.last_mut() {
            group.items.push(item);
        }
    }

    fn push_skipping(&mut self, bytes: usize, text: &str) {
        self.skip(bytes);
        self.push(Item::new(text.to_owned()));
    }

    fn push_literal(&mut self, literal: u32) {
        let Some(literal) = char::from_u32(literal) else { return self.push(Item::new(class::NOTHING.to_owned())) };
        let mut buffer = [0; 4];
        let text = regex::escape(literal.encode_utf8(&mut buffer));
        let cased = self.flags.ignore_case && (literal.is_ascii_alphabetic() || !literal.is_ascii());
        self.push(Item::new(if cased { format!("(?i:{text})") } else { text }));
    }

    fn push_set(&mut self, set: String) {
        self.push(Item::new(if self.flags.ignore_case { format!("(?i:{set})") } else { set }));
    }
}

fn hexadecimal(digits: &str) -> Option<u32> {
    // The standard library would take a sign.
    let good = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let digits = digits.trim_start_matches('0');
    let number = if digits.is_empty() { Some(0) } else { u32::from_str_radix(digits, 16).ok() };
    number.filter(|number| good && *number <= u32::from(char::MAX))
}

/// The counts of `{2}`, `{2,}` or `{2,3}` and the length of it all; any other `{` is a plain character.
fn counts(text: &str) -> Option<(u32, Option<u32>, usize)> {
    let (inside, _) = text.strip_prefix('{')?.split_once('}')?;
    let (least, most) = match inside.split_once(',') {
        None => (count(inside)?, Some(count(inside)?)),
        Some((least, "")) => (count(least)?, None),
        Some((least, most)) => (count(least)?, Some(count(most)?)),
    };
    Some((least, most, inside.len() + 2))
}

/// A number without leading zeros. One that is too big for us is still a count, and refused as such.
fn count(digits: &str) -> Option<u32> {
    let good = !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits.len() == 1 || !digits.starts_with('0'));
    good.then(|| digits.parse().unwrap_or(u32::MAX))
}
