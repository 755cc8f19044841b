//! Interdiffs over changes made from files: what is no change, what is one, where lines went, and what readers get.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::change::testing::{Tree, between, tree};
use crate::change::{parse, print};

const A: &str = "a.rs";

fn plain(base: &Tree, head: &Tree) -> Change {
    between(base, head, &BTreeMap::new())
}

/// Numbered words, some of them replaced or followed by others.
fn words(count: usize, edits: &[(usize, &str)]) -> String {
    let word =
        |number: usize| edits.iter().find(|(at, _)| *at == number).map_or_else(|| format!("w{number}"), |(_, text)| (*text).to_owned());
    (1..=count).map(word).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn one(text: &str) -> Tree {
    tree(&[(A, text)])
}

fn at(path: &str, line: u32) -> Spot {
    Spot { path: path.into(), side: Side::New, line }
}

/// The lines of the narrowed change with their signs.
fn shown(interdiff: &Interdiff, new: &Change) -> String {
    let narrowed = interdiff.narrowed(new);
    let sign = |line: &Line| match line.kind {
        LineKind::Context => ' ',
        LineKind::Added => '+',
        LineKind::Removed => '-',
    };
    let of = |file: &FileDiff| {
        let lines: Vec<String> = file.lines().map(|line| format!("{}{}", sign(line), line.text)).collect();
        format!("{}: {}", file.path(), lines.join(" "))
    };
    narrowed.files().iter().map(of).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_same_patch_on_another_base_is_no_change() {
    let base = one(&words(30, &[]));
    let old = plain(&base, &one(&words(30, &[(10, "ten")])));
    // The target branch got lines above, next to the change and below; the branch was rebased, merged or retargeted.
    let merged = [(2, "w2 more"), (8, "eight"), (25, "")];
    let new = plain(&one(&words(30, &merged)), &one(&words(30, &[(2, "w2 more"), (8, "eight"), (10, "ten"), (25, "")])));
    let interdiff = interdiff(Some(&old), &new);
    assert!(interdiff.is_empty());
    assert_eq!(shown(&interdiff, &new), "");
    assert_eq!(interdiff.fate(&at(A, 10)), Fate::Kept(at(A, 11)));
    assert_eq!(interdiff.code_at(&A.into(), Side::New, 10, 10), CodeAt::Same);
}

#[test]
fn a_push_shows_its_hunk_alone() {
    let base = one(&words(60, &[]));
    let old = plain(&base, &one(&words(60, &[(10, "ten"), (40, "forty")])));
    let new = plain(&base, &one(&words(60, &[(10, "ten"), (40, "forty forty-and-a-half")])));
    let interdiff = interdiff(Some(&old), &new);
    assert_eq!(shown(&interdiff, &new), "a.rs:  w37  w38  w39 -w40 +forty +forty-and-a-half  w41  w42  w43");
    assert_eq!(interdiff.since(&at(A, 10)), Some(Since::Same));
    assert_eq!(interdiff.since(&at(A, 41)), Some(Since::Fresh));
    assert_eq!(interdiff.since(&at(A, 42)), Some(Since::Context));
    assert_eq!(interdiff.since(&at(A, 20)), None);
    assert_eq!(interdiff.code_at(&A.into(), Side::New, 10, 10), CodeAt::Same);
    assert_eq!(interdiff.code_at(&A.into(), Side::New, 40, 40), CodeAt::Near);
}

#[test]
fn an_edit_of_the_lines_themselves_is_told_from_one_beside_them() {
    let base = one(&words(30, &[]));
    let old = plain(&base, &one(&words(30, &[(10, "ten"), (11, "eleven"), (12, "twelve")])));
    let code = |edits: &[(usize, &str)]| {
        let new = plain(&base, &one(&words(30, edits)));
        interdiff(Some(&old), &new).code_at(&A.into(), Side::New, 10, 11)
    };
    assert_eq!(code(&[(10, "ten"), (11, "eleven"), (12, "twelve")]), CodeAt::Same);
    assert_eq!(code(&[(10, "ten"), (11, "eleven"), (12, "dozen")]), CodeAt::Near);
    assert_eq!(code(&[(9, "guard w9"), (10, "ten"), (11, "eleven"), (12, "twelve")]), CodeAt::Near);
    assert_eq!(code(&[(10, "ten"), (11, "elf"), (12, "twelve")]), CodeAt::Changed);
    assert_eq!(code(&[(10, "ten between"), (11, "eleven"), (12, "twelve")]), CodeAt::Changed);
    assert_eq!(code(&[(12, "twelve")]), CodeAt::Changed);
    assert_eq!(code(&[(10, "ten"), (11, "eleven"), (12, "twelve"), (20, "far")]), CodeAt::Same);
}

#[test]
fn a_revert_is_a_change_where_something_is_left_and_leaves_the_change_where_nothing_is() {
    let base = tree(&[(A, &words(30, &[])), ("b.rs", "x")]);
    let old = plain(&base, &tree(&[(A, &words(30, &[(10, "ten"), (12, "twelve")])), ("b.rs", "y")]));
    let new = plain(&base, &tree(&[(A, &words(30, &[(10, "ten")])), ("b.rs", "x")]));
    let interdiff = interdiff(Some(&old), &new);
    assert_eq!(interdiff.left(), ["b.rs".into()]);
    assert_eq!(shown(&interdiff, &new), "a.rs:  w7  w8  w9 -w10 +ten  w11  w12  w13");
    assert_eq!((interdiff.fate(&at(A, 12)), interdiff.fate(&at("b.rs", 1))), (Fate::Gone, Fate::Gone));
    assert!(!interdiff.is_empty());
}

#[test]
fn a_renamed_file_takes_its_lines_along() {
    let base = one(&words(30, &[]));
    let old = plain(&base, &one(&words(30, &[(10, "ten")])));
    let rename = BTreeMap::from([("z.rs".to_owned(), A.to_owned())]);
    let new = between(&base, &tree(&[("z.rs", &words(30, &[(10, "ten")]))]), &rename);
    let renamed = interdiff(Some(&old), &new);
    assert_eq!(renamed.fate(&at(A, 10)), Fate::Kept(at("z.rs", 10)));
    assert_eq!(renamed.path_of(&A.into()), Some(&"z.rs".into()));
    assert_eq!(shown(&renamed, &new), "z.rs: ");
    // An added file has no name in the base: its lines tell.
    let added = |path: &str, text: &str| plain(&Tree::new(), &tree(&[(path, text)]));
    let moved = interdiff(Some(&added(A, &words(9, &[]))), &added("n.rs", &words(9, &[(4, "four")])));
    assert_eq!((moved.fate(&at(A, 9)), moved.fate(&at(A, 4))), (Fate::Kept(at("n.rs", 9)), Fate::Gone));
}

#[test]
fn lines_that_moved_or_were_reindented_are_followed_and_count_as_changed() {
    let base = one(&words(40, &[]));
    let old = plain(&base, &one(&words(40, &[(5, "alpha beta gamma")])));
    let new = plain(&base, &one(&words(40, &[(30, "alpha beta gamma")])));
    let moved = interdiff(Some(&old), &new);
    assert_eq!(moved.fate(&at(A, 6)), Fate::Moved(at(A, 31)));
    assert_eq!(moved.since(&at(A, 31)), Some(Since::Moved));
    assert_eq!(moved.origin(&at(A, 31)), Some(&at(A, 6)));
    let mut indented = one(&words(40, &[(5, "alpha beta gamma")]));
    let text = indented[A].replace("beta", "    beta");
    indented.insert(A.to_owned(), text);
    let reindented = interdiff(Some(&old), &plain(&base, &indented));
    assert_eq!(reindented.fate(&at(A, 6)), Fate::Moved(at(A, 6)));
    assert_eq!(reindented.code_at(&A.into(), Side::New, 6, 6), CodeAt::Changed);
    assert_eq!(reindented.landing(&A.into(), Side::New, 6, 6), Some(Landing { path: A.into(), first: 5, end: 6 }));
}

#[test]
fn of_several_equal_lines_the_right_one_is_gone() {
    let base = one(&words(40, &[]));
    let old = plain(&base, &one(&words(40, &[(10, "same ten"), (20, "same twenty"), (30, "same thirty")])));
    let new = plain(&base, &one(&words(40, &[(10, "good ten"), (20, "same twenty"), (30, "same thirty")])));
    let interdiff = interdiff(Some(&old), &new);
    let fates: Vec<Fate> = [10, 21, 32].map(|line| interdiff.fate(&at(A, line))).to_vec();
    assert_eq!(fates, [Fate::Gone, Fate::Kept(at(A, 21)), Fate::Kept(at(A, 32))]);
}

#[test]
fn an_edited_line_lands_between_its_neighbours() {
    let base = one(&words(30, &[]));
    let old = plain(&base, &one(&words(30, &[(10, "ten")])));
    let new = plain(&base, &one(&words(30, &[(10, "zehn zehneinhalb")])));
    let landing = interdiff(Some(&old), &new).landing(&A.into(), Side::New, 10, 10).unwrap();
    let texts: Vec<&str> =
        new.files()[0].lines().skip(landing.first).take(landing.end - landing.first).map(|line| line.text.as_str()).collect();
    assert_eq!(texts, ["zehn", "zehneinhalb"]);
}

#[test]
fn without_the_earlier_change_everything_counts_as_changed() {
    let new = plain(&one(&words(30, &[])), &one(&words(30, &[(10, "ten")])));
    let interdiff = interdiff(None, &new);
    assert!(!interdiff.known() && !interdiff.is_empty());
    assert_eq!(interdiff.narrowed(&new), new);
    assert_eq!(interdiff.since(&at(A, 10)), Some(Since::Fresh));
    assert_eq!(interdiff.fate(&at(A, 10)), Fate::Unseen);
    assert_eq!(interdiff.code_at(&A.into(), Side::New, 10, 10), CodeAt::Unseen);
}

#[test]
fn a_one_line_push_to_a_large_added_file_shows_what_is_around_it() {
    let old = plain(&Tree::new(), &one(&words(3000, &[])));
    let new = plain(&Tree::new(), &one(&words(3000, &[(1500, "fresh")])));
    let interdiff = interdiff(Some(&old), &new);
    let narrowed = interdiff.narrowed(&new);
    let hunk = &narrowed.files()[0].hunks()[0];
    assert_eq!((hunk.old_start, hunk.old_lines, hunk.new_start, hunk.new_lines), (0, 0, 1469, 62));
    assert_eq!(hunk.lines.len(), 62);
}

#[test]
fn a_line_that_the_base_had_and_the_change_now_adds_is_fresh() {
    let with = words(30, &[(9, "w9 shared")]);
    let old = plain(&one(&with), &one(&words(30, &[(9, "w9 shared"), (10, "ten")])));
    // Retargeted to a branch that does not have it.
    let new = plain(&one(&words(30, &[])), &one(&words(30, &[(9, "w9 shared"), (10, "ten")])));
    let interdiff = interdiff(Some(&old), &new);
    assert_eq!((interdiff.since(&at(A, 10)), interdiff.since(&at(A, 11))), (Some(Since::Fresh), Some(Since::Same)));
    assert_eq!(interdiff.fate(&at(A, 10)), Fate::Kept(at(A, 10)));
}

#[test]
fn a_file_whose_pointer_or_mode_changed_is_shown() {
    let module = |to: char| {
        let to = to.to_string().repeat(40);
        let from = "1".repeat(40);
        parse(format!("diff --git a/m b/m\nindex {from}..{to} 160000\n--- a/m\n+++ b/m\n@@ -1 +1 @@\n-Subproject commit {from}\n+Subproject commit {to}\n").as_bytes()).unwrap()
    };
    assert!(interdiff(Some(&module('2')), &module('2')).is_empty());
    let moved = interdiff(Some(&module('2')), &module('3'));
    assert_eq!(moved.narrowed(&module('3')), module('3'));
}

/// Texts of few words, so that lines repeat.
fn any_text() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(0_u8..14, 0..40)
}

fn file(words: &[u8]) -> String {
    words.iter().flat_map(|word| [if word % 5 == 0 { "  " } else { "" }.to_owned(), format!("line {word}\n")]).collect()
}

fn text_of<'a>(change: &'a Change, spot: &Spot) -> &'a str {
    let file = change.file(&spot.path).unwrap();
    &file.lines().find(|line| named(line) == (spot.side, spot.line)).unwrap().text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn mappings_are_injective_and_keep_the_text_and_what_is_shown_is_part_of_the_change(
        base in any_text(), old in any_text(), other in any_text(), new in any_text(), same in any::<bool>(),
    ) {
        let trees = |a: &[u8], b: &[u8]| Tree::from([("a.rs".to_owned(), file(a)), ("b.rs".to_owned(), file(b))]);
        let old_change = plain(&trees(&base, &base), &trees(&old, &base));
        let new_base = if same { &base } else { &other };
        let new_change = plain(&trees(new_base, new_base), &trees(&new, &old));
        let interdiff = interdiff(Some(&old_change), &new_change);
        let mut targets = BTreeSet::new();
        for diff in old_change.files() {
            for line in diff.lines() {
                let from = spot(diff.path(), named(line));
                match interdiff.fate(&from) {
                    Fate::Kept(to) => {
                        prop_assert_eq!(text_of(&old_change, &from), text_of(&new_change, &to));
                        prop_assert_eq!(interdiff.origin(&to), Some(&from));
                        prop_assert!(targets.insert(to));
                    }
                    Fate::Moved(to) => {
                        prop_assert_eq!(normalised(text_of(&old_change, &from)), normalised(text_of(&new_change, &to)));
                        prop_assert!(targets.insert(to));
                    }
                    Fate::Gone => {}
                    Fate::Unseen => prop_assert!(false, "every line was shown"),
                }
                if let Some(landing) = interdiff.landing(&from.path, from.side, from.line, from.line) {
                    prop_assert!(landing.first <= landing.end && landing.end <= new_change.file(&landing.path).unwrap().lines().count());
                }
            }
        }
        let narrowed = interdiff.narrowed(&new_change);
        for part in narrowed.files() {
            let whole = new_change.file(part.path()).unwrap();
            let lines: Vec<&Line> = whole.lines().collect();
            prop_assert!(part.lines().all(|line| lines.contains(&line)));
        }
        // What is fresh is shown.
        for diff in new_change.files() {
            for line in diff.lines() {
                let at = spot(diff.path(), named(line));
                if matches!(interdiff.since(&at), Some(Since::Fresh | Since::Moved)) {
                    prop_assert!(narrowed.file(diff.path()).is_some_and(|part| part.lines().any(|shown| named(shown) == named(line))));
                }
            }
        }
        prop_assert_eq!(parse(print(&narrowed).as_bytes()).unwrap(), narrowed);
    }

    #[test]
    fn a_change_holds_nothing_new_against_itself(base in any_text(), head in any_text()) {
        let change = plain(&one_file(&base), &one_file(&head));
        let interdiff = interdiff(Some(&change), &change);
        prop_assert!(interdiff.is_empty());
        prop_assert!(interdiff.narrowed(&change).files().is_empty());
    }
}

fn one_file(words: &[u8]) -> Tree {
    Tree::from([("a.rs".to_owned(), file(words))])
}
