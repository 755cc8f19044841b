//! Tests of the checks: no claim is lost, nothing stands outside the change, whatever a model writes. The cases one by one are stories.

use proptest::prelude::*;

use super::*;
use crate::change::parse;
use crate::codex::builtin;
use crate::review::{Confidence, Quoted, Source as Said};

const DIFF: &str = "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1,6 +1,7 @@\n import db\n \n-def f(x):\n-    return x\n+def f(x, y):\n+    z = x + y\n+    return z\n \n # end\n@@ -30,3 +31,3 @@\n def g():\n-    pass\n+    return f(1)\n # g\n";

struct Bench {
    change: Change,
    rules: RuleSet,
    mask: Mask,
    outside: BTreeMap<RepoPath, String>,
}

fn bench() -> Bench {
    let rules = RuleSet::build(builtin().to_vec(), &BTreeMap::new(), &BTreeMap::new()).unwrap();
    let outside = [
        ("b.py", "from a import f\n\nf(1)\n"),
        ("a.py", "import db\n\ndef f(x, y):\n    z = x + y\n    return z\n\n# end\nUNTOUCHED = 1\n"),
    ];
    Bench {
        change: parse(DIFF.as_bytes()).unwrap(),
        mask: Mask::new(builtin(), b"k"),
        rules,
        outside: outside.map(|(path, text)| (RepoPath::from(path), text.to_owned())).into(),
    }
}

impl Bench {
    fn check(&self, claims: Vec<Claim>) -> Checked {
        let sources = BTreeMap::new();
        let ceilings = [(ReviewerName::parse("docs").unwrap(), Severity::Important)].into();
        let ground = Ground {
            change: &self.change,
            shown: &self.change,
            rules: &self.rules,
            sources: &sources,
            outside: &self.outside,
            ceilings: &ceilings,
            mask: &self.mask,
        };
        check(claims, &ground)
    }

    fn one(&self, claim: Claim) -> Result<Finding, DropReason> {
        let mut checked = self.check(vec![claim]);
        checked.findings.pop().ok_or_else(|| checked.dropped.pop().expect("one or the other").reason)
    }
}

fn claim(severity: Severity, path: &str, quote: &str) -> Claim {
    let reviewer = ReviewerName::parse("quality").unwrap();
    Claim {
        title: "T".into(),
        severity,
        category: reviewer.clone(),
        body: "B".into(),
        rule_ids: Vec::new(),
        cited: Cited { path: path.into(), quote: quote.into(), ..Cited::default() },
        related: Vec::new(),
        suggestion: None,
        confidence: Confidence::from_share(0.7),
        source: Said::Reviewer(reviewer),
        prior_id: None,
    }
}

#[test]
fn paths_are_taken_as_readers_of_diffs_write_them() {
    for path in ["a.py", "./a.py", "b/a.py", "a/a.py", "`a.py`"] {
        let finding = bench().one(claim(Severity::Suggestion, path, "z = x + y")).unwrap();
        assert_eq!(finding.place.path().as_str(), "a.py");
    }
}

#[test]
fn unchanged_lines_count_only_beside_a_change_and_when_it_matters() {
    let near = |severity| bench().one(claim(severity, "a.py", "# end")).map(|finding| finding.severity);
    assert_eq!(near(Severity::Important), Ok(Severity::Important));
    assert_eq!(near(Severity::Suggestion), Err(DropReason::OutOfScope));
    assert_eq!(bench().one(claim(Severity::Suggestion, "a.py", "UNTOUCHED = 1")).unwrap_err(), DropReason::OutOfScope);
}

#[test]
fn a_secret_that_a_model_writes_out_is_masked() {
    let mut leak = claim(Severity::Important, "a.py", "z = x + y");
    leak.body = format!("Use glpat-{} instead.", "x9Kd83jLq0ZpW5vTn2Rb");
    leak.suggestion = Some(format!("    z = \"glpat-{}\"", "x9Kd83jLq0ZpW5vTn2Rb"));
    let finding = bench().one(leak).unwrap();
    assert!(finding.body.contains("[MASKED:"), "{}", finding.body);
    assert!(matches!(finding.suggestion, Suggestion::Plain { .. }));
}

#[test]
fn a_ceiling_holds_and_a_whole_file_is_a_place() {
    let mut docs = claim(Severity::Critical, "a.py", "");
    docs.category = ReviewerName::parse("docs").unwrap();
    let finding = bench().one(docs).unwrap();
    assert_eq!(finding.severity, Severity::Important);
    assert_eq!(finding.place, Place::File { path: "a.py".into(), why: NoLine::WholeFile });
}

#[test]
fn files_to_read_are_those_that_claims_name() {
    let mut claim = claim(Severity::Important, "./x.py", "q");
    claim.related =
        vec![Quoted { path: "y.py".into(), line: 1, quote: String::new() }, Quoted { path: String::new(), line: 1, quote: String::new() }];
    let paths: Vec<String> = outside(&[claim]).iter().map(ToString::to_string).collect();
    assert_eq!(paths, ["x.py", "y.py"]);
}

fn any_claim() -> impl Strategy<Value = Claim> {
    let quotes = prop::sample::select(vec![
        "z = x + y",
        "def f(x):",
        "    return z",
        "# end",
        "f(1)",
        "",
        "no such line",
        "import db\n\ndef f(x, y):",
        "UNTOUCHED = 1",
    ]);
    let paths = prop::sample::select(vec!["a.py", "b.py", "none.py", "", "../a.py"]);
    let anchors = prop::sample::select(vec!["", "3#0000", "-3#ffff", "x", "99999999999#0000"]);
    let severities = prop::sample::select(Severity::WORST_FIRST.to_vec());
    (severities, paths, quotes, anchors.clone(), anchors, prop::option::of("(?s).{0,20}"), "[A-Z]{2,4}-[0-9]{4}").prop_map(
        |(severity, path, quote, first, last, suggestion, rule)| {
            let mut claim = claim(severity, path, quote);
            first.clone_into(&mut claim.cited.first);
            last.clone_into(&mut claim.cited.last);
            claim.suggestion = suggestion;
            claim.rule_ids = vec![rule, "QUAL-0001".into()];
            claim.related = vec![Quoted { path: path.into(), line: 3, quote: quote.into() }];
            claim
        },
    )
}

proptest! {
    #[test]
    fn every_claim_becomes_a_finding_or_keeps_its_reason(claims in prop::collection::vec(any_claim(), 0..6)) {
        let bench = bench();
        let checked = bench.check(claims.clone());
        prop_assert_eq!(checked.findings.len() + checked.dropped.len(), claims.len());
        for finding in &checked.findings {
            prop_assert!(finding.severity > Severity::Nit);
            if let Place::Lines(span) = &finding.place {
                let file = bench.change.file(span.path()).unwrap();
                prop_assert!(file.line_at(span.first().reference()).is_some() && file.line_at(span.last().reference()).is_some());
            }
            for id in &finding.rule_ids {
                let rule = bench.rules.get(id).unwrap();
                prop_assert!(applies(rule, finding.place.path()));
            }
        }
    }
}
