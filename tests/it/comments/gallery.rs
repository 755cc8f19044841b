//! Pages to look at: every case as GitLab would show it, roughly. It must not assert anything; people do.

use std::path::Path;

use assize::round::Sight;
use assize::round::plan::Rooting;

use super::cases;
use super::scene::thread;

/// Near enough to GitLab's notes to see what wraps, what shouts and what is overlooked.
const STYLE: &str = "body{margin:24px auto;max-width:880px;font:14px/1.5 'GitLab Sans',Inter,'Noto Sans',system-ui,sans-serif;color:#3a383f;background:#fff}\
h1{font-size:13px;color:#89888d;font-weight:400;margin:32px 0 4px}\
.note{border:1px solid #dcdcde;border-radius:8px;padding:12px 16px;overflow-wrap:break-word}\
.note>:last-child{margin-bottom:0}p,ul,pre,table,details{margin:0 0 12px}h3{font-size:18px;line-height:1.3;margin:0 0 8px}\
ul{padding-left:24px}a{color:#0b5cad;text-decoration:none}\
code{font:13px 'GitLab Mono','JetBrains Mono','DejaVu Sans Mono',monospace;font-size:12px;background:#ececef;border-radius:4px;padding:2px 4px;overflow-wrap:break-word}\
pre{background:#fbfafd;border:1px solid #dcdcde;border-radius:4px;padding:8px 12px;overflow-x:auto}pre code{background:none;padding:0}\
table{border-collapse:collapse;display:block;overflow-x:auto}th,td{border:1px solid #dcdcde;padding:8px 12px;text-align:left;vertical-align:top}\
details>summary{margin-bottom:8px}th{border-bottom-width:2px;font-weight:600}sub{font-size:11px;vertical-align:baseline;line-height:1.4;color:#3a383f}";

fn options() -> comrak::Options<'static> {
    let mut options = comrak::Options::default();
    options.extension.table = true;
    options.extension.strikethrough = true;
    options.extension.autolink = true;
    options.extension.tasklist = true;
    options.extension.footnotes = true;
    options.render.r#unsafe = true;
    options
}

fn page(notes: &[(String, String)]) -> String {
    let notes: Vec<String> = notes
        .iter()
        .map(|(name, body)| format!("<h1>{name}</h1><div class=note>{}</div>", comrak::markdown_to_html(body, &options())))
        .collect();
    format!("<!doctype html><meta charset=utf-8><title>Comments</title><style>{STYLE}</style>{}", notes.concat())
}

fn threads() -> Vec<(String, String)> {
    [
        ("on lines", cases::injection(), Rooting::Lines, Sight::New),
        ("on lines, with what breaks", cases::migration(), Rooting::Lines, Sight::New),
        ("on a removed line", cases::lost_check(), Rooting::Lines, Sight::New),
        ("on the file, because GitLab did not take the lines", cases::injection(), Rooting::Refused, Sight::New),
        ("on the file", cases::untested(), Rooting::File, Sight::New),
        ("back", cases::endless(), Rooting::Lines, Sight::Back),
    ]
    .map(|(name, finding, place, sight)| (name.to_owned(), thread(&finding, place, sight)))
    .into()
}

#[test]
#[ignore = "writes target/comments/*.html for people to look at"]
fn gallery() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/comments");
    std::fs::create_dir_all(&folder).expect("target can be written");
    let write = |name: &str, notes: &[(String, String)]| {
        let name = name.replace([' ', ','], "-");
        std::fs::write(folder.join(format!("{name}.html")), page(notes)).expect("target can be written");
        let text: Vec<&str> = notes.iter().map(|(_, body)| body.as_str()).collect();
        std::fs::write(folder.join(format!("{name}.md")), text.join("\n\n~~~\n\n")).expect("target can be written");
    };
    write("threads", &threads());
    for (name, scene) in cases::summaries() {
        let summary = scene.summary();
        let unfolded = summary.replace("<details>", "<details open>");
        write(name, &[(name.to_owned(), summary), (format!("{name}, unfolded"), unfolded)]);
    }
}
