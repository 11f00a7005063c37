// JSON objects whose keys must be unique, read in order; serde's maps would keep the last of two silently.

use std::collections::HashSet;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

/// Key-value pairs in file order, at most `LIMIT`.
pub(crate) struct UniqueMap<V, const LIMIT: usize>(pub Vec<(String, V)>);

impl<'de, V: Deserialize<'de>, const LIMIT: usize> Deserialize<'de> for UniqueMap<V, LIMIT> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MapVisitor<V, const LIMIT: usize>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>, const LIMIT: usize> Visitor<'de> for MapVisitor<V, LIMIT> {
            type Value = UniqueMap<V, LIMIT>;
            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                let mut seen = HashSet::new();
                while let Some(key) = map.next_key::<String>()? {
                    if entries.len() == LIMIT {
                        return Err(A::Error::custom(format!("more than {LIMIT} entries")));
                    }
                    if !seen.insert(key.clone()) {
                        return Err(A::Error::custom(format!("{key} appears twice")));
                    }
                    let value = map.next_value().map_err(|error| A::Error::custom(format!("{key}: {error}")))?;
                    entries.push((key, value));
                }
                Ok(UniqueMap(entries))
            }
        }
        deserializer.deserialize_map(MapVisitor(PhantomData))
    }
}

/// The parts of model.safetensors.index.json that are read.
#[derive(Deserialize)]
pub(crate) struct Index {
    pub weight_map: UniqueMap<String, { 1 << 22 }>,
}
