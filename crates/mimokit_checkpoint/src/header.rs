// The JSON header of a safetensors file as it is written: entries in file order, names unique, nothing kept that is not used.
// Parsed by hand-written visitors, so that no value of any other shape is ever built. Whether entries fit the file is safetensors.rs.

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Most tensors in one file.
const MAX_TENSORS: usize = 1 << 20;
const MAX_DIMENSIONS: usize = 8;

/// Names and entries in file order.
pub(crate) struct Header(pub Vec<(String, RawEntry)>);

/// A tensor as the header describes it; nothing is checked yet.
#[derive(Deserialize)]
pub(crate) struct RawEntry {
    pub dtype: String,
    pub shape: Dimensions,
    pub data_offsets: [u64; 2],
}

/// The sizes of a tensor, at most eight.
pub(crate) struct Dimensions {
    sizes: [u64; MAX_DIMENSIONS],
    count: usize,
}

impl Dimensions {
    pub fn sizes(&self) -> &[u64] {
        &self.sizes[..self.count]
    }
}

impl<'de> Deserialize<'de> for Dimensions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor;
        impl<'de> Visitor<'de> for ListVisitor {
            type Value = Dimensions;
            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(formatter, "a list of at most {MAX_DIMENSIONS} sizes")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Dimensions, A::Error> {
                let mut dimensions = Dimensions { sizes: [0; MAX_DIMENSIONS], count: 0 };
                while let Some(size) = list.next_element()? {
                    if dimensions.count == MAX_DIMENSIONS {
                        return Err(A::Error::custom(format!("more than {MAX_DIMENSIONS} dimensions")));
                    }
                    dimensions.sizes[dimensions.count] = size;
                    dimensions.count += 1;
                }
                Ok(dimensions)
            }
        }
        deserializer.deserialize_seq(ListVisitor)
    }
}

/// The free-form metadata: an object of strings, looked at and forgotten.
struct Metadata;

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MapVisitor;
        impl<'de> Visitor<'de> for MapVisitor {
            type Value = Metadata;
            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object of strings")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metadata, A::Error> {
                while map.next_entry::<IgnoredAny, String>()?.is_some() {}
                Ok(Metadata)
            }
        }
        deserializer.deserialize_map(MapVisitor)
    }
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MapVisitor;
        impl<'de> Visitor<'de> for MapVisitor {
            type Value = Header;
            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object of tensors")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut entries: Vec<(String, RawEntry)> = Vec::new();
                let mut has_metadata = false;
                while let Some(name) = map.next_key::<String>()? {
                    let named = |error: A::Error| A::Error::custom(format!("{name}: {error}"));
                    if name == "__metadata__" {
                        if std::mem::replace(&mut has_metadata, true) {
                            return Err(A::Error::custom("__metadata__ appears twice"));
                        }
                        let Metadata = map.next_value().map_err(named)?;
                        continue;
                    }
                    if entries.len() == MAX_TENSORS {
                        return Err(A::Error::custom(format!("more than {MAX_TENSORS} tensors")));
                    }
                    let entry = map.next_value().map_err(named)?;
                    entries.push((name, entry));
                }
                let mut names: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
                names.sort_unstable();
                if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
                    return Err(A::Error::custom(format!("{} appears twice", pair[0])));
                }
                Ok(Header(entries))
            }
        }
        deserializer.deserialize_map(MapVisitor)
    }
}
