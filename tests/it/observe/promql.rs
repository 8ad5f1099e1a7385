//! As much of PromQL as is needed to find the metrics and labels that an expression names.

use std::collections::BTreeSet;

/// A metric that an expression names, and the labels that stand in its braces.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Selector {
    /// Its name.
    pub metric: String,
    /// Labels that are matched.
    pub labels: BTreeSet<String>,
}

/// What an expression names.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Named {
    /// Metrics.
    pub selectors: Vec<Selector>,
    /// Labels in the lists of `by`, `on` and their like.
    pub grouped: BTreeSet<String>,
}

/// Words that are followed by a list of labels.
const LISTED: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
/// Words that are no metric.
const WORDS: [&str; 7] = ["and", "or", "unless", "bool", "offset", "inf", "nan"];

#[derive(Clone, PartialEq, Eq, Debug)]
enum Token {
    Word(String),
    Text,
    Sign(char),
}

fn tokens(expression: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = expression.chars().peekable();
    while let Some(c) = rest.next() {
        let of_word = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
        match c {
            '"' | '\'' | '`' => {
                while let Some(inside) = rest.next() {
                    match inside {
                        '\\' if c != '`' => drop(rest.next()),
                        inside if inside == c => break,
                        _ => {}
                    }
                }
                tokens.push(Token::Text);
            }
            '#' => while rest.next_if(|c| *c != '\n').is_some() {},
            c if of_word(&c) || c == '.' => {
                let mut word = String::from(c);
                while let Some(next) = rest.next_if(|c| of_word(c) || *c == '.') {
                    word.push(next);
                }
                tokens.push(Token::Word(word));
            }
            c if c.is_whitespace() => {}
            c => tokens.push(Token::Sign(c)),
        }
    }
    tokens
}

/// What `expression` names.
pub fn named(expression: &str) -> Named {
    let tokens = tokens(expression);
    let mut named = Named::default();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        let Token::Word(word) = token else {
            // A range or a subquery: durations, and nothing else.
            if *token == Token::Sign('[') {
                at = after(&tokens, at, ']');
            }
            continue;
        };
        let follows = |sign: char| tokens.get(at) == Some(&Token::Sign(sign));
        if LISTED.contains(&word.to_lowercase().as_str()) {
            if follows('(') {
                let end = after(&tokens, at + 1, ')');
                named.grouped.extend(words(&tokens[at..end]));
                at = end;
            }
            continue;
        }
        let is_number = word.starts_with(|c: char| c.is_ascii_digit() || c == '.');
        if is_number || follows('(') || WORDS.contains(&word.to_lowercase().as_str()) {
            continue;
        }
        // `sum by (…) (…)` and `sum without (…)`: an aggregation, not a metric.
        if matches!(tokens.get(at), Some(Token::Word(next)) if ["by", "without"].contains(&next.to_lowercase().as_str()))
        {
            continue;
        }
        let mut labels = BTreeSet::new();
        if follows('{') {
            let end = after(&tokens, at + 1, '}');
            labels = words(&tokens[at..end]).collect();
            at = end;
        }
        named.selectors.push(Selector { metric: word.clone(), labels });
    }
    named
}

fn words(tokens: &[Token]) -> impl Iterator<Item = String> {
    tokens.iter().filter_map(|token| match token {
        Token::Word(word) => Some(word.clone()),
        _ => None,
    })
}

/// The place behind the next such sign.
fn after(tokens: &[Token], from: usize, sign: char) -> usize {
    tokens[from..].iter().position(|token| *token == Token::Sign(sign)).map_or(tokens.len(), |at| from + at + 1)
}

#[test]
fn metrics_and_labels_are_found_and_nothing_else() {
    let of = |expression: &str| {
        let Named { selectors, grouped } = named(expression);
        let selectors = selectors.iter().map(|s| {
            let labels: Vec<_> = s.labels.iter().map(String::as_str).collect();
            format!("{}{{{}}}", s.metric, labels.join(","))
        });
        (selectors.collect::<Vec<_>>().join(" "), grouped.into_iter().collect::<Vec<_>>().join(","))
    };
    let pairs = [
        ("a", "a{}", ""),
        ("sum by (x, y) (rate(a_total{l=\"b{c}\", m=~'d\\'e'}[5m:1m] offset 1h))", "a_total{l,m}", "x,y"),
        ("sum(rate(a[5m])) without (z) / on (x) group_left (w) b:c:d > bool 1.5e3", "a{} b:c:d{}", "w,x,z"),
        ("histogram_quantile(0.99, sum by (le) (rate(a_bucket[$__rate_interval])))", "a_bucket{}", "le"),
        ("a and on (x) (b unless c) or vector(1) # d\n", "a{} b{} c{}", "x"),
        ("count(a == 1) > 0 and absent(b{job=\"x\"}) != +Inf", "a{} b{job}", ""),
    ];
    for (expression, selectors, grouped) in pairs {
        assert_eq!(of(expression), (selectors.to_owned(), grouped.to_owned()), "{expression}");
    }
}
