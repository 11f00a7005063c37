// One safetensors file: the header, checked against the file's length, and a memory map of its data.
// A file opens only if its tensors cover the data exactly: inside, no overlap, no hole, every size as its shape says.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;

use crate::error::{Error, Result};
use crate::header::{Header, RawEntry};
use crate::tensor::{Dtype, SharedBytes, Tensor};

/// Longest header that is read, in bytes. A 309B checkpoint in one file would need about 10 MiB.
const MAX_HEADER_BYTES: u64 = 64 << 20;

/// Reads the header and maps the file. Tensors come in the order of the data.
///
/// # Errors
/// `checkpoint-missing-file` when it cannot be opened, `checkpoint-malformed` when header and file do not fit,
/// `checkpoint-tensor-dtype` for an element type that safetensors does not have or MimoKit does not know.
pub fn open_safetensors(path: &Path) -> Result<Vec<Tensor>> {
    let file =
        File::open(path).map_err(|error| Error::MissingFile { file: path.into(), problem: error.to_string() })?;
    let length = file.metadata().map_err(|error| malformed(path, error.to_string()))?.len();
    if length < 8 {
        return Err(malformed(path, format!("{length} bytes are too few for a safetensors file")));
    }
    // SAFETY: the map is only read. A checkpoint must not be changed while it is open; if another process truncates it, reads of
    // the lost pages end the process, as with every memory-mapped weight file.
    let map = unsafe { Mmap::map(&file) }.map_err(|error| malformed(path, format!("cannot be mapped: {error}")))?;
    let entries = parse_header(path, &map)?;
    // Weights are read in long streams, which page tables of 4 KiB slow down by a quarter. Only a wish, and made after the header
    // was read: whoever wants no more than that shall not wait for huge pages of data.
    #[cfg(target_os = "linux")]
    let _ = map.advise(memmap2::Advice::HugePage);
    let map = Arc::new(map);
    Ok(entries
        .into_iter()
        .map(|entry| Tensor {
            name: entry.name,
            dtype: entry.dtype,
            shape: entry.shape,
            bytes: SharedBytes::mapped(map.clone(), entry.start..entry.end),
        })
        .collect())
}

/// A tensor of the header; `start .. end` counts from the start of the file and lies inside it.
#[derive(Debug)]
struct Entry {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    start: usize,
    end: usize,
}

fn parse_header(path: &Path, bytes: &[u8]) -> Result<Vec<Entry>> {
    let Some((prefix, rest)) = bytes.split_first_chunk::<8>() else {
        return Err(malformed(path, "the header length is cut off".into()));
    };
    let header_bytes = u64::from_le_bytes(*prefix);
    if header_bytes > MAX_HEADER_BYTES {
        return Err(malformed(path, format!("the header claims {header_bytes} bytes, more than {MAX_HEADER_BYTES}")));
    }
    if header_bytes > rest.len() as u64 {
        return Err(malformed(
            path,
            format!("the header claims {header_bytes} bytes, the file has {} left", rest.len()),
        ));
    }
    let (header, data) = rest.split_at(header_bytes as usize);
    if header.first() != Some(&b'{') {
        return Err(malformed(path, "the header does not start with '{'".into()));
    }
    let header: Header =
        serde_json::from_slice(header).map_err(|error| malformed(path, format!("the header is not valid: {error}")))?;
    let data_start = 8 + header_bytes as usize;

    let mut entries = Vec::with_capacity(header.0.len());
    for (name, raw) in header.0 {
        entries.push(check_entry(path, name, raw, data_start, data.len())?);
    }
    entries.sort_by_key(|entry| (entry.start, entry.end));
    let mut expected = data_start;
    let mut previous = "the header";
    for entry in &entries {
        if entry.start != expected {
            let what = if entry.start < expected { "overlaps" } else { "leaves a hole after" };
            return Err(malformed(path, format!("tensor {} {what} {previous}", entry.name)));
        }
        expected = entry.end;
        previous = &entry.name;
    }
    if expected != bytes.len() {
        return Err(malformed(path, format!("{} bytes at the end belong to no tensor", bytes.len() - expected)));
    }
    Ok(entries)
}

fn check_entry(path: &Path, name: String, raw: RawEntry, data_start: usize, data_bytes: usize) -> Result<Entry> {
    let Some(dtype) = Dtype::from_name(&raw.dtype) else {
        return Err(Error::TensorDtype {
            tensor: format!("{name} in {}", path.display()),
            found: raw.dtype,
            supported: Dtype::ALL_NAMES,
        });
    };
    let [start, end] = raw.data_offsets;
    if start > end || end > data_bytes as u64 {
        let problem = format!("tensor {name} claims bytes {start}..{end} of {data_bytes}");
        return Err(malformed(path, problem));
    }
    let needed = raw.shape.sizes().iter().try_fold(dtype.bytes() as u64, |product, &size| product.checked_mul(size));
    if needed != Some(end - start) {
        let problem = format!(
            "tensor {name} of shape {:?} and dtype {} cannot have {} bytes",
            raw.shape.sizes(),
            dtype.name(),
            end - start
        );
        return Err(malformed(path, problem));
    }
    Ok(Entry {
        name,
        dtype,
        // With an element count that fits the file, a size can still be huge beside a zero; it fits usize or is refused.
        shape: raw
            .shape
            .sizes()
            .iter()
            .map(|&size| usize::try_from(size))
            .collect::<std::result::Result<_, _>>()
            .map_err(|_| malformed(path, "a tensor has a dimension beyond this machine's address space".into()))?,
        start: data_start + start as usize,
        end: data_start + end as usize,
    })
}

fn malformed(path: &Path, problem: String) -> Error {
    Error::Malformed { file: path.into(), problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: usize) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.resize(bytes.len() + data, 0);
        bytes
    }

    fn parse(bytes: &[u8]) -> Result<Vec<Entry>> {
        parse_header(Path::new("x.safetensors"), bytes)
    }

    fn refused(bytes: &[u8], part: &str) {
        let error = parse(bytes).expect_err("refused");
        assert_eq!(error.code(), "checkpoint-malformed");
        assert!(error.to_string().contains(part), "{error}");
    }

    #[test]
    fn a_file_whose_tensors_cover_the_data_opens_in_data_order() {
        let header = r#"{"b":{"dtype":"F32","shape":[2,1],"data_offsets":[2,10]},"a":{"dtype":"BF16","shape":[],"data_offsets":[0,2]},"__metadata__":{"format":"pt"}}  "#;
        let entries = parse(&file(header, 10)).expect("opens");
        assert_eq!(entries.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(entries[1].shape, [2, 1]);
        assert_eq!(entries[1].end, 8 + header.len() + 10);
    }

    #[test]
    fn lies_about_lengths_are_refused() {
        refused(&[], "cut off");
        refused(&[1, 2, 3], "cut off");
        refused(&u64::MAX.to_le_bytes(), "claims");
        refused(&100u64.to_le_bytes(), "claims");
        refused(&file(r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 7), "claims bytes");
        refused(&file(r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#, 8), "claims bytes");
        refused(&file(r#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#, 8), "cannot have");
        refused(
            &file(r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,8]}}"#, 8),
            "cannot have",
        );
        refused(&file(r#"{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}}"#, 9), "belong to no tensor");
        refused(
            &file(r#"{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,18446744073709551615]}}"#, 8),
            "claims bytes",
        );
    }

    #[test]
    fn overlaps_holes_and_duplicates_are_refused() {
        let two = |a: &str, b: &str| {
            format!(
                r#"{{"a":{{"dtype":"U8","shape":[4],"data_offsets":{a}}},"b":{{"dtype":"U8","shape":[4],"data_offsets":{b}}}}}"#
            )
        };
        refused(&file(&two("[0,4]", "[3,7]"), 8), "overlaps");
        refused(&file(&two("[0,4]", "[0,4]"), 8), "overlaps");
        refused(&file(&two("[0,4]", "[5,9]"), 9), "hole");
        refused(&file(&two("[0,4]", "[4,8]").replace("\"b\"", "\"a\""), 8), "twice");
    }

    #[test]
    fn headers_that_are_not_tensor_maps_are_refused() {
        for header in [
            "",
            "[]",
            "{",
            "{}x",
            r#"{"a":1}"#,
            r#"{"a":{}}"#,
            r#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,0]}}"#,
        ] {
            assert_eq!(parse(&file(header, 0)).expect_err(header).code(), "checkpoint-malformed", "{header}");
        }
        let deep = format!("{{\"a\":{}", "[".repeat(100_000));
        assert_eq!(parse(&file(&deep, 0)).expect_err("deep").code(), "checkpoint-malformed");
    }

    #[test]
    fn an_unknown_dtype_is_named() {
        let error = parse(&file(r#"{"a":{"dtype":"F4","shape":[1],"data_offsets":[0,1]}}"#, 1)).expect_err("refused");
        assert_eq!(error.code(), "checkpoint-tensor-dtype");
        assert!(error.to_string().contains("F4"));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn no_change_of_one_byte_makes_the_parser_panic(at in 0usize..90, to in proptest::num::u8::ANY) {
            let mut bytes = file(r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[0],"data_offsets":[8,8]}}"#, 8);
            let at = at.min(bytes.len() - 1);
            bytes[at] = to;
            if let Ok(entries) = parse(&bytes) {
                proptest::prop_assert!(entries.iter().all(|entry| entry.end <= bytes.len()));
            }
        }
    }
}
