//! The Node-API surface: types across the boundary, one engine thread per runner, errors with codes. No arithmetic.

mod arrays;
mod checkpoint_info;
mod engine;
mod errors;
mod inspect;
mod ops;
mod runner;
