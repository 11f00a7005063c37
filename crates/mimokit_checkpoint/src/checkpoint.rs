// A checkpoint directory: config, index or single file, and the tensors found by name. Values are read by linear.rs and layers.rs.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::ModelConfig;
use crate::error::{Error, Result};
use crate::index::Index;
use crate::linear::block_rows;
use crate::names::{Place, Role, role_of};
use crate::safetensors::open_safetensors;
use crate::tensor::Tensor;

const MAX_INDEX_BYTES: u64 = 256 << 20;
/// A parsed JSON value takes up to a hundred times its text, so configs are held far below what an index may be.
const MAX_CONFIG_BYTES: u64 = 256 << 10;
const MAX_MTP_HEADS: usize = 16;

/// An opened checkpoint. Weights stay in the mapped files; nothing is read into memory but headers and the config.
#[derive(Debug)]
pub struct Checkpoint {
    directory: PathBuf,
    config: ModelConfig,
    tensors: HashMap<String, Tensor>,
    mtp_heads: usize,
    /// Block row of each row, per height: one for the thousands of experts.
    plain_indices: Mutex<HashMap<usize, Arc<[u32]>>>,
}

impl Checkpoint {
    /// Opens `config.json`, then the shards named by `model.safetensors.index.json`, or else `model.safetensors`.
    ///
    /// # Errors
    /// Typed errors naming file, tensor or field; see `Error`.
    pub fn open(directory: &Path) -> Result<Checkpoint> {
        let config_path = directory.join("config.json");
        let generation_path = directory.join("generation_config.json");
        let text = read_config(&config_path)?;
        let generation = if generation_path.is_file() { Some(read_config(&generation_path)?) } else { None };
        let generation = generation.as_deref().map(|text| (generation_path.as_path(), text));
        let config = ModelConfig::parse(&config_path, &text, generation)?;

        let index_path = directory.join("model.safetensors.index.json");
        let tensors = if index_path.is_file() {
            open_shards(directory, &index_path)?
        } else {
            let path = directory.join("model.safetensors");
            if !path.is_file() {
                return Err(Error::MissingFile {
                    file: path,
                    problem: "there is neither this file nor model.safetensors.index.json".into(),
                });
            }
            open_safetensors(&path)?.into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect()
        };
        let mtp_heads = count_mtp_heads(directory, tensors.keys())?;
        Ok(Checkpoint { directory: directory.into(), config, tensors, mtp_heads, plain_indices: Mutex::default() })
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// MTP heads, counted from the tensors.
    pub fn mtp_heads(&self) -> usize {
        self.mtp_heads
    }

    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name)
    }

    /// All tensors, in no particular order.
    pub fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        self.tensors.values()
    }

    pub(crate) fn plain_index(&self, rows: usize) -> Arc<[u32]> {
        let mut indices = self.plain_indices.lock().unwrap_or_else(PoisonError::into_inner);
        indices.entry(rows).or_insert_with(|| block_rows(rows, self.config.fp8_block[0])).clone()
    }

    /// Bytes of all tensors together.
    pub fn total_bytes(&self) -> u64 {
        self.tensors.values().map(|tensor| tensor.bytes.len() as u64).sum()
    }
}

/// The text of config.json or generation_config.json; whatever is wrong inside it is a fault of the config.
fn read_config(path: &Path) -> Result<String> {
    read_text(path, MAX_CONFIG_BYTES).map_err(|error| match error {
        Error::Malformed { file, problem } => Error::ConfigMalformed { file, problem },
        other => other,
    })
}

fn read_text(path: &Path, most: u64) -> Result<String> {
    let missing = |error: std::io::Error| Error::MissingFile { file: path.into(), problem: error.to_string() };
    let bytes = fs::metadata(path).map_err(missing)?.len();
    if bytes > most {
        return Err(Error::Malformed { file: path.into(), problem: format!("{bytes} bytes are too many for JSON") });
    }
    let bytes = fs::read(path).map_err(missing)?;
    String::from_utf8(bytes).map_err(|_| Error::Malformed { file: path.into(), problem: "it is not UTF-8".into() })
}

fn open_shards(directory: &Path, index_path: &Path) -> Result<HashMap<String, Tensor>> {
    let malformed = |problem: String| Error::Malformed { file: index_path.into(), problem };
    let Index { files, file_of } = serde_json::from_str(&read_text(index_path, MAX_INDEX_BYTES)?)
        .map_err(|error| malformed(format!("it is not a valid index: {error}")))?;
    for name in &files {
        let is_plain = !name.contains(['/', '\\', '\0']) && name != "." && name != "..";
        if !is_plain || !name.ends_with(".safetensors") {
            return Err(malformed(format!("tensors are said to be in {name:?}, which is no file name of a shard")));
        }
    }
    let mut order: Vec<usize> = (0..files.len()).collect();
    order.sort_by_key(|&file| &files[file]);
    let mut tensors = HashMap::with_capacity(file_of.len());
    for file in order {
        let path = directory.join(&files[file]);
        if !path.is_file() {
            let problem = format!("it is named in {}, but is not there", index_path.display());
            return Err(Error::MissingFile { file: path, problem });
        }
        for tensor in open_safetensors(&path)? {
            // What the index does not know of, or has elsewhere, is not part of the checkpoint.
            if file_of.get(&tensor.name) == Some(&file) {
                tensors.insert(tensor.name.clone(), tensor);
            }
        }
    }
    if tensors.len() < file_of.len() {
        let missing = file_of.iter().filter(|(name, _)| !tensors.contains_key(*name)).min();
        if let Some((name, &file)) = missing {
            return Err(malformed(format!("tensor {name} is said to be in {}, but is not", files[file])));
        }
    }
    Ok(tensors)
}

fn count_mtp_heads<'a>(directory: &Path, names: impl Iterator<Item = &'a String>) -> Result<usize> {
    let heads: BTreeSet<usize> = names
        .filter(|name| name.starts_with("model.mtp."))
        .filter_map(|name| match role_of(name) {
            Some(Role::Block { place: Place::Mtp(head), .. }) => Some(head),
            _ => None,
        })
        .collect();
    let count = heads.len();
    if count > MAX_MTP_HEADS || heads.last().is_some_and(|&last| last + 1 != count) {
        let problem =
            format!("its MTP heads are {heads:?}; they must be 0, 1, … without a gap, at most {MAX_MTP_HEADS}");
        return Err(Error::Malformed { file: directory.into(), problem });
    }
    Ok(count)
}
