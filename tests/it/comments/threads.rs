//! Threads and replies as they are posted, word for word.

use assize::change::LineKind;
use assize::comment;
use assize::review::{Finding, NoLine, Place, Severity, Standing, Suggestion};
use assize::round::plan::{Answer, Answering, Rooting};
use assize::round::{FindingId, Known, Sight, Status, ThreadRef};
use insta::assert_snapshot;

use super::cases;
use super::scene::{dismissed, file, finding, head, known, lines, on_page, span_of, thread, thread_of};

#[test]
fn a_thread_on_lines_says_what_is_wrong_and_offers_the_fix() {
    assert_snapshot!(thread(&cases::injection(), Rooting::Lines, Sight::New), @r#"
    **Critical · Security** — SQL is built from the request parameter `sort` · [SEC-0012](https://docs.example.com/rules/SEC-0012)

    `sort` reaches `format!` unescaped, so `?sort=id;DROP TABLE orders` runs as SQL. Any caller of `GET /orders` can send it; the role check above covers only `POST`.

    ```suggestion:-1+0
        let column = SortColumn::parse(&sort)?;
        let query = format!("SELECT * FROM orders ORDER BY {}", column.as_sql());
    ```

    <sub>F-3 · found by the detector of [SEC-0012](https://docs.example.com/rules/SEC-0012) and security, confirmed · reply “disagree: why”, or “won't fix: why” if you are not the author; replies are read at the next pipeline, or when [the job is run again](https://gitlab.example.com/shop/api/-/jobs/4711)</sub>

    <!-- marker -->
    "#);
}

#[test]
fn a_thread_names_what_else_breaks() {
    assert_snapshot!(thread(&cases::migration(), Rooting::Lines, Sight::New), @r#"
    **Important · Release** — Migration drops `orders.note` while the running release reads it · [REL-0004](https://docs.example.com/rules/REL-0004)

    The release before this one still reads `orders.note`. Drop the column one release later.

    It breaks:

    - [`src/report/monthly.rs:17`](https://gitlab.example.com/shop/api/-/blob/a1b2c3d400000000000000000000000000000000/src/report/monthly.rs#L17): `SELECT id, total, note FROM orders`
    - [`src/api/orders.rs:203`](https://gitlab.example.com/shop/api/-/blob/a1b2c3d400000000000000000000000000000000/src/api/orders.rs#L203): `note: row.get("note"),`

    <sub>F-3 · found by release · reply “won't fix” or “disagree: why”; replies are read at the next pipeline, or when [the job is run again](https://gitlab.example.com/shop/api/-/jobs/4711)</sub>

    <!-- marker -->
    "#);
}

#[test]
fn a_fix_for_removed_lines_is_a_plain_block_with_the_reason() {
    assert_snapshot!(thread(&cases::lost_check(), Rooting::Lines, Sight::New), @r"
    **Critical · Security** — Anybody who is logged in can delete orders · `OWN-0001`

    The role was checked on this line and is checked nowhere now.

    To apply by hand, because it would replace removed lines:

    ```rs
    require_role(&user, Role::Admin)?;
    ```

    <sub>F-3 · found by security, verified by a second look · reply “disagree: why”, or “won't fix: why” if you are not the author; replies are read at the next pipeline, or when [the job is run again](https://gitlab.example.com/shop/api/-/jobs/4711)</sub>

    <!-- marker -->
    ");
}

#[test]
fn a_thread_that_gitlab_did_not_take_on_its_lines_names_them() {
    assert_snapshot!(thread(&cases::injection(), Rooting::Refused, Sight::New), @r#"
    **Critical · Security** — SQL is built from the request parameter `sort` · [SEC-0012](https://docs.example.com/rules/SEC-0012)

    About [`src/orders.rs:40–41`](https://gitlab.example.com/shop/api/-/blob/a1b2c3d400000000000000000000000000000000/src/orders.rs#L40-41). It stands on the file, because GitLab took no thread on the lines.

    `sort` reaches `format!` unescaped, so `?sort=id;DROP TABLE orders` runs as SQL. Any caller of `GET /orders` can send it; the role check above covers only `POST`.

    To apply by hand, because this thread is on the file and not on the lines:

    ```rs
        let column = SortColumn::parse(&sort)?;
        let query = format!("SELECT * FROM orders ORDER BY {}", column.as_sql());
    ```

    <sub>F-3 · found by the detector of [SEC-0012](https://docs.example.com/rules/SEC-0012) and security, confirmed · reply “disagree: why”, or “won't fix: why” if you are not the author; replies are read at the next pipeline, or when [the job is run again](https://gitlab.example.com/shop/api/-/jobs/4711)</sub>

    <!-- marker -->
    "#);
}

#[test]
fn a_thread_on_a_file_says_why_it_has_no_line() {
    assert_snapshot!(thread(&cases::untested(), Rooting::File, Sight::New), @r"
    **Important · Quality** — The retry policy has no test for a refused connection

    About the file as a whole.

    It breaks when the input is empty. Check it first.

    <sub>F-3 · found by quality · reply “won't fix” or “disagree: why”; replies are read at the next pipeline, or when [the job is run again](https://gitlab.example.com/shop/api/-/jobs/4711)</sub>

    <!-- marker -->
    ");
    let lost = Finding { place: file("src/a.rs", NoLine::NotFound), ..cases::untested() };
    assert_snapshot!(thread(&lost, Rooting::File, Sight::New).lines().nth(2).unwrap_or_default(), @"On the file as a whole, because the lines it speaks of could not be found.");
}

#[test]
fn a_finding_that_is_back_says_so_in_its_first_line() {
    let body = thread(&cases::endless(), Rooting::Lines, Sight::Back);
    assert_snapshot!(body.lines().next().unwrap_or_default(), @"**Important · Quality · back after a fix** — Retry loop never gives up when the body is empty");
}

#[test]
fn what_was_missed_earlier_or_got_worse_says_so_in_its_first_line() {
    let finding = cases::endless();
    let mut known = Known::of(FindingId::new(7), &finding, 4);
    known.trail.late = true;
    let first = |sight| thread_of(&known, &finding, None, Rooting::Lines, sight).lines().next().unwrap_or_default().to_owned();
    assert_snapshot!(first(Sight::New), @"**Important · Quality · missed earlier** — Retry loop never gives up when the body is empty");
    assert_snapshot!(first(Sight::Worse), @"**Important · Quality · worse than when it was dismissed** — Retry loop never gives up when the body is empty");
}

#[test]
fn a_finding_of_a_kind_that_was_dismissed_elsewhere_points_to_that_decision() {
    let mut earlier = known(2, Severity::Important, "Retry loop never ends", "src/a.rs", 4, dismissed("mira", "covered by the *proxy*"));
    earlier.thread = Some(ThreadRef { id: "d".repeat(40), note: 1002 });
    let finding = cases::endless();
    let body = thread_of(&Known::of(FindingId::new(7), &finding, 4), &finding, Some(&earlier), Rooting::Lines, Sight::New);
    assert_snapshot!(body.lines().rev().nth(4).unwrap_or_default(), @r"[F-2](https://gitlab.example.com/shop/api/-/merge_requests/7#note_1002) is of the same kind, at another place, and was dismissed by \@mira: “covered by the *proxy*”");
    // What is open again is no decision to point to.
    earlier.status = Status::Open;
    let body = thread_of(&Known::of(FindingId::new(7), &finding, 4), &finding, Some(&earlier), Rooting::Lines, Sight::New);
    assert!(!body.contains("F-2"), "{body}");
}

#[test]
fn a_critical_that_nobody_could_verify_says_so() {
    let finding = Finding { standing: Standing::Unverified, ..cases::injection() };
    let body = thread(&finding, Rooting::Lines, Sight::New);
    assert_snapshot!(body.lines().rev().nth(2).unwrap_or_default(), @"<sub>F-3 · found by the detector of [SEC-0012](https://docs.example.com/rules/SEC-0012) and security, not verified because the second look could not run · reply “disagree: why”, or “won't fix: why” if you are not the author; replies are read at the next pipeline, or when [the job is run again](https://gitlab.example.com/shop/api/-/jobs/4711)</sub>");
}

/// The line that leads to the proposed code.
fn lead(finding: &Finding) -> String {
    let body = thread(finding, Rooting::Lines, Sight::New);
    let lines: Vec<&str> = body.lines().collect();
    let fence = lines.iter().position(|line| line.starts_with("```")).expect("a block of code");
    let above = fence.checked_sub(2).and_then(|above| lines.get(above)).copied().unwrap_or_default();
    format!("{above} {}", lines[fence])
}

#[test]
fn a_suggestion_applies_to_exactly_its_lines_or_is_a_plain_block() {
    let on = |place: Place, code: &str| {
        lead(&Finding {
            suggestion: Suggestion::Applies(code.to_owned()),
            body: "Body.".to_owned(),
            ..finding(Severity::Important, "t", place)
        })
    };
    let span = |kind| Place::Lines(span_of(&"src/a.rs".into(), kind, 4, 4));
    assert_eq!(on(lines("src/a.rs", 4, 4), "x"), "Body. ```suggestion:-0+0");
    assert_eq!(on(lines("src/a.rs", 4, 9), "x"), "Body. ```suggestion:-5+0");
    assert_eq!(on(span(LineKind::Context), "x"), "Body. ```suggestion:-0+0");
    assert_eq!(on(lines("src/a.rs", 4, 4), "```\nx"), "Body. ````suggestion:-0+0");
    assert_eq!(on(span(LineKind::Removed), "x"), "To apply by hand, because it would replace removed lines: ```rs");
    assert_eq!(on(lines("src/a.rs", 4, 4), "x\n/merge"), "To apply by hand, because GitLab would run a line of it as a command: ```rs");
    assert_eq!(on(lines("src/a.rs", 1, 150), "x"), "To apply by hand, because it is too long for GitLab to apply: ```rs");
    assert_eq!(
        on(file("src/a.rs", NoLine::WholeFile), "x"),
        "To apply by hand, because this thread is on the file and not on the lines: ```rs"
    );
}

#[test]
fn a_finding_that_came_back_reopens_its_thread_with_one_sentence() {
    let known = known(3, Severity::Important, "Retry loop never gives up when the body is empty", "src/http/retry.rs", 97, Status::Open);
    let head = head();
    let answering = Answering { known: &known, answer: Answer::Back, head: &head, text: "", marker: "<!-- marker -->" };
    assert_snapshot!(on_page(&head, |page| comment::reply(&answering, page)), @r"
    Back at `a1b2c3d4`, so this thread is open again: Retry loop never gives up when the body is empty · [`src/http/retry.rs:97`](https://gitlab.example.com/shop/api/-/blob/a1b2c3d400000000000000000000000000000000/src/http/retry.rs#L97)

    <!-- marker -->
    ");
}

#[test]
fn the_readme_shows_what_is_posted() {
    let readme = include_str!("../../../README.md");
    let quoted = |lines: &[&str]| lines.iter().map(|line| format!("> {line}").trim_end().to_owned() + "\n").collect::<String>();
    let thread = thread(&cases::injection(), Rooting::Lines, Sight::New);
    let summary = cases::fourth_round().summary();
    for (body, left_out) in [(&thread, 2), (&summary, summary.lines().count() - 2)] {
        let lines: Vec<&str> = body.lines().collect();
        let shown = quoted(&lines[..lines.len() - left_out]);
        assert!(readme.contains(&shown), "README.md does not show this:\n{shown}");
    }
}
