//! E4M3 numbers (1 sign, 4 exponent, 3 mantissa bits, bias 7, no infinities, NaN at 0x7f and 0xff): exact decoding, rounding as
//! the checkpoint's own quantiser does it. Block scales live in `matrix.rs`.

/// The largest finite value.
pub const E4M3_MAX: f32 = 448.0;

/// Channels that share one scale, of weights and of activations.
pub const BLOCK: usize = 128;

/// The value of a byte; NaN for 0x7f and 0xff.
pub const fn decode(byte: u8) -> f32 {
    let exponent = (byte >> 3) & 15;
    let mantissa = byte & 7;
    let magnitude = if exponent == 15 && mantissa == 7 {
        f32::NAN
    } else if exponent == 0 {
        mantissa as f32 / 512.0
    } else {
        f32::from_bits((exponent as u32 + 120) << 23 | (mantissa as u32) << 20)
    };
    if byte & 0x80 != 0 { -magnitude } else { magnitude }
}

/// All 256 values.
pub static DECODED: [f32; 256] = {
    let mut table = [0.0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = decode(byte as u8);
        byte += 1;
    }
    table
};

/// The nearest E4M3 number, ties to even, after clamping to ±448. NaN gives 0x7f.
pub fn encode(x: f32) -> u8 {
    let bits = x.to_bits();
    let sign = ((bits >> 24) & 0x80) as u8;
    if x.is_nan() {
        return sign | 0x7f;
    }
    let magnitude = x.abs().min(E4M3_MAX);
    if magnitude < 1.0 / 64.0 {
        // Subnormals are multiples of 2^-9: adding 2^14 makes the f32 adder round to them, ties to even.
        let rounded = magnitude + 16384.0;
        return sign | (rounded.to_bits() & 0xff) as u8;
    }
    let bits = magnitude.to_bits();
    let rounded = bits + 0x7_ffff + ((bits >> 20) & 1);
    sign | ((rounded >> 20) - (120 << 3)) as u8
}

/// The scale of one group of activations: amax / 448, amax held above 1e-10, in f32 arithmetic.
pub fn activation_scale(group: &[f32]) -> f32 {
    let amax = group.iter().fold(1e-10_f32, |m, x| m.max(x.abs()));
    amax / E4M3_MAX
}
