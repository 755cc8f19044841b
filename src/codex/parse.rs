//! Rule files into rules: strict, every fault with its place. It must not read files: texts come in.

use ast_grep_config::{GlobalRules, RuleConfig, SerializableRuleConfig};
use ast_grep_language::SupportLang;
use globset::{Glob, GlobSet, GlobSetBuilder};
use regex::Regex;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::body::{self, Body};
use super::{Applies, Detector, Expect, ReviewerName, Rule, RuleId, RuleStatus, Severity};
use crate::change::Language;
use crate::yaml::{self, Fault};

/// Largest rule file, in bytes.
pub const MAX_RULE_BYTES: usize = 64 * 1024;
/// Largest compiled regex of a rule, in bytes.
const MAX_REGEX_BYTES: usize = 4 * 1024 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FrontMatter {
    id: Spanned<String>,
    title: Spanned<String>,
    message: Option<String>,
    severity: Spanned<String>,
    reviewer: Spanned<String>,
    status: Spanned<String>,
    replaced_by: Option<Spanned<String>>,
    owner: Option<String>,
    rfc: Option<String>,
    applies_to: Option<RawApplies>,
    tags: Option<Vec<String>>,
    detect: Option<Vec<Spanned<RawDetector>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawApplies {
    languages: Option<Vec<Spanned<String>>>,
    paths: Option<Vec<Spanned<String>>>,
    exclude: Option<Vec<Spanned<String>>>,
}

/// All keys of all detector kinds; which of them go together is checked afterwards, so that the message can say it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDetector {
    pattern: Option<Spanned<String>>,
    language: Option<Spanned<String>>,
    ast_grep: Option<Spanned<RawAstGrep>>,
    regex: Option<Spanned<String>>,
    except: Option<Spanned<String>>,
    changed: Option<Vec<Spanned<String>>>,
    without: Option<Vec<Spanned<String>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAstGrep {
    language: Spanned<String>,
    rule: serde_json::Value,
    constraints: Option<serde_json::Value>,
    utils: Option<serde_json::Value>,
}

/// The text being read, for faults.
struct Text<'a> {
    origin: &'a str,
    whole: &'a str,
}

/// First line of the front matter's content in a rule file.
const FRONT_LINE: usize = 2;

impl Text<'_> {
    fn invalid<T>(&self, value: &Spanned<T>, message: impl Into<String>) -> Fault {
        yaml::invalid(self.origin, value.referenced, FRONT_LINE, self.whole, message)
    }
}

/// Parses one rule file. `origin` is its path; the file name must begin with the rule's ID.
pub fn parse(origin: &str, whole: &str) -> Result<Rule, Fault> {
    if whole.len() > MAX_RULE_BYTES {
        return Err(Fault::whole(origin, format!("a rule file holds at most {MAX_RULE_BYTES} bytes, this one has {}", whole.len())));
    }
    let (front, body_text, body_line) = split(whole).ok_or_else(|| {
        Fault::at(origin, whole, 1, 1, "a rule file begins with front matter between two lines `---`")
            .hint("see CONTRIBUTING.md, “Add a rule”")
    })?;
    let text = Text { origin, whole };
    let raw: FrontMatter = yaml::read(origin, front, FRONT_LINE, whole)?;
    let body = body::read(origin, whole, body_text, body_line)?;
    rule(&text, raw, body)
}

/// Splits a file with front matter: the YAML, what follows it, and the line (1-based) on which that begins.
pub fn split(whole: &str) -> Option<(&str, &str, usize)> {
    let rest = whole.strip_prefix("---\n").or_else(|| whole.strip_prefix("---\r\n"))?;
    let mut offset = 0;
    for (index, line) in rest.split_inclusive('\n').enumerate() {
        if line.trim_end() == "---" {
            return Some((&rest[..offset], &rest[offset + line.len()..], index + 3));
        }
        offset += line.len();
    }
    None
}

fn rule(text: &Text<'_>, raw: FrontMatter, body: Body) -> Result<Rule, Fault> {
    let id = RuleId::parse(&raw.id.value).ok_or_else(|| {
        text.invalid(&raw.id, format!("`{}` is no rule ID", raw.id.value)).hint("upper-case domain, hyphen, four digits: SEC-0007")
    })?;
    let file_name = text.origin.rsplit('/').next().unwrap_or(text.origin);
    if !file_name.strip_prefix(id.as_str()).is_some_and(|rest| rest.starts_with(['-', '.'])) {
        return Err(text.invalid(&raw.id, format!("the file name must begin with the rule's ID, `{id}-…`")));
    }
    let words = |severities: [Severity; 4]| severities.map(Severity::word);
    let severity = Severity::parse(&raw.severity.value).ok_or_else(|| {
        text.invalid(&raw.severity, format!("`{}` is no severity", raw.severity.value))
            .nearest(&raw.severity.value, words(Severity::WORST_FIRST))
    })?;
    let reviewer = ReviewerName::parse(&raw.reviewer.value).ok_or_else(|| {
        text.invalid(&raw.reviewer, format!("`{}` is no name of a reviewer", raw.reviewer.value))
            .hint("lower-case letters, digits and hyphens")
    })?;
    if raw.title.value.trim().is_empty() {
        return Err(text.invalid(&raw.title, "the title is empty"));
    }
    let status = status(text, &raw)?;
    let applies_to = raw.applies_to.as_ref().map(|applies| applies_to(text, applies)).transpose()?.unwrap_or_default();
    let detectors = raw.detect.iter().flatten().map(|detector| self::detector(text, &id, detector)).collect::<Result<Vec<_>, _>>()?;
    let has = |expect| body.examples.iter().any(|example| example.expect == expect);
    if !detectors.is_empty() && !(has(Expect::Bad) && has(Expect::Good)) {
        return Err(Fault::whole(text.origin, "a rule with detectors needs at least one example under `## Bad` and one under `## Good`")
            .hint("the examples are the detectors' tests"));
    }
    Ok(Rule {
        id,
        title: raw.title.value,
        message: raw.message,
        severity,
        reviewer,
        status,
        owner: raw.owner,
        rfc: raw.rfc,
        applies_to,
        tags: raw.tags.unwrap_or_else(Vec::new),
        detectors,
        guidance: body.guidance,
        why: body.why,
        body: body.text,
        examples: body.examples,
        origin: text.origin.to_owned(),
    })
}

fn status(text: &Text<'_>, raw: &FrontMatter) -> Result<RuleStatus, Fault> {
    let replaced_by = match &raw.replaced_by {
        None => None,
        Some(id) => Some(RuleId::parse(&id.value).ok_or_else(|| text.invalid(id, format!("`{}` is no rule ID", id.value)))?),
    };
    match (raw.status.value.as_str(), replaced_by) {
        ("draft", None) => Ok(RuleStatus::Draft),
        ("active", None) => Ok(RuleStatus::Active),
        ("deprecated", replaced_by) => Ok(RuleStatus::Deprecated { replaced_by }),
        ("draft" | "active", Some(_)) => Err(text.invalid(&raw.status, "only a deprecated rule is `replaced_by` another")),
        (word, _) => Err(text.invalid(&raw.status, format!("`{word}` is no status")).nearest(word, ["draft", "active", "deprecated"])),
    }
}

fn applies_to(text: &Text<'_>, raw: &RawApplies) -> Result<Applies, Fault> {
    let languages = raw.languages.iter().flatten().map(|word| language(text, word)).collect::<Result<_, _>>()?;
    let some = |list: &Option<Vec<Spanned<String>>>| -> Result<(Option<GlobSet>, Vec<String>), Fault> {
        let Some(list) = list else { return Ok((None, Vec::new())) };
        Ok((Some(globs(text, list)?), list.iter().map(|glob| glob.value.clone()).collect()))
    };
    let (paths, path_globs) = some(&raw.paths)?;
    let (exclude, exclude_globs) = some(&raw.exclude)?;
    Ok(Applies { languages, paths, exclude, path_globs, exclude_globs })
}

fn language(text: &Text<'_>, word: &Spanned<String>) -> Result<Language, Fault> {
    Language::parse(&word.value)
        .ok_or_else(|| text.invalid(word, format!("`{}` is no language known here", word.value)).nearest(&word.value, Language::names()))
}

fn globs(text: &Text<'_>, list: &[Spanned<String>]) -> Result<GlobSet, Fault> {
    let mut set = GlobSetBuilder::new();
    for glob in list {
        set.add(Glob::new(&glob.value).map_err(|error| text.invalid(glob, format!("not a glob: {}", error.kind())))?);
    }
    set.build().map_err(|error| Fault::whole(text.origin, format!("the globs are too large together: {error}")))
}

fn detector(text: &Text<'_>, id: &RuleId, spanned: &Spanned<RawDetector>) -> Result<Detector, Fault> {
    let raw = &spanned.value;
    let kinds = [raw.pattern.is_some(), raw.ast_grep.is_some(), raw.regex.is_some(), raw.changed.is_some()];
    if kinds.iter().filter(|kind| **kind).count() != 1 {
        return Err(text
            .invalid(spanned, "a detector has exactly one of `pattern`, `ast_grep`, `regex`, `changed`")
            .hint("write several detectors as several items; any of them is enough"));
    }
    let stray = |key: &str, of: &str, present: bool| -> Result<(), Fault> {
        if present { Err(text.invalid(spanned, format!("`{key}` goes with `{of}` only"))) } else { Ok(()) }
    };
    stray("language", "pattern", raw.language.is_some() && raw.pattern.is_none())?;
    stray("except", "regex", raw.except.is_some() && raw.regex.is_none())?;
    stray("without", "changed", raw.without.is_some() && raw.changed.is_none())?;
    if let Some(pattern) = &raw.pattern {
        let word = raw.language.as_ref().ok_or_else(|| text.invalid(pattern, "a `pattern` needs its `language`"))?;
        let rule = serde_json::json!({ "pattern": pattern.value });
        return structural(text, id, pattern, word, &serde_json::json!({ "rule": rule }));
    }
    if let Some(long) = &raw.ast_grep {
        let mut parts = serde_json::json!({ "rule": long.value.rule });
        for (key, part) in [("constraints", &long.value.constraints), ("utils", &long.value.utils)] {
            if let Some(part) = part {
                parts[key] = part.clone();
            }
        }
        return structural(text, id, long, &long.value.language, &parts);
    }
    if let Some(find) = &raw.regex {
        let except = raw.except.as_ref().map(|except| regex(text, except)).transpose()?;
        return Ok(Detector::Regex { find: regex(text, find)?, except });
    }
    let changed = raw.changed.as_deref().expect("one of the four kinds was counted");
    let without = raw.without.as_deref().map(|without| globs(text, without)).transpose()?;
    let without_globs = raw.without.iter().flatten().map(|glob| glob.value.clone()).collect();
    Ok(Detector::CoChange { changed: globs(text, changed)?, without, without_globs })
}

fn regex(text: &Text<'_>, source: &Spanned<String>) -> Result<Regex, Fault> {
    regex::RegexBuilder::new(&source.value).size_limit(MAX_REGEX_BYTES).build().map_err(|error| {
        let last = error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        text.invalid(source, format!("not a regular expression: {last}")).hint("Rust's regex syntax: no look-around, no back-references")
    })
}

/// The languages whose grammars are compiled in. ast-grep panics on any other, so nothing reaches it that is not in this table.
const GRAMMARS: [(&str, SupportLang); 7] = [
    ("rust", SupportLang::Rust),
    ("python", SupportLang::Python),
    ("typescript", SupportLang::TypeScript),
    ("tsx", SupportLang::Tsx),
    ("javascript", SupportLang::JavaScript),
    ("go", SupportLang::Go),
    ("java", SupportLang::Java),
];

/// Returns the grammar of a language, if it is compiled in.
pub(super) fn grammar(language: Language) -> Option<SupportLang> {
    GRAMMARS.iter().find(|(name, _)| *name == language.name()).map(|(_, grammar)| *grammar)
}

fn structural<T>(
    text: &Text<'_>,
    id: &RuleId,
    at: &Spanned<T>,
    word: &Spanned<String>,
    parts: &serde_json::Value,
) -> Result<Detector, Fault> {
    let language = language(text, word)?;
    let Some(grammar) = grammar(language) else {
        let names = GRAMMARS.map(|(name, _)| name);
        return Err(text
            .invalid(word, format!("there is no syntax tree for `{language}`"))
            .hint(format!("structural detectors know: {}", names.join(", "))));
    };
    let mut config = parts.clone();
    config["id"] = id.as_str().into();
    config["language"] = grammar.to_string().into();
    let config: SerializableRuleConfig<SupportLang> =
        serde_json::from_value(config).map_err(|error| text.invalid(at, format!("not an ast-grep rule: {error}")))?;
    let rule = RuleConfig::try_from(config, &GlobalRules::default()).map_err(|error| {
        let chain: Vec<String> =
            std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source()).map(ToString::to_string).collect();
        text.invalid(at, format!("not an ast-grep rule: {}", chain.join(": ")))
    })?;
    Ok(Detector::Structural { language, rule: std::sync::Arc::new(rule) })
}

#[cfg(test)]
mod tests;
