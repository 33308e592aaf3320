//! Tests of the whole: questions against states made of text.

mod kubernetes;
mod lattice;
mod lints;
mod properties;
mod size;
mod tiers;
mod world;
