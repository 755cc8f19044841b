//! Findings, rounds and reviews to write texts about. It must not know how the texts look.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use assize::change::{Change, CommitId, Content, FileDiff, Hunk, Line, LineHash, LineKind, RepoPath, Span, Status as FileStatus};
use assize::codex::RuleId;
use assize::comment::{self, Did, Facts, Instructions, Lifted, Links, Page, Undone};
use assize::review::{
    Confidence, Coverage, Finding, Mode, NoLine, Outcome, Place, Related, Review, ReviewerName, ReviewerReport, Severity, Size, Source,
    Standing, Subject, Suggestion, Tier, TierDecision, Usage, Verdict,
};
use assize::round::marker::{FindingMark, SummaryMarker};
use assize::round::plan::{BotState, Opening, Policy, Rooting, Vote};
use assize::round::{
    Conversation, Extra, FindingId, Known, KnownPlace, Marked, Origin, Reconciled, Resolution, Round, Sight, State, Status, ThreadRef,
    reconcile,
};

pub(super) const PROJECT: &str = "https://gitlab.example.com/shop/api";
pub(super) const RULES: &str = "https://docs.example.com/rules";

/// A commit whose digits begin with `start`.
pub(super) fn commit(start: &str) -> CommitId {
    CommitId::parse(&format!("{start:0<40}")).expect("hexadecimal digits")
}

pub(super) fn head() -> CommitId {
    commit("a1b2c3d4")
}

pub(super) fn reviewer(name: &str) -> ReviewerName {
    ReviewerName::parse(name).expect("a name")
}

pub(super) fn rule(id: &str) -> RuleId {
    RuleId::parse(id).expect("a rule ID")
}

pub(super) fn links() -> Links {
    Links::new(PROJECT, vec![RULES.to_owned()])
}

/// Writes a text for a page of the merge request `shop/api!7`.
pub(super) fn on_page<T>(head: &CommitId, write: impl FnOnce(&Page<'_>) -> T) -> T {
    let (links, base) = (links(), commit("b0b0b0b0"));
    // A team's own rules have no page here.
    let rule = |rule: &RuleId| (!rule.as_str().starts_with("OWN")).then(|| format!("{RULES}/{rule}"));
    write(&Page {
        links: &links,
        project: PROJECT,
        merge_request: &format!("{PROJECT}/-/merge_requests/7"),
        job: Some(&format!("{PROJECT}/-/jobs/4711")),
        rule: &rule,
        base: &base,
        head,
    })
}

fn line(number: u32, kind: LineKind) -> Line {
    let text = format!("line {number}");
    Line { kind, old: number, new: number, hash: LineHash::of(text.as_bytes()), text, newline: true }
}

/// Lines of a file that are all of one kind.
pub(super) fn span_of(path: &RepoPath, kind: LineKind, first: u32, last: u32) -> Span {
    let lines: Vec<Line> = (first..=last).map(|number| line(number, kind)).collect();
    let count = u32::try_from(lines.len()).expect("few lines");
    let hunk = Hunk { old_start: first, old_lines: count, new_start: first, new_lines: count, section: String::new(), lines };
    let file = FileDiff {
        old: Some(path.clone()),
        new: Some(path.clone()),
        status: FileStatus::Modified,
        old_mode: None,
        new_mode: None,
        content: Content::Text(vec![hunk]),
    };
    let span = Change::new(vec![file]).span(path, 0, usize::try_from(last - first).expect("few lines"));
    span.expect("the lines are in the change")
}

/// Added lines of a file.
pub(super) fn lines(path: &str, first: u32, last: u32) -> Place {
    Place::Lines(span_of(&path.into(), LineKind::Added, first, last))
}

/// A file as a whole.
pub(super) fn file(path: &str, why: NoLine) -> Place {
    Place::File { path: path.into(), why }
}

/// A finding of the quality reviewer that nothing else is known of.
pub(super) fn finding(severity: Severity, title: &str, place: Place) -> Finding {
    Finding {
        title: title.to_owned(),
        severity,
        category: reviewer("quality"),
        body: "It breaks when the input is empty. Check it first.".to_owned(),
        rule_ids: Vec::new(),
        fingerprint: format!("{:016x}", title.bytes().fold(17_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)))),
        place,
        related: Vec::new(),
        suggestion: Suggestion::None,
        confidence: Confidence::from_share(0.9),
        sources: vec![Source::Reviewer(reviewer("quality"))],
        standing: Standing::Checked,
        prior_id: None,
    }
}

/// A place outside the change.
pub(super) fn related(path: &str, line: u32, quote: &str) -> Related {
    Related { path: path.into(), line, quote: quote.to_owned() }
}

/// Writes the thread of a finding, with a marker that stands for the real one.
pub(super) fn thread(finding: &Finding, place: Rooting, sight: Sight) -> String {
    thread_of(&Known::of(FindingId::new(3), finding, 1), finding, None, place, sight)
}

/// Writes the thread of a finding of which more is remembered.
pub(super) fn thread_of(known: &Known, finding: &Finding, earlier: Option<&Known>, place: Rooting, sight: Sight) -> String {
    let opening = Opening { known, finding, earlier, sight, place, marker: "<!-- marker -->" };
    on_page(&head(), |page| comment::thread(&opening, page))
}

/// A finding that earlier rounds left behind.
pub(super) fn known(number: u32, severity: Severity, title: &str, path: &str, line: u32, status: Status) -> Known {
    Known {
        id: FindingId::new(number),
        fingerprint: format!("{number:016x}"),
        rule_ids: Vec::new(),
        severity,
        title: title.to_owned(),
        place: KnownPlace { path: path.into(), line: Some(line), side: assize::change::Side::New },
        status,
        first: 1,
        last: 1,
        thread: None,
        trail: assize::round::Trail::default(),
        extra: Extra::new(),
    }
}

pub(super) fn fixed(round: u32, commit_start: &str) -> Status {
    Status::Fixed { round, commit: commit(commit_start) }
}

pub(super) fn dismissed(by: &str, why: &str) -> Status {
    Status::Dismissed { by: by.to_owned(), why: why.to_owned() }
}

/// A reviewer that answered.
pub(super) fn answered(name: &str, title: &str, model: &str, claims: usize, input: u64, cached: u64, output: u64) -> ReviewerReport {
    ReviewerReport {
        name: reviewer(name),
        title: title.to_owned(),
        model: Some(model.to_owned()),
        outcome: Outcome::Answered,
        usage: Usage { calls: 3, input, cached, cache_write: 0, output },
        claims,
    }
}

/// A reviewer that did not answer.
pub(super) fn silent(name: &str, title: &str, outcome: Outcome) -> ReviewerReport {
    ReviewerReport { name: reviewer(name), title: title.to_owned(), model: None, outcome, usage: Usage::default(), claims: 0 }
}

/// A complete review of 14 files.
pub(super) fn review(findings: Vec<Finding>) -> Review {
    let read = BTreeMap::from([(reviewer("quality"), assize::review::FileRead::Read)]);
    let names = ["src/auth/session.rs", "src/orders.rs", "src/http/retry.rs", "migrations/0042.sql", "README.md"];
    let mut paths: BTreeSet<RepoPath> = names.map(RepoPath::from).into();
    paths.extend((0..9).map(|n| RepoPath::from(format!("src/part{n}.rs").as_str())));
    Review {
        subject: Subject { label: "shop/api!7".to_owned(), base: Some(commit("b0b0b0b0")), head: Some(head()) },
        size: Size { files: 14, added: 312, removed: 87 },
        tier: TierDecision {
            tier: Tier::Full,
            reasons: vec![
                "src/auth/session.rs is security-sensitive: its path says `auth`".to_owned(),
                "399 lines changed, above the 100 of a lite change".to_owned(),
            ],
        },
        left_out: Vec::new(),
        newly_generated: Vec::new(),
        mode: Mode::Reviewed,
        rules: 44,
        groups: vec![paths.iter().cloned().collect()],
        reviewers: vec![
            answered("security", "Security", "acme/large", 2, 48_210, 39_000, 1_920),
            answered("quality", "Quality", "acme/large", 4, 51_004, 43_800, 2_310),
            answered("codex", "Codex", "acme/middle", 1, 33_120, 27_500, 640),
            answered("coordinator", "Coordinator", "acme/large", 5, 12_400, 0, 810),
            silent("generalist", "Generalist", Outcome::NotRun { why: "not part of a full review".to_owned() }),
        ],
        verdict: Verdict::over(findings.iter().map(|finding| finding.severity)),
        findings,
        dropped: Vec::new(),
        coverage: Coverage { reads: paths.into_iter().map(|path| (path, read.clone())).collect() },
        incomplete: Vec::new(),
        remarks: Vec::new(),
        received_code: vec!["acme".to_owned()],
        spending: assize::review::Spending::default(),
    }
}

/// What a round did.
#[derive(Clone, Copy, Debug)]
pub(super) enum Work {
    Whole,
    Narrowed,
    Rechecked,
    Conversation,
}

/// Everything that a summary is written from.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    pub(super) work: Work,
    pub(super) review: Review,
    pub(super) round: u32,
    /// Before the round.
    pub(super) state: State,
    /// Numbers of findings that the round checked to be fixed.
    pub(super) fixed: Vec<u32>,
    /// Numbers of findings that have a thread, and the round that opened it. The note has the number 1000 and more.
    pub(super) threads: BTreeMap<u32, u32>,
    pub(super) origin: Origin,
    pub(super) policy: Policy,
    pub(super) vote: Vote,
    pub(super) bot: BotState,
    pub(super) complete: bool,
    /// By whom and why.
    pub(super) lifted: Option<(String, String)>,
    pub(super) undone: Vec<Undone>,
    pub(super) branch: String,
    pub(super) config: Option<String>,
    pub(super) language: String,
    pub(super) marker: SummaryMarker,
    /// The summary that an earlier round wrote.
    pub(super) before: Option<String>,
}

impl Scene {
    /// The first round over 14 files, before its threads are opened.
    pub(super) fn first(findings: Vec<Finding>) -> Self {
        Self {
            work: Work::Whole,
            review: review(findings),
            round: 1,
            state: State::new(),
            fixed: Vec::new(),
            threads: BTreeMap::new(),
            origin: Origin::First,
            policy: Policy::default(),
            vote: Vote { approve: false, request_changes: Some(false) },
            bot: BotState::default(),
            complete: true,
            lifted: None,
            undone: Vec::new(),
            branch: "main".to_owned(),
            config: Some(".assize.yml".to_owned()),
            language: "en".to_owned(),
            marker: SummaryMarker { text: "<!-- marker -->".to_owned(), trimmed: 0, lost: 0 },
            before: None,
        }
    }

    /// A later round over two files, after rounds that left `known` behind.
    pub(super) fn later(round: u32, known: Vec<Known>, findings: Vec<Finding>) -> Self {
        let next_id = known.iter().map(|known| known.id.number()).max().unwrap_or(0) + 1;
        let rounds = (1..round).map(|number| earlier_round(number, &format!("{:08x}", 0x1111_1111 * number))).collect();
        let mut scene = Self::first(findings);
        // The readers get what changed since; size and detectors are those of the whole change.
        scene.review.groups = vec![["src/http/retry.rs", "tests/retry.rs"].map(RepoPath::from).to_vec()];
        Self {
            work: Work::Narrowed,
            round,
            state: State { rounds, findings: known, next_id, ..State::new() },
            origin: Origin::Summary,
            ..scene
        }
    }

    /// The findings held against the earlier rounds.
    pub(super) fn reconciled(&self) -> Reconciled {
        let findings = match self.work {
            Work::Whole | Work::Narrowed => &self.review.findings[..],
            Work::Rechecked | Work::Conversation => &[],
        };
        let mut reconciled = reconcile(&self.state, findings, self.round);
        reconciled.fix(&self.fixed.iter().copied().map(FindingId::new).collect(), self.round, &head());
        reconciled
    }

    fn conversation(&self, reconciled: &Reconciled) -> Conversation {
        let threads = self.threads.iter().filter_map(|(number, round)| {
            let known = reconciled.finding(FindingId::new(*number))?;
            let marked = Marked {
                thread: ThreadRef { id: format!("{number:040x}"), note: 1000 + u64::from(*number) },
                mark: FindingMark::of(known, *round),
                resolution: Resolution::Open,
                replies: BTreeSet::new(),
                suggestion_applied: false,
            };
            Some((known.id, marked))
        });
        let summary = self.before.clone().map(|body| assize::round::Summary { note: 999, own: true, body, state: Ok(self.state.clone()) });
        Conversation { summary, threads: threads.collect(), newest_note: None, said: Vec::new(), awards: Vec::new() }
    }

    /// The summary.
    pub(super) fn summary(&self) -> String {
        let reconciled = self.reconciled();
        let conversation = self.conversation(&reconciled);
        let (head, target) = (head(), commit("c0ffee00"));
        let facts = Facts {
            did: match self.work {
                Work::Whole => Did::Whole(&self.review),
                Work::Narrowed => Did::Narrowed(&self.review),
                Work::Rechecked => Did::Rechecked,
                Work::Conversation => Did::Conversation,
            },
            round: self.round,
            reconciled: &reconciled,
            state: &self.state,
            origin: self.origin,
            conversation: &conversation,
            policy: self.policy,
            vote: self.vote,
            bot: self.bot,
            complete: self.complete,
            reviewed: true,
            lifted: self.lifted.as_ref().map(|(by, why)| Lifted { by, why, head: &head }),
            undone: &self.undone,
            instructions: Instructions { branch: &self.branch, commit: &target, config: self.config.as_deref() },
            language: &self.language,
            took: Some(Duration::from_secs(219)),
            cost_usd: Some(0.42),
            marker: &self.marker,
        };
        on_page(&head, |page| comment::summary(&facts, page))
    }
}

pub(super) fn earlier_round(number: u32, head: &str) -> Round {
    Round {
        number,
        head: commit(head),
        base: commit("b0b0b0b0"),
        target: commit("c0ffee00"),
        patch_id: "feed".to_owned(),
        tier: Tier::Full,
        forced_tier: None,
        verdict: Verdict::ApprovedWithComments,
        complete: true,
        usage: Usage::default(),
        cost: assize::review::Usd::ZERO,
        config_digest: "cafe".to_owned(),
        newest_note: None,
        threads_digest: "d1".to_owned(),
        posting: assize::round::Posting::Done,
        overridden: None,
        extra: Extra::new(),
    }
}
