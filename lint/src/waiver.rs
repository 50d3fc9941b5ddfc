//! Findings that somebody vouches for.

use crate::{Finding, Rule};

/// Says why findings are no problem. It stands in code, next to the check, so that it
/// is reviewed like code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiver {
    pub rule: Rule,
    /// The unit the findings are in, or the path of the block if units have no names;
    /// `*` stands for anything.
    pub block: &'static str,
    /// The expression; `*` stands for anything.
    pub expression: &'static str,
    pub reason: &'static str,
}

impl Waiver {
    pub fn covers(&self, finding: &Finding) -> bool {
        let block = finding.unit.as_ref().unwrap_or(&finding.block);
        self.rule == finding.rule
            && matches(self.block, block)
            && matches(self.expression, &finding.expression)
    }
}

/// Findings after waivers.
#[derive(Debug, Default)]
pub struct Review {
    pub open: Vec<Finding>,
    pub waived: Vec<(Finding, Waiver)>,
    /// Waivers that cover nothing: what they waived is gone, and so should they be.
    pub unused: Vec<Waiver>,
}

impl Review {
    pub fn of(findings: Vec<Finding>, waivers: &[Waiver]) -> Review {
        let mut review = Review::default();
        for finding in findings {
            match waivers.iter().find(|waiver| waiver.covers(&finding)) {
                Some(waiver) => review.waived.push((finding, *waiver)),
                None => review.open.push(finding),
            }
        }
        let used = |waiver: &Waiver| review.waived.iter().any(|(_, by)| by == waiver);
        review.unused = waivers.iter().filter(|w| !used(w)).copied().collect();
        review
    }
}

/// `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*b", "ab", true),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abde", false),
            ("*", "", true),
            ("ab*b", "ab", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_waiver_that_covers_nothing_is_reported() {
        let finding = Finding {
            rule: Rule::Latch,
            block: "top.a".to_owned(),
            unit: Some("unit_3".to_owned()),
            expression: "x".to_owned(),
            problem: String::new(),
            instances: 2,
        };
        let waiver = |rule, block| Waiver {
            rule,
            block,
            expression: "x",
            reason: "it is a test",
        };
        let waivers = [
            waiver(Rule::Keyword, "unit_*"),
            waiver(Rule::Latch, "unit_*"),
        ];
        let review = Review::of(vec![finding], &waivers);
        assert!(review.open.is_empty());
        assert_eq!(review.waived[0].1, waivers[1]);
        assert_eq!(review.unused, [waivers[0]]);
    }
}
