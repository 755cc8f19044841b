//! Strict YAML with faults that point at the source: file, line, column, the line itself, the nearest valid word. It reads no files.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Error, Location, MergeKeyPolicy, Options, Spanned};

/// What is wrong in a text, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Fault {
    /// The file, or another name of the text.
    pub origin: String,
    /// Line, 1-based; 0 when the fault is about the text as a whole.
    pub line: usize,
    /// Column, 1-based; 0 when only the line is known.
    pub column: usize,
    /// What is wrong, as a lowercase fragment.
    pub message: String,
    /// What to do, e.g. the nearest valid word.
    pub hint: Option<String>,
    /// The faulty line.
    pub excerpt: Option<String>,
}

/// Columns of an excerpt that are shown.
const EXCERPT_COLUMNS: usize = 120;

impl Fault {
    /// Returns a fault at a line of `text`.
    pub fn at(origin: &str, text: &str, line: usize, column: usize, message: impl Into<String>) -> Self {
        let excerpt = text.lines().nth(line.wrapping_sub(1)).map(|line| line.chars().take(EXCERPT_COLUMNS).collect());
        Self { origin: origin.to_owned(), line, column, message: message.into(), hint: None, excerpt }
    }

    /// Returns a fault about the text as a whole.
    pub fn whole(origin: &str, message: impl Into<String>) -> Self {
        Self { origin: origin.to_owned(), line: 0, column: 0, message: message.into(), hint: None, excerpt: None }
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds “did you mean”, if one of `valid` is near `word`, else the list of what is valid.
    #[must_use]
    pub fn nearest<'a>(self, word: &str, valid: impl IntoIterator<Item = &'a str>) -> Self {
        let valid: Vec<&str> = valid.into_iter().collect();
        match nearest(word, &valid) {
            Some(near) => self.hint(format!("did you mean `{near}`?")),
            None => self.hint(format!("valid here: {}", valid.join(", "))),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (0, _) => write!(f, "{}: {}", self.origin, self.message)?,
            (line, 0) => write!(f, "{}:{line}: {}", self.origin, self.message)?,
            (line, column) => write!(f, "{}:{line}:{column}: {}", self.origin, self.message)?,
        }
        if let Some(excerpt) = &self.excerpt {
            let gutter = self.line.to_string();
            let pad = " ".repeat(gutter.len());
            write!(f, "\n{pad} |\n{gutter} | {excerpt}")?;
            if self.column > 0 {
                write!(f, "\n{pad} | {}^", " ".repeat(self.column - 1))?;
            }
        }
        Ok(())
    }
}

impl From<Fault> for crate::error::Failure {
    fn from(fault: Fault) -> Self {
        let hint = fault.hint.clone();
        let failure = Self::usage(fault.to_string());
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

/// Returns the valid word that a typing error most likely meant.
pub fn nearest<'a>(word: &str, valid: &[&'a str]) -> Option<&'a str> {
    let scored = valid.iter().map(|candidate| (strsim::jaro_winkler(word, candidate), *candidate));
    scored.filter(|(score, _)| *score > 0.8).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, candidate)| candidate)
}

/// Reads a duration such as `90s`, `8m` or `1h`.
pub fn duration(word: &str) -> Option<Duration> {
    let unit = word.chars().last()?;
    let number: u64 = word.strip_suffix(unit)?.parse().ok().filter(|number| (1..=100_000).contains(number))?;
    match unit {
        's' => Some(Duration::from_secs(number)),
        'm' => Some(Duration::from_mins(number)),
        'h' => Some(Duration::from_hours(number)),
        _ => None,
    }
}

/// Reads a YAML text. `first_line` is the line of the file (1-based) that `text` begins on, for front matter; `whole` is the file, for excerpts.
pub fn read<T: DeserializeOwned>(origin: &str, text: &str, first_line: usize, whole: &str) -> Result<T, Fault> {
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| fault(origin, &error, first_line, whole))
}

fn options() -> Options {
    let mut options = Options::default();
    // Words such as `no` and `on` are strings where a string is asked for, `<<` is an ordinary key, and foreign tags are refused:
    // nothing in a file of ours needs them.
    options.strict_booleans = true;
    options.merge_keys = MergeKeyPolicy::AsOrdinary;
    options.reject_unsupported_tags = true;
    options
}

/// Returns the fault for a value that was read, but is not valid.
pub fn invalid(origin: &str, location: Location, first_line: usize, whole: &str, message: impl Into<String>) -> Fault {
    let (line, column) = place(Some(location), first_line);
    Fault::at(origin, whole, line, column, message)
}

/// Returns the fault for a key of a text, given the keys that lead to it, e.g. `reviewers` and `securty`.
///
/// It is for what shows only later, when the text was read long ago; where the keys lead nowhere, the fault is about the text as a whole.
pub fn at_key(origin: &str, text: &str, keys: &[&str], message: impl Into<String>) -> Fault {
    let found = serde_saphyr::from_str_with_options::<Keys>(text, options()).ok().and_then(|all| all.place(keys));
    match found {
        Some(location) => invalid(origin, location, 1, text, message),
        None => Fault::whole(origin, message),
    }
}

/// The keys of a text with their places; values that are no mappings hold none.
struct Keys(Vec<(Spanned<String>, Keys)>);

impl Keys {
    fn place(&self, keys: &[&str]) -> Option<Location> {
        let (first, rest) = keys.split_first()?;
        let (key, below) = self.0.iter().find(|(key, _)| key.value == *first)?;
        if rest.is_empty() { Some(key.referenced) } else { below.place(rest) }
    }
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyKeys)
    }
}

struct AnyKeys;

impl<'de> Visitor<'de> for AnyKeys {
    type Value = Keys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Keys, A::Error> {
        let mut keys = Vec::new();
        while let Some(entry) = entries.next_entry::<Spanned<String>, Keys>()? {
            keys.push(entry);
        }
        Ok(Keys(keys))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Keys, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Keys(Vec::new()))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Keys, D::Error> {
        Keys::deserialize(deserializer)
    }

    fn visit_unit<E>(self) -> Result<Keys, E> {
        Ok(Keys(Vec::new()))
    }

    fn visit_none<E>(self) -> Result<Keys, E> {
        Ok(Keys(Vec::new()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Keys, E> {
        Ok(Keys(Vec::new()))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Keys, E> {
        Ok(Keys(Vec::new()))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Keys, E> {
        Ok(Keys(Vec::new()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Keys, E> {
        Ok(Keys(Vec::new()))
    }

    fn visit_str<E>(self, _: &str) -> Result<Keys, E> {
        Ok(Keys(Vec::new()))
    }
}

fn place(location: Option<Location>, first_line: usize) -> (usize, usize) {
    let Some(location) = location else { return (0, 0) };
    let line = usize::try_from(location.line()).unwrap_or(usize::MAX);
    let column = usize::try_from(location.column()).unwrap_or(usize::MAX);
    if line == 0 { (0, 0) } else { (line.saturating_add(first_line - 1), column) }
}

fn fault(origin: &str, error: &Error, first_line: usize, whole: &str) -> Fault {
    let error = error.without_snippet();
    let (line, column) = place(error.location(), first_line);
    let at = |message: String| Fault::at(origin, whole, line, column, message);
    match error {
        Error::SerdeUnknownField { field, expected, .. } => at(format!("unknown key `{field}`")).nearest(field, expected.iter().copied()),
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            at(format!("unknown value `{variant}`")).nearest(variant, expected.iter().copied())
        }
        Error::SerdeMissingField { field, .. } => at(format!("the key `{field}` is missing")),
        Error::DuplicateMappingKey { key: Some(key), .. } => at(format!("the key `{key}` is there twice")).hint("leave one of them"),
        Error::InvalidScalar { ty, .. } => at(format!("{} is expected here", noun(ty))),
        Error::InvalidBooleanStrict { .. } => at(format!("{} is expected here", noun("boolean"))),
        Error::Unexpected { expected, .. } => at(format!("{} is expected here", noun(expected))),
        other => at(first_sentence(&other.to_string())),
    }
}

/// What the library calls the kind of a value, in the words of a person who writes the file.
fn noun(kind: &str) -> &str {
    match kind {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0 on",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "floating point" => "a number",
        "boolean" => "`true` or `false`",
        "string scalar" | "scalar" => "a text",
        "sequence start" => "a list (`[…]`, or lines that begin with `-`)",
        "mapping start" => "a mapping (`key: value`)",
        other => other,
    }
}

/// The library's message without the position that it appends: ours counts from the top of the file.
fn first_sentence(message: &str) -> String {
    let line = message.lines().next().unwrap_or(message);
    let end = line.find(" at line ").unwrap_or(line.len());
    let line = line[..end].trim_end_matches([',', ' ']);
    let line = line.strip_prefix("error: ").unwrap_or(line);
    let start = line.find(": ").filter(|&colon| line[..colon].starts_with("line ")).map_or(0, |colon| colon + 2);
    line[start..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read to see which faults it gives")]
    struct Sample {
        name: String,
        count: Option<u32>,
    }

    fn check(text: &str) -> String {
        let fault = read::<Sample>("sample.yml", text, 1, text).expect_err("faulty");
        format!("{fault}\nhint: {}", fault.hint.as_deref().unwrap_or("-"))
    }

    #[test]
    fn an_unknown_key_names_its_place_and_the_nearest_key() {
        assert_eq!(
            check("name: x\ncoutn: 3\n"),
            "sample.yml:2:1: unknown key `coutn`\n  |\n2 | coutn: 3\n  | ^\nhint: did you mean `count`?"
        );
    }

    #[test]
    fn a_wrong_type_names_its_place() {
        assert_eq!(
            check("name: x\ncount: many\n"),
            "sample.yml:2:8: a whole number from 0 on is expected here\n  |\n2 | count: many\n  |        ^\nhint: -"
        );
    }

    #[test]
    fn a_wrong_shape_says_what_is_expected() {
        assert!(check("name: [x]\n").starts_with("sample.yml:1:7: a text is expected here"), "{}", check("name: [x]\n"));
        assert!(check("- x\n").starts_with("sample.yml:1:1: a mapping (`key: value`) is expected here"), "{}", check("- x\n"));
    }

    #[test]
    fn a_key_is_found_by_the_keys_that_lead_to_it() {
        let text = "docs: 1\nreviewers:\n  - no\nmore:\n  security: { on: true, list: [a, { docs: 2 }] }\n  docs: ~\n";
        assert_eq!(at_key("a.yml", text, &["more", "docs"], "bad").to_string(), "a.yml:6:3: bad\n  |\n6 |   docs: ~\n  |   ^");
        assert_eq!(at_key("a.yml", text, &["more", "quality"], "bad").to_string(), "a.yml: bad");
    }

    #[test]
    fn a_missing_key_is_named() {
        assert!(check("count: 1\n").contains("the key `name` is missing"), "{}", check("count: 1\n"));
    }

    #[test]
    fn a_duplicate_key_is_refused_at_its_second_place() {
        let said = check("name: x\nname: y\n");
        assert!(said.starts_with("sample.yml:2:1: the key `name` is there twice\n"), "{said}");
    }
}
