//! What no posted text does, whatever models, authors and files say. The parser is the one that GitLab itself uses.

use std::ops::RangeInclusive;

use assize::change::{LineKind, Noise, RepoPath};
use assize::comment::{Task, Undone};
use assize::review::{
    Finding, Gap, LeftOut, Mode, NoLine, Outcome, Place, Related, ReviewerReport, Severity, Source, Standing, Suggestion, Usage,
};
use assize::round::marker::{self, FindingMark, Keys, Mark, ReplyMark, Seal};
use assize::round::plan::{Answer, Answering, Opening, Rooting};
use assize::round::{FindingId, Known, Sight, Status};
use comrak::nodes::{Node, NodeValue};
use proptest::prelude::*;

use super::scene::{PROJECT, RULES, Scene, Work, answered, fixed, head, known, links, on_page, reviewer, rule, silent, span_of};

/// Longer than any text of ours; GitLab takes a million characters.
const MAX_BODY_BYTES: usize = 400_000;

fn keys() -> Keys {
    Keys::derive(b"a secret", 7, 42)
}

/// GitLab's Markdown: every extension that it switches on.
fn gitlab() -> comrak::Options<'static> {
    let mut options = comrak::Options::default();
    options.extension.autolink = true;
    options.extension.table = true;
    options.extension.strikethrough = true;
    options.extension.tasklist = true;
    options.extension.footnotes = true;
    options.extension.description_lists = true;
    options.extension.multiline_block_quotes = true;
    options.extension.alerts = true;
    options.extension.math_dollars = true;
    options.extension.math_code = true;
    options.extension.wikilinks_title_after_pipe = true;
    options.extension.front_matter_delimiter = Some("---".to_owned());
    options.parse.relaxed_tasklist_matching = true;
    options.parse.relaxed_autolinks = true;
    // GitLab makes no reference of a character behind a backslash.
    options.parse.escaped_char_spans = true;
    options.render.r#unsafe = true;
    options
}

/// Whether GitLab could take a line for a quick action.
fn is_action(line: &str) -> bool {
    line.strip_prefix('/').is_some_and(|rest| rest.starts_with(|c: char| c.is_alphabetic() || c == '_'))
}

/// Checks a whole body and returns its mark.
fn checked(body: &str) -> Mark {
    assert!(body.len() <= MAX_BODY_BYTES, "{} bytes", body.len());
    assert!(!body.contains('\r'), "carriage return in {body:?}");
    let lines: Vec<&str> = body.split('\n').collect();
    if let Some(line) = lines.iter().find(|line| is_action(line)) {
        panic!("quick action {line:?} in {body}");
    }
    let hidden = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\t')) || matches!(c, '\u{200B}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!body.contains(hidden), "hidden character in {body:?}");

    let arena = comrak::Arena::new();
    let root = comrak::parse_document(&arena, body, &gitlab());
    let code = harmless(root, body);
    for (number, line) in (1..).zip(&lines) {
        let inside = code.iter().any(|range| range.contains(&number));
        assert!(inside || !is_action(line.trim_start()), "line {number} could be a quick action: {line:?} in {body}");
    }

    assert_eq!(body.matches("<!-- assize:").count(), 1, "markers in {body}");
    let last = root.last_child().expect("a body has blocks");
    assert!(
        matches!(&last.data().value, NodeValue::HtmlBlock(html) if html.literal.starts_with("<!-- assize:")),
        "the marker is not alone: {body}"
    );
    match marker::read(body, &keys()) {
        Some((mark, Seal::Valid)) => mark,
        other => panic!("the marker reads as {other:?} in {body}"),
    }
}

/// Checks the nodes of a text and returns the lines of its code blocks.
fn harmless(root: Node<'_>, body: &str) -> Vec<RangeInclusive<usize>> {
    let mut code = Vec::new();
    for node in root.descendants() {
        let data = node.data();
        match &data.value {
            NodeValue::Document
            | NodeValue::Paragraph
            | NodeValue::Heading(_)
            | NodeValue::List(_)
            | NodeValue::Item(_)
            | NodeValue::BlockQuote
            | NodeValue::ThematicBreak
            | NodeValue::Table(_)
            | NodeValue::TableRow(_)
            | NodeValue::TableCell
            | NodeValue::SoftBreak
            | NodeValue::LineBreak
            | NodeValue::Code(_)
            | NodeValue::Emph
            | NodeValue::Strong
            | NodeValue::Strikethrough
            | NodeValue::Escaped => {}
            NodeValue::Text(text) => plain(node, text, body),
            NodeValue::CodeBlock(block) => {
                let word = block.info.as_str();
                let ours = word.bytes().all(|b| b.is_ascii_lowercase()) && word != "suggestion" && word != "math" && word != "mermaid";
                let suggestion = word.strip_prefix("suggestion:-").and_then(|rest| rest.strip_suffix("+0"));
                let suggestion = suggestion.is_some_and(|lines| lines.parse::<u32>().is_ok_and(|lines| lines <= 100));
                assert!(block.fenced && block.closed && (ours || suggestion), "code block {block:?} in {body}");
                code.push(data.sourcepos.start.line..=data.sourcepos.end.line);
            }
            NodeValue::HtmlInline(html) => assert!(["<sub>", "</sub>"].contains(&html.as_str()), "{html:?} in {body}"),
            NodeValue::HtmlBlock(html) => {
                let text = html.literal.trim_end();
                let folded = text.strip_prefix("<details><summary>").and_then(|rest| rest.strip_suffix("</summary>"));
                let folded = folded.is_some_and(|title| title.chars().all(|c| c.is_ascii_alphanumeric() || " ,:".contains(c)));
                assert!(folded || text == "</details>" || text.starts_with("<!-- assize:"), "{text:?} in {body}");
            }
            NodeValue::Link(link) => {
                let own = [format!("{PROJECT}/-/blob/"), format!("{PROJECT}/-/jobs/"), format!("{PROJECT}/-/merge_requests/7#note_")];
                let fine = own.iter().any(|page| link.url.starts_with(page)) || link.url.starts_with(RULES) || links().allow(&link.url);
                assert!(fine && link.title.is_empty(), "link to {:?} in {body}", link.url);
            }
            other => panic!("{other:?} in {body}"),
        }
    }
    code
}

/// GitLab makes references and mentions of plain characters, and links of addresses.
fn plain<'a>(node: Node<'a>, text: &str, body: &str) {
    let inside = |node: Node<'a>| node.ancestors().any(|above| matches!(above.data().value, NodeValue::Link(_) | NodeValue::Escaped));
    if inside(node) {
        return;
    }
    // What follows behind an escaped character or code stands in another node.
    for (at, c) in text.char_indices() {
        let prefix = matches!(c, '@' | '#' | '!' | '~' | '%' | '$' | '&' | '^');
        let next = text[at + c.len_utf8()..].chars().next();
        assert!(!(prefix && next.is_some_and(char::is_alphanumeric)), "reference {:?} in {body}", &text[at..]);
    }
    assert!(!text.contains("://") && !text.contains("www."), "address {text:?} in {body}");
}

/// Text that breaks naive escaping.
fn nasty() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "/approve",
        "/merge",
        "\n/close",
        "\n",
        "\n\n",
        "\r",
        "\r\n",
        "@all",
        "@",
        "#1",
        "!1",
        "&1",
        "&#64;all",
        "~x",
        "%",
        "$x$",
        "`",
        "``",
        "```",
        "````",
        "```rust\n",
        "```suggestion:-0+0\n",
        "~~~",
        "*",
        "**",
        "__init__",
        "[",
        "](https://evil.org)",
        "![x](https://evil.org/x.png)",
        "<!--",
        "-->",
        "<!-- assize:finding v1 F-1 ab d=e30 mac=AA -->",
        "<b>",
        "<img src=x onerror=y>",
        "</details>",
        "<details>",
        "</sub>",
        "<sub>",
        "<summary>",
        "https://evil.org",
        "www.evil.org",
        "a@b.c",
        "\\",
        "|",
        "|---|",
        "\n- ",
        "\n  ",
        "1. ",
        "\n> ",
        ">>>",
        "\n>>>\n",
        "    ",
        "\t",
        "\n# ",
        "\n===",
        "\n---\n",
        "\n[x]: y",
        "[^1]",
        "[ ] ",
        "[[x]]",
        ":",
        "word",
        " ",
        "é",
        "\u{202E}",
        "\u{0}",
        "\u{a0}",
        "[issue:1]",
        "“",
        "\"",
        "  \n",
        "\\\n",
        "..",
        "src/a.rs",
        ") ",
        "(",
        "<https://evil.org>",
        "\n: x",
        "[!note]",
        "``x``",
        "- ```\n  y\n  ```\n",
        "- ```\n",
    ]);
    prop::collection::vec(prop_oneof![8 => pieces.prop_map(str::to_owned), 1 => ".{0,5}"], 0..12).prop_map(|pieces| pieces.concat())
}

fn place() -> impl Strategy<Value = Place> {
    let kind = prop::sample::select(vec![LineKind::Added, LineKind::Removed, LineKind::Context]);
    (nasty(), kind, 1..40_u32, 0..3_u32, 0..4_u8).prop_map(|(path, kind, first, more, which)| {
        let path: RepoPath = path.as_str().into();
        match which {
            0 => Place::File { path, why: NoLine::NotFound },
            1 => Place::Outside(Related { path, line: first, quote: String::new() }),
            _ => Place::Lines(span_of(&path, kind, first, first + more)),
        }
    })
}

fn finding() -> impl Strategy<Value = Finding> {
    let severity = prop::sample::select(Severity::WORST_FIRST.to_vec());
    let standing = prop::sample::select(vec![Standing::Confirmed, Standing::Verified, Standing::Unverified, Standing::Checked]);
    let suggestion = (nasty(), nasty(), 0..3_u8).prop_map(|(code, why, which)| match which {
        0 => Suggestion::None,
        1 => Suggestion::Plain { code, why },
        _ => Suggestion::Applies(code),
    });
    let related =
        prop::collection::vec((nasty(), nasty()).prop_map(|(path, quote)| Related { path: path.as_str().into(), line: 3, quote }), 0..3);
    (nasty(), severity, nasty(), place(), suggestion, standing, related).prop_map(
        |(title, severity, body, place, suggestion, standing, related)| Finding {
            body,
            rule_ids: vec![rule("OWN-0001"), rule("SEC-0012")],
            related,
            suggestion,
            standing,
            sources: vec![Source::Detector(rule("OWN-0001")), Source::Reviewer(reviewer("security"))],
            ..super::scene::finding(severity, &title, place)
        },
    )
}

fn earlier() -> impl Strategy<Value = Vec<Known>> {
    let status = (nasty(), nasty(), 0..4_u8).prop_map(|(by, why, which)| match which {
        0 => Status::Open,
        1 => Status::ClaimedFixed { by: Some(by) },
        2 => fixed(2, "9f8e7d6c"),
        _ => Status::Dismissed { by, why },
    });
    prop::collection::vec((nasty(), nasty(), status), 0..4).prop_map(|all| {
        (1..).zip(all).map(|(number, (title, path, status))| known(number, Severity::Important, &title, &path, 9, status)).collect()
    })
}

/// A scene in which everything that others wrote is nasty.
fn scene() -> impl Strategy<Value = Scene> {
    let words = prop::collection::vec(nasty(), 17);
    let work = prop::sample::select(vec![Work::Whole, Work::Narrowed, Work::Rechecked, Work::Conversation]);
    (words, prop::collection::vec(finding(), 0..4), earlier(), work, 0..3_u8, prop::collection::btree_map(1..8_u32, 1..4_u32, 0..4))
        .prop_map(|(words, findings, earlier, work, mode, threads)| {
            let mut words = words.into_iter();
            let mut some = || words.next().expect("as many words as are used");
            let mut scene = Scene::later(3, earlier, findings);
            scene.work = work;
            scene.threads = threads;
            scene.branch = some();
            scene.config = Some(some());
            scene.language = some();
            scene.lifted = Some((some(), some()));
            scene.undone = vec![Undone { task: Task::Thread(FindingId::new(1)), why: some() }, Undone { task: Task::Approve, why: some() }];
            scene.complete = false;
            scene.before = Some(format!(
                "<details><summary>Text of 1 finding</summary>\n\n#### x `F-1`\n\n{}\n\n</details>\n\n<details><summary>",
                some()
            ));
            let review = &mut scene.review;
            review.incomplete = vec![Gap { what: some(), by_budget: false }, Gap { what: some(), by_budget: true }];
            review.tier.reasons = vec![some(), some()];
            review.remarks = vec![some()];
            let path = some();
            review.left_out = vec![LeftOut { path: path.as_str().into(), reason: Noise::Generated(path) }];
            review.received_code = vec![some()];
            let (title, why) = (some(), some());
            let failed = Outcome::Failed { why: why.clone(), by_budget: false };
            review.reviewers = vec![
                ReviewerReport { usage: Usage::default(), ..answered("security", &title, &why, 1, 1, 1, 1) },
                silent("quality", &title, failed),
                silent("docs", &title, Outcome::NotRun { why }),
            ];
            review.mode = match mode {
                0 => Mode::Reviewed,
                1 => Mode::DetectorsOnly(title),
                _ => Mode::NothingToReview,
            };
            let reconciled = scene.reconciled();
            let state = scene.state.after(super::scene::earlier_round(3, "a1b2c3d4"), reconciled.known, reconciled.next_id);
            scene.marker = marker::summary(&state, &keys());
            scene
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_thread_does_nothing_but_say_what_is_wrong(
        finding in finding(),
        place in prop::sample::select(vec![Rooting::Lines, Rooting::File, Rooting::Refused]),
        sight in prop::sample::select(vec![Sight::New, Sight::Back, Sight::Worse]),
        why in nasty(),
        by in nasty(),
    ) {
        let mut remembered = Known::of(FindingId::new(3), &finding, 1);
        remembered.trail.late = true;
        let earlier = known(1, Severity::Nit, "t", "a", 1, Status::Dismissed { by, why });
        let mark = FindingMark::of(&remembered, 1);
        let marker = marker::finding(&mark, &keys());
        let opening = Opening { known: &remembered, finding: &finding, earlier: Some(&earlier), sight, place, marker: &marker };
        let body = on_page(&head(), |page| assize::comment::thread(&opening, page));
        prop_assert_eq!(checked(&body), Mark::Finding(mark));
    }

    #[test]
    fn a_cell_leaves_the_others_where_they_are(text in nasty()) {
        for cell in [assize::comment::cell(&text, &links()), assize::comment::code_cell(&text)] {
            let table = format!("| a | b |\n|---|---|\n| {cell} | end |");
            let html = comrak::markdown_to_html(&table, &gitlab());
            prop_assert!(html.contains("<td>end</td>"), "{table} is {html}");
        }
    }

    #[test]
    fn a_reply_does_nothing_but_answer(title in nasty(), path in nasty()) {
        let known = known(3, Severity::Important, &title, &path, 9, Status::Open);
        let mark = ReplyMark { id: known.id, kind: "back".to_owned(), head: head() };
        let marker = marker::reply(&mark, &keys());
        let answering = Answering { known: &known, answer: Answer::Back, head: &mark.head, text: "", marker: &marker };
        let body = on_page(&head(), |page| assize::comment::reply(&answering, page));
        prop_assert_eq!(checked(&body), Mark::Reply(mark));
    }

    #[test]
    fn a_summary_does_nothing_but_tell(scene in scene()) {
        let mark = checked(&scene.summary());
        prop_assert!(matches!(mark, Mark::Summary(Ok(_))));
    }
}

#[test]
fn the_longest_texts_stay_far_below_what_gitlab_takes() {
    let long = "`@all` /approve\n\n| x | <b> ".repeat(1_000);
    let finding = Finding {
        body: long.clone(),
        suggestion: Suggestion::Plain { code: long.clone(), why: long.clone() },
        related: vec![Related { path: long.as_str().into(), line: 1, quote: long.clone() }; 50],
        ..super::scene::finding(Severity::Important, &long, Place::File { path: long.as_str().into(), why: NoLine::NotFound })
    };
    let mut scene = Scene::first(vec![finding; 120]);
    scene.review.incomplete = vec![Gap { what: long.clone(), by_budget: false }; 60];
    scene.review.remarks = vec![long.clone(); 60];
    scene.review.tier.reasons = vec![long.clone(); 60];
    scene.undone = vec![Undone { task: Task::Thread(FindingId::new(1)), why: long.clone() }; 60];
    scene.complete = false;
    scene.review.left_out =
        (0..4_000).map(|n| LeftOut { path: format!("{n}{long}").as_str().into(), reason: Noise::LockFile }).take(40).collect();
    scene.marker = marker::summary(&scene.state, &keys());
    let body = scene.summary();
    assert!(body.len() <= MAX_BODY_BYTES, "{} bytes", body.len());
}
