//! Later rounds in which a model raised what is followed, and a coordinator is asked what became of it.

use assize::exit::Exit;
use serde_json::json;

use super::table::{Table, answer, claim, code};
use crate::gitlab::Edit;

const FIRST: &str = "x[0]";

/// After a first round with one finding.
async fn raised(severity: &str) -> Table {
    let table = Table::new([("app.py", code(40, &[(5, FIRST)]))]).await;
    table.claims(&[claim(severity, FIRST)]);
    let ran = table.run().await;
    assert_eq!((ran.exit, table.shop.places().len()), (Exit::Done, 1), "{}\n{}", ran.stderr, table.shop.mr.posted());
    table
}

/// What the bot wrote in the only thread after its first note, each without its marker.
fn replies(table: &Table) -> Vec<String> {
    let [thread] = table.shop.mr.threads().try_into().expect("one thread");
    let notes = thread.notes.into_iter().skip(1).filter(|note| note.author == "assize" && !note.system);
    notes.map(|note| note.body.lines().next().unwrap_or_default().to_owned()).collect()
}

fn thread(table: &Table) -> String {
    table.shop.mr.threads()[0].id.clone()
}

fn resolved(table: &Table) -> bool {
    table.shop.mr.threads()[0].resolved
}

/// Pushes another text for the function that the finding is in.
fn rewrite(table: &Table, text: &str) -> String {
    table.shop.mr.push([("app.py", code(40, &[(5, text)]))])
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_coordinator_sees_fixed_is_resolved_without_a_reply_and_the_summary_names_the_commit() {
    let table = raised("important").await;
    let head = rewrite(&table, "x[0] if x else None");
    table.claims(&[]).answers(&[answer(1, "fixed", "")]);
    table.run().await;
    assert_eq!((resolved(&table), replies(&table)), (true, Vec::new()), "{}", table.shop.mr.posted());
    let summary = table.shop.summary();
    assert!(
        summary.starts_with("### Assize: nothing open\n1 fixed") && summary.contains(&format!("fixed in `{}`", &head[..8])),
        "{summary}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_coordinator_sees_still_there_stays_open_without_a_word() {
    let table = raised("important").await;
    rewrite(&table, "x[0] + 0");
    table.claims(&[]).answers(&[answer(1, "still_there", "")]);
    table.run().await;
    assert_eq!((resolved(&table), replies(&table)), (false, Vec::new()), "{}", table.shop.mr.posted());
    assert!(table.shop.summary().starts_with("### Assize: 1 important open"), "{}", table.shop.summary());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_that_says_nothing_leaves_the_finding_open_and_the_next_run_asks_again() {
    let table = raised("important").await;
    rewrite(&table, "x[0] if x else None");
    table.claims(&[]).answers(&[]);
    table.run().await;
    assert!(!resolved(&table), "{}", table.shop.mr.posted());
    table.claims(&[]).answers(&[answer(1, "fixed", "")]);
    table.run().await;
    assert!(resolved(&table), "{}", table.shop.mr.posted());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_that_fails_is_named_and_the_finding_stays_open() {
    let table = raised("important").await;
    rewrite(&table, "x[0] if x else None");
    table.claims(&[]);
    let ran = table.run().await;
    assert_eq!((ran.exit, resolved(&table)), (Exit::Incomplete, false), "{}", table.shop.mr.posted());
    assert!(table.shop.summary().contains("what became of 1 earlier finding was not checked"), "{}", table.shop.summary());
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_is_as_it_was_is_not_fixed_because_nobody_says_it_again() {
    let table = raised("important").await;
    table.shop.mr.push([("app.py", code(40, &[(5, FIRST), (30, "x * 2")]))]);
    table.claims(&[]);
    table.run().await;
    assert_eq!((resolved(&table), table.asked("Follow-up")), (false, 0), "{}", table.shop.mr.posted());
    assert!(table.shop.summary().starts_with("### Assize: 1 important open"), "{}", table.shop.summary());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebase_and_a_note_bring_no_reader() {
    let table = raised("important").await;
    table.shop.project.commit([("theirs.txt", "theirs\n")]);
    table.shop.mr.rebase();
    table.run().await;
    table.shop.mr.say(&table.shop.author, "I shall look at it tomorrow.");
    table.run().await;
    assert_eq!((table.asked("Generalist"), table.shop.places().len()), (1, 1), "{}", table.shop.mr.posted());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disagreement_that_the_code_bears_out_closes_the_finding() {
    let table = raised("important").await;
    table.shop.mr.reply(&table.shop.author, &thread(&table), "disagree: every caller checks the length first");
    table.answers(&[answer(1, "agree", "`main` calls `f5` behind `if x`.")]);
    table.run().await;
    assert_eq!(replies(&table), ["Agreed, and closed. `main` calls `f5` behind `if x`."], "{}", table.shop.mr.posted());
    let summary = table.shop.summary();
    assert!(resolved(&table) && summary.contains("dismissed by \\@ada, “every caller checks the length first”"), "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disagreement_is_refused_once_and_never_argued_twice() {
    let table = raised("important").await;
    let id = thread(&table);
    table.shop.mr.reply(&table.shop.author, &id, "disagree: nobody calls it with an empty list");
    table.answers(&[answer(1, "disagree", "`f6` calls it with `[]`.")]);
    table.run().await;
    table.shop.mr.reply(&table.shop.author, &id, "disagree: that one is dead code");
    table.run().await;
    assert_eq!((replies(&table), resolved(&table)), (vec!["`f6` calls it with `[]`.".to_owned()], false), "{}", table.shop.mr.posted());
    assert_eq!(table.asked("Follow-up"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_critical_is_lowered_and_never_closed_by_the_words_of_its_author() {
    let table = raised("critical").await;
    table.shop.mr.reply(&table.shop.author, &thread(&table), "disagree: every caller checks the length first");
    table.answers(&[answer(1, "agree", "`main` checks it.")]);
    table.run().await;
    assert_eq!(replies(&table), ["Lowered to important; it stays open. `main` checks it."], "{}", table.shop.mr.posted());
    assert!(table.shop.summary().starts_with("### Assize: 1 important"), "{}", table.shop.summary());
    assert!(!resolved(&table));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_critical_is_closed_by_somebody_else_whose_reason_the_code_bears_out() {
    let table = raised("critical").await;
    table.shop.mr.reply(&table.shop.reviewer, &thread(&table), "disagree: every caller checks the length first");
    table.answers(&[answer(1, "agree", "`main` checks it.")]);
    table.run().await;
    assert_eq!((resolved(&table), replies(&table)), (true, vec!["Agreed, and closed. `main` checks it.".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_answered_once() {
    let table = raised("important").await;
    let id = thread(&table);
    table.shop.mr.reply(&table.shop.author, &id, "Which caller passes an empty list?");
    table.answers(&[answer(1, "disagree", "`f6` does.")]);
    table.run().await;
    table.shop.mr.reply(&table.shop.author, &id, "And since when?");
    table.run().await;
    assert_eq!((replies(&table), resolved(&table)), (vec!["`f6` does.".to_owned()], false), "{}", table.shop.mr.posted());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_that_is_resolved_while_its_defect_stands_is_opened_again_once_with_the_evidence() {
    let table = raised("important").await;
    let head = rewrite(&table, "x[0] + 0");
    table.shop.mr.resolve(&table.shop.author, &thread(&table));
    table.claims(&[]).answers(&[answer(1, "still_there", "")]);
    table.run().await;
    let [reply] = replies(&table).try_into().expect("one reply");
    assert!(!resolved(&table) && reply.starts_with(&format!("Still there at `{}`, so this thread is open again: ", &head[..8])), "{reply}");
    table.run().await;
    assert_eq!(replies(&table).len(), 1, "{}", table.shop.mr.posted());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_that_is_resolved_because_it_is_fixed_stays_so() {
    let table = raised("important").await;
    rewrite(&table, "x[0] if x else None");
    table.shop.mr.resolve(&table.shop.author, &thread(&table));
    table.claims(&[]).answers(&[answer(1, "fixed", "")]);
    table.run().await;
    assert_eq!((resolved(&table), replies(&table)), (true, Vec::new()), "{}", table.shop.mr.posted());
    assert!(table.shop.summary().contains("1 fixed"), "{}", table.shop.summary());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_dismissed_and_got_worse_is_raised_again_in_its_thread() {
    let table = raised("important").await;
    table.shop.mr.reply(&table.shop.author, &thread(&table), "won't fix: never empty here");
    table.run().await;
    rewrite(&table, "x[0] + x[1]");
    let worse = json!({ "id": "Q-1", "says": "worse", "severity": "critical", "reply": "", "why": "line 18 reads two" });
    let claim = json!({
        "title": "`x[0]` fails for an empty list", "severity": "important", "path": "app.py", "first": "", "last": "",
        "quote": "    return x[0] + x[1]", "body": "Two elements are read now.", "confidence": 0.9
    });
    table.claims(&[claim]).answers(&[worse]);
    table.run().await;
    let [reply] = replies(&table).try_into().expect("one reply");
    assert!(reply.starts_with("Worse at `"), "{reply}");
    let summary = table.shop.summary();
    assert!(summary.starts_with("### Assize: 1 critical open") && summary.contains("| worse than when it was dismissed |"), "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dismissed_kind_in_another_place_is_raised_with_a_pointer_to_the_decision() {
    let table = raised("important").await;
    table.shop.mr.reply(&table.shop.author, &thread(&table), "won't fix: never empty here");
    table.run().await;
    table.shop.mr.push([("app.py", code(40, &[(5, FIRST), (30, "x[0] * 2")]))]);
    let claim = json!({
        "title": "`x[0]` fails for an empty list", "severity": "important", "path": "app.py", "first": "", "last": "",
        "quote": "    return x[0] * 2", "body": "Nobody looks whether there is one.", "confidence": 0.9
    });
    table.claims(&[claim]);
    table.run().await;
    let threads = table.shop.mr.threads();
    let told = format!(
        "[F-1]({}/acme/shop/-/merge_requests/1#note_{}) is of the same kind, at another place, and was dismissed by \\@ada: “never empty here”",
        table.shop.gitlab.url(),
        threads[0].notes[0].id
    );
    assert!(threads.len() == 2 && threads[1].notes[0].body.contains(&told), "{}", table.shop.mr.posted());
    assert!(table.shop.summary().contains("| new, like F-1 |"), "{}", table.shop.summary());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_earlier_is_labelled_and_only_a_critical_opens_a_thread() {
    for (severity, threads) in [("important", 0), ("critical", 1)] {
        let table = Table::new([("app.py", code(40, &[(5, FIRST)]))]).await;
        table.claims(&[]);
        table.run().await;
        // Below the next function, in the same part of the diff, and not next to it.
        table.shop.mr.push([("app.py", code(40, &[(5, FIRST), (6, "x + 6\n    # so far")]))]);
        table.claims(&[claim(severity, FIRST)]);
        let ran = table.run().await;
        let summary = table.shop.summary();
        assert!(summary.contains("missed earlier"), "{}{}{:#?}", ran.stdout, ran.stderr, table.shop.gitlab.lines());
        assert_eq!(table.shop.places().len(), threads, "{}", table.shop.mr.posted());
        for thread in table.shop.mr.threads() {
            assert!(thread.notes[0].body.starts_with("**Critical · Generalist · missed earlier** — "), "{}", thread.notes[0].body);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_file_takes_its_thread_along() {
    let table = raised("important").await;
    table.shop.mr.push(Edit::new().rename("app.py", "core.py"));
    table.claims(&[]);
    table.run().await;
    assert_eq!((table.shop.places().len(), resolved(&table)), (1, false), "{}", table.shop.mr.posted());
    assert!(table.shop.summary().contains("`core.py:18`"), "{}", table.shop.summary());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_pushed_behind_a_lifted_gate_is_read_by_the_next_round() {
    let table = raised("important").await;
    table.shop.mr.push([("app.py", code(40, &[(5, FIRST), (20, "x.unread()")]))]);
    table.shop.mr.say(&table.shop.reviewer, "break glass: hotfix for the outage");
    table.run().await;
    assert_eq!(table.asked("Generalist"), 1, "nobody reads behind a lifted gate");
    table.shop.mr.push([("app.py", code(40, &[(5, FIRST), (20, "x.unread()"), (35, "x * 7")]))]);
    table.claims(&[]);
    table.run().await;
    let last = table.models.seen().pop().expect("a request").body.to_string();
    assert!(last.contains("x.unread()") && last.contains("x * 7") && !last.contains("return x[0]"), "{last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_is_lifted_over_code_that_was_read_has_nothing_read_again() {
    let table = raised("important").await;
    table.shop.mr.say(&table.shop.reviewer, "break glass: hotfix for the outage");
    table.run().await;
    table.shop.mr.push([("app.py", code(40, &[(5, FIRST), (35, "x * 7")]))]);
    table.claims(&[]);
    table.run().await;
    let last = table.models.seen().pop().expect("a request").body.to_string();
    assert!(last.contains("x * 7") && !last.contains("return x[0]"), "{last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_round_used_is_not_forgotten_when_its_threads_are_read_again() {
    let table = raised("important").await;
    let used = |summary: &str| {
        let keys = assize::round::Keys::derive(b"", 0, 0);
        match assize::round::marker::read(summary, &keys) {
            Some((assize::round::marker::Mark::Summary(Ok(state)), _)) => state.last().expect("a round").usage.input,
            other => panic!("{other:?}"),
        }
    };
    let first = used(&table.shop.summary());
    table.shop.mr.reply(&table.shop.author, &thread(&table), "disagree: it cannot be empty");
    table.answers(&[answer(1, "disagree", "`f6` calls it with `[]`.")]);
    table.run().await;
    let second = used(&table.shop.summary());
    assert!(first > 0 && second > first, "{first} {second}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_whose_answer_failed_is_asked_again_and_nothing_is_read_again_for_it() {
    for reply in ["disagree: nobody calls it with an empty list", "Which caller passes an empty list?"] {
        let table = raised("important").await;
        table.shop.mr.reply(&table.shop.author, &thread(&table), reply);
        // No answer is prepared: the model fails.
        assert_eq!(table.run().await.exit, Exit::Incomplete, "{reply}");
        table.claims(&[]).answers(&[answer(1, "disagree", "`f6` calls it with `[]`.")]);
        assert_eq!(table.run().await.exit, Exit::Done, "{reply}");
        assert_eq!((table.asked("Generalist"), replies(&table)), (1, vec!["`f6` calls it with `[]`.".to_owned()]), "{reply}");
        assert!(table.shop.summary().starts_with("### Assize: 1 important\n"), "{}", table.shop.summary());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fix_that_could_not_be_checked_is_checked_by_the_next_run_and_nothing_is_read_again_for_it() {
    let table = raised("important").await;
    rewrite(&table, "x[0] if x else None");
    table.claims(&[]);
    assert_eq!(table.run().await.exit, Exit::Incomplete);
    table.claims(&[]).answers(&[answer(1, "fixed", "")]);
    let ran = table.run().await;
    assert_eq!((ran.exit, table.asked("Generalist"), resolved(&table)), (Exit::Done, 2, true), "{}", table.shop.mr.posted());
    assert!(table.shop.summary().starts_with("### Assize: nothing open\n"), "{}", table.shop.summary());
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_a_dismissed_finding_got_worse_is_asked_again_when_the_answer_failed() {
    let table = raised("important").await;
    table.shop.mr.reply(&table.shop.author, &thread(&table), "won't fix: never empty here");
    table.run().await;
    rewrite(&table, "x[0] + x[1]");
    let mut seen = claim("important", FIRST);
    seen["quote"] = "    return x[0] + x[1]".into();
    table.claims(&[seen]);
    assert_eq!(table.run().await.exit, Exit::Incomplete);
    assert!(table.shop.summary().contains("1 dismissed"), "{}", table.shop.summary());
    let worse = json!({ "id": "Q-1", "says": "worse", "severity": "critical", "reply": "", "why": "line 18 reads two" });
    table.answers(&[worse]).run().await;
    let [reply] = replies(&table).try_into().expect("one reply");
    assert!(reply.starts_with("Worse at `"), "{reply}");
    assert_eq!(table.asked("Generalist"), 2);
    assert!(table.shop.summary().starts_with("### Assize: 1 critical"), "{}", table.shop.summary());
}
