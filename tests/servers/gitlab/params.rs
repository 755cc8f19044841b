//! What a request says, from its query and its body: JSON or a form, checked and coerced as GitLab's API framework does it.

use serde_json::{Map, Value, json};

use super::world::{Position, PositionKind, Refusal, Tried};

/// The parameters of a request, named with brackets in errors: `position[new_line]`.
#[derive(Clone, Debug)]
pub(super) struct Params {
    values: Map<String, Value>,
    prefix: String,
}

impl Params {
    /// Reads query and body. What nobody asks for is ignored, as GitLab ignores it.
    pub(super) fn read(query: &str, content_type: &str, body: &[u8]) -> Tried<Self> {
        let mut values = Map::new();
        form(&mut values, query);
        if content_type.starts_with("application/x-www-form-urlencoded") {
            form(&mut values, &String::from_utf8_lossy(body));
        } else if !body.is_empty() {
            if !content_type.starts_with("application/json") {
                return Err(Refusal { status: 406, body: json!({ "error": "The requested content-type is not supported." }) });
            }
            let parsed = serde_json::from_slice::<Value>(body).map_err(|_| Refusal::error("Problems parsing JSON"))?;
            values.extend(parsed.as_object().ok_or_else(|| Refusal::error("The request body must be an object"))?.clone());
        }
        Ok(Self { values, prefix: String::new() })
    }

    /// Returns everything as it was read, for the log.
    pub(super) fn all(&self) -> Value {
        Value::Object(self.values.clone())
    }

    fn name(&self, key: &str) -> String {
        if self.prefix.is_empty() { key.to_owned() } else { format!("{}[{key}]", self.prefix) }
    }

    fn invalid(&self, key: &str) -> Refusal {
        Refusal::error(format!("{} is invalid", self.name(key)))
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    pub(super) fn text(&self, key: &str) -> Tried<Option<String>> {
        match self.values.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => Err(self.invalid(key)),
        }
    }

    /// Refuses when one of these is not there.
    pub(super) fn require(&self, keys: &[&str]) -> Tried<()> {
        let missing = keys.iter().filter(|key| !self.has(key)).map(|key| format!("{} is missing", self.name(key)));
        let missing: Vec<String> = missing.collect();
        if missing.is_empty() { Ok(()) } else { Err(Refusal::error(missing.join(", "))) }
    }

    /// Returns a text that must be there.
    pub(super) fn needed(&self, key: &str) -> Tried<String> {
        self.require(&[key])?;
        Ok(self.text(key)?.unwrap_or_default())
    }

    pub(super) fn number(&self, key: &str) -> Tried<Option<u64>> {
        match self.values.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Number(number)) => number.as_u64().map(Some).ok_or_else(|| self.invalid(key)),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => text.parse().map(Some).map_err(|_| self.invalid(key)),
            Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => Err(self.invalid(key)),
        }
    }

    pub(super) fn flag(&self, key: &str) -> Tried<Option<bool>> {
        match self.values.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(Value::String(text)) if text == "true" => Ok(Some(true)),
            Some(Value::String(text)) if text == "false" => Ok(Some(false)),
            Some(_) => Err(self.invalid(key)),
        }
    }

    /// Returns one of a list of words.
    pub(super) fn choice(&self, key: &str, among: &[&str]) -> Tried<Option<String>> {
        let text = self.text(key)?;
        match text {
            Some(text) if !among.contains(&text.as_str()) => Err(Refusal::error(format!("{} does not have a valid value", self.name(key)))),
            text => Ok(text),
        }
    }

    /// Returns a list, given as an array or as words between commas.
    pub(super) fn list(&self, key: &str) -> Tried<Vec<String>> {
        let words = |text: &str| text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect();
        match self.values.get(key) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::String(text)) => Ok(words(text)),
            Some(Value::Number(number)) => Ok(vec![number.to_string()]),
            Some(Value::Array(items)) => {
                Ok(items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned)).collect())
            }
            Some(Value::Bool(_) | Value::Object(_)) => Err(self.invalid(key)),
        }
    }

    fn inside(&self, key: &str) -> Tried<Option<Self>> {
        match self.values.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(values)) => Ok(Some(Self { values: values.clone(), prefix: self.name(key) })),
            Some(_) => Err(self.invalid(key)),
        }
    }

    /// Returns the range of a position. Nothing is checked against the diff; a type that is none is refused, although GitLab would keep it.
    fn line_range(&self) -> Tried<Value> {
        let Some(range) = self.inside("line_range")? else { return Ok(Value::Null) };
        let mut ends = Map::new();
        for name in ["start", "end"] {
            let Some(end) = range.inside(name)? else { continue };
            let mut fields = Map::new();
            if let Some(code) = end.text("line_code")? {
                fields.insert("line_code".to_owned(), json!(code));
            }
            fields.insert("type".to_owned(), json!(end.choice("type", &["new", "old"])?));
            fields.insert("old_line".to_owned(), json!(end.number("old_line")?));
            fields.insert("new_line".to_owned(), json!(end.number("new_line")?));
            ends.insert(name.to_owned(), Value::Object(fields));
        }
        Ok(Value::Object(ends))
    }

    /// Returns the position; files can be commented since 16.4.
    pub(super) fn position(&self, files: bool) -> Tried<Option<Position>> {
        let Some(inside) = self.inside("position")? else { return Ok(None) };
        inside.require(&["base_sha", "start_sha", "head_sha", "position_type"])?;
        let kinds: &[&str] = if files { &["text", "image", "file"] } else { &["text", "image"] };
        let kind = match inside.choice("position_type", kinds)?.as_deref() {
            Some("file") => PositionKind::File,
            Some("image") => PositionKind::Image,
            _ => PositionKind::Text,
        };
        let text = |key| Ok::<_, Refusal>(inside.text(key)?.unwrap_or_default());
        Ok(Some(Position {
            base: text("base_sha")?,
            start: text("start_sha")?,
            head: text("head_sha")?,
            kind,
            old_path: text("old_path")?,
            new_path: text("new_path")?,
            old_line: inside.number("old_line")?,
            new_line: inside.number("new_line")?,
            line_range: inside.line_range()?,
        }))
    }
}

/// Reads `a=1&position[new_line]=2&ids[]=3` into values.
fn form(values: &mut Map<String, Value>, text: &str) {
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (key, value) = (decoded(&key.replace('+', " ")), decoded(&value.replace('+', " ")));
        let mut parts = key.split('[').map(|part| part.trim_end_matches(']').to_owned()).peekable();
        let mut place = values.entry(parts.next().expect("split gives one part")).or_insert(Value::Null);
        for part in parts {
            if part.is_empty() {
                if !place.is_array() {
                    *place = json!([]);
                }
                let list = place.as_array_mut().expect("made above");
                list.push(Value::Null);
                place = list.last_mut().expect("pushed above");
            } else {
                if !place.is_object() {
                    *place = json!({});
                }
                place = place.as_object_mut().expect("made above").entry(part).or_insert(Value::Null);
            }
        }
        *place = Value::String(value);
    }
}

/// Undoes percent-encoding.
pub(super) fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = (*first == b'%').then(|| tail.get(..2)).flatten();
        let byte = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
