//! The figure for detectors: 300 files with 30,000 added lines, 3 MB in all, in less than 2 s; and the mask over the same text. It must not
//! read files: the change is made up here.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use assize::change::{Change, Content, FileDiff, Hunk, Line, LineHash, LineKind, RepoPath, Status};
use assize::codex::{Mask, Rule, RuleSet, Scope, Source, builtin, detect, parse};

const FILES: usize = 300;
const LINES_PER_FILE: u32 = 100;

fn main() {
    divan::main();
}

/// The built-in rules and 60 more, since a team has rules of its own.
fn rules() -> Vec<Rule> {
    let mut rules = builtin().to_vec();
    for (language, pattern) in [
        ("python", "subprocess.run($$$, shell=True)"),
        ("rust", "$A.unwrap()"),
        ("typescript", "eval($A)"),
        ("go", "fmt.Sprintf($$$)"),
        ("java", "$A.equals($B)"),
    ] {
        for number in 0..6 {
            let detect = format!("  - {{ pattern: '{pattern}', language: {language} }}");
            rules.push(rule(rules.len(), number, &detect));
            let detect = format!("  - regex: '(?i)\\bword{number}[a-z]{{3,9}}\\s*=\\s*\"\\w+\"'");
            rules.push(rule(rules.len(), number, &detect));
        }
    }
    rules
}

fn rule(index: usize, number: usize, detect: &str) -> Rule {
    let id = format!("BENCH-{:04}", index * 10 + number);
    let text = format!(
        "---\nid: {id}\ntitle: T\nseverity: nit\nreviewer: quality\nstatus: active\ndetect:\n{detect}\n---\nDo not.\n\n## Why\n\nSo.\n\n\
         ## Bad\n\n```text\nx\n```\n\n## Good\n\n```text\ny\n```\n"
    );
    parse(&format!("{id}.md"), &text).expect("the benchmark's rules are valid")
}

/// A file's text: functions of the language, with lines of about a hundred bytes.
fn text(extension: &str, file: usize) -> String {
    let mut text = String::new();
    for line in 0..LINES_PER_FILE / 4 {
        let word = format!("value_{file}_{line}");
        let long = "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et dolore";
        match extension {
            "py" => writeln!(
                text,
                "def f_{word}(a, b):\n    # {long}\n    {word} = compute(a, b, \"{long}\", token=a.b.c(b))\n    return {word}"
            ),
            "rs" => writeln!(
                text,
                "fn f_{word}(a: A, b: B) -> C {{\n    // {long}\n    let {word} = compute(a, b, \"{long}\", a.b.c(b));\n    {word} }}"
            ),
            "go" => writeln!(
                text,
                "func f_{word}(a A, b B) C {{\n\t// {long}\n\t{word} := compute(a, b, \"{long}\", a.b.c(b))\n\treturn {word} }}"
            ),
            "java" => writeln!(
                text,
                "class F_{word} {{ C f(A a, B b) {{\n  // {long}\n  C {word} = compute(a, b, \"{long}\", a.b.c(b));\n  return {word}; }} }}"
            ),
            _ => writeln!(
                text,
                "function f_{word}(a: A, b: B) {{\n  // {long}\n  const {word} = compute(a, b, \"{long}\", a.b.c(b));\n  return {word}; }}"
            ),
        }
        .expect("writing to a string cannot fail");
    }
    text
}

fn added(path: &RepoPath, text: &str) -> FileDiff {
    let lines: Vec<Line> = (1_u32..)
        .zip(text.lines())
        .map(|(new, text)| Line {
            kind: LineKind::Added,
            old: 0,
            new,
            text: text.to_owned(),
            hash: LineHash::of(text.as_bytes()),
            newline: true,
        })
        .collect();
    let new_lines = u32::try_from(lines.len()).expect("a hundred lines");
    let hunk = Hunk { old_start: 0, old_lines: 0, new_start: 1, new_lines, section: String::new(), lines };
    FileDiff {
        old: None,
        new: Some(path.clone()),
        status: Status::Added,
        old_mode: None,
        new_mode: None,
        content: Content::Text(vec![hunk]),
    }
}

fn change() -> (Change, BTreeMap<RepoPath, Source>) {
    let mut sources = BTreeMap::new();
    let mut files = Vec::new();
    for file in 0..FILES {
        let extension = ["py", "rs", "go", "java", "ts"][file % 5];
        let path = RepoPath::from(format!("src/module_{file}.{extension}").as_str());
        let text = text(extension, file);
        files.push(added(&path, &text));
        sources.insert(path, Source::Whole(text));
    }
    (Change::new(files), sources)
}

#[divan::bench(sample_count = 5)]
fn detectors_over_300_files(bencher: divan::Bencher<'_, '_>) {
    let rules = RuleSet::build(rules(), &BTreeMap::new(), &BTreeMap::new()).expect("the benchmark's rules agree");
    let (change, sources) = change();
    bencher.bench_local(|| detect(&rules, &change, &sources, |_| Scope::All));
}

#[divan::bench(sample_count = 5)]
fn mask_over_the_same_text(bencher: divan::Bencher<'_, '_>) {
    let mask = Mask::new(builtin(), b"key");
    let (_, sources) = change();
    let whole: String =
        sources.values().filter_map(|source| if let Source::Whole(text) = source { Some(text.as_str()) } else { None }).collect();
    bencher.bench_local(|| mask.apply(&whole));
}
