//! What is remembered when the summary is gone, damaged or written by somebody else, and whose markers are believed.

use assize::exit::Exit;

use super::table::{Table, answer, claim, code};
use super::{BUG_RULE, CONFIG, Ran, Shop, lines, run};
use crate::gitlab::{Depth, Edit, Options, Person, Pipeline, Role, Scope};

/// After a first round with two findings, of which a person dismissed the second by resolving its thread.
async fn shop() -> Shop {
    let shop = Shop::with_rule([("notes.txt", lines(40, &[(10, "BUG one"), (30, "BUG two")]))]).await;
    assert_eq!(shop.run().await.exit, Exit::Done);
    let second = shop.mr.threads()[1].id.clone();
    shop.mr.resolve(&shop.reviewer, &second);
    assert_eq!(shop.run().await.exit, Exit::Done);
    assert!(shop.summary().starts_with("### Assize: 1 important"), "{}", shop.summary());
    shop
}

fn summaries(shop: &Shop) -> usize {
    shop.mr.notes().iter().filter(|note| note.author == shop.bot.username).count()
}

/// What must be so after a round that had nothing but the threads to go by: the finding is open, the decision stands, and nobody is written to.
fn is_rebuilt(shop: &Shop, case: &str) {
    let threads = shop.mr.threads();
    let said = |number: usize| threads[number].notes.iter().filter(|note| !note.system).count();
    assert_eq!((threads.len(), said(0), said(1)), (2, 1, 1), "{case}\n{}", shop.mr.posted());
    assert_eq!((threads[0].resolved, threads[1].resolved), (false, true), "{case}\n{}", shop.mr.posted());
    assert!(shop.summary().starts_with("### Assize: 1 important"), "{case}\n{}", shop.summary());
    assert!(shop.summary().contains("dismissed by \\@mira"), "{case}\n{}", shop.summary());
    shop.is_clean();
}

fn without_marker(body: &str) -> String {
    body.trim_end().rsplit_once('\n').expect("a marker stands last").0.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_summary_that_a_person_edits_in_any_way_costs_no_decision_and_no_second_note() {
    type Change = fn(&str) -> String;
    let edits: [(&str, Change); 6] = [
        ("words above the marker", |body| body.replace("### Assize: 1 important", "### Assize: nothing, really")),
        ("a line behind the marker", |body| format!("{body}\n\nI saw this. — Mira")),
        ("no marker", |body| without_marker(body)),
        ("a marker cut in half", |body| body[..body.len() - 200].to_owned()),
        ("a marker with other letters", |body| body.replacen("z=e", "z=f", 1)),
        ("nothing but a word", |_| "gone".to_owned()),
    ];
    for push in [false, true] {
        for (case, edit) in edits {
            let shop = shop().await;
            let note = shop.mr.summary().expect("a summary");
            shop.mr.edit(&shop.bot, note.id, &edit(&note.body));
            if push {
                shop.mr.push([("more.txt", "fine\n")]);
            }
            shop.run().await;
            if case == "nothing but a word" {
                // Nothing tells it from a note of another job of the same user.
                assert_eq!(summaries(&shop), 2, "{case}\n{}", shop.mr.posted());
                continue;
            }
            if case == "words above the marker" && !push {
                // Nobody did anything that a round is about; the next one writes it anew.
                assert!(shop.summary().starts_with("### Assize: nothing, really"), "{}", shop.summary());
                continue;
            }
            assert_eq!(summaries(&shop), 1, "{case}\n{}", shop.mr.posted());
            is_rebuilt(&shop, case);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_summary_costs_no_decision() {
    for push in [false, true] {
        let shop = shop().await;
        shop.mr.delete(&shop.bot, shop.mr.summary().expect("a summary").id);
        if push {
            shop.mr.push([("more.txt", "fine\n")]);
        }
        shop.run().await;
        assert_eq!(summaries(&shop), 1, "{}", shop.mr.posted());
        is_rebuilt(&shop, "deleted");
        assert!(shop.summary().contains("**The earlier summary was gone or damaged.**"), "{}", shop.summary());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_thread_of_a_finding_that_is_deleted_with_the_summary_is_raised_once_more_and_only_once() {
    let shop = shop().await;
    shop.mr.delete(&shop.bot, shop.mr.summary().expect("a summary").id);
    shop.mr.delete(&shop.bot, shop.mr.threads()[0].notes[0].id);
    shop.run().await;
    shop.run().await;
    assert_eq!(shop.places(), ["notes.txt +30 resolved", "notes.txt +10"], "{}", shop.mr.posted());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_of_a_newer_program_is_left_alone_with_everything_else_and_the_job_says_so() {
    let shop = shop().await;
    let note = shop.mr.summary().expect("a summary");
    let newer = note.body.replacen("assize:summary v1 ", "assize:summary v9 ", 1);
    shop.mr.edit(&shop.bot, note.id, &newer);
    shop.mr.push([("notes.txt", lines(40, &[(10, "fine"), (20, "BUG new"), (30, "BUG two")]))]);
    let before = shop.mr.posted();
    let ran = shop.run().await;
    assert_eq!((ran.exit, shop.mr.posted(), shop.summary()), (Exit::Done, before, newer), "{}{}", ran.stdout, ran.stderr);
    let result = std::fs::read_to_string(ran.job.path().join("assize-report/result.json")).expect("the artifact");
    assert!(result.contains("needs format 9") && result.contains("BUG new"), "{result}");
    assert!(format!("{}{}", ran.stdout, ran.stderr).contains("update Assize in this pipeline"), "{}{}", ran.stdout, ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn markers_that_are_copied_quoted_or_fenced_are_not_believed_wherever_they_stand() {
    let shop = shop().await;
    let other = {
        let mr = shop.project.merge_request_on(&shop.author, "other", [("notes.txt", lines(40, &[(5, "BUG elsewhere"), (7, "BUG too")]))]);
        shop.run_job(mr.job(Pipeline::Detached, Depth::Full), &[]).await;
        mr
    };
    let foreign = other.summary().expect("a summary").body;
    let foreign_thread = other.threads()[0].notes[0].body.clone();
    let own = shop.summary();
    let marker = own.trim_end().lines().next_back().expect("a marker").to_owned();
    for text in [
        own.clone(),
        marker.clone(),
        foreign,
        foreign_thread.clone(),
        format!("> {marker}"),
        format!("```\n{marker}\n```"),
        format!("x\n\n    {marker}"),
    ] {
        shop.mr.say(&shop.author, &text);
        shop.mr.discuss(&shop.reviewer, &text);
    }
    // Even the bot's own note is of this merge request only if its seal is.
    let second = shop.mr.threads()[1].id.clone();
    shop.mr.reply(&shop.author, &second, &foreign_thread);
    shop.mr.push([("more.txt", "fine\n")]);
    let ran = shop.run().await;
    assert_eq!(ran.exit, Exit::Done, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(summaries(&shop), 1);
    let summary = shop.summary();
    assert!(summary.starts_with("### Assize: 1 important open") && !summary.contains("elsewhere"), "{summary}");
    assert!(summary.contains("dismissed by \\@mira"), "{summary}");
    shop.is_clean();
}

/// A project whose configuration lists a bot that ran before.
struct Rotated {
    shop: Shop,
    bot: Person,
    token: String,
}

impl Rotated {
    /// The first round is written by one bot; then its token is gone, and another one comes, which the target branch lists or not.
    async fn new(listed: bool, key: Option<&str>) -> (Self, Ran) {
        let base =
            Edit::new().write(".assize.yml", CONFIG).write(".assize/codex/ACME-0001-bug.md", BUG_RULE).write("notes.txt", lines(40, &[]));
        let shop = Shop::on(Options::default(), base, [("notes.txt", lines(40, &[(10, "BUG one"), (30, "BUG two")]))]).await;
        if listed {
            // The target branch has it before the first round, so that the configuration is the same in both.
            shop.project.commit([(".assize.yml", format!("{CONFIG}publish: {{ former_bots: [{}] }}\n", shop.bot.id))]);
        }
        let bot = shop.project.bot("assize-2", Role::Developer);
        let token = shop.project.token(&bot, Scope::Api);
        let mut job = shop.mr.job(Pipeline::Detached, Depth::Full);
        if let Some(key) = key {
            job = job.with("ASSIZE_KEY", key);
        }
        assert_eq!(shop.run_job(job, &[]).await.exit, Exit::Done);
        let this = Self { shop, bot, token };
        let ran = this.run(key).await;
        (this, ran)
    }

    async fn run(&self, key: Option<&str>) -> Ran {
        let mut job = self.shop.mr.job(Pipeline::Detached, Depth::Full).with("ASSIZE_GITLAB_TOKEN", &self.token);
        if let Some(key) = key {
            job = job.with("ASSIZE_KEY", key);
        }
        run(job, &[]).await
    }

    /// How many notes the old and the new bot wrote outside of threads, and how many threads there are.
    fn counts(&self) -> (usize, usize, usize) {
        let by = |bot: &Person| self.shop.mr.notes().iter().filter(|note| note.author == bot.username).count();
        (by(&self.shop.bot), by(&self.bot), self.shop.mr.threads().len())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_bot_takes_the_state_of_a_listed_one_over_and_opens_a_summary_of_its_own_and_no_thread_twice() {
    let key = Some("a secret that outlives tokens");
    let (rotated, ran) = Rotated::new(true, key).await;
    // It has nothing to add to what the old one wrote.
    assert_eq!((ran.exit, rotated.counts()), (Exit::Done, (1, 0, 2)), "{}{}\n{}", ran.stdout, ran.stderr, rotated.shop.mr.posted());
    // What the old one opened is resolved by the new one.
    rotated.shop.mr.push([("notes.txt", lines(40, &[(10, "fine"), (30, "BUG two")]))]);
    rotated.run(key).await;
    assert_eq!((rotated.counts(), rotated.shop.places()[0].ends_with("resolved")), ((1, 1, 2), true), "{}", rotated.shop.mr.posted());
    let own = rotated.shop.mr.notes().into_iter().find(|note| note.author == "assize-2").expect("its summary").body;
    assert!(own.starts_with("### Assize: 1 important open") && own.contains("1 fixed"), "{own}");
    rotated.shop.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_bot_believes_nothing_of_one_that_nobody_listed() {
    let (rotated, ran) = Rotated::new(false, Some("a secret that outlives tokens")).await;
    assert_eq!((ran.exit, rotated.counts()), (Exit::Done, (1, 1, 4)), "{}{}\n{}", ran.stdout, ran.stderr, rotated.shop.mr.posted());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_bot_whose_seals_came_from_a_token_that_is_gone_is_not_believed_and_the_summary_says_why() {
    let (rotated, ran) = Rotated::new(true, None).await;
    assert_eq!((ran.exit, rotated.counts()), (Exit::Done, (1, 1, 4)), "{}{}\n{}", ran.stdout, ran.stderr, rotated.shop.mr.posted());
    let own = rotated.shop.mr.notes().into_iter().find(|note| note.author == "assize-2").expect("its summary").body;
    assert!(own.contains("ASSIZE_KEY"), "{own}");
}

/// The answer of a coordinator that grants what a person said about the only finding.
async fn granted() -> Table {
    let table = Table::new([("app.py", code(40, &[(5, "x[0]")]))]).await;
    table.claims(&[claim("important", "x[0]")]).run().await;
    let thread = table.shop.mr.threads()[0].id.clone();
    table.shop.mr.reply(&table.shop.author, &thread, "disagree: every caller checks the length first");
    table.answers(&[answer(1, "agree", "`main` checks it.")]).run().await;
    assert!(table.shop.mr.threads()[0].resolved, "{}", table.shop.mr.posted());
    table
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_granted_to_a_person_stays_so_when_the_summary_is_lost() {
    for seen_again in [true, false] {
        let table = granted().await;
        table.shop.mr.delete(&table.shop.bot, table.shop.mr.summary().expect("a summary").id);
        let claims = [claim("important", "x[0]")];
        table.claims(if seen_again { &claims } else { &[] }).answers(&[answer(1, "still_there", "")]).run().await;
        let [thread] = table.shop.mr.threads().try_into().expect("one thread");
        let said = thread.notes.iter().filter(|note| !note.system).count();
        assert!(thread.resolved && said == 3, "{}", table.shop.mr.posted());
        let summary = table.shop.summary();
        assert!(
            summary.starts_with("### Assize: nothing open") && summary.contains("dismissed by \\@ada, “every caller checks"),
            "{summary}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_that_a_person_resolved_stays_so_when_the_summary_is_lost_and_no_reader_says_it_again() {
    let table = Table::new([("app.py", code(40, &[(5, "x[0]")]))]).await;
    table.claims(&[claim("important", "x[0]")]).run().await;
    table.shop.mr.resolve(&table.shop.author, &table.shop.mr.threads()[0].id);
    table.run().await;
    table.shop.mr.delete(&table.shop.bot, table.shop.mr.summary().expect("a summary").id);
    table.claims(&[]).answers(&[answer(1, "still_there", "")]).run().await;
    assert!(table.shop.mr.threads()[0].resolved, "{}", table.shop.mr.posted());
    assert!(table.shop.summary().contains("dismissed by \\@ada"), "{}", table.shop.summary());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_opens_a_thread_again_that_was_granted_has_it_open() {
    let table = granted().await;
    table.shop.mr.unresolve(&table.shop.reviewer, &table.shop.mr.threads()[0].id);
    table.shop.mr.push([("more.txt", "fine\n")]);
    table.claims(&[]).run().await;
    let [thread] = table.shop.mr.threads().try_into().expect("one thread");
    assert!(!thread.resolved, "{}", table.shop.mr.posted());
    assert!(table.shop.summary().starts_with("### Assize: 1 important"), "{}", table.shop.summary());
}
