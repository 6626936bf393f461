//! The patterns of ssh's files: `*`, `?`, and lists in which `!` takes out again.

/// Whether a text fits one pattern; letters' case does not matter.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let (mut p, mut t) = (0, 0);
    // Where the last star stood and how far the text was then.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || Some(c) == text.get(t) => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, reached)) => {
                    star = Some((at, reached + 1));
                    p = at + 1;
                    t = reached + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).is_none_or(|rest| rest.iter().all(|c| *c == '*'))
}

/// Whether a text fits a list: at least one pattern, and none of those with `!`.
pub(super) fn fits_list<'a>(patterns: impl IntoIterator<Item = &'a str>, text: &str) -> bool {
    let mut found = false;
    for pattern in patterns {
        match pattern.strip_prefix('!') {
            Some(pattern) if fits(pattern, text) => return false,
            Some(_) => {}
            None => found |= fits(pattern, text),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_fit_what_ssh_says_they_fit() {
        for (pattern, text, fits_it) in [
            ("*", "", true),
            ("dock-?", "dock-2", true),
            ("dock-?", "dock-22", false),
            ("*.example.com", "a.b.example.com", true),
            ("*.example.com", "example.com", false),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("Dock", "dOCK", true),
            ("[127.0.0.1]:2222", "[127.0.0.1]:2222", true),
        ] {
            assert_eq!(fits(pattern, text), fits_it, "{pattern} on {text}");
        }
    }

    #[test]
    fn a_negated_pattern_takes_out_whatever_its_place() {
        assert!(fits_list(["*.example.com", "!db.example.com"], "web.example.com"));
        assert!(!fits_list(["*.example.com", "!db.example.com"], "db.example.com"));
        assert!(!fits_list(["!db.example.com", "*.example.com"], "db.example.com"));
        assert!(!fits_list(["!db.example.com"], "web.example.com"), "a negation alone fits nothing");
    }
}
