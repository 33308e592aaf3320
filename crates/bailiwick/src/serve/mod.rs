//! `bailiwick serve`: the parts of the decision point, put together.

mod callers;
mod cluster;
mod config;
mod entities;
mod feed;
mod fields;
mod files;
mod gateway;
mod identity;
mod kept;
mod policy_files;
mod program;
mod reviewer;
mod stamps;
mod telemetry;

pub(crate) use config::Config;
pub(crate) use fields::in_words;
pub(crate) use gateway::ExtAuthz;
pub(crate) use program::{Program, role};
