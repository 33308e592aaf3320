use std::hash::{Hash as _, Hasher as _};

use serde::{Deserialize, Serialize};

use super::BadRequest;

/// Results in one answer where the caller sets no limit.
const USUAL: usize = 1_000;

/// Which part of the results is wanted.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    token: Option<String>,
    limit: Option<u64>,
}

/// Which part an answer holds.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Page {
    next_token: String,
    count: usize,
    total: usize,
}

/// What a token says: which search it belongs to, and behind which result to go on.
#[derive(Debug, Serialize, Deserialize)]
struct Token {
    search: u64,
    after: String,
}

/// Cuts the part that is wanted out of sorted results. `search` is the question without its page; a token of another
/// one is refused.
pub(super) fn cut<T>(
    mut results: Vec<T>,
    key: impl Fn(&T) -> String,
    wanted: Option<&Wanted>,
    search: &[u8],
) -> Result<(Vec<T>, Option<Page>), BadRequest> {
    let usual = Wanted::default();
    let asked = wanted.unwrap_or(&usual);
    let limit = asked.limit.and_then(|limit| usize::try_from(limit).ok());
    let limit = limit.unwrap_or(USUAL).clamp(1, USUAL);
    let total = results.len();
    let name = name_of(search);
    if let Some(token) = asked.token.as_deref().filter(|token| !token.is_empty()) {
        let token =
            read(token).ok_or_else(|| BadRequest("`page.token` is none of ours".to_owned()))?;
        if token.search != name {
            let message = "`page.token` belongs to another search; repeat the question as it was";
            return Err(BadRequest(message.to_owned()));
        }
        results.retain(|result| key(result) > token.after);
    }
    let more = results.len() > limit;
    results.truncate(limit);
    let after = results.last().filter(|_| more).map(&key);
    let next_token = after.map_or_else(String::new, |after| {
        write(&Token {
            search: name,
            after,
        })
    });
    let page = Page {
        next_token,
        count: results.len(),
        total,
    };
    Ok((results, (wanted.is_some() || more).then_some(page)))
}

/// A name for a search; it guards against mistakes, not against anybody who may search anyway.
fn name_of(search: &[u8]) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    search.hash(&mut hasher);
    hasher.finish()
}

fn write(token: &Token) -> String {
    let json = serde_json::to_vec(token).unwrap_or_default();
    json.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(token: &str) -> Option<Token> {
    let (pairs, rest) = token.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let json: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    serde_json::from_slice(&json.filter(|_| rest.is_empty())?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(token: &str, limit: u64) -> Wanted {
        Wanted {
            token: Some(token.to_owned()),
            limit: Some(limit),
        }
    }

    fn cut_letters(
        wanted: Option<&Wanted>,
        search: &[u8],
    ) -> Result<(String, Option<Page>), BadRequest> {
        let letters: Vec<char> = "abcde".chars().collect();
        let (part, page) = cut(letters, ToString::to_string, wanted, search)?;
        Ok((part.into_iter().collect(), page))
    }

    #[test]
    fn pages_follow_each_other_to_the_end() {
        let (mut token, mut parts) = (String::new(), Vec::new());
        loop {
            let (part, page) = cut_letters(Some(&wanted(&token, 2)), b"q").unwrap();
            let page = page.unwrap();
            assert_eq!((page.count, page.total), (part.len(), 5));
            parts.push(part);
            token = page.next_token;
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(parts, ["ab", "cd", "e"]);
        assert_eq!(cut_letters(None, b"q"), Ok(("abcde".to_owned(), None)));
    }

    #[test]
    fn a_token_belongs_to_its_search() {
        let (_, page) = cut_letters(Some(&wanted("", 2)), b"q").unwrap();
        let token = page.unwrap().next_token;
        let other = cut_letters(Some(&wanted(&token, 2)), b"other").unwrap_err();
        assert!(other.0.contains("belongs to another search"), "{other}");
        for token in ["x", "7b", "zz", &token[2..]] {
            assert!(
                cut_letters(Some(&wanted(token, 2)), b"q").is_err(),
                "{token}"
            );
        }
    }
}
