//! PromQL: a dashboard's variables are put into every selector of a query, and taken out again.

use std::collections::BTreeSet;

use promql_parser::label::Matcher;
use promql_parser::parser::{Expr, VectorSelector, parse};

/// A query with `matchers` (the inside of a selector's braces) in each of its selectors, in the parser's spelling.
#[track_caller]
pub fn with_matchers(query: &str, matchers: &str) -> String {
    let mut parsed = parsed(query);
    if !matchers.trim().is_empty() {
        let further = further(matchers);
        each_selector(&mut parsed, &mut |selector| selector.matchers.matchers.extend(further.iter().cloned()));
    }
    parsed.to_string()
}

/// A query without the matchers that hold a variable, in the parser's spelling: what a rule asks.
#[track_caller]
pub fn without_variables(query: &str) -> String {
    let mut parsed = parsed(query);
    each_selector(&mut parsed, &mut |selector| {
        selector.matchers.matchers.retain(|matcher| !matcher.value.contains('$'));
    });
    parsed.to_string()
}

/// The names of all metrics a query asks for; patterns of names are not among them.
#[track_caller]
pub fn metrics(query: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    each_selector(&mut parsed(query), &mut |selector| found.extend(selector.name.clone()));
    found
}

#[track_caller]
fn parsed(query: &str) -> Expr {
    parse(query).unwrap_or_else(|e| panic!("{query}\n{e}"))
}

#[track_caller]
fn further(matchers: &str) -> Vec<Matcher> {
    match parsed(&format!("x{{{matchers}}}")) {
        Expr::VectorSelector(selector) => selector.matchers.matchers,
        other => panic!("{matchers}: {other:?} is no selector"),
    }
}

fn each_selector(expr: &mut Expr, visit: &mut impl FnMut(&mut VectorSelector)) {
    match expr {
        Expr::Aggregate(aggregate) => {
            each_selector(&mut aggregate.expr, visit);
            if let Some(parameter) = &mut aggregate.param {
                each_selector(parameter, visit);
            }
        }
        Expr::Unary(unary) => each_selector(&mut unary.expr, visit),
        Expr::Binary(binary) => {
            each_selector(&mut binary.lhs, visit);
            each_selector(&mut binary.rhs, visit);
        }
        Expr::Paren(inner) => each_selector(&mut inner.expr, visit),
        Expr::Subquery(inner) => each_selector(&mut inner.expr, visit),
        Expr::VectorSelector(selector) => visit(selector),
        Expr::MatrixSelector(matrix) => visit(&mut matrix.vs),
        Expr::Call(call) => call.args.args.iter_mut().for_each(|argument| each_selector(argument, visit)),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{metrics, with_matchers, without_variables};

    #[test]
    fn every_selector_gets_the_matchers_and_loses_them_again() {
        for (query, wanted) in [
            ("up", "up{a=~\"$a\"}"),
            ("sum(rate(x{b=\"c\"}[5m])) / y", "sum(rate(x{a=~\"$a\",b=\"c\"}[5m])) / y{a=~\"$a\"}"),
            ("-(x offset 1h)", "-(x{a=~\"$a\"} offset 1h)"),
            ("max_over_time((x > 1)[1d:5m])", "max_over_time((x{a=~\"$a\"} > 1)[1d:5m])"),
            ("topk(scalar(n), x)", "topk(scalar(n{a=~\"$a\"}), x{a=~\"$a\"})"),
            ("vector(1)", "vector(1)"),
        ] {
            let found = with_matchers(query, "a=~\"$a\"");
            assert_eq!(found, wanted);
            assert_eq!(without_variables(&found), with_matchers(query, ""));
        }
    }

    #[test]
    fn metrics_are_named_once() {
        assert_eq!(metrics("a / (b + a) unless on (x) c").into_iter().collect::<Vec<_>>(), ["a", "b", "c"]);
    }
}
