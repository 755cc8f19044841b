//! Random histories of a merge request: whatever is pushed, moved, renamed, rebased, dismissed and killed, the ledger stays true.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::reading::Resolution;
use super::super::state::Known;
use super::*;
use crate::change::testing::Tree;

/// One thing that happens between two runs, or how a run goes.
#[derive(Clone, Debug)]
enum Event {
    /// A line without a defect is written behind another.
    Insert(usize, u8),
    /// A line is deleted, with the defect in it.
    Delete(usize),
    /// A defect is written.
    Defect(usize),
    /// A defect is fixed in its line.
    Fix(usize),
    /// A line with a defect is edited and keeps it.
    Edit(usize),
    /// A line is reindented.
    Reindent(usize),
    /// A run of lines goes elsewhere in its file.
    Move(usize, usize, usize),
    /// A file gets another name.
    Rename(usize),
    /// The target branch got a line, and the branch is rebased.
    Rebase(usize, u8),
    /// Somebody dismisses a finding in a note.
    Dismiss(usize),
    /// Somebody resolves the thread of a finding.
    Resolve(usize),
    /// The earlier heads are collected as garbage.
    Collect,
    /// A run dies before its action of that number.
    Die(usize),
    /// A run.
    Run,
}

fn any_event() -> impl Strategy<Value = Event> {
    let at = 0_usize..60;
    prop_oneof![
        3 => (at.clone(), any::<u8>()).prop_map(|(at, word)| Event::Insert(at, word)),
        2 => at.clone().prop_map(Event::Delete),
        4 => at.clone().prop_map(Event::Defect),
        3 => at.clone().prop_map(Event::Fix),
        2 => at.clone().prop_map(Event::Edit),
        1 => at.clone().prop_map(Event::Reindent),
        2 => (at.clone(), 1_usize..4, at.clone()).prop_map(|(from, count, to)| Event::Move(from, count, to)),
        1 => at.clone().prop_map(Event::Rename),
        2 => (at.clone(), any::<u8>()).prop_map(|(at, word)| Event::Rebase(at, word)),
        2 => at.clone().prop_map(Event::Dismiss),
        2 => at.clone().prop_map(Event::Resolve),
        1 => Just(Event::Collect),
        4 => (0_usize..6).prop_map(Event::Die),
        8 => Just(Event::Run),
    ]
}

/// A merge request with what is to be held against the ledger.
struct History {
    play: Play,
    next: u32,
    /// Defects that a person dismissed, by their word.
    dismissed: BTreeSet<String>,
    dirty: bool,
}

impl History {
    fn new(reader: Reader) -> Self {
        let text = |from: u32| (from..from + 25).map(|number| format!("line {number}\n")).collect::<Vec<_>>().concat();
        let base = Tree::from([("a.rs".to_owned(), text(100)), ("b.rs".to_owned(), text(200))]);
        let mut head = base.clone();
        head.insert("c.rs".to_owned(), text(300));
        Self { play: Play::new(reader, base, head), next: 1, dismissed: BTreeSet::new(), dirty: false }
    }

    /// The file and the line that a number stands for.
    fn spot(&self, at: usize) -> (String, usize) {
        let path = self.play.head.keys().nth(at % self.play.head.len()).unwrap().clone();
        let lines = self.play.head[&path].lines().count();
        (path, at * 7 % lines.max(1))
    }

    /// The defects of the head: file, line, word.
    fn defects(&self) -> Vec<(String, usize, String)> {
        let of = |(path, text): (&String, &String)| -> Vec<(String, usize, String)> {
            let found = text.lines().enumerate().filter_map(|(at, line)| Some((path.clone(), at, token(line)?.to_owned())));
            found.collect()
        };
        self.play.head.iter().flat_map(of).collect()
    }

    fn edit(&mut self, path: &str, edit: impl FnOnce(&mut Vec<String>)) {
        let mut lines: Vec<String> = self.play.head[path].lines().map(str::to_owned).collect();
        edit(&mut lines);
        self.play.head.insert(path.to_owned(), lines.into_iter().map(|line| line + "\n").collect());
        self.dirty = true;
    }

    fn rewrite(&mut self, at: usize, with: impl Fn(&str, &str) -> String) {
        let defects = self.defects();
        let Some((path, line, token)) = defects.get(at % defects.len().max(1)).cloned() else { return };
        self.edit(&path, |lines| lines[line] = with(&lines[line], &token));
    }

    fn happens(&mut self, event: &Event) -> Option<Ran> {
        match event {
            Event::Insert(at, word) => {
                let ((path, line), number) = (self.spot(*at), self.next);
                self.next += 1;
                self.edit(&path, |lines| lines.insert(line, format!("plain {number} {}", word % 4)));
            }
            Event::Delete(at) => {
                let (path, line) = self.spot(*at);
                if self.play.head[&path].lines().count() > 12 {
                    self.edit(&path, |lines| drop(lines.remove(line)));
                }
            }
            Event::Defect(at) => {
                let ((path, line), number) = (self.spot(*at), self.next);
                self.next += 1;
                self.edit(&path, |lines| lines.insert(line, format!("call bug{number} here")));
            }
            Event::Fix(at) => self.rewrite(*at, |line, token| line.replace(token, "nothing")),
            Event::Edit(at) => {
                // A push of its own: what is rewritten and moved at once is another.
                self.push();
                self.play.run();
                let number = self.next;
                self.next += 1;
                self.rewrite(*at, |_, token| format!("call {token} here and {number}"));
                self.push();
                return Some(self.play.run());
            }
            Event::Reindent(at) => self.rewrite(*at, |line, _| format!("  {line}")),
            Event::Move(from, count, to) => {
                let (path, from) = self.spot(*from);
                let to = *to;
                self.edit(&path, |lines| {
                    let end = (from + count).min(lines.len());
                    let run: Vec<String> = lines.drain(from..end).collect();
                    let to = to % (lines.len() + 1);
                    lines.splice(to..to, run);
                });
            }
            Event::Rename(at) => {
                // A push of its own: nobody follows a file that is renamed and rewritten at once.
                self.push();
                self.play.run();
                let (path, _) = self.spot(*at);
                let name = format!("n{}.rs", self.next);
                self.next += 1;
                let text = self.play.head.remove(&path).unwrap();
                let base = self.play.renames.remove(&path).unwrap_or_else(|| path.clone());
                if self.play.base.contains_key(&base) {
                    self.play.renames.insert(name.clone(), base);
                }
                self.play.head.insert(name, text);
                self.play.push();
                return Some(self.play.run());
            }
            Event::Rebase(at, word) => self.rebase(*at, *word),
            Event::Dismiss(at) | Event::Resolve(at) => {
                // People speak about what they see: the head was reviewed.
                self.push();
                self.play.run();
                let conversation = self.play.conversation();
                let open: Vec<Known> = self.play.state().findings.into_iter().filter(|known| known.status == Status::Open).collect();
                let known = open.get(at % open.len().max(1))?;
                if conversation.threads.get(&known.id).is_none_or(|marked| marked.resolution != Resolution::Open) {
                    return None;
                }
                if matches!(event, Event::Dismiss(_)) {
                    self.play.say(known.id.number(), ANN, "won't fix");
                } else {
                    self.play.resolve(known.id.number(), Some(MIRA));
                }
                self.dismissed.insert(token(&known.title).unwrap().to_owned());
                return Some(self.play.run());
            }
            Event::Collect => {
                let last = self.play.heads.keys().next_back().cloned();
                self.play.heads.retain(|head, _| Some(head) == last.as_ref());
            }
            Event::Die(at) => {
                self.push();
                return self.play.run_until(*at);
            }
            Event::Run => {
                self.push();
                return Some(self.play.run());
            }
        }
        None
    }

    fn rebase(&mut self, at: usize, word: u8) {
        let number = self.next;
        self.next += 1;
        let paths: Vec<String> = self.play.base.keys().cloned().collect();
        let path = &paths[at % paths.len()];
        let fresh = format!("target {number} {word}");
        let mut base: Vec<String> = self.play.base[path].lines().map(str::to_owned).collect();
        let line = at * 5 % base.len();
        let anchor = base[line].clone();
        base.insert(line, fresh.clone());
        self.play.base.insert(path.clone(), base.into_iter().map(|line| line + "\n").collect());
        let own = self.play.renames.iter().find(|(_, old)| *old == path).map_or_else(|| path.clone(), |(new, _)| new.clone());
        if self.play.head.contains_key(&own) {
            // The same line lands in the head where its neighbour still is.
            self.edit(&own, |lines| {
                let at = lines.iter().position(|line| *line == anchor).unwrap_or(lines.len());
                lines.insert(at, fresh);
            });
        }
    }

    fn push(&mut self) {
        if std::mem::take(&mut self.dirty) {
            self.play.push();
        }
    }

    /// What must hold after every run that ended well.
    fn check(&self) -> Result<(), TestCaseError> {
        let conversation = self.play.conversation();
        let state = conversation.remembered().map_err(|error| TestCaseError::fail(error.to_string()))?.state;
        let change = self.play.change();
        let mut at: BTreeMap<(String, u32), Vec<&Known>> = BTreeMap::new();
        for known in state.findings.iter().filter(|known| !matches!(known.status, Status::Fixed { .. })) {
            at.entry((known.place.path.to_string(), known.place.line.unwrap_or(0))).or_default().push(known);
        }
        // No open finding is lost, each stands where its defect is, and no defect has two.
        for file in change.files() {
            for line in file.lines().filter(|line| line.kind == LineKind::Added) {
                let Some(word) = token(&line.text) else { continue };
                let mut there = at.remove(&(file.path().to_string(), line.new)).unwrap_or_default();
                // A dismissed finding whose code went is remembered near where it stood.
                there.retain(|known| known.status.is_open() || known.title == format!("defect {word}"));
                let titles: Vec<&str> = there.iter().map(|known| known.title.as_str()).collect();
                prop_assert_eq!(titles, vec![format!("defect {}", word)], "{} line {}: {:#?}", file.path(), line.new, state.findings);
                // What a person dismissed is not raised again.
                let dismissed = matches!(there[0].status, Status::Dismissed { .. });
                prop_assert_eq!(dismissed, self.dismissed.contains(word), "{:#?}", there);
            }
        }
        // What stands nowhere was dismissed, and its code went.
        for left in at.values().flatten() {
            prop_assert!(matches!(left.status, Status::Dismissed { .. }), "{:#?}", left);
        }
        // One finding has one thread, and no thread is resolved by the bot while its defect stands.
        let threads: Vec<&super::super::Thread> = self.play.toy.threads.iter().filter(|thread| !thread.individual).collect();
        prop_assert_eq!(threads.len(), conversation.threads.len());
        for (id, marked) in &conversation.threads {
            let known = state.finding(*id);
            let open = known.is_some_and(|known| known.status.is_open());
            prop_assert!(!open || marked.resolution == Resolution::Open, "{:?} {:#?}", marked.resolution, known);
        }
        for known in state.findings.iter().filter(|known| known.status.is_open()) {
            prop_assert!(known.thread.is_some() || known.trail.late, "{:#?}", known);
        }
        Ok(())
    }
}

fn played(reader: Reader, events: &[Event]) -> Result<(), TestCaseError> {
    let mut history = History::new(reader);
    for event in events {
        if history.happens(event).is_some() {
            history.check()?;
            // The same run again does nothing.
            let again = history.play.run();
            prop_assert_eq!(again.told, Vec::<String>::new());
            history.check()?;
        }
    }
    history.push();
    history.play.run();
    history.check()
}

#[test]
fn with_the_earlier_head_gone_a_finding_stands_where_its_line_is() {
    let rebased = [Event::Rebase(5, 0), Event::Die(0), Event::Collect, Event::Run];
    for before in [vec![Event::Defect(7), Event::Dismiss(0)], vec![Event::Defect(7), Event::Run]] {
        played(Reader::Model, &[before, rebased.to_vec()].concat()).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn with_detectors_the_ledger_stays_true(events in prop::collection::vec(any_event(), 5..40)) {
        played(Reader::Detector, &events)?;
    }

    #[test]
    fn with_models_the_ledger_stays_true(events in prop::collection::vec(any_event(), 5..40)) {
        played(Reader::Model, &events)?;
    }
}
