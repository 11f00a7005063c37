// model.safetensors.index.json: which file each tensor is in, names unique (serde's own maps would keep the last of two silently).
// Tens of thousands of tensors share a few files, so file names are kept once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

/// Most tensors of a checkpoint.
const MAX_TENSORS: usize = 1 << 22;

/// The parts of the index that are read. File names are as they stand there, unchecked.
#[derive(Deserialize)]
#[serde(from = "RawIndex")]
pub(crate) struct Index {
    pub files: Vec<String>,
    /// Tensor name -> position in `files`.
    pub file_of: HashMap<String, usize>,
}

#[derive(Deserialize)]
struct RawIndex {
    weight_map: WeightMap,
}

impl From<RawIndex> for Index {
    fn from(raw: RawIndex) -> Index {
        raw.weight_map.0
    }
}

struct WeightMap(Index);

impl<'de> Deserialize<'de> for WeightMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MapVisitor;
        impl<'de> Visitor<'de> for MapVisitor {
            type Value = WeightMap;
            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object of file names")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<WeightMap, A::Error> {
                let mut files: Vec<String> = Vec::new();
                let mut known: HashMap<String, usize> = HashMap::new();
                let mut file_of = HashMap::new();
                let mut last = usize::MAX;
                while let Some(name) = map.next_key::<String>()? {
                    let file: String =
                        map.next_value().map_err(|error| A::Error::custom(format!("{name}: {error}")))?;
                    // Tensors of a file mostly stand together.
                    if files.get(last) != Some(&file) {
                        last = *known.entry(file).or_insert_with_key(|file| {
                            files.push(file.clone());
                            files.len() - 1
                        });
                    }
                    if file_of.len() == MAX_TENSORS {
                        return Err(A::Error::custom(format!("more than {MAX_TENSORS} entries")));
                    }
                    match file_of.entry(name) {
                        Entry::Vacant(entry) => entry.insert(last),
                        Entry::Occupied(entry) => {
                            return Err(A::Error::custom(format!("{} appears twice", entry.key())));
                        }
                    };
                }
                Ok(WeightMap(Index { files, file_of }))
            }
        }
        deserializer.deserialize_map(MapVisitor)
    }
}
