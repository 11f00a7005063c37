// The reference's activations: FP32 rows in host memory.

/// Row-major [rows, width].
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    pub width: usize,
    pub values: Vec<f32>,
}

impl Rows {
    pub fn zeros(rows: usize, width: usize) -> Rows {
        Rows { width, values: vec![0.0; rows * width] }
    }

    pub fn count(&self) -> usize {
        self.values.len() / self.width
    }

    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.width..(row + 1) * self.width]
    }

    pub fn row_mut(&mut self, row: usize) -> &mut [f32] {
        &mut self.values[row * self.width..(row + 1) * self.width]
    }

    /// Applies `f` to every row, making rows of `width`.
    pub fn map(&self, width: usize, f: impl Fn(&[f32]) -> Vec<f32>) -> Rows {
        Rows { width, values: self.values.chunks_exact(self.width).flat_map(f).collect() }
    }

    /// self += other, in FP32, element by element.
    pub fn add(&mut self, other: &Rows) {
        assert_eq!((self.width, self.values.len()), (other.width, other.values.len()), "shapes agree");
        for (value, addend) in self.values.iter_mut().zip(&other.values) {
            *value += addend;
        }
    }
}
