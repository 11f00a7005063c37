//! The oracle of other backends.
