//! The processor's own registers, for matrix products: there one register more or less decides, so tiles are cut in registers and
//! not in sixteen lanes. What the lanes hold is the same.

/// Registers of one instruction set; a value is the proof that the processor has it.
pub(crate) trait Registers: Copy {
    type R: Copy;
    /// Lanes of a register; sixteen is a multiple of it.
    const WIDTH: usize;
    fn reg_zero(self) -> Self::R;
    /// # Safety
    /// `WIDTH` floats can be read at `from`.
    unsafe fn reg_load(self, from: *const f32) -> Self::R;
    /// # Safety
    /// `WIDTH` floats can be written at `to`.
    unsafe fn reg_store(self, register: Self::R, to: *mut f32);
    /// `a * b + c`, rounded once.
    fn reg_fma(self, a: Self::R, b: Self::R, c: Self::R) -> Self::R;
    fn reg_add(self, a: Self::R, b: Self::R) -> Self::R;
}
