// The reference against known answers: the FP8 goldens, and values worked out by hand. Other backends are compared with it by `cases::check_ops`.

use mimokit_checkpoint::{BlockScales, Dtype, Linear, Tensor, open_safetensors};
use mimokit_reference::Reference;
use mimokit_reference::cases::check_ops;
use mimokit_reference::fp8::{e4m3_to_f32, f32_to_e4m3, group_scale};
use mimokit_reference::goldens::{Setup, fixture};
use mimokit_reference::linear::{Matrix, rms_norm, round_to_bf16};
use serde_json::Value;

fn jsonl(path: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(fixture(path)).expect("fixture");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn all_256_bytes_have_the_goldens_values() {
    let table: Value =
        serde_json::from_str(&std::fs::read_to_string(fixture("fp8/e4m3_table.json")).expect("fixture")).expect("JSON");
    let entries =
        table.as_array().or_else(|| table["values"].as_array()).or_else(|| table["table"].as_array()).expect("a list");
    assert_eq!(entries.len(), 256);
    for (byte, entry) in entries.iter().enumerate() {
        let expected = entry.as_f64().or_else(|| entry["value"].as_f64());
        let actual = e4m3_to_f32(byte as u8);
        match expected {
            Some(expected) => assert_eq!(f64::from(actual), expected, "byte {byte}"),
            None => assert!(actual.is_nan(), "byte {byte}"),
        }
    }
}

#[test]
fn rounding_to_e4m3_is_the_goldens() {
    let cases = jsonl("fp8/rounding.jsonl");
    assert_eq!(cases.len(), 445);
    for case in cases {
        let bits =
            u32::from_str_radix(case["f32_bits"].as_str().expect("hex").trim_start_matches("0x"), 16).expect("hex");
        assert_eq!(
            u64::from(f32_to_e4m3(f32::from_bits(bits))),
            case["clamped_byte"].as_u64().expect("a byte"),
            "{case}"
        );
    }
}

#[test]
fn fp8_linears_agree_with_the_goldens_plain_and_quantised() {
    let tensors = open_safetensors(&fixture("fp8/linear.safetensors")).expect("fixture");
    let get = |name: &str| tensors.iter().find(|tensor| tensor.name == name).expect("tensor");
    let f32s = |tensor: &Tensor| -> Vec<f32> {
        tensor.bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    };
    let weight = get("weight");
    let scale = get("weight_scale_inv");
    let matrix = Matrix::new(&Linear {
        name: weight.name.clone(),
        rows: 192,
        cols: 256,
        dtype: Dtype::F8E4M3,
        bytes: weight.bytes.clone(),
        scales: Some(BlockScales {
            block_cols: 128,
            col_blocks: 2,
            row_index: (0..192).map(|row| row / 128).collect(),
            values: f32s(scale).into(),
        }),
    });
    let x: Vec<f32> =
        get("x").bytes.as_chunks::<2>().0.iter().map(|bytes| mimokit_reference::linear::bf16_to_f32(*bytes)).collect();
    let (x_bytes, x_scales) = (&get("x.q").bytes, f32s(get("x.scale")));
    let (plain, dynamic) = (f32s(get("y.weight_only")), f32s(get("y.dynamic")));
    for row in 0..6 {
        let input = &x[row * 256..(row + 1) * 256];
        for group in 0..2 {
            let values = &input[group * 128..(group + 1) * 128];
            let scale = group_scale(values);
            assert_eq!(scale, x_scales[row * 2 + group], "row {row}, group {group}");
            for (index, value) in values.iter().enumerate() {
                assert_eq!(
                    f32_to_e4m3(value / scale),
                    x_bytes[row * 256 + group * 128 + index],
                    "row {row}, {group}, {index}"
                );
            }
        }
        for (expected, quantise) in [(&plain, false), (&dynamic, true)] {
            for (column, value) in matrix.apply(input, quantise).iter().enumerate() {
                let expected = expected[row * 192 + column];
                assert!(
                    (value - expected).abs() <= 1e-5 * expected.abs().max(1.0),
                    "row {row}, {column}: {value} for {expected}"
                );
            }
        }
    }
}

#[test]
fn bf16_rounds_to_nearest_even() {
    for (bits, expected) in
        [(0x3f80_8000, 0x3f80_0000), (0x3f81_8000, 0x3f82_0000), (0x3f80_8001, 0x3f81_0000), (0x7f7f_ffff, 0x7f80_0000)]
    {
        assert_eq!(round_to_bf16(f32::from_bits(bits)).to_bits(), expected, "{bits:x}");
    }
}

#[test]
fn a_norm_divides_by_the_root_mean_square() {
    assert_eq!(rms_norm(&[3.0, 4.0], &[1.0, 2.0], 0.0), [3.0 / 12.5f32.sqrt(), 8.0 / 12.5f32.sqrt()]);
}

/// Keeps the case lists sound: every case runs on the reference, in every set-up, with finite results that repeat.
#[test]
fn every_case_runs_and_repeats() {
    check_ops(&|setup: Setup| Reference { kv: setup.kv, fp8_activations: setup.fp8_activations });
}
