//! A program that knows better: it is asked over pipes, one JSON line each way.

use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::binaries::BinariesError;

/// The running program. It ends when this is dropped.
pub struct Judge {
    child: Child,
    input: BufWriter<ChildStdin>,
    output: BufReader<ChildStdout>,
    asked: u64,
    line: String,
}

/// Why there is no answer.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum JudgeError {
    /// The binary is missing; the message names the command that installs it.
    #[error(transparent)]
    Binaries(#[from] BinariesError),
    /// The program could not be started or went away.
    #[error("the other program does not answer; its own messages are on standard error")]
    Pipe(#[from] io::Error),
    /// The program does not understand the question, or its answer is that something is not valid.
    #[error("refused `{op}`: {message}")]
    Refused {
        /// The operation.
        op: &'static str,
        /// What it said.
        message: String,
    },
    /// The answer is not what the operation promises.
    #[error("the answer to `{op}` is not understood")]
    Answer {
        /// The operation.
        op: &'static str,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
}

/// The message and its causes, for the person who reads a failed `unwrap`.
impl std::fmt::Debug for JudgeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")?;
        match std::error::Error::source(self) {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

#[derive(Deserialize)]
struct Answer<T> {
    id: Option<u64>,
    result: Option<T>,
    error: Option<String>,
}

impl Judge {
    /// Starts the program.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(binary: &Path) -> Result<Self, JudgeError> {
        let mut child = Command::new(binary)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("no pipes").into());
        };
        Ok(Self {
            child,
            input: BufWriter::new(input),
            output: BufReader::with_capacity(1 << 20, output),
            asked: 0,
            line: String::new(),
        })
    }

    /// Asks one question and waits for its answer.
    ///
    /// # Errors
    /// When the program says so, is gone, or answers something else.
    pub fn ask<T: DeserializeOwned>(
        &mut self,
        op: &'static str,
        arguments: Value,
    ) -> Result<T, JudgeError> {
        self.asked += 1;
        let mut question = match arguments {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        question.insert("op".to_owned(), json!(op));
        question.insert("id".to_owned(), json!(self.asked));
        serde_json::to_writer(&mut self.input, &question).map_err(io::Error::from)?;
        self.input.write_all(b"\n")?;
        self.input.flush()?;
        self.line.clear();
        if self.output.read_line(&mut self.line)? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let answer: Answer<T> =
            serde_json::from_str(&self.line).map_err(|source| JudgeError::Answer { op, source })?;
        match answer {
            Answer {
                error: Some(message),
                ..
            } => Err(JudgeError::Refused { op, message }),
            Answer {
                result: Some(result),
                id,
                ..
            } if id == Some(self.asked) => Ok(result),
            Answer { .. } => Err(JudgeError::Refused {
                op,
                message: "the answer belongs to another question".to_owned(),
            }),
        }
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        // Nothing is lost: it holds no state that anybody reads. An error means it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
