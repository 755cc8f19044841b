//! The front matter of a rule: every key checked, every complaint at its place. It must not look at the text below it.

use std::sync::Arc;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use regex::{Regex, RegexBuilder};
use serde_json::json;

use super::complaint::{At, Complaint};
use super::structural;
use super::yaml::{Key, Node, Value};
use super::{Applies, Detector, ReviewerName, RuleId, RuleStatus, Severity};
use crate::change::Language;

/// The largest compiled regex, in bytes.
const MAX_REGEX_BYTES: usize = 4 << 20;
/// The longest title, in characters.
const MAX_TITLE_CHARS: usize = 120;

const KEYS: &[&str] =
    &["id", "title", "message", "severity", "reviewer", "status", "replaced_by", "owner", "rfc", "applies_to", "tags", "detect"];

/// What the front matter says.
pub(super) struct Front {
    pub(super) id: RuleId,
    pub(super) id_at: At,
    pub(super) title: String,
    pub(super) message: Option<String>,
    pub(super) severity: Severity,
    pub(super) reviewer: ReviewerName,
    pub(super) status: RuleStatus,
    pub(super) owner: Option<String>,
    pub(super) rfc: Option<String>,
    pub(super) applies_to: Applies,
    pub(super) tags: Vec<String>,
    pub(super) detectors: Vec<Detector>,
}

/// Reads the front matter.
pub(super) fn read(node: &Node) -> Result<Front, Complaint> {
    let fields = Fields::of(node, "the front matter", KEYS)?;
    let (id, id_at) = fields.need("id")?;
    let id = rule_id(id, id_at)?;
    let (title, title_at) = fields.need("title")?;
    if title.contains('\n') || title.chars().count() > MAX_TITLE_CHARS {
        return Err(Complaint::new(title_at, format!("the title is one line of at most {MAX_TITLE_CHARS} characters")));
    }
    let (word, at) = fields.need("severity")?;
    let severity = Severity::WORST_FIRST.into_iter().find(|severity| severity.word() == word).ok_or_else(|| {
        Complaint::new(at, format!("`{word}` is not a severity")).nearest(word, Severity::WORST_FIRST.map(Severity::word))
    })?;
    let (word, at) = fields.need("reviewer")?;
    let reviewer = ReviewerName::parse(word).ok_or_else(|| {
        Complaint::new(at, format!("`{word}` is not a reviewer's name")).hint("lower-case letters, digits and hyphens, a letter first")
    })?;
    let applies_to = fields.get("applies_to").map_or(Ok(Applies::default()), |(_, node)| applies(node))?;
    Ok(Front {
        title: title.to_owned(),
        message: fields.owned("message")?,
        severity,
        reviewer,
        status: status(&fields)?,
        owner: fields.owned("owner")?,
        rfc: fields.owned("rfc")?,
        tags: tags(&fields)?,
        detectors: detectors(&fields, &id, &applies_to)?,
        applies_to,
        id,
        id_at,
    })
}

fn rule_id(word: &str, at: At) -> Result<RuleId, Complaint> {
    RuleId::parse(word).ok_or_else(|| {
        Complaint::new(at, format!("`{word}` is not a rule ID"))
            .hint("an upper-case domain of 2 to 12 letters, a hyphen, four digits: `SEC-0007`")
    })
}

fn status(fields: &Fields<'_>) -> Result<RuleStatus, Complaint> {
    let replaced_by = fields.text("replaced_by")?;
    let (word, at) = fields.need("status")?;
    let status = match word {
        "draft" => RuleStatus::Draft,
        "active" => RuleStatus::Active,
        "deprecated" => {
            let replaced_by = replaced_by.map(|(word, at)| rule_id(word, at)).transpose()?;
            return Ok(RuleStatus::Deprecated { replaced_by });
        }
        other => {
            return Err(Complaint::new(at, format!("`{other}` is not a status")).nearest(other, ["draft", "active", "deprecated"]));
        }
    };
    match fields.get("replaced_by") {
        Some((key, _)) => Err(Complaint::new(key.at, format!("a rule that is {word} has no `replaced_by`"))
            .hint("only a deprecated rule names its successor")),
        None => Ok(status),
    }
}

fn tags(fields: &Fields<'_>) -> Result<Vec<String>, Complaint> {
    let mut tags = Vec::new();
    for (word, at) in fields.list("tags")? {
        let well_formed = word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !well_formed {
            return Err(Complaint::new(at, format!("`{word}` is not a tag")).hint("lower-case letters, digits and hyphens"));
        }
        tags.push(word.to_owned());
    }
    Ok(tags)
}

fn applies(node: &Node) -> Result<Applies, Complaint> {
    let fields = Fields::of(node, "`applies_to`", &["languages", "paths", "exclude"])?;
    let languages = fields.list("languages")?.into_iter().map(|(word, at)| language(word, at)).collect::<Result<_, _>>()?;
    let (paths, path_globs) = globs(&fields, "paths")?;
    let (exclude, exclude_globs) = globs(&fields, "exclude")?;
    Ok(Applies { languages, paths, exclude, path_globs, exclude_globs })
}

/// Returns the language a rule names.
pub(super) fn language(word: &str, at: At) -> Result<Language, Complaint> {
    Language::parse(word)
        .ok_or_else(|| Complaint::new(at, format!("`{word}` is not a language that rules can name")).nearest(word, Language::names()))
}

/// Returns the globs under a key, compiled and as written. A `*` stays inside one part of the path, `**` does not.
fn globs(fields: &Fields<'_>, name: &str) -> Result<(Option<GlobSet>, Vec<String>), Complaint> {
    let mut set = GlobSetBuilder::new();
    let mut written = Vec::new();
    for (word, at) in fields.list(name)? {
        if word.starts_with(['/', '!']) || word.starts_with("./") {
            return Err(Complaint::new(at, format!("`{word}` can match no path"))
                .hint("paths start at the top of the repository, without `/` or `./` in front; negative globs go under `exclude`"));
        }
        let glob = GlobBuilder::new(word)
            .literal_separator(true)
            .backslash_escape(true)
            .build()
            .map_err(|error| Complaint::new(at, format!("`{word}` is not a glob: {}", error.kind())))?;
        set.add(glob);
        written.push(word.to_owned());
    }
    if written.is_empty() {
        return Ok((None, written));
    }
    let (_, node) = fields.get(name).expect("globs were read from this key");
    let set = set.build().map_err(|error| Complaint::new(node.at, format!("these globs do not compile: {}", error.kind())))?;
    Ok((Some(set), written))
}

fn detectors(fields: &Fields<'_>, id: &RuleId, applies: &Applies) -> Result<Vec<Detector>, Complaint> {
    let Some((key, node)) = fields.get("detect") else {
        return Ok(Vec::new());
    };
    let Value::List(items) = &node.value else {
        return Err(Complaint::new(key.at, format!("`detect` is a list of detectors, not {}", node.value.noun())));
    };
    if items.is_empty() {
        return Err(Complaint::new(key.at, "`detect` is empty").hint("leave the key out if a machine cannot see it"));
    }
    items.iter().map(|item| detector(item, id, applies)).collect()
}

fn detector(item: &Node, id: &RuleId, applies: &Applies) -> Result<Detector, Complaint> {
    const KINDS: &[(&str, &[&str])] = &[
        ("pattern", &["pattern", "language"]),
        ("ast_grep", &["ast_grep"]),
        ("regex", &["regex", "except"]),
        ("changed", &["changed", "without"]),
    ];
    let Value::Map(entries) = &item.value else {
        return Err(Complaint::new(item.at, format!("a detector is a mapping, not {}", item.value.noun())));
    };
    let kinds: Vec<_> = KINDS.iter().filter(|(kind, _)| entries.iter().any(|(key, _)| key.word == *kind)).collect();
    let (kind, valid) = match kinds.as_slice() {
        [one] => one,
        [] => {
            let (key, _) = entries
                .first()
                .ok_or_else(|| Complaint::new(item.at, "this detector is empty").hint("give it a `pattern` or a `regex`"))?;
            let all = KINDS.iter().flat_map(|(_, keys)| keys.iter().copied());
            return Err(Complaint::new(key.at, format!("a detector with `{}` is none of pattern, ast_grep, regex, changed", key.word))
                .nearest(&key.word, all));
        }
        [_, second, ..] => {
            let (key, _) = entries.iter().find(|(key, _)| key.word == second.0).expect("the kind was found by its key");
            return Err(Complaint::new(key.at, format!("`{}` does not go with `{}`", second.0, kinds[0].0))
                .hint("make them two detectors: each starts with its own `-`"));
        }
    };
    let fields = Fields::of(item, "this detector", valid)?;
    match *kind {
        "pattern" => {
            let (pattern, at) = fields.need("pattern")?;
            let (word, language_at) = fields.need("language")?;
            structural_detector(id, word, language_at, applies, at, &json!({ "rule": { "pattern": pattern } }), item)
        }
        "ast_grep" => {
            let (_, node) = fields.get("ast_grep").expect("the kind was found by its key");
            ast_grep(id, node, applies)
        }
        "regex" => {
            let (find, at) = fields.need("regex")?;
            let find = regex(find, at)?;
            if find.is_match("") {
                return Err(Complaint::new(at, "this regex matches the empty text, so it would hit every line"));
            }
            let except = fields.text("except")?.map(|(except, at)| regex(except, at)).transpose()?;
            Ok(Detector::Regex { find, except })
        }
        _ => {
            let (changed, _) = globs(&fields, "changed")?;
            let changed = changed.ok_or_else(|| Complaint::new(fields.at, "`changed` names no path"))?;
            let (without, without_globs) = globs(&fields, "without")?;
            Ok(Detector::CoChange { changed, without, without_globs })
        }
    }
}

fn ast_grep(id: &RuleId, node: &Node, applies: &Applies) -> Result<Detector, Complaint> {
    let fields = Fields::of(node, "`ast_grep`", &["language", "rule", "constraints", "utils"])?;
    let (word, language_at) = fields.need("language")?;
    let (_, rule) = fields.get("rule").ok_or_else(|| fields.missing("rule"))?;
    rule_keys(rule, Role::Rule)?;
    for name in ["constraints", "utils"] {
        if let Some((_, Node { value: Value::Map(rules), .. })) = fields.get(name) {
            rules.iter().try_for_each(|(_, rule)| rule_keys(rule, Role::Rule))?;
        }
    }
    let mut config = serde_json::Map::new();
    for name in ["rule", "constraints", "utils"] {
        if let Some((_, part)) = fields.get(name) {
            config.insert(name.to_owned(), part.json());
        }
    }
    structural_detector(id, word, language_at, applies, rule.at, &config.into(), node)
}

/// What a mapping inside a rule of ast-grep is.
#[derive(Clone, Copy)]
enum Role {
    /// A rule by itself.
    Rule,
    /// A rule behind `inside` and its kin.
    Relation,
    /// A pattern that is more than a text.
    Pattern,
}

/// Checks the keys of a rule of ast-grep: where a relation nests a rule, ast-grep itself passes over what it does not know.
fn rule_keys(node: &Node, role: Role) -> Result<(), Complaint> {
    const RULE: [&str; 13] =
        ["pattern", "kind", "regex", "nthChild", "range", "inside", "has", "precedes", "follows", "all", "any", "not", "matches"];
    const RELATION: [&str; 2] = ["stopBy", "field"];
    const PATTERN: [&str; 3] = ["context", "selector", "strictness"];
    let Value::Map(entries) = &node.value else {
        return Ok(());
    };
    for (key, inner) in entries {
        let valid: Vec<&str> = match role {
            Role::Rule => RULE.to_vec(),
            Role::Relation => RULE.into_iter().chain(RELATION).collect(),
            Role::Pattern => PATTERN.to_vec(),
        };
        let word = key.word.as_str();
        if !valid.contains(&word) {
            return Err(Complaint::new(key.at, format!("unknown key `{word}` in a rule of ast-grep")).nearest(word, valid));
        }
        match (word, &inner.value) {
            ("pattern", _) => rule_keys(inner, Role::Pattern)?,
            ("inside" | "has" | "precedes" | "follows", _) => rule_keys(inner, Role::Relation)?,
            ("not" | "stopBy", _) => rule_keys(inner, Role::Rule)?,
            ("all" | "any", Value::List(items)) => items.iter().try_for_each(|item| rule_keys(item, Role::Rule))?,
            _ => {}
        }
    }
    Ok(())
}

/// Compiles a structural detector; `config` holds `rule` and perhaps `constraints` and `utils`, read from `written`.
fn structural_detector(
    id: &RuleId,
    word: &str,
    language_at: At,
    applies: &Applies,
    rule_at: At,
    config: &serde_json::Value,
    written: &Node,
) -> Result<Detector, Complaint> {
    let language = language(word, language_at)?;
    if !applies.languages.is_empty() && !applies.languages.contains(&language) {
        return Err(Complaint::new(language_at, format!("the rule applies to no file in {language}, so this detector never runs"))
            .hint("add the language to `applies_to.languages`"));
    }
    if structural::compiled(language).is_none() {
        let names = Language::names().filter(|name| Language::parse(name).and_then(structural::compiled).is_some());
        return Err(Complaint::new(language_at, format!("there are no structural detectors for {language}"))
            .hint(format!("languages with a syntax tree: {}; a `regex` works in all", names.collect::<Vec<_>>().join(", "))));
    }
    let rule = structural::compile(id, language, config).map_err(|message| {
        // ast-grep gives no place, but often the word, in back-quotes: it can be found again in the file.
        let named = message.split('`').skip(1).step_by(2).filter_map(|word| written.find(word)).last();
        Complaint::new(named.unwrap_or(rule_at), message)
    })?;
    Ok(Detector::Structural { language, rule: Arc::new(rule) })
}

fn regex(word: &str, at: At) -> Result<Regex, Complaint> {
    RegexBuilder::new(word).size_limit(MAX_REGEX_BYTES).build().map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => {
            Complaint::new(at, "this regex grows too large").hint("`(?-u:\\w)` is much smaller than `\\w`; lower the counted repetitions")
        }
        // The crate draws the pattern with a caret below it; the last line says what is wrong.
        other => {
            let text = other.to_string();
            let reason = text.rsplit("error: ").next().unwrap_or(&text).lines().next().unwrap_or_default();
            Complaint::new(at, format!("this regex does not parse: {reason}"))
        }
    })
}

/// The entries of a mapping whose keys are all known.
struct Fields<'a> {
    entries: &'a [(Key, Node)],
    at: At,
}

impl<'a> Fields<'a> {
    fn of(node: &'a Node, what: &str, valid: &[&str]) -> Result<Self, Complaint> {
        let Value::Map(entries) = &node.value else {
            return Err(Complaint::new(node.at, format!("{what} is a mapping, not {}", node.value.noun())));
        };
        match entries.iter().find(|(key, _)| !valid.contains(&key.word.as_str())) {
            Some((key, _)) => {
                Err(Complaint::new(key.at, format!("unknown key `{}` in {what}", key.word)).nearest(&key.word, valid.iter().copied()))
            }
            None => Ok(Self { entries, at: At { width: 1, ..node.at } }),
        }
    }

    fn get(&self, name: &str) -> Option<&'a (Key, Node)> {
        self.entries.iter().find(|(key, _)| key.word == name)
    }

    fn missing(&self, name: &str) -> Complaint {
        Complaint::new(self.at, format!("the key `{name}` is missing"))
    }

    /// Returns a text that may be absent; an empty one is an error.
    fn text(&self, name: &str) -> Result<Option<(&'a str, At)>, Complaint> {
        self.get(name).map(|(key, node)| text(&format!("`{name}`"), node, key.at)).transpose()
    }

    fn owned(&self, name: &str) -> Result<Option<String>, Complaint> {
        Ok(self.text(name)?.map(|(text, _)| text.to_owned()))
    }

    fn need(&self, name: &str) -> Result<(&'a str, At), Complaint> {
        self.text(name)?.ok_or_else(|| self.missing(name))
    }

    /// Returns a list of texts that may be absent; an empty one is an error, since it would silently mean "everywhere".
    fn list(&self, name: &str) -> Result<Vec<(&'a str, At)>, Complaint> {
        let Some((key, node)) = self.get(name) else {
            return Ok(Vec::new());
        };
        match &node.value {
            Value::List(items) if !items.is_empty() => {
                items.iter().map(|item| text(&format!("an item of `{name}`"), item, item.at)).collect()
            }
            Value::List(_) => Err(Complaint::new(key.at, format!("`{name}` is empty")).hint("leave the key out instead")),
            other => {
                Err(Complaint::new(node.at, format!("`{name}` is a list, not {}", other.noun()))
                    .hint(format!("write `{name}: [one, two]`")))
            }
        }
    }
}

fn text<'a>(what: &str, node: &'a Node, key_at: At) -> Result<(&'a str, At), Complaint> {
    match &node.value {
        Value::Text(text) if text.trim().is_empty() => Err(Complaint::new(key_at, format!("{what} is empty"))),
        Value::Text(text) => Ok((text.as_str(), node.at)),
        Value::Null => Err(Complaint::new(key_at, format!("{what} is empty"))),
        other @ (Value::Bool(_) | Value::Number(_)) => {
            Err(Complaint::new(node.at, format!("{what} is a text, not {}", other.noun())).hint("put it in quotes"))
        }
        other @ (Value::List(_) | Value::Map(_)) => Err(Complaint::new(key_at, format!("{what} is a text, not {}", other.noun()))),
    }
}
