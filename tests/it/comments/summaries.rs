//! Summaries as they are posted, word for word.

use assize::review::{Finding, Severity};
use assize::round::plan::{BotState, Policy, Vote};
use insta::assert_snapshot;

use super::cases;
use super::scene::{Scene, Work, finding, lines};

/// What stands above the account, which most rounds share.
fn top(scene: &Scene) -> String {
    let summary = scene.summary();
    let (top, account) = summary.split_once("<details><summary>What was looked at").expect("every summary has an account");
    assert!(account.ends_with("\n\n<!-- marker -->"), "{account}");
    top.trim_end().to_owned()
}

/// The lines of the account.
fn account(scene: &Scene) -> String {
    let summary = scene.summary();
    let (_, account) = summary.split_once("What was looked at</summary>\n\n").expect("every summary has an account");
    account.split("\n\n</details>").next().unwrap_or_default().to_owned()
}

#[test]
fn the_first_round_lists_what_is_open_and_accounts_for_everything() {
    assert_snapshot!(cases::first_round().summary(), @r"
    ### Assize: 1 critical and 2 important
    and 1 suggestion, in 14 files (+312 −87) · full review, because `src/auth/session.rs` is security-sensitive

    |  | finding | rule | where |
    |---|---|---|---|
    | **critical** | [SQL is built from the request parameter `sort`](https://gitlab.example.com/shop/api/-/merge_requests/7#note_1001) | [SEC-0012](https://docs.example.com/rules/SEC-0012) | `src/orders.rs:40–41` |
    | important | [Retry loop never gives up when the body is empty](https://gitlab.example.com/shop/api/-/merge_requests/7#note_1002) | — | `src/http/retry.rs:88–97` |
    | important | [Migration drops `orders.note` while the running release reads it](https://gitlab.example.com/shop/api/-/merge_requests/7#note_1003) | [REL-0004](https://docs.example.com/rules/REL-0004) | `migrations/0042.sql:3` |
    | suggestion | [README still shows the removed flag `--fast`](https://gitlab.example.com/shop/api/-/blob/a1b2c3d400000000000000000000000000000000/README.md#L57) | [DOC-0002](https://docs.example.com/rules/DOC-0002) | `README.md:57` |

    <details><summary>Text of 1 finding without a thread</summary>

    #### Suggestion — README still shows the removed flag `--fast` · [`README.md:57`](https://gitlab.example.com/shop/api/-/blob/a1b2c3d400000000000000000000000000000000/README.md#L57) · `F-4`

    The flag is gone with this change; who copies the line gets an error.

    Proposed:

    ```
    shop import --jobs 4 orders.csv
    ```

    </details>

    <details><summary>What was looked at</summary>

    | reader | model | claims | tokens in | cached | tokens out |
    |---|---|--:|--:|--:|--:|
    | Security | `acme/large` | 2 | 48,210 | 80 % | 1,920 |
    | Quality | `acme/large` | 4 | 51,004 | 85 % | 2,310 |
    | Codex | `acme/middle` | 1 | 33,120 | 83 % | 640 |
    | Coordinator | `acme/large` | 5 | 12,400 | 0 % | 810 |

    - full review, because `src/auth/session.rs` is security-sensitive: its path says `auth`; 399 lines changed, above the 100 of a lite change
    - detectors of 44 rules ran
    - not run: Generalist (not part of a full review)
    - left out, generated (\@generated): `src/api/generated.rs`
    - left out, lock file: `Cargo.lock`, `web/package-lock.json`
    - 4 claims dropped: 1 about code that the change does not touch, 2 said twice, 1 dropped by the coordinator; `result.json` has each with its reason
    - round 1: head `a1b2c3d4`, base `b0b0b0b0`, 3 min 39 s, 0.42 USD
    - configuration (`.assize.yml`), prompts and rules are those of the target branch `main` at `c0ffee00`
    - code was sent to `acme`

    </details>

    <sub>Replies in threads are read at the next pipeline, or when [the job is run again](https://gitlab.example.com/shop/api/-/jobs/4711).</sub>

    <!-- marker -->
    ");
}

#[test]
fn rows_link_to_the_code_until_there_are_threads() {
    assert_snapshot!(top(&cases::before_threads()), @r"
    ### Assize: 1 critical and 2 important
    and 1 suggestion, in 14 files (+312 −87) · full review, because `src/auth/session.rs` is security-sensitive

    |  | finding | rule | where |
    |---|---|---|---|
    | **critical** | [SQL is built from the request parameter `sort`](https://gitlab.example.com/shop/api/-/blob/a1b2c3d400000000000000000000000000000000/src/orders.rs#L40-41) | [SEC-0012](https://docs.example.com/rules/SEC-0012) | `src/orders.rs:40–41` |
    | important | [Retry loop never gives up when the body is empty](https://gitlab.example.com/shop/api/-/blob/a1b2c3d400000000000000000000000000000000/src/http/retry.rs#L88-97) | — | `src/http/retry.rs:88–97` |
    | important | [Migration drops `orders.note` while the running release reads it](https://gitlab.example.com/shop/api/-/blob/a1b2c3d400000000000000000000000000000000/migrations/0042.sql#L3) | [REL-0004](https://docs.example.com/rules/REL-0004) | `migrations/0042.sql:3` |
    | suggestion | [README still shows the removed flag `--fast`](https://gitlab.example.com/shop/api/-/blob/a1b2c3d400000000000000000000000000000000/README.md#L57) | [DOC-0002](https://docs.example.com/rules/DOC-0002) | `README.md:57` |

    <details><summary>Text of 1 finding without a thread</summary>

    #### Suggestion — README still shows the removed flag `--fast` · [`README.md:57`](https://gitlab.example.com/shop/api/-/blob/a1b2c3d400000000000000000000000000000000/README.md#L57) · `F-4`

    The flag is gone with this change; who copies the line gets an error.

    Proposed:

    ```
    shop import --jobs 4 orders.csv
    ```

    </details>
    ");
}

#[test]
fn nothing_found_is_said_plainly() {
    assert_snapshot!(top(&cases::nothing_found()), @r"
    ### Assize: nothing found in 14 files
    +312 −87 · full review, because `src/auth/session.rs` is security-sensitive
    ");
}

#[test]
fn nothing_to_review_is_said_plainly() {
    assert_snapshot!(cases::nothing_to_review().summary(), @r"
    ### Assize: nothing to review
    1 file left out, see below

    <details><summary>What was looked at</summary>

    - detectors of 44 rules ran
    - left out, lock file: `Cargo.lock`
    - round 1: head `a1b2c3d4`, base `b0b0b0b0`, 3 min 39 s
    - configuration (`.assize.yml`), prompts and rules are those of the target branch `main` at `c0ffee00`
    - no model received code

    </details>

    <sub>Replies in threads are read at the next pipeline, or when [the job is run again](https://gitlab.example.com/shop/api/-/jobs/4711).</sub>

    <!-- marker -->
    ");
}

#[test]
fn detectors_alone_never_look_like_a_review() {
    assert_snapshot!(top(&cases::detectors_only()), @r"
    ### Assize: 1 critical (detectors only)
    in 14 files (+312 −87)

    **No reviewer ran**, because no model is configured. Detectors alone see what a pattern can see.

    |  | finding | rule | where |
    |---|---|---|---|
    | **critical** | [SQL is built from the request parameter `sort`](https://gitlab.example.com/shop/api/-/blob/a1b2c3d400000000000000000000000000000000/src/orders.rs#L40-41) | [SEC-0012](https://docs.example.com/rules/SEC-0012) | `src/orders.rs:40–41` |
    ");
}

#[test]
fn what_failed_stands_at_the_top_with_names() {
    assert_snapshot!(top(&cases::something_failed()), @r"
    ### Assize: 1 important, and not everything was reviewed
    in 14 files (+312 −87) · full review, because `src/auth/session.rs` is security-sensitive

    **Missing from this review:**

    - the reviewers Security, Performance failed: provider acme returned 529 for 4 min
    - 2 of 14 files read by nobody: `src/pay/ledger.rs`, `src/pay/refund.rs`

    What was found is below; [run the job again](https://gitlab.example.com/shop/api/-/jobs/4711) for the rest.

    |  | finding | where |
    |---|---|---|
    | important | [Retry loop never gives up when the body is empty](https://gitlab.example.com/shop/api/-/merge_requests/7#note_1001) | `src/http/retry.rs:88–97` |
    ");
}

#[test]
fn a_gap_of_an_earlier_round_is_not_forgotten() {
    let mut scene = cases::fourth_round();
    scene.complete = false;
    assert_snapshot!(top(&scene).split("\n\n|").next().unwrap_or_default(), @r"
    ### Assize: 2 important open, and not everything was reviewed
    and 1 suggestion · 2 fixed, 1 dismissed · round 4 at `a1b2c3d4` reviewed what changed since, in 2 of 14 files

    **Missing from this review:**

    - what an earlier round left out, which nobody has read since

    What was found is below; [run the job again](https://gitlab.example.com/shop/api/-/jobs/4711) for the rest.
    ");
}

#[test]
fn a_lifted_gate_names_who_lifted_it_and_why() {
    assert_snapshot!(top(&cases::gate_lifted()), @r"
    ### Assize: 1 critical, gate lifted
    in 14 files (+312 −87)

    **Gate lifted** by \@mira at `a1b2c3d4`: “hotfix for the outage”. Detectors ran; no reviewer did. This approves nothing, and holds for this head only.

    |  | finding | rule | where |
    |---|---|---|---|
    | **critical** | [SQL is built from the request parameter `sort`](https://gitlab.example.com/shop/api/-/merge_requests/7#note_1001) | [SEC-0012](https://docs.example.com/rules/SEC-0012) | `src/orders.rs:40–41` |
    ");
}

#[test]
fn what_gitlab_did_not_take_is_named_and_told_in_the_summary() {
    assert_snapshot!(top(&cases::not_everything_posted()), @r"
    ### Assize: 1 critical and 2 important
    and 1 suggestion, in 14 files (+312 −87) · full review, because `src/auth/session.rs` is security-sensitive

    **GitLab did not take everything:**

    - no thread for F-2 (Retry loop never gives up when the body is empty), whose text is below: 500 from GitLab, twice, and no thread there
    - no request for changes: 403 from GitLab: the token's role may not

    |  | finding | rule | where |
    |---|---|---|---|
    | **critical** | [SQL is built from the request parameter `sort`](https://gitlab.example.com/shop/api/-/merge_requests/7#note_1001) | [SEC-0012](https://docs.example.com/rules/SEC-0012) | `src/orders.rs:40–41` |
    | important | [Retry loop never gives up when the body is empty](https://gitlab.example.com/shop/api/-/blob/a1b2c3d400000000000000000000000000000000/src/http/retry.rs#L88-97) | — | `src/http/retry.rs:88–97` |
    | important | [Migration drops `orders.note` while the running release reads it](https://gitlab.example.com/shop/api/-/merge_requests/7#note_1003) | [REL-0004](https://docs.example.com/rules/REL-0004) | `migrations/0042.sql:3` |
    | suggestion | [README still shows the removed flag `--fast`](https://gitlab.example.com/shop/api/-/blob/a1b2c3d400000000000000000000000000000000/README.md#L57) | [DOC-0002](https://docs.example.com/rules/DOC-0002) | `README.md:57` |

    <details><summary>Text of 2 findings without a thread</summary>

    #### Important — Retry loop never gives up when the body is empty · [`src/http/retry.rs:88–97`](https://gitlab.example.com/shop/api/-/blob/a1b2c3d400000000000000000000000000000000/src/http/retry.rs#L88-97) · `F-2`

    `attempts` is reset whenever a body arrives, also an empty one. Against a server that answers `200` with nothing, the loop runs until the process is killed. Count every attempt.

    #### Suggestion — README still shows the removed flag `--fast` · [`README.md:57`](https://gitlab.example.com/shop/api/-/blob/a1b2c3d400000000000000000000000000000000/README.md#L57) · `F-4`

    The flag is gone with this change; who copies the line gets an error.

    Proposed:

    ```
    shop import --jobs 4 orders.csv
    ```

    </details>
    ");
}

#[test]
fn a_finding_outside_the_change_is_told_in_the_summary() {
    assert_snapshot!(top(&cases::outside_the_change()), @r"
    ### Assize: 2 important
    in 14 files (+312 −87) · full review, because `src/auth/session.rs` is security-sensitive

    |  | finding | rule | where |
    |---|---|---|---|
    | important | [Migration drops `orders.note` while the running release reads it](https://gitlab.example.com/shop/api/-/merge_requests/7#note_1001) | [REL-0004](https://docs.example.com/rules/REL-0004) | `migrations/0042.sql:3` |
    | important | [The monthly report reads a column that is gone](https://gitlab.example.com/shop/api/-/blob/a1b2c3d400000000000000000000000000000000/src/report/monthly.rs#L17) | — | `src/report/monthly.rs:17` outside the change |

    <details><summary>Text of 1 finding without a thread</summary>

    #### Important — The monthly report reads a column that is gone · [`src/report/monthly.rs:17`](https://gitlab.example.com/shop/api/-/blob/a1b2c3d400000000000000000000000000000000/src/report/monthly.rs#L17) · `F-2`

    It breaks when the input is empty. Check it first.

    </details>
    ");
}

#[test]
fn a_later_round_says_what_became_of_the_earlier_ones() {
    assert_snapshot!(top(&cases::fourth_round()), @r"
    ### Assize: 2 important open
    and 1 suggestion · 2 fixed, 1 dismissed · round 4 at `a1b2c3d4` reviewed what changed since, in 2 of 14 files

    |  | finding | where | since |
    |---|---|---|---|
    | important | [Retry loop never gives up when the body is empty](https://gitlab.example.com/shop/api/-/merge_requests/7#note_1002) | `src/http/retry.rs:88–97` | back after a fix |
    | important | [The retry policy has no test for a refused connection](https://gitlab.example.com/shop/api/-/merge_requests/7#note_1006) | `tests/retry.rs` | new |
    | suggestion | [README still shows the removed flag `--fast`](https://gitlab.example.com/shop/api/-/blob/1111111100000000000000000000000000000000/README.md#L57) | `README.md:57` | round 1 |

    <details><summary>Earlier findings: 2 fixed, 1 dismissed</summary>

    - F-1 [SQL is built from the request parameter `sort`](https://gitlab.example.com/shop/api/-/merge_requests/7#note_1001): fixed in `a1b2c3d4`
    - F-3 [Migration drops `orders.note`](https://gitlab.example.com/shop/api/-/merge_requests/7#note_1003): fixed in `5e4d3c2b`
    - F-4 [Session cookie lacks `Secure`](https://gitlab.example.com/shop/api/-/merge_requests/7#note_1004): dismissed by \@ada, “covered by the proxy”

    </details>
    ");
}

#[test]
fn the_text_of_a_finding_without_a_thread_stays_as_long_as_it_is_open() {
    let first = cases::first_round();
    let told = |scene: &Scene| {
        let summary = scene.summary();
        let part = summary.split_once("<details><summary>Text of").and_then(|(_, rest)| rest.split_once("</details>"));
        part.map(|(part, _)| part.to_owned()).unwrap_or_default()
    };
    let reconciled = first.reconciled();
    let mut second = Scene::later(2, reconciled.known, Vec::new());
    second.threads.clone_from(&first.threads);
    second.before = Some(first.summary());
    assert_snapshot!(told(&second), @r"
     1 finding without a thread</summary>

    #### Suggestion — README still shows the removed flag `--fast` · [`README.md:57`](https://gitlab.example.com/shop/api/-/blob/1111111100000000000000000000000000000000/README.md#L57) · `F-4`

    The flag is gone with this change; who copies the line gets an error.

    Proposed:

    ```
    shop import --jobs 4 orders.csv
    ```
    ");
    let third = Scene { round: 3, before: Some(second.summary()), ..second.clone() };
    assert_eq!(told(&third), told(&second));
    let fixed = Scene { fixed: vec![4], ..third };
    assert_eq!(told(&fixed), "");
}

#[test]
fn when_everything_is_settled_nothing_is_open() {
    assert_snapshot!(top(&cases::everything_settled()), @r"
    ### Assize: nothing open
    1 fixed, 1 dismissed · round 3 at `a1b2c3d4` reviewed what changed since, in 2 of 14 files

    **Assize approves** this head. **Assize took its request for changes back.**

    <details><summary>Earlier findings: 1 fixed, 1 dismissed</summary>

    - F-1 [SQL is built from the request parameter `sort`](https://gitlab.example.com/shop/api/-/merge_requests/7#note_1001): fixed in `a1b2c3d4`
    - F-2 [Session cookie lacks `Secure`](https://gitlab.example.com/shop/api/-/merge_requests/7#note_1002): dismissed by \@ada

    </details>
    ");
}

#[test]
fn a_memory_that_was_lost_is_said_to_be() {
    assert_snapshot!(top(&cases::memory_lost()).split("\n\n|").next().unwrap_or_default(), @r"
    ### Assize: 2 important open
    and 1 suggestion · 2 fixed, 1 dismissed · round 4 at `a1b2c3d4` reviewed what changed since, in 2 of 14 files

    **The earlier summary was gone or damaged.** What is known of earlier rounds comes from the threads; findings without a thread, and what people dismissed, are forgotten.

    **2 open findings did not fit into this note's memory.** What has no thread counts as new in the next round.
    ");
}

#[test]
fn a_round_in_which_nobody_read_says_so() {
    let second = |scene: &Scene| scene.summary().lines().nth(1).unwrap_or_default().to_owned();
    assert_snapshot!(second(&cases::rebased()), @"3 fixed, 1 dismissed · round 4 at `a1b2c3d4`: the same change on another base, so nobody read it again");
    assert_snapshot!(second(&cases::only_talk()), @"3 fixed, 1 dismissed · round 3 at `a1b2c3d4`, with its threads read again");
    let whole = Scene { work: Work::Whole, ..cases::fourth_round() };
    assert_snapshot!(second(&whole), @"and 1 suggestion · 2 fixed, 1 dismissed · round 4 at `a1b2c3d4` reviewed the whole change, 14 files (+312 −87)");
}

#[test]
fn many_findings_are_folded_and_the_cap_on_threads_is_said() {
    let summary = cases::many_findings().summary();
    let told = |text: &str| summary.contains(text);
    assert!(told("<details><summary>13 more findings</summary>"), "{summary}");
    assert!(told("10 findings have no thread of their own: a round opens at most 10 threads, the worst first."), "{summary}");
    assert!(told("<details><summary>Text of 15 findings without a thread</summary>"), "{summary}");
}

#[test]
fn the_cap_is_the_same_before_and_after_threads_are_opened() {
    let capped = |scene: &Scene| scene.summary().lines().find(|line| line.contains("no thread of their own")).map(str::to_owned);
    let after = cases::many_findings();
    let before = Scene { threads: [].into(), ..after.clone() };
    assert_eq!(capped(&before), capped(&after));
    let roomy = Scene { policy: Policy { max_threads: 40, ..after.policy }, ..before };
    assert_eq!(capped(&roomy), None);
}

#[test]
fn a_hundred_rows_are_told_and_the_rest_is_counted() {
    let findings = (0..130).map(|n| finding(Severity::Suggestion, &format!("Number {n}"), lines(&format!("src/{n}.rs"), 1, 1)));
    let summary = Scene::first(findings.collect()).summary();
    let rows = summary.lines().filter(|line| line.starts_with("| suggestion")).count();
    assert_eq!(rows, 100);
    assert!(summary.contains("And 30 more in `result.json`, in the job's artifacts."), "{summary}");
    assert!(summary.contains("The first 30 of them; `result.json` in the job's artifacts has all."), "{summary}");
}

#[test]
fn a_vote_is_named_only_where_it_does_something() {
    let votes = |vote: Vote, bot: BotState| {
        let scene = Scene { vote, bot, ..Scene::first(vec![cases::injection()]) };
        let summary = scene.summary();
        let lines: Vec<&str> = summary.lines().filter(|line| line.starts_with("**Assize ")).collect();
        lines.join("\n")
    };
    let (nothing, approved) = (BotState::default(), BotState { approved: true, ..BotState::default() });
    let asked = BotState { requested_changes: true, ..BotState::default() };
    let (none, yes) = (Vote { approve: false, request_changes: Some(false) }, Vote { approve: true, request_changes: Some(false) });
    assert_eq!(votes(none, nothing), "");
    assert_eq!(votes(yes, nothing), "**Assize approves** this head.");
    assert_eq!(votes(none, approved), "**Assize took its approval back.**");
    assert_eq!(votes(Vote { request_changes: Some(true), ..none }, nothing), "**Assize requests changes**, because a critical is open.");
    assert_eq!(votes(yes, asked), "**Assize approves** this head. **Assize took its request for changes back.**");
    assert_eq!(votes(Vote { request_changes: None, ..none }, asked), "");
}

#[test]
fn a_path_that_markdown_would_read_is_code_among_the_reasons() {
    assert_snapshot!(account(&cases::many_reasons()).lines().find(|line| line.contains("full review")).unwrap_or_default(), @"- full review, because `src/auth/__part0__.py` is security-sensitive: its path says `auth`; `src/auth/__part1__.py` is security-sensitive: its path says `auth`; `src/auth/__part2__.py` is security-sensitive: its path says `auth`; `src/auth/__part3__.py` is security-sensitive: its path says `auth`; `src/auth/__part4__.py` is security-sensitive: its path says `auth`");
}

#[test]
fn a_language_that_our_own_words_do_not_speak_is_said() {
    let line = |scene: &Scene| account(scene).lines().find(|line| line.contains("English")).map(str::to_owned);
    assert_eq!(line(&cases::first_round()), None);
    let german = Scene { language: "de".to_owned(), ..cases::first_round() };
    assert_eq!(line(&german).as_deref(), Some("- reviewers were asked to write in `de`; the words around theirs are English only"));
}

#[test]
fn titles_that_say_nothing_and_long_paths_still_make_a_row() {
    let long = "services/a-rather-long-name/src/handlers/v2/orders_handler.rs";
    let rows = |findings: Vec<Finding>| {
        let summary = Scene::first(findings).summary();
        summary.lines().filter(|line| line.starts_with("| suggestion")).map(str::to_owned).collect::<Vec<_>>().join("\n")
    };
    assert_snapshot!(rows(vec![finding(Severity::Suggestion, " ", lines(long, 7, 7)), finding(Severity::Suggestion, "`a|b` | c", lines("a|b.rs", 1, 2))]), @r"
    | suggestion | [untitled](https://gitlab.example.com/shop/api/-/blob/a1b2c3d400000000000000000000000000000000/services/a-rather-long-name/src/handlers/v2/orders_handler.rs#L7) | `…/handlers/v2/orders_handler.rs:7` |
    | suggestion | [`a\|b` \| c](https://gitlab.example.com/shop/api/-/blob/a1b2c3d400000000000000000000000000000000/a%7Cb.rs#L1-2) | `a\|b.rs:1–2` |
    ");
}
