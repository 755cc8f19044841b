//! Tests of the detectors: what hits, what is set aside, what is refused. They read no files.

use proptest::prelude::*;
use similar::{ChangeTag, TextDiff};

use super::*;
use crate::change::{Content, Hunk, LineHash};
use crate::codex::parse;

/// Returns a rule with these lines of front matter behind the required ones.
fn rule(id: &str, front: &str) -> Rule {
    let text = format!(
        "---\nid: {id}\ntitle: T\nseverity: important\nreviewer: security\n{front}\n---\nDo not.\n\n## Why\n\nSo.\n\n## Bad\n\n```text\nx\n```\n\n## Good\n\n```text\ny\n```\n"
    );
    parse(&format!("{id}.md"), &text).unwrap()
}

const EVAL: &str = "status: active\ndetect:\n  - { pattern: 'eval($A)', language: python }";
const TODO: &str = "status: active\ndetect:\n  - regex: 'TODO'\n    except: 'TODO\\(#'";

fn set(rules: Vec<Rule>) -> RuleSet {
    RuleSet::build(rules, &BTreeMap::new(), &BTreeMap::new()).unwrap()
}

/// Returns the diff of one file as git shows it, with three lines of context; an absent text is an absent file.
fn file(path: &str, base: Option<&str>, head: Option<&str>) -> FileDiff {
    let diff = TextDiff::from_lines(base.unwrap_or(""), head.unwrap_or(""));
    let number = |at: usize| u32::try_from(at).unwrap();
    let mut hunks = Vec::new();
    for group in diff.grouped_ops(3) {
        let old_start = number(group[0].old_range().start) + u32::from(base.is_some());
        let new_start = number(group[0].new_range().start) + u32::from(head.is_some());
        let (mut old, mut new) = (old_start, new_start);
        let mut lines = Vec::new();
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let text = change.value().trim_end_matches('\n').to_owned();
            let kind = match change.tag() {
                ChangeTag::Equal => LineKind::Context,
                ChangeTag::Insert => LineKind::Added,
                ChangeTag::Delete => LineKind::Removed,
            };
            lines.push(Line { kind, old, new, hash: LineHash::of(text.as_bytes()), text, newline: true });
            old += u32::from(kind != LineKind::Added);
            new += u32::from(kind != LineKind::Removed);
        }
        hunks.push(Hunk { old_start, old_lines: old - old_start, new_start, new_lines: new - new_start, section: String::new(), lines });
    }
    let status = match (base, head) {
        (None, _) => Status::Added,
        (_, None) => Status::Deleted,
        _ => Status::Modified,
    };
    let path = RepoPath::from(path);
    FileDiff {
        old: base.map(|_| path.clone()),
        new: head.map(|_| path),
        status,
        old_mode: None,
        new_mode: None,
        content: Content::Text(hunks),
    }
}

/// Runs the rules over files given as path, base and head.
fn run(rules: &[(&str, &str)], files: &[(&str, Option<&str>, Option<&str>)]) -> Detected {
    let sources = files.iter().filter_map(|(path, _, head)| Some((RepoPath::from(*path), Source::Whole((*head)?.to_owned())))).collect();
    run_with(rules, files, &sources)
}

fn run_with(rules: &[(&str, &str)], files: &[(&str, Option<&str>, Option<&str>)], sources: &BTreeMap<RepoPath, Source>) -> Detected {
    let rules = set(rules.iter().map(|(id, front)| rule(id, front)).collect());
    let change = Change::new(files.iter().map(|(path, base, head)| file(path, *base, *head)).collect());
    detect(&rules, &change, sources, |_| Scope::All)
}

/// Returns the hits as one line each: rule, path, lines, fate.
fn shown(detected: &Detected) -> Vec<String> {
    detected
        .hits
        .iter()
        .map(|hit| {
            let lines = hit.lines.map_or_else(|| "-".to_owned(), |(first, last)| format!("{first}..{last}"));
            let fate = match &hit.set_aside {
                None => String::new(),
                Some(SetAside::AlreadyThere) => " already there".to_owned(),
                Some(SetAside::Draft) => " draft".to_owned(),
                Some(SetAside::Suppressed(reason)) => format!(" suppressed: {reason}"),
            };
            format!("{} {} {lines}{fate}", hit.rule, hit.path)
        })
        .collect()
}

fn check(rules: &[(&str, &str)], files: &[(&str, Option<&str>, Option<&str>)], expected: &[&str]) {
    assert_eq!(shown(&run(rules, files)), expected);
}

#[test]
fn a_structural_match_hits_where_it_meets_an_added_line() {
    check(&[("SEC-0001", EVAL)], &[("a.py", Some("a = 1\n"), Some("a = 1\nb = eval(x)\n"))], &["SEC-0001 a.py 1..1"]);
    check(&[("SEC-0001", EVAL)], &[("a.py", Some("b = eval(x)\na = 1\n"), Some("b = eval(x)\na = 2\n"))], &[]);
}

#[test]
fn a_match_is_anchored_on_what_the_change_added_to_it() {
    let base = "def f():\n    a = 1\n    b = 2\n    c = 3\n    d = 4\n    e = 5\n    g = 6\n    return a\n";
    let head = base.replace("    g = 6\n", "    g = 6\n    import os\n");
    let front = "status: active\ndetect:\n  - ast_grep: { language: python, rule: { kind: function_definition, has: { kind: import_statement, stopBy: end } } }";
    check(&[("PY-0001", front)], &[("a.py", Some(base), Some(&head))], &["PY-0001 a.py 3..3"]);
}

#[test]
fn a_match_over_several_lines_covers_its_added_lines_up_to_a_removed_one() {
    let base = "call(\n    1,\n    2,\n    3,\n)\n";
    let head = "eval(\n    1,\n    2,\n    4,\n)\n";
    // -call( +eval( 1 2 -3 +4 ): the second added line stands behind a removed one.
    check(
        &[("SEC-0001", "status: active\ndetect:\n  - { pattern: 'eval($$$)', language: python }")],
        &[("a.py", Some(base), Some(head))],
        &["SEC-0001 a.py 1..1"],
    );
    let long = "    1,\n".repeat(30);
    check(
        &[("SEC-0001", "status: active\ndetect:\n  - { pattern: 'eval($$$)', language: python }")],
        &[("a.py", None, Some(&format!("eval(\n{long})\n")))],
        &["SEC-0001 a.py 0..9"],
    );
}

#[test]
fn the_comments_of_ast_grep_switch_nothing_off() {
    check(&[("SEC-0001", EVAL)], &[("a.py", None, Some("# ast-grep-ignore\n\neval(x)\n"))], &["SEC-0001 a.py 2..2"]);
}

#[test]
fn a_regex_sees_each_added_line_by_itself() {
    let head = "x\nTODO one\nTODO(#7) fine\n TODO two\r\n";
    check(&[("QA-0001", TODO)], &[("a.txt", Some("x\n"), Some(head))], &["QA-0001 a.txt 1..1", "QA-0001 a.txt 3..3"]);
    let anchored = "status: active\ndetect:\n  - regex: '^b$'";
    check(&[("QA-0001", anchored)], &[("a.txt", None, Some("a\nb\r\nbb\n"))], &["QA-0001 a.txt 1..1"]);
    let whole = "status: active\ndetect:\n  - regex: '\\Ab\\z'";
    check(&[("QA-0001", whole)], &[("a.txt", None, Some("a\nb\r\nbb\n"))], &["QA-0001 a.txt 1..1"]);
    let spaces = "status: active\ndetect:\n  - regex: 'a\\s+b'";
    check(&[("QA-0001", spaces)], &[("a.txt", None, Some("a\nb\n"))], &[]);
}

#[test]
fn a_long_line_is_seen_up_to_its_bound_and_counted() {
    let head = format!("TODO{}\n{}TODO\n", "é".repeat(20_000), "é".repeat(10_000));
    let detected = run(&[("QA-0001", TODO)], &[("a.txt", None, Some(&head))]);
    assert_eq!((shown(&detected), detected.cut_lines), (vec!["QA-0001 a.txt 0..0".to_owned()], 2));
}

#[test]
fn two_detectors_of_a_rule_see_one_problem_once() {
    let front = "status: active\ndetect:\n  - { pattern: 'eval($A)', language: python }\n  - { pattern: 'eval($$$)', language: python }\n  - regex: 'eval'";
    check(&[("SEC-0001", front)], &[("a.py", None, Some("x = eval(eval(y))\n# eval\n"))], &["SEC-0001 a.py 0..0", "SEC-0001 a.py 1..1"]);
}

#[test]
fn what_is_in_the_base_already_is_set_aside() {
    let base = "def f():\n    return eval(x)\n\n\n\n\n\n\n\n\nlast = 1\n";
    let head = "def f():\n    return eval(x)\n\n\n\n\n\n\n\n\nlast = 1\nother = eval( x )\nmine = eval(y)\n";
    // `eval( x )` differs from `eval(x)` in its text; `eval(x)` on a line of its own does not.
    check(&[("SEC-0001", EVAL)], &[("a.py", Some(base), Some(head))], &["SEC-0001 a.py 3..3", "SEC-0001 a.py 4..4"]);
    let head = head.replace("eval( x )", "eval(x)");
    check(&[("SEC-0001", EVAL)], &[("a.py", Some(base), Some(&head))], &["SEC-0001 a.py 3..3 already there", "SEC-0001 a.py 4..4"]);
}

#[test]
fn an_indented_or_moved_line_is_not_new() {
    check(&[("QA-0001", TODO)], &[("a.txt", Some("TODO  a\nb\n"), Some("b\n    TODO a\n"))], &["QA-0001 a.txt 2..2 already there"]);
}

#[test]
fn code_moved_to_another_file_of_the_change_is_not_new() {
    let files = [("a.py", Some("x = 1\neval(\n  x\n)\n"), Some("x = 1\n")), ("b.py", None, Some("if y:\n    eval(\n      x\n    )\n"))];
    check(&[("SEC-0001", EVAL)], &files, &["SEC-0001 b.py 1..3 already there"]);
    // Copied is not moved: nothing was taken away.
    let files = [("a.py", Some("eval(x)\ny = 1\n"), Some("eval(x)\ny = 2\n")), ("b.py", None, Some("eval(x)\n"))];
    check(&[("SEC-0001", EVAL)], &files, &["SEC-0001 b.py 0..0"]);
    // A part of a longer word is another text.
    let files = [("a.py", Some("my_eval(x)\n"), Some("y = 2\n")), ("b.py", None, Some("eval(x)\n"))];
    check(&[("SEC-0001", EVAL)], &files, &["SEC-0001 b.py 0..0"]);
}

#[test]
fn code_moved_out_of_an_excluded_folder_is_new_to_the_rule() {
    let front = format!("applies_to: {{ exclude: ['tests/**'] }}\n{EVAL}");
    let files = [("tests/a.py", Some("eval(x)\n"), None), ("b.py", None, Some("eval(x)\n"))];
    check(&[("SEC-0001", &front)], &files, &["SEC-0001 b.py 0..0"]);
    check(&[("SEC-0001", EVAL)], &files, &["SEC-0001 b.py 0..0 already there"]);
}

#[test]
fn a_reason_on_or_above_the_line_suppresses_the_rule() {
    let suppressed = "SEC-0001 a.py 1..1 suppressed: x is a constant";
    let check = |head: &str, expected: &[&str]| check(&[("SEC-0001", EVAL)], &[("a.py", None, Some(head))], expected);
    check("#\neval(x)  # assize:ignore SEC-0001 x is a constant\n", &[suppressed]);
    check("# assize:ignore SEC-0001 x is a constant\neval(x)\n", &[suppressed]);
    check("# assize:ignore SEC-0001: x is a constant -->\neval(x)\n", &[suppressed]);
    check("# assize:ignore SEC-0001\neval(x)\n", &["SEC-0001 a.py 1..1"]);
    check("# assize:ignore SEC-0001 --- */\neval(x)\n", &["SEC-0001 a.py 1..1"]);
    check("# assize:ignore SEC-0001, SEC-0002\neval(x)\n", &["SEC-0001 a.py 1..1"]);
    check("# assize:ignore SEC-0002 x is a constant\neval(x)\n", &["SEC-0001 a.py 1..1"]);
    check("# assize:ignore SEC-0001 x is a constant\n\neval(x)\n", &["SEC-0001 a.py 2..2"]);
    check("f()  # assize:ignore SEC-0001 about f\neval(x)\n", &["SEC-0001 a.py 1..1"]);
    check(
        "# assize:ignore SEC-0001 x is a constant\n# assize:ignore SEC-0002 y\neval(x)\n",
        &["SEC-0001 a.py 2..2 suppressed: x is a constant"],
    );
}

#[test]
fn a_suppression_above_the_start_of_a_match_counts_too() {
    let base = "# assize:ignore SEC-0001 known\neval(\n  a\n)\n";
    check(&[("SEC-0001", EVAL)], &[("a.py", Some(base), Some(&base.replace("  a\n", "  b\n")))], &["SEC-0001 a.py 3..3 suppressed: known"]);
}

#[test]
fn a_suppression_is_found_in_the_head_and_without_it_in_the_hunk() {
    let base = "a\nb\nc\nd\ne\n";
    let head = "a\n# assize:ignore QA-0001 later\nTODO\nb\nc\nd\ne\n";
    let files = [("a.txt", Some(base), Some(head))];
    let expected = ["QA-0001 a.txt 2..2 suppressed: later"];
    assert_eq!(shown(&run(&[("QA-0001", TODO)], &files)), expected);
    assert_eq!(shown(&run_with(&[("QA-0001", TODO)], &files, &BTreeMap::new())), expected);
    let diff = file("a.txt", Some(base), Some(head));
    let id = RuleId::parse("QA-0001").unwrap();
    assert_eq!(suppress::suppressed(&id, &diff, &Source::HunksOnly, 2), Some("later".to_owned()));
    assert_eq!(suppress::suppressed(&id, &diff, &Source::HunksOnly, 3), None);
    assert_eq!(suppress::suppressed(&id, &diff, &Source::HunksOnly, 99), None);
}

#[test]
fn a_draft_is_recorded_and_set_aside() {
    check(&[("SEC-0001", &EVAL.replace("active", "draft"))], &[("a.py", None, Some("eval(x)\n"))], &["SEC-0001 a.py 0..0 draft"]);
}

#[test]
fn a_filtered_file_runs_rules_for_secrets_and_steering_only() {
    let rules = set(vec![
        rule("SEC-0001", EVAL),
        rule("SEC-0002", &format!("tags: [secret, x]\n{TODO}")),
        rule("SEC-0003", &format!("tags: [steering]\n{TODO}")),
    ]);
    let change = Change::new(vec![file("a.py", None, Some("eval(x) # TODO\n"))]);
    let detected = detect(&rules, &change, &BTreeMap::new(), |_| Scope::SecretsAndSteering);
    assert_eq!(shown(&detected), ["SEC-0002 a.py 0..0", "SEC-0003 a.py 0..0"]);
}

#[test]
fn without_the_whole_file_only_an_added_one_is_parsed_and_the_rest_is_said() {
    let files = [("a.py", Some("x = 1\n"), Some("eval(x)\n")), ("b.py", None, Some("eval(x)\n"))];
    let detected = run_with(&[("SEC-0001", EVAL)], &files, &BTreeMap::new());
    assert_eq!(shown(&detected), ["SEC-0001 b.py 0..0"]);
    assert_eq!(detected.skipped, [Skipped { path: RepoPath::from("a.py"), detectors: 1, why: NotRun::NoWholeFile }]);
}

#[test]
fn a_file_too_large_or_too_deep_to_parse_is_said() {
    let large = format!("eval(x)\n{}", "# x\n".repeat(300_000));
    let detected = run(&[("SEC-0001", EVAL)], &[("a.py", None, Some(&large))]);
    assert_eq!(detected.skipped, [Skipped { path: RepoPath::from("a.py"), detectors: 1, why: NotRun::TooLarge }]);
    let deep = format!("eval(y)\nx = {}eval(1){}\n", "(".repeat(2_000), ")".repeat(2_000));
    let detected = run(&[("SEC-0001", EVAL)], &[("a.py", None, Some(&deep))]);
    assert_eq!(shown(&detected), ["SEC-0001 a.py 0..0"]);
    assert_eq!(detected.skipped, [Skipped { path: RepoPath::from("a.py"), detectors: 1, why: NotRun::TooDeep }]);
}

#[test]
fn a_rule_runs_only_where_it_applies() {
    let front = format!("applies_to: {{ paths: ['src/**'], exclude: ['**/gen/*'] }}\n{TODO}");
    let files = [("lib/a.txt", None, Some("TODO\n")), ("src/gen/a.txt", None, Some("TODO\n")), ("src/x/a.txt", None, Some("TODO\n"))];
    check(&[("QA-0001", &front)], &files, &["QA-0001 src/x/a.txt 0..0"]);
}

#[test]
fn a_deleted_file_has_no_hits() {
    check(&[("QA-0001", TODO), ("SEC-0001", EVAL)], &[("a.py", Some("eval(x) # TODO\n"), None)], &[]);
}

#[test]
fn too_many_hits_of_a_rule_in_a_file_are_counted() {
    let head = "TODO x\n".repeat(60);
    let detected = run(&[("QA-0001", TODO)], &[("a.txt", None, Some(&head)), ("b.txt", None, Some("TODO x\n"))]);
    assert_eq!((detected.hits.len(), detected.beyond), (51, 10));
}

#[test]
fn files_that_changed_without_others_hit_once() {
    let front = "status: active\ndetect:\n  - changed: ['migrations/**']\n    without: ['CHANGELOG.md', 'docs/**']";
    let files = [("migrations/1.sql", None, Some("a\n")), ("migrations/2.sql", None, Some("b\n")), ("z.txt", None, Some("a\n"))];
    let detected = run(&[("REL-0001", front)], &files);
    assert_eq!(shown(&detected), ["REL-0001 migrations/1.sql -"]);
    assert_eq!(detected.hits[0].detail, "Nothing that matches `CHANGELOG.md`, `docs/**` changed together with this file and 1 other.");
    check(&[("REL-0001", front)], &[files[0], ("CHANGELOG.md", Some("a\n"), Some("b\n"))], &[]);
    check(&[("REL-0001", front)], &[files[2]], &[]);
}

#[test]
fn a_file_that_must_not_change_hits_unless_it_goes_away() {
    let front = "status: active\ntags: [secret]\ndetect:\n  - changed: ['**/.env']";
    let files = [(".env", None, Some("a\n")), ("a/.env", Some("a\n"), Some("b\n")), ("b/.env", Some("a\n"), None)];
    check(&[("SEC-0001", front)], &files, &["SEC-0001 .env -", "SEC-0001 a/.env -"]);
}

#[test]
fn the_order_of_hits_is_that_of_paths_lines_and_rules() {
    let whole = "status: active\ndetect:\n  - changed: ['**']";
    let files = [("b.py", None, Some("eval(x) # TODO\n")), ("a.py", None, Some("TODO\neval(x) # TODO\n"))];
    check(
        &[("QA-0001", TODO), ("SEC-0001", EVAL), ("ZZ-0001", whole)],
        &files,
        &[
            "ZZ-0001 a.py -",
            "QA-0001 a.py 0..0",
            "QA-0001 a.py 1..1",
            "SEC-0001 a.py 1..1",
            "ZZ-0001 b.py -",
            "QA-0001 b.py 0..0",
            "SEC-0001 b.py 0..0",
        ],
    );
}

#[test]
fn a_text_made_to_exhaust_the_parser_is_refused() {
    let front = "status: active\ndetect:\n  - { pattern: 'eval($A)', language: java }";
    for bomb in ["a<", "a<;", "a=>"] {
        let head = bomb.repeat(100_000);
        let detected = run(&[("SEC-0001", front)], &[("A.java", None, Some(&head))]);
        assert_eq!(detected.skipped, [Skipped { path: RepoPath::from("A.java"), detectors: 1, why: NotRun::NotParsed }], "{bomb}");
    }
    let front = "status: active\ndetect:\n  - { pattern: 'eval($A)', language: go }";
    let head = "case a:".repeat(2_000);
    let detected = run(&[("SEC-0001", front)], &[("a.go", None, Some(&head))]);
    assert_eq!(detected.skipped, [Skipped { path: RepoPath::from("a.go"), detectors: 1, why: NotRun::NotParsed }]);
    // Arrows and comparisons are no brackets.
    let front = "status: active\ndetect:\n  - { pattern: 'eval($A)', language: typescript }";
    let head = format!("{}eval(x);\n", "if (a <= 1) b = (c) => d;\n".repeat(3_000));
    check(&[("SEC-0001", front)], &[("a.ts", None, Some(&head))], &["SEC-0001 a.ts 3000..3000"]);
}

/// Checks the hits where two files change places, of which `whole` are there whole.
fn swapped(base: &str, head: &str, whole: bool) -> Result<(), TestCaseError> {
    let files = [("a.py", Some(base), Some(head)), ("b.py", Some(head), Some(base))];
    let rules = [("SEC-0001", EVAL), ("QA-0001", TODO)];
    let detected = if whole { run(&rules, &files) } else { run_with(&rules, &files, &BTreeMap::new()) };
    for hit in &detected.hits {
        let diff = if hit.path.as_str() == "a.py" { file("a.py", Some(base), Some(head)) } else { file("b.py", Some(head), Some(base)) };
        let (first, last) = hit.lines.unwrap();
        let lines: Vec<&Line> = diff.lines().collect();
        prop_assert!(first <= last);
        prop_assert_eq!((lines[first].kind, lines[last].kind), (LineKind::Added, LineKind::Added));
        prop_assert!(lines[first..=last].iter().all(|line| line.kind != LineKind::Removed));
        // What one file lost the other one got: no line is new. A call over several lines may be: its lines can stay while others come between,
        // and any of them may be the one that was added.
        let now = if hit.path.as_str() == "a.py" { head } else { base };
        let over_lines = hit.rule.as_str() == "SEC-0001" && now.contains("eval(\n");
        prop_assert!(hit.set_aside.is_some() || over_lines, "{:?}", hit);
    }
    let order: Vec<_> = detected.hits.iter().map(|hit| (&hit.path, hit.lines, &hit.rule)).collect();
    prop_assert!(order.is_sorted());
    let todos = |text: &str| text.lines().filter(|line| line.contains("TODO") && !line.contains("TODO(#")).count();
    prop_assert!(detected.hits.iter().filter(|hit| hit.rule.as_str() == "QA-0001").count() <= todos(head) + todos(base));
    Ok(())
}

#[test]
fn a_call_over_several_lines_is_new_where_its_end_is() {
    let base = "x = 1\ny = eval(\nx = 1\nx = 1\nx = 1\n# TODO\nx = 1\nx = 1\n)\n";
    let head = "y = eval(\nx = 1\n)\neval(x)\n# TODO\n# TODO\neval(x)\n";
    swapped(base, head, true).unwrap();
}

proptest! {
    #[test]
    fn hits_lie_on_added_lines_of_their_file_in_order(
        base in prop::collection::vec(prop::sample::select(LINES.to_vec()), 0..14),
        head in prop::collection::vec(prop::sample::select(LINES.to_vec()), 0..14),
        whole in any::<bool>(),
    ) {
        swapped(&base.concat(), &head.concat(), whole)?;
    }
}

const LINES: [&str; 9] = ["x = 1\n", "eval(x)\n", "y = eval(\n", "  z\n", ")\n", "# TODO\n", "# TODO(#1)\n", "\n", "if x:\n"];
