//! The grammar: tokens in, a tree out, with the macros (`has`, `all`, `exists`, `exists_one`, `map`, `filter`) recognised.
//!
//! Source: the grammar of the CEL language definition. Operators become calls by their names there, such as `_+_`.

use super::token::{Token, tokens};

/// How deep an expression may be nested, which takes stack; chains of `&&` and `||` count once, those of other operators do not.
const MAX_DEPTH: usize = 100;

const RESERVED: &[&str] = &[
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
];

const RELATIONS: &[(&str, &str)] =
    &[("==", "_==_"), ("!=", "_!=_"), ("<", "_<_"), ("<=", "_<=_"), (">", "_>_"), (">=", "_>=_")];

#[derive(Debug)]
pub(super) struct Expr {
    pub(super) kind: Kind,
    depth: usize,
}

#[derive(Debug)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    /// A name; one with a leading dot means no variable of a macro.
    Name {
        name: String,
        global: bool,
    },
    Select(Box<Expr>, String),
    Has(Box<Expr>, String),
    /// The first of the arguments is the receiver of a member call.
    Call {
        function: String,
        member: bool,
        arguments: Vec<Expr>,
    },
    And(Vec<Expr>),
    Or(Vec<Expr>),
    List(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
    Each {
        what: Each,
        range: Box<Expr>,
        variable: String,
        first: Box<Expr>,
        second: Option<Box<Expr>>,
    },
}

/// A macro that goes over a list, or over the keys of a map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Each {
    All,
    Exists,
    ExistsOne,
    Filter,
    /// Only where the first expression holds, if there are two.
    Map,
}

pub(super) fn parse(source: &str) -> Result<Expr, String> {
    let mut tokens = tokens(source)?;
    tokens.reverse();
    let mut parser = Parser { tokens, depth: 0 };
    let expr = parser.expr()?;
    match parser.peek() {
        Token::End => Ok(expr),
        found => Err(format!("expected the end, found {}", show(found))),
    }
}

struct Parser {
    /// Last one first.
    tokens: Vec<Token>,
    depth: usize,
}

impl Parser {
    /// condition ? value : value, or less.
    fn expr(&mut self) -> Result<Expr, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(too_deep());
        }
        let condition = self.or()?;
        let expr = if self.eat("?") {
            let yes = self.or()?;
            self.expect(":")?;
            let no = self.expr()?;
            call("_?_:_", vec![condition, yes, no])?
        } else {
            condition
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn or(&mut self) -> Result<Expr, String> {
        let mut terms = vec![self.and()?];
        while self.eat("||") {
            terms.push(self.and()?);
        }
        one_or(terms, Kind::Or)
    }

    fn and(&mut self) -> Result<Expr, String> {
        let mut terms = vec![self.operation(0)?];
        while self.eat("&&") {
            terms.push(self.operation(0)?);
        }
        one_or(terms, Kind::And)
    }

    /// Operators of two sides: relations bind least (0), then sums, then products (2).
    fn operation(&mut self, least: u8) -> Result<Expr, String> {
        let mut left = self.unary()?;
        while let Some((function, strength)) = self.operator().filter(|(_, strength)| *strength >= least) {
            self.next();
            let right = self.operation(strength + 1)?;
            left = call(function, vec![left, right])?;
        }
        Ok(left)
    }

    fn operator(&self) -> Option<(&'static str, u8)> {
        match self.peek() {
            Token::Word(word) if word == "in" => Some(("@in", 0)),
            Token::Mark("+") => Some(("_+_", 1)),
            Token::Mark("-") => Some(("_-_", 1)),
            Token::Mark("*") => Some(("_*_", 2)),
            Token::Mark("/") => Some(("_/_", 2)),
            Token::Mark("%") => Some(("_%_", 2)),
            Token::Mark(mark) => RELATIONS.iter().find(|(known, _)| known == mark).map(|(_, function)| (*function, 0)),
            _ => None,
        }
    }

    /// Two of the same sign cancel out, whatever they stand before.
    fn unary(&mut self) -> Result<Expr, String> {
        for (mark, function) in [("!", "!_"), ("-", "-_")] {
            let mut odd = false;
            let mut any = false;
            while self.eat(mark) {
                (any, odd) = (true, !odd);
            }
            if !any {
                continue;
            }
            let number = match (mark, self.peek()) {
                ("-", Token::Int(number)) if odd => {
                    Some(Kind::Int(0_i64.checked_sub_unsigned(*number).ok_or(too_big())?))
                }
                ("-", Token::Double(number)) if odd => Some(Kind::Double(-number)),
                _ => None,
            };
            if let Some(number) = number {
                self.next();
                let number = expr(number)?;
                return self.member(number);
            }
            let primary = self.primary()?;
            let operand = self.member(primary)?;
            return if odd { call(function, vec![operand]) } else { Ok(operand) };
        }
        let primary = self.primary()?;
        self.member(primary)
    }

    /// Fields, indices and member calls after something.
    fn member(&mut self, mut of: Expr) -> Result<Expr, String> {
        loop {
            if self.eat("[") {
                let index = self.expr()?;
                self.expect("]")?;
                of = call("_[_]", vec![of, index])?;
            } else if self.eat(".") {
                let (field, plain) = match self.next() {
                    Token::Word(field) if !matches!(field.as_str(), "in" | "true" | "false" | "null") => (field, true),
                    Token::Quoted(field) => (field, false),
                    found => return Err(format!("expected a field after ., found {}", show(&found))),
                };
                of = if plain && self.eat("(") {
                    let arguments = self.list(")", false)?;
                    member_call(of, field, arguments)?
                } else {
                    expr(Kind::Select(Box::new(of), field))?
                };
            } else {
                return Ok(of);
            }
        }
    }

    fn primary(&mut self) -> Result<Expr, String> {
        let kind = match self.next() {
            Token::Int(number) => Kind::Int(i64::try_from(number).map_err(|_| too_big())?),
            Token::Uint(number) => Kind::Uint(number),
            Token::Double(number) => Kind::Double(number),
            Token::Text(text) => Kind::Text(text),
            Token::Bytes(bytes) => Kind::Bytes(bytes),
            Token::Mark("(") => {
                let inner = self.expr()?;
                self.expect(")")?;
                return Ok(inner);
            }
            Token::Mark("[") => Kind::List(self.list("]", true)?),
            Token::Mark("{") => Kind::Map(self.entries()?),
            Token::Mark(".") => match self.next() {
                Token::Word(name) => return self.name(name, true),
                found => return Err(format!("expected a name after ., found {}", show(&found))),
            },
            Token::Word(name) => match name.as_str() {
                "null" => Kind::Null,
                "true" => Kind::Bool(true),
                "false" => Kind::Bool(false),
                _ => return self.name(name, false),
            },
            found => return Err(format!("expected a value, found {}", show(&found))),
        };
        expr(kind)
    }

    fn name(&mut self, name: String, global: bool) -> Result<Expr, String> {
        if RESERVED.contains(&name.as_str()) {
            return Err(format!("expected a value, found the reserved word {name}"));
        }
        if !self.eat("(") {
            return expr(Kind::Name { name, global });
        }
        let mut arguments = self.list(")", false)?;
        if name != "has" || arguments.len() != 1 {
            return expr(Kind::Call { function: name, member: false, arguments });
        }
        match arguments.pop().map(|argument| argument.kind) {
            Some(Kind::Select(of, field)) => expr(Kind::Has(of, field)),
            _ => Err("has(): expected a field, found something else".to_owned()),
        }
    }

    /// Values up to the closing mark. One comma too many is good in a list, not in a call.
    fn list(&mut self, close: &'static str, comma: bool) -> Result<Vec<Expr>, String> {
        let mut values = Vec::new();
        if self.eat(close) {
            return Ok(values);
        }
        loop {
            if comma && self.eat(",") {
                break;
            }
            values.push(self.expr()?);
            if !self.eat(",") {
                break;
            }
            if comma && self.eat(close) {
                return Ok(values);
            }
        }
        self.expect(close)?;
        Ok(values)
    }

    fn entries(&mut self) -> Result<Vec<(Expr, Expr)>, String> {
        let mut entries = Vec::new();
        while !self.eat("}") {
            if self.eat(",") {
                self.expect("}")?;
                break;
            }
            let key = self.expr()?;
            self.expect(":")?;
            entries.push((key, self.expr()?));
            if !self.eat(",") {
                self.expect("}")?;
                break;
            }
        }
        Ok(entries)
    }

    fn peek(&self) -> &Token {
        self.tokens.last().unwrap_or(&Token::End)
    }

    fn next(&mut self) -> Token {
        self.tokens.pop().unwrap_or(Token::End)
    }

    fn eat(&mut self, mark: &'static str) -> bool {
        let found = *self.peek() == Token::Mark(mark);
        if found {
            self.next();
        }
        found
    }

    fn expect(&mut self, mark: &'static str) -> Result<(), String> {
        if self.eat(mark) { Ok(()) } else { Err(format!("expected {mark}, found {}", show(self.peek()))) }
    }
}

/// A call on something, or a macro on it.
fn member_call(of: Expr, function: String, mut arguments: Vec<Expr>) -> Result<Expr, String> {
    let what = match (function.as_str(), arguments.len()) {
        ("all", 2) => Some(Each::All),
        ("exists", 2) => Some(Each::Exists),
        ("exists_one", 2) => Some(Each::ExistsOne),
        ("filter", 2) => Some(Each::Filter),
        ("map", 2 | 3) => Some(Each::Map),
        _ => None,
    };
    let Some(what) = what else {
        arguments.insert(0, of);
        return expr(Kind::Call { function, member: true, arguments });
    };
    let mut arguments = arguments.into_iter();
    let (Some(Expr { kind: Kind::Name { name: variable, .. }, .. }), Some(first)) =
        (arguments.next(), arguments.next())
    else {
        return Err(format!("{function}(): expected a name first, found something else"));
    };
    // What Go calls the result so far; it cannot be hidden.
    if variable == "__result__" {
        return Err(format!("{function}(): expected another name than __result__"));
    }
    let second = arguments.next().map(Box::new);
    expr(Kind::Each { what, range: Box::new(of), variable, first: Box::new(first), second })
}

fn call(function: &str, arguments: Vec<Expr>) -> Result<Expr, String> {
    expr(Kind::Call { function: function.to_owned(), member: false, arguments })
}

fn one_or(mut terms: Vec<Expr>, many: fn(Vec<Expr>) -> Kind) -> Result<Expr, String> {
    match (terms.pop(), terms.is_empty()) {
        (Some(only), true) => Ok(only),
        (last, _) => {
            terms.extend(last);
            expr(many(terms))
        }
    }
}

fn expr(kind: Kind) -> Result<Expr, String> {
    let deepest = |parts: &[Expr]| parts.iter().map(|part| part.depth).max().unwrap_or(0);
    let depth = 1 + match &kind {
        Kind::Select(of, _) | Kind::Has(of, _) => of.depth,
        Kind::Call { arguments: parts, .. } | Kind::And(parts) | Kind::Or(parts) | Kind::List(parts) => deepest(parts),
        Kind::Map(entries) => entries.iter().map(|(key, value)| key.depth.max(value.depth)).max().unwrap_or(0),
        Kind::Each { range, first, second, .. } => {
            range.depth.max(first.depth).max(second.as_ref().map_or(0, |second| second.depth))
        }
        _ => 0,
    };
    if depth > MAX_DEPTH { Err(too_deep()) } else { Ok(Expr { kind, depth }) }
}

fn too_deep() -> String {
    format!("expected at most {MAX_DEPTH} levels, found more")
}

fn too_big() -> &'static str {
    "expected a number that fits 64 bits with its sign, found a bigger one"
}

fn show(token: &Token) -> String {
    match token {
        Token::Mark(mark) => (*mark).to_owned(),
        Token::Word(word) | Token::Quoted(word) => word.clone(),
        Token::End => "the end".to_owned(),
        _ => "a literal".to_owned(),
    }
}
