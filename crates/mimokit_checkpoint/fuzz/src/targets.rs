// One function a target: bytes in, a panic where a law is broken. The laws: whatever the bytes, the answer is a typed error or a
// checkpoint whose numbers fit each other, and memory stays within a fixed multiple of the input.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use mimokit_checkpoint::{Checkpoint, Linear, ModelConfig, Place, open_safetensors};

use crate::allocations::peak_of;

/// What any call may take beside its multiple of the input: error texts, paths, buffers of the standard library.
const BASE_BYTES: usize = 8 << 10;

fn hold(what: &str, peak: usize, multiple: usize, input: usize) {
    let limit = BASE_BYTES + multiple * input;
    assert!(peak <= limit, "{what} took {peak} bytes for {input} of input, more than {limit}");
}

/// A folder of this thread to write checkpoints into, in memory where the system has such a place.
fn scratch() -> PathBuf {
    let base = Path::new("/dev/shm");
    let base = if base.is_dir() { base.to_path_buf() } else { std::env::temp_dir() };
    let thread = format!("{:?}", std::thread::current().id()).replace(|c: char| !c.is_ascii_digit(), "");
    let folder = base.join(format!("mimokit-fuzz-{}-{thread}", std::process::id()));
    fs::create_dir_all(&folder).expect("a scratch folder");
    folder
}

/// Removes this thread's folder.
#[allow(dead_code, reason = "libFuzzer ends a process without asking")]
pub fn clean() {
    let _ = fs::remove_dir_all(scratch());
}

/// A file of `head`, then zeros up to `length`.
fn write(path: &Path, head: &[u8], length: usize) {
    let mut file = File::create(path).expect("a scratch file");
    file.write_all(head).expect("room");
    if length > head.len() {
        file.set_len(length as u64).expect("room");
    }
}

/// A safetensors file. First byte even: a JSON header, its length put before it and `second byte` zeros behind; odd: the rest as it is.
pub fn header(data: &[u8]) {
    let Some((&kind, rest)) = data.split_first() else { return };
    let path = scratch().join("header.safetensors");
    let length = if kind % 2 == 1 {
        write(&path, rest, rest.len());
        rest.len()
    } else {
        let Some((&zeros, json)) = rest.split_first() else { return };
        let mut head = (json.len() as u64).to_le_bytes().to_vec();
        head.extend_from_slice(json);
        let length = head.len() + usize::from(zeros);
        write(&path, &head, length);
        length
    };
    let (opened, peak) = peak_of(|| open_safetensors(&path));
    hold("a header", peak, 8, length);
    let Ok(tensors) = opened else { return };
    let mut covered = 0;
    for tensor in &tensors {
        let elements: usize = tensor.shape.iter().product();
        assert_eq!(tensor.bytes.len(), elements * tensor.dtype.bytes(), "{}", tensor.name);
        covered += tensor.bytes.len();
        std::hint::black_box(tensor.bytes.iter().fold(0u8, |sum, byte| sum ^ byte));
    }
    assert!(covered < length);
}

/// config.json and, behind a zero byte, generation_config.json. JSON is parsed as a whole here, and a number of two bytes becomes a
/// value of 72: hence the multiple, and the 256 KiB that a config file may have.
pub fn config(data: &[u8]) {
    let cut = data.iter().position(|&byte| byte == 0);
    let (text, generation) = match cut {
        Some(cut) => (&data[..cut], Some(&data[cut + 1..])),
        None => (data, None),
    };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let Some(generation) = generation.map_or(Some(None), |bytes| std::str::from_utf8(bytes).ok().map(Some)) else {
        return;
    };
    let generation = generation.map(|text| (Path::new("generation_config.json"), text));
    let (parsed, peak) = peak_of(|| ModelConfig::parse(Path::new("config.json"), text, generation));
    hold("a config", peak, 128, data.len());
    let Ok(config) = parsed else { return };
    assert!(!config.layers.is_empty() && config.layers.len() <= 1024);
    assert!(config.eos_token_ids.iter().all(|&id| (id as usize) < config.vocab_size));
    assert!(config.value_scale > 0.0 && config.value_scale.is_finite());
    assert!(config.sliding.is_some() || config.layers.iter().all(|layer| !layer.sliding));
    assert!(config.moe.is_some() == config.layers.iter().any(|layer| layer.moe));
    for attention in std::iter::once(&config.global).chain(&config.sliding) {
        assert!(attention.heads.is_multiple_of(attention.kv_heads));
        assert!(attention.rotary_dim > 0 && attention.rotary_dim % 2 == 0 && attention.rotary_dim <= attention.qk_dim);
        assert!(attention.window_keys != Some(0));
    }
    assert!(config.moe.as_ref().is_none_or(|moe| moe.top_k >= 1 && moe.top_k <= moe.experts && moe.scale > 0.0));
    assert!(config.fp8_block.iter().all(|&side| side > 0));
}

/// An index over two small shards; the bytes are model.safetensors.index.json.
pub fn index(data: &[u8]) {
    let folder = scratch();
    let tensor = |name: &str| {
        let json = format!(r#"{{"{name}":{{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}}}"#);
        [(json.len() as u64).to_le_bytes().as_slice(), json.as_bytes(), &[0, 0]].concat()
    };
    for (file, name) in [("a.safetensors", "lm_head.weight"), ("b.safetensors", "model.norm.weight")] {
        let bytes = tensor(name);
        write(&folder.join(file), &bytes, bytes.len());
    }
    write(&folder.join("config.json"), CONFIG.as_bytes(), 0);
    write(&folder.join("model.safetensors.index.json"), data, data.len());
    let (opened, peak) = peak_of(|| Checkpoint::open(&folder));
    hold("an index", peak, 16, data.len() + CONFIG.len());
    if let Ok(checkpoint) = opened {
        assert!(checkpoint.tensors().all(|tensor| tensor.bytes.len() == 2));
        assert!(checkpoint.mtp_heads() == 0);
    }
}

const CONFIG: &str = r#"{"model_type":"mimo_v2","num_hidden_layers":1,"hidden_size":2,"intermediate_size":2,"num_attention_heads":1,
"num_key_value_heads":1,"head_dim":2,"v_head_dim":1,"hybrid_layer_pattern":[0],"moe_layer_freq":[0],"layernorm_epsilon":1e-5,
"rope_theta":10000,"max_position_embeddings":8,"attention_value_scale":1,"vocab_size":2}"#;

/// Numbers out of the input; zeros when it ends.
struct Reader<'d>(&'d [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> usize {
        let Some((&byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(byte)
    }

    /// 1 ..= most
    fn size(&mut self, most: usize) -> usize {
        1 + self.byte() % most
    }
}

/// A layer and an MTP head of any sizes, stored in any of the layouts, with scale grids that fit, nearly fit, or do not.
pub fn scales(data: &[u8]) {
    let mut reader = Reader(data);
    let flags = reader.byte();
    let (is_fused, is_sliding, is_moe, has_mtp) = (flags & 1 > 0, flags & 2 > 0, flags & 4 > 0, flags & 8 > 0);
    let (is_plain, has_bias) = (flags & 16 > 0, flags & 32 > 0);
    let (kv, group, swa_factor) = (reader.size(4), reader.size(3), reader.size(2));
    let (heads, swa_kv) = (kv * group * swa_factor, kv * swa_factor);
    let (qk, v) = (2 * reader.size(24), reader.size(40));
    let (hidden, width) = (reader.size(40), reader.size(40));
    let block = [reader.size(40), reader.size(40)];
    let mut file = Writer { reader, entries: Vec::new(), bytes: 0, block };

    let attention = |file: &mut Writer<'_>, prefix: &str, kv_heads: usize| {
        let rows = [heads * qk, kv_heads * qk, kv_heads * v];
        if is_fused {
            let shards = if is_plain { 1 } else { kv };
            file.fused(&format!("{prefix}.self_attn.qkv_proj"), rows, shards, hidden, has_bias);
        } else {
            for (part, count) in ["q", "k", "v"].into_iter().zip(rows) {
                let per_head = (part != "q").then_some((kv_heads, qk, v, part == "k"));
                file.linear(&format!("{prefix}.self_attn.{part}_proj"), count, hidden, per_head);
                if has_bias {
                    file.add(&format!("{prefix}.self_attn.{part}_proj.bias"), "F32", 4, &[count]);
                }
            }
        }
        file.linear(&format!("{prefix}.self_attn.o_proj"), hidden, heads * v, None);
        file.add(&format!("{prefix}.input_layernorm.weight"), "BF16", 2, &[hidden]);
    };
    let ffn = |file: &mut Writer<'_>, prefix: &str| {
        file.linear(&format!("{prefix}.gate_proj"), width, hidden, None);
        file.linear(&format!("{prefix}.up_proj"), width, hidden, None);
        file.linear(&format!("{prefix}.down_proj"), hidden, width, None);
    };
    attention(&mut file, "model.layers.0", if is_sliding { swa_kv } else { kv });
    file.add("model.layers.0.post_attention_layernorm.weight", "BF16", 2, &[hidden]);
    if is_moe {
        file.linear("model.layers.0.mlp.gate", 2, hidden, None);
        file.add("model.layers.0.mlp.gate.e_score_correction_bias", "F32", 4, &[2]);
        ffn(&mut file, "model.layers.0.mlp.experts.0");
        ffn(&mut file, "model.layers.0.mlp.experts.1");
    } else {
        ffn(&mut file, "model.layers.0.mlp");
    }
    if has_mtp {
        attention(&mut file, "model.mtp.layers.0", swa_kv);
        ffn(&mut file, "model.mtp.layers.0.mlp");
        file.linear("model.mtp.layers.0.eh_proj", hidden, 2 * hidden, None);
        for norm in ["enorm", "hnorm", "pre_mlp_layernorm", "final_layernorm"] {
            file.add(&format!("model.mtp.layers.0.{norm}.weight"), "BF16", 2, &[hidden]);
        }
    }
    let config = format!(
        r#"{{"model_type":"mimo_v2","num_hidden_layers":1,"hidden_size":{hidden},"intermediate_size":{width},"moe_intermediate_size":{width},
        "num_attention_heads":{heads},"num_key_value_heads":{kv},"swa_num_key_value_heads":{swa_kv},"head_dim":{qk},"v_head_dim":{v},
        "hybrid_layer_pattern":[{}],"moe_layer_freq":[{}],"n_routed_experts":2,"num_experts_per_tok":1,"sliding_window":4,
        "layernorm_epsilon":1e-5,"rope_theta":10000,"swa_rope_theta":10000,"max_position_embeddings":64,"attention_value_scale":1,
        "vocab_size":8,"attention_bias":{has_bias},"add_swa_attention_sink_bias":false,
        "fused_qkv_weight_order":"{}","quantization_config":{{"quant_method":"fp8","weight_block_size":{block:?}}}}}"#,
        u8::from(is_sliding),
        u8::from(is_moe),
        if is_plain { "plain" } else { "interleaved" },
    );
    let folder = scratch().join("scales");
    fs::create_dir_all(&folder).expect("a scratch folder");
    fs::write(folder.join("config.json"), &config).expect("room");
    let length = file.finish(&folder.join("model.safetensors"));
    let (_, peak) = peak_of(|| read_everything(&folder, has_mtp));
    hold("a checkpoint", peak, 8, length + config.len());
}

/// Every tensor of the layer and the head; those that fit must fit wholly.
fn read_everything(folder: &Path, has_mtp: bool) {
    let checkpoint = Checkpoint::open(folder).expect("the header is right and the config too");
    let moe = checkpoint.config().layers[0].moe;
    for place in [Place::Layer(0), Place::Mtp(0)] {
        if place == Place::Mtp(0) && !has_mtp {
            continue;
        }
        if let Ok(attention) = checkpoint.attention(place) {
            for linear in [&attention.q, &attention.k, &attention.v, &attention.o] {
                check(linear);
            }
        }
        let ffn = if moe && place == Place::Layer(0) {
            checkpoint.expert(0, 1, checkpoint.config().dense_width)
        } else {
            checkpoint.dense_ffn(place)
        };
        if let Ok(ffn) = ffn {
            for linear in [&ffn.gate, &ffn.up, &ffn.down] {
                check(linear);
            }
        }
        let _ = checkpoint.feed_forward_norm(place);
    }
    if let Ok(router) = checkpoint.router(0, 2) {
        check(&router.gate);
    }
    if let Ok(mtp) = checkpoint.mtp(0) {
        check(&mtp.join);
    }
}

/// Bytes and scales cover the weight: every row has a scale for every block of its columns.
fn check(linear: &Linear) {
    assert_eq!(linear.bytes.len(), linear.rows * linear.cols * linear.dtype.bytes(), "{}", linear.name);
    assert_eq!(linear.scales.is_some(), linear.dtype.name() == "F8_E4M3", "{}", linear.name);
    if let Some(scales) = &linear.scales {
        assert_eq!(scales.row_index.len(), linear.rows, "{}", linear.name);
        for row in 0..linear.rows {
            assert_eq!(scales.row(row).len(), linear.cols.div_ceil(scales.block_cols), "{}", linear.name);
        }
    }
}

/// A safetensors file of zeros; dtypes and scale grids are drawn from the input.
struct Writer<'d> {
    reader: Reader<'d>,
    entries: Vec<String>,
    bytes: usize,
    block: [usize; 2],
}

impl Writer<'_> {
    fn add(&mut self, name: &str, dtype: &str, element: usize, shape: &[usize]) {
        let start = self.bytes;
        self.bytes += shape.iter().product::<usize>() * element;
        self.entries.push(format!(
            r#""{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{start},{}]}}"#,
            self.bytes
        ));
    }

    /// A weight, most often FP8, and its scales; `per_head` is KV heads, K and V dims, and whether this is K.
    fn linear(&mut self, name: &str, rows: usize, cols: usize, per_head: Option<(usize, usize, usize, bool)>) {
        let restarted = per_head.map(|(heads, qk, v, is_k)| {
            let k_blocks = qk.div_ceil(self.block[0]);
            heads * if is_k { k_blocks } else { (qk + v).div_ceil(self.block[0]) - k_blocks }
        });
        self.scaled(name, rows, cols, rows.div_ceil(self.block[0]), restarted);
    }

    fn fused(&mut self, name: &str, parts: [usize; 3], shards: usize, cols: usize, has_bias: bool) {
        let rows: usize = parts.iter().sum();
        self.scaled(name, rows, cols, shards * (rows / shards).div_ceil(self.block[0]), None);
        if has_bias {
            self.add(&format!("{name}.bias"), "BF16", 2, &[rows]);
        }
    }

    fn scaled(&mut self, name: &str, rows: usize, cols: usize, scale_rows: usize, other: Option<usize>) {
        let (dtype, element) =
            [("F8_E4M3", 1), ("F8_E4M3", 1), ("BF16", 2), ("F32", 4), ("F16", 2)][self.reader.byte() % 5];
        self.add(&format!("{name}.weight"), dtype, element, &[rows, cols]);
        let scale_cols = cols.div_ceil(self.block[1]);
        let shape = match self.reader.byte() % 8 {
            0 => return,
            1 => vec![self.reader.byte(), self.reader.byte()],
            2 => vec![scale_rows],
            3..=5 => vec![other.unwrap_or(scale_rows), scale_cols],
            _ => vec![scale_rows, scale_cols],
        };
        if dtype == "F8_E4M3" {
            self.add(&format!("{name}.weight_scale_inv"), "F32", 4, &shape);
        }
    }

    /// Writes the file and gives its length.
    fn finish(self, path: &Path) -> usize {
        let json = format!("{{{}}}", self.entries.join(","));
        let head = [(json.len() as u64).to_le_bytes().as_slice(), json.as_bytes()].concat();
        let length = head.len() + self.bytes;
        write(path, &head, length);
        length
    }
}
