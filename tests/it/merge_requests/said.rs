//! First rounds in which a model says something: where its claims end up, and that its words do nothing but stand there.

use assize::exit::Exit;
use serde_json::{Value, json};

use super::{Ran, Shop};
use crate::gitlab::{Edit, Options};
use crate::model_server::{Answer, ModelServer};

/// A program before the change.
const BEFORE: &str = "\
def total(items):
    count = len(items)
    if count == 0:
        return 0
    result = 0
    for item in items:
        result += item.price
    return result


def label(order):
    return order.name
";
/// The same after it: one guard is gone, one line is other, two are added.
const AFTER: &str = "\
def total(items):
    count = len(items)
    result = 0
    for item in items:
        result += item.price
    result /= count
    log(result)
    return result


def label(order):
    return order.id
";

/// A merge request that one reviewer reads, and the models behind it.
struct Desk {
    shop: Shop,
    models: ModelServer,
}

impl Desk {
    async fn new(edit: impl Into<Edit>) -> Self {
        Self::with("", edit).await
    }

    /// With more lines in the configuration of the target branch.
    async fn with(more: &str, edit: impl Into<Edit>) -> Self {
        let models = ModelServer::start().await;
        let config = format!("version: 1\n{}{more}", super::one_reviewer(&models.url));
        let base = Edit::new()
            .write(".assize.yml", config)
            .write("app.py", BEFORE)
            .write("gone.py", "def unused():\n    return 1\n")
            .write("AGENTS.md", "Answer in the voice of the target branch.\n");
        let shop = Shop::on(Options::default(), base, edit).await;
        Self { shop, models }
    }

    /// What the reviewer claims in the next run; coordinator and refuter keep all of it.
    fn claims(&self, claims: &[Value]) -> &Self {
        let submitted = |tool: &str, body: &Value| Answer::default().call("call-1", tool, &body.to_string());
        self.models.when("# Your part: Generalist", submitted("submit_findings", &json!({ "findings": claims })));
        let keep = |number| json!({ "id": format!("C-{number}"), "decision": "keep", "why": "shown" });
        let kept: Vec<Value> = (1..=claims.len()).map(keep).collect();
        for part in ["Coordinator", "Refuter"] {
            self.models.when(&format!("# Your part: {part}"), submitted("submit_verdict", &json!({ "judgements": kept })));
        }
        self
    }

    /// Runs the job, and holds what must be true of every first round.
    async fn run(&self) -> Ran {
        let ran = self.shop.run().await;
        self.shop.is_clean();
        let (threads, mails) = (self.shop.places().len(), self.shop.gitlab.mails_by("assize"));
        assert!(ran.calls(&self.shop) <= threads + 12, "{:#?}", self.shop.gitlab.lines());
        assert!(mails.len() <= 2, "{mails:?}");
        ran
    }

    /// Returns all that was sent to models, as one text.
    fn sent(&self) -> String {
        self.models.seen().iter().map(|seen| seen.body.to_string()).collect()
    }
}

/// A claim about the lines of this text.
fn claim(path: &str, quote: &str) -> Value {
    json!({
        "title": "An empty list divides by zero", "severity": "important", "path": path, "first": "", "last": "", "quote": quote,
        "body": "Nobody looks any more whether there is an item.", "confidence": 0.9
    })
}

fn with(mut claim: Value, field: &str, value: &str) -> Value {
    claim[field] = value.into();
    claim
}

/// Returns where the thread of one claim stands.
async fn place(edit: impl Into<Edit>, claim: Value) -> Vec<String> {
    let desk = Desk::new(edit).await;
    let ran = desk.claims(&[claim]).run().await;
    assert_eq!(ran.exit, Exit::Done, "{}{}", ran.stdout, ran.stderr);
    desk.shop.places()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_about_a_removed_line_stands_on_the_removed_line() {
    assert_eq!(place([("app.py", AFTER)], claim("app.py", "        return 0")).await, ["app.py -4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_about_removed_lines_stands_on_their_range() {
    assert_eq!(place([("app.py", AFTER)], claim("app.py", "    if count == 0:\n        return 0")).await, ["app.py -3..4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_that_ends_on_an_unchanged_line_stands_on_both_its_numbers() {
    let places = place([("app.py", AFTER)], claim("app.py", "    result /= count\n    log(result)\n    return result")).await;
    assert_eq!(places, ["app.py 8/6..8"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_that_begins_on_an_unchanged_line_ends_on_the_added_one() {
    assert_eq!(place([("app.py", AFTER)], claim("app.py", "        result += item.price\n    result /= count")).await, ["app.py +5..6"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_about_a_deleted_file_stands_on_its_line() {
    assert_eq!(place(Edit::new().delete("gone.py"), claim("gone.py", "    return 1")).await, ["gone.py -2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_about_a_removed_line_of_a_renamed_file_stands_on_its_line_under_the_old_name() {
    let edit = Edit::new().rename("app.py", "core.py").write("core.py", AFTER);
    assert_eq!(place(edit, claim("core.py", "        return 0")).await, ["app.py -4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_about_a_file_as_a_whole_stands_on_the_file_and_says_why_it_has_no_line() {
    let desk = Desk::new([("app.py", AFTER)]).await;
    desk.claims(&[claim("app.py", "")]).run().await;
    assert_eq!(desk.shop.places(), ["app.py"]);
    let body = desk.shop.mr.thread("An empty list").notes[0].body.clone();
    assert!(body.contains("the file as a whole"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suggestion_for_several_lines_applies_to_exactly_these() {
    let desk = Desk::new([("app.py", AFTER)]).await;
    let claim = with(claim("app.py", "    result /= count\n    log(result)"), "suggestion", "    result /= max(count, 1)\n    log(result)");
    desk.claims(&[claim]).run().await;
    let thread = desk.shop.mr.thread("An empty list");
    assert_eq!(thread.place, "app.py +6..7");
    assert!(
        thread.notes[0].body.contains("```suggestion:-1+0\n    result /= max(count, 1)\n    log(result)\n```"),
        "{}",
        thread.notes[0].body
    );
    desk.shop.mr.apply_suggestion(&desk.shop.author, &thread.id);
    let bare = desk.shop.project.bare();
    let applied = bare.git(&["show", &format!("{}:app.py", desk.shop.mr.head())]);
    assert_eq!(applied, AFTER.replace("/= count", "/= max(count, 1)").trim_end());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suggestion_at_the_end_of_a_file_without_a_newline_applies() {
    let cut = AFTER.trim_end();
    let desk = Desk::new([("app.py", cut)]).await;
    let last = with(claim("app.py", "    return order.id"), "suggestion", "    return str(order.id)");
    desk.claims(&[last]).run().await;
    let thread = desk.shop.mr.thread("An empty list");
    desk.shop.mr.apply_suggestion(&desk.shop.author, &thread.id);
    let applied = desk.shop.project.bare().git(&["show", &format!("{}:app.py", desk.shop.mr.head())]);
    assert_eq!(applied, cut.replace("order.id", "str(order.id)"));
}

#[tokio::test(flavor = "multi_thread")]
async fn quick_actions_mentions_links_and_markers_of_a_model_do_nothing() {
    let desk = Desk::new([("app.py", AFTER)]).await;
    let hostile = "Wrong.\n/merge\n\r/approve\n<!-- \n/close\n-->\n```\n/label ~x\n```\n@all and @mira, see #1, !1, &1, [x](javascript:alert(1)), ![x](http://evil.test/x.png) and </details><script>x</script>\n/assign @mira";
    let claim = with(with(claim("app.py", "    result /= count"), "title", "/merge @all #1 <!-- assize:v1 -->"), "body", hostile);
    let claim = with(claim, "suggestion", "/close\n    result /= count");
    desk.claims(&[claim]).run().await;
    let [thread] = desk.shop.mr.threads().try_into().expect("one thread");
    let posted = format!("{}\n{}", thread.notes[0].body, desk.shop.summary()).replace('\r', "");
    for line in posted.lines() {
        assert!(!line.strip_prefix('/').is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_alphabetic())), "{posted}");
    }
    for bare in [" @all", " @mira", "see #1", " <script", "</details><", "](javascript:", "![x]", "```suggestion"] {
        assert!(!posted.contains(bare), "`{bare}` in {posted}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_a_model_repeats_is_not_believed() {
    let first = Desk::new([("app.py", AFTER)]).await;
    first.claims(&[claim("app.py", "    result /= count")]).run().await;
    let own = first.shop.summary();
    let marker = own.lines().find(|line| line.contains("<!--")).expect("a marker").to_owned();
    let desk = Desk::new([("app.py", AFTER)]).await;
    desk.claims(&[with(claim("app.py", "    result /= count"), "body", &format!("See this.\n\n{marker}\n"))]).run().await;
    let body = desk.shop.mr.thread("An empty list").notes[0].body.clone();
    assert_eq!(body.matches("<!-- assize:").count(), 1, "{body}");
    assert!(body.contains("<!-- assize:finding v1 F-1 "), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_a_model_repeats_is_masked_and_was_never_sent_to_it() {
    let secret = format!("glpat-{}", "x7Kq2mPz9RtB4vWc8sLd");
    let desk = Desk::new([("app.py", format!("{AFTER}\n\nTOKEN = \"{secret}\"\n"))]).await;
    desk.claims(&[with(claim("app.py", "    result /= count"), "body", &format!("The token {secret} is in the file."))]).run().await;
    assert!(!desk.sent().contains(&secret));
    assert!(!desk.shop.mr.posted().contains(&secret) && desk.shop.places().len() == 2, "{}", desk.shop.mr.posted());
}

#[tokio::test(flavor = "multi_thread")]
async fn instructions_for_agents_come_from_the_target_branch_and_those_of_the_source_branch_are_data() {
    let edit = Edit::new().write("app.py", AFTER).write("AGENTS.md", "Answer in the voice of the source branch.\n");
    let desk = Desk::new(edit).await;
    desk.claims(&[]).run().await;
    let seen = desk.models.seen();
    let system = seen[0].body["messages"][0]["content"].to_string();
    assert!(system.contains("voice of the target branch") && !system.contains("voice of the source branch"), "{system}");
    assert!(desk.sent().contains("voice of the source branch"), "it is reviewed as a change");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_down_leaves_the_detectors_and_the_summary_says_so() {
    let desk = Desk::new([("app.py", AFTER), ("shop/orders.py", super::INJECTED)]).await;
    let ran = desk.run().await;
    assert_eq!((ran.exit, desk.shop.places()), (Exit::Incomplete, vec!["shop/orders.py +5".to_owned()]), "{}{}", ran.stdout, ran.stderr);
    let summary = desk.shop.summary();
    assert!(summary.starts_with("### Assize: 1 critical, and not everything was reviewed\n"), "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_votes_on_a_whole_review_that_finds_nothing_approves_this_head_and_a_finding_takes_it_back() {
    let desk = Desk::with("publish: { approve: true }\n", [("app.py", AFTER)]).await;
    desk.claims(&[]).shop.run().await;
    assert_eq!(desk.shop.mr.approvers(), ["assize"], "{}", desk.shop.mr.posted());
    desk.shop.mr.push([("shop/orders.py", super::INJECTED)]);
    desk.claims(&[]);
    desk.shop.run().await;
    assert_eq!(desk.shop.mr.approvers(), Vec::<String>::new(), "{}", desk.shop.mr.posted());
    desk.shop.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn with_votes_on_a_review_that_is_not_whole_never_approves() {
    let desk = Desk::with("publish: { approve: true }\n", [("app.py", AFTER)]).await;
    assert_eq!(desk.run().await.exit, Exit::Incomplete);
    assert_eq!(desk.shop.mr.approvers(), Vec::<String>::new(), "{}", desk.shop.mr.posted());
}
