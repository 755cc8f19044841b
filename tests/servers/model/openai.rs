//! OpenAI chat completions: what is refused, and how an answer streams.

use serde_json::{Value, json};

use super::prefixes::Cost;
use super::script::{Answer, Frame, pieces};
use super::{Refusal, only_known, text_of};

/// The fields that servers of all makers know. Cache hints of the vendor are not among them.
const FIELDS: [&str; 8] =
    ["model", "stream", "stream_options", "messages", "tools", "max_tokens", "max_completion_tokens", "response_format"];

/// Checks a request and returns the text of its last user message.
pub(super) fn check(body: &Value) -> Result<String, Refusal> {
    only_known(body, &FIELDS)?;
    text_of(&body["model"], "model")?;
    if body["stream"] != json!(true) {
        return Err("this server only streams".to_owned());
    }
    for tool in body["tools"].as_array().into_iter().flatten() {
        text_of(&tool["function"]["name"], "tools.function.name")?;
        text_of(&tool["function"]["description"], "tools.function.description")?;
        tool["function"]["parameters"].as_object().ok_or("tools.function.parameters must be an object")?;
    }
    let messages = body["messages"].as_array().ok_or("messages must be a list")?;
    let (mut asked, mut open) = (None, Vec::<&str>::new());
    for (index, message) in messages.iter().enumerate() {
        let role = message["role"].as_str().ok_or("a message needs a role")?;
        if role != "tool" && !open.is_empty() {
            return Err(format!("messages.{index}: tool calls without an answer: {}", open.join(", ")));
        }
        match role {
            "system" if index == 0 => {}
            "user" => asked = Some(text_of(&message["content"], "content of a user message")?.to_owned()),
            "assistant" => {
                for call in message["tool_calls"].as_array().into_iter().flatten() {
                    open.push(text_of(&call["id"], "tool_calls.id")?);
                    text_of(&call["function"]["name"], "tool_calls.function.name")?;
                    let arguments = text_of(&call["function"]["arguments"], "tool_calls.function.arguments")?;
                    let arguments: Value = serde_json::from_str(arguments).map_err(|error| format!("arguments: {error}"))?;
                    arguments.as_object().ok_or("arguments must be an object")?;
                }
                if open.is_empty() {
                    text_of(&message["content"], "content of an assistant message without calls")?;
                }
            }
            "tool" => {
                let id = message["tool_call_id"].as_str().ok_or("tool_call_id is missing")?;
                let at = open.iter().position(|call| *call == id).ok_or_else(|| format!("no call {id} is open"))?;
                open.remove(at);
                message["content"].as_str().ok_or("content of a tool message must be a text")?;
            }
            other => return Err(format!("messages.{index}: role {other} may not stand here")),
        }
    }
    match messages.last().and_then(|message| message["role"].as_str()) {
        Some("user" | "tool") if open.is_empty() => asked.ok_or_else(|| "nobody asked anything".to_owned()),
        _ => Err("the last message must be the user's or a tool's".to_owned()),
    }
}

/// Returns the events of an answer.
pub(super) fn frames(answer: &Answer, cost: Cost) -> Vec<Frame> {
    let event = |body: Value| format!("data: {body}\n\n");
    let delta = |delta: Value| event(json!({ "id": "chat-1", "choices": [{ "index": 0, "delta": delta, "finish_reason": null }] }));
    let mut frames = vec![": keep the line open\n\n".to_owned(), delta(json!({ "role": "assistant", "content": "" }))];
    frames.extend(pieces(&answer.text).into_iter().map(|piece| delta(json!({ "content": piece }))));
    for (index, (id, tool, arguments)) in answer.calls.iter().enumerate() {
        let begun = json!({ "index": index, "id": id, "type": "function", "function": { "name": tool, "arguments": "" } });
        frames.push(delta(json!({ "tool_calls": [begun] })));
        let more = |piece| delta(json!({ "tool_calls": [{ "index": index, "function": { "arguments": piece } }] }));
        frames.extend(pieces(arguments).into_iter().map(more));
    }
    let why = if answer.cut {
        "length"
    } else if answer.calls.is_empty() {
        "stop"
    } else {
        "tool_calls"
    };
    frames.push(event(json!({ "id": "chat-1", "choices": [{ "index": 0, "delta": {}, "finish_reason": why }] })));
    let usage = json!({
        "prompt_tokens": cost.input, "completion_tokens": 17, "total_tokens": cost.input + 17,
        "prompt_tokens_details": { "cached_tokens": cost.read },
    });
    frames.push(event(json!({ "id": "chat-1", "choices": [], "usage": usage })));
    frames.push("data: [DONE]\n\n".to_owned());
    frames
}
