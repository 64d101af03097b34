//! A small stable sort for the page: each instantiation of the standard library's sorts, which are tuned for long lists, adds 3
//! KB to the page's module.

/// Stable insertion sort by a key. Fast for hundreds of items, and for thousands that are nearly sorted.
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
