//! Tests of the whole: questions against states made of text.

mod kubernetes;
mod lattice;
mod properties;
mod tiers;
mod world;
