//! `bailiwick serve`: the parts of the decision point, put together.

mod config;
mod entities;
mod gateway;
mod program;
mod source;

pub(crate) use config::Config;
pub(crate) use program::Program;
