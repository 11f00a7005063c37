// The table of changed checkpoints that all runners share (packages/fixtures/checkpoint-edits.json): the same answer everywhere.

mod files;

use std::fs;

use files::{Copy, read_everything};
use mimokit_checkpoint::Checkpoint;
use serde_json::{Map, Value};

#[test]
fn every_change_is_answered_as_the_table_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../packages/fixtures/checkpoint-edits.json");
    let table: Value = serde_json::from_str(&fs::read_to_string(path).expect("the table")).expect("JSON");
    let cases = table["cases"].as_array().expect("cases");
    assert!(cases.len() > 100);
    let mut wrong = Vec::new();
    for case in cases {
        let copy = changed(case);
        let answer = Checkpoint::open(&copy.0).and_then(|checkpoint| read_everything(&checkpoint));
        let (code, message) = match &answer {
            Ok(()) => ("ok", String::new()),
            Err(error) => (error.code(), error.to_string()),
        };
        if case["code"] != code || !message.contains(case["field"].as_str().unwrap_or("")) {
            wrong.push(format!("{}: {code} {message}", case["name"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn changed(case: &Value) -> Copy {
    let copy = Copy::of(case["model"].as_str().unwrap_or("t1-bf16"));
    let config = copy.0.join("config.json");
    let mut text = fs::read_to_string(&config).expect("a config");
    if case.get("config").is_some() || case.get("drop").is_some() {
        let mut map: Map<String, Value> = serde_json::from_str(&text).expect("JSON");
        map.extend(case["config"].as_object().cloned().unwrap_or_default());
        for key in case["drop"].as_array().into_iter().flatten() {
            map.remove(key.as_str().expect("a key")).expect("a key to drop");
        }
        text = Value::Object(map).to_string();
    }
    if let Some(replace) = case["replace"].as_array() {
        let [from, to] = [0, 1].map(|index| replace[index].as_str().expect("text"));
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    fs::write(&config, case["text"].as_str().unwrap_or(&text)).expect("write");
    for (name, content) in case["files"].as_object().into_iter().flatten() {
        match content.as_str() {
            Some(content) => fs::write(copy.0.join(name), content).expect("write"),
            None => fs::remove_file(copy.0.join(name)).expect("remove"),
        }
    }
    copy
}
