//! Trouble on demand: which request meets it, and what it is. Knows nothing of the rules.

use std::time::Duration;

use serde_json::Value;

/// A way in which a request goes wrong.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// 429 of `Rack::Attack`: plain text, and headers that say for how many seconds.
    RackLimit(u32),
    /// 429 of the application: JSON, and no header says for how long.
    AppLimit,
    /// 500, and nothing was done.
    ErrorBefore,
    /// 500, although it was done.
    ErrorAfter,
    /// 502 with a page for people, and nothing was done.
    BadGateway,
    /// 401: the token has expired.
    Expired,
    /// 403: the scope of the token is too small.
    Scope,
    /// The connection closes without an answer, and nothing was done.
    ResetBefore,
    /// The connection closes without an answer, although it was done.
    ResetAfter,
    /// The right answer, its second half so much later.
    Slow(Duration),
    /// Half of the right answer, as if it were all of it.
    CutShort,
    /// Half of the right answer, then the connection closes.
    CutOff,
    /// Nothing ever comes.
    Silence,
    /// Another answer: status, type, body; nothing was done.
    Answer(u16, &'static str, Vec<u8>),
    /// Another answer in JSON; nothing was done.
    Json(u16, Value),
}

/// Something that happens just before a request is looked at.
pub(super) type Hook = Box<dyn FnOnce() + Send>;

/// What meets a request.
pub(super) enum Effect {
    Fault(Fault),
    Hook(Option<Hook>),
}

/// Which requests meet what.
pub(super) struct Rule {
    pub(super) method: String,
    pub(super) pattern: String,
    /// The first that is met, counted from one.
    pub(super) first: usize,
    /// How many are met.
    pub(super) count: usize,
    pub(super) seen: usize,
    pub(super) effect: Effect,
}

impl Rule {
    /// Counts a request and says whether it is met. `path` is decoded, without the project's prefix being needed: the pattern is held
    /// against its end.
    pub(super) fn meets(&mut self, method: &str, path: &[&str]) -> bool {
        let length = self.pattern.split('/').count();
        let tail = path.len().checked_sub(length).map(|at| &path[at..]);
        let fits = (self.method == "*" || self.method == method) && tail.is_some_and(|tail| super::access::matches(tail, &self.pattern));
        self.seen += usize::from(fits);
        fits && self.seen >= self.first && self.seen - self.first < self.count
    }
}

/// When every connection begins to drop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Death {
    /// So many requests are still answered.
    pub(super) left: usize,
    /// The next one is done, only its answer is lost.
    pub(super) done: bool,
}

/// What death means for one request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Lives,
    /// It is done, and nobody hears of it.
    LosesAnswer,
    Dies,
}

impl Death {
    /// Counts a request.
    pub(super) fn fate(&mut self) -> Fate {
        match self {
            Self { left: 0, done: true } => {
                self.done = false;
                Fate::LosesAnswer
            }
            Self { left: 0, done: false } => Fate::Dies,
            Self { left, .. } => {
                *left -= 1;
                Fate::Lives
            }
        }
    }
}
