// The fuzz targets (../fuzz) on stable Rust: over the kept corpus and over changes of it that are the same in every run. How long
// is set by MIMOKIT_FUZZ_RUNS, changes per kept input.

#[path = "../fuzz/src/allocations.rs"]
mod allocations;
#[path = "../fuzz/src/targets.rs"]
mod targets;

use std::fs;
use std::path::{Path, PathBuf};

use allocations::CountingAllocator;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus")).join(target);
    let mut files: Vec<PathBuf> =
        fs::read_dir(&folder).expect("a corpus").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(path).expect("an input"))).collect()
}

/// A small generator (xorshift), so that a failure is found again.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

/// Some bytes replaced, removed, doubled, or taken over from another input.
fn change(input: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..1 + random.below(4) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(9)).min(bytes.len());
        match random.below(4) {
            0 => drop(bytes.drain(at..end)),
            1 => bytes.splice(at..end, (at..end).map(|_| random.below(256) as u8).collect::<Vec<_>>()).for_each(drop),
            2 => bytes.splice(at..at, bytes[at..end].to_vec()).for_each(drop),
            _ => {
                let from = random.below(other.len() + 1);
                let to = (from + random.below(30)).min(other.len());
                bytes.splice(at..end, other[from..to].iter().copied()).for_each(drop);
            }
        }
    }
    bytes
}

fn drive(name: &str, target: fn(&[u8])) {
    let runs = std::env::var("MIMOKIT_FUZZ_RUNS").map_or(60, |runs| runs.parse().expect("a count"));
    let inputs = corpus(name);
    assert!(!inputs.is_empty());
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for (path, input) in &inputs {
        let said = std::panic::catch_unwind(|| target(input));
        assert!(said.is_ok(), "{}", path.display());
        for _ in 0..runs {
            let other = &inputs[random.below(inputs.len())].1;
            let changed = change(input, other, &mut random);
            let said = std::panic::catch_unwind(|| target(&changed));
            assert!(said.is_ok(), "{} as {}", path.display(), changed.escape_ascii());
        }
    }
    targets::clean();
}

#[test]
fn headers() {
    drive("header", targets::header);
}

#[test]
fn configs() {
    drive("config", targets::config);
}

#[test]
fn scale_grids() {
    drive("scales", targets::scales);
}

#[test]
fn indexes() {
    drive("index", targets::index);
}

/// A megabyte of what takes the most room for its length.
#[test]
fn long_inputs_stay_within_the_same_multiples() {
    let repeat = |part: &dyn Fn(usize) -> String| {
        let mut text = String::new();
        for index in 0.. {
            if text.len() > 1 << 20 {
                return text;
            }
            text.push_str(&part(index));
        }
        text
    };
    let header = |inside: &str| targets::header(format!("\0\0{{{}}}", inside.trim_end_matches(',')).as_bytes());
    header(&repeat(&|index| format!(r#""{index:x}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}},"#)));
    header(&format!(r#""__metadata__":{{{}}}"#, repeat(&|index| format!(r#""{index:x}":"","#)).trim_end_matches(',')));
    header(&format!(r#""a":{{"dtype":"U8","shape":[{}1],"data_offsets":[0,1]}}"#, repeat(&|_| "1,".into())));
    header(&format!(r#""a":{{"x":[{}1],"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#, repeat(&|_| "[],".into())));
    let config = |inside: &str| targets::config(format!(r#"{{"model_type":"mimo_v2",{inside}}}"#).as_bytes());
    config(&format!(r#""hybrid_layer_pattern":[{}0]"#, repeat(&|_| "0,".into())));
    config(&format!(r#""rope_scaling":{{"x":[{}0]}}"#, repeat(&|_| "[],".into())));
    config(repeat(&|index| format!(r#""{index:x}":0,"#)).trim_end_matches(','));
    let index = |inside: &str| targets::index(format!(r#"{{"weight_map":{{{inside}}}}}"#).as_bytes());
    index(repeat(&|index| format!(r#""{index:x}":"a.safetensors","#)).trim_end_matches(','));
    targets::clean();
}
