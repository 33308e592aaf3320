use bailiwick_core::Str;
use bailiwick_model::PolicyRule;
use smallvec::SmallVec;

use super::symbols::{Symbol, Symbols};
use super::wanted::{Wanted, WantedResource, cut};

/// The rules of a role with their strings interned. One way through memory reaches the masks of an ordinary role, and
/// they reject most rules.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(crate) struct Rules {
    /// What any of the rules can match at all.
    mask: Mask,
    /// What each of them can.
    masks: SmallVec<[Mask; 4]>,
    /// First, five numbers a rule and one more: where its verbs, groups, resources, names and URLs start; its URLs end
    /// where the next rule's verbs start. Then the symbols; a resource takes two, cut at its first slash.
    ///
    /// No verbs, groups or resources in spite of a mask that meets the request are all of them; no names always are.
    words: Box<[u32]>,
}

/// Bits of verbs (16), API groups (16) and resources before the first slash (32). A rule and a request that it allows
/// have bits of each in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mask(u64);

impl Rules {
    pub(crate) fn new(rules: &[PolicyRule], symbols: &mut Symbols) -> Self {
        let header = rules.len() * FIELDS + 1;
        let mut bounds = Vec::with_capacity(header);
        let mut words = Vec::new();
        let masks: SmallVec<[Mask; 4]> = rules
            .iter()
            .map(|rule| {
                let mut mark = |words: &[u32]| bounds.push((header + words.len()) as u32);
                mark(&words);
                let verbs = plain(&rule.verbs, &mut words, symbols, Mask::VERBS, Mask::verb);
                mark(&words);
                let groups = plain(
                    &rule.api_groups,
                    &mut words,
                    symbols,
                    Mask::GROUPS,
                    Mask::group,
                );
                mark(&words);
                let resources = resources(&rule.resources, &mut words, symbols);
                mark(&words);
                // `*` is a name like any other.
                words.extend(
                    rule.resource_names
                        .iter()
                        .map(|n| symbols.intern_shared(n).0),
                );
                mark(&words);
                words.extend(
                    rule.non_resource_urls
                        .iter()
                        .map(|u| symbols.intern_shared(u).0),
                );
                verbs.or(groups).or(resources)
            })
            .collect();
        bounds.push((header + words.len()) as u32);
        bounds.extend(words);
        Self {
            mask: masks
                .iter()
                .fold(Mask::default(), |all, &mask| all.or(mask)),
            masks,
            words: bounds.into(),
        }
    }

    /// Gives the uses of all strings back.
    pub(crate) fn release(&self, symbols: &mut Symbols) {
        let words = self.words.iter().skip(self.masks.len() * FIELDS + 1);
        for word in words.map(|&word| Symbol(word)) {
            if word != Symbol::NONE {
                symbols.release(word);
            }
        }
    }

    /// What any of them can match at all.
    pub(super) fn mask(&self) -> Mask {
        self.mask
    }

    /// Positions of the rules that allow what is wanted (`plugin/pkg/auth/authorizer/rbac/rbac.go`, `RuleAllows`).
    /// `looked` is called for each rule that is compared.
    pub(crate) fn allowing(
        &self,
        wanted: &Wanted<'_>,
        symbols: &Symbols,
        mut looked: impl FnMut(),
    ) -> impl Iterator<Item = u32> {
        let masks: &[Mask] = if self.mask.meets(wanted) {
            &self.masks
        } else {
            &[]
        };
        (0..)
            .zip(masks)
            .filter(move |&(position, mask)| {
                looked();
                mask.meets(wanted) && self.allows(position, wanted, symbols)
            })
            .map(|(position, _)| position)
    }

    fn allows(&self, rule: u32, wanted: &Wanted<'_>, symbols: &Symbols) -> bool {
        let first = rule as usize * FIELDS;
        let bounds = self.words.get(first..).and_then(<[u32]>::first_chunk);
        let Some(&[verbs, groups, resources, names, urls, end]) = bounds else {
            return false;
        };
        let list = |start: u32, end: u32| {
            let range = start as usize..end as usize;
            self.words.get(range).unwrap_or_default()
        };
        // The masks have met, so that an empty list means "all".
        let has = |list: &[u32], word: Symbol| list.is_empty() || list.contains(&word.0);
        match wanted {
            Wanted::Resource(wanted) => {
                has(list(verbs, groups), wanted.verb)
                    && has(list(groups, resources), wanted.group)
                    && has_resource(list(resources, names), wanted, symbols)
                    && match list(names, urls) {
                        [] => true,
                        names => names.contains(&symbols.find(wanted.name).0),
                    }
            }
            Wanted::Path { verb, path } => {
                let matches = |&url: &u32| url_matches(symbols.text(Symbol(url)), path);
                has(list(verbs, groups), *verb) && list(urls, end).iter().any(matches)
            }
        }
    }

    /// Bytes outside of the struct itself.
    pub(crate) fn bytes(&self) -> usize {
        let spilled = if self.masks.spilled() {
            self.masks.capacity() * size_of::<Mask>()
        } else {
            0
        };
        size_of_val(&*self.words) + spilled
    }
}

/// Verbs, groups, resources, names, URLs.
const FIELDS: usize = 5;

/// `*`, the same string, or `*/` and the subresource (`pkg/apis/rbac/v1/evaluation_helpers.go`). Nothing else is a
/// pattern: `pods/*` and `*/*` are matched by themselves alone.
fn has_resource(list: &[u32], wanted: &WantedResource<'_>, symbols: &Symbols) -> bool {
    let (resources, _) = list.as_chunks();
    list.is_empty()
        || resources.iter().any(|&[head, tail]| {
            let (head, tail) = (Symbol(head), Symbol(tail));
            (head == Symbol::STAR && tail == wanted.subresource)
                || wanted.spelled(head, tail, symbols)
        })
}

/// `*`, the same path, or what stands before trailing stars is where the path begins.
fn url_matches(url: &str, path: &str) -> bool {
    let stem = url.trim_end_matches('*');
    if stem.len() == url.len() {
        url == path
    } else {
        path.starts_with(stem)
    }
}

/// Appends the words of a list of which one has to equal the wanted one, and gives their bits.
fn plain(
    texts: &[Str],
    words: &mut Vec<u32>,
    symbols: &mut Symbols,
    all: Mask,
    bit: fn(Symbol) -> Mask,
) -> Mask {
    if is_all(texts) {
        return all;
    }
    let mut mask = Mask::default();
    for text in texts {
        let word = symbols.intern_shared(text);
        mask = mask.or(bit(word));
        words.push(word.0);
    }
    mask
}

/// Appends resources, each as what stands before its first slash and what stands behind, and gives the bits of the
/// former.
fn resources(texts: &[Str], words: &mut Vec<u32>, symbols: &mut Symbols) -> Mask {
    if is_all(texts) {
        return Mask::RESOURCES;
    }
    let mut mask = Mask::default();
    for text in texts {
        let (head, tail) = cut(text);
        let head = symbols.intern(head);
        mask = mask.or(Mask::resource(head));
        words.push(head.0);
        words.push(tail.map_or(Symbol::NONE, |tail| symbols.intern(tail)).0);
    }
    mask
}

fn is_all(texts: &[Str]) -> bool {
    texts.iter().any(|text| &**text == "*")
}

impl Mask {
    /// Of what has to be looked at, whatever is wanted.
    pub(super) const ALL: Self = Self(u64::MAX);
    const VERBS: Self = Self(0xFFFF);
    const GROUPS: Self = Self(0xFFFF << 16);
    const RESOURCES: Self = Self(0xFFFF_FFFF << 32);

    pub(super) fn verb(symbol: Symbol) -> Self {
        Self(1 << (symbol.0 % 16))
    }

    pub(super) fn group(symbol: Symbol) -> Self {
        Self(1 << (symbol.0 % 16) << 16)
    }

    pub(super) fn resource(symbol: Symbol) -> Self {
        Self(1 << (symbol.0 % 32) << 32)
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn meets(self, wanted: &Wanted<'_>) -> bool {
        match wanted {
            Wanted::Resource(wanted) => {
                let both = self.0 & wanted.mask.0;
                // Without shortcuts: which of the three fails is a coin toss that the processor would guess.
                (both & Self::VERBS.0 != 0)
                    & (both & Self::GROUPS.0 != 0)
                    & (both & Self::RESOURCES.0 != 0)
            }
            Wanted::Path { verb, .. } => self.0 & Self::verb(*verb).0 != 0,
        }
    }
}
