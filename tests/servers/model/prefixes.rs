//! What a provider's cache would have charged: OpenAI by the longest common beginning, Anthropic up to the marks in the request. A token is
//! four bytes here, and no minimum is too short.

use serde_json::Value;

/// Steps in which OpenAI counts cached tokens.
const STEP: usize = 128;

/// What a request cost, in tokens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    /// All of the input.
    pub(super) input: usize,
    /// Read from the cache.
    pub(super) read: usize,
    /// Written to it.
    pub(super) written: usize,
}

/// OpenAI's cache: the texts of earlier requests.
#[derive(Default)]
pub(super) struct Text(Vec<String>);

impl Text {
    pub(super) fn charge(&mut self, body: &Value) -> Cost {
        let text = format!("{}{}", body["tools"], body["messages"]);
        let common = |other: &String| text.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
        let longest = self.0.iter().map(common).max().unwrap_or(0);
        let cost = Cost { input: text.len() / 4, read: longest / 4 / STEP * STEP, written: 0 };
        self.0.push(text);
        cost
    }
}

/// Anthropic's cache: the beginnings that were marked.
#[derive(Default)]
pub(super) struct Blocks(Vec<Vec<Value>>);

impl Blocks {
    pub(super) fn charge(&mut self, body: &Value) -> Cost {
        let (mut blocks, mut marks) = (Vec::new(), Vec::new());
        for mut block in super::anthropic::blocks(body) {
            let marked = block.as_object_mut().and_then(|block| block.remove("cache_control")).is_some();
            blocks.push(block);
            if marked {
                marks.push(blocks.len());
            }
        }
        let tokens = |blocks: &[Value]| blocks.iter().map(|block| block.to_string().len()).sum::<usize>() / 4;
        let known = |end: &&usize| self.0.iter().any(|kept| kept[..] == blocks[..**end]);
        let read = marks.iter().rev().find(known).map_or(0, |end| tokens(&blocks[..*end]));
        let marked = marks.last().map_or(0, |end| tokens(&blocks[..*end]));
        self.0.extend(marks.iter().map(|end| blocks[..*end].to_vec()));
        Cost { input: tokens(&blocks), read, written: marked - read }
    }
}
