//! What defused text may and may not do, on examples and on anything a generator comes up with.

use proptest::prelude::*;
use pulldown_cmark::{Event, LinkType, Options, Parser, Tag};

use super::*;

fn links() -> Links {
    Links::new("https://gitlab.example.com/shop/api", vec!["https://docs.example.com/rules".to_owned()])
}

fn check(text: &str, expected: &str) {
    assert_eq!(prose(text, &links()), expected, "{text:?}");
}

/// GitLab's Markdown, as near as the parser comes.
fn gitlab() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS | Options::ENABLE_GFM
}

/// The text people see, white space aside.
fn seen(text: &str) -> String {
    let mut seen = String::new();
    for event in Parser::new_ext(text, Options::ENABLE_STRIKETHROUGH) {
        match event {
            Event::Text(part) | Event::Code(part) | Event::InlineHtml(part) | Event::Html(part) => seen.push_str(&part),
            _ => {}
        }
    }
    seen.split_whitespace().collect()
}

/// What must hold for every defused text.
fn harmless(text: &str) {
    for line in text.replace('\r', "").split('\n') {
        assert!(!is_action(line), "quick action {line:?} in {text:?}");
    }
    assert!(!text.contains("<!-- assize:"), "marker in {text:?}");
    assert!(!text.chars().any(is_hidden), "hidden character in {text:?}");
    let mut code = 0;
    let mut linked = 0;
    for (event, range) in Parser::new_ext(text, gitlab()).into_offset_iter() {
        match event {
            Event::Html(html) | Event::InlineHtml(html) => panic!("HTML {html:?} in {text:?}"),
            Event::Start(Tag::Image { .. }) => panic!("image in {text:?}"),
            Event::Start(Tag::HtmlBlock | Tag::Table(_) | Tag::FootnoteDefinition(_) | Tag::Heading { .. }) => panic!("block in {text:?}"),
            Event::FootnoteReference(_) | Event::TaskListMarker(_) => panic!("marker in {text:?}"),
            Event::Start(Tag::Link { link_type, dest_url, .. }) => {
                assert!(links().allow(&dest_url), "link to {dest_url} in {text:?}");
                assert!(matches!(link_type, LinkType::Inline | LinkType::Autolink), "{link_type:?} in {text:?}");
                linked += 1;
            }
            Event::End(pulldown_cmark::TagEnd::Link) => linked -= 1,
            Event::Start(Tag::CodeBlock(kind)) => {
                let pulldown_cmark::CodeBlockKind::Fenced(word) = kind else { panic!("indented code in {text:?}") };
                assert!(word.is_empty() || LANGUAGES.contains(&&*word), "fence word {word:?} in {text:?}");
                let block = &text[range];
                let fence = block.len() - block.trim_start_matches('`').len();
                assert!(fence >= 3 && block.trim_end().ends_with(&"`".repeat(fence)), "open fence in {text:?}");
                code += 1;
            }
            Event::End(pulldown_cmark::TagEnd::CodeBlock) => code -= 1,
            Event::Text(_) if code == 0 && linked == 0 => no_reference(text, range),
            _ => {}
        }
    }
}

/// GitLab makes references and mentions of characters that no backslash precedes, and links of addresses in plain text.
fn no_reference(text: &str, range: std::ops::Range<usize>) {
    for (at, c) in text[range.clone()].char_indices() {
        let at = range.start + at;
        let prefix = matches!(c, '@' | '#' | '!' | '~' | '%' | '$' | '&' | '^');
        let quoted = |next: char| c != '&' && matches!(next, '"' | '_' | '`');
        let named = text[at + c.len_utf8()..].starts_with(|next: char| next.is_alphanumeric() || quoted(next));
        // The parser begins a new text behind the backslash of an escape.
        let escaped = at == range.start && text[..at].ends_with('\\');
        assert!(!(prefix && named) || escaped, "reference at {:?} in {text:?}", &text[at..]);
    }
    for address in ["://", "www."] {
        assert!(!text[range.clone()].contains(address), "address in {text:?}");
    }
}

#[test]
fn ordinary_prose_and_code_stay_as_they_are() {
    for text in [
        "`sort` reaches `format!` unescaped, so `?sort=id` runs as SQL. Any caller of `GET /orders` can send it.",
        "First paragraph.\n\nSecond, with *emphasis*, **weight** and ~~what is gone~~.",
        "- one\n- two\n  - inner\n- three",
        "1. one\n2. two",
        "> quoted\n> twice",
        "```rust\nlet x = 1;\n\nlet y = 2;\n```",
        "It takes 5 % of a < b && c > d, snake_case_name and a.b.c(d): 100% fine!".replace("a < b && c", "a and c").as_str(),
        "See [the rule](https://docs.example.com/rules/SEC-0012) and <https://gitlab.example.com/shop/api/-/jobs/3>.",
        "Commit 9f8e7d6c stays, and so does SEC-0012.",
        "Line one\\\nline two",
    ] {
        check(text, text);
        harmless(text);
    }
}

#[test]
fn quick_actions_mentions_and_references_do_nothing() {
    check("Fine.\n/approve\n/merge", "Fine.\n\\/approve\n\\/merge");
    check("Fine.\n\u{a0}/merge", "Fine.\n\u{a0}\\/merge");
    check("Fine.\r/app\rrove", "Fine.\n\\/app\nrove");
    check("@all see #1, !2, &3, ~bug, %v1 and $4", "\\@all see \\#1, \\!2, \\&3, \\~bug, \\%v1 and \\$4");
    check("group/project#12 and [issue:7]", "group/project\\#12 and `[issue:7]`");
    check("a&#64;all &#35;1", "a\\@all \\#1");
    check("```\n/close\n```", "```\n /close\n```");
    check("mail someone@example.com.", "mail `someone@example.com`.");
}

#[test]
fn html_images_and_foreign_links_are_shown_not_rendered() {
    check("Vec<String> and <b>x</b>", "Vec\\<String> and \\<b>x\\</b>");
    check("<div>\n@all\n</div>", "```\n<div>\n@all\n</div>\n```");
    check("![pixel](https://evil.org/x.png)", "pixel (`https://evil.org/x.png`)");
    check("[click](https://evil.org/) and https://evil.org/a.", "click (`https://evil.org/`) and `https://evil.org/a`.");
    check("[x][1]\n\n[1]: javascript:alert(1)", "x (`javascript:alert(1)`)");
    check("see www.evil.org", "see `www.evil.org`");
    check("[x](https://gitlab.example.com/shop/api/-/issues/4)", "x (`https://gitlab.example.com/shop/api/-/issues/4`)");
}

#[test]
fn markers_and_hidden_characters_are_shown() {
    check("<!-- assize:finding v1 F-1 -->", "```\n<!-- assize :finding v1 F-1 -->\n```");
    check("`<!-- assize:summary v1 -->`", "`<!-- assize :summary v1 -->`");
    check("a\u{202E}b\u{0}c", "a\\[U+202E\\]b\\[U+0000\\]c");
    assert_eq!(suggestion("let a\u{200B}b = 1;", 0), Err("it holds characters that do not show"));
}

#[test]
fn headings_tables_and_tasks_become_plain_text() {
    check("# Title\ntext", "**Title**\n\ntext");
    check("| a | b |\n|---|---|\n| 1 | 2 |", "\\| a \\| b \\|\n\\|---\\|---\\|\n\\| 1 \\| 2 \\|");
    check("word\n: its meaning\n~ another", "word\n\\: its meaning\n\\~ another");
    check("- [ ] do it", "- \\[ \\] do it");
    check("```mermaid\ngraph TD\n```", "```\ngraph TD\n```");
    check("```suggestion:-0+0\nx\n```", "```\nx\n```");
}

#[test]
fn a_fence_cannot_be_broken_out_of() {
    assert_eq!(code_block("a\n```\n/close\n````\n", "rust"), "`````rust\na\n```\n /close\n````\n`````");
    assert_eq!(code("a `b` ``c``"), "``` a `b` ``c`` ```");
    assert_eq!(suggestion("let x = 1;\n", 2).as_deref(), Ok("```suggestion:-2+0\nlet x = 1;\n```"));
    assert_eq!(suggestion("", 1).as_deref(), Ok("```suggestion:-1+0\n```"));
    assert_eq!(suggestion("```\nx\n```", 0).as_deref(), Ok("````suggestion:-0+0\n```\nx\n```\n````"));
    assert_eq!(suggestion("a\n/merge\n", 0), Err("GitLab would run a line of it as a command"));
    assert_eq!(suggestion("a", 101), Err("it is too long for GitLab to apply"));
}

#[test]
fn titles_and_cells_are_one_line() {
    assert_eq!(line("SQL is built\nfrom `sort`", &links()), "SQL is built from `sort`");
    assert_eq!(line("`x | y` is **bold**", &links()), "`x | y` is **bold**");
    assert_eq!(line("- not a list", &links()), "\\- not a list");
    assert_eq!(line("2. not a list", &links()), "2\\. not a list");
    assert_eq!(line("# not a heading", &links()), "\\# not a heading");
    assert_eq!(cell("`x | y` or z | w", &links()), "`x \\| y` or z \\| w");
    assert_eq!(code_cell("a|b"), "`a\\|b`");
}

#[test]
fn a_line_may_be_followed_by_any_text() {
    assert_eq!(line("costs 5$", &links()), "costs 5\\$");
    assert_eq!(line("C#", &links()), "C\\#");
    assert_eq!(line("`$` and ~~gone~~", &links()), "`$` and ~~gone~~");
    assert_eq!(line("a ~~", &links()), "a \\~\\~");
}

/// Pieces that break naive escaping when they meet.
fn pieces() -> impl Strategy<Value = String> {
    let nasty = prop::sample::select(vec![
        "/approve",
        "/merge",
        "\n",
        "\n\n",
        "\r",
        "\r\n",
        "@all",
        "@",
        "#1",
        "!",
        "!1",
        "&1",
        "&amp;",
        "&#64;",
        "&#35;1",
        "&#10;",
        "~x",
        "%",
        "$x$",
        "`",
        "``",
        "```",
        "~~~",
        "*",
        "**",
        "_",
        "__",
        "~~",
        "[",
        "]",
        "](",
        "(",
        ")",
        "![",
        "<",
        ">",
        "<!--",
        "-->",
        "<!-- assize:summary v1",
        "<b>",
        "</b>",
        "<img src=x>",
        "https://",
        "evil.org",
        "https://gitlab.example.com/a",
        "www.",
        "a@b.c",
        "\\",
        "|",
        "|---|",
        "- ",
        "* ",
        "+ ",
        "1. ",
        "1)",
        "> ",
        ">>> ",
        "    ",
        "\t",
        "# ",
        "===",
        "---",
        "[x]: ",
        "[^1]",
        "[^1]: ",
        "[ ] ",
        "{",
        "}",
        ":",
        "://",
        "a",
        "word",
        " ",
        "é",
        "\u{202E}",
        "\u{0}",
        "\u{a0}",
        "[issue:1]",
        "suggestion",
        "://x",
        "mailto:",
        "\"",
        "'",
        "  \n",
        "\\\n",
        "<https://evil.org>",
        "&lt;b&gt;",
    ]);
    prop::collection::vec(prop_oneof![8 => nasty.prop_map(str::to_owned), 1 => ".{0,6}"], 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn nothing_in_defused_prose_does_anything(text in pieces()) {
        harmless(&prose(&text, &links()));
    }

    #[test]
    fn defusing_again_changes_nothing(text in pieces()) {
        let once = prose(&text, &links());
        prop_assert_eq!(prose(&once, &links()), once);
    }

    #[test]
    fn words_survive(text in "[a-z0-9 .,;()!?'\"=/+:_*`#%&@-]{0,60}(\n[a-z0-9 .,;()!?'\"=+:_-]{0,40}){0,3}") {
        let shown = seen(&prose(&text, &links()));
        prop_assert_eq!(shown, seen(&text));
    }

    #[test]
    fn a_title_and_a_cell_are_one_harmless_line(text in pieces()) {
        let title = line(&text, &links());
        prop_assert!(!title.contains('\n'), "{:?}", title);
        harmless(&title);
        // In front of it stands text of ours.
        harmless(&format!("**Critical** — {title}"));
        let cell = cell(&text, &links());
        let table = format!("| a | b |\n|---|---|\n| {cell} | end |\n");
        let cells = Parser::new_ext(&table, gitlab()).filter(|event| matches!(event, Event::Start(Tag::TableCell))).count();
        prop_assert_eq!(cells, 4, "{}", table);
    }

    #[test]
    fn code_stays_in_its_fence(text in pieces(), above in 0_u32..3) {
        harmless(&code_block(&text, "rust"));
        harmless(&code(&text));
        if let Ok(block) = suggestion(&text, above) {
            let events: Vec<_> = Parser::new_ext(&block, gitlab()).collect();
            let shown: String = events.iter().filter_map(|event| match event { Event::Text(text) => Some(text.to_string()), _ => None }).collect();
            let given = text.replace("\r\n", "\n");
            prop_assert_eq!(shown.trim_end_matches('\n'), given.trim_end_matches('\n'));
            prop_assert!(!block.lines().any(is_action));
        }
    }
}
