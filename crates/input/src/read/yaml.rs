use std::collections::HashMap;
use std::ops::Range;

use bailiwick_model::{MAX_DEPTH, Map, Value};
use granit_parser::{Event, Parser, ScanError, Span, StrInput};

use super::entries::Entries;
use super::node::{is_merge, scalar, scalar_problem, written_key};
use super::problem::{Duplicate, Problem, untyped};
use super::scalar::ScalarError;
use super::{Items, Root, refuse};
use crate::limits::MAX_NODES;
use refuse::Refusals;

/// Reads one YAML document as kubectl does (sigs.k8s.io/yaml over go-yaml v2): scalars, keys, tags, merge keys and
/// what an alias may multiply.
pub(crate) fn read_yaml(text: &str, items: &mut dyn Items) -> Result<Root, Problem> {
    refuse::characters(text)?;
    let mut reader = Reader::new(text, items);
    let value = reader.document()?;
    let ignored = reader.ignored()?;
    Ok(Root {
        value,
        range: reader.first..reader.last.max(reader.first),
        duplicates: reader.duplicates,
        ignored,
    })
}

pub(super) const MEND: &str = "mend the YAML here; kubectl refuses this document as well";
const WRITE_OUT: &str = "write the value out in place of the alias";

struct Reader<'t, 'i> {
    events: Parser<'t, StrInput<'t>>,
    items: &'i mut dyn Items,
    refusals: Refusals<'t>,
    anchors: HashMap<usize, Anchored>,
    duplicates: Vec<Duplicate>,
    text: &'t str,
    /// Where the first node starts.
    first: usize,
    /// Where the last scalar or bracket ended.
    last: usize,
    /// Values that upstream would have decoded so far, aliases expanded, and how many of them came from aliases.
    decoded: u64,
    expanded: u64,
    /// Values that are held because an alias may ask for them.
    anchored: u64,
    /// [`Reader::decoded`] when the object that is being built began.
    object_began: u64,
}

/// What an alias stands for.
struct Anchored {
    value: Value,
    nodes: u64,
}

/// A node as the parser announces it.
type Node<'t> = (Event<'t>, Range<usize>);

impl<'t, 'i> Reader<'t, 'i> {
    fn new(text: &'t str, items: &'i mut dyn Items) -> Self {
        let mut options = granit_parser::options! {
            disallow_directives: true,
            emit_anchor_events: true,
            flow_nesting_limit: MAX_DEPTH,
            block_nesting_limit: MAX_DEPTH,
        };
        options.set_emit_comments(false);
        Self {
            events: Parser::new_from_str_with_options(text, options),
            items,
            refusals: Refusals::new(text),
            anchors: HashMap::new(),
            duplicates: Vec::new(),
            text,
            first: 0,
            last: 0,
            decoded: 1,
            expanded: 0,
            anchored: 0,
            object_began: 0,
        }
    }

    fn next(&mut self) -> Result<Node<'t>, Problem> {
        match self.events.next_event() {
            None => Ok((Event::StreamEnd, self.text.len()..self.text.len())),
            Some(Ok((event, span))) => {
                let range = self.range(&span);
                self.refusals.check(&event, &range, &span)?;
                if matches!(event, Event::Anchor(..)) {
                    return self.next();
                }
                let ends = matches!(
                    event,
                    Event::Scalar(..) | Event::Alias(_) | Event::SequenceEnd | Event::MappingEnd
                );
                // The end of a block collection is an empty span further down.
                if ends && !range.is_empty() {
                    self.last = range.end;
                }
                Ok((event, range))
            }
            Some(Err(error)) => Err(self.scan_problem(&error)),
        }
    }

    fn range(&self, span: &Span) -> Range<usize> {
        let start = span.start.byte_offset().unwrap_or(self.last);
        start..span.end.byte_offset().unwrap_or(start).max(start)
    }

    fn scan_problem(&self, error: &ScanError) -> Problem {
        let at = error
            .marker()
            .byte_offset()
            .unwrap_or(self.last)
            .min(self.text.len());
        let rest = self.text.get(at..).unwrap_or_default();
        let end = at + rest.chars().next().map_or(0, char::len_utf8);
        let help = if rest.starts_with('%') {
            "delete the line: kubectl refuses directives such as %YAML"
        } else {
            MEND
        };
        Problem::new(
            "broken-yaml",
            format!("this is no valid YAML: {}", error.info()),
            help,
            at..end,
        )
    }

    /// The first document; go-yaml looks at no other.
    fn document(&mut self) -> Result<Value, Problem> {
        loop {
            let node = self.next()?;
            match &node.0 {
                Event::StreamStart | Event::DocumentStart(..) => {}
                Event::StreamEnd | Event::DocumentEnd => {
                    self.refusals.nothing()?;
                    return Ok(Value::Null);
                }
                Event::MappingStart(_, 0, _) => {
                    self.first = node.1.start;
                    self.decoded += 1;
                    let map = self.mapping(0, true)?;
                    self.end_document()?;
                    return Ok(Value::Object(map));
                }
                _ => {
                    self.first = node.1.start;
                    let value = self.node(node, 0)?;
                    self.end_document()?;
                    return Ok(value);
                }
            }
        }
    }

    fn end_document(&mut self) -> Result<(), Problem> {
        let last = self.last;
        match self.next()? {
            (Event::DocumentEnd | Event::StreamEnd, _) => {
                self.last = last;
                Ok(())
            }
            (_, at) => Err(behind_document(&at)),
        }
    }

    /// Where the text behind `...` starts, which go-yaml does not look at.
    fn ignored(&mut self) -> Result<Option<usize>, Problem> {
        let rest = self.text.get(self.last..).unwrap_or_default();
        let mut at = self.last;
        let mut ended = false;
        for (position, line) in rest.split_inclusive('\n').enumerate() {
            let code = line.trim();
            if position > 0 && line.starts_with("...") {
                ended = true;
            } else if !(code.is_empty() || code.starts_with('#')) {
                return self.behind_end(at, ended);
            }
            at += line.len();
        }
        self.refusals.tail()?;
        Ok(None)
    }

    fn behind_end(&mut self, at: usize, ended: bool) -> Result<Option<usize>, Problem> {
        match self.next() {
            // What is left of an entry without a value.
            Ok((Event::StreamEnd, _)) => self.refusals.tail().map(|()| None),
            _ if ended => Ok(Some(at)),
            _ => Err(behind_document(&(at..at))),
        }
    }

    fn node(&mut self, (event, at): Node<'t>, depth: usize) -> Result<Value, Problem> {
        let before = self.decoded;
        self.count(&at)?;
        let (value, anchor) = match event {
            Event::Alias(id) => return self.alias(id, &at),
            Event::Scalar(text, style, anchor, tag) => {
                let scalar = scalar(text, style, tag.as_deref(), &at)?;
                let value = scalar
                    .into_value()
                    .map_err(|error| scalar_problem(error, &at))?;
                (value, anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                (Value::Array(self.sequence(depth, &at)?), anchor)
            }
            Event::MappingStart(_, anchor, _) => {
                if depth >= MAX_DEPTH {
                    return Err(too_deep(&at));
                }
                (Value::Object(self.mapping(depth + 1, false)?), anchor)
            }
            _ => return Err(unexpected(&at)),
        };
        if anchor != 0 {
            let nodes = self.decoded - before;
            self.anchored = self.anchored.saturating_add(nodes);
            if self.anchored > MAX_NODES {
                return Err(too_large(&at, "anchors stand for more than", MAX_NODES));
            }
            let anchored = Anchored {
                value: value.clone(),
                nodes,
            };
            self.anchors.insert(anchor, anchored);
        }
        Ok(value)
    }

    fn sequence(&mut self, depth: usize, at: &Range<usize>) -> Result<Vec<Value>, Problem> {
        if depth >= MAX_DEPTH {
            return Err(too_deep(at));
        }
        let mut items = Vec::new();
        loop {
            let node = self.next()?;
            if matches!(node.0, Event::SequenceEnd) {
                return Ok(items);
            }
            items.push(self.node(node, depth + 1)?);
        }
    }

    /// A mapping whose start has been read. Of the document's own mapping the `items` are handed on.
    fn mapping(&mut self, depth: usize, is_root: bool) -> Result<Map, Problem> {
        let mut entries = Entries::default();
        let mut streamed: Option<Range<usize>> = None;
        loop {
            let (event, at) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(entries.into_map());
            }
            if is_merge(&event) {
                let node = self.next()?;
                self.merge(node, depth, &mut entries)?;
                continue;
            }
            let key = self.key(event, &at, depth)?;
            let node = self.next()?;
            if is_root && key == "items" {
                if let Some(lost) = streamed.take() {
                    self.duplicate(key.clone(), lost, at.clone());
                }
                self.items.begin();
                if matches!(node.0, Event::SequenceStart(_, 0, _)) {
                    // An earlier `items` that was no list is lost.
                    let duplicate = entries.set(key.clone(), Value::Null, at.clone());
                    self.repeated(duplicate)?;
                    entries.remove(&key);
                    streamed = Some(at);
                    self.stream_items(&node.1)?;
                    continue;
                }
            }
            let value = self.node(node, depth)?;
            let duplicate = entries.set(key, value, at);
            self.repeated(duplicate)?;
        }
    }

    /// Notes a key that is there twice. Two that only become equal as text, such as `09` and `9`, are refused: which of
    /// them kubectl takes is a matter of chance.
    fn repeated(&mut self, duplicate: Option<Duplicate>) -> Result<(), Problem> {
        let Some(duplicate) = duplicate else {
            return Ok(());
        };
        let written = |at: &Range<usize>| {
            written_key(
                self.text.get(at.clone()).unwrap_or_default(),
                &duplicate.key,
            )
        };
        if written(&duplicate.lost) != written(&duplicate.kept) {
            return Err(Problem::new(
                "broken-yaml",
                "two keys of a mapping become the same text, and kubectl takes one of them by chance",
                "quote or rename one of them",
                duplicate.kept,
            ));
        }
        self.duplicates.push(duplicate);
        Ok(())
    }

    fn duplicate(&mut self, key: String, lost: Range<usize>, kept: Range<usize>) {
        self.duplicates.push(Duplicate { key, lost, kept });
    }

    fn stream_items(&mut self, at: &Range<usize>) -> Result<(), Problem> {
        self.count(at)?;
        loop {
            let node = self.next()?;
            if matches!(node.0, Event::SequenceEnd) {
                return Ok(());
            }
            self.object_began = self.decoded;
            let start = node.1.start;
            let value = self.node(node, 1)?;
            let range = start..self.last.max(start);
            if !self.items.item(value, range.clone()) {
                return Err(untyped(range));
            }
        }
    }

    fn key(
        &mut self,
        event: Event<'t>,
        at: &Range<usize>,
        depth: usize,
    ) -> Result<String, Problem> {
        match event {
            Event::Scalar(text, style, 0, tag) => {
                self.count(at)?;
                scalar(text, style, tag.as_deref(), at)?
                    .into_key()
                    .map_err(|error| scalar_problem(error, at))
            }
            event => match self.node((event, at.clone()), depth)? {
                Value::String(text) => Ok(text),
                Value::Bool(value) => Ok(value.to_string()),
                Value::Null => Err(scalar_problem(ScalarError::NullKey, at)),
                Value::Int(_) | Value::UInt(_) | Value::Float(_) => Err(Problem::new(
                    "broken-yaml",
                    "a number with an anchor is used as a key",
                    WRITE_OUT,
                    at.clone(),
                )),
                Value::Array(_) | Value::Object(_) => Err(Problem::new(
                    "broken-yaml",
                    "a list or a mapping is used as a key",
                    "quote it if it is a template such as {{ .Values.name }}, and render templates first",
                    at.clone(),
                )),
            },
        }
    }

    /// `<<`: entries come in where it stands, and what comes later wins, also over what stood there before.
    fn merge(
        &mut self,
        node: Node<'t>,
        depth: usize,
        entries: &mut Entries,
    ) -> Result<(), Problem> {
        let at = node.1.clone();
        let sources = match &node.0 {
            Event::SequenceStart(..) => {
                let mut sources = self.sequence(depth, &at)?;
                // Earlier ones win over later ones.
                sources.reverse();
                sources
            }
            _ => vec![self.node(node, depth)?],
        };
        for source in sources {
            let Value::Object(map) = source else {
                return Err(Problem::new(
                    "broken-yaml",
                    "the merge key `<<` needs a mapping or a list of mappings",
                    MEND,
                    at,
                ));
            };
            for (key, value) in map {
                self.duplicates
                    .extend(entries.merge(key, value, at.clone()));
            }
        }
        Ok(())
    }

    fn alias(&mut self, id: usize, at: &Range<usize>) -> Result<Value, Problem> {
        let Some(nodes) = self.anchors.get(&id).map(|anchored| anchored.nodes) else {
            return Err(Problem::new(
                "broken-yaml",
                "an anchor contains itself",
                WRITE_OUT,
                at.clone(),
            ));
        };
        self.decoded = self.decoded.saturating_add(nodes);
        self.expanded = self.expanded.saturating_add(nodes);
        self.check_counts(at)?;
        let value = self.anchors.get(&id).map(|anchored| anchored.value.clone());
        Ok(value.unwrap_or_default())
    }

    fn count(&mut self, at: &Range<usize>) -> Result<(), Problem> {
        self.decoded += 1;
        self.check_counts(at)
    }

    fn check_counts(&self, at: &Range<usize>) -> Result<(), Problem> {
        if self.expanded > 100 && self.decoded > 1000 {
            #[allow(
                clippy::cast_precision_loss,
                reason = "a ratio of counts far below 2^52"
            )]
            let ratio = self.expanded as f64 / self.decoded as f64;
            if ratio > allowed_ratio(self.decoded) {
                return Err(Problem::new(
                    "alias-bomb",
                    "aliases multiply the document beyond what kubectl accepts",
                    WRITE_OUT,
                    at.clone(),
                ));
            }
        }
        if self.decoded - self.object_began > MAX_NODES {
            return Err(too_large(at, "one object holds more than", MAX_NODES));
        }
        Ok(())
    }
}

/// Which share of the decoded values may come from aliases (`allowedAliasRatio` of go-yaml's `decode.go`).
#[allow(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn allowed_ratio(decoded: u64) -> f64 {
    match decoded {
        0..=400_000 => 0.99,
        4_000_000.. => 0.10,
        decoded => 0.99 - 0.89 * ((decoded - 400_000) as f64 / 3_600_000.0),
    }
}

fn too_large(at: &Range<usize>, what: &str, values: u64) -> Problem {
    Problem::new(
        "document-too-large",
        format!("{what} {values} values"),
        "split the document",
        at.clone(),
    )
}

fn too_deep(at: &Range<usize>) -> Problem {
    Problem::new(
        "broken-yaml",
        format!("lists and mappings nest deeper than {MAX_DEPTH} levels"),
        "no Kubernetes object nests so deeply; look for a missing line end or bracket",
        at.clone(),
    )
}

fn behind_document(at: &Range<usize>) -> Problem {
    Problem::new(
        "broken-yaml",
        "something stands behind the end of the document",
        MEND,
        at.clone(),
    )
}

fn unexpected(at: &Range<usize>) -> Problem {
    Problem::new("broken-yaml", "a value is missing here", MEND, at.clone())
}
