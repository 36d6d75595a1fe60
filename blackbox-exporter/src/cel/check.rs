//! Checks a tree before it runs, and writes it down for running: names are resolved, calls have an overload that may fit.

use super::parser::{Each, Expr, Kind};
use super::signature::{Op, resolve};
use super::types::Type;
use super::value::TypeName;
use crate::regexp::Regexp;

/// A checked expression.
#[derive(Debug)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    Type(TypeName),
    Body,
    /// Of a macro around, the outermost counted first.
    Variable(usize),
    Select(Box<Node>, String),
    Has(Box<Node>, String),
    Call(Op, Vec<Node>),
    /// A text and an expression that is known; a bad one fails only when it is used.
    Matches(Box<Node>, Option<Regexp>),
    And(Vec<Node>),
    Or(Vec<Node>),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    Each {
        what: Each,
        range: Box<Node>,
        first: Box<Node>,
        second: Option<Box<Node>>,
    },
}

/// The types that are values, by their names.
const NAMES: &[(&str, TypeName)] = &[
    ("bool", TypeName::Bool),
    ("bytes", TypeName::Bytes),
    ("double", TypeName::Double),
    ("google.protobuf.Duration", TypeName::Duration),
    ("google.protobuf.Timestamp", TypeName::Timestamp),
    ("int", TypeName::Int),
    ("list", TypeName::List),
    ("map", TypeName::Map),
    ("null_type", TypeName::Null),
    ("string", TypeName::Text),
    ("type", TypeName::Type),
    ("uint", TypeName::Uint),
];

pub(super) fn check(expr: Expr) -> Result<Node, String> {
    let mut checker = Checker { variables: Vec::new() };
    checker.node(expr).map(|(node, _)| node)
}

struct Checker {
    /// Of the macros around.
    variables: Vec<(String, Type)>,
}

impl Checker {
    fn node(&mut self, expr: Expr) -> Result<(Node, Type), String> {
        Ok(match expr.kind {
            Kind::Null => (Node::Null, Type::Null),
            Kind::Bool(value) => (Node::Bool(value), Type::Bool),
            Kind::Int(value) => (Node::Int(value), Type::Int),
            Kind::Uint(value) => (Node::Uint(value), Type::Uint),
            Kind::Double(value) => (Node::Double(value), Type::Double),
            Kind::Text(value) => (Node::Text(value), Type::Text),
            Kind::Bytes(value) => (Node::Bytes(value), Type::Bytes),
            Kind::Name { name, global } => return self.name(&name, global),
            Kind::Select(of, field) => return self.select(*of, field),
            Kind::Has(of, field) => return self.has(*of, field),
            Kind::Call { function, member, arguments } => return self.call(&function, member, arguments),
            Kind::And(terms) => (Node::And(self.conditions(terms)?), Type::Bool),
            Kind::Or(terms) => (Node::Or(self.conditions(terms)?), Type::Bool),
            Kind::List(elements) => return self.list(elements),
            Kind::Map(entries) => return self.map(entries),
            Kind::Each { what, range, variable, first, second } => {
                return self.each(what, *range, variable, *first, second);
            }
        })
    }

    fn list(&mut self, elements: Vec<Expr>) -> Result<(Node, Type), String> {
        let (mut nodes, mut kind) = (Vec::new(), Type::Free);
        for element in elements {
            let (node, element) = self.node(element)?;
            kind = kind.join(&element).unwrap_or(Type::Dyn);
            nodes.push(node);
        }
        Ok((Node::List(nodes), Type::List(Box::new(kind))))
    }

    fn map(&mut self, entries: Vec<(Expr, Expr)>) -> Result<(Node, Type), String> {
        let (mut nodes, mut keys, mut values) = (Vec::new(), Type::Free, Type::Free);
        for (key, value) in entries {
            let ((key, of_key), (value, of_value)) = (self.node(key)?, self.node(value)?);
            keys = keys.join(&of_key).unwrap_or(Type::Dyn);
            values = values.join(&of_value).unwrap_or(Type::Dyn);
            nodes.push((key, value));
        }
        Ok((Node::Map(nodes), Type::Map(Box::new(keys), Box::new(values))))
    }

    fn has(&mut self, of: Expr, field: String) -> Result<(Node, Type), String> {
        let (of, kind) = self.node(of)?;
        of_field(&kind)?;
        Ok((Node::Has(Box::new(of), field), Type::Bool))
    }

    fn name(&self, name: &str, global: bool) -> Result<(Node, Type), String> {
        let variable = self.variables.iter().enumerate().rev().find(|(_, (known, _))| known == name && !global);
        if let Some((at, (_, kind))) = variable {
            return Ok((Node::Variable(at), kind.clone()));
        }
        if name == "body" {
            return Ok((Node::Body, Type::Dyn));
        }
        let kind = NAMES.iter().find(|(known, _)| *known == name);
        kind.map(|(_, kind)| (Node::Type(*kind), Type::Kind))
            .ok_or_else(|| format!("{name}: expected body, found an unknown name"))
    }

    fn select(&mut self, of: Expr, field: String) -> Result<(Node, Type), String> {
        // A name with dots is looked up as a whole, unless a variable begins it.
        let path = qualified(&of).map(|path| format!("{path}.{field}"));
        if let Some((_, kind)) = path.and_then(|path| NAMES.iter().find(|(known, _)| *known == path)) {
            return Ok((Node::Type(*kind), Type::Kind));
        }
        let (of, kind) = self.node(of)?;
        let kind = of_field(&kind)?;
        Ok((Node::Select(Box::new(of), field), kind))
    }

    fn call(&mut self, function: &str, member: bool, arguments: Vec<Expr>) -> Result<(Node, Type), String> {
        let (mut nodes, mut types) = (Vec::new(), Vec::new());
        for argument in arguments {
            let (node, kind) = self.node(argument)?;
            nodes.push(node);
            types.push(kind);
        }
        let (op, kind) = resolve(function, member, &types)?;
        if op == Op::Matches
            && let Some(Node::Text(pattern)) = nodes.last()
        {
            let regexp = Regexp::new(pattern).ok();
            nodes.pop();
            if let Some(text) = nodes.pop() {
                return Ok((Node::Matches(Box::new(text), regexp), kind));
            }
        }
        Ok((Node::Call(op, nodes), kind))
    }

    fn conditions(&mut self, terms: Vec<Expr>) -> Result<Vec<Node>, String> {
        terms.into_iter().map(|term| self.condition(term)).collect()
    }

    fn condition(&mut self, expr: Expr) -> Result<Node, String> {
        let (node, kind) = self.node(expr)?;
        let good = kind.join(&Type::Bool).is_some();
        if good { Ok(node) } else { Err(format!("condition: expected bool, found {kind}")) }
    }

    fn each(
        &mut self,
        what: Each,
        range: Expr,
        variable: String,
        first: Expr,
        second: Option<Box<Expr>>,
    ) -> Result<(Node, Type), String> {
        let (range, kind) = self.node(range)?;
        let element = match kind {
            Type::List(element) => element.known(),
            Type::Map(key, _) => key.known(),
            Type::Dyn | Type::Free => Type::Dyn,
            other => return Err(format!("macro: expected a list or a map to go over, found {other}")),
        };
        self.variables.push((variable, element.clone()));
        let parts = self.parts(what, first, second);
        self.variables.pop();
        let (first, second, result) = parts?;
        let result = match what {
            Each::All | Each::Exists | Each::ExistsOne => Type::Bool,
            Each::Filter => Type::List(Box::new(element)),
            Each::Map => Type::List(Box::new(result)),
        };
        Ok((Node::Each { what, range: Box::new(range), first: Box::new(first), second: second.map(Box::new) }, result))
    }

    /// What is computed for each element, and the type of the last part.
    fn parts(
        &mut self,
        what: Each,
        first: Expr,
        second: Option<Box<Expr>>,
    ) -> Result<(Node, Option<Node>, Type), String> {
        Ok(match (what, second) {
            (Each::Map, None) => {
                let (first, kind) = self.node(first)?;
                (first, None, kind)
            }
            (_, second) => {
                let first = self.condition(first)?;
                let second = second.map(|second| self.node(*second)).transpose()?;
                let (second, kind) = second.map_or((None, Type::Bool), |(node, kind)| (Some(node), kind));
                (first, second, kind)
            }
        })
    }
}

/// The type of a field of something.
fn of_field(kind: &Type) -> Result<Type, String> {
    match kind {
        Type::Dyn | Type::Free => Ok(Type::Dyn),
        Type::Map(_, value) => Ok((**value).clone().known()),
        other => Err(format!("field: expected a map, found {other}")),
    }
}

/// A name with dots.
fn qualified(expr: &Expr) -> Option<String> {
    match &expr.kind {
        Kind::Name { name, .. } => Some(name.clone()),
        Kind::Select(of, field) => Some(format!("{}.{field}", qualified(of)?)),
        _ => None,
    }
}
