//! The risk tier: how much scrutiny a change gets, and why. It must not look at what lines say, only at names and numbers, so that the answer can be
//! explained; and more of a change never gets less scrutiny.

mod places;
mod triggers;

use globset::GlobSet;

use super::{Size, Tier, TierDecision};
use crate::change::{FileDiff, RepoPath};

pub use places::is_sensitive;
pub use triggers::{touches_agent_instructions, touches_release};

/// Upper bounds of a tier, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Added and removed lines.
    pub max_lines: usize,
    /// Files.
    pub max_files: usize,
}

/// Upper bounds of the two lower tiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Of a trivial change.
    pub trivial: Bound,
    /// Of a lite change.
    pub lite: Bound,
}

/// A tier that somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forced {
    /// The tier.
    pub tier: Tier,
    /// Who asks, by what, to stand behind “by”, e.g. `--tier lite` or `the label assize::lite of @ada`.
    pub by: String,
    /// They may lower a tier; anyone may raise it.
    pub may_lower: bool,
}

/// Most files that a decision names one by one.
const MAX_NAMED: usize = 5;

/// Returns the size of the filtered change.
pub fn size<'a>(files: impl IntoIterator<Item = &'a FileDiff>) -> Size {
    files.into_iter().fold(Size::default(), |size, file| Size {
        files: size.files + 1,
        added: size.added + file.added(),
        removed: size.removed + file.removed(),
    })
}

/// Returns the tier of the filtered change with its reasons. `sensitive` are the project's own sensitive paths beside the built-in ones.
pub fn classify(files: &[FileDiff], sensitive: &GlobSet, bounds: &Bounds, forced: Option<&Forced>) -> TierDecision {
    let size = size(files);
    let mut reasons: Vec<String> = Vec::new();
    let mut sensitive_files = 0;
    for why in files.iter().filter_map(|file| sensitive_file(file, sensitive)) {
        sensitive_files += 1;
        if sensitive_files <= MAX_NAMED {
            reasons.push(why);
        }
    }
    if sensitive_files > MAX_NAMED {
        let more = sensitive_files - MAX_NAMED;
        reasons.push(if more == 1 {
            "1 more file is security-sensitive".to_owned()
        } else {
            format!("{more} more files are security-sensitive")
        });
    }
    let (by_size, why) = tier_of_size(size, bounds);
    let own = if sensitive_files > 0 { Tier::Full } else { by_size };
    // Size is a reason of its own only where it alone would have led here.
    if by_size == own {
        reasons.push(why);
    }
    let Some(forced) = forced else { return TierDecision { tier: own, reasons } };
    let (tier, by) = (forced.tier.word(), &forced.by);
    if forced.tier > own {
        TierDecision { tier: forced.tier, reasons: vec![format!("{tier} was asked for by {by}")] }
    } else if forced.tier == own {
        TierDecision { tier: own, reasons }
    } else if sensitive_files > 0 {
        reasons.push(format!("{tier}, asked for by {by}, is not for security-sensitive paths"));
        TierDecision { tier: own, reasons }
    } else if forced.may_lower {
        let reason = format!("{tier} was asked for by {by}; by itself the change is {}", own.word());
        TierDecision { tier: forced.tier, reasons: vec![reason] }
    } else {
        reasons.push(format!("{tier}, asked for by {by}, needs someone who may lower a tier"));
        TierDecision { tier: own, reasons }
    }
}

/// Returns the tier that numbers alone lead to, and the clause that says so.
fn tier_of_size(size: Size, bounds: &Bounds) -> (Tier, String) {
    let fits = |bound: &Bound| size.lines() <= bound.max_lines && size.files <= bound.max_files;
    let (lines, files) = (size.lines(), size.files);
    let all = format!("{} in {} changed", count(lines, "line"), count(files, "file"));
    let above = |bound: &Bound, tier: &str| {
        if lines > bound.max_lines {
            format!("{} changed, above the {} of a {tier} change", count(lines, "line"), bound.max_lines)
        } else {
            format!("{} changed, above the {} of a {tier} change", count(files, "file"), bound.max_files)
        }
    };
    if fits(&bounds.trivial) {
        (Tier::Trivial, format!("only {all}"))
    } else if fits(&bounds.lite) {
        (Tier::Lite, above(&bounds.trivial, "trivial"))
    } else {
        (Tier::Full, above(&bounds.lite, "lite"))
    }
}

/// Returns the clause that says why a file is security-sensitive, under its old or its new name; `None` if it is not.
pub fn sensitive_file(file: &FileDiff, sensitive: &GlobSet) -> Option<String> {
    let clause = |path: &RepoPath| is_sensitive(path, sensitive).map(|why| format!("{path} is security-sensitive: {why}"));
    file.new.as_ref().and_then(clause).or_else(|| file.old.as_ref().and_then(clause))
}

fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;
    use crate::change::parse;

    const BOUNDS: Bounds = Bounds { trivial: Bound { max_lines: 10, max_files: 20 }, lite: Bound { max_lines: 100, max_files: 20 } };

    fn files(sizes: &[(&str, usize)]) -> Vec<FileDiff> {
        let mut diff = String::new();
        for (path, lines) in sizes {
            writeln!(diff, "diff --git a/{path} b/{path}\nindex 1111111..2222222 100644\n--- a/{path}\n+++ b/{path}").unwrap();
            write!(diff, "@@ -0,0 +1,{lines} @@\n{}", "+x\n".repeat(*lines)).unwrap();
        }
        parse(diff.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{diff}")).files().to_vec()
    }

    fn decided(sizes: &[(&str, usize)], forced: Option<&Forced>) -> String {
        let decision = classify(&files(sizes), &GlobSet::default(), &BOUNDS, forced);
        format!("{} because {}", decision.tier.word(), decision.reasons.join(", and "))
    }

    #[test]
    fn numbers_lead_to_a_tier() {
        assert_eq!(decided(&[("a.rs", 10)], None), "trivial because only 10 lines in 1 file changed");
        assert_eq!(decided(&[("a.rs", 10), ("b.rs", 1)], None), "lite because 11 lines changed, above the 10 of a trivial change");
        assert_eq!(decided(&[("a.rs", 101)], None), "full because 101 lines changed, above the 100 of a lite change");
        let names: Vec<_> = (0..21).map(|n| format!("f{n}.rs")).collect();
        let many: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
        assert_eq!(decided(&many[..20], None), "lite because 20 lines changed, above the 10 of a trivial change");
        assert_eq!(decided(&many, None), "full because 21 files changed, above the 20 of a lite change");
    }

    #[test]
    fn a_sensitive_path_is_always_full_and_named() {
        assert_eq!(
            decided(&[("src/auth/session.rs", 1), ("x.rs", 1)], None),
            "full because src/auth/session.rs is security-sensitive: its path says `auth`"
        );
        let names: Vec<_> = (0..6).map(|n| format!("auth/f{n}.rs")).collect();
        let many: Vec<_> = names.iter().map(|name| (name.as_str(), 20)).collect();
        let text = decided(&many, None);
        let end = "auth/f4.rs is security-sensitive: its path says `auth`, and 1 more file is security-sensitive, and 120 lines changed, above the \
                   100 of a lite change";
        assert!(text.ends_with(end), "{text}");
    }

    #[test]
    fn old_and_new_names_count() {
        let diff = "diff --git a/src/login.rs b/src/x.rs\nsimilarity index 100%\nrename from src/login.rs\nrename to src/x.rs\n";
        let change = parse(diff.as_bytes()).unwrap();
        assert_eq!(
            sensitive_file(&change.files()[0], &GlobSet::default()),
            Some("src/login.rs is security-sensitive: its path says `login`".to_owned())
        );
    }

    #[test]
    fn raising_is_anyones_and_lowering_is_not() {
        let forced = |tier, may_lower| Forced { tier, by: "--tier".to_owned(), may_lower };
        assert_eq!(decided(&[("a.rs", 1)], Some(&forced(Tier::Full, false))), "full because full was asked for by --tier");
        assert_eq!(
            decided(&[("a.rs", 200)], Some(&forced(Tier::Trivial, true))),
            "trivial because trivial was asked for by --tier; by itself the change is full"
        );
        assert_eq!(
            decided(&[("a.rs", 200)], Some(&forced(Tier::Lite, false))),
            "full because 200 lines changed, above the 100 of a lite change, and lite, asked for by --tier, needs someone who may lower a tier"
        );
        assert_eq!(
            decided(&[("src/auth/x.rs", 1)], Some(&forced(Tier::Lite, true))),
            "full because src/auth/x.rs is security-sensitive: its path says `auth`, and lite, asked for by --tier, is not for security-sensitive paths"
        );
        assert_eq!(decided(&[("a.rs", 1)], Some(&forced(Tier::Trivial, true))), "trivial because only 1 line in 1 file changed");
    }

    fn any_files() -> impl Strategy<Value = BTreeMap<String, usize>> {
        let folder = prop::sample::select(vec!["src/a", "src/auth/b", "docs/auth", "web/tokenizer", ".gitlab-ci", "k8s/x"]);
        let path = (folder, 0..40_u8, prop::sample::select(vec!["rs", "md", "yml", "css"]));
        let path = path.prop_map(|(folder, number, extension)| format!("{folder}{number}.{extension}"));
        prop::collection::btree_map(path, 1..60_usize, 0..25)
    }

    fn any_bound() -> impl Strategy<Value = Bound> {
        (0..200_usize, 0..30_usize).prop_map(|(max_lines, max_files)| Bound { max_lines, max_files })
    }

    proptest! {
        #[test]
        fn more_files_or_lines_never_lower_the_tier(
            base in any_files(),
            more in any_files(),
            trivial in any_bound(),
            lite in any_bound(),
            forced in prop::option::of((prop::sample::select(Tier::ALL.to_vec()), any::<bool>())),
        ) {
            let bounds = Bounds { trivial, lite };
            let forced = forced.map(|(tier, may_lower)| Forced { tier, by: String::new(), may_lower });
            let tier = |sizes: &BTreeMap<String, usize>| {
                let sizes: Vec<_> = sizes.iter().map(|(path, lines)| (path.as_str(), *lines)).collect();
                let files = if sizes.is_empty() { Vec::new() } else { files(&sizes) };
                classify(&files, &GlobSet::default(), &bounds, forced.as_ref())
            };
            let before = tier(&base);
            let mut sizes = base;
            for (path, lines) in more {
                *sizes.entry(path).or_default() += lines;
            }
            let after = tier(&sizes);
            prop_assert!(after.tier >= before.tier, "{before:?} {after:?}");
            prop_assert!(!before.reasons.is_empty() && !after.reasons.is_empty());
        }
    }
}
