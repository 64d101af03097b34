//! Sorting with little code, for what the page shows: the standard library's sorts are written for long lists, and are 3 KB of
//! the page's module for each type.

/// Sorts by a key; what has the same key stays in its order. Each item is inserted among those before it: quick for hundreds,
/// and for thousands that are nearly in order.
pub fn sort_by_key<T, K: Ord>(items: &mut Vec<T>, key: impl Fn(&T) -> K) {
    for index in 1..items.len() {
        let own = key(&items[index]);
        let place = items[..index].partition_point(|before| key(before) <= own);
        if place < index {
            let item = items.remove(index);
            items.insert(place, item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_the_order_of_the_standard_librarys_stable_sort(items: Vec<(u8, u32)>) {
            let (mut ours, mut theirs) = (items.clone(), items);
            sort_by_key(&mut ours, |item| item.0 % 8);
            theirs.sort_by_key(|item| item.0 % 8);
            prop_assert_eq!(ours, theirs);
        }
    }
}
