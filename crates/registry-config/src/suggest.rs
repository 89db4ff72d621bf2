// SPDX-License-Identifier: Apache-2.0
//! "Did you mean": the known name nearest to a mistyped one.

/// The nearest of `known`, if it is near enough to be meant.
pub(crate) fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    if name.len() > 64 {
        return None;
    }
    let name = name.to_ascii_lowercase().replace(['_', '-'], "");
    let allowed = (name.chars().count() / 3).clamp(1, 3);
    known
        .map(|candidate| (distance(&name, candidate), candidate))
        .min()
        .filter(|(distance, _)| *distance <= allowed)
        .map(|(_, candidate)| candidate)
}

/// Edits (insert, delete, replace a character) between two words.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn suggests_only_what_is_near() {
        let known = ["rootdirectory", "maxthreads", "addr"];
        let suggest = |name| nearest(name, known.into_iter());
        assert_eq!(suggest("rootDirectory"), Some("rootdirectory"));
        assert_eq!(suggest("root_dir"), None);
        assert_eq!(suggest("adr"), Some("addr"));
        assert_eq!(suggest("max-threads"), Some("maxthreads"));
        assert_eq!(suggest("x"), None);
        assert_eq!(suggest("quota"), None);
    }
}
