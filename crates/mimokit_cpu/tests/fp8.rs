//! E4M3 against the fixtures: all 256 values, and rounding at every tie.

use mimokit_cpu::fp8;
use serde_json::Value;

fn fixture(name: &str) -> String {
    let path = format!("{}/../../packages/fixtures/unpacked/fp8/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}; run packages/fixtures/unpack.mjs"))
}

#[test]
fn all_bytes_decode_to_the_table() {
    let table: Value = serde_json::from_str(&fixture("e4m3_table.json")).expect("json");
    let values = table["values"].as_array().expect("values");
    assert_eq!(values.len(), 256);
    for (byte, value) in values.iter().enumerate() {
        let decoded = fp8::decode(byte as u8);
        match value.as_f64() {
            Some(expected) => assert_eq!(f64::from(decoded), expected, "byte {byte}"),
            None => assert!(decoded.is_nan(), "byte {byte}"),
        }
        assert_eq!(fp8::DECODED[byte].to_bits(), decoded.to_bits());
        if !decoded.is_nan() {
            assert_eq!(fp8::encode(decoded), byte as u8, "byte {byte} survives a round trip");
        }
    }
}

#[test]
fn rounding_is_to_nearest_even_after_clamping() {
    let lines = fixture("rounding.jsonl");
    let mut count = 0;
    for line in lines.lines().filter(|line| !line.is_empty()) {
        let case: Value = serde_json::from_str(line).expect("json");
        let bits = u32::from_str_radix(case["f32_bits"].as_str().expect("bits"), 16).expect("hex");
        let x = f32::from_bits(bits);
        assert_eq!(u64::from(fp8::encode(x)), case["clamped_byte"].as_u64().expect("byte"), "{x:e} in {line}");
        count += 1;
    }
    assert!(count > 400);
}
