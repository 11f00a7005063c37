// Typed access to the fields of a JSON object; every error names file and field.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::error::{Error, Result};

pub(crate) struct Fields {
    file: PathBuf,
    /// Prefix of nested objects, "quantization_config." for example.
    prefix: String,
    map: Map<String, Value>,
}

impl Fields {
    /// Parses `text`, which must be an object.
    pub fn parse(file: &Path, text: &str) -> Result<Fields> {
        let invalid = |problem: String| Error::ConfigMalformed { file: file.into(), problem };
        match serde_json::from_str(text) {
            Ok(Value::Object(map)) => Ok(Fields { file: file.into(), prefix: String::new(), map }),
            Ok(_) => Err(invalid("it must hold a JSON object".into())),
            Err(error) => Err(invalid(format!("it is not valid JSON: {error}"))),
        }
    }

    /// The value, unless absent or null.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.map.get(field).filter(|value| !value.is_null())
    }

    pub fn has_key(&self, field: &str) -> bool {
        self.map.contains_key(field)
    }

    /// A nested object, `None` when absent or null.
    pub fn object(&self, field: &str) -> Result<Option<Fields>> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Fields {
                file: self.file.clone(),
                prefix: format!("{}{field}.", self.prefix),
                map: map.clone(),
            })),
            Some(_) => Err(self.invalid(field, "it must be an object")),
        }
    }

    /// An integer in `1 ..= max`; 64.0 is one.
    pub fn optional_size(&self, field: &str, max: usize) -> Result<Option<usize>> {
        let Some(value) = self.get(field) else { return Ok(None) };
        match whole(value).and_then(|number| usize::try_from(number).ok()) {
            Some(number) if (1..=max).contains(&number) => Ok(Some(number)),
            _ => Err(self.invalid(field, &format!("it must be an integer from 1 to {max}"))),
        }
    }

    pub fn size(&self, field: &str, max: usize) -> Result<usize> {
        self.optional_size(field, max)?.ok_or_else(|| self.missing(field))
    }

    /// A finite number in `low ..= high`.
    pub fn optional_number(&self, field: &str, low: f64, high: f64) -> Result<Option<f64>> {
        let Some(value) = self.get(field) else { return Ok(None) };
        match value.as_f64() {
            Some(number) if number >= low && number <= high => Ok(Some(number)),
            _ => Err(self.invalid(field, &format!("it must be a number from {low} to {high}"))),
        }
    }

    pub fn number(&self, field: &str, low: f64, high: f64) -> Result<f64> {
        self.optional_number(field, low, high)?.ok_or_else(|| self.missing(field))
    }

    pub fn flag(&self, field: &str, default: bool) -> Result<bool> {
        match self.get(field) {
            None => Ok(default),
            Some(Value::Bool(value)) => Ok(*value),
            Some(_) => Err(self.invalid(field, "it must be true or false")),
        }
    }

    pub fn list(&self, field: &str) -> Result<Option<&[Value]>> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::Array(values)) => Ok(Some(values)),
            Some(_) => Err(self.invalid(field, "it must be a list")),
        }
    }

    /// A list of `length` entries, each one of two: `false_value` or `true_value`.
    pub fn choices(&self, field: &str, length: usize, [no, yes]: [Value; 2]) -> Result<Option<Vec<bool>>> {
        let Some(values) = self.list(field)? else { return Ok(None) };
        if values.len() != length {
            return Err(self.invalid(field, &format!("it has {} entries for {length} layers", values.len())));
        }
        let mut chosen = Vec::with_capacity(length);
        for value in values {
            if !is_same(value, &no) && !is_same(value, &yes) {
                return Err(self.unsupported(field, &shorten(&value.to_string()), &format!("{no} and {yes}")));
            }
            chosen.push(is_same(value, &yes));
        }
        Ok(Some(chosen))
    }

    /// Refuses any value but the listed ones; absent and null pass.
    pub fn require_one_of(&self, field: &str, supported: &[Value]) -> Result<()> {
        match self.get(field) {
            Some(value) if !supported.iter().any(|known| is_same(value, known)) => {
                let names = supported.iter().map(Value::to_string).collect::<Vec<_>>().join(", ");
                Err(self.unsupported(field, &shorten(&value.to_string()), &names))
            }
            _ => Ok(()),
        }
    }

    pub fn missing(&self, field: &str) -> Error {
        Error::ConfigInvalid {
            file: self.file.clone(),
            field: format!("{}{field}", self.prefix),
            found: "missing".into(),
            problem: "it is needed".into(),
        }
    }

    pub fn invalid(&self, field: &str, problem: &str) -> Error {
        Error::ConfigInvalid {
            file: self.file.clone(),
            field: format!("{}{field}", self.prefix),
            found: self.map.get(field).map_or("missing".into(), |value| shorten(&value.to_string())),
            problem: problem.into(),
        }
    }

    pub fn unsupported(&self, field: &str, found: &str, supported: &str) -> Error {
        Error::ConfigUnsupported {
            file: self.file.clone(),
            field: format!("{}{field}", self.prefix),
            found: found.into(),
            supported: supported.into(),
        }
    }
}

/// A whole number that a double holds exactly, however it is written: JSON does not tell 1 from 1.0.
pub(crate) fn whole(value: &Value) -> Option<u64> {
    const LARGEST: f64 = 9_007_199_254_740_991.0;
    let number = value.as_f64()?;
    ((0.0..=LARGEST).contains(&number) && number.fract() == 0.0).then_some(number as u64)
}

fn is_same(value: &Value, known: &Value) -> bool {
    match (value.as_f64(), known.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => value == known,
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into(),
    }
}
