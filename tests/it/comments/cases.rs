//! The situations whose texts are looked at and held fast. It must not render anything.

use assize::change::{LineKind, Noise, RepoPath};
use assize::comment::{Task, Undone};
use assize::review::{
    Cited, Claim, Confidence, DropReason, Dropped, FileRead, Finding, Gap, LeftOut, Mode, NoLine, Outcome, Place, Severity, Size, Source,
    Standing, Suggestion, Tier, TierDecision,
};
use assize::round::plan::{BotState, Policy, Vote};
use assize::round::{FindingId, Origin, Status};

use super::scene::{Scene, Work, dismissed, file, finding, fixed, known, lines, related, review, reviewer, rule, silent, span_of};

/// Text of a request reaches a query.
pub(super) fn injection() -> Finding {
    Finding {
        category: reviewer("security"),
        body: "`sort` reaches `format!` unescaped, so `?sort=id;DROP TABLE orders` runs as SQL. Any caller of `GET /orders` can send it; the role \
               check above covers only `POST`."
            .to_owned(),
        rule_ids: vec![rule("SEC-0012")],
        suggestion: Suggestion::Applies(
            "    let column = SortColumn::parse(&sort)?;\n    let query = format!(\"SELECT * FROM orders ORDER BY {}\", column.as_sql());".to_owned(),
        ),
        sources: vec![Source::Detector(rule("SEC-0012")), Source::Reviewer(reviewer("security"))],
        standing: Standing::Confirmed,
        ..finding(Severity::Critical, "SQL is built from the request parameter `sort`", lines("src/orders.rs", 40, 41))
    }
}

/// A loop that does not end.
pub(super) fn endless() -> Finding {
    Finding {
        body: "`attempts` is reset whenever a body arrives, also an empty one. Against a server that answers `200` with nothing, the loop runs \
               until the process is killed. Count every attempt."
            .to_owned(),
        ..finding(Severity::Important, "Retry loop never gives up when the body is empty", lines("src/http/retry.rs", 88, 97))
    }
}

/// A migration without a way back.
pub(super) fn migration() -> Finding {
    Finding {
        category: reviewer("release"),
        body: "The release before this one still reads `orders.note`. Drop the column one release later.".to_owned(),
        rule_ids: vec![rule("REL-0004")],
        related: vec![
            related("src/report/monthly.rs", 17, "    SELECT id, total, note FROM orders"),
            related("src/api/orders.rs", 203, "        note: row.get(\"note\"),"),
        ],
        sources: vec![Source::Reviewer(reviewer("release"))],
        ..finding(
            Severity::Important,
            "Migration drops `orders.note` while the running release reads it",
            lines("migrations/0042.sql", 3, 3),
        )
    }
}

/// A sentence that is no longer true.
pub(super) fn stale_readme() -> Finding {
    Finding {
        category: reviewer("docs"),
        body: "The flag is gone with this change; who copies the line gets an error.".to_owned(),
        rule_ids: vec![rule("DOC-0002")],
        suggestion: Suggestion::Applies("shop import --jobs 4 orders.csv".to_owned()),
        sources: vec![Source::Reviewer(reviewer("docs"))],
        ..finding(Severity::Suggestion, "README still shows the removed flag `--fast`", lines("README.md", 57, 57))
    }
}

/// A check that a removed line did.
pub(super) fn lost_check() -> Finding {
    Finding {
        category: reviewer("security"),
        rule_ids: vec![rule("OWN-0001")],
        body: "The role was checked on this line and is checked nowhere now.".to_owned(),
        suggestion: Suggestion::Plain {
            code: "require_role(&user, Role::Admin)?;".to_owned(),
            why: "it would replace removed lines".to_owned(),
        },
        sources: vec![Source::Reviewer(reviewer("security"))],
        standing: Standing::Verified,
        ..finding(
            Severity::Critical,
            "Anybody who is logged in can delete orders",
            Place::Lines(span_of(&"src/api/orders.rs".into(), LineKind::Removed, 91, 91)),
        )
    }
}

/// A file that lacks something.
pub(super) fn untested() -> Finding {
    finding(Severity::Important, "The retry policy has no test for a refused connection", file("tests/retry.rs", NoLine::WholeFile))
}

/// A problem outside the change.
pub(super) fn elsewhere() -> Finding {
    let place = Place::Outside(related("src/report/monthly.rs", 17, "SELECT id, total, note FROM orders"));
    finding(Severity::Important, "The monthly report reads a column that is gone", place)
}

fn all() -> Vec<Finding> {
    vec![injection(), endless(), migration(), stale_readme()]
}

fn dropped(reason: DropReason) -> Dropped {
    let claim = Claim {
        title: "a claim".to_owned(),
        severity: Severity::Important,
        category: reviewer("quality"),
        body: String::new(),
        rule_ids: Vec::new(),
        cited: Cited::default(),
        related: Vec::new(),
        suggestion: None,
        confidence: Confidence::CERTAIN,
        source: Source::Reviewer(reviewer("quality")),
        prior_id: None,
    };
    Dropped { claim, reason, detail: String::new() }
}

/// The first round, when its threads are open.
pub(super) fn first_round() -> Scene {
    let mut scene = Scene::first(all());
    scene.threads = [(1, 1), (2, 1), (3, 1)].into();
    scene.review.left_out = ["Cargo.lock", "web/package-lock.json"]
        .map(|path| LeftOut { path: path.into(), reason: Noise::LockFile })
        .into_iter()
        .chain([LeftOut { path: "src/api/generated.rs".into(), reason: Noise::Generated("@generated".to_owned()) }])
        .collect();
    scene.review.dropped = [DropReason::Duplicate, DropReason::Duplicate, DropReason::OutOfScope, DropReason::Judged].map(dropped).into();
    scene
}

/// The first round, before its threads are open.
pub(super) fn before_threads() -> Scene {
    Scene::first(all())
}

pub(super) fn nothing_found() -> Scene {
    Scene::first(Vec::new())
}

pub(super) fn nothing_to_review() -> Scene {
    let mut scene = Scene::first(Vec::new());
    scene.review.mode = Mode::NothingToReview;
    scene.review.size = Size::default();
    scene.review.reviewers.clear();
    scene.review.received_code.clear();
    scene.review.left_out = vec![LeftOut { path: "Cargo.lock".into(), reason: Noise::LockFile }];
    scene
}

pub(super) fn detectors_only() -> Scene {
    let mut scene =
        Scene::first(vec![Finding { sources: vec![Source::Detector(rule("SEC-0012"))], suggestion: Suggestion::None, ..injection() }]);
    scene.review.mode = Mode::DetectorsOnly("no model is configured".to_owned());
    scene.review.reviewers.clear();
    scene.review.received_code.clear();
    scene.config = None;
    scene
}

pub(super) fn something_failed() -> Scene {
    let mut scene = Scene::first(vec![endless()]);
    scene.threads = [(1, 1)].into();
    scene.complete = false;
    let why = "provider acme returned 529 for 4 min";
    let outcome = Outcome::Failed { why: why.to_owned(), by_budget: false };
    scene.review.reviewers[0] = silent("security", "Security", outcome.clone());
    scene.review.reviewers.insert(3, silent("performance", "Performance", outcome));
    for path in ["src/pay/ledger.rs", "src/pay/refund.rs"] {
        let reads = [(reviewer("quality"), FileRead::Failed)].into();
        scene.review.coverage.reads.insert(path.into(), reads);
    }
    scene.review.incomplete = [
        format!("the reviewers Security, Performance failed: {why}"),
        "2 of 14 files read by nobody: `src/pay/ledger.rs`, `src/pay/refund.rs`".to_owned(),
    ]
    .map(|what| Gap { what, by_budget: false })
    .into();
    scene
}

pub(super) fn gate_lifted() -> Scene {
    let mut scene = Scene::first(vec![injection()]);
    scene.threads = [(1, 1)].into();
    scene.lifted = Some(("mira".to_owned(), "hotfix for the outage".to_owned()));
    scene.review.mode = Mode::DetectorsOnly("the gate was lifted".to_owned());
    scene.review.reviewers.clear();
    scene.review.received_code.clear();
    scene
}

pub(super) fn not_everything_posted() -> Scene {
    let mut scene = first_round();
    scene.threads.remove(&2);
    scene.undone = vec![
        Undone { task: Task::Thread(FindingId::new(2)), why: "500 from GitLab, twice, and no thread there".to_owned() },
        Undone { task: Task::RequestChanges, why: "403 from GitLab: the token's role may not".to_owned() },
    ];
    scene.vote = Vote { approve: false, request_changes: Some(true) };
    scene
}

pub(super) fn outside_the_change() -> Scene {
    let mut scene = Scene::first(vec![migration(), elsewhere()]);
    scene.threads = [(1, 1)].into();
    scene
}

pub(super) fn many_findings() -> Scene {
    let areas = ["orders", "sessions", "payments", "imports", "reports"];
    let problems = [
        "is read before it is checked",
        "is dropped when the connection closes in the middle of a batch",
        "grows without bound",
        "is compared by reference",
        "is written twice when the job is retried",
    ];
    let findings = areas.iter().zip(0_u32..).flat_map(|(area, row)| {
        problems.iter().zip(1_u32..).map(move |(problem, number)| {
            let severity = match (row, number) {
                (0, 1) => Severity::Critical,
                (_, 5) => Severity::Suggestion,
                _ => Severity::Important,
            };
            let path = format!("services/{area}/src/handlers/{area}_handler_{number}.rs");
            finding(severity, &format!("The {area} table {problem}"), lines(&path, 10 * number + row, 10 * number + row + number))
        })
    });
    let mut findings: Vec<Finding> = findings.collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let mut scene = Scene::first(findings);
    scene.threads = (1..=10).map(|number| (number, 1)).collect();
    scene
}

/// The fourth round: some fixed, one dismissed, one open, one back, one found only now.
pub(super) fn fourth_round() -> Scene {
    let back = Finding { fingerprint: format!("{:016x}", 2), ..endless() };
    let mut scene = Scene::later(
        4,
        vec![
            known(1, Severity::Critical, "SQL is built from the request parameter `sort`", "src/orders.rs", 41, Status::Open),
            known(
                2,
                Severity::Important,
                "Retry loop never gives up when the body is empty",
                "src/http/retry.rs",
                97,
                fixed(2, "9f8e7d6c"),
            ),
            known(3, Severity::Important, "Migration drops `orders.note`", "migrations/0042.sql", 3, fixed(3, "5e4d3c2b")),
            known(
                4,
                Severity::Important,
                "Session cookie lacks `Secure`",
                "src/auth/session.rs",
                12,
                dismissed("ada", "covered by the proxy"),
            ),
            known(5, Severity::Suggestion, "README still shows the removed flag `--fast`", "README.md", 57, Status::Open),
        ],
        vec![back, untested()],
    );
    scene.fixed = vec![1];
    scene.threads = [(1, 1), (2, 1), (3, 1), (4, 1), (6, 4)].into();
    scene
}

pub(super) fn everything_settled() -> Scene {
    let mut scene = Scene::later(
        3,
        vec![
            known(1, Severity::Critical, "SQL is built from the request parameter `sort`", "src/orders.rs", 41, Status::Open),
            known(2, Severity::Important, "Session cookie lacks `Secure`", "src/auth/session.rs", 12, dismissed("ada", "")),
        ],
        Vec::new(),
    );
    scene.fixed = vec![1];
    scene.threads = [(1, 1), (2, 1)].into();
    scene.policy = Policy { vote: true, ..scene.policy };
    scene.vote = Vote { approve: true, request_changes: Some(false) };
    scene.bot = BotState { requested_changes: true, ..scene.bot };
    scene
}

/// Twelve rounds with much behind them.
pub(super) fn twelfth_round() -> Scene {
    let words = ["timeout", "cursor", "lease", "cache entry", "file handle", "retry counter"];
    let past = (1_u32..=58).map(|number| {
        let word = words[usize::try_from(number).expect("small") % words.len()];
        let status = match number % 7 {
            0 => dismissed("ada", "accepted for this release, see the plan of the storage team"),
            1 if number > 40 => Status::Open,
            3 if number > 50 => Status::ClaimedFixed { by: Some("mira".to_owned()) },
            _ => fixed(number / 6 + 2, &format!("{:08x}", 0x0123_4567 * number)),
        };
        let severity = if number % 3 == 0 { Severity::Important } else { Severity::Suggestion };
        let mut known = known(
            number,
            severity,
            &format!("The {word} of shard {number} is never released"),
            &format!("src/shard/s{number}.rs"),
            number,
            status,
        );
        known.first = number / 6 + 1;
        known.last = 11;
        known
    });
    let mut scene = Scene::later(12, past.collect(), vec![endless()]);
    scene.threads = (1..=58).filter(|number| number % 3 == 0).map(|number| (number, number / 6 + 1)).chain([(59, 12)]).collect();
    scene.marker.trimmed = 17;
    scene
}

pub(super) fn memory_lost() -> Scene {
    let mut scene = fourth_round();
    scene.state.rounds.clear();
    scene.origin = Origin::Rebuilt;
    scene.marker.lost = 2;
    scene
}

pub(super) fn rebased() -> Scene {
    Scene { work: Work::Rechecked, ..fourth_round() }
}

pub(super) fn only_talk() -> Scene {
    Scene { work: Work::Conversation, round: 3, language: "de".to_owned(), ..fourth_round() }
}

/// Every case with the words it goes by.
pub(super) fn summaries() -> Vec<(&'static str, Scene)> {
    vec![
        ("first round", first_round()),
        ("first round, before threads", before_threads()),
        ("nothing found", nothing_found()),
        ("nothing to review", nothing_to_review()),
        ("detectors only", detectors_only()),
        ("something failed", something_failed()),
        ("gate lifted", gate_lifted()),
        ("not everything posted", not_everything_posted()),
        ("outside the change", outside_the_change()),
        ("25 findings", many_findings()),
        ("fourth round", fourth_round()),
        ("everything settled", everything_settled()),
        ("twelfth round", twelfth_round()),
        ("memory lost", memory_lost()),
        ("rebased", rebased()),
        ("only talk", only_talk()),
    ]
}

/// A tier with many reasons.
pub(super) fn many_reasons() -> Scene {
    let mut scene = nothing_found();
    let paths: Vec<RepoPath> = (0..5).map(|n| format!("src/auth/__part{n}__.py").as_str().into()).collect();
    scene.review = review(Vec::new());
    scene.review.tier = TierDecision {
        tier: Tier::Full,
        reasons: paths.iter().map(|path| format!("{path} is security-sensitive: its path says `auth`")).collect(),
    };
    scene.review.groups = vec![paths];
    scene
}
