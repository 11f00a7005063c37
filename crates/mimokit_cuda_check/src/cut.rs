//! A checkpoint's first layers and first ids as a checkpoint of its own, small enough to be carried to a GPU machine. MTP heads stay.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;

use mimokit_checkpoint::{Tensor, open_safetensors};
use serde_json::{Map, Value, json};

/// Tensors with a row an id.
const BY_ID: [&str; 2] = ["model.embed_tokens.weight", "lm_head.weight"];
const LAYERS: &str = "model.layers.";

/// Writes the first `layers` layers and `vocab` ids of the checkpoint in `from` to `to`, which must not exist.
///
/// # Errors
/// One line that names the file and what is wrong with it.
pub fn cut(from: &Path, to: &Path, layers: usize, vocab: usize) -> Result<(), String> {
    let config_path = from.join("config.json");
    let text = fs::read_to_string(&config_path).map_err(|error| format!("{}: {error}", config_path.display()))?;
    let mut config: Map<String, Value> =
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", config_path.display()))?;
    cut_config(&mut config, layers, vocab).map_err(|problem| format!("{}: {problem}", config_path.display()))?;
    fs::create_dir(to).map_err(|error| format!("{}: {error}", to.display()))?;
    let config = serde_json::to_string_pretty(&Value::Object(config)).map_err(|error| error.to_string())?;
    let written = fs::write(to.join("config.json"), config).and_then(|()| {
        let tensors = kept(from, layers).map_err(std::io::Error::other)?;
        write_safetensors(&to.join("model.safetensors"), &tensors, vocab)
    });
    written.map_err(|error| format!("{}: {error}", to.display()))
}

fn cut_config(config: &mut Map<String, Value>, layers: usize, vocab: usize) -> Result<(), String> {
    let size = |name: &str| {
        config.get(name).and_then(Value::as_u64).map(|size| size as usize).ok_or(format!("{name} is no size"))
    };
    let (had_layers, had_vocab) = (size("num_hidden_layers")?, size("vocab_size")?);
    if layers == 0 || layers > had_layers || vocab == 0 || vocab > had_vocab {
        return Err(format!(
            "it has {had_layers} layers and {had_vocab} ids; {layers} and {vocab} are no part of them"
        ));
    }
    for value in config.values_mut() {
        // A list with an entry a layer.
        if let Some(list) = value.as_array_mut().filter(|list| list.len() == had_layers) {
            list.truncate(layers);
        }
    }
    config.insert("num_hidden_layers".into(), json!(layers));
    config.insert("vocab_size".into(), json!(vocab));
    // Ids that end a text may be gone; none of the checks waits for them.
    config.insert("eos_token_id".into(), json!(vocab - 1));
    Ok(())
}

/// The tensors that stay, by name.
fn kept(from: &Path, layers: usize) -> Result<BTreeMap<String, Tensor>, String> {
    let mut files: Vec<_> = fs::read_dir(from)
        .map_err(|error| format!("{}: {error}", from.display()))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "safetensors"))
        .collect();
    files.sort();
    let mut tensors = BTreeMap::new();
    for file in files {
        for tensor in open_safetensors(&file).map_err(|error| error.to_string())? {
            let layer = tensor.name.strip_prefix(LAYERS).and_then(|rest| rest.split('.').next()?.parse::<usize>().ok());
            if layer.is_none_or(|layer| layer < layers) {
                tensors.insert(tensor.name.clone(), tensor);
            }
        }
    }
    Ok(tensors)
}

fn write_safetensors(path: &Path, tensors: &BTreeMap<String, Tensor>, vocab: usize) -> std::io::Result<()> {
    let mut header = Map::new();
    let mut parts: Vec<&[u8]> = Vec::with_capacity(tensors.len());
    let mut offset = 0;
    for (name, tensor) in tensors {
        let mut shape = tensor.shape.clone();
        let mut bytes: &[u8] = &tensor.bytes;
        if BY_ID.contains(&name.as_str()) && shape.first().is_some_and(|&rows| rows > vocab) {
            bytes = &bytes[..bytes.len() / shape[0] * vocab];
            shape[0] = vocab;
        }
        let end = offset + bytes.len();
        header.insert(
            name.clone(),
            json!({ "dtype": tensor.dtype.name(), "shape": shape, "data_offsets": [offset, end] }),
        );
        parts.push(bytes);
        offset = end;
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut file = BufWriter::new(fs::File::create(path)?);
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(&header)?;
    parts.iter().try_for_each(|part| file.write_all(part))?;
    file.flush()
}

#[cfg(test)]
mod tests {
    use mimokit_checkpoint::Checkpoint;
    use mimokit_cpu::{CpuBackend, CpuOptions};
    use mimokit_model::{Model, ModelOptions, TapValues};
    use mimokit_reference::goldens::fixture;

    use super::cut;

    #[test]
    fn the_first_layers_alone_compute_what_they_compute_in_the_whole() {
        let to = std::env::temp_dir().join(format!("mimokit-cut-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&to);
        let from = fixture("models").join("t1-fp8");
        cut(&from, &to, 2, 100).expect("a cut");
        let ids = [5, 99, 17, 3, 42];
        let hidden = |directory: &std::path::Path| {
            let checkpoint = Checkpoint::open(directory).unwrap_or_else(|error| panic!("{error}"));
            let backend = CpuBackend::new(&CpuOptions::default()).expect("a backend");
            let model =
                Model::load(&checkpoint, backend, &ModelOptions::default(), &mut |_, _| Ok(())).expect("a model");
            let tapped = model.inspect(&ids, &["hidden.1"]).expect("hidden states");
            let TapValues::F32(values) = &tapped[0].values else { panic!("numbers") };
            (model.info().layers, model.info().vocab_size, values.clone())
        };
        let (whole, part) = (hidden(&from), hidden(&to));
        assert_eq!((part.0, part.1), (2, 100));
        assert_eq!(part.2, whole.2);
        assert!(cut(&from, &to, 2, 100).is_err(), "it is there already");
        assert!(cut(&from, &to.join("none"), 9, 100).is_err(), "nine layers of four");
        std::fs::remove_dir_all(&to).expect("removed");
    }
}
