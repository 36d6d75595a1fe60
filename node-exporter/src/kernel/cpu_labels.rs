//! CPU numbers as label values, put in the order of their text once per change of the set.
//!
//! The page wants `cpu="10"` before `cpu="2"`, the kernel counts. Sorting some hundred numbers as text at each scrape
//! would cost more than reading the file they come from.

/// The CPUs of a file, as label values.
#[derive(Debug, Default)]
pub(crate) struct CpuLabels {
    numbers: Vec<u32>,
    /// Label values in the order of their text, each with the place of its CPU in the file.
    sorted: Vec<(String, usize)>,
}

impl CpuLabels {
    /// Notes the CPUs that the file has now, in its order; tells whether they are others than before.
    pub(crate) fn update(&mut self, numbers: impl Iterator<Item = u32> + Clone) -> bool {
        if numbers.clone().eq(self.numbers.iter().copied()) {
            return false;
        }
        self.numbers.clear();
        self.numbers.extend(numbers);
        self.sorted = self.numbers.iter().enumerate().map(|(place, number)| (number.to_string(), place)).collect();
        self.sorted.sort();
        true
    }

    /// The label values in the order of their text, each with the place of its CPU in the file.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, usize)> {
        self.sorted.iter().map(|(label, place)| (label.as_str(), *place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_in_the_order_of_their_text() {
        let mut labels = CpuLabels::default();
        assert!(labels.update([0, 1, 2, 10].into_iter()));
        assert!(!labels.update([0, 1, 2, 10].into_iter()));
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("0", 0), ("1", 1), ("10", 3), ("2", 2)]);
        assert!(labels.update([0, 10].into_iter()));
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("0", 0), ("10", 1)]);
    }
}
