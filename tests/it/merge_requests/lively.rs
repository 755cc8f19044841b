//! A lively merge request over twelve rounds, as its author reads it: findings of several severities, fixed, dismissed, back, missed earlier, a round that
//! was not whole, a lifted gate, a rebase. The summary must stay readable, and the mail few.

use super::Shop;
use super::table::{Table, answer, claim as plain, code};
use serde_json::Value;

/// A claim in words of its own: what reads alike is one finding.
fn claim(severity: &str, quote: &str) -> Value {
    let (title, body) = match quote.as_bytes().first() {
        Some(b'a') => ("An empty order crashes the import", "`a` comes from the file, and nobody counted its rows."),
        Some(b'b') => ("The first bill is taken for the newest one", "Bills are sorted by customer since last year."),
        Some(b'c') => ("Customers without a contract are dropped", "The join loses them before they are counted."),
        Some(b'd') => ("The documented default is another one", "The handbook says that the last entry wins."),
        Some(b'e') => ("Retries start from the wrong event", "After a time-out the oldest event is sent twice."),
        Some(b'g') => ("A group of one is never closed", "The loop below ends before its only member."),
        _ => ("The hotfix swallows time zones", "Offsets are cut off, so reports of Monday hold Sunday."),
    };
    let mut claim = plain(severity, quote);
    (claim["title"], claim["body"]) = (title.into(), body.into());
    claim
}

/// The summary without its marker and with links taken out, heads by the letters of their rounds.
fn shown(shop: &Shop, heads: &[String]) -> String {
    let mut text = shop.summary();
    for (index, head) in heads.iter().enumerate() {
        text = text.replace(&head[..8], &format!("head-{}", index + 1));
    }
    for base in shop.mr.refs().iter().take(2) {
        text = text.replace(&base[..8], "base");
    }
    let mut out = String::new();
    for line in text.lines().filter(|line| !line.starts_with("<!--")) {
        let mut rest = line;
        while let Some((before, link)) = rest.split_once("](") {
            out.push_str(before);
            out.push(']');
            rest = link.split_once(')').map_or("", |(_, after)| after);
        }
        out.push_str(rest);
        out.push('\n');
    }
    out.trim_end().to_owned()
}

/// Runs a round, and holds what must be so of the mail that it causes: two at most in the first round, one in a later one that opens or answers, else none.
async fn round(table: &Table, first: bool) {
    let before = table.shop.gitlab.mails_by("assize").len();
    table.run().await;
    let mails = table.shop.gitlab.mails_by("assize").split_off(before);
    assert!(mails.len() <= if first { 2 } else { 1 }, "{mails:#?}");
}

/// Returns the text of `app.py` with these functions.
fn app(other: &[(usize, &str)]) -> [(&'static str, String); 1] {
    [("app.py", code(40, other))]
}

/// The critical goes, the others one after the other, and something is found late.
async fn to_the_twelfth(table: &Table, heads: &mut Vec<String>) {
    let shop = &table.shop;
    let steps: [&[(usize, &str)]; 6] = [
        &[(3, "a[0] if a else 0"), (10, "b[0]"), (17, "c[0]"), (24, "d[0]"), (31, "e[0]"), (36, "hotfix(x)")],
        &[(3, "a[0] if a else 0"), (10, "first(b)"), (17, "c[0]"), (24, "d[0]"), (31, "e[0]"), (36, "hotfix(x)")],
        &[(3, "a[0] if a else 0"), (10, "first(b)"), (17, "c[0]"), (24, "first(d)"), (31, "e[0]"), (36, "hotfix(x)")],
        &[(3, "a[0] if a else 0"), (10, "first(b)"), (17, "c[0]"), (24, "first(d)"), (31, "e[0]"), (36, "hotfix(x)\n    # so far")],
        &[
            (3, "a[0] if a else 0"),
            (10, "first(b)"),
            (17, "c[0]"),
            (24, "first(d)"),
            (31, "first(e)"),
            (36, "hotfix(x)\n    # so far"),
            (38, "g[0]"),
        ],
        &[
            (3, "a[0] if a else 0"),
            (10, "first(b)"),
            (17, "c[0]"),
            (24, "first(d)"),
            (31, "first(e)"),
            (36, "hotfix(x, UTC)"),
            (38, "g[0]"),
        ],
    ];
    for (number, step) in steps.iter().enumerate() {
        heads.push(shop.mr.push(app(step)));
        match number {
            3 => table.claims(&[claim("important", "hotfix(x)")]),
            4 => table.claims(&[claim("important", "g[0]")]).answers(&[answer(1, "fixed", "")]),
            _ => table.claims(&[]).answers(&[answer(1, "fixed", "")]),
        };
        round(table, false).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twelve_lively_rounds_stay_readable() {
    let table = Table::new(app(&[(3, "a[0]"), (10, "b[0]"), (17, "c[0]"), (24, "d[0]")])).await;
    let (shop, mut heads) = (&table.shop, Vec::new());
    let thread = |title: &str| shop.mr.thread(title).id;
    let mut told = Vec::new();
    heads.push(shop.mr.head());
    table.claims(&[claim("critical", "a[0]"), claim("important", "b[0]"), claim("important", "c[0]"), claim("suggestion", "d[0]")]);
    round(&table, true).await;
    told.push(shown(shop, &heads));
    // 2: one is fixed, one is dismissed.
    shop.mr.reply(&shop.author, &thread("Customers without"), "won't fix: `c` is never empty");
    heads.push(shop.mr.push(app(&[(3, "a[0]"), (10, "b[0] if b else 0"), (17, "c[0]"), (24, "d[0]")])));
    table.claims(&[]).answers(&[answer(1, "fixed", "")]);
    round(&table, false).await;
    told.push(shown(shop, &heads));
    // 3: the fix is lost.
    heads.push(shop.mr.push(app(&[(3, "a[0]"), (10, "b[0]"), (17, "c[0]"), (24, "d[0]")])));
    table.claims(&[claim("important", "b[0]")]);
    round(&table, false).await;
    // 4: the models are down.
    heads.push(shop.mr.push(app(&[(3, "a[0]"), (10, "b[0]"), (17, "c[0]"), (24, "d[0]"), (31, "e[0]")])));
    round(&table, false).await;
    // 5: they are there again.
    table.claims(&[claim("critical", "a[0]"), claim("important", "b[0]"), claim("suggestion", "d[0]"), claim("important", "e[0]")]);
    round(&table, false).await;
    told.push(shown(shop, &heads));
    // 6: a rebase.
    shop.project.commit([("theirs.txt", "theirs\n")]);
    heads.push(shop.mr.rebase());
    round(&table, false).await;
    // 7: a person lifts the gate over a push.
    heads.push(shop.mr.push(app(&[(3, "a[0]"), (10, "b[0]"), (17, "c[0]"), (24, "d[0]"), (31, "e[0]"), (36, "hotfix(x)")])));
    shop.mr.say(&shop.reviewer, "break glass: hotfix for the outage");
    round(&table, false).await;
    told.push(shown(shop, &heads));
    to_the_twelfth(&table, &mut heads).await;
    told.push(shown(shop, &heads));
    let texts: Vec<&str> =
        told.iter().map(|text| text.split("<details><summary>What was looked at").next().unwrap_or_default().trim_end()).collect();
    insta::assert_snapshot!(texts[0], @r"
    ### Assize: 1 critical and 2 important
    and 1 suggestion, in 1 file (+4 −4) · trivial review, because only 8 lines in 1 file changed

    |  | finding | where |
    |---|---|---|
    | **critical** | [An empty order crashes the import] | `app.py:10` |
    | important | [The first bill is taken for the newest one] | `app.py:38` |
    | important | [Customers without a contract are dropped] | `app.py:66` |
    | suggestion | [The documented default is another one] | `app.py:94` |

    <details><summary>Text of 1 finding without a thread</summary>

    #### Suggestion — The documented default is another one · [`app.py:94`] · `F-4`

    The handbook says that the last entry wins.

    </details>
    ");
    insta::assert_snapshot!(texts[1], @r"
    ### Assize: 1 critical open
    and 1 suggestion · 1 fixed, 1 dismissed · round 2 at `head-2` reviewed what changed since, in 1 file

    |  | finding | where | since |
    |---|---|---|---|
    | **critical** | [An empty order crashes the import] | `app.py:10` | round 1 |
    | suggestion | [The documented default is another one] | `app.py:94` | round 1 |

    <details><summary>Text of 1 finding without a thread</summary>

    #### Suggestion — The documented default is another one · [`app.py:94`] · `F-4`

    The handbook says that the last entry wins.

    </details>

    <details><summary>Earlier findings: 1 fixed, 1 dismissed</summary>

    - F-2 [The first bill is taken for the newest one]: fixed in `head-2`
    - F-3 [Customers without a contract are dropped]: dismissed by \@ada, “`c` is never empty”

    </details>
    ");
    insta::assert_snapshot!(texts[4], @r"
    ### Assize: 1 important open
    5 fixed, 1 dismissed · round 12 at `head-12` reviewed what changed since, in 1 file

    |  | finding | where | since |
    |---|---|---|---|
    | important | [A group of one is never closed] | `app.py:150` | round 11 |

    <details><summary>Earlier findings: 5 fixed, 1 dismissed</summary>

    - F-6 [The hotfix swallows time zones]: fixed in `head-12`
    - F-5 [Retries start from the wrong event]: fixed in `head-11`
    - F-4 The documented default is another one: fixed in `head-9`
    - F-2 [The first bill is taken for the newest one]: fixed in `head-8`
    - F-1 [An empty order crashes the import]: fixed in `head-7`
    - F-3 [Customers without a contract are dropped]: dismissed by \@ada, “`c` is never empty”

    </details>
    ");
    let said = |title: &str| shop.mr.thread(title).notes.iter().filter(|note| note.author == "assize" && !note.system).count();
    // One thread each, and one answer more where a fix was lost.
    assert_eq!(["An empty order", "The first bill", "Customers without", "Retries start"].map(said), [1, 2, 1, 1], "{}", shop.mr.posted());
    assert_eq!(shop.mr.notes().iter().filter(|note| note.author == "assize").count(), 1, "{}", shop.mr.posted());
}
