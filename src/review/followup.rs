//! Questions about findings of earlier rounds: is it fixed, is it back, did it get worse, is the person right who disagrees? What models answer is read
//! here; what follows from it is decided by rules elsewhere.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::answer::{self, Answer};
use super::{RuleId, Severity};

/// Most questions of one run.
pub const MAX_FOLLOW_UPS: usize = 30;
/// Longest reply to a person, in characters.
const MAX_REPLY_CHARS: usize = 1_500;

/// A question about a finding of an earlier round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowUp {
    /// What is asked.
    pub matter: Matter,
    /// The finding's title, as it was raised.
    pub title: String,
    /// How bad it was.
    pub severity: Severity,
    /// Its rules.
    pub rule_ids: Vec<RuleId>,
    /// Where it stands now, or stood, e.g. `src/orders.rs:41`.
    pub place: String,
    /// A detector saw it: it is no matter of opinion.
    pub detected: bool,
    /// The code when it was last seen; empty where that is not known.
    pub old: String,
    /// The code at that place now; empty where nothing is left of it in the change.
    pub new: String,
    /// What a person wrote about it. Untrusted.
    pub words: Option<String>,
}

/// What is asked about a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Matter {
    /// The code at its place changed: is it fixed?
    Fixed,
    /// It was fixed, and a line like it is there again: is it back?
    Returned,
    /// A person decided that it stays, and the code changed: did it get worse?
    Worse,
    /// A person disagrees, with a reason: is it right?
    Objection,
    /// A person asks: what is the answer?
    Question,
}

impl Matter {
    /// Returns the word used in prompts.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fixed => "fixed?",
            Self::Returned => "back?",
            Self::Worse => "worse?",
            Self::Objection => "disagreement",
            Self::Question => "question",
        }
    }
}

/// What the coordinator answers to one question.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct FollowUpAnswer {
    /// The question, e.g. `Q-2`.
    pub id: String,
    /// What is true of the code as it is now.
    #[serde(deserialize_with = "says")]
    #[schemars(with = "SaysWord")]
    pub says: Says,
    /// How bad it is now, where that is another severity.
    #[serde(default, deserialize_with = "answer::maybe_severity")]
    #[schemars(with = "Option<answer::SeverityWord>")]
    pub severity: Option<Severity>,
    /// What is said to the person, at most 80 words; empty where nobody asked or disagreed.
    #[serde(default, deserialize_with = "answer::text")]
    pub reply: String,
    /// The ground, one sentence in terms of the code.
    #[serde(default, deserialize_with = "answer::text")]
    pub why: String,
}

/// What is true of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// It is gone.
    Fixed,
    /// It is there as it was.
    StillThere,
    /// It is there, and worse.
    Worse,
    /// It never was one: the person is right.
    Agree,
    /// It is one: the person is not right, or only asked.
    Disagree,
}

/// The words of answers, for the schema.
#[derive(JsonSchema)]
#[schemars(inline, rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
enum SaysWord {
    Fixed,
    StillThere,
    Worse,
    Agree,
    Disagree,
}

fn says<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Says, D::Error> {
    match String::deserialize(deserializer)?.trim().to_ascii_lowercase().replace([' ', '-'], "_").as_str() {
        "fixed" => Ok(Says::Fixed),
        "still_there" => Ok(Says::StillThere),
        "worse" => Ok(Says::Worse),
        "agree" => Ok(Says::Agree),
        "disagree" => Ok(Says::Disagree),
        other => Err(serde::de::Error::custom(format!("`says` is {other:?}, but must be fixed, still_there, worse, agree or disagree"))),
    }
}

/// Reads the answers in the arguments of `submit_verdict`. Fails when there is no list of answers at all.
pub fn follow_up_answers(arguments: &Value) -> Result<Answer<FollowUpAnswer>, String> {
    let mut answers: Answer<FollowUpAnswer> = answer::items(arguments, "answers")?;
    for item in &mut answers.items {
        item.reply = answer::shortened(item.reply.trim(), MAX_REPLY_CHARS);
        item.why = answer::shortened(item.why.trim(), MAX_REPLY_CHARS);
    }
    Ok(answers)
}

/// Returns the first answer to each of so many questions, by index: `Q-1` is the first.
pub fn by_question(answers: &[FollowUpAnswer], count: usize) -> BTreeMap<usize, &FollowUpAnswer> {
    let mut by_index = BTreeMap::new();
    for answer in answers {
        let number = answer.id.trim().trim_matches('`').strip_prefix("Q-").and_then(|number| number.parse::<usize>().ok());
        if let Some(index) = number.and_then(|number| number.checked_sub(1)).filter(|index| *index < count) {
            by_index.entry(index).or_insert(answer);
        }
    }
    by_index
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_are_read_one_by_one_and_what_cannot_be_read_is_said() {
        let answers = follow_up_answers(&json!({ "judgements": [], "answers": [
            { "id": "Q-1", "says": "Still there", "why": "line 4" },
            { "id": "Q-2", "says": "perhaps" },
            { "id": "Q-3", "says": "agree", "severity": "melted", "reply": " Right. " },
        ] }))
        .expect("a list");
        let answer = |id: &str, says, reply: &str, why: &str| FollowUpAnswer {
            id: id.to_owned(),
            says,
            severity: None,
            reply: reply.to_owned(),
            why: why.to_owned(),
        };
        assert_eq!(answers.items, [answer("Q-1", Says::StillThere, "", "line 4"), answer("Q-3", Says::Agree, "Right.", "")]);
        assert_eq!(answers.unusable.len(), 1, "{:?}", answers.unusable);
        assert!(follow_up_answers(&json!({ "judgements": [] })).is_err());
        let by_index = by_question(&answers.items, 2);
        assert_eq!(by_index.keys().collect::<Vec<_>>(), [&0]);
    }
}
