// Comparing two results: the first difference by its coordinates, the largest by its size, and the angle between vectors.

/// Where and by how much two arrays of one shape differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Coordinates of the first element beyond the tolerance.
    pub at: Vec<usize>,
    pub actual: f32,
    pub expected: f32,
    /// Largest absolute difference of all elements.
    pub largest: f32,
    /// Elements beyond the tolerance.
    pub count: usize,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Difference { at, actual, expected, largest, count } = self;
        write!(f, "first at {at:?}: {actual} for {expected}; {count} elements differ, by up to {largest:e}")
    }
}

/// The first element whose absolute difference exceeds `absolute + relative * |expected|`; `None` if all are within. NaN differs from everything.
///
/// # Panics
/// If the lengths do not fit the shape.
pub fn first_difference(
    actual: &[f32],
    expected: &[f32],
    shape: &[usize],
    [absolute, relative]: [f32; 2],
) -> Option<Difference> {
    assert_eq!(actual.len(), expected.len(), "results of one length");
    assert_eq!(actual.len(), shape.iter().product::<usize>(), "a length that fits {shape:?}");
    let is_within =
        |index: usize| (actual[index] - expected[index]).abs() <= absolute + relative * expected[index].abs();
    let first = (0..actual.len()).find(|&index| !is_within(index))?;
    let distances = actual.iter().zip(expected).map(|(a, b)| (a - b).abs());
    Some(Difference {
        at: coordinates(first, shape),
        actual: actual[first],
        expected: expected[first],
        largest: distances
            .fold(0.0, |largest, distance| if distance > largest || distance.is_nan() { distance } else { largest }),
        count: (0..actual.len()).filter(|&index| !is_within(index)).count(),
    })
}

/// # Panics
/// With `what` and the first difference, if there is one.
pub fn assert_close(what: &str, actual: &[f32], expected: &[f32], shape: &[usize], tolerance: [f32; 2]) {
    if let Some(difference) = first_difference(actual, expected, shape, tolerance) {
        panic!("{what} {shape:?}: {difference}");
    }
}

/// Cosine of the angle between two vectors.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn coordinates(mut index: usize, shape: &[usize]) -> Vec<usize> {
    let mut at = vec![0; shape.len()];
    for (slot, &size) in at.iter_mut().zip(shape).rev() {
        *slot = index % size;
        index /= size;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_named_by_its_coordinates() {
        let difference =
            first_difference(&[0.0, 1.0, 2.0, 3.5], &[0.0, 1.0, 2.0, 3.0], &[2, 2], [0.1, 0.0]).expect("differs");
        assert_eq!((difference.at, difference.largest, difference.count), (vec![1, 1], 0.5, 1));
        assert_eq!(first_difference(&[1.0], &[1.05], &[1], [0.1, 0.0]), None);
        assert!(first_difference(&[f32::NAN], &[1.0], &[1], [9.0, 9.0]).is_some());
    }
}
