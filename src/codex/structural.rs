//! Syntax patterns: the head's whole text is parsed once per file, and only what meets an added line is looked at.
//!
//! ast-grep's own scanner is not used: it obeys `ast-grep-ignore` comments, and the author's text cannot switch review off.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use ast_grep_config::{GlobalRules, RuleConfig, SerializableRuleConfig};
use ast_grep_core::matcher::{Matcher as _, MatcherExt as _};
use ast_grep_core::tree_sitter::StrDoc;
use ast_grep_core::{AstGrep, Node};
use ast_grep_language::{LanguageExt as _, SupportLang};
use tree_sitter::{ParseOptions, ParseState, Parser};

use super::detect::{Active, Found, NotRun, View, normalised};
use super::{Detector, Rule, RuleId};
use crate::change::Language;

/// The largest file that is parsed, in bytes.
const MAX_SOURCE_BYTES: usize = 512 << 10;
/// The steps (of a hundred operations each) that a parse may take whatever the file's size.
const MIN_PARSE_STEPS: usize = 1_000;
/// One more step for each of so many bytes; ordinary code takes one for thirty and more.
const BYTES_PER_PARSE_STEP: usize = 8;
/// How many more opening than closing angle brackets a file may have, or the other way round.
const MAX_ODD_ANGLES: usize = 1_000;
/// The deepest level of a syntax tree that is looked at: relations such as `inside` climb from every node, so depth multiplies the work.
const MAX_DEPTH_LEVELS: usize = 400;
/// The most lines that a hit covers.
const MAX_HIT_LINES: usize = 10;

/// Returns the grammar of a language, if it is compiled in: ast-grep panics on any other.
pub(super) fn compiled(language: Language) -> Option<SupportLang> {
    match language.name() {
        "rust" => Some(SupportLang::Rust),
        "python" => Some(SupportLang::Python),
        "typescript" => Some(SupportLang::TypeScript),
        "tsx" => Some(SupportLang::Tsx),
        "javascript" => Some(SupportLang::JavaScript),
        "go" => Some(SupportLang::Go),
        "java" => Some(SupportLang::Java),
        _ => None,
    }
}

/// Compiles a rule of ast-grep from `rule` and perhaps `constraints` and `utils`; the error says why not, in one line.
pub(super) fn compile(id: &RuleId, language: Language, config: &serde_json::Value) -> Result<RuleConfig<SupportLang>, String> {
    if compiled(language).is_none() {
        return Err(format!("there is no grammar for {language}"));
    }
    let mut config = config.clone();
    config["id"] = id.as_str().into();
    config["language"] = language.name().into();
    let config: SerializableRuleConfig<SupportLang> =
        serde_json::from_value(config).map_err(|error| format!("this is not a rule of ast-grep: {error}"))?;
    RuleConfig::try_from(config, &GlobalRules::default()).map_err(|error| {
        let mut chain = Vec::new();
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(error) = cause {
            let link = error.to_string();
            if !link.starts_with("Fail to parse yaml") {
                chain.push(link.trim_end_matches('.').to_owned());
            }
            cause = error.source();
        }
        format!("ast-grep refuses this: {}", chain.join(": "))
    })
}

/// The structural detectors of a run by language, and in each by the kinds of node that they can match.
pub(super) struct Scanners<'r> {
    by_language: BTreeMap<Language, Scanner<'r>>,
}

struct Scanner<'r> {
    grammar: SupportLang,
    /// Index of the rule among those of the run, and the detector.
    rules: Vec<(usize, &'r RuleConfig<SupportLang>)>,
    /// Kind of node → indices into `rules`.
    by_kind: Vec<Vec<usize>>,
}

impl<'r> Scanners<'r> {
    /// Sorts the structural detectors of the run's rules.
    pub(super) fn new(rules: &[&'r Rule]) -> Self {
        let mut by_language: BTreeMap<Language, Scanner<'r>> = BTreeMap::new();
        for (index, rule) in rules.iter().enumerate() {
            for detector in &rule.detectors {
                let Detector::Structural { language, rule: config } = detector else { continue };
                let Some(grammar) = compiled(*language) else { continue };
                let scanner = by_language.entry(*language).or_insert_with(|| Scanner { grammar, rules: Vec::new(), by_kind: Vec::new() });
                let Some(kinds) = config.matcher.potential_kinds() else { continue };
                for kind in &kinds {
                    if scanner.by_kind.len() <= kind {
                        scanner.by_kind.resize(kind + 1, Vec::new());
                    }
                    scanner.by_kind[kind].push(scanner.rules.len());
                }
                scanner.rules.push((index, config));
            }
        }
        Self { by_language }
    }

    /// Adds what the structural detectors see in a file, or says for how many rules and why nobody looked.
    pub(super) fn scan(&self, view: &View<'_>, active: &Active, found: &mut Vec<Found>) -> Option<(usize, NotRun)> {
        let scanner = self.by_language.get(&Language::of(view.path())?)?;
        let wanted: usize = scanner.rules.iter().filter(|(rule, _)| active.has(*rule)).count();
        if wanted == 0 || view.added().is_empty() {
            return None;
        }
        let Some(text) = view.text() else {
            return Some((wanted, NotRun::NoWholeFile));
        };
        if text.len() > MAX_SOURCE_BYTES {
            return Some((wanted, NotRun::TooLarge));
        }
        let Some(document) = document(text.into_owned(), scanner.grammar) else {
            return Some((wanted, NotRun::NotParsed));
        };
        let root = AstGrep::doc(document);
        let whole = scanner.walk(root.root(), view, active, found);
        (!whole).then_some((wanted, NotRun::TooDeep))
    }
}

/// Parses a text within a budget of steps.
///
/// tree-sitter keeps every reading of an ambiguous text: 60 KB of `a<` in a Java file take gigabytes, all in one step that nothing can
/// interrupt. Texts of that kind are refused before.
fn document(src: String, lang: SupportLang) -> Option<StrDoc<SupportLang>> {
    if odd_angles(&src, lang) > MAX_ODD_ANGLES {
        return None;
    }
    let mut parser = Parser::new();
    parser.set_language(&lang.get_ts_language()).ok()?;
    let mut budget = MIN_PARSE_STEPS + src.len() / BYTES_PER_PARSE_STEP;
    let mut progress = |_: &ParseState| match budget.checked_sub(1) {
        Some(left) => {
            budget = left;
            ControlFlow::Continue(())
        }
        None => ControlFlow::Break(()),
    };
    let options = ParseOptions::new().progress_callback(&mut progress);
    let bytes = src.as_bytes();
    let tree = parser.parse_with_options(&mut |at, _| bytes.get(at..).unwrap_or(&[]), None, Some(options))?;
    Some(StrDoc { src, lang, tree })
}

/// Returns how many angle brackets of either kind have no partner; those of arrows and of comparisons with `=` have none to look for.
fn odd_angles(src: &str, lang: SupportLang) -> usize {
    let mut before = 0;
    let (mut opening, mut closing) = (0_usize, 0_usize);
    for &byte in src.as_bytes() {
        match (before, byte) {
            (b'-', b'>') => {}
            (b'=', b'>') if lang != SupportLang::Java => {}
            (b'<', b'=') => opening = opening.saturating_sub(1),
            (_, b'<') => opening += 1,
            (_, b'>') => closing += 1,
            _ => {}
        }
        before = byte;
    }
    opening.abs_diff(closing)
}

impl Scanner<'_> {
    /// Walks every node that meets an added line; returns false if it had to stop at a depth.
    fn walk(&self, root: Node<'_, StrDoc<SupportLang>>, view: &View<'_>, active: &Active, found: &mut Vec<Found>) -> bool {
        let mut whole = true;
        let mut open = vec![(root, 0)];
        while let Some((node, depth)) = open.pop() {
            let (first, last) = lines_of(&node);
            if !view.adds(first, last) {
                continue;
            }
            for &index in self.by_kind.get(usize::from(node.kind_id())).into_iter().flatten() {
                let (rule, config) = self.rules[index];
                if !active.has(rule) {
                    continue;
                }
                let Some(matched) = config.matcher.match_node(node.clone()) else { continue };
                let (first, last) = lines_of(&matched);
                let Some(lines) = span(view, first, last) else { continue };
                found.push(Found {
                    rule,
                    file: view.index,
                    lines: Some(lines),
                    starts: Some(first),
                    text: normalised(&matched.text()),
                    detail: String::new(),
                });
            }
            if depth == MAX_DEPTH_LEVELS {
                whole &= node.children().len() == 0;
            } else {
                open.extend(node.children().map(|child| (child, depth + 1)));
            }
        }
        whole
    }
}

/// Returns the first and the last line of a node, 1-based; a node that ends behind a line feed ends on the line before.
fn lines_of(node: &Node<'_, StrDoc<SupportLang>>) -> (u32, u32) {
    let (first, _) = node.start_pos().byte_point();
    let (last, column) = node.end_pos().byte_point();
    let last = if column == 0 && last > first { last - 1 } else { last };
    let number = |line: usize| u32::try_from(line + 1).unwrap_or(u32::MAX);
    (number(first), number(last))
}

/// Returns the lines of the diff that stand for a match: from its first added line to its last one, as long as no removed line and no gap
/// between hunks comes in between, and [`MAX_HIT_LINES`] at most. A match over a whole function is so anchored on what the change did to it.
fn span(view: &View<'_>, first: u32, last: u32) -> Option<(usize, usize)> {
    let start = view.first_added(first, last)?;
    let mut end = start;
    for index in start + 1..(start + MAX_HIT_LINES).min(view.lines.len()) {
        let line = view.lines[index];
        let Some(number) = line.new_line().filter(|&number| number <= last) else { break };
        if view.lines[index - 1].new_line() != Some(number - 1) {
            break;
        }
        if line.kind == crate::change::LineKind::Added {
            end = index;
        }
    }
    Some((start, end))
}
