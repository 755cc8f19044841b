//! Private keys in armour, whole or in part: which stretch of which line is key. It must not print any of it.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

/// The most lines between a header and its footer.
const MAX_KEY_LINES: usize = 400;
/// From this many base64 characters in a row on, a line is taken for key, next to a header or footer.
const KEY_RUN_CHARS: usize = 40;
/// The most other characters on such a line: quotes, `\n`, a plus.
const MAX_REST_CHARS: usize = 16;
/// Widths that armour is cut to (PEM, PGP, SSH): lines of exactly these are taken for key where no header is in sight.
const ARMOUR_WIDTHS: [usize; 2] = [64, 70];

static BEGIN: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"-----BEGIN (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)?-----").expect("a valid regex"));
static END: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"-----END (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)?-----").expect("a valid regex"));
static ARMOUR_HEADER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^\s*(?:Proc-Type|DEK-Info|Version|Comment|Hash|Charset): ").expect("a valid regex"));

/// What a line has to do with private keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KeyLine {
    /// The stretch that is key.
    pub(super) secret: Option<Range<usize>>,
    /// The header and footer, which may be read.
    pub(super) public: Vec<Range<usize>>,
}

/// Returns what each line has to do with private keys; an empty list if none has.
pub(super) fn key_lines(lines: &[&str]) -> Vec<KeyLine> {
    let shapes: Vec<Shape> = lines.iter().map(|line| Shape::of(line)).collect();
    if !shapes.iter().any(|shape| shape.begin.is_some() || shape.end.is_some() || shape.is_armour()) {
        return Vec::new();
    }
    let mut out: Vec<KeyLine> = vec![KeyLine::default(); lines.len()];
    for (line, shape) in shapes.iter().enumerate() {
        out[line].public.extend(shape.begin.clone());
        out[line].public.extend(shape.end.clone());
    }
    let mut line = 0;
    while line < lines.len() {
        line = match (&shapes[line].begin, &shapes[line].end) {
            (Some(begin), Some(end)) if begin.end <= end.start => {
                out[line].secret = some(begin.end..end.start);
                line + 1
            }
            (Some(begin), _) => {
                if shapes[line].run >= KEY_RUN_CHARS {
                    out[line].secret = some(begin.end..lines[line].trim_end().len());
                }
                mask_below(lines, &shapes, line, &mut out)
            }
            (None, Some(end)) => {
                if shapes[line].run >= KEY_RUN_CHARS {
                    out[line].secret = some(content(lines[line]).start.min(end.start)..end.start);
                }
                // A footer whose header is out of sight: the lines above it.
                for above in (line.saturating_sub(MAX_KEY_LINES)..line).rev() {
                    let short_last = above + 1 == line && shapes[above].is_bare_run();
                    if out[above].secret.is_some() || !(shapes[above].is_key() || short_last) {
                        break;
                    }
                    out[above].secret = some(content(lines[above]));
                }
                line + 1
            }
            (None, None) => line + 1,
        };
    }
    mask_middles(lines, &shapes, &mut out);
    out
}

/// Marks what is below a header; returns the line to go on with.
fn mask_below(lines: &[&str], shapes: &[Shape], header: usize, out: &mut [KeyLine]) -> usize {
    let below = header + 1..lines.len().min(header + 1 + MAX_KEY_LINES);
    let footer = below.clone().take_while(|&line| shapes[line].begin.is_none()).find(|&line| shapes[line].end.is_some());
    if let Some(footer) = footer {
        let body = header + 1..footer;
        // Code that speaks of headers and footers has neither long runs nor only bare words between them.
        let is_key = body.clone().any(|line| shapes[line].is_key())
            || body.clone().all(|line| shapes[line].is_blank || shapes[line].is_bare_run() || ARMOUR_HEADER.is_match(lines[line]));
        if is_key {
            for line in body {
                out[line].secret = some(content(lines[line]));
            }
        }
        return footer;
    }
    let mut seen_key = false;
    for line in below {
        let shape = &shapes[line];
        let short_last = seen_key && !shape.is_key() && shape.is_bare_run();
        if shape.is_key() || short_last {
            out[line].secret = some(content(lines[line]));
            seen_key = true;
        } else if seen_key || !(shape.is_blank || ARMOUR_HEADER.is_match(lines[line])) {
            return line;
        }
        if short_last {
            return line + 1;
        }
    }
    lines.len().min(header + 1 + MAX_KEY_LINES)
}

/// Marks lines of armour wherever they are, from two in a row on, the last of which may be shorter: a hunk may show the middle of a key only.
fn mask_middles(lines: &[&str], shapes: &[Shape], out: &mut [KeyLine]) {
    let mut line = 0;
    while line < lines.len() {
        let width = shapes[line].run;
        let run = (line..lines.len()).take_while(|&line| shapes[line].is_armour() && shapes[line].run == width).count();
        let tail = line + run;
        let short_last = run >= 1 && shapes.get(tail).is_some_and(|shape| shape.is_bare_run() && shape.run < width);
        if run >= 2 || short_last {
            for masked in line..tail + usize::from(short_last) {
                out[masked].secret = some(content(lines[masked]));
            }
        }
        line += run.max(1);
    }
}

fn some(range: Range<usize>) -> Option<Range<usize>> {
    (range.start < range.end).then_some(range)
}

/// Returns where the content of a line is: without the white space around it and without a diff's sign in front.
fn content(line: &str) -> Range<usize> {
    let sign = usize::from(line.starts_with(['+', '-']));
    let start = sign + (line[sign..].len() - line[sign..].trim_start().len());
    start..line.trim_end().len().max(start)
}

/// What a line looks like.
struct Shape {
    begin: Option<Range<usize>>,
    end: Option<Range<usize>>,
    /// The longest run of base64 characters, without a diff's sign in front.
    run: usize,
    /// The characters besides it, without the white space around.
    rest: usize,
    /// The run has capitals, small letters and digits: no hexadecimal digest has.
    mixed: bool,
    is_blank: bool,
}

impl Shape {
    fn of(line: &str) -> Self {
        let range = |found: regex::Match<'_>| found.range();
        let dashes = line.contains("-----");
        let content = &line[content(line)];
        let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
        let longest = content.split(|c: char| !is_base64(c)).max_by_key(|run| run.len()).unwrap_or("");
        let has = |test: fn(&u8) -> bool| longest.as_bytes().iter().any(test);
        Self {
            begin: dashes.then(|| BEGIN.find(line).map(range)).flatten(),
            end: dashes.then(|| END.find(line).map(range)).flatten(),
            run: longest.len(),
            rest: content.len() - longest.len(),
            mixed: has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit),
            is_blank: content.is_empty(),
        }
    }

    /// Returns whether the line is key, next to a header or footer.
    fn is_key(&self) -> bool {
        self.run >= KEY_RUN_CHARS && self.rest <= MAX_REST_CHARS
    }

    /// Returns whether the line is nothing but a run, as the last one of a key is.
    fn is_bare_run(&self) -> bool {
        self.run >= 4 && self.rest == 0
    }

    /// Returns whether the line is the middle of a key by its width alone.
    fn is_armour(&self) -> bool {
        ARMOUR_WIDTHS.contains(&self.run) && self.rest <= MAX_REST_CHARS && self.mixed
    }
}
