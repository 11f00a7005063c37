// E4M3 (finite only, largest 448): bytes to numbers, numbers to bytes, and the dynamic quantisation of activations.

/// Value of a byte; 0x7f and 0xff are NaN.
pub fn e4m3_to_f32(byte: u8) -> f32 {
    let exponent = i32::from(byte >> 3 & 15);
    let mantissa = f32::from(byte & 7);
    let magnitude = match (exponent, byte & 7) {
        (15, 7) => f32::NAN,
        (0, _) => mantissa / 512.0,
        _ => (1.0 + mantissa / 8.0) * 2f32.powi(exponent - 7),
    };
    if byte & 128 == 0 { magnitude } else { -magnitude }
}

/// Clamps to +-448, then rounds to the nearest value, ties to the even mantissa. NaN stays NaN.
pub fn f32_to_e4m3(value: f32) -> u8 {
    let sign = if value.is_sign_negative() { 128 } else { 0 };
    if value.is_nan() {
        return sign | 127;
    }
    let magnitude = value.abs().min(448.0);
    // In units of the last mantissa bit, which below 2^-6 is always 2^-9. A mantissa rounded up to 16 carries into the exponent by itself.
    let exponent = ((magnitude.to_bits() >> 23) as i32 - 127).max(-6);
    let units = (magnitude * 2f32.powi(3 - exponent)).round_ties_even() as u8;
    sign | (((exponent + 6) as u8) << 3).wrapping_add(units)
}

/// Scale of a group: max(amax, 1e-10) / 448 in FP32.
pub fn group_scale(values: &[f32]) -> f32 {
    values.iter().fold(0.0f32, |largest, value| largest.max(value.abs())).max(1e-10) / 448.0
}

/// Quantises and dequantises every group of `group` values (the last may be short).
pub fn round_groups(values: &[f32], group: usize) -> Vec<f32> {
    values
        .chunks(group)
        .flat_map(|chunk| {
            let scale = group_scale(chunk);
            chunk.iter().map(move |value| e4m3_to_f32(f32_to_e4m3(value / scale)) * scale)
        })
        .collect()
}
