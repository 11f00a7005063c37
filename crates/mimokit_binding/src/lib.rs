//! The Node-API surface: types across the boundary, one engine thread per runner, errors with codes. No arithmetic.

#![cfg_attr(test, allow(dead_code, reason = "napi-derive exports nothing in test builds; Node.js tests this crate"))]

mod arrays;
mod checkpoint_info;
mod device;
mod engine;
mod errors;
mod inspect;
mod ops;
mod runner;
