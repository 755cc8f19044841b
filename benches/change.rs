//! How long a large merge request takes before any model is asked: parse, filter, classify. Goal: 3,000 files with 200,000 lines in less than a second
//! and 300 MB.

use std::fmt::Write as _;

use assize::change::{Change, FilterRules, GeneratedMarks, filter, parse, patch_id};
use assize::review::risk::{Bound, Bounds, classify, sensitive_file};
use globset::{Glob, GlobSet};

#[global_allocator]
static ALLOCATOR: divan::AllocProfiler = divan::AllocProfiler::system();

const FILES: usize = 3_000;
const LINES: usize = 200_000;

fn main() {
    divan::main();
}

/// A change with files of all kinds; every tenth is noise of some sort.
fn diff() -> Vec<u8> {
    let each = LINES / FILES;
    let mut diff = String::new();
    for n in 0..FILES {
        let path = match n % 10 {
            0 => format!("vendor/lib{}/file{n}.go", n % 7),
            1 => format!("src/module{}/auth_session{n}.rs", n % 50),
            _ => format!("src/module{}/some file{n}.rs", n % 50),
        };
        let tab = if path.contains(' ') { "\t" } else { "" };
        writeln!(diff, "diff --git a/{path} b/{path}\nindex 1111111..2222222 100644\n--- a/{path}{tab}\n+++ b/{path}{tab}")
            .expect("writing to a string cannot fail");
        let added = each / 3;
        let context = each - 2 * added;
        writeln!(diff, "@@ -{n},{old} +{n},{old} @@ fn section{n}() {{", n = n + 1, old = context + added)
            .expect("writing to a string cannot fail");
        for line in 0..added {
            writeln!(diff, "-    let value_{line} = compute(argument_{n}, \"text of the old line\");")
                .expect("writing to a string cannot fail");
            writeln!(diff, "+    let value_{line} = compute(&argument_{n}, \"text of the new line\")?;")
                .expect("writing to a string cannot fail");
        }
        for line in 0..context {
            writeln!(diff, "     unchanged(line_{line}, \"text around it\");").expect("writing to a string cannot fail");
        }
    }
    diff.into_bytes()
}

fn globs(patterns: &[&str]) -> GlobSet {
    GlobSet::new(patterns.iter().map(|pattern| Glob::new(pattern).expect("a glob"))).expect("globs")
}

fn to_tier(change: &Change) -> usize {
    let (ignore, include, never_send) = (globs(&["**/testdata/**"]), GlobSet::default(), globs(&["customer-data/**"]));
    let extra = globs(&["infra/**"]);
    let sensitive = |file: &assize::change::FileDiff| sensitive_file(file, &extra).is_some();
    let rules = FilterRules { ignore: &ignore, include: &include, never_send: &never_send, sensitive: &sensitive };
    let filtered = filter(change, &GeneratedMarks::default(), rules);
    let bounds = Bounds { trivial: Bound { max_lines: 10, max_files: 20 }, lite: Bound { max_lines: 100, max_files: 20 } };
    classify(filtered.reviewed.files(), &extra, &bounds, None).reasons.len() + filtered.left_out.len()
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn parse_filter_classify(bencher: divan::Bencher<'_, '_>) {
    let diff = diff();
    bencher.bench(|| to_tier(&parse(divan::black_box(&diff)).expect("a diff")));
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn parse_alone(bencher: divan::Bencher<'_, '_>) {
    let diff = diff();
    bencher.bench(|| parse(divan::black_box(&diff)).expect("a diff"));
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn patch_id_alone(bencher: divan::Bencher<'_, '_>) {
    let change = parse(&diff()).expect("a diff");
    bencher.bench(|| patch_id(divan::black_box(&change)));
}
