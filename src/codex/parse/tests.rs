//! Tests of the rule parser: every mistake at its place. They read no files.

use proptest::prelude::*;

use super::*;
use crate::change::RepoPath;
use crate::codex::{Detector, Expect, RuleId, RuleStatus, Severity};

const GOOD: &str = r#"---
id: SEC-0007
title: Compare secrets in constant time
message: The comparison leaks how much of the secret is right.
severity: important
reviewer: security
status: active
owner: "@platform/security"
rfc: https://docs.example.com/rfc/112
applies_to: { languages: [python], paths: ["**"], exclude: ["**/tests/**"] }
tags: [crypto]
detect:
  - pattern: "hmac.digest($$$) == $B"
    language: python
  - ast_grep: { language: python, rule: { pattern: "$A == $B", inside: { kind: if_statement, stopBy: end } }, constraints: { A: { regex: "^token$" } } }
  - regex: 'digest\(\) =='
    except: 'noqa'
  - changed: ["migrations/**"]
    without: ["CHANGELOG.md"]
---
If you compare a token, digest or password,
use a constant-time comparison, e.g. `hmac.compare_digest(a, b)`.

## Why

An attacker who can time the answer learns the secret byte by byte.

## Bad

```python app/login.py
if hmac.digest(key, body, "sha256") == given:
    pass
```

```files
migrations/0001.sql
```

## Good

```python
if hmac.compare_digest(a, b):
    pass
```

## Exceptions

Values that are public.
"#;

const FILE: &str = "codex-rules/security/SEC-0007-constant-time.md";

/// Breaks the good rule in one place and compares what a person gets to read.
fn check(from: &str, to: &str, expected: &str) {
    let text = GOOD.replacen(from, to, 1);
    assert_ne!(text, GOOD, "{from:?} is not in the rule");
    let error = parse(FILE, &text).expect_err(to);
    assert_eq!(error.to_string(), expected.trim_start_matches('\n').trim_end_matches('\n'));
}

#[test]
fn a_rule_file_is_read_whole() {
    let rule = parse(FILE, GOOD).unwrap();
    assert_eq!((rule.id.as_str(), rule.severity, rule.reviewer.as_str()), ("SEC-0007", Severity::Important, "security"));
    assert_eq!((rule.status.clone(), rule.tags.clone()), (RuleStatus::Active, vec!["crypto".to_owned()]));
    assert_eq!(rule.owner.as_deref(), Some("@platform/security"));
    assert_eq!(
        rule.guidance,
        "If you compare a token, digest or password, use a constant-time comparison, e.g. `hmac.compare_digest(a, b)`."
    );
    assert_eq!(rule.why, "An attacker who can time the answer learns the secret byte by byte.");
    let detectors: Vec<String> = rule.detectors.iter().map(|detector| format!("{detector:?}")).collect();
    assert_eq!(detectors, ["Structural(python)", "Structural(python)", r"Regex(digest\(\) ==)", r#"CoChange(without ["CHANGELOG.md"])"#]);
    assert!(matches!(&rule.detectors[2], Detector::Regex { except: Some(except), .. } if except.as_str() == "noqa"));
    let examples: Vec<(Expect, &str, Option<&str>, usize)> = rule
        .examples
        .iter()
        .map(|example| (example.expect, example.language.as_str(), example.file.as_ref().map(RepoPath::as_str), example.line))
        .collect();
    assert_eq!(
        examples,
        [(Expect::Bad, "python", Some("app/login.py"), 30), (Expect::Bad, "files", None, 35), (Expect::Good, "python", None, 41)]
    );
    assert!(rule.body.starts_with("If you compare") && rule.body.ends_with("Values that are public."));
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_change_nothing() {
    let plain = parse(FILE, GOOD).unwrap();
    let windows = parse(FILE, &format!("\u{feff}{}", GOOD.replace('\n', "\r\n"))).unwrap();
    assert_eq!((plain.guidance, plain.body, plain.examples), (windows.guidance, windows.body, windows.examples));
}

#[test]
fn a_rule_without_detectors_needs_no_examples() {
    let text = "---\nid: DOC-0001\ntitle: T\nseverity: nit\nreviewer: docs\nstatus: deprecated\nreplaced_by: DOC-0002\n---\nDo not.\n\n## Why\n\nSo.\n";
    let rule = parse("DOC-0001.md", text).unwrap();
    assert_eq!(rule.status, RuleStatus::Deprecated { replaced_by: RuleId::parse("DOC-0002") });
    assert!(rule.detectors.is_empty() && rule.examples.is_empty());
}

#[test]
fn the_file_name_starts_with_the_id() {
    for name in ["SEC-0007.md", "SEC-0007-x.md", "any/folder/SEC-0007-x.md", r"any\folder\SEC-0007-x.md"] {
        assert!(parse(name, GOOD).is_ok(), "{name}");
    }
    for name in ["SEC-00077.md", "sec-0007.md", "x-SEC-0007.md", "SEC-0007/x.md"] {
        assert!(parse(name, GOOD).is_err(), "{name}");
    }
}

#[test]
fn an_unknown_key_names_the_nearest_one() {
    check(
        "severity: important",
        "serverity: important",
        r"
codex-rules/security/SEC-0007-constant-time.md:5:1: unknown key `serverity` in the front matter
  |
5 | serverity: important
  | ^^^^^^^^^
  = hint: did you mean `severity`?
",
    );
}

#[test]
fn an_unknown_severity_names_the_nearest_one() {
    check(
        "severity: important",
        "severity: imporant",
        r"
codex-rules/security/SEC-0007-constant-time.md:5:11: `imporant` is not a severity
  |
5 | severity: imporant
  |           ^^^^^^^^
  = hint: did you mean `important`?
",
    );
}

#[test]
fn a_missing_key_is_named() {
    check(
        "severity: important\n",
        "",
        r"
codex-rules/security/SEC-0007-constant-time.md:2:1: the key `severity` is missing
  |
2 | id: SEC-0007
  | ^
",
    );
}

#[test]
fn a_key_that_is_there_twice_is_refused() {
    check(
        "severity: important",
        "severity: important\nseverity: nit",
        r"
codex-rules/security/SEC-0007-constant-time.md:6:1: the front matter is not valid YAML: duplicate mapping key: severity
  |
6 | severity: nit
  | ^^^^^^^^
",
    );
}

#[test]
fn a_bad_id_is_refused() {
    check(
        "id: SEC-0007",
        "id: sec-7",
        r"
codex-rules/security/SEC-0007-constant-time.md:2:5: `sec-7` is not a rule ID
  |
2 | id: sec-7
  |     ^^^^^
  = hint: an upper-case domain of 2 to 12 letters, a hyphen, four digits: `SEC-0007`
",
    );
}

#[test]
fn an_id_that_is_not_the_file_s_is_refused() {
    check(
        "id: SEC-0007",
        "id: SEC-0008",
        r"
codex-rules/security/SEC-0007-constant-time.md:2:5: the file is called `SEC-0007-constant-time.md`, its rule SEC-0008
  |
2 | id: SEC-0008
  |     ^^^^^^^^
  = hint: name it `SEC-0008-a-few-words.md`
",
    );
}

#[test]
fn an_open_quote_is_found() {
    check(
        "title: Compare",
        "title: 'Compare",
        r"
codex-rules/security/SEC-0007-constant-time.md:16:13: the front matter is not valid YAML: invalid trailing content after single-quoted scalar
   |
16 |   - regex: 'digest\(\) =='
   |             ^
",
    );
}

#[test]
fn an_unknown_language_names_the_nearest_one() {
    check(
        "[python]",
        "[pyhton]",
        r#"
codex-rules/security/SEC-0007-constant-time.md:10:27: `pyhton` is not a language that rules can name
   |
10 | applies_to: { languages: [pyhton], paths: ["**"], exclude: ["**/tests/**"] }
   |                           ^^^^^^
   = hint: did you mean `python`?
"#,
    );
}

#[test]
fn a_bad_glob_is_refused() {
    check(
        "[\"**\"]",
        "[\"a{b\"]",
        r#"
codex-rules/security/SEC-0007-constant-time.md:10:44: `a{b` is not a glob: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)
   |
10 | applies_to: { languages: [python], paths: ["a{b"], exclude: ["**/tests/**"] }
   |                                            ^^^^^
"#,
    );
}

#[test]
fn a_bad_regex_is_refused() {
    check(
        "digest\\(\\) ==",
        "digest(\\(\\) ==",
        r"
codex-rules/security/SEC-0007-constant-time.md:16:12: this regex does not parse: unclosed group
   |
16 |   - regex: 'digest(\(\) =='
   |            ^^^^^^^^^^^^^^^^
",
    );
}

#[test]
fn a_pattern_that_is_no_code_is_refused() {
    check(
        "pattern: \"hmac.digest($$$) == $B\"",
        "pattern: 'a b c (('",
        r"
codex-rules/security/SEC-0007-constant-time.md:13:14: ast-grep refuses this: Rule must specify a set of AST kinds to match. Try adding `kind` rule
   |
13 |   - pattern: 'a b c (('
   |              ^^^^^^^^^^
",
    );
}

#[test]
fn a_misspelt_detector_names_the_nearest_one() {
    check(
        "pattern: \"hmac",
        "patern: \"hmac",
        r#"
codex-rules/security/SEC-0007-constant-time.md:13:5: a detector with `patern` is none of pattern, ast_grep, regex, changed
   |
13 |   - patern: "hmac.digest($$$) == $B"
   |     ^^^^^^
   = hint: did you mean `pattern`?
"#,
    );
}

#[test]
fn a_misspelt_key_in_a_long_line_is_shown_around_its_place() {
    check(
        "kind: if_statement",
        "knd: if_statement",
        r#"
codex-rules/security/SEC-0007-constant-time.md:15:74: unknown key `knd` in a rule of ast-grep
   |
15 |  rule: { pattern: "$A == $B", inside: { knd: if_statement, stopBy: end } }, constraints: { A: { regex: "^token$" } } }
   |                                         ^^^
   = hint: did you mean `kind`?
"#,
    );
}

#[test]
fn an_unknown_section_is_refused() {
    check(
        "## Why",
        "## Wy",
        r"
codex-rules/security/SEC-0007-constant-time.md:24:1: `Wy` is not a section of a rule
   |
24 | ## Wy
   | ^^^^^
   = hint: valid here: Why, Bad, Good, Exceptions
",
    );
}

#[test]
fn an_unknown_fence_language_is_refused() {
    check(
        "```python\nif",
        "```pyton\nif",
        r"
codex-rules/security/SEC-0007-constant-time.md:41:1: `pyton` is not a language that rules can name
   |
41 | ```pyton
   | ^^^^^^^^
   = hint: did you mean `python`?
",
    );
}

#[test]
fn other_mistakes_are_refused_at_their_line() {
    let check = |from: &str, to: &str, line: usize, message: &str| {
        let text = GOOD.replacen(from, to, 1);
        assert_ne!(text, GOOD, "{from:?} is not in the rule");
        let error = parse(FILE, &text).expect_err(to);
        assert_eq!((error.line, error.message.as_str()), (line, message), "{error}");
    };
    check("severity: important", "severity: [important]", 5, "`severity` is a text, not a list");
    check("[python]", "python", 10, "`languages` is a list, not a text");
    check("[\"**\"]", "[\"/app/**\"]", 10, "`/app/**` can match no path");
    check("[\"**\"]", "[]", 10, "`paths` is empty");
    check("tags: [crypto]", "tags: [Crypto]", 11, "`Crypto` is not a tag");
    check("tags: [crypto]", "tags: &a [*a]", 11, "the front matter is not valid YAML: recursive references require weak recursion types");
    check("tags: [crypto]", "tags: !x [a]", 11, "the front matter is not valid YAML: unsupported tag `!x`");
    check("status: active", "status: active\nreplaced_by: SEC-0008", 8, "a rule that is active has no `replaced_by`");
    check("pattern: \"hmac.digest($$$) == $B\"", "pattern: 7", 13, "`pattern` is a text, not the number 7");
    check("    language: python\n", "    language: rust\n", 14, "the rule applies to no file in rust, so this detector never runs");
    check("stopBy: end", "stopby: end", 15, "unknown key `stopby` in a rule of ast-grep");
    check(
        "kind: if_statement",
        "kind: if_stmt",
        15,
        "ast-grep refuses this: `rule` is not configured correctly: Rule contains invalid kind matcher: Invalid Kind: Kind `if_stmt` is invalid",
    );
    check("digest\\(\\) ==", "x*", 16, "this regex matches the empty text, so it would hit every line");
    check("digest\\(\\) ==", "\\w{1000}{100}", 16, "this regex grows too large");
    check("    except: 'noqa'\n", "    changed: [a]\n", 17, "`changed` does not go with `regex`");
    check("compare_digest(a, b)`.", "compare_digest(a, b)`. Do it.", 21, "the guidance is a single sentence");
    check("compare_digest(a, b)`.", "compare_digest(a, b)`", 21, "the guidance is one sentence and ends with a full stop");
    check("If you compare", "# Title\n\nIf you compare", 21, "the text below the front matter starts with the guidance");
    check("## Exceptions", "# Exceptions", 46, "a rule's title stands in its front matter");
    check("## Good", "## Good\n\n## Good", 41, "the section `## Good` is there twice");
    check("## Good", "### Good", 48, "the section `## Good` is missing: a rule with detectors shows what they catch and what not");
    check("```python\nif", "```\nif", 41, "an example names its language behind the fence");
    check("```files", "```files a.txt", 35, "a `files` example has no file name: each line of it is a path");
    check("---\nIf you", "If you", 1, "the front matter is not closed");
    check("---\nid", "id", 1, "a rule file starts with `---` and its front matter");
}

#[test]
fn an_alias_bomb_and_a_huge_file_end_early() {
    let mut bomb = String::from("tags: [crypto]\na0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let of = format!("*a{}", level - 1);
        bomb = format!("{bomb}a{level}: &a{level} [{}]\n", [of.as_str(); 9].join(", "));
    }
    let error = parse(FILE, &GOOD.replacen("tags: [crypto]\n", &bomb, 1)).unwrap_err();
    assert!(error.message.contains("not valid YAML"), "{error}");
    let error = parse(FILE, &format!("{GOOD}{}", "x".repeat(MAX_RULE_BYTES))).unwrap_err();
    assert_eq!(error.message, "a rule file has at most 64 KiB");
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        let _ = parse(FILE, &text);
        let _ = parse(FILE, &format!("---\n{text}\n---\n{text}"));
    }

    #[test]
    fn a_rule_with_a_piece_replaced_never_panics(at in 0..GOOD.len(), cut in 0_usize..40, piece in "[-:#`\\[\\]{}&*!|>'\"%@a-z \n\t$é]{0,12}") {
        let from = GOOD.floor_char_boundary(at);
        let to = GOOD.floor_char_boundary((at + cut).min(GOOD.len()));
        let text = format!("{}{piece}{}", &GOOD[..from], &GOOD[to.max(from)..]);
        if let Err(error) = parse(FILE, &text) {
            prop_assert!(error.line >= 1 && error.line <= text.lines().count() + 1, "{}", error);
        }
    }
}
