//! Renders what Bailiwick has to say: findings, tables, documents and pages, for terminals, machines and pull
//! requests.
//!
//! Values in, text out. Width, colour and format are arguments; nothing here looks at a terminal, a file or the
//! environment. Names come from manifests that nobody has vetted, so every renderer makes them harmless for its
//! medium: no escape sequence reaches a terminal, no markup reaches a web page.

mod document;
mod dot;
mod format;
mod html;
mod inert;
mod junit;
mod markdown;
mod mermaid;
mod page;
mod picture;
mod report;
#[cfg(test)]
mod sample;
mod sarif;
mod style;
mod table;
mod text;
mod yaml;

pub use document::{API_VERSION, json, yaml};
pub use dot::dot;
pub use format::{Format, FormatError};
pub use html::html;
pub use inert::inert;
pub use junit::findings as junit_findings;
pub use markdown::{
    COMMENT, escape as escape_markdown, findings as markdown_findings, paths as markdown_paths,
};
pub use mermaid::mermaid;
pub use page::page;
pub use picture::{Closed, Fact, Picture, PictureCause, PictureNode, PicturePath, PictureStep};
pub use report::{Report, Rule, json_findings, yaml_findings};
pub use sarif::findings as sarif_findings;
pub use style::{Look, Tone};
pub use table::{Cell, Column, Table};
pub use text::{Detail, evidence as text_evidence, findings as text_findings};
pub use yaml::to_yaml;
