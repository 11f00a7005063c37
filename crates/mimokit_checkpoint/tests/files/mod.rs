// Checkpoint directories for tests: copies of fixtures to break, and small ones made from tensors.
#![allow(dead_code, reason = "every test file uses its part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use mimokit_checkpoint::{Checkpoint, Error, Place};

pub fn fixture(path: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../packages/fixtures/unpacked")).join(path)
}

/// A copy of a fixture model that a test may break.
pub struct Copy(pub PathBuf);

impl Copy {
    pub fn of(model: &str) -> Copy {
        let copy = Copy::empty();
        for entry in fs::read_dir(fixture("models").join(model)).expect("fixture") {
            let entry = entry.expect("entry");
            fs::copy(entry.path(), copy.0.join(entry.file_name())).expect("copy");
        }
        copy
    }

    /// A directory of a config and one file.
    pub fn made(config: &str, file: FileWriter) -> Copy {
        let copy = Copy::empty();
        fs::write(copy.0.join("config.json"), config).expect("write");
        fs::write(copy.0.join("model.safetensors"), file.finish()).expect("write");
        copy
    }

    fn empty() -> Copy {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("mimokit-checkpoint-{}-{number}", std::process::id()));
        fs::create_dir_all(&directory).expect("a temporary directory");
        Copy(directory)
    }

    pub fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.0.join(file);
        let text = fs::read_to_string(&path).expect("text");
        assert!(text.contains(from), "{from}");
        fs::write(path, text.replacen(from, to, 1)).expect("write");
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A safetensors file, tensor after tensor.
#[derive(Default)]
pub struct FileWriter {
    entries: Vec<String>,
    data: Vec<u8>,
}

impl FileWriter {
    pub fn add(&mut self, name: &str, dtype: &str, shape: &[usize], bytes: &[u8]) {
        let start = self.data.len();
        self.data.extend_from_slice(bytes);
        let end = self.data.len();
        self.entries
            .push(format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{start},{end}]}}"#));
    }

    pub fn finish(self) -> Vec<u8> {
        let header = format!("{{{}}}", self.entries.join(","));
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header.as_bytes());
        file.extend(self.data);
        file
    }
}

/// Finds and checks every tensor of the model, as loading does.
pub fn read_everything(checkpoint: &Checkpoint) -> Result<(), Error> {
    checkpoint.embedding()?;
    checkpoint.final_norm()?;
    checkpoint.head()?;
    let places = (0..checkpoint.config().layers.len()).map(Place::Layer);
    for place in places.chain((0..checkpoint.mtp_heads()).map(Place::Mtp)) {
        checkpoint.attention(place)?;
        checkpoint.feed_forward_norm(place)?;
        match (place, &checkpoint.config().moe) {
            (Place::Layer(layer), Some(moe)) if checkpoint.config().layers[layer].moe => {
                checkpoint.router(layer, moe.experts)?;
                for expert in 0..moe.experts {
                    checkpoint.expert(layer, expert, moe.width)?;
                }
            }
            _ => {
                checkpoint.dense_ffn(place)?;
            }
        }
        if let Place::Mtp(head) = place {
            checkpoint.mtp(head)?;
        }
    }
    Ok(())
}
