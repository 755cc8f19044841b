//! Anthropic messages: what is refused, and how an answer streams.

use axum::http::HeaderMap;
use serde_json::{Value, json};

use super::prefixes::Cost;
use super::script::{Answer, Frame, pieces};
use super::{Refusal, only_known, text_of};

const FIELDS: [&str; 8] = ["model", "stream", "max_tokens", "system", "messages", "tools", "output_config", "thinking"];
/// The most marks in one request.
const MAX_MARKS: usize = 4;

/// Checks a request and returns the text of the last user message that has one.
pub(super) fn check(headers: &HeaderMap, body: &Value) -> Result<String, Refusal> {
    if !headers.contains_key("anthropic-version") {
        return Err("anthropic-version: header is required".to_owned());
    }
    only_known(body, &FIELDS)?;
    text_of(&body["model"], "model")?;
    body["max_tokens"].as_u64().filter(|tokens| *tokens > 0).ok_or("max_tokens: field required")?;
    if body["stream"] != json!(true) {
        return Err("this server only streams".to_owned());
    }
    for tool in body["tools"].as_array().into_iter().flatten() {
        text_of(&tool["name"], "tools.name")?;
        text_of(&tool["description"], "tools.description")?;
        tool["input_schema"].as_object().ok_or("tools.input_schema must be an object")?;
    }
    let blocks = blocks(body);
    if blocks.iter().filter(|block| block.get("cache_control").is_some()).count() > MAX_MARKS {
        return Err(format!("A maximum of {MAX_MARKS} blocks with cache_control may be provided."));
    }
    if blocks.iter().any(|block| block["type"] == "text" && block["text"].as_str().is_none_or(|text| text.trim().is_empty())) {
        return Err("text content blocks must be non-empty".to_owned());
    }
    let messages = body["messages"].as_array().ok_or("messages must be a list")?;
    let (mut asked, mut open) = (None, Vec::<String>::new());
    for (index, message) in messages.iter().enumerate() {
        let content = as_blocks(&message["content"]);
        if content.is_empty() {
            return Err(format!("messages.{index}: content is empty"));
        }
        match message["role"].as_str() {
            Some("user") => {
                for block in &content {
                    match block["type"].as_str() {
                        Some("text") => asked = block["text"].as_str().map(str::to_owned),
                        Some("tool_result") => {
                            let at = open.iter().position(|call| block["tool_use_id"] == json!(call));
                            open.remove(at.ok_or_else(|| format!("messages.{index}: tool_result without its tool_use"))?);
                        }
                        _ => return Err(format!("messages.{index}: this block may not stand here")),
                    }
                }
                if !open.is_empty() {
                    return Err(format!("messages.{index}: tool_use without tool_result: {}", open.join(", ")));
                }
            }
            Some("assistant") if index > 0 => {
                for block in content.iter().filter(|block| block["type"] == "tool_use") {
                    open.push(text_of(&block["id"], "tool_use.id")?.to_owned());
                    block["input"].as_object().ok_or("tool_use.input: Input should be a valid dictionary")?;
                }
            }
            _ => return Err(format!("messages.{index}: this role may not stand here")),
        }
    }
    match messages.last() {
        Some(last) if last["role"] == "user" => asked.ok_or_else(|| "nobody asked anything".to_owned()),
        _ => Err("the last message must be the user's".to_owned()),
    }
}

/// Returns everything that is cached, in the order that counts: tools, system, messages.
pub(super) fn blocks(body: &Value) -> Vec<Value> {
    let mut blocks: Vec<Value> = body["tools"].as_array().cloned().unwrap_or_default();
    blocks.extend(as_blocks(&body["system"]));
    blocks.extend(body["messages"].as_array().into_iter().flatten().flat_map(|message| as_blocks(&message["content"])));
    blocks
}

fn as_blocks(content: &Value) -> Vec<Value> {
    match content {
        Value::String(text) => vec![json!({ "type": "text", "text": text })],
        Value::Array(blocks) => blocks.clone(),
        _ => Vec::new(),
    }
}

/// Returns the events of an answer.
pub(super) fn frames(answer: &Answer, cost: Cost) -> Vec<Frame> {
    let event = |body: Value| format!("event: {}\ndata: {body}\n\n", body["type"].as_str().expect("every event has a type"));
    let usage = json!({
        "input_tokens": cost.input - cost.read - cost.written, "output_tokens": 1,
        "cache_read_input_tokens": cost.read, "cache_creation_input_tokens": cost.written,
    });
    let message = json!({ "id": "msg-1", "type": "message", "role": "assistant", "content": [], "model": "m", "usage": usage });
    let mut frames = vec![event(json!({ "type": "message_start", "message": message })), event(json!({ "type": "ping" }))];
    let mut index = 0;
    let mut block = |start: Value, deltas: Vec<Value>| {
        frames.push(event(json!({ "type": "content_block_start", "index": index, "content_block": start })));
        frames.extend(deltas.into_iter().map(|delta| event(json!({ "type": "content_block_delta", "index": index, "delta": delta }))));
        frames.push(event(json!({ "type": "content_block_stop", "index": index })));
        index += 1;
    };
    if !answer.text.is_empty() {
        let deltas = pieces(&answer.text).into_iter().map(|piece| json!({ "type": "text_delta", "text": piece })).collect();
        block(json!({ "type": "text", "text": "" }), deltas);
    }
    for (id, tool, arguments) in &answer.calls {
        let delta = |piece| json!({ "type": "input_json_delta", "partial_json": piece });
        let deltas = pieces(arguments).into_iter().map(delta).collect();
        block(json!({ "type": "tool_use", "id": id, "name": tool, "input": {} }), deltas);
    }
    let why = if answer.cut {
        "max_tokens"
    } else if answer.calls.is_empty() {
        "end_turn"
    } else {
        "tool_use"
    };
    frames.push(event(json!({ "type": "message_delta", "delta": { "stop_reason": why }, "usage": { "output_tokens": 17 } })));
    frames.push(event(json!({ "type": "message_stop" })));
    frames
}
